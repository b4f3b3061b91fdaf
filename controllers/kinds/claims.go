package kinds

import (
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// claimant is a change with what it needs beyond what its own live object has.
type claimant struct {
	change *diff.Change
	claims []diff.Claim
}

// Claims returns what changes need and the swarm gives only once, and which object has it. It is pure. It looks
// through the live objects only if a change needs something, so that it costs next to nothing otherwise.
func Claims(all []Kind, changes []diff.Change, wants map[v1.Key]*diff.State, ix *Index, src Source) []plan.Claim {
	var out []plan.Claim
	for i := range all {
		k := &all[i]
		if !k.unique() {
			continue
		}
		var claimants []claimant
		for j := range changes {
			if c := &changes[j]; c.Key.Kind == k.Name && c.Want != nil && c.Op != diff.Same {
				if claims := k.beyond(c); len(claims) > 0 {
					claimants = append(claimants, claimant{c, claims})
				}
			}
		}
		if len(claimants) == 0 {
			continue
		}
		for _, l := range ix.List(k.Name) {
			has, had := k.holds(l)
			for _, by := range claimants {
				if have := by.change.Have; have == nil || have.Meta.ID != l.ID {
					out = append(out, k.contested(by, l, held{has, had}, wants, ix, src)...)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b plan.Claim) int { // lists have no order
		return strings.Compare(a.Key.String()+" "+a.Claim.String()+" "+a.HolderInstance, b.Key.String()+" "+b.Claim.String()+" "+b.HolderInstance)
	})
	return out
}

// unique reports whether the swarm takes only one object of a name.
func (k *Kind) unique() bool { return !k.Partial }

func named(name string) diff.Claim { return diff.Claim{What: "name", Of: strings.ToLower(name)} }

// asks returns the claims of a want.
func (k *Kind) asks(w *diff.State) []diff.Claim {
	object, ok := w.Whole().Value.(v1.Object)
	if k.Claims == nil || !ok {
		return nil
	}
	return k.Claims(object)
}

// beyond returns the claims of a change that its own live object does not make.
func (k *Kind) beyond(c *diff.Change) []diff.Claim {
	claims := k.asks(c.Want)
	if c.Have == nil {
		return append(claims, named(c.Instance))
	}
	live, ok := c.Have.Whole().Value.(*Live)
	if !ok {
		return nil
	}
	has, _ := k.holds(live)
	return slices.DeleteFunc(claims, func(c diff.Claim) bool { return slices.Contains(has, c) })
}

// holds returns the claims of a live object, and those that a rollback would bring back.
func (k *Kind) holds(l *Live) (has, had []diff.Claim) {
	if k.Holds != nil {
		has, had = k.Holds(l)
	}
	if !l.Local {
		has = append(has, named(l.Name))
	}
	return has, had
}

// held are the claims of a live object, and those that a rollback would bring back.
type held struct{ has, had []diff.Claim }

// contested returns the claims that a live object stands in the way of.
func (k *Kind) contested(by claimant, l *Live, of held, wants map[v1.Key]*diff.State, ix *Index, src Source) []plan.Claim {
	var out []plan.Claim
	for _, claim := range by.claims {
		clashes := func(c diff.Claim) bool { return c.Clashes(claim) }
		now := slices.ContainsFunc(of.has, clashes)
		if !now && !slices.ContainsFunc(of.had, clashes) {
			continue
		}
		key, meta := src.Identify(l)
		c := plan.Claim{Key: by.change.Key, Instance: by.change.Instance, Claim: claim, Holder: key, HolderInstance: l.Name, Mine: meta.Mine, Former: !now}
		switch w := wants[key]; {
		case w != nil && meta.Mine:
			c.Stays = slices.ContainsFunc(k.asks(w), clashes) || w.Instance == l.Name && clashes(named(l.Name))
		case c.Former && k.Observe != nil: // nobody else looks at its roll-out
			c.Rollout = k.Observe(l, ix, nil)
		}
		out = append(out, c)
	}
	return out
}

// InTheWay finds objects that are to be removed and that have a port of the nodes. A waiting object needs that port
// to run there. The scheduler gives such a port to no other object. InTheWay returns the waiting objects by the
// objects that are in their way. It is pure.
func InTheWay(all []Kind, changes []diff.Change, wants map[v1.Key]*diff.State, waiting []v1.Key) map[v1.Key]v1.Key {
	out := map[v1.Key]v1.Key{}
	waiting = slices.SortedFunc(slices.Values(waiting), v1.Key.Compare)
	for i := range all {
		k := &all[i]
		if k.Holds == nil || k.Claims == nil {
			continue
		}
		for j := range changes {
			c := &changes[j]
			if c.Op != diff.Remove || c.Key.Kind != k.Name {
				continue
			}
			if first := slices.IndexFunc(waiting, func(key v1.Key) bool { return key.Kind == k.Name && k.keepsFrom(c, wants[key]) }); first >= 0 {
				out[c.Key] = waiting[first]
			}
		}
	}
	return out
}

// keepsFrom reports whether an object that is to be removed has a port of the nodes that a want asks for.
func (k *Kind) keepsFrom(c *diff.Change, w *diff.State) bool {
	live, ok := c.Have.Whole().Value.(*Live)
	if !ok || w == nil {
		return false
	}
	asks := k.asks(w)
	has, _ := k.Holds(live)
	return slices.ContainsFunc(has, func(h diff.Claim) bool { return h.Host && slices.Contains(asks, h) })
}

// Broken returns the wanted objects that exist and that nothing can use, with the reason. It is pure.
func Broken(all []Kind, wants []*diff.State, ix *Index) map[v1.Key]string {
	return said(all, wants, ix, func(k *Kind) func(*Live) string { return k.Broken })
}

// Awaited returns the wanted objects that exist and with which the swarm has still something to do, and what it is. It
// is pure.
func Awaited(all []Kind, wants []*diff.State, ix *Index) map[v1.Key]string {
	return said(all, wants, ix, func(k *Kind) func(*Live) string { return k.Awaits })
}

// said returns what a function of each kind says of the wanted objects that exist.
func said(all []Kind, wants []*diff.State, ix *Index, by func(*Kind) func(*Live) string) map[v1.Key]string {
	out := map[v1.Key]string{}
	for i := range all {
		k := &all[i]
		say := by(k)
		if say == nil {
			continue
		}
		for _, w := range wants {
			if w.Key.Kind == k.Name {
				if l := ix.ByName(k.Name, w.Instance); l != nil && !l.Local {
					if why := say(l); why != "" {
						out[w.Key] = why
					}
				}
			}
		}
	}
	return out
}
