package git_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// The test compares with git's own answers, with refs and objects loose and packed.
func TestRevisionsAreReadAsGitReadsThem(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a", "a", "a")
	r.commit("b", "b", "b")
	r.git("tag", "v1")
	r.git("tag", "-a", "-m", "annotated", "v2")
	r.git("branch", "feature/x")
	r.git("update-ref", "refs/remotes/origin/main", first)
	last := r.commit("c", "c", "c")
	for _, packed := range []bool{false, true} {
		if packed {
			r.git("gc", "-q")
		}
		s := open(t, r.dir, git.Options{})
		for _, text := range []string{
			"HEAD", "@", "main", "v1", "v2", "feature/x", "origin/main", "refs/heads/main", last, last[:7], last[:9], last[:4],
			"HEAD~1", "HEAD~", "HEAD^", "main~2", "HEAD~1^", "v2^", last[:10] + "~1", "HEAD~0",
		} {
			got, err := s.Resolve(t.Context(), text)
			if want := r.git("rev-parse", text+"^{commit}"); err != nil || got != want {
				t.Errorf("packed %t: %s is %s, git says %s; %v", packed, text, got, want, err)
			}
		}
		if got, err := s.Resolve(t.Context(), strings.ToUpper(last[:10])); err != nil || got != last {
			t.Errorf("in capitals: %s, %v", got, err)
		}
		for _, text := range []string{"nothing", "", "main~9", "HEAD~99999999999999999999", "HEAD~99999", "ffffffff", "abc", "../x", "a b", "HEAD:a", "-x"} {
			if got, err := s.Resolve(t.Context(), text); !errors.Is(err, git.ErrGone) {
				t.Errorf("packed %t: %q is %s, %v", packed, text, got, err)
			}
		}
		recent, err := s.Recent(t.Context(), 2)
		if err != nil || subjects(recent) != "c b" {
			t.Errorf("packed %t: recent are %q, %v", packed, subjects(recent), err)
		}
		if got := s.Names(); !slices.Equal(got, []string{"feature/x", "main", "v1", "v2"}) {
			t.Errorf("packed %t: names are %q", packed, got)
		}
	}
}

func TestPlainDirectoryHasNoRevisions(t *testing.T) {
	s := open(t, t.TempDir(), git.Options{})
	if _, err := s.Resolve(t.Context(), "HEAD"); !errors.Is(err, git.ErrNoHistory) {
		t.Errorf("got %v", err)
	}
	if recent, err := s.Recent(t.Context(), 9); err != nil || recent != nil || s.Names() != nil {
		t.Errorf("got %v, %v", recent, err)
	}
}
