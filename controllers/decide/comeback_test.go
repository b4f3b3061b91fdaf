package decide

import (
	"slices"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// When an engine is no longer a manager, its events end without a word. An operator that waits for one would say for
// minutes that all is well.
func TestDemotedNodeIsPolledUntilEngineNotices(t *testing.T) {
	run := func(demoted bool) *Decision {
		r := &Decision{}
		r.Surveyed.Nodes = &kinds.Nodes{Demoted: demoted}
		return r
	}
	demoted, manager := run(true), run(false)
	d := New(Policy{Observe: true})
	if got := demoted.Moving(); !slices.Equal(got, []string{v1.KindNode}) || d.ComeBack(demoted) != Poll {
		t.Errorf("it looks at %q after %s", got, d.ComeBack(demoted))
	}
	if got := manager.Moving(); len(got) > 0 || d.ComeBack(manager) != 0 {
		t.Errorf("a manager's looks at %q after %s", got, d.ComeBack(manager))
	}
}
