package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
)

// repository reads commits from a checkout, a bare repository, or the clone of a remote.
type repository struct {
	place string // where it is
	name  string // its name in messages: the place, or a URL without credentials
	o     Options
	objects
}

func openRepository(location string, o Options) (*repository, error) {
	l, err := find(location)
	if err != nil {
		return nil, err
	}
	r := &repository{place: location, name: location, o: o, objects: objects{layout: l}}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r, r.open()
}

// where returns the present layout. A checkout may be a link that is switched, or a directory that was made again.
func (r *repository) where() (layout, error) {
	l, err := find(r.place)
	if err != nil {
		return l, err
	}
	if l.git == "" {
		return l, fmt.Errorf("reading %s: it is no git repository any more", r.name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l != r.layout {
		r.closeStores()
		r.layout = l
	}
	return l, nil
}

func (r *repository) ref() string {
	if r.o.Ref == "" {
		return "HEAD"
	}
	return r.o.Ref
}

// tip resolves the ref that the source follows.
func (r *repository) tip() (plumbing.Hash, error) {
	l, err := r.where()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	h, err := refs{l}.resolve(r.o.Ref)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("reading %s of %s: %w", r.ref(), r.name, err)
	}
	return h, nil
}

func (r *repository) head(ctx context.Context) (Commit, string, error) {
	tip, err := r.tip()
	if err != nil {
		return Commit{}, err.Error(), err
	}
	h, err := r.peel(ctx, tip)
	var c *gitobject.Commit
	if err == nil {
		c, err = r.commit(ctx, h)
	}
	if err != nil {
		return Commit{}, tip.String(), fmt.Errorf("reading %s of %s: %w", r.ref(), r.name, err)
	}
	return r.withTree(ctx, c), tip.String(), nil
}

// peel follows annotated tags to the object that they name.
func (r *repository) peel(ctx context.Context, h plumbing.Hash) (plumbing.Hash, error) {
	for range 5 {
		o, err := r.get(ctx, plumbing.AnyObject, h)
		if err != nil {
			return h, err
		}
		if o.kind != plumbing.TagObject {
			return h, nil
		}
		var t gitobject.Tag
		if err := t.Decode(o.encoded()); err != nil {
			return h, fmt.Errorf("reading the tag %s: %w", h, err)
		}
		h = t.Target
	}
	return h, errors.New("tags name each other in a circle")
}

func (r *repository) at(ctx context.Context, hash string) (Commit, error) {
	if !hashText.MatchString(hash) {
		return Commit{}, fmt.Errorf("reading commit %s of %s: %w: it is not a full hash", quote(hash), r.name, ErrGone)
	}
	if _, err := r.where(); err != nil {
		return Commit{}, err
	}
	c, err := r.commit(ctx, plumbing.NewHash(hash))
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return Commit{}, fmt.Errorf("reading commit %s of %s: %w", hash, r.name, ErrGone)
	}
	if err != nil {
		return Commit{}, fmt.Errorf("reading commit %s of %s: %w", hash, r.name, err)
	}
	return r.withTree(ctx, c), nil
}

// commit reads and decodes one commit.
func (r *repository) commit(ctx context.Context, h plumbing.Hash) (*gitobject.Commit, error) {
	o, err := r.get(ctx, plumbing.CommitObject, h)
	if err != nil {
		return nil, err
	}
	c := new(gitobject.Commit)
	if err := c.Decode(o.encoded()); err != nil {
		return nil, fmt.Errorf("reading the commit %s: %w", h, err)
	}
	return c, nil
}

func (r *repository) withTree(ctx context.Context, c *gitobject.Commit) Commit {
	out := summary(c)
	// Reading goes on after the context of the call that asked for the commit has ended.
	out.Tree = newTree(context.WithoutCancel(ctx), r, c.TreeHash)
	return out
}

func summary(c *gitobject.Commit) Commit {
	return Commit{Hash: c.Hash.String(), When: c.Committer.When, Author: c.Author.Name, Signer: signer(c.PGPSignature), Message: c.Message}
}

func (r *repository) state(context.Context) string {
	h, err := r.tip()
	if err != nil {
		return err.Error()
	}
	return h.String()
}

func (r *repository) pause(poll time.Duration, blind bool) time.Duration {
	return eventPause(poll, blind)
}

func (r *repository) quiet() time.Duration { return 0 }

// watched returns the directories that hold git's refs, and the directories above, which may be moved away with
// everything in them. git replaces files by renaming, so the files themselves cannot be watched.
func (r *repository) watched() ([]string, func(path string) bool) {
	place := absolute(r.place)
	dirs := []string{filepath.Dir(place), place}
	l, err := r.where()
	if err != nil {
		return dirs, func(string) bool { return true }
	}
	own, common := absolute(l.git), absolute(l.common)
	dirs = append(dirs, own, common)
	dirs = append(dirs, subdirectories(filepath.Join(common, "refs"))...)
	return dirs, func(path string) bool {
		return path == place || path == own || path == filepath.Join(place, ".git") || refEvent(own, path) || refEvent(common, path)
	}
}

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// refEvent reports whether an event is about refs. It leaves out what else git writes: locks, the index, objects.
func refEvent(repository, path string) bool {
	name, err := filepath.Rel(repository, path)
	if err != nil || strings.HasSuffix(name, ".lock") {
		return false
	}
	name = filepath.ToSlash(name)
	return name == "HEAD" || name == "packed-refs" || name == "commondir" || name == "refs" || strings.HasPrefix(name, "refs/")
}

// subdirectories lists a directory and those below it, without following links.
func subdirectories(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	out := []string{dir}
	for _, e := range entries {
		if e.IsDir() && e.Name() != ".git" {
			out = append(out, subdirectories(filepath.Join(dir, e.Name()))...)
		}
	}
	return out
}

func quote(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// encoded returns the object in the form that go-git's decoders read.
func (o *object) encoded() plumbing.EncodedObject {
	m := new(plumbing.MemoryObject)
	m.SetType(o.kind)
	_, _ = m.Write(o.data)
	return m
}
