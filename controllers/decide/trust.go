package decide

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// trust returns what says which nodes are known by more than what they say of themselves.
func (d *Decider) trust(run *Decision) kinds.Trust {
	out := kinds.Trust{Placing: d.Placing, Proven: make(map[string]kinds.Proof, len(run.Memory.Proven))}
	for id, p := range run.Memory.Proven {
		out.Proven[id] = kinds.Proof{Name: p.Name, Says: p.Says, By: p.By}
	}
	given := append(slices.Clone(run.consents), d.Consents...)
	out.Agreed = func(id string) bool { // by its id, because any machine can have the hostname
		return given.Names(plan.PromoteUnproven, v1.Key{Kind: v1.KindNode, Name: id})
	}
	return out
}

// proven puts the nodes on record that are proven. It drops the agreements that have led to such a record: they were
// about a machine as it was then, and must not count for whatever it calls itself later.
func (r *Decision) proven() {
	m := &r.Memory
	if r.Surveyed.Proven != nil {
		m.Proven = make(map[string]state.Proven, len(r.Surveyed.Proven))
		for id, p := range r.Surveyed.Proven {
			m.Proven[id] = state.Proven{Name: p.Name, Says: p.Says, By: p.By}
		}
	}
	for i, c := range m.Consents {
		if c.Hazard == plan.PromoteUnproven {
			m.Consents[i].Objects = slices.DeleteFunc(slices.Clone(c.Objects), func(k v1.Key) bool {
				_, is := m.Proven[k.Name]
				return is
			})
		}
	}
	m.Consents = slices.DeleteFunc(m.Consents, func(c plan.Consented) bool { return c.Hazard == plan.PromoteUnproven && len(c.Objects) == 0 })
	if len(m.Consents) == 0 {
		m.Consents = nil
	}
}
