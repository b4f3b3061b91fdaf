package decide

import (
	"fmt"
	"maps"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// The engine makes some objects without labels, so nothing on them tells later that the source made them. Such an object is
// on record in two steps:
//
//   - The memory that is written before the plan is carried out names it in Making.
//   - The memory that is written right after the steps has its id in Made, and no longer names it in Making: see Decision.Made.
//
// If the operator is killed in between, Making tells the next run that the source may have made it. It is then the source's
// if it is exactly what the source was about to make: see recognise.
//
// An object costs these two writes when it is made. If the engine clearly refuses to make it, each try costs two writes as
// well: one that notes it, and one that drops the note. Otherwise an equal object that somebody makes later would count as
// the source's. If nobody knows whether the engine made it, the note stays until the object is made or no longer wanted, so
// the tries after the first one write nothing: see making.

// Recorded reports whether a step makes an object that has to be on record at once, because the engine gives it no labels.
func (d *Decider) Recorded(s plan.Step) bool {
	if s.Op != diff.Create && s.Op != diff.Replace {
		return false
	}
	o, is := s.Change.Want.Value.(v1.Object)
	return is && d.noLabels(o)
}

// Made returns the memory after the steps of a run for which Recorded returned true. made are the ids of the objects that
// they made. unsure are the objects that they may have made as well, because the engine did not say what became of them.
func (r *Decision) Made(made map[string]v1.Key, unsure map[v1.Key]bool) state.Memory {
	m := r.Memory
	about := map[v1.Key]bool{}
	for _, s := range r.Plan.Steps {
		about[s.Key] = true
	}
	m.Made, m.Making = state.With(m.Made, made), slices.DeleteFunc(slices.Clone(m.Making), func(k v1.Key) bool {
		return about[k] && !unsure[k]
	})
	if len(m.Making) == 0 {
		m.Making = nil
	}
	return m
}

// unrecognised reports whether an object may be one that the source made just before it was killed: it was about to make an
// object of this name that gets no labels, and nothing says whose this one is.
func (r *Decision) unrecognised(h *diff.State) bool {
	_, others := r.Others[h.Meta.ID]
	return !others && !h.Meta.Mine && h.Meta.Owner == "" && h.Instance == h.Key.Name && slices.Contains(r.Memory.Making, h.Key) && !r.Memory.GaveUp(h.Key)
}

// recognise finds the objects without labels that the source made just before it was killed, and counts them as the
// source's.
//
// Nothing on such an object says whose it is, so recognise compares it with what the source was about to make. The object is
// the source's if no field differs. If a field differs, somebody else made the object: the engine never changes an object
// without labels.
//
// The source was about to make what the revision in force asks for: see before. That revision may ask for no such object,
// because the manifest was removed since. If git has brought the manifest back, recognise compares with that.
func (d *Decider) recognise(run *Decision, before wantsBefore) {
	if len(run.Memory.Making) == 0 {
		return
	}
	run.madeBefore, run.strange = map[string]v1.Key{}, map[v1.Key]bool{}
	for i, h := range run.Haves {
		if !run.unrecognised(h) {
			continue
		}
		if h.Meta.Unusable { // the engine does not tell all of it yet
			continue
		}
		w, _ := before(h.Key)
		if w != nil && !d.madeAs(h, w) {
			run.strange[h.Key] = true
			continue
		}
		if w == nil && !slices.ContainsFunc(run.Wants.States, func(w *diff.State) bool { return w.Key == h.Key && d.madeAs(h, w) }) {
			continue
		}
		mine := *h
		mine.Meta.Mine, mine.Meta.Lost = true, true
		mine.Gen = 0 // what is remembered of it was found while it was nobody's
		run.Haves[i] = &mine
		run.madeBefore[h.Meta.ID] = h.Key
	}
}

// madeAs reports whether an object may have been made as a want asks: it equals the want, and the engine gives such an object no
// labels.
func (d *Decider) madeAs(h, w *diff.State) bool {
	o, is := w.Whole().Value.(v1.Object)
	return is && d.noLabels(o) && len(diff.DifferingFields(h, w, d.kinds.Rules(h.Key.Kind))) == 0
}

// noLabels reports whether the engine makes the object of a manifest without labels.
func (d *Decider) noLabels(o v1.Object) bool {
	k, _ := d.kind(o.Key().Kind)
	return k.NoLabels != nil && k.NoLabels(o)
}

// making returns the objects that the source is about to make, or may have made before, and that only Making tells of. While
// an object is still to be made, its note stays: if nobody answered the last try, the engine may show the object later than
// in the next list. A try that waits changes nothing in the memory either.
func (d *Decider) making(run *Decision) []v1.Key {
	about := map[v1.Key]bool{}
	for _, s := range run.Plan.Steps {
		if d.Recorded(s) {
			about[s.Key] = true
		}
	}
	for _, key := range run.Memory.Making {
		if d.mayBeMade(run, key) || run.makesLater(key) {
			about[key] = true
		}
	}
	if len(about) == 0 {
		return nil
	}
	return slices.SortedFunc(maps.Keys(about), v1.Key.Compare)
}

// makesLater reports whether the plan will make an object after some time or after another step. It returns false if another
// person's object has the name, because then the source has made none.
func (r *Decision) makesLater(key v1.Key) bool {
	return !r.strange[key] && slices.ContainsFunc(r.Plan.Refused, func(refused plan.Refusal) bool {
		return refused.Key == key && refused.Class == plan.Later && (refused.Op == diff.Create || refused.Op == diff.Replace)
	})
}

// mayBeMade reports whether an object exists of which this run has not found out whether the source made it: no manifest
// asks for it any more, or nobody knows what the revision in force asked for.
func (d *Decider) mayBeMade(run *Decision, key v1.Key) bool {
	live := run.Index.ByName(key.Kind, key.Name)
	if live == nil || live.Local || live.Labels[v1.LabelOwner] != "" || run.strange[key] || run.external(key) {
		return false
	}
	_, made := run.Memory.Made[live.ID]
	_, adopted := run.Memory.Adopted[live.ID]
	_, others := run.Others[live.ID]
	return !made && !adopted && !others && run.madeBefore[live.ID] != key
}

// external reports whether a manifest says that an object is somebody else's.
func (r *Decision) external(key v1.Key) bool {
	return slices.ContainsFunc(r.Entries, func(e kinds.Entry) bool { return e.Object.Key() == key && e.Object.External() })
}

// leftBehind says which objects that no manifest asks for may be the source's, although it could not put them on record.
// Nothing removes them. If a manifest asks for such an object, its refusal says what to do.
func (d *Decider) leftBehind(run *Decision) []string {
	var out []string
	for _, key := range run.Memory.Making {
		if run.Wanted[key] == nil && !run.IsHeld(key) && !run.Memory.GaveUp(key) && d.mayBeMade(run, key) {
			out = append(out, fmt.Sprintf("%s may be one that this source made and could not put on record. Nothing removes it: remove it by hand, or bring its manifest back", key))
		}
	}
	return out
}

// recalls reports whether an object may be one that the source made just before it was killed, so that the run has to know
// what the source was about to make.
func (r *Decision) recalls() bool {
	return len(r.Memory.Making) > 0 && slices.ContainsFunc(r.Haves, r.unrecognised)
}
