package decide

import (
	"reflect"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
)

// missing returns the objects on record that do not exist: see the function of that name. It looks for them only if the
// record, or the objects in the swarm, differ from those of the last run.
func (d *Decider) missing(run *Decision) (gone map[v1.Key]*diff.Gone) {
	if run.allThere = d.allThere.still(run); run.allThere {
		return nil
	}
	gone, run.allThere = missing(run, d.removed)
	d.allThere.note(run)
	return gone
}

// missing returns the objects on record that do not exist, unless the operator removed them or was about to replace
// them. all reports whether every object on record exists.
func missing(run *Decision, removed map[string]bool) (gone map[v1.Key]*diff.Gone, all bool) {
	gone, all = map[v1.Key]*diff.Gone{}, true
	made, adopted := run.Memory.Managed()
	for id, key := range made {
		if run.Index.ByID(key.Kind, id) != nil {
			continue
		}
		if all = false; !removed[id] && !slices.Contains(run.Memory.Replacing, id) {
			gone[key] = &diff.Gone{}
		}
	}
	for id, a := range adopted {
		if run.Index.ByID(a.Key.Kind, id) != nil {
			continue
		}
		if all = false; !slices.Contains(run.Memory.Replacing, id) {
			gone[a.Key] = &diff.Gone{Adopted: !a.Taken}
		}
	}
	return gone, all
}

// isGone reports whether an object that is wanted is among the missing ones.
func isGone(run *Decision, w *diff.State, missing map[v1.Key]*diff.Gone) bool {
	return missing[w.Key] != nil && !w.Partial && run.Index.ByName(w.Key.Kind, w.Instance) == nil
}

// noteGone marks wanted objects that are on record and no longer exist as removed by somebody. It does not if git has
// changed the want since, or if the operator was about to replace the object. If a problem held the object in the
// revision in force, no change by git is known, so a hand removed it. Data that is gone stays gone, whatever git has
// changed of its object meanwhile, and even if nobody can read what the revision in force asked for.
func noteGone(run *Decision, before wantsBefore, gone map[v1.Key]*diff.Gone) {
	if len(gone) == 0 {
		return
	}
	for i, w := range run.Wants.States {
		if !isGone(run, w, gone) {
			continue
		}
		if old, held := before(w.Key); held || v1.HoldsData(w.Key.Kind) || old != nil && old.Digest() == w.Digest() {
			run.changed(i).Gone = gone[w.Key]
		}
	}
}

// changed returns a want of the run that the run may change: a copy that takes its place.
func (r *Decision) changed(i int) *diff.State {
	w := *r.Wants.States[i]
	r.Wants.States[i] = &w
	return &w
}

// silent reports whether the labels of an object of the source do not tell what was last applied: somebody took them
// off, or the engine leaves them as they were when the object was made.
func (d *Decider) silent(h *diff.State) bool {
	return h.Meta.Lost || h.Meta.Mine && slices.Contains(d.unlabelled, h.Key.Kind)
}

// findLost fills in what was last applied to objects on record whose labels do not tell. It is what the revision in force
// says once that was seen in the swarm. Until then it is what was applied before, so that what git changed stays git's
// doing, whatever keeps it from being written. If labels never change, they still tell of what never changes either.
func (d *Decider) findLost(run *Decision, before wantsBefore) {
	run.labels = map[string]diff.Applied{}
	for i, silent := range run.Haves {
		if !d.silent(silent) {
			continue
		}
		h := *silent
		run.Haves[i] = &h
		run.labels[h.Meta.ID] = h.Meta.Applied
		h.Gen = 0 // what is remembered of it was found with other digests
		text, known := run.Memory.Applied[h.Meta.ID]
		switch {
		case known:
			h.Meta.Applied = diff.ParseApplied(text)
		case h.Meta.Lost:
			h.Meta.Applied = diff.Applied{}
		}
		if w, _ := before(h.Key); w != nil && (d.shows(&h, w) || h.Meta.Lost && !known) {
			h.Meta.Applied = d.after(&h, w)
		}
	}
}

// shows reports whether an object whose labels do not tell is as a want says, as far as that can be applied to it.
func (d *Decider) shows(h, w *diff.State) bool {
	return !slices.ContainsFunc(diff.DifferingFields(h, w, d.kinds.Rules(h.Key.Kind)), func(f diff.Field) bool {
		return h.Meta.Lost || f.Effect != diff.Forbidden
	})
}

// after returns what was last applied to such an object after a want was applied.
func (d *Decider) after(h, w *diff.State) diff.Applied {
	if h.Meta.Lost {
		return diff.NewApplied(w.Whole().Leaves)
	}
	return h.Meta.Applied.Again(d.changeable(h.Key.Kind, w.Whole().Leaves))
}

// applied returns what was last applied to objects whose labels do not tell, if the next run cannot know it otherwise.
// What is on record of objects that this run has not seen stays.
func (d *Decider) applied(run *Decision) map[string]string {
	m, now := &run.Memory, map[string]string{}
	for _, h := range run.Haves {
		if !d.silent(h) {
			continue
		}
		is, lost := h.Meta.Applied, h.Meta.Lost
		w := run.Wanted[h.Key]
		shows := w != nil && d.shows(h, w)
		if shows {
			is = d.after(h, w)
		}
		_, known := m.Applied[h.Meta.ID]
		begins := run.InForce.Hash != run.Found.Memory.InForce.Hash // from then on it is what the next run goes by
		if lost && !shows && (known || begins && !is.Zero()) || !lost && (known || !is.Equal(run.labels[h.Meta.ID])) {
			now[h.Meta.ID] = is.String()
		}
	}
	return state.With(state.Without(m.Applied, func(id string, _ string) bool {
		key, on := recordedAs(m, id)
		if _, was := recordedAs(&run.Found.Memory, id); !on && !was && len(run.Unlisted) > 0 {
			return d.sees(run, id) // an object that was given up and is stated again has only its labels
		}
		return !on || run.Index.ByID(key.Kind, id) != nil
	}), now)
}

// recordedAs returns the object that has this id on record. on is false if there is none.
func recordedAs(m *state.Memory, id string) (key v1.Key, on bool) {
	if a, adopted := m.Adopted[id]; adopted {
		return a.Key, true
	}
	key, on = m.Made[id]
	return key, on
}

// sees reports whether the run has found an object with this id, of any kind.
func (d *Decider) sees(run *Decision, id string) bool {
	return slices.ContainsFunc(d.kinds, func(k kinds.Kind) bool { return run.Index.ByID(k.Name, id) != nil })
}

// changeable returns those leaves that the engine lets change.
func (d *Decider) changeable(kind string, leaves []diff.Leaf) []diff.Leaf {
	rules := d.kinds.Rules(kind)
	return slices.DeleteFunc(slices.Clone(leaves), func(l diff.Leaf) bool { return rules[l.Type].Effect == diff.Forbidden })
}

// gone reports whether the object is wanted and somebody removed it.
func (r *Decision) gone(key v1.Key) bool { return r.Wanted[key] != nil && r.Wanted[key].Gone != nil }

// handsOff forgets the records of objects that the source was about to take over. It does so if no manifest asks for
// that any more and the objects carry nothing of the source. Such objects still belong to others. Labels that never change do
// not tell: such an object is the source's once it was seen to be as its manifest says.
func (d *Decider) handsOff(run *Decision) {
	if _, is := d.standsFor(run.Withheld); is { // it may ask for any of them
		return
	}
	open := map[string]v1.Key{} // what was to be taken over and, as far as is on record, was never written
	for id, a := range run.Memory.Adopted {
		_, seen := run.Memory.Applied[id]
		if !a.Taken || a.Written || seen || run.Withheld[a.Key] != "" || run.Unlisted[a.Key.Kind] != nil {
			continue
		}
		if live := run.Index.ByID(a.Key.Kind, id); live == nil || live.Labels[v1.LabelOwner] == "" {
			open[id] = a.Key
		}
	}
	if len(open) == 0 {
		return
	}
	asked := map[v1.Key]bool{}
	for _, e := range run.Entries {
		if e.Object.Meta().Policy.Adoption() == v1.AdoptTakeover {
			asked[e.Object.Key()] = true
		}
	}
	run.Memory.ForgetRecords(func(id string, k v1.Key) bool { _, is := open[id]; return is && !asked[k] })
}

// lapse is how long an object stays on record that does not exist and that no manifest asks for.
const lapse = 7 * 24 * time.Hour

// record updates the record of the objects that the source made, by id. An update alone is no reason to write the
// memory, with two exceptions. The first is an object that the plan is about to replace, or to remove with its data: if
// the operator is killed in between, the object must not look as if somebody had removed it. The second is an object that
// was made again: see unrecorded.
func record(run *Decision, removed map[string]bool) {
	m := &run.Memory
	var replacing []string
	for _, s := range run.Plan.Steps {
		if s.Op == diff.Replace || s.MakesRoom() || s.Op == diff.Remove && v1.HoldsData(s.Key.Kind) {
			replacing = append(replacing, s.Change.Have.Meta.ID)
		}
	}
	begins := len(replacing) > 0
	replacing = append(replacing, run.unseenOf(m.Replacing)...)
	slices.Sort(replacing)
	if replacing = slices.Compact(replacing); begins {
		m.Replacing = replacing
	}
	specs := run.stillRemoved()
	m.Unstated, m.Removed = settings(run), run.andAsFound(specs)
	if reflect.DeepEqual(m.Unstated, run.Found.Memory.Unstated) {
		m.Unstated = run.Found.Memory.Unstated // what is the same map need not be compared again
	}
	if !run.differs() && !unrecorded(run) {
		return
	}
	m.Removed, m.Replacing = specs, replacing
	lapsed := map[string]time.Time{}
	// The records stay the same maps if nothing changes in them, as with most revisions.
	made := state.Without(m.Made, func(id string, key v1.Key) bool {
		switch since, known := m.Lapsed[id]; {
		case run.Index.ByID(key.Kind, id) != nil, run.Unlisted[key.Kind] != nil:
		case removed[id] || slices.Contains(run.Found.Memory.Replacing, id): // the operator itself removed it
			return true
		case run.gone(key), run.IsHeld(key):
		case known && run.Facts.Now.Sub(since) > lapse:
			return true
		case known:
			lapsed[id] = since
		default:
			lapsed[id] = run.Facts.Now.UTC()
		}
		return false
	})
	if m.Lapsed = lapsed; len(lapsed) == 0 {
		m.Lapsed = nil
	}
	written, more := map[string]state.Adopted{}, map[string]v1.Key{}
	for _, h := range run.Haves {
		if !run.labelled(h) {
			continue
		}
		a, is := m.Adopted[h.Meta.ID]
		switch {
		case is && a.Written:
		case is:
			a.Written = true
			written[h.Meta.ID] = a
		case made[h.Meta.ID] != h.Key:
			more[h.Meta.ID] = h.Key
		}
	}
	more = state.With(more, run.madeBefore)
	m.Adopted, m.Made = state.With(m.Adopted, written), state.With(made, more)
	if run.Found.Sequence == 0 || !run.madeUnseen() {
		m.Nonce = run.Nonce
	}
}

// madeUnseen reports whether the source may have made an object that is not on record yet and could not be listed. Only the
// nonce among the object's labels then tells that the source made it.
func (r *Decision) madeUnseen() bool {
	return len(r.Unlisted) > 0 && slices.ContainsFunc(r.Entries, func(e kinds.Entry) bool {
		key := e.Object.Key()
		return r.Unlisted[key.Kind] != nil && !e.Object.External() && !r.recorded(key.Kind)[key]
	})
}

// unseenOf returns those of the ids on record whose objects could not be listed. Nobody knows whether they are gone.
func (r *Decision) unseenOf(ids []string) []string {
	var out []string
	for _, id := range ids {
		if r.Unlisted[r.Memory.Made[id].Kind] != nil || r.Unlisted[r.Memory.Adopted[id].Key.Kind] != nil {
			out = append(out, id)
		}
	}
	return out
}

// labelled reports whether an object carries labels of the source that say whose it is.
func (r *Decision) labelled(h *diff.State) bool {
	if w := r.Wanted[h.Key]; w != nil && w.Partial {
		return false
	}
	return h.Meta.Mine && !h.Meta.Lost && h.Meta.Title != diff.TitleCopied && strings.HasPrefix(h.Value.(*kinds.Live).Labels[v1.LabelOwner], r.Source+"/")
}

// unrecorded reports whether an object was made again after it had gone and is not on record yet, although no later
// write of this revision will put it there. That is so if nothing is left to do and the outcome of the revision is
// known. Until the object is on record, only its labels say whose it is. Objects that a revision itself makes are put on
// record with its outcome, or with the next one.
func unrecorded(run *Decision) bool {
	m := &run.Memory
	n := len(m.History)
	if run.allThere || len(run.Plan.Steps) > 0 || m.Nonce == "" || n == 0 || m.History[n-1].Outcome == "" {
		return false
	}
	gone, _ := missing(run, nil)
	return len(gone) > 0 && slices.ContainsFunc(run.Haves, func(h *diff.State) bool {
		_, made := m.Made[h.Meta.ID]
		a, adopted := m.Adopted[h.Meta.ID]
		return gone[h.Key] != nil && !made && (!adopted || !a.Written) && run.labelled(h)
	})
}
