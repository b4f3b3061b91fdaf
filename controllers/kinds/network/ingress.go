package network

import (
	"github.com/moby/moby/api/types/network"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// mesh refuses to remove the network of the routing mesh. The engine would do so while no service publishes a port, and
// afterwards no service could. Replacing the network makes another one at once, and needs consent like any replacement.
func mesh(p plan.Plan, _ plan.Facts, _ plan.Policy) []plan.Refusal {
	var out []plan.Refusal
	for _, s := range p.Steps {
		if s.Key.Kind != v1.KindNetwork || s.Op != diff.Remove {
			continue
		}
		if l, ok := s.Change.Have.Value.(*kinds.Live); ok && l.Raw.(*network.Summary).Ingress {
			out = append(out, s.Refusal(plan.Never, "it is the network of the routing mesh, and without it no service could publish a port there: bring its manifest back, forget it with swarm-operator unmanage %s, or remove it by hand", s.Key))
		}
	}
	return out
}
