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
	for _, key := range run.Memory.Joining {
		if out.Joining == nil {
			out.Joining = map[string]bool{}
		}
		out.Joining[key.Name] = true
	}
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

// joining returns the nodes whose engines an operator is about to make part of the swarm, or was when it ended. This is
// on record before such an engine is reached. It stays there until the node is on record, or no manifest states the
// engine.
func joining(run *Decision) []v1.Key {
	var out []v1.Key
	for _, key := range run.Memory.Joining {
		stated := slices.ContainsFunc(run.Wants.Expanded, func(e kinds.Entry) bool {
			n, is := e.Object.(*v1.Node)
			return is && e.Object.Key() == key && n.Spec.Engine != nil && !n.Gone()
		})
		if (stated || run.IsHeld(key)) && !slices.Contains(run.Surveyed.Joined, key.Name) {
			out = append(out, key)
		}
	}
	for _, s := range run.Plan.Steps {
		if kinds.Joins(s) {
			out = append(out, s.Key)
		}
	}
	return state.Union(out, nil)
}
