package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// absent reports whether the wanted object has to be made.
func (r *Decision) absent(w *diff.State) bool {
	return !w.Partial && r.Index.ByName(w.Key.Kind, w.Instance) == nil
}

// remade prepares wants that have to be made again. It gives them the spec that was written down before the removal.
// Without one, it names the settings that are lost, and the stack that the object belonged to.
func (d *Decider) remade(run *Decision) {
	m := &run.Found.Memory
	if len(m.Removed) == 0 && len(m.Unstated) == 0 {
		return
	}
	removed, lost, stacks := map[v1.Key]state.Frozen{}, map[v1.Key][]string{}, map[v1.Key]string{}
	for id, f := range m.Removed {
		if run.Index.ByID(f.Key.Kind, id) == nil {
			removed[f.Key] = f
		}
	}
	for id, s := range m.Unstated {
		if run.Index.ByID(s.Key.Kind, id) == nil {
			lost[s.Key] = append(lost[s.Key], s.Paths...)
			stacks[s.Key] = max(s.Stack, stacks[s.Key])
		}
	}
	if len(removed)+len(lost) == 0 {
		return
	}
	for i, is := range run.Wants.States {
		_, frozen := removed[is.Key]
		if _, known := lost[is.Key]; !run.absent(is) || is.Start != nil || !frozen && !known {
			continue
		}
		w := run.changed(i)
		if f, known := removed[w.Key]; known && f.Instance == w.Instance {
			start, err := d.thaw(f)
			if err == nil {
				w.Start, w.Note = start, "it was removed to be made again, with the spec that it had"
				continue
			}
			run.Notices = append(run.Notices, err.Error())
		}
		w.Stack = stacks[w.Key]
		if paths := lost[w.Key]; len(paths) > 0 {
			slices.Sort(paths)
			w.Lost = slices.Compact(paths)
		}
	}
}

func (d *Decider) thaw(f state.Frozen) (any, error) {
	k, known := d.kind(f.Key.Kind)
	if !known || k.Thaw == nil {
		return nil, fmt.Errorf("reading what %s was before it was removed: this release makes no %s from that", f.Key, f.Key.Kind)
	}
	start, err := k.Thaw(f.Spec)
	if err != nil {
		return nil, fmt.Errorf("reading what %s was before it was removed: %w", f.Key, err)
	}
	return start, nil
}

// mostWritten is the largest spec, in bytes, that is written down. A config of the swarm holds it.
const mostWritten = 256 << 10

// writeDown notes the specs of objects that the plan removes in order to make them again. So nothing is lost if the
// operator is killed in between. It refuses the removal of an object whose spec cannot be written down.
func (d *Decider) writeDown(run *Decision) {
	run.frozenSpecs = map[string]state.Frozen{}
	run.Plan.Steps = slices.DeleteFunc(run.Plan.Steps, func(s plan.Step) bool {
		k, _ := d.kind(s.Key.Kind)
		if k.Freeze == nil || s.Op != diff.Replace && !s.MakesRoom() {
			return false
		}
		live := s.Change.Have.Value.(*kinds.Live)
		spec, err := k.Freeze(live, run.Index)
		if err == nil && len(spec) > mostWritten {
			err = fmt.Errorf("its spec has %d bytes, and %d can be written down before it is removed: remove it by hand, and it is made from its manifest", len(spec), mostWritten)
		}
		if err != nil {
			run.Plan.Refused = append(run.Plan.Refused, plan.Refusal{Op: s.Op, Key: s.Key, Instance: s.Instance, Guard: "replace", Class: plan.Never, Why: err.Error(), Fields: s.Fields})
			return true
		}
		run.frozenSpecs[live.ID] = state.Frozen{Key: s.Key, Instance: s.Instance, Spec: spec}
		return false
	})
}

// stillRemoved returns the specs to keep. They are of objects that the plan is about to remove, and of objects that
// were removed and are still to be made. It is nil if there are none.
func (r *Decision) stillRemoved() map[string]state.Frozen {
	out := map[string]state.Frozen{}
	for id, f := range r.Found.Memory.Removed {
		if w := r.Wanted[f.Key]; r.IsHeld(f.Key) || w != nil && w.Instance == f.Instance && r.absent(w) {
			out[id] = f
		}
	}
	for id, f := range r.frozenSpecs {
		out[id] = f
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// andAsFound adds the specs on record of objects that still exist. They are of no use, unless the removal was only
// refused and is tried again. Dropping them alone is no reason to write.
func (r *Decision) andAsFound(specs map[string]state.Frozen) map[string]state.Frozen {
	out := maps.Clone(specs)
	for id, f := range r.Found.Memory.Removed {
		if _, known := specs[id]; known || r.Index.ByID(f.Key.Kind, id) == nil {
			continue
		}
		if out == nil {
			out = map[string]state.Frozen{}
		}
		out[id] = f
	}
	return out
}

// settings returns the settings of the source's objects that no manifest can state, and the stacks by which docker knows
// them, unless their manifests state those. For an object that exists, they are as they are now. For one that is gone, they
// stay as they were until it is made again or no manifest asks for it.
func settings(run *Decision) map[string]state.Settings {
	out := map[string]state.Settings{}
	for id, s := range run.Found.Memory.Unstated {
		if w := run.Wanted[s.Key]; run.Index.ByID(s.Key.Kind, id) == nil && (run.IsHeld(s.Key) || w != nil && run.absent(w)) {
			out[id] = s
		}
	}
	adopting := map[string]bool{}
	for _, a := range run.Plan.Adopted {
		adopting[a.ID] = true
	}
	for _, h := range run.Haves {
		m, w := &h.Meta, run.Wanted[h.Key]
		if len(m.Unstated)+len(m.Stack) == 0 || w == nil && !run.IsHeld(h.Key) || !m.Mine && !adopting[m.ID] {
			continue
		}
		s := state.Settings{Key: h.Key, Paths: m.Unstated}
		if m.Stack != "" && !statesStack(h, w, adopting[m.ID]) {
			s.Stack = m.Stack
		}
		if len(s.Paths)+len(s.Stack) > 0 {
			out[m.ID] = s
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// statesStack reports whether the manifest of an object states its stack, as far as that is on record. Of an object that is
// being adopted, nothing is on record yet.
func statesStack(h, w *diff.State, adopting bool) bool {
	if adopting && w != nil {
		l, is := w.Leaf(stackPath)
		return is && l.Stated
	}
	return h.Meta.Applied.Has(stackPath)
}

// stackPath is the path of the label by which docker knows the stack of an object.
var stackPath = v1.PathKey("metadata.labels", kinds.StackLabel)

// mostNamed is how many objects are named together with their settings.
const mostNamed = 10

// unstated says which of the source's objects have settings that no manifest can state.
func unstated(haves []*diff.State) []string {
	var out, more []string
	for _, h := range haves {
		switch {
		case len(h.Meta.Unstated) == 0 || !h.Meta.Mine || h.Meta.OldVersion:
		case len(out) < mostNamed:
			out = append(out, fmt.Sprintf("%s has settings that manifests cannot state, and no write drops them: %s; if somebody removes it, making it again waits for consent to %s",
				h.Key, strings.Join(h.Meta.Unstated, ", "), plan.DropsSettings))
		default:
			more = append(more, h.Key.String())
		}
	}
	if len(more) > 0 {
		out = append(out, fmt.Sprintf("such settings are also in %s", strings.Join(more, ", ")))
	}
	return out
}
