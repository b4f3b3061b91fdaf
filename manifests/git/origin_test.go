package git_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func origin(t *testing.T, s *git.Source, known ...string) git.Origin {
	t.Helper()
	o, err := s.Origin(t.Context(), head(t, s).Hash, func(hash string) bool { return slices.Contains(known, hash) })
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// unrelated begins another history in the repository, and checks its first commit out.
func (r *repo) unrelated(branch, subject string) string {
	r.t.Helper()
	r.git("checkout", "-q", "--orphan", branch)
	r.git("rm", "-q", "-r", "-f", "--ignore-unmatch", ".")
	return r.commit(subject, subject, subject)
}

// Where a history begins is what stays the same, however it goes on.
func TestWhereAHistoryBegins(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(r *repo) // it begins behind the commits root and second
		want  string        // the subjects of the roots
	}{
		{"one line", func(r *repo) { r.commit("f", "3", "third") }, "root"},
		{"a merge", func(r *repo) {
			r.branch("side", func() { r.commit("s", "s", "side") })
			r.commit("f", "3", "third")
			r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
		}, "root"},
		{"an octopus", func(r *repo) {
			r.branch("one", func() { r.commit("s", "s", "one") })
			r.branch("two", func() { r.commit("u", "u", "two") })
			r.git("merge", "-q", "--no-ff", "-m", "merge", "one", "two")
		}, "root"},
		{"rewritten behind the root", func(r *repo) {
			r.git("reset", "-q", "--hard", "HEAD~1")
			r.commit("f", "3", "third")
		}, "root"},
		{"the root alone", func(r *repo) { r.git("reset", "-q", "--hard", "HEAD~1") }, "root"},
		{"another history", func(r *repo) { r.unrelated("other", "other") }, "other"},
		{"the root itself rewritten", func(r *repo) {
			r.unrelated("other", "other")
			r.commit("f", "1", "root")
			r.commit("f", "2", "second")
		}, "other"},
		{"another history that was merged", func(r *repo) {
			r.unrelated("other", "other")
			r.git("checkout", "-q", "main")
			r.git("merge", "-q", "--allow-unrelated-histories", "-m", "merge", "other")
		}, "root other"},
		{"merged into another history", func(r *repo) {
			r.unrelated("other", "other")
			r.git("merge", "-q", "--allow-unrelated-histories", "-m", "merge", "main")
		}, "other root"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRepo(t)
			r.commit("f", "1", "root")
			r.commit("f", "2", "second")
			c.build(r)
			bare := filepath.Join(t.TempDir(), "bare.git")
			r.git("clone", "-q", "--bare", r.dir, bare)
			for name, dir := range map[string]string{"checkout": r.dir, "bare": bare} {
				o := origin(t, open(t, dir, git.Options{}))
				var got []string
				for _, hash := range o.Roots {
					got = append(got, r.git("log", "-1", "--format=%s", hash))
				}
				if strings.Join(got, " ") != c.want || o.Cut || o.Met != "" || o.Place != dir || o.Files {
					t.Errorf("%s: it begins with %q, want %s: %+v", name, got, c.want, o)
				}
			}
		})
	}
}

// The search ends at a commit that is known. It need not be a root.
func TestTheSearchEndsAtWhatIsKnown(t *testing.T) {
	r := newRepo(t)
	root := r.commit("f", "1", "root")
	second := r.commit("f", "2", "second")
	r.git("checkout", "-q", "-b", "side", root)
	side := r.commit("s", "1", "side")
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	s := open(t, r.dir, git.Options{})
	tip := head(t, s).Hash
	for name, c := range map[string]struct {
		known []string
		want  string
	}{
		"the tip": {[]string{tip, root}, tip}, "the line of first parents": {[]string{root, second}, second}, "what was merged": {[]string{side}, side},
		"the root": {[]string{root}, root}, "nothing": {nil, ""}, "another repository's": {[]string{strings.Repeat("1", 40)}, ""},
	} {
		o := origin(t, s, c.known...)
		if o.Met != c.want || (o.Met == "") != slices.Equal(o.Roots, []string{root}) || o.Met != "" && o.Roots != nil {
			t.Errorf("%s: %+v, want to meet %q", name, o, c.want)
		}
	}
	if o, err := s.Origin(t.Context(), second, nil); err != nil || !slices.Equal(o.Roots, []string{root}) {
		t.Errorf("of an earlier commit: %+v, %v", o, err)
	}
}

// A shallow clone does not know its roots, but it knows the names of the parents that it does not have.
func TestWhereAShallowHistoryBegins(t *testing.T) {
	r := newRepo(t)
	root := r.commit("f", "1", "root")
	second := r.commit("f", "2", "second")
	third := r.commit("f", "3", "third")
	r.git("checkout", "-q", "-b", "side", second)
	side := r.commit("s", "1", "side")
	r.git("checkout", "-q", "main")
	r.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	merge := r.head()
	for _, c := range []struct {
		depth string
		known []string
		want  git.Origin
	}{
		{"1", nil, git.Origin{Roots: []string{merge}, Cut: true}},
		{"1", []string{root}, git.Origin{Roots: []string{merge}, Cut: true}},
		{"1", []string{second}, git.Origin{Roots: []string{merge}, Cut: true}},
		{"1", []string{third}, git.Origin{Met: third}},
		{"1", []string{side}, git.Origin{Met: side}},
		{"1", []string{merge}, git.Origin{Met: merge}},
		{"2", []string{root}, git.Origin{Roots: []string{third, side}, Cut: true}},
		{"2", []string{second}, git.Origin{Met: second}},
		{"3", []string{root}, git.Origin{Met: root}},
		{"4", nil, git.Origin{Roots: []string{root}}},
	} {
		dir := filepath.Join(t.TempDir(), "shallow")
		r.git("clone", "-q", "--depth", c.depth, "file://"+r.dir, dir)
		s := open(t, dir, git.Options{})
		got := origin(t, s, c.known...)
		c.want.Place = dir
		if got.Cut != c.want.Cut || got.Met != c.want.Met || !slices.Equal(got.Roots, c.want.Roots) || got.Place != dir {
			t.Errorf("depth %s: %+v, want %+v", c.depth, got, c.want)
		}
		if cut, err := s.Shallow(t.Context()); err != nil || cut != (c.depth != "4") {
			t.Errorf("depth %s: it is shallow: %t, %v", c.depth, cut, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "completed")
	r.git("clone", "-q", "--depth", "1", "file://"+r.dir, dir)
	run(t, &r.clock, dir, "fetch", "-q", "--unshallow")
	if got := origin(t, open(t, dir, git.Options{})); got.Cut || !slices.Equal(got.Roots, []string{root}) {
		t.Errorf("when the rest was fetched: %+v", got)
	}
}

// Files that are read as they are come from their directory, and from the checkout around it.
func TestWhereFilesComeFrom(t *testing.T) {
	r := newRepo(t)
	root := r.commit("manifests/a.yaml", "1", "root")
	r.commit("manifests/a.yaml", "2", "second")
	unborn := newRepo(t)
	unborn.write("manifests/a.yaml", "1")
	plain := t.TempDir()
	write(t, filepath.Join(plain, "a.yaml"), "1")
	link := filepath.Join(t.TempDir(), "current")
	if err := os.Symlink(plain, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir      string
		worktree bool
		want     git.Origin
	}{
		"a directory":                          {dir: plain, want: git.Origin{Place: plain, Files: true}},
		"a link to it":                         {dir: link, want: git.Origin{Place: link, Files: true}},
		"a directory of a checkout":            {dir: filepath.Join(r.dir, "manifests"), want: git.Origin{Roots: []string{root}, Place: filepath.Join(r.dir, "manifests"), Files: true}},
		"a worktree":                           {dir: r.dir, worktree: true, want: git.Origin{Roots: []string{root}, Place: r.dir, Files: true}},
		"a directory of one without a commit":  {dir: filepath.Join(unborn.dir, "manifests"), want: git.Origin{Place: filepath.Join(unborn.dir, "manifests"), Files: true}},
		"a worktree without a commit":          {dir: unborn.dir, worktree: true, want: git.Origin{Place: unborn.dir, Files: true}},
		"a checkout, which is read at its tip": {dir: r.dir, want: git.Origin{Roots: []string{root}, Place: r.dir}},
	} {
		got := origin(t, open(t, c.dir, git.Options{Worktree: c.worktree}))
		if !slices.Equal(got.Roots, c.want.Roots) || got.Place != c.want.Place || got.Files != c.want.Files || got.Cut || got.Met != "" {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	s := open(t, filepath.Join(r.dir, "manifests"), git.Options{})
	if got := origin(t, s, root); got.Met != root {
		t.Errorf("it does not meet the root: %+v", got)
	}
	if cut, err := s.Shallow(t.Context()); cut || err != nil {
		t.Errorf("files are cut off: %t, %v", cut, err)
	}
}

// The place of a remote means nothing, but where its history begins is always known.
func TestWhereARemoteBegins(t *testing.T) {
	h := newHub(t)
	root := h.git("rev-list", "--max-parents=0", "HEAD")
	h.push("two\n")
	s := open(t, h.url(), git.Options{})
	if got := origin(t, s); got.Place != "" || got.Files || got.Cut || !slices.Equal(got.Roots, []string{root}) {
		t.Errorf("%+v", got)
	}
	if cut, err := s.Shallow(t.Context()); cut || err != nil {
		t.Errorf("it is cut off: %t, %v", cut, err)
	}
}

// What cannot be read is an error, and no root.
func TestWhereADamagedHistoryBegins(t *testing.T) {
	r := newRepo(t)
	root := r.commit("f", "1", "root")
	second := r.commit("f", "2", "second")
	third := r.commit("f", "3", "third")
	s := open(t, r.dir, git.Options{})
	if _, err := s.Origin(t.Context(), strings.Repeat("1", 40), nil); err == nil {
		t.Error("a commit that is not there begins somewhere")
	}
	removeAll(t, filepath.Join(r.dir, ".git/objects", second[:2], second[2:]))
	if o, err := s.Origin(t.Context(), third, nil); err == nil || !strings.Contains(err.Error(), second+" is missing") || o.Roots != nil {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := s.Origin(t.Context(), third, func(hash string) bool { return hash == second }); err != nil || o.Met != second {
		t.Errorf("what is known need not be read: %+v, %v", o, err)
	}
	if o, err := s.Origin(t.Context(), root, nil); err != nil || !slices.Equal(o.Roots, []string{root}) {
		t.Errorf("%+v, %v", o, err)
	}
}
