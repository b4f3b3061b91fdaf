package git

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
)

// ErrAmbiguous says that several commits begin with the same digits of a hash.
var ErrAmbiguous = errors.New("several commits begin with these digits")

// historian is a backend that has commits.
type historian interface {
	resolve(ctx context.Context, text string) (*gitobject.Commit, error)
	recent(ctx context.Context, limit int) ([]Commit, error)
	takenBack(ctx context.Context, tip, next string, limit int) ([]Commit, int, error)
	names() []string
	lacks(ctx context.Context) (bool, error)
}

// Resolve returns the full hash of the commit that a text names, as git reads it. The text is HEAD, a branch, a tag,
// or at least four digits of a hash, and may end with ^ or ~N for earlier commits. The error is ErrNoHistory for a
// plain directory, ErrGone if nothing has that name, and ErrAmbiguous if several commits do.
func (s *Source) Resolve(ctx context.Context, text string) (string, error) {
	h, ok := s.backend.(historian)
	if !ok {
		return "", fmt.Errorf("looking up %s in %s: %w", quote(text), s, ErrNoHistory)
	}
	c, err := h.resolve(ctx, text)
	if err != nil {
		return "", fmt.Errorf("looking up %s in %s: %w", quote(text), s, err)
	}
	return c.Hash.String(), nil
}

// Recent returns at most limit commits along first parents, from the tip of the ref that the source follows. The newest
// comes first, and none has a Tree. It returns no commits for a plain directory.
func (s *Source) Recent(ctx context.Context, limit int) ([]Commit, error) {
	if h, ok := s.backend.(historian); ok {
		return h.recent(ctx, limit)
	}
	return nil, nil
}

// Names returns the names of branches and tags, sorted. A plain directory has none.
func (s *Source) Names() []string {
	if h, ok := s.backend.(historian); ok {
		return h.names()
	}
	return nil
}

var (
	hashDigits = regexp.MustCompile(`^[0-9a-f]{4,40}$`)
	before     = regexp.MustCompile(`(\^|~[0-9]*)$`)
)

const mostBefore = 10_000 // the largest number of steps back

func (r *repository) resolve(ctx context.Context, text string) (*gitobject.Commit, error) {
	name, back := text, 0
	for {
		suffix := before.FindString(name)
		if suffix == "" || back > mostBefore {
			break
		}
		name = strings.TrimSuffix(name, suffix)
		steps := 1
		if digits := suffix[1:]; digits != "" {
			n, err := strconv.Atoi(digits)
			if err != nil {
				return nil, ErrGone
			}
			steps = n
		}
		back += steps
	}
	h, err := r.named(ctx, name)
	if err != nil {
		return nil, err
	}
	c, err := r.commit(ctx, h)
	if back > mostBefore {
		err = ErrGone
	}
	for ; err == nil && back > 0; back-- {
		if len(c.ParentHashes) == 0 {
			return nil, ErrGone
		}
		c, err = r.commit(ctx, c.ParentHashes[0])
	}
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		err = ErrGone
	}
	return c, err
}

// named returns the commit of a ref. If there is no ref with that name, it takes the name for the first digits of a
// hash.
func (r *repository) named(ctx context.Context, name string) (plumbing.Hash, error) {
	l, err := r.where()
	switch {
	case err != nil:
		return plumbing.ZeroHash, err
	case name == "":
		return plumbing.ZeroHash, ErrGone
	case name == "@":
		name = "HEAD"
	}
	for _, ref := range []string{name, "refs/remotes/" + name} {
		if !refName.MatchString(ref) && !refName.MatchString("refs/heads/"+ref) {
			continue
		}
		h, err := refs{l}.resolve(ref)
		if err == nil {
			return r.peel(ctx, h)
		}
		if name == "HEAD" || errors.Is(err, ErrNoCommit) {
			return h, err
		}
	}
	digits := strings.ToLower(name)
	if !hashDigits.MatchString(digits) {
		return plumbing.ZeroHash, ErrGone
	}
	return r.abbreviated(ctx, digits)
}

// abbreviated returns the only commit whose hash begins with some digits. It fails if there is none or more than one.
func (r *repository) abbreviated(ctx context.Context, digits string) (plumbing.Hash, error) {
	if len(digits) == 40 {
		return plumbing.NewHash(digits), nil
	}
	prefix, err := hex.DecodeString(digits[:len(digits)&^1])
	if err != nil {
		return plumbing.ZeroHash, ErrGone
	}
	found, err := r.beginning(prefix)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	var commits []plumbing.Hash
	failed := ErrGone
	for _, h := range found {
		if !strings.HasPrefix(h.String(), digits) {
			continue
		}
		_, err := r.commit(ctx, h)
		switch {
		case err == nil:
			commits = append(commits, h)
		case !errors.Is(err, plumbing.ErrObjectNotFound): // which it is for an object that is no commit
			failed = err
		}
	}
	switch len(commits) {
	case 0:
		return plumbing.ZeroHash, failed
	case 1:
		return commits[0], nil
	}
	return plumbing.ZeroHash, ErrAmbiguous
}

// beginning lists the objects whose hash begins with some bytes. It fails if it cannot know all of them, because another
// commit may then begin with the same digits.
func (o *objects) beginning(prefix []byte) ([]plumbing.Hash, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closeStores() // git may have packed or fetched since they were listed
	if err := o.open(); err != nil {
		return nil, err
	}
	var out []plumbing.Hash
	for _, s := range o.stores {
		found, err := o.within(s, prefix)
		if err != nil {
			return nil, err
		}
		for _, h := range found {
			if !slices.Contains(out, h) {
				out = append(out, h)
			}
		}
	}
	return out, nil
}

func (r *repository) recent(ctx context.Context, limit int) ([]Commit, error) {
	tip, err := r.tip()
	if err != nil {
		return nil, err
	}
	h, err := r.peel(ctx, tip)
	if err != nil {
		return nil, err
	}
	var out []Commit
	for len(out) < limit {
		c, err := r.commit(ctx, h)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			break // a shallow clone ends here
		}
		if err != nil {
			return out, err
		}
		out = append(out, summary(c))
		if len(c.ParentHashes) == 0 {
			break
		}
		h = c.ParentHashes[0]
	}
	return out, nil
}

func (r *repository) names() []string {
	l, err := r.where()
	if err != nil {
		return nil
	}
	var out []string
	for _, under := range []string{"heads", "tags"} {
		dir := filepath.Join(l.common, "refs", under)
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				if name, err := filepath.Rel(dir, path); err == nil {
					out = append(out, filepath.ToSlash(name))
				}
			}
			return nil
		})
	}
	packed, _ := readSmall(filepath.Join(l.common, "packed-refs"))
	for line := range strings.Lines(string(packed)) {
		_, ref, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, under := range []string{"refs/heads/", "refs/tags/"} {
			if name, ok := strings.CutPrefix(ref, under); ok {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
