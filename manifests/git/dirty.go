package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/go-git/go-git/v5/plumbing/format/index"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// Dirty answers a question of convenience, so it must cost little. It reads a file only if git's index does not show
// it to be unchanged. No repository of manifests reaches these limits.
const (
	maxListed  = 20
	maxLooked  = 50_000   // files and directories looked at
	maxHashed  = 64 << 20 // bytes read
	maxCompare = 4 << 20  // size of a file that is read
)

// dirty lists the files of the working copy that differ from the commit, and those that the operator would read and that
// the commit does not have.
func (r *repository) dirty(ctx context.Context, dir string, reads func(name string) bool) ([]string, error) {
	l, err := r.where()
	if err != nil || l.work == "" {
		return nil, err
	}
	c, _, err := r.head(ctx)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(l.work)
	if err != nil {
		return nil, fmt.Errorf("comparing %s with %s: %w", l.work, c.Short(), bare(err))
	}
	defer func() { _ = root.Close() }()
	d := &comparison{ctx: ctx, commit: c.Tree.(*tree), root: root, index: r.index(), reads: reads}
	if dir = path.Clean(dir); !fs.ValidPath(dir) {
		dir = "."
	}
	err = d.tracked(dir)
	if err == nil {
		err = d.untracked(dir, d.above(l.common, dir))
	}
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("comparing %s with %s: %w", l.work, c.Short(), bare(err))
	}
	slices.Sort(d.found)
	if len(d.found) > maxListed {
		d.found = append(d.found[:maxListed], "…")
	}
	return d.found, nil
}

// index returns git's index by path. If there is no index, or it cannot be read, every file is compared itself.
func (r *repository) index() map[string]known {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open() != nil {
		return nil
	}
	if info, err := os.Stat(filepath.Join(r.git, "index")); err != nil || !info.Mode().IsRegular() {
		return nil // go-git would wait for a pipe
	}
	s := openStorage(dotgit.NewRepositoryFilesystem(osfs.New(r.git), osfs.New(r.common)))
	defer func() { _ = s.Close() }() // it was only read from
	i, err := s.Index()
	if err != nil {
		return nil
	}
	out := make(map[string]known, len(i.Entries))
	for _, e := range i.Entries {
		if e.Stage == 0 { // not in the middle of a merge
			// A file written at the same moment as the index may have changed after that.
			out[e.Name] = known{e, e.ModifiedAt.Before(i.ModTime)}
		}
	}
	return out
}

type known struct {
	*index.Entry
	settled bool
}

var errEnough = errors.New("enough was found")

// comparison compares a working copy with a commit.
type comparison struct {
	ctx    context.Context
	commit *tree
	root   *os.Root
	index  map[string]known
	reads  func(name string) bool
	found  []string
	looked int
	hashed int64
}

func (d *comparison) look() error {
	if d.looked++; d.looked > maxLooked || d.hashed > maxHashed || len(d.found) > maxListed {
		return errEnough
	}
	return d.ctx.Err()
}

// tracked compares the files that the commit has with the working copy.
func (d *comparison) tracked(dir string) error {
	entries, err := d.commit.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		n, name := e.(*node), path.Join(dir, e.Name())
		if err := d.look(); err != nil {
			return err
		}
		switch {
		case n.IsDir():
			if err := d.tracked(name); err != nil {
				return err
			}
		case n.mode&fs.ModeIrregular == 0 && !d.same(name, n):
			d.found = append(d.found, name)
		}
	}
	return err
}

// same reports whether a file is as the commit has it.
func (d *comparison) same(name string, n *node) bool {
	i, indexed := d.index[name]
	info, err := d.root.Lstat(name)
	if err != nil {
		return indexed && i.SkipWorktree // a sparse checkout leaves it out
	}
	if info.Mode().Type() != n.mode.Type() {
		return false
	}
	if indexed && i.settled && i.Hash == n.hash && i.Size == uint32(info.Size()) && sameTime(i.ModifiedAt, info.ModTime()) {
		return true
	}
	data, err := d.read(name, info)
	if err != nil {
		return false
	}
	if plumbing.ComputeHash(plumbing.BlobObject, data) == n.hash {
		return true
	}
	// If core.autocrlf is set, git itself makes this difference.
	unix := bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	return len(unix) < len(data) && plumbing.ComputeHash(plumbing.BlobObject, unix) == n.hash
}

// sameTime compares times as precisely as the index keeps them, because git may be built without nanoseconds.
func sameTime(index, file time.Time) bool {
	return index.Equal(file) || (index.Nanosecond() == 0 && index.Unix() == file.Unix())
}

func (d *comparison) read(name string, info fs.FileInfo) ([]byte, error) {
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := d.root.Readlink(name)
		return []byte(to), err
	}
	if info.Size() > maxCompare {
		return nil, errors.New("too large to be compared")
	}
	d.hashed += info.Size()
	f, err := directory{d.root}.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxCompare+1))
}

// untracked lists files that the operator would read and that the commit does not have, unless git ignores them.
func (d *comparison) untracked(dir string, ignored []gitignore.Pattern) error {
	entries, _ := directory{d.root}.ReadDir(dir) // a directory that cannot be listed could not be committed either
	ignored = append(slices.Clip(ignored), d.ignoreFile(dir)...)
	match := gitignore.NewMatcher(ignored)
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if err := d.look(); err != nil {
			return err
		}
		if match.Match(strings.Split(name, "/"), e.IsDir()) {
			continue
		}
		switch {
		case e.IsDir():
			_, err := d.root.Lstat(path.Join(name, ".git"))
			if strings.HasPrefix(e.Name(), ".") || err == nil { // a repository of its own
				continue
			}
			if err := d.untracked(name, ignored); err != nil {
				return err
			}
		case d.reads(e.Name()):
			if _, err := d.commit.Lstat(name); errors.Is(err, fs.ErrNotExist) {
				d.found = append(d.found, name)
			}
		}
	}
	return nil
}

// above returns what git ignores in the whole repository and in the directories above the given one.
func (d *comparison) above(common, dir string) []gitignore.Pattern {
	data, _ := readSmall(filepath.Join(common, "info", "exclude")) // most repositories have none
	patterns := parsePatterns(data, nil)
	if dir == "." {
		return patterns
	}
	patterns = append(patterns, d.ignoreFile(".")...)
	for i, c := range dir {
		if c == '/' {
			patterns = append(patterns, d.ignoreFile(dir[:i])...)
		}
	}
	return patterns
}

func (d *comparison) ignoreFile(dir string) []gitignore.Pattern {
	f, err := directory{d.root}.Open(path.Join(dir, ".gitignore"))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil
	}
	var domain []string
	if dir != "." {
		domain = strings.Split(dir, "/")
	}
	return parsePatterns(data, domain)
}

func parsePatterns(data []byte, domain []string) []gitignore.Pattern {
	var out []gitignore.Pattern
	for _, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			out = append(out, gitignore.ParsePattern(line, domain))
		}
	}
	return out
}
