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

// standsFor returns a held manifest that stands for objects of other kinds. Nobody knows which they are, so what no
// manifest states may be among them. is is false if there is none. No object is of such a manifest's own kind.
func (d *Decider) standsFor(held map[v1.Key]string) (key v1.Key, is bool) {
	for _, key := range slices.SortedFunc(maps.Keys(held), v1.Key.Compare) {
		if _, own := d.kind(key.Kind); !own && !v1.OfNodes(key.Kind) {
			return key, true
		}
	}
	return v1.Key{}, false
}

// holdUnstated holds what no manifest states, as long as a manifest is held that may stand for it. It comes after hold.
func (d *Decider) holdUnstated(r *Decision) {
	key, is := d.standsFor(r.Withheld)
	if !is {
		return
	}
	r.unstated = v1.Scrub(fmt.Sprintf("no manifest states it, and it may come from %s, which is held: %s", key, r.Withheld[key]))
	r.Changes = slices.DeleteFunc(r.Changes, func(c diff.Change) bool {
		unstated := c.Op == diff.Remove && !c.Have.Meta.OldVersion
		if unstated {
			r.Held[c.Key] = plan.Problem{Why: r.unstated, Present: true, Instance: c.Instance}
		}
		return unstated
	})
}

// IsHeld reports whether a problem holds the object. A problem of one manifest about nodes holds all objects about
// nodes, because they decide about nodes together.
func (r *Decision) IsHeld(key v1.Key) bool {
	if _, is := r.Held[key]; is {
		return true
	}
	if !v1.OfNodes(key.Kind) {
		return r.unstated != "" && r.Wanted[key] == nil // it need not exist: what is on record of it stays
	}
	for held := range r.Held {
		if v1.OfNodes(held.Kind) {
			return true
		}
	}
	return false
}
