package git_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func dirty(t testing.TB, s *git.Source) []string { return dirtyBelow(t, s, ".") }

func dirtyBelow(t testing.TB, s *git.Source, dir string) []string {
	t.Helper()
	files, err := s.Dirty(t.Context(), dir, manifests.Reads)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// age makes files older than the index, so that the index counts.
func (r *repo) age(names ...string) {
	r.t.Helper()
	old := time.Now().Add(-time.Hour)
	for _, name := range names {
		if err := os.Chtimes(filepath.Join(r.dir, name), old, old); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "-A")
	r.git("status")
}

func TestDirty(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		change func(t *testing.T, r *repo)
		want   []string
	}{
		"nothing":                    {"", func(*testing.T, *repo) {}, nil},
		"modified":                   {"", func(_ *testing.T, r *repo) { r.write("a.yaml", "changed") }, []string{"a.yaml"}},
		"modified, of the same size": {"", func(_ *testing.T, r *repo) { r.write("a.yaml", "b") }, []string{"a.yaml"}},
		"touched":                    {"", func(_ *testing.T, r *repo) { r.write("a.yaml", "a") }, nil},
		"staged":                     {"", func(_ *testing.T, r *repo) { r.write("a.yaml", "changed"); r.git("add", "-A") }, []string{"a.yaml"}},
		"staged, then put back":      {"", func(_ *testing.T, r *repo) { r.write("a.yaml", "changed"); r.git("add", "-A"); r.write("a.yaml", "a") }, nil},
		"deleted":                    {"", func(t *testing.T, r *repo) { removeAll(t, filepath.Join(r.dir, "prod")) }, []string{"prod/b.yaml", "prod/c.txt"}},
		"content of no manifest":     {"", func(_ *testing.T, r *repo) { r.write("prod/c.txt", "changed") }, []string{"prod/c.txt"}},
		"untracked": {"", func(_ *testing.T, r *repo) {
			for _, name := range []string{"new.yaml", "prod/new.yml", "new/er.yaml", "new.txt", ".hidden.yaml", ".hidden/x.yaml", ".swarm-operator.yaml", "prod/.swarmoperatorignore"} {
				r.write(name, "x")
			}
		}, []string{".swarm-operator.yaml", "new.yaml", "new/er.yaml", "prod/.swarmoperatorignore", "prod/new.yml"}},
		"staged, new": {"", func(_ *testing.T, r *repo) { r.write("new.yaml", "x"); r.git("add", "-A") }, []string{"new.yaml"}},
		"ignored": {"", func(_ *testing.T, r *repo) {
			r.write(".gitignore", "# what is not ours\nnode_modules/\n*.gen.yaml\n!keep.gen.yaml\n")
			r.write("prod/.gitignore", "/local.yaml\r\n")
			r.write(".git/info/exclude", "mine.yaml\n")
			for _, name := range []string{"node_modules/x/y.yaml", "x.gen.yaml", "keep.gen.yaml", "prod/local.yaml", "prod/x/local.yaml", "mine.yaml"} {
				r.write(name, "x")
			}
		}, []string{"keep.gen.yaml", "prod/x/local.yaml"}},
		"ignored above the path": {"prod", func(_ *testing.T, r *repo) {
			r.write(".gitignore", "*.gen.yaml\n")
			r.write("prod/x.gen.yaml", "x")
			r.write("prod/new.yaml", "x")
		}, []string{"prod/new.yaml"}},
		"outside the path":         {"prod", func(_ *testing.T, r *repo) { r.write("a.yaml", "changed"); r.write("new.yaml", "x") }, nil},
		"a path that is not there": {"nothing", func(_ *testing.T, r *repo) { r.write("a.yaml", "changed") }, nil},
		"a repository within": {"", func(t *testing.T, r *repo) {
			run(t, &r.clock, r.dir, "init", "-q", "inner")
			r.write("inner/x.yaml", "x")
		}, nil},
		"executable": {"", func(t *testing.T, r *repo) {
			if err := os.Chmod(filepath.Join(r.dir, "a.yaml"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, nil},
		"a link for a file": {"", func(t *testing.T, r *repo) {
			name := filepath.Join(r.dir, "a.yaml")
			if err := errors.Join(os.Remove(name), os.Symlink("/etc/passwd", name)); err != nil {
				t.Fatal(err)
			}
		}, []string{"a.yaml"}},
		"a link elsewhere": {"", func(t *testing.T, r *repo) {
			name := filepath.Join(r.dir, "link")
			if err := errors.Join(os.Remove(name), os.Symlink("a.txt", name)); err != nil {
				t.Fatal(err)
			}
		}, []string{"link"}},
		"a directory that leads out": {"", func(t *testing.T, r *repo) {
			removeAll(t, filepath.Join(r.dir, "prod"))
			if err := os.Symlink("/etc", filepath.Join(r.dir, "prod")); err != nil {
				t.Fatal(err)
			}
		}, []string{"prod/b.yaml", "prod/c.txt"}},
		"line ends":           {"", func(_ *testing.T, r *repo) { r.write("prod/c.txt", "one\r\ntwo\r\n") }, nil},
		"line ends, and more": {"", func(_ *testing.T, r *repo) { r.write("prod/c.txt", "one\r\nthree\r\n") }, []string{"prod/c.txt"}},
		"no index":            {"", func(t *testing.T, r *repo) { removeAll(t, filepath.Join(r.dir, ".git/index")) }, nil},
		"bad index":           {"", func(_ *testing.T, r *repo) { r.write(".git/index", "nonsense"); r.write("a.yaml", "changed") }, []string{"a.yaml"}},
		"index of 4": {"", func(_ *testing.T, r *repo) {
			r.git("update-index", "--index-version", "4")
			r.write("a.yaml", "changed")
		}, []string{"a.yaml"}},
		"sparse": {"", func(t *testing.T, r *repo) {
			r.git("update-index", "--skip-worktree", "prod/b.yaml")
			removeAll(t, filepath.Join(r.dir, "prod/b.yaml"))
		}, nil},
		"in the middle of a merge": {"", func(_ *testing.T, r *repo) {
			r.git("checkout", "-q", "-b", "other", "HEAD")
			r.commit("a.yaml", "theirs", "x")
			r.git("checkout", "-q", "main")
			r.commit("a.yaml", "ours", "x")
			r.git("merge-file", "-q", "--ours", "a.yaml", "a.yaml", "a.yaml")
			r.write("a.yaml", "<<<<<<< ours")
		}, []string{"a.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.write("a.yaml", "a")
			r.write("prod/b.yaml", "b")
			r.write("prod/c.txt", "one\ntwo\n")
			if err := os.Symlink("a.yaml", filepath.Join(r.dir, "link")); err != nil {
				t.Fatal(err)
			}
			r.commit("z", "z", "first")
			r.age("a.yaml", "prod/b.yaml", "prod/c.txt")
			c.change(t, r)
			if diff := cmp.Diff(c.want, dirtyBelow(t, open(t, r.dir, git.Options{}), c.path)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, r.git("status", "--porcelain", "-uall"))
			}
		})
	}
}

// A file that git's index shows to be unchanged is not read, so looking costs little.
func TestDirtyBelievesTheIndex(t *testing.T) {
	r := newRepo(t)
	r.write("b.yaml", "b")
	r.commit("a.yaml", "a", "first")
	r.age("a.yaml", "b.yaml")
	info, err := os.Stat(filepath.Join(r.dir, "a.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.write("a.yaml", "x")
	r.write("b.yaml", "longer")
	for _, name := range []string{"a.yaml", "b.yaml"} {
		if err := os.Chtimes(filepath.Join(r.dir, name), info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	// The first file has the same size and time, so it was not read.
	if got := dirty(t, open(t, r.dir, git.Options{})); !slices.Equal(got, []string{"b.yaml"}) {
		t.Errorf("%q", got)
	}
}

func TestSourceWithoutAWorkingCopyIsNeverDirty(t *testing.T) {
	r := newRepo(t)
	r.commit("a.yaml", "a", "first")
	r.write("a.yaml", "b")
	bare := filepath.Join(t.TempDir(), "bare")
	r.git("clone", "-q", "--bare", r.dir, bare)
	for _, s := range []*git.Source{open(t, bare, git.Options{}), open(t, r.dir, git.Options{Worktree: true})} {
		if got := dirty(t, s); got != nil {
			t.Errorf("%s: %q", s, got)
		}
	}
}

func TestDirtyListIsShort(t *testing.T) {
	r := newRepo(t)
	r.commit("a.yaml", "a", "first")
	for i := range 50 {
		r.write(fmt.Sprintf("new-%02d.yaml", i), "x")
	}
	got := dirty(t, open(t, r.dir, git.Options{}))
	if len(got) != 21 || got[20] != "…" || !slices.IsSorted(got[:20]) {
		t.Errorf("%q", got)
	}
}

// The test compares with git, in a repository where nearly everything was changed in some way.
func TestDirtyAgainstGit(t *testing.T) {
	r := newRepo(t)
	for i := range 12 {
		r.write(fmt.Sprintf("d%d/f%d.yaml", i%3, i), fmt.Sprint(i))
	}
	r.commit("z.yaml", "z", "first")
	for i := range 12 {
		name := fmt.Sprintf("d%d/f%d.yaml", i%3, i)
		switch i % 6 {
		case 0:
			r.write(name, "changed")
		case 1:
			removeAll(t, filepath.Join(r.dir, name))
		case 2:
			r.write(fmt.Sprintf("d%d/n%d.yaml", i%3, i), "new")
		case 3:
			r.write(name, fmt.Sprint(i))
		case 4:
			r.write(name, "staged")
			r.git("add", name)
		}
	}
	want := strings.Fields(r.git("diff", "--name-only", "HEAD") + "\n" + r.git("ls-files", "--others"))
	slices.Sort(want)
	if diff := cmp.Diff(want, dirty(t, open(t, r.dir, git.Options{}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func BenchmarkDirty(b *testing.B) {
	r := bigRepo(b, 1000)
	s := open(b, r.dir, git.Options{})
	for b.Loop() {
		if _, err := s.Dirty(b.Context(), ".", manifests.Reads); err != nil {
			b.Fatal(err)
		}
	}
}
