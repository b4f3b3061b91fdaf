package git_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func TestTreeIsAFileSystem(t *testing.T) {
	for name, o := range map[string]git.Options{"commit": {}, "files": {Worktree: true}} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.write("dir/sub/b.yaml", "b")
			r.write("dir/exec.sh", "#!")
			r.write("z.yaml", "z")
			r.write("a-b/x", "git sorts a-b before a, and a/ after it")
			r.write("a/x", "")
			r.commit("a.yaml", "a", "first")
			removeAll(t, filepath.Join(r.dir, ".git/hooks")) // TestFS reads everything that is there
			c := head(t, open(t, r.dir, o))
			if err := fstest.TestFS(c.Tree, "a.yaml", "dir/sub/b.yaml", "z.yaml", "a-b/x", "a/x"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTreeOpensOnlyRegularFiles(t *testing.T) {
	r := newRepo(t)
	sub := newRepo(t)
	sub.commit("inner.yaml", "x", "x")
	r.write("exec.yaml", "x")
	r.write("plain.yaml", "x")
	r.write("dir/x", "x")
	for name, to := range map[string]string{"link.yaml": "plain.yaml", "out.yaml": "/etc/passwd", "dirlink": "dir"} {
		if err := os.Symlink(to, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(r.dir, "exec.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("submodule", "--quiet", "add", sub.dir, "module")
	r.commit("last", "x", "first")
	tree := head(t, open(t, r.dir, git.Options{})).Tree
	for name, want := range map[string]fs.FileMode{
		"exec.yaml": 0o755, "plain.yaml": 0o644, "dir": fs.ModeDir | 0o755, ".": fs.ModeDir | 0o755, "link.yaml": fs.ModeSymlink | 0o777, "out.yaml": fs.ModeSymlink | 0o777, "module": fs.ModeIrregular,
	} {
		info, err := fs.Lstat(tree, name)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v, want %v", name, info, err, want)
		}
		if followed, err := fs.Stat(tree, name); err != nil || followed.Mode() != want {
			t.Errorf("%s: Stat follows: %v %v", name, followed, err)
		}
	}
	for _, name := range []string{"link.yaml", "out.yaml", "dirlink", "module", "dirlink/x", "module/inner.yaml", "plain.yaml/x", "nothing", "/etc/passwd", "../x", "", "dir/../plain.yaml"} {
		if f, err := tree.Open(name); err == nil {
			t.Errorf("opened %q: %v", name, f)
		}
	}
	if to, err := fs.ReadLink(tree, "out.yaml"); err != nil || to != "/etc/passwd" {
		t.Errorf("%q %v", to, err)
	}
	if _, err := fs.ReadLink(tree, "plain.yaml"); err == nil {
		t.Error("a file is a link")
	}
	if _, err := fs.ReadDir(tree, "module"); err == nil {
		t.Error("a submodule is a directory")
	}
	if _, err := fs.ReadDir(tree, "plain.yaml"); err == nil {
		t.Error("a file is a directory")
	}
}

// Equal content has an equal id in every commit; different content has a different one.
func TestBlobIDs(t *testing.T) {
	r := newRepo(t)
	r.write("same", "1")
	r.commit("a", "1", "first")
	s := open(t, r.dir, git.Options{})
	id := func(c git.Commit, name string) string {
		info, err := fs.Lstat(c.Tree, name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(interface{ BlobID() string }).BlobID()
	}
	first := head(t, s)
	r.commit("a", "2", "second")
	second := head(t, s)
	if a := id(first, "a"); a == "" || a != id(first, "same") || a != id(second, "same") || a == id(second, "a") || id(first, ".") != "" {
		t.Error("blob ids are wrong")
	}
}

func TestStrangeNames(t *testing.T) {
	r := newRepo(t)
	for _, name := range []string{"a b.yaml", `back\slash.yaml`, "ünï.yaml", "quo\"te.yaml", "new\nline.yaml", "-dash.yaml", "col:on.yaml", "latin\xe9.yaml"} {
		r.write(name, name)
	}
	r.commit("a", "1", "first")
	tree := head(t, open(t, r.dir, git.Options{})).Tree
	entries, err := fs.ReadDir(tree, ".")
	if err != nil || len(entries) != 9 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		// An fs.FS cannot have a name that is not UTF-8. Such a name appears as similar as possible.
		if got := strings.ToValidUTF8(readFile(t, tree, e.Name()), "\uFFFD"); e.Name() != "a" && got != e.Name() {
			t.Errorf("%q holds %q", e.Name(), got)
		}
	}
}

func TestLargeBlobs(t *testing.T) {
	r := newRepo(t)
	f, err := os.Create(filepath.Join(r.dir, "huge"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(65<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	r.write("large", strings.Repeat("0123456789abcdef", 1<<16))
	r.commit("small", "x", "first")
	for _, packed := range []bool{false, true} {
		if packed {
			r.git("gc", "-q")
		}
		tree := head(t, open(t, r.dir, git.Options{})).Tree
		if got := readFile(t, tree, "large"); len(got) != 1<<20 || got[:16] != "0123456789abcdef" {
			t.Errorf("packed %v: read %d bytes", packed, len(got))
		}
		if _, err := tree.Open("huge"); err == nil || !strings.Contains(err.Error(), "it has 68157440 bytes; at most 67108864 are read") {
			t.Errorf("packed %v: got %v", packed, err)
		}
	}
}

// git writes, packs and prunes while others read. Each reader sees one whole commit or another, and never an error.
func TestReadingWhileGitWrites(t *testing.T) {
	r := newRepo(t)
	number := func(i int) {
		for f := range 5 {
			r.write(fmt.Sprintf("dir%d/file.yaml", f), fmt.Sprint(i))
		}
		r.git("add", "-A")
		r.git("commit", "-q", "-m", fmt.Sprint(i))
	}
	number(0)
	s := open(t, r.dir, git.Options{})
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				c, err := s.Head(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				for f := range 5 {
					got, err := fs.ReadFile(c.Tree, fmt.Sprintf("dir%d/file.yaml", f))
					if err != nil || string(got) != strings.TrimSpace(c.Message) {
						t.Errorf("commit %s: read %q %v", strings.TrimSpace(c.Message), got, err)
						return
					}
				}
			}
		})
	}
	for i := range 12 {
		number(i + 1)
		if i%4 == 1 {
			r.git("gc", "-q")
		}
		if i%4 == 3 {
			r.git("repack", "-q", "-a", "-d")
			r.git("pack-refs", "--all")
		}
	}
	close(done)
	readers.Wait()
}

func TestOneReaderAtATime(t *testing.T) {
	r := newRepo(t)
	r.commit("a", "hello", "first")
	f, err := head(t, open(t, r.dir, git.Options{})).Tree.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 2)
	if _, err := io.ReadFull(f, part); err != nil || string(part) != "he" {
		t.Errorf("%q %v", part, err)
	}
	rest, err := io.ReadAll(f)
	if err != nil || string(rest) != "llo" {
		t.Errorf("%q %v", rest, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 5 || info.Name() != "a" {
		t.Errorf("%v %v", info, err)
	}
}

// Objects that were read stay in memory until somebody frees them, and can be read again.
func TestFreeGivesUpObjects(t *testing.T) {
	r := newRepo(t)
	r.commit("a.yaml", "kind: Network\n", "Add a")
	r.git("gc", "-q")
	s := open(t, r.dir, git.Options{})
	tree, blob := head(t, s).Tree, strings.TrimSpace(r.git("rev-parse", "HEAD:a.yaml"))
	for range 2 {
		if text := readFile(t, tree, "a.yaml"); text != "kind: Network\n" {
			t.Fatalf("a.yaml is %q", text)
		}
		if git.Bases(s, blob) != 1 {
			t.Fatal("the object is not in memory, so that the test tells nothing")
		}
		s.Free()
		if git.Bases(s, blob) != 0 {
			t.Error("the object is still in memory")
		}
	}
}
