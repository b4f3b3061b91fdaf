package act

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
)

// making is what became of the steps for which Decider.Recorded returns true.
type making struct {
	// made are the ids of the objects that they made.
	made map[string]v1.Key
	// unsure are the objects that may exist, because the engine did not say in this run, or in one before, what became of
	// them.
	unsure map[v1.Key]bool
	// registered is true if the memory was written after the steps.
	registered bool
}

func newMaking(open []v1.Key) making {
	m := making{made: map[string]v1.Key{}, unsure: map[v1.Key]bool{}}
	for _, key := range open {
		m.unsure[key] = true
	}
	return m
}

// ended notes what became of a step that makes such an object. If it failed, the engine may have made the object all the
// same, unless the error says that it has not. An id that the engine gave for an object that it then does not show is not put
// on record: an object on record that does not exist counts as removed by hand. A step that is never noted was not begun.
func (m *making) ended(e apply.Event) {
	made, lost := false, errors.Is(e.Err, apply.ErrNoEffect) || engine.IsNotFound(e.Err)
	for _, ref := range e.Objects {
		if have := e.Step.Change.Have; have == nil || have.Meta.ID != ref.ID { // otherwise it was replaced
			made = true
			if !lost {
				m.made[ref.ID] = e.Step.Key
			}
		}
	}
	switch {
	case made && lost: // the engine has said its id, and does not show it
		m.unsure[e.Step.Key] = true
	case made:
		delete(m.unsure, e.Step.Key)
	case e.Err != nil && !refused(e.Err):
		m.unsure[e.Step.Key] = true
	case e.Step.Op == diff.Create && denied(e.Err): // and no object of that name was listed before
		delete(m.unsure, e.Step.Key)
	}
}

// denied reports whether the engine has answered that it makes no such object, as it would have answered an earlier try.
func denied(err error) bool {
	return says(err, engine.IsPermission, engine.IsInvalid, engine.IsNotFound)
}

// refused reports whether the error of a step that makes an object says that the step has not made it. It returns false if
// nobody knows.
func refused(err error) bool {
	for _, unbegun := range []error{apply.ErrNotNow, apply.ErrStopped, apply.ErrNotAgain, engine.ErrFenced} {
		if errors.Is(err, unbegun) {
			return true
		}
	}
	return denied(err) || says(err, engine.IsUnavailable, engine.IsExists)
}

// says reports whether an error is of one of these sorts, and no other answer is possible.
func says(err error, sorts ...func(error) bool) bool {
	return !engine.IsAmbiguous(err) && slices.ContainsFunc(sorts, func(is func(error) bool) bool { return is(err) })
}

// register puts on record what only its id tells of. If it fails, the next run recognises that: see decide.Decider.
func (d *doing) register(ctx context.Context, out *apply.Outcome) error {
	if d.run.Frozen || len(d.made)+len(d.run.Memory.Making) == 0 {
		return nil
	}
	m := d.run.Made(d.made, d.unsure)
	if !d.run.Store.Differs(d.saved, m) {
		return nil
	}
	saved, err := d.run.Store.Save(context.WithoutCancel(ctx), d.saved, m)
	switch {
	case errors.Is(err, engine.ErrFenced), errors.Is(err, state.ErrConflict): // a command wrote the memory meanwhile
		out.Stale = true
		return nil
	case err != nil:
		d.done[decide.Remembering] = err
		out.Errs = append(out.Errs, fmt.Errorf("putting on record what was made: %w", err))
		return nil
	}
	d.saved, d.registered = saved, true
	d.run.Found, d.run.Memory = saved, m
	d.Log.Info("memory written", "source", d.run.Source, "sequence", saved.Sequence, "revision", m.InForce.Hash, "epoch", d.epoch)
	d.Decider.Saved(saved.Sequence, m.Resumed)
	return nil
}
