package git

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// layout says where the parts of a source are in the file system.
type layout struct {
	dir    string // the directory as named
	git    string // the repository, or "" for a plain directory
	common string // the part that linked worktrees share; for all others the same as git
	work   string // the working copy, or "" for a bare repository
	parent string // the checkout that contains a plain directory, or ""
}

// find returns the layout of a directory. It fails if there is none, or if it holds a repository that is damaged.
func find(location string) (layout, error) {
	l := layout{dir: location}
	switch info, err := os.Stat(location); {
	case errors.Is(err, fs.ErrNotExist):
		return l, errNotFound(location)
	case err != nil:
		return l, fmt.Errorf("opening %s: %w", location, bare(err))
	case !info.IsDir():
		return l, fmt.Errorf("opening %s: it is no directory", location)
	}
	dotGit := filepath.Join(location, ".git")
	info, err := os.Stat(dotGit)
	switch {
	case err == nil && info.IsDir():
		l.git, l.work = dotGit, location
	case err == nil:
		l.work = location
		if l.git, err = gitFile(dotGit); err != nil {
			return l, fmt.Errorf("opening %s: %w", location, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return l, fmt.Errorf("opening %s: %w", dotGit, bare(err))
	case isRepository(location):
		l.git = location
	default:
		l.parent = enclosing(location)
		return l, nil
	}
	return l, l.findCommon()
}

// findCommon reads commondir, which linked worktrees have. It fails if no repository is there.
func (l *layout) findCommon() error {
	l.common = l.git
	name := filepath.Join(l.git, "commondir")
	data, err := readSmall(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("reading %s: %w", name, bare(err))
	default:
		l.common = relativeTo(l.git, strings.TrimSpace(string(data)))
	}
	if !isRepository(l.common) {
		return fmt.Errorf("opening %s: %s is no git repository: HEAD, objects or refs is missing", l.dir, l.common)
	}
	return nil
}

// gitFile reads the file .git of a linked worktree or a submodule.
func gitFile(name string) (string, error) {
	data, err := readSmall(name)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, bare(err))
	}
	dir, ok := strings.CutPrefix(string(data), "gitdir: ")
	if !ok {
		return "", fmt.Errorf("reading %s: it does not name a repository", name)
	}
	return relativeTo(filepath.Dir(name), strings.TrimSpace(dir)), nil
}

func relativeTo(base, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(base, name)
}

// isRepository reports whether a directory looks like a repository. git itself makes the same checks.
func isRepository(dir string) bool {
	_, head := os.Lstat(filepath.Join(dir, "HEAD"))
	objects, err := os.Stat(filepath.Join(dir, "objects"))
	if head != nil || err != nil || !objects.IsDir() {
		return false
	}
	refs, err := os.Stat(filepath.Join(dir, "refs"))
	return err == nil && refs.IsDir()
}

// enclosing returns the checkout that contains a directory, or "".
func enclosing(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for {
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
	}
}

// notice says what a user might not expect in how the directory is read. It returns "" if there is nothing to say.
func (l layout) notice(o Options) string {
	if l.parent == "" || o.Worktree {
		return ""
	}
	abs, err := filepath.Abs(l.dir)
	if err != nil {
		return ""
	}
	sub, err := filepath.Rel(l.parent, abs)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s lies inside the checkout %s: its files are read as they are; use --source %s --path %s to read its commit",
		l.dir, l.parent, l.parent, filepath.ToSlash(sub))
}

// readSmall reads one of git's small files. It fails for one of more than 64 KiB, which must be something else.
func readSmall(name string) ([]byte, error) {
	f, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	const limit = 64 << 10
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && len(data) > limit {
		return nil, errors.New("it is too large")
	}
	return bytes.TrimSuffix(data, []byte("\n")), err
}

// openRegular opens a file. A pipe put in a file's place cannot make it wait.
func openRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return regular(f)
}

// regular closes a file that is no regular one, and fails.
func regular(f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		return f, nil
	}
	_ = f.Close()
	return nil, cmp.Or(err, errors.New("it is no regular file"))
}

// bare returns what went wrong, without operation and path, which the caller's message names.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
