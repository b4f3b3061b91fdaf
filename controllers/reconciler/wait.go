package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// ErrFailed says that a roll-out failed that Wait was waiting for.
var ErrFailed = errors.New("roll-out failed")

// ErrChanged says that somebody else changed an object that Wait was waiting for. It no longer is as the revision
// asks.
var ErrChanged = errors.New("changed by somebody else while it rolled out")

// Progress is how far an object is.
type Progress struct {
	Key v1.Key
	status.Verdict
	// Running is how many of its tasks do what is wanted, and Wanted how many should.
	Running, Wanted int
	// Waits reports whether the object is not ready only because the swarm finds no place for its tasks.
	Waits bool
	// Own reports whether the revision of the run changed the object. Otherwise an earlier revision is to blame for
	// its state.
	Own bool
	// began is when the roll-out began that the engine gave up. It is zero if there is none.
	began time.Time
	// changed reports whether the object is ready, but not what the run wants.
	changed bool
}

// Wait looks until everything is ready, something has failed, or ctx ends. report gets each look at everything that
// the run wants. While Wait waits for what this revision changed, a failure of what an earlier revision changed does
// not end it. It does not wait for a service that an earlier revision changed and whose tasks only wait for a place.
func (r *Reconciler) Wait(ctx context.Context, run *Run, report func([]Progress)) error {
	w := decide.NewWaited(run.Memory.ChangedBy(), r.now())
	for {
		all, err := r.look(ctx, run, w)
		if err != nil {
			return err
		}
		report(all)
		if over, err := verdict(all); over {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(decide.Poll / 2):
		}
	}
}

// verdict reports whether a look is the last one, and returns what failed.
func verdict(all []Progress) (over bool, err error) {
	waiting, ownFailed := false, false
	var failed, changed []error
	for _, p := range all {
		switch {
		case p.changed:
			changed = append(changed, fmt.Errorf("%s: %w; to make it what git says, run apply again", p.Key, ErrChanged))
		case p.Failed() && p.Own:
			ownFailed = true
			failed = append(failed, fmt.Errorf("%s: %s", p.Key, p.Why))
		case p.Failed() && p.Waits: // it failed before, and now finds no place: that is not this revision's doing
		case p.Failed():
			failed = append(failed, fmt.Errorf("%s, which an earlier revision changed: %s", p.Key, p.Why))
		case !p.Ready():
			waiting = waiting || p.Awaited()
		}
	}
	switch {
	case waiting && !ownFailed:
		return false, nil
	case len(failed) > 0:
		return true, fmt.Errorf("%w: %w", ErrFailed, errors.Join(failed...))
	}
	return true, errors.Join(changed...)
}

// Awaited reports whether Wait waits for the object.
func (p Progress) Awaited() bool { return p.Own || !p.Waits }

// indexed returns a function that reads everything when it is first called. By then, objects that the run has made
// have names.
func (r *Reconciler) indexed(ctx context.Context) func() (*kinds.Index, error) {
	var w *observe.World
	return func() (_ *kinds.Index, err error) {
		if w == nil {
			if w, err = r.observer.Look(ctx, nil, observe.Everything); err != nil {
				return nil, err
			}
		}
		return w.Index, nil
	}
}

// undone reports whether a live object is no longer what the run wanted.
func (r *Reconciler) undone(k kinds.Kind, l *kinds.Live, run *Run, ix *kinds.Index) bool {
	i := slices.IndexFunc(run.Wants.States, func(w *diff.State) bool { return w.Key.Kind == k.Name && w.Instance == l.Name })
	have := diff.State{Leaves: k.Shape.Flatten(k.Normalise(l, ix))}
	return i >= 0 && diff.Differs(&have, run.Wants.States[i], k.Rules)
}

func (r *Reconciler) look(ctx context.Context, run *Run, w *decide.Waited) ([]Progress, error) {
	sights, err := r.observer.SightsOf(ctx, r.now(), report.WantsOf(run.Wants.States, nil))
	if err != nil {
		return nil, err
	}
	seen := plan.Facts{Now: r.now(), Rollouts: map[v1.Key]plan.Rollout{}}
	for _, s := range sights {
		if rollout := s.Rollout(); rollout.State != "" {
			seen.Rollouts[s.Key()] = rollout
		}
	}
	w.Hide(run.Wanted, &seen)
	out, moves, index := make([]Progress, 0, len(sights)), false, r.indexed(ctx)
	for _, s := range sights {
		e := status.Evidence{
			Look: status.Look(s.Health), Failure: run.FailureOf(s.Key()).Why, Hidden: w.Hidden()[s.Key()], Since: w.Since(s.Key(), s.Live.Version, s.Health, seen.Now), Now: seen.Now,
		}
		undone := false
		if s.RolledBack {
			ix, err := index()
			if err != nil {
				return nil, err
			}
			undone = r.undone(*s.Kind, s.Live, run, ix)
		}
		if undone {
			rollout := s.Rollout()
			rollout.Left = plan.Differs // that is known
			rollout = s.Kind.Trace(ctx, r.engine, s.Live, run.Index, nil, rollout)
			e.Undone = rollout.Text()
		}
		p := Progress{Key: s.Key(), Verdict: e.Verdict(), Running: s.Running, Wanted: s.Wanted, Waits: s.Waits, Own: w.By[s.Key()] == run.InForce.Hash}
		if rollout := seen.Rollouts[p.Key]; p.Failed() && (rollout.RolledBack() || rollout.State == "paused") {
			p.began = rollout.Began
		}
		moves = moves || p.Own && !p.Ready()
		out = append(out, p)
	}
	for i, s := range sights { // the last look checks whether what is ready is still what was asked for
		if moves || !out[i].Own {
			continue
		}
		ix, err := index()
		if err != nil {
			return nil, err
		}
		out[i].changed = r.undone(*s.Kind, s.Live, run, ix)
	}
	slices.SortFunc(out, func(a, b Progress) int { return a.Key.Compare(b.Key) })
	return out, nil
}

// Conclude records the outcome of the revision, as Wait found it, for history, wait and retry. Nobody else may be
// there to look. It writes nothing if there is nothing new, or if another instance acts, which will see the outcome
// itself.
func (r *Reconciler) Conclude(ctx context.Context, run *Run, all []Progress) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run.Frozen || r.decider.Observe || !run.Usable() {
		return nil
	}
	change := func(m *state.Memory) {
		if m.InForce.Hash != run.InForce.Hash {
			return // a newer revision took its place
		}
		var failed []plan.Failure
		for _, p := range all {
			w := run.Wanted[p.Key]
			if p.Ready() { // the failure of its tasks on record is over
				m.Failed = slices.DeleteFunc(slices.Clone(m.Failed), func(f plan.Failure) bool { return f.Key == p.Key && f.Began.IsZero() })
			}
			// An object that an earlier revision changed is no matter of this one.
			if !p.Failed() || !p.Own || w == nil {
				continue
			}
			next := plan.Failure{Key: p.Key, Digest: w.Digest(), Why: v1.Scrub(p.Why), Began: p.began, Revision: run.InForce.Hash}
			failed = append(failed, next)
			i := slices.IndexFunc(m.Failed, func(f plan.Failure) bool { return f.Key == p.Key })
			if i >= 0 && m.Failed[i].Digest == next.Digest && p.began.IsZero() {
				continue // it is on record, with when it began
			}
			m.Failed = slices.DeleteFunc(slices.Clone(m.Failed), func(f plan.Failure) bool { return f.Key == p.Key })
			m.Failed = append(m.Failed, next)
			slices.SortFunc(m.Failed, func(a, b plan.Failure) int { return a.Key.Compare(b.Key) })
		}
		outcome, why := decide.Became(failed, run.OwnRefusals(), false)
		m.End(outcome, why, r.now())
	}
	if after := run.Found.Memory; run.Found.Sequence > 0 {
		if change(&after); !run.acts.Store.Differs(run.Found, after) {
			return nil
		}
	}
	taken, err := r.lease.Take(ctx, run.Source, nil)
	if err != nil || taken.Epoch == 0 {
		return err
	}
	ctx, done := r.lease.Bind(ctx)
	defer done()
	return run.acts.Store.Edit(context.WithoutCancel(ctx), func(found state.Found, m *state.Memory) error {
		if found.Sequence > 0 {
			change(m)
		}
		return nil
	})
}
