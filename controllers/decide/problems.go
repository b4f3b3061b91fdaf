package decide

import (
	"fmt"
	"maps"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// hold takes the objects that problems of their manifests hold out of the differences. Nothing is wanted of them, and
// Held says whether they exist.
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

// holdUnstated holds what no manifest states, as long as a manifest is held that stands for objects of other kinds:
// nobody knows which they are. No object is of such a manifest's own kind. It comes after hold.
func (d *Decider) holdUnstated(r *Decision) {
	for _, key := range slices.SortedFunc(maps.Keys(r.Withheld), v1.Key.Compare) {
		if _, own := d.kind(key.Kind); own || v1.OfNodes(key.Kind) {
			continue
		}
		why := v1.Scrub(fmt.Sprintf("no manifest states it, and it may come from %s, which is held: %s", key, r.Withheld[key]))
		r.Changes = slices.DeleteFunc(r.Changes, func(c diff.Change) bool {
			unstated := c.Op == diff.Remove && !c.Have.Meta.OldVersion
			if unstated {
				r.Held[c.Key] = plan.Problem{Why: why, Present: true, Instance: c.Instance}
			}
			return unstated
		})
		return
	}
}

// IsHeld reports whether a problem holds the object. A problem of one manifest about nodes holds all objects about
// nodes, because they decide about nodes together.
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
