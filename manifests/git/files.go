package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	maxDigested = 4 << 20 // of a larger file only size and time count
	maxFiles    = 100_000
)

// files reads a plain directory as it is.
type files struct {
	dir  string
	mu   sync.Mutex
	sums map[string]sum // of the files, as they were last seen
	root *os.Root
}

// sum is a file's digest, with the size and time that must be unchanged for the digest to count.
type sum struct {
	size   int64
	mtime  time.Time
	digest [sha256.Size]byte
}

func openFiles(dir string) (*files, error) {
	f := &files{dir: dir, sums: map[string]sum{}}
	_, err := f.open()
	return f, err
}

// open returns the directory. It opens it again if another directory has taken its place.
func (f *files) open() (*os.Root, error) {
	info, err := os.Stat(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNotFound(f.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.dir, bare(err))
	}
	if f.root != nil {
		if known, err := f.root.Stat("."); err == nil && os.SameFile(known, info) {
			return f.root, nil
		}
		_ = f.root.Close()
		f.root = nil
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.dir, bare(err))
	}
	f.root = root
	return root, nil
}

func (f *files) head(ctx context.Context) (Commit, string, error) {
	c, err := f.current(ctx)
	if err != nil {
		return Commit{}, err.Error(), err
	}
	return c, c.Hash, nil
}

func (f *files) current(ctx context.Context) (Commit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	root, err := f.open()
	if err != nil {
		return Commit{}, err
	}
	d := &digester{ctx: ctx, f: f, tree: directory{root}, sums: make(map[string]sum, len(f.sums))}
	hash, err := d.run()
	if err != nil {
		return Commit{}, fmt.Errorf("reading %s: %w", f.dir, bare(err))
	}
	f.sums = d.sums
	return Commit{Hash: hash, When: d.newest, Message: "files as they are", Tree: directory{root}}, nil
}

func (f *files) at(ctx context.Context, hash string) (Commit, error) {
	c, err := f.current(ctx)
	if err == nil && c.Hash != hash {
		err = fmt.Errorf("reading %s of %s: %w: the directory has no history", quote(hash), f.dir, ErrGone)
	}
	if err != nil {
		return Commit{}, err
	}
	return c, nil
}

func (f *files) log(ctx context.Context, _, to string, _ int) ([]Commit, error) {
	c, err := f.at(ctx, to)
	if err != nil {
		return nil, err
	}
	c.Tree = nil
	return []Commit{c}, nil
}

// isAncestor fails unless both states are the same, because the states of a directory have no order.
func (f *files) isAncestor(_ context.Context, older, newer string) (bool, error) {
	if older != newer {
		return false, fmt.Errorf("comparing %s and %s of %s: %w", quote(older), quote(newer), f.dir, ErrNoHistory)
	}
	return true, nil
}

func (f *files) dirty(context.Context, string, func(string) bool) ([]string, error) { return nil, nil }

func (f *files) state(ctx context.Context) string {
	_, state, _ := f.head(ctx)
	return state
}

func (f *files) pause(poll time.Duration, blind bool) time.Duration { return eventPause(poll, blind) }

func (f *files) quiet() time.Duration { return 25 * time.Millisecond }

// watched also names the directory above, because the whole directory may be moved away within it.
func (f *files) watched() ([]string, func(path string) bool) {
	place := absolute(f.dir)
	return append([]string{filepath.Dir(place)}, subdirectories(place)...), func(path string) bool {
		return path == place || strings.HasPrefix(path, place+string(filepath.Separator))
	}
}

func (f *files) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root == nil {
		return nil
	}
	return f.root.Close()
}

// FilesPrefix begins the revision of a plain directory.
const FilesPrefix = "files-"

// digester makes one name of all files in a directory. Different content gives a different name.
type digester struct {
	ctx    context.Context
	f      *files
	tree   directory
	sums   map[string]sum
	newest time.Time
	count  int
}

func (d *digester) run() (string, error) {
	all := sha256.New()
	err := fs.WalkDir(d.tree, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if e.Name() == ".git" {
				return fs.SkipDir
			}
			return d.ctx.Err()
		}
		if d.count++; d.count > maxFiles {
			return fmt.Errorf("it holds more than %d files; name the directory of the manifests", maxFiles)
		}
		s, err := d.file(name, e)
		if errors.Is(err, fs.ErrNotExist) { // it has gone since it was listed
			return nil
		}
		fmt.Fprintf(all, "%q %s %x\n", name, e.Type(), s.digest)
		return err
	})
	if err != nil {
		return "", err
	}
	return FilesPrefix + hex.EncodeToString(all.Sum(nil))[:16], nil
}

func (d *digester) file(name string, e fs.DirEntry) (sum, error) {
	info, err := e.Info()
	if err != nil || !info.Mode().IsRegular() {
		return sum{}, err
	}
	if info.ModTime().After(d.newest) {
		d.newest = info.ModTime()
	}
	s := sum{size: info.Size(), mtime: info.ModTime()}
	// A file written within the clock's resolution of the last look could have changed again at the same time.
	if known, ok := d.f.sums[name]; ok && known.size == s.size && known.mtime.Equal(s.mtime) && time.Since(s.mtime) > time.Second {
		d.sums[name] = known
		return known, nil
	}
	if s.digest, err = d.digest(name, info); err == nil {
		d.sums[name] = s
	}
	return s, err
}

func (d *digester) digest(name string, info fs.FileInfo) (out [sha256.Size]byte, err error) {
	h := sha256.New()
	if info.Size() > maxDigested {
		fmt.Fprintf(h, "%d %d", info.Size(), info.ModTime().UnixNano())
		return [sha256.Size]byte(h.Sum(nil)), nil
	}
	f, err := d.tree.Open(name)
	switch {
	case errors.Is(err, fs.ErrPermission): // unreadable is a state too; the real read reports it
		return out, nil
	case err != nil:
		return out, err
	}
	defer func() { _ = f.Close() }()
	if _, err := io.Copy(h, io.LimitReader(f, maxDigested)); err != nil {
		return out, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// directory is a directory's files as an fs.FS that follows no link.
type directory struct{ root *os.Root }

var (
	_ fs.ReadDirFS  = directory{}
	_ fs.ReadLinkFS = directory{}
	_ fs.StatFS     = directory{}
)

// Open opens a regular file or a directory. A pipe put in a file's place cannot make it wait.
func (d directory) Open(name string) (fs.File, error) { return d.open("open", name) }

func (d directory) open(op, name string) (*os.File, error) {
	if err := d.plain(op, name); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || (!info.Mode().IsRegular() && !info.IsDir()) {
		_ = f.Close()
		return nil, &fs.PathError{Op: op, Path: name, Err: errors.New("not a regular file")}
	}
	return f, nil
}

// plain refuses names that are or lead through a link. A link made afterwards cannot lead outside the directory
// either.
func (d directory) plain(op, name string) error {
	if !fs.ValidPath(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	for dir := name; dir != "."; dir = path.Dir(dir) {
		info, err := d.root.Lstat(filepath.FromSlash(dir))
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return &fs.PathError{Op: op, Path: name, Err: errors.New("is or leads through a link")}
		}
	}
	return nil
}

func (d directory) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.open("readdir", name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// Stat describes a link itself. It follows nothing.
func (d directory) Stat(name string) (fs.FileInfo, error)  { return d.Lstat(name) }
func (d directory) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(d.root.FS(), name) }

func (d directory) ReadLink(name string) (string, error) { return fs.ReadLink(d.root.FS(), name) }
