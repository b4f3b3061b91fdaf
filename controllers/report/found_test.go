package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// Whoever shows a revision says which commits it took back, and shows no secret.
func TestARevisionSaysTheSameWhereverItIsShown(t *testing.T) {
	m := state.Memory{History: []state.Entry{
		{Hash: strings.Repeat("a", 40), Outcome: state.RolledOut},
		{Hash: strings.Repeat("b", 40), Outcome: state.Failed, Why: "see https://u:canary@x", Rewrote: &state.Rewrite{From: strings.Repeat("a", 40), Commits: 1, Subjects: []string{"Add"}}},
	}}
	var run decide.Decision
	run.Memory = m
	var remembered status.Found
	recall(&remembered, m)
	newest := RevisionOf(m.History[1])
	if !strings.Contains(newest.Why, `takes 1 commit back: "Add"`) || !strings.HasPrefix(newest.Why, "see https://") || strings.Contains(newest.Why, "canary") {
		t.Errorf("it says %s", newest.Why)
	}
	for who, shown := range map[string][]status.Revision{"a run": Found(&run, status.Found{}, nil).History, "the memory": remembered.History} {
		if !slices.Equal(shown, []status.Revision{newest, RevisionOf(m.History[0])}) {
			t.Errorf("%s shows %+v", who, shown)
		}
	}
}
