package git_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func subjects(log []git.Commit) string {
	var out []string
	for _, c := range log {
		out = append(out, strings.TrimSpace(c.Message))
	}
	return strings.Join(out, " ")
}

func TestLog(t *testing.T) {
	r := newRepo(t)
	commits := map[string]string{}
	at := func(name string) string { commits[name] = r.commit("f"+name, name, name); return commits[name] }
	at("a")
	at("b")
	r.git("checkout", "-q", "-b", "side", commits["a"])
	at("s")
	at("u")
	r.git("checkout", "-q", "main")
	at("c")
	r.git("merge", "-q", "--no-ff", "-m", "m", "side")
	commits["m"] = r.head()
	at("d")
	s := open(t, r.dir, git.Options{})
	for _, c := range []struct {
		from, to string
		limit    int
		want     string
	}{
		{"a", "d", 99, "d m c u s b"}, {"b", "d", 99, "d m c u s"}, {"c", "m", 99, "m u s"}, {"u", "m", 99, "m c b"}, {"d", "d", 99, ""}, {"d", "a", 99, ""}, {"u", "c", 99, "c b"}, {"a", "d", 2, "d m"}, {"a", "d", 0, ""}, {"", "d", 99, "d"},
	} {
		log, err := s.Log(t.Context(), commits[c.from], commits[c.to], c.limit)
		if got := subjects(log); err != nil || got != c.want {
			t.Errorf("%s..%s: got %q, want %q; %v", c.from, c.to, got, c.want, err)
		}
		for _, l := range log {
			if l.Tree != nil || l.When.IsZero() || len(l.Hash) != 40 {
				t.Errorf("got %+v", l)
			}
		}
	}
}

// A branch that is merged brings its commits, and only the merge is on the line of first parents. Commits are named by
// the letters of their subjects; in want, those that came with a merge are in brackets.
func TestLogTellsWhatCameWithAMerge(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(r *repo) // it begins at the revision in force
		want  string
	}{
		{"one commit", func(r *repo) { r.commit("f", "a", "a") }, "a"},
		{"commits that were pushed together", func(r *repo) { r.commit("f", "a", "a"); r.commit("f", "b", "b") }, "b a"},
		{"a merge", func(r *repo) {
			r.branch("side", func() { r.commit("s", "s", "s"); r.commit("s", "u", "u") })
			r.git("merge", "-q", "--no-ff", "-m", "m", "side")
		}, "m (u) (s)"},
		{"a merge of a branch that is behind", func(r *repo) {
			r.branch("side", func() { r.commit("s", "s", "s") })
			r.commit("f", "a", "a")
			r.git("merge", "-q", "--no-ff", "-m", "m", "side")
		}, "m a (s)"},
		{"a branch that merges the line into itself first", func(r *repo) {
			r.branch("side", func() { r.commit("s", "s", "s") })
			r.commit("f", "a", "a")
			r.git("checkout", "-q", "side")
			r.git("merge", "-q", "--no-ff", "-m", "b", "main")
			r.git("checkout", "-q", "main")
			r.git("merge", "-q", "--no-ff", "-m", "m", "side")
		}, "m (b) a (s)"},
		{"an octopus", func(r *repo) {
			r.branch("one", func() { r.commit("s", "s", "s") })
			r.branch("two", func() { r.commit("u", "u", "u") })
			r.branch("three", func() { r.commit("v", "v", "v") })
			r.git("merge", "-q", "--no-ff", "-m", "m", "one", "two", "three")
		}, "m (v) (u) (s)"},
		{"a merge within a branch", func(r *repo) {
			r.branch("side", func() {
				r.commit("s", "s", "s")
				r.git("checkout", "-q", "-b", "deeper", "HEAD~1")
				r.commit("u", "u", "u")
				r.git("checkout", "-q", "side")
				r.git("merge", "-q", "--no-ff", "-m", "b", "deeper")
			})
			r.git("merge", "-q", "--no-ff", "-m", "m", "side")
		}, "m (b) (u) (s)"},
		{"a squash", func(r *repo) {
			r.branch("side", func() { r.commit("s", "s", "s"); r.commit("s", "u", "u") })
			r.git("merge", "-q", "--squash", "side")
			r.git("commit", "-q", "-m", "q")
		}, "q"},
		{"a merge without a merge commit", func(r *repo) {
			r.branch("side", func() { r.commit("s", "s", "s"); r.commit("s", "u", "u") })
			r.git("merge", "-q", "--ff-only", "side")
		}, "u s"},
		{"a merge and its revert", func(r *repo) {
			r.branch("side", func() { r.commit("s", "s", "s") })
			r.git("merge", "-q", "--no-ff", "-m", "m", "side")
			r.git("revert", "--no-edit", "-m", "1", "HEAD")
			r.git("commit", "-q", "--amend", "-m", "r")
		}, "r m (s)"},
		{"two merges", func(r *repo) {
			r.branch("one", func() { r.commit("s", "s", "s") })
			r.git("merge", "-q", "--no-ff", "-m", "m", "one")
			r.branch("two", func() { r.commit("u", "u", "u") })
			r.git("merge", "-q", "--no-ff", "-m", "n", "two")
		}, "n (u) m (s)"},
		{"a branch of before", func(r *repo) {
			r.git("checkout", "-q", "-b", "old", "HEAD~1")
			r.commit("s", "s", "s")
			r.git("checkout", "-q", "main")
			r.git("merge", "-q", "--no-ff", "-m", "m", "old")
		}, "m (s)"},
		{"a rewritten line", func(r *repo) {
			r.git("reset", "-q", "--hard", "HEAD~1")
			r.branch("side", func() { r.commit("s", "s", "s") })
			r.git("merge", "-q", "--no-ff", "-m", "m", "side")
		}, "m (s)"},
		{"a step back", func(r *repo) { r.git("reset", "-q", "--hard", "HEAD~1") }, ""},
		{"the revision in force", func(*repo) {}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRepo(t)
			r.commit("f", "0", "before")
			inForce := r.commit("f", "1", "in force")
			c.build(r)
			log, err := open(t, r.dir, git.Options{}).Log(t.Context(), inForce, r.head(), 99)
			if err != nil {
				t.Fatal(err)
			}
			for i := range log {
				if log[i].Message = strings.TrimSpace(log[i].Message); log[i].Merged {
					log[i].Message = "(" + log[i].Message + ")"
				}
			}
			if got := subjects(log); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The test compares random histories, with merges and wrong clocks, with git's own answers.
func TestHistoryAgainstGit(t *testing.T) {
	r := newRepo(t)
	random := rand.New(rand.NewPCG(1, 2))
	tree := r.git("mktree", "--missing")
	var commits []string
	for i := range 60 {
		args := []string{"commit-tree", tree, "-m", fmt.Sprint(i)}
		for range min(len(commits), random.IntN(3)) {
			if parent := commits[max(0, len(commits)-1-random.IntN(8))]; !slices.Contains(args, parent) {
				args = append(args, "-p", parent)
			}
		}
		if random.IntN(5) == 0 {
			r.clock += int64(random.IntN(2000) - 1000)
		}
		commits = append(commits, r.git(args...))
	}
	r.git("update-ref", "refs/heads/main", commits[59])
	s := open(t, r.dir, git.Options{})
	for range 50 {
		from, to := commits[random.IntN(60)], commits[random.IntN(60)]
		log, err := s.Log(t.Context(), from, to, 99)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range log {
			got = append(got, c.Hash)
		}
		want := strings.Fields(r.git("rev-list", from+".."+to))
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s..%s: got %q, want %q", from, to, got, want)
		}
		cmd := exec.Command("git", "merge-base", "--is-ancestor", from, to)
		cmd.Dir = r.dir
		if got, err := s.IsAncestor(t.Context(), from, to); err != nil || got != (cmd.Run() == nil) {
			t.Errorf("%s is an ancestor of %s: %v %v", from, to, got, err)
		}
		var line []string
		for _, c := range log {
			if !c.Merged {
				line = append(line, c.Hash)
			}
		}
		first := strings.Fields(r.git("rev-list", "--first-parent", from+".."+to))
		slices.Sort(line)
		slices.Sort(first)
		if !slices.Equal(line, first) {
			t.Errorf("%s..%s: the line of first parents is %q, want %q", from, to, line, first)
		}
		if _, count, err := s.TakenBack(t.Context(), to, from, 1); err != nil || count != len(want) {
			t.Errorf("%s after %s takes back %d, want %d; %v", from, to, count, len(want), err)
		}
	}
}

func TestShallowHistory(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a", "1", "first")
	second := r.commit("a", "2", "second")
	third := r.commit("a", "3", "third")
	dir := filepath.Join(t.TempDir(), "shallow")
	r.git("clone", "-q", "--depth", "2", "file://"+r.dir, dir)
	shallow := &repo{t: t, dir: dir}
	shallow.git("checkout", "-q", "--orphan", "other")
	other := shallow.commit("b", "1", "unrelated")
	s := open(t, dir, git.Options{})
	if ok, err := s.IsAncestor(t.Context(), second, third); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	if log, err := s.Log(t.Context(), second, third, 9); err != nil || subjects(log) != "third" {
		t.Errorf("%v %v", log, err)
	}
	if _, err := s.IsAncestor(t.Context(), first, third); !errors.Is(err, git.ErrGone) {
		t.Errorf("want ErrGone, got %v", err)
	}
	if _, err := s.IsAncestor(t.Context(), other, third); !errors.Is(err, git.ErrShallow) {
		t.Errorf("want ErrShallow, got %v", err)
	}
}

// A parent that is missing without a reason is damage, not the beginning of history.
func TestMissingParent(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a", "1", "first")
	second := r.commit("a", "2", "second")
	third := r.commit("a", "3", "third")
	r.git("checkout", "-q", "--orphan", "other")
	other := r.commit("b", "1", "unrelated")
	removeAll(t, filepath.Join(r.dir, ".git/objects", second[:2], second[2:]))
	s := open(t, r.dir, git.Options{})
	for _, old := range []string{first, other} {
		if _, err := s.IsAncestor(t.Context(), old, third); err == nil || !strings.Contains(err.Error(), second+" is missing") {
			t.Errorf("got %v", err)
		}
		if _, err := s.Log(t.Context(), old, third, 9); err == nil || !strings.Contains(err.Error(), second+" is missing") {
			t.Errorf("got %v", err)
		}
	}
}

func TestLinesReadsTrailers(t *testing.T) {
	for _, c := range []struct {
		name, message string
		want, below   []string
	}{
		{"a trailer", "subject\n\nConsent: a\n", []string{"a"}, nil},
		{"the subject", "Consent: a\n", nil, nil},
		{"right below the subject", "subject\nConsent: a\n", []string{"a"}, nil},
		{"several", "subject\n\nconsent: a, b\nCONSENT: c\nOther: d\n", []string{"a, b", "c"}, nil},
		{"not in the last paragraph", "subject\n\nConsent: a\n\nmore\n", []string{"a"}, nil},
		{"GitHub's own behind it", "Drop it (#12)\n\nConsent: a\n\nCo-authored-by: Ada <ada@example.org>\n", []string{"a"}, nil},
		{"GitLab's own behind it", "Merge branch 'x' into 'main'\n\nConsent: a\n\nSee merge request shop!12\n", []string{"a"}, nil},
		{"beside lines that are no trailers", "subject\n\nbecause of that\nConsent: a\nthis is no trailer\n", []string{"a"}, nil},
		{"continued", "subject\n\nConsent: a\n and more\n\tand more\nOther: b\n", []string{"a and more and more"}, nil},
		{"not continued by another's", "subject\n\nConsent: a\nOther: b\n more\n", []string{"a"}, nil},
		{"in a squash's list", "Two (#12)\n\n* one\n\nConsent: a\n\n* two\n\nConsent: b\n", nil, []string{"a", "b"}},
		{"above a squash's list", "Two (#12)\n\nConsent: a\n\n* one\n\nConsent: b\n", []string{"a"}, []string{"b"}},
		{"a list with dashes", "subject\n\n- one\n- two\n\nConsent: a\n", []string{"a"}, nil},
		{"in the middle of a line", "subject\n\nwrite Consent: a\n", nil, nil},
		{"quoted", "subject\n\n> Consent: a\n", nil, nil},
		{"indented", "subject\n\n    Consent: a\n", nil, nil},
		{"a comment", "subject\n\n# Consent: a\nConsent: b\n", []string{"b"}, nil},
		{"another key", "subject\n\nConsent-To: a\nConsent a: b\n", nil, nil},
		{"spaces", "subject\n\nConsent : a\nConsent:b\nConsent:\n", []string{"a", "b", ""}, nil},
		{"a colon in it", "subject\n\nConsent: a:b\n", []string{"a:b"}, nil},
		{"lines of Windows", "subject\r\n\r\nConsent: a\r\nOther: b\r\n", []string{"a"}, nil},
		{"nothing", "", nil, nil},
	} {
		if got, below := git.Lines(c.message, "Consent"); !slices.Equal(got, c.want) || !slices.Equal(below, c.below) {
			t.Errorf("%s: %q and %q, want %q and %q", c.name, got, below, c.want, c.below)
		}
	}
}
