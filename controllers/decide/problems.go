package decide

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// hold takes objects that problems of their manifests hold out of what differs: nothing is wanted of them, and they count as
// present.
func (r *Decision) hold(held map[v1.Key]string) {
	if len(held) == 0 {
		return
	}
	r.Held = make(map[v1.Key]plan.Problem, len(held))
	for key, why := range held {
		r.Held[key] = plan.Problem{Why: v1.Scrub(why), Instance: key.Name, Present: v1.OfNodes(key.Kind) || r.Index.ByName(key.Kind, key.Name) != nil}
	}
	r.Changes = slices.DeleteFunc(slices.Clone(r.Changes), func(c diff.Change) bool {
		p, is := r.Held[c.Key]
		if is && c.Have != nil && !c.Have.Meta.OldVersion {
			p.Present, p.Instance = true, c.Instance
			r.Held[c.Key] = p
		}
		return is
	})
}

// IsHeld says whether a problem holds what is known of an object: its own, or of one that decides about nodes with it.
func (r *Decision) IsHeld(key v1.Key) bool {
	if _, is := r.Held[key]; is {
		return true
	}
	if !v1.OfNodes(key.Kind) {
		return false
	}
	for held := range r.Held {
		if v1.OfNodes(held.Kind) {
			return true
		}
	}
	return false
}
