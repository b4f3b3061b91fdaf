package decide

import (
	"fmt"
	"maps"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
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

// Asks reports whether the source states objects of a kind, and whether it has some on record.
func (r *Decision) Asks(kind string) (states, has bool) {
	return slices.ContainsFunc(r.Entries, func(e kinds.Entry) bool { return e.Object.Key().Kind == kind }), r.Memory.Has(kind)
}

// AsksUsers reports whether the plan depends on objects that are listed on demand. It does if it removes a secret, and if it
// keeps one only because such an object uses it, or because they could not be listed.
func (r *Decision) AsksUsers() bool {
	return slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool {
		return v1.HoldsSecrets(s.Key.Kind) && (s.Op == diff.Remove || s.Op == diff.Replace)
	}) || slices.ContainsFunc(r.Plan.Refused, plan.Refusal.Unsure) || slices.ContainsFunc(r.Changes, func(c diff.Change) bool {
		return c.Op == diff.Remove && v1.HoldsSecrets(c.Key.Kind) && slices.ContainsFunc(c.Have.Meta.UsedBy, func(k v1.Key) bool { return v1.HoldsData(k.Kind) })
	})
}

// Unsure returns the error of the list of cluster volumes if every step that is put off waits for that list. Such a step removes
// a secret whose manifest is gone, and without the list nobody knows whether a volume has the secret. Unsure returns nil if no
// step is put off, or if one waits for something else. A filter may deny the list for good, so whoever waits for the plan must
// not wait for the list.
func (r *Decision) Unsure() error {
	if !r.Plan.Waiting() || comes(r.Plan) {
		return nil
	}
	return r.Unlisted[v1.KindVolume]
}

// unseen says why it is not known which cluster volumes have a secret. It returns "" if that is known.
func (r *Decision) unseen() string {
	if err := r.Unlisted[v1.KindVolume]; err != nil {
		return v1.Scrub(err.Error())
	}
	return ""
}

// recorded returns the objects of a kind that the source has on record and manages, by their keys.
func (r *Decision) recorded(kind string) map[v1.Key]bool {
	out := map[v1.Key]bool{}
	made, adopted := r.Memory.Managed()
	for _, key := range made {
		if key.Kind == kind {
			out[key] = true
		}
	}
	for _, a := range adopted {
		if a.Key.Kind == kind {
			out[a.Key] = true
		}
	}
	return out
}

// setAside takes what the manifests ask of kinds whose objects could not be listed out of the wants, because nothing can
// be compared with it. What an agreement is about is known all the same.
func (r *Decision) setAside() {
	if len(r.Unlisted) == 0 {
		return
	}
	r.aside = map[v1.Key]string{}
	r.Wants.States = slices.DeleteFunc(r.Wants.States, func(w *diff.State) bool {
		unlisted := r.Unlisted[w.Key.Kind] != nil
		if unlisted {
			r.aside[w.Key] = w.Digest()
		}
		return unlisted
	})
	maps.DeleteFunc(r.Wants.Missing, func(k v1.Key, _ bool) bool {
		unlisted := r.Unlisted[k.Kind] != nil
		if unlisted {
			r.aside[k] = digestOfExternal
		}
		return unlisted
	})
}

// Incomplete says why the plan may lack something: part of what the run has asked for could not be read, or objects of the
// source could not be listed. The run has to be repeated, because no event tells when that has ended. It returns nil if the
// plan lacks nothing.
func (r *Decision) Incomplete() error {
	if r.Unread != nil {
		return r.Unread
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Unlisted)) {
		if states, has := r.Asks(kind); states || has {
			return r.Unlisted[kind]
		}
	}
	return nil
}

// holdUnlisted holds the source's objects of kinds whose objects could not be listed. They are there if they are on
// record. What they may refer to stays as well: see plan.Facts.Unseen.
func (r *Decision) holdUnlisted() {
	for _, kind := range slices.Sorted(maps.Keys(r.Unlisted)) {
		err, there := r.Unlisted[kind], r.recorded(kind)
		keys := maps.Clone(there)
		for _, e := range r.Entries {
			if key := e.Object.Key(); key.Kind == kind && !e.Object.External() {
				keys[key] = true
			}
		}
		for key := range keys {
			if r.Held == nil {
				r.Held = map[v1.Key]plan.Problem{}
			}
			r.Held[key] = plan.Problem{Why: v1.Scrub(err.Error()), Instance: key.Name, Present: there[key], Outside: true}
		}
	}
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
// nodes, because they decide about nodes together. What could not be listed is held as well, also if the source gave it up:
// nobody knows what became of it.
func (r *Decision) IsHeld(key v1.Key) bool {
	if _, is := r.Held[key]; is || r.Unlisted[key.Kind] != nil {
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
