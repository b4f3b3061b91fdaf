package reference_test

import (
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/network"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/small"
)

// Whoever copies an example gets a network that works: validate has nothing to say about it, and the swarm allocates it. The
// step that makes it waits for that. A swarm has the network of the routing mesh already, and one that takes its settings from each node gets no addresses of the swarm.
func TestTheNetworksOfTheExamplesAreAllocated(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	e, kind := examplesOf(t), network.Kind()
	engine := small.Engine(t, small.Swarm(t), nil)
	made := 0
	for _, d := range e.docs {
		o, _ := load(t, d.node)
		n, is := o.(*v1.Network)
		if !is || n.Spec.External || n.Spec.Ingress || n.Spec.ConfigFrom != "" {
			continue
		}
		for _, p := range n.Notices() {
			t.Errorf("%s: %s", d.name, p)
		}
		n.Default()
		want := &diff.State{Key: n.Key(), Instance: n.Metadata.Name, Leaves: kind.Shape.Flatten(n), Value: n}
		step := plan.Step{Op: diff.Create, Key: n.Key(), Instance: n.Metadata.Name, Change: diff.Change{Op: diff.Create, Key: n.Key(), Instance: n.Metadata.Name, Want: want}}
		if _, err := kind.Do(t.Context(), kinds.Env{Engine: engine, Source: "examples"}, step); err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
		made++
	}
	if made < 3 {
		t.Errorf("only %d networks were made", made)
	}
}
