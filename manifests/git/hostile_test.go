package git_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// hashObject stores an object that git itself would not make.
func (r *repo) hashObject(kind string, data []byte) string {
	r.t.Helper()
	cmd := exec.Command("git", "hash-object", "-t", kind, "-w", "--literally", "--stdin")
	cmd.Dir, cmd.Stdin = r.dir, bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func treeEntry(r *repo, mode, name, hash string) []byte {
	r.t.Helper()
	var raw []byte
	if _, err := fmt.Sscanf(hash, "%x", &raw); err != nil {
		r.t.Fatal(err)
	}
	return append([]byte(mode+" "+name+"\x00"), raw...)
}

// No git would write these trees: some names lead elsewhere, and some trees contain each other, as deep as anybody
// likes.
func TestHostileTrees(t *testing.T) {
	r := newRepo(t)
	r.commit("a", "1", "first")
	blob, inner := r.git("rev-parse", "HEAD:a"), r.git("rev-parse", "HEAD^{tree}")
	for name, c := range map[string]struct {
		tree []byte
		want string
	}{
		"..":        {treeEntry(r, "40000", "..", inner), "it holds the name"},
		".":         {treeEntry(r, "40000", ".", inner), "it holds the name"},
		"slash":     {treeEntry(r, "100644", "../../etc/passwd", blob), "it holds the name"},
		"empty":     {treeEntry(r, "100644", "", blob), "reading the tree"},
		"cut off":   {treeEntry(r, "100644", "a", blob)[:20], "reading the tree"},
		"no mode":   {treeEntry(r, "x", "a", blob), "reading the tree"},
		"blob/tree": {treeEntry(r, "40000", "dir", blob), ""},
		"twice":     {append(treeEntry(r, "100644", "a", blob), treeEntry(r, "100644", "a", blob)...), ""},
		"mode":      {treeEntry(r, "160644", "a", blob), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &repo{t: t, dir: r.dir}
			hash := r.git("commit-tree", r.hashObject("tree", c.tree), "-m", "x")
			commit, err := open(t, r.dir, git.Options{}).At(t.Context(), hash)
			if err != nil {
				t.Fatal(err)
			}
			_, err = fs.ReadDir(commit.Tree, ".")
			if (c.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v", err)
			}
			_, _ = fs.ReadDir(commit.Tree, "dir")
			_, _ = fs.ReadFile(commit.Tree, "a")
			_, _ = fs.ReadFile(commit.Tree, "../../etc/passwd")
		})
	}
}

// No git would write these commits.
func TestHostileCommits(t *testing.T) {
	r := newRepo(t)
	r.commit("a", "1", "first")
	for name, text := range map[string]string{
		"empty": "", "no tree": "author x <x> 1 +0000\n\nx", "cut off": "tree 1234", "bad date": "tree " + r.git("rev-parse", "HEAD^{tree}") + "\nauthor x <x> 99999999999999999999 +9999\ncommitter x <x> x x\n\nx",
		"itself": "tree " + strings.Repeat("0", 40) + "\nparent " + strings.Repeat("0", 40) + "\nauthor x <x> 1 +0000\ncommitter x <x> 1 +0000\n\nx",
		"long":   "tree " + r.git("rev-parse", "HEAD^{tree}") + "\nauthor " + strings.Repeat("x", 1<<20) + " <x> 1 +0000\ncommitter x <x> 1 +0000\n\n" + strings.Repeat("Consent: x\n", 1<<16),
	} {
		t.Run(name, func(t *testing.T) {
			hash := r.hashObject("commit", []byte(text))
			s := open(t, r.dir, git.Options{})
			c, err := s.At(t.Context(), hash)
			if err == nil {
				_, _ = fs.ReadDir(c.Tree, ".")
				_, _ = c.Lines("Consent")
				_, _ = s.Log(t.Context(), r.head(), hash, 10)
				_, _ = s.IsAncestor(t.Context(), r.head(), hash)
			} else if strings.Contains(err.Error(), "xxx") {
				t.Errorf("quotes the commit: %v", err)
			}
		})
	}
}

// An alternate must be an object directory, and a circle of alternates must end.
func TestHostileAlternates(t *testing.T) {
	r := newRepo(t)
	want := r.commit("a", "1", "first")
	write(t, filepath.Join(r.dir, ".git/objects/info/alternates"), strings.Join([]string{"/etc", "/", "..", ".", r.dir + "/.git/objects", "/dev/zero", "\x00", strings.Repeat("x", 5000)}, "\n"))
	s := open(t, r.dir, git.Options{})
	if got := head(t, s).Hash; got != want {
		t.Error(got)
	}
	if _, err := s.At(t.Context(), strings.Repeat("1", 40)); err == nil {
		t.Error("found what is not there")
	}
}
