package git_test

import (
	"errors"
	"testing"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func TestHeadOfACheckout(t *testing.T) {
	r := newRepo(t)
	first := r.commit("a/web.yaml", "one\n", "first\n\nConsent: removals Service/a, replace")
	r.write("a/web.yaml", "not committed\n")
	s := open(t, r.dir, git.Options{})
	c := head(t, s)
	if c.Hash != first || c.Author != "Ann Author" || c.When.Unix() == 0 {
		t.Errorf("got %+v", c)
	}
	if got := readFile(t, c.Tree, "a/web.yaml"); got != "one\n" {
		t.Errorf("read the working copy: %q", got)
	}
	if got := c.Trailers("consent"); len(got) != 1 || got[0] != "removals Service/a, replace" {
		t.Errorf("trailers %q", got)
	}
	second := r.commit("a/web.yaml", "two\n", "second")
	if got := head(t, s); got.Hash != second || readFile(t, got.Tree, "a/web.yaml") != "two\n" {
		t.Errorf("got %+v", got)
	}
	old, err := s.At(t.Context(), first)
	if err != nil || readFile(t, old.Tree, "a/web.yaml") != "one\n" {
		t.Errorf("%v %+v", err, old)
	}
	if _, err := s.At(t.Context(), "0123456789012345678901234567890123456789"); !errors.Is(err, git.ErrGone) {
		t.Errorf("want ErrGone, got %v", err)
	}
	log, err := s.Log(t.Context(), first, second, 10)
	if err != nil || len(log) != 1 || log[0].Hash != second {
		t.Errorf("%v %+v", err, log)
	}
	ok, err := s.IsAncestor(t.Context(), first, second)
	if err != nil || !ok {
		t.Errorf("%v %v", ok, err)
	}
	ok, err = s.IsAncestor(t.Context(), second, first)
	if err != nil || ok {
		t.Errorf("%v %v", ok, err)
	}
}

func TestWatchACheckout(t *testing.T) {
	r := newRepo(t)
	r.commit("web.yaml", "one\n", "first")
	s := open(t, r.dir, git.Options{})
	head(t, s)
	woken := s.Watch(t.Context())
	for _, message := range []string{"second", "third"} {
		want := r.commit("web.yaml", message, message)
		<-woken
		if got := head(t, s).Hash; got != want {
			t.Errorf("woken too early: at %s, want %s", got, want)
		}
	}
}
