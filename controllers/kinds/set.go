package kinds

import (
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Set is the kinds that there are, those that others refer to first. Package all has the real one.
type Set []Kind

// Get returns the kind of that name. is is false if there is none.
func (s Set) Get(name string) (k Kind, is bool) {
	for i := range s {
		if s[i].Name == name {
			return s[i], true
		}
	}
	return Kind{}, false
}

// Rules returns the rules of a kind, or nil if there is no such kind.
func (s Set) Rules(name string) diff.Rules {
	for i := range s {
		if s[i].Name == name {
			return s[i].Rules
		}
	}
	return nil
}

// Part returns what the kinds add to every plan: their guards, and what they add to its steps once these are in order.
func (s Set) Part() plan.Part {
	out := plan.Part{Finish: func(p *plan.Plan, f plan.Facts, policy plan.Policy) {
		for i := range s {
			if s[i].Finish != nil {
				s[i].Finish(p, f, policy)
			}
		}
	}}
	for i := range s {
		out.Forbids, out.Guards = append(out.Forbids, s[i].Forbids...), append(out.Guards, s[i].Guards...)
	}
	return out
}
