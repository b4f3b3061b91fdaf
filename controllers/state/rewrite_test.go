package state_test

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// A subject is anybody's text. It becomes short, on one line, and shows no password.
func TestASubjectIsBounded(t *testing.T) {
	for _, c := range []struct{ message, want string }{
		{"Fix the port\n\nConsent: removals", "Fix the port"},
		{"\n\n  Fix it  \n", "Fix it"},
		{"", ""},
		{"red \x1b[31malert\x07", "red  [31malert"},
		{"\xff\xfe", "?"},
		{"use https://ann:hunter2@git.example.org/", "use https://(hidden)@git.example.org/"},
		{strings.Repeat("ä", 100), strings.Repeat("ä", 72) + "…"},
	} {
		got := state.Subject(c.message)
		if got != c.want || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("%q: got %q, want %q", c.message, got, c.want)
		}
	}
}

func TestTextOfARewriteNamesTheRevisionsAndTheLostCommits(t *testing.T) {
	old, next := strings.Repeat("a", 40), strings.Repeat("b", 40)
	for _, c := range []struct {
		r    state.Rewrite
		want string
	}{
		{state.Rewrite{From: old, Commits: 1, Subjects: []string{`Say "hi"`}}, `takes 1 commit back: "Say \"hi\""`},
		{state.Rewrite{From: old, Commits: 5, Subjects: []string{"c", "b", "a"}}, `takes 5 commits back: "c", "b", "a" and 2 more`},
		{state.Rewrite{From: old}, "is not in the repository any more"},
	} {
		for range 2 { // Text changes nothing
			if got := c.r.Text(next); !strings.Contains(got, "revision bbbbbbbbbb ") || !strings.Contains(got, "aaaaaaaaaa") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q in it", got, c.want)
			}
		}
	}
}

// A note on the last revision goes into a copy of the history, because the memory is compared with what was read.
func TestRewriteIsNotedInACopyOfTheHistory(t *testing.T) {
	var found state.Memory
	for _, hash := range []string{"one", "two"} {
		found.InForce = state.Revision{Hash: hash}
		found.Begin(found.InForce, time.Now())
	}
	m := found
	m.Took(nil)
	m.AgreeToRewrite()
	if m.Last().Rewrote != nil {
		t.Errorf("nothing was taken back: %+v", m.Last())
	}
	m.Took(&state.Rewrite{From: "one", Commits: 1})
	before := m
	m.AgreeToRewrite()
	switch {
	case found.Last().Rewrote != nil:
		t.Error("it was noted in the memory that was read, too")
	case before.Last().Rewrote.Agreed:
		t.Error("the memory of before is agreed to, too")
	case !m.Last().Rewrote.Agreed:
		t.Error("nobody agreed")
	}
	m.InForce = state.Revision{Hash: "three"}
	m.Begin(m.InForce, time.Now())
	if m.AgreeToRewrite(); m.Last().Rewrote != nil {
		t.Errorf("the next revision takes nothing back: %+v", m.Last())
	}
}
