package network

import (
	"slices"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

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

// meshFirst makes what publishes a port through the routing mesh come after the step that makes the mesh's network, or
// makes it again: a published port keeps that network in use. No manifest of a service names the network.
func meshFirst(p *plan.Plan, _ plan.Facts, _ plan.Policy) {
	for i := range p.Steps {
		first := &p.Steps[i]
		if first.Op == diff.Remove || first.Change.Want == nil {
			continue
		}
		if n, is := first.Change.Want.Value.(*v1.Network); !is || !n.Spec.Ingress {
			continue
		}
		for j := range p.Steps {
			// An earlier step is one that the network's manifest depends on.
			if then := &p.Steps[j]; then.ID > first.ID && publishes(then) && !slices.Contains(then.After, first.ID) {
				then.After = slices.Sorted(slices.Values(append(slices.Clip(then.After), first.ID)))
			}
		}
	}
}

// publishes reports whether a step makes or changes a service that publishes a port through the routing mesh.
func publishes(s *plan.Step) bool {
	if s.Op == diff.Remove || s.Change.Want == nil {
		return false
	}
	service, is := s.Change.Want.Value.(*v1.Service)
	return is && slices.ContainsFunc(service.Spec.Ports, func(p v1.Port) bool { return p.Mode == string(swarm.PortConfigPublishModeIngress) })
}
