package observe

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// Numbers that an engine does not know for a moment must not look as if nodes had gone. Otherwise the operator would
// pause.
func TestNodesAreCountedWhereTheEngineDoesNotKnowTheirNumber(t *testing.T) {
	var list []*kinds.Live
	for i := range 5 {
		n := &swarm.Node{}
		if i < 3 {
			n.ManagerStatus = &swarm.ManagerStatus{}
		}
		list = append(list, &kinds.Live{Kind: v1.KindNode, Raw: n})
	}
	const waits = "rpc error: code = Unknown desc = The swarm does not have a leader."
	for _, c := range []struct {
		name            string
		about           engine.About
		nodes, managers int
	}{
		{"it knows", engine.About{Nodes: 4, Managers: 1}, 4, 1},
		{"it waits for a leader", engine.About{Error: waits}, 5, 3},
		{"it says neither number nor error", engine.About{}, 5, 3},
		{"its numbers come with an error", engine.About{Nodes: 1, Managers: 1, Error: waits}, 5, 3},
	} {
		if got := headcount(c.about, list); got.Nodes != c.nodes || got.Managers != c.managers {
			t.Errorf("%s: %d nodes and %d managers, want %d and %d", c.name, got.Nodes, got.Managers, c.nodes, c.managers)
		}
	}
}
