package git_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func TestAPlainDirectoryIsReadAsItIs(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "one")
	write(t, filepath.Join(dir, "sub/b.yaml"), "b")
	s := open(t, dir, git.Options{})
	first := head(t, s)
	if !strings.HasPrefix(first.Hash, "files-") || first.When.IsZero() || readFile(t, first.Tree, "a.yaml") != "one" || s.Notice() != "" {
		t.Errorf("got %+v", first)
	}
	if again := head(t, s); again.Hash != first.Hash {
		t.Error("the same files have another name")
	}
	seen := map[string]string{first.Hash: "the first state"}
	for _, change := range []struct {
		what string
		do   func() error
	}{
		{"content", func() error { return os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("two"), 0o644) }},
		{"content of the same size and time", func() error {
			name := filepath.Join(dir, "a.yaml")
			info, err := os.Stat(name)
			return errors.Join(err, os.WriteFile(name, []byte("TWO"), 0o644), os.Chtimes(name, info.ModTime(), info.ModTime()))
		}},
		{"a new file", func() error { return os.WriteFile(filepath.Join(dir, "c.yaml"), nil, 0o644) }},
		{"a name", func() error { return os.Rename(filepath.Join(dir, "c.yaml"), filepath.Join(dir, "d.yaml")) }},
		{"a file less", func() error { return os.Remove(filepath.Join(dir, "sub/b.yaml")) }},
		{"a link for a file", func() error {
			return errors.Join(os.Remove(filepath.Join(dir, "d.yaml")), os.Symlink("a.yaml", filepath.Join(dir, "d.yaml")))
		}},
		{"a large file", func() error {
			return os.WriteFile(filepath.Join(dir, "large"), make([]byte, 5<<20), 0o644)
		}},
		{"a larger file", func() error { return os.Truncate(filepath.Join(dir, "large"), 6<<20) }},
	} {
		if err := change.do(); err != nil {
			t.Fatal(err)
		}
		now := head(t, s).Hash
		if before, twice := seen[now]; twice {
			t.Errorf("%s: the name is that of %s", change.what, before)
		}
		seen[now] = change.what
	}
	if fresh := head(t, open(t, dir, git.Options{})); seen[fresh.Hash] != "a larger file" {
		t.Errorf("opened anew, it is %s", seen[fresh.Hash])
	}
}

func TestAPlainDirectoryHasNoHistory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "one")
	s := open(t, dir, git.Options{})
	c := head(t, s)
	if at, err := s.At(t.Context(), c.Hash); err != nil || readFile(t, at.Tree, "a.yaml") != "one" {
		t.Errorf("%v %v", at, err)
	}
	if log, err := s.Log(t.Context(), "files-1", c.Hash, 9); err != nil || len(log) != 1 || log[0].Hash != c.Hash || log[0].Tree != nil {
		t.Errorf("%v %v", log, err)
	}
	if ok, err := s.IsAncestor(t.Context(), c.Hash, c.Hash); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	if _, err := s.IsAncestor(t.Context(), "files-1", c.Hash); !errors.Is(err, git.ErrNoHistory) {
		t.Errorf("want ErrNoHistory, got %v", err)
	}
	if _, _, err := s.TakenBack(t.Context(), strings.Repeat("1", 40), c.Hash, 9); !errors.Is(err, git.ErrNoHistory) {
		t.Errorf("want ErrNoHistory, got %v", err)
	}
	if _, err := s.At(t.Context(), strings.Repeat("1", 40)); !errors.Is(err, git.ErrGone) {
		t.Errorf("want ErrGone, got %v", err)
	}
	if dirty, err := s.Dirty(t.Context(), ".", manifests.Reads); dirty != nil || err != nil {
		t.Errorf("%v %v", dirty, err)
	}
	write(t, filepath.Join(dir, "a.yaml"), "two")
	if _, err := s.At(t.Context(), c.Hash); !errors.Is(err, git.ErrGone) {
		t.Errorf("want ErrGone, got %v", err)
	}
}

func TestWorktreeOfACheckout(t *testing.T) {
	r := newRepo(t)
	r.commit("a.yaml", "one", "first")
	r.write("a.yaml", "two")
	s := open(t, r.dir, git.Options{Worktree: true})
	c := head(t, s)
	if readFile(t, c.Tree, "a.yaml") != "two" || !strings.HasPrefix(c.Hash, "files-") || s.Notice() != "" {
		t.Errorf("%+v", c)
	}
	r.git("add", "-A") // git's own files are not content
	if again := head(t, s); again.Hash != c.Hash {
		t.Error("git add has changed the files' name")
	}
}

func TestNoticeOfACheckoutAbove(t *testing.T) {
	r := newRepo(t)
	r.commit("prod/a.yaml", "one", "first")
	s := open(t, filepath.Join(r.dir, "prod"), git.Options{})
	want := r.dir + "/prod lies inside the checkout " + r.dir + ": its files are read as they are; use --source " + r.dir + " --path prod to read its commit"
	if s.Notice() != want {
		t.Errorf("got %q", s.Notice())
	}
	if s := open(t, filepath.Join(r.dir, "prod"), git.Options{Worktree: true}); s.Notice() != "" {
		t.Errorf("asked for the files, but got %q", s.Notice())
	}
	t.Chdir(filepath.Join(r.dir, "prod"))
	if s := open(t, ".", git.Options{}); !strings.HasPrefix(s.Notice(), ". lies inside the checkout") {
		t.Errorf("got %q", s.Notice())
	}
}

// The source reads nothing outside the directory, and nothing that is not a file.
func TestAPlainDirectoryIsConfined(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret"), "s3cr3t")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sub/a.yaml"), "a")
	for name, to := range map[string]string{"abs": filepath.Join(outside, "secret"), "rel": "../" + filepath.Base(outside) + "/secret", "dir": outside, "in": "sub/a.yaml", "indir": "sub"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := head(t, open(t, dir, git.Options{}))
	for _, name := range []string{"abs", "rel", "dir/secret", "dir", "in", "indir/a.yaml", "indir", "pipe.yaml", "../" + filepath.Base(outside) + "/secret", outside + "/secret", "sub/../sub/a.yaml", ""} {
		if f, err := c.Tree.Open(name); err == nil {
			t.Errorf("opened %q: %v", name, f)
		}
		if entries, err := fs.ReadDir(c.Tree, name); err == nil {
			t.Errorf("listed %q: %v", name, entries)
		}
	}
	for name, want := range map[string]fs.FileMode{"abs": fs.ModeSymlink, "in": fs.ModeSymlink, "pipe.yaml": fs.ModeNamedPipe, "sub": fs.ModeDir, "sub/a.yaml": 0} {
		if info, err := fs.Lstat(c.Tree, name); err != nil || info.Mode().Type() != want {
			t.Errorf("%s: %v %v", name, info, err)
		}
		if info, err := fs.Stat(c.Tree, name); err != nil || info.Mode().Type() != want {
			t.Errorf("%s: Stat follows: %v %v", name, info, err)
		}
	}
	if to, err := fs.ReadLink(c.Tree, "in"); err != nil || to != "sub/a.yaml" {
		t.Errorf("%q %v", to, err)
	}
}

func TestAPlainDirectoryVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if _, err := git.Open(t.Context(), dir, git.Options{}); !errors.Is(err, git.ErrNotFound) || err.Error() != "opening "+dir+": there is no such directory" {
		t.Errorf("got %v", err)
	}
	write(t, filepath.Join(dir, "a.yaml"), "one")
	s := open(t, dir, git.Options{})
	head(t, s)
	removeAll(t, dir)
	if _, err := s.Head(t.Context()); !errors.Is(err, git.ErrNotFound) {
		t.Errorf("want ErrNotFound, got %v", err)
	}
	write(t, filepath.Join(dir, "a.yaml"), "two")
	if got := readFile(t, head(t, s).Tree, "a.yaml"); got != "two" {
		t.Errorf("read %q", got)
	}
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "one")
	if err := os.Chmod(filepath.Join(dir, "a.yaml"), 0); err != nil {
		t.Fatal(err)
	}
	c := head(t, open(t, dir, git.Options{}))
	_, err := c.Tree.Open("a.yaml")
	if root := os.Getuid() == 0; root != (err == nil) || (!root && !errors.Is(err, fs.ErrPermission)) {
		t.Errorf("got %v", err)
	}
}

func TestAPlainDirectoryHasTheTimeOfItsNewestFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "one")
	write(t, filepath.Join(dir, "b.yaml"), "one")
	want := time.Now().Add(time.Hour).Truncate(time.Second)
	if err := os.Chtimes(filepath.Join(dir, "a.yaml"), want, want); err != nil {
		t.Fatal(err)
	}
	if got := head(t, open(t, dir, git.Options{})).When; !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}
