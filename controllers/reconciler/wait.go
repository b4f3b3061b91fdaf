package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/act"
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

// ErrGone says that somebody else removed an object that the revision asks for, while Wait was waiting.
var ErrGone = errors.New("it is gone: somebody else removed it during the wait")

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
	// By is the revision that changed the object last. It is "" if none is on record.
	By string
	// began is when the roll-out began that the engine gave up. It is zero if there is none.
	began time.Time
	// changed reports whether the object is ready, but not what the run wants.
	changed bool
	// gone reports whether the object was there, and is not any more.
	gone bool
}

// lookTries is how many looks in a row may fail before Wait gives up, and how often Conclude tries to write.
const lookTries = 5

// Wait looks until everything is ready, something has failed, or ctx ends. report gets each look at everything that
// the run wants. While Wait waits for what this revision changed, a failure of what an earlier revision changed does
// not end it. It does not wait for a service that an earlier revision changed and whose tasks only wait for a place. It
// goes on after a look that failed, and gives up after several in a row.
func (r *Reconciler) Wait(ctx context.Context, run *Run, report func([]Progress)) error {
	w := decide.NewWaited(run.Memory.ChangedBy(), r.now(), r.Hidden())
	for failed := 0; ; {
		all, err := r.look(ctx, run, w)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if failed++; failed == lookTries {
				return fmt.Errorf("giving up after %d looks that failed: %w", lookTries, err)
			}
		default:
			failed = 0
			report(all)
			if over, err := verdict(all); over {
				return err
			}
		}
		if err := rest(ctx, failed); err != nil {
			return err
		}
	}
}

// rest waits until the next look or try. The more have failed in a row, the longer it waits. It fails if ctx ends.
func rest(ctx context.Context, failed int) error {
	return pause(ctx, time.Duration(max(1, failed))*decide.Poll/2)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// verdict reports whether a look is the last one, and returns what failed.
func verdict(all []Progress) (over bool, err error) {
	waiting, ownFailed := false, false
	var failed, changed []error
	for _, p := range all {
		switch {
		case p.gone:
			changed = append(changed, fmt.Errorf("%s: %w; to make it again, run apply again", p.Key, ErrGone))
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
		changed = slices.Insert(changed, 0, fmt.Errorf("%w: %w", ErrFailed, errors.Join(failed...)))
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
		p := Progress{Key: s.Key(), Verdict: e.Verdict(), Running: s.Running, Wanted: s.Wanted, Waits: s.Waits, By: w.By[s.Key()]}
		p.Own = p.By == run.InForce.Hash
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
	out = append(out, gone(run, sights, w.By)...)
	slices.SortFunc(out, func(a, b Progress) int { return a.Key.Compare(b.Key) })
	return out, nil
}

// gone returns the services that the run found or made and that are not among the sights any more. It leaves out those
// that the operator leaves alone, because people may remove them.
func gone(run *Run, sights []observe.Sight, by map[v1.Key]string) []Progress {
	there := map[v1.Key]bool{}
	for _, s := range sights {
		there[s.Key()] = true
	}
	for _, key := range run.Memory.Released {
		there[key] = true
	}
	var out []Progress
	for _, w := range run.Wants.States {
		if !status.HasHealth(w.Key) || there[w.Key] || w.Policy.Suspend || run.Memory.ReleasedAll || plan.HoldOn(run.Facts.Holds, run.Source, w.Key, run.Facts.Now) != nil {
			continue
		}
		made := slices.ContainsFunc(run.Plan.Steps, func(s plan.Step) bool {
			return s.Key == w.Key && (s.Op == diff.Create || s.Op == diff.Replace)
		})
		if made || run.Index.ByName(w.Key.Kind, w.Instance) != nil {
			p := Progress{Key: w.Key, Verdict: status.Verdict{Why: ErrGone.Error()}, By: by[w.Key], gone: true}
			p.Own = p.By == run.InForce.Hash
			out = append(out, p)
		}
	}
	return out
}

// concluding is how long Conclude waits for others that act.
const concluding = 30 * time.Second

// Conclude records the outcome of the revision, as Wait found it, for history, wait and retry. Nobody else may be
// there to look. It writes nothing if there is nothing new. It takes the lease, and fails if others act for too long.
func (r *Reconciler) Conclude(ctx context.Context, run *Run, all []Progress) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run.Frozen || r.decider.Observe || !run.Usable() {
		return nil
	}
	change := func(m *state.Memory) { r.outcome(run, all, m) }
	if after := run.Found.Memory; run.Found.Sequence > 0 {
		if change(&after); !run.acts.Store.Differs(run.Found, after) {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, concluding)
	defer cancel()
	for failed := 0; ; {
		err := r.remember(ctx, run, change)
		standby, waits := errors.AsType[*act.Standby](err)
		switch {
		case err == nil:
			return nil
		case waits:
			if pause(ctx, standby.Again) != nil {
				return err
			}
		default:
			if failed++; failed == lookTries || rest(ctx, failed) != nil {
				return err
			}
		}
	}
}

// remember changes the memory of the run's source under the lease. It fails with a Standby if others act.
func (r *Reconciler) remember(ctx context.Context, run *Run, change func(*state.Memory)) error {
	ctx = context.WithoutCancel(ctx) // a call that is cut off may have taken the lease
	taken, err := r.lease.Take(ctx, run.Source, nil)
	switch {
	case err != nil:
		return err
	case taken.Epoch == 0:
		return &act.Standby{Holder: taken.Holder, Again: max(taken.Again, 10*time.Millisecond)}
	}
	bound, done := r.lease.Bind(ctx)
	defer done()
	return run.acts.Store.Edit(context.WithoutCancel(bound), func(found state.Found, m *state.Memory) error {
		if found.Sequence > 0 {
			change(m)
		}
		return nil
	})
}

// outcome notes in a memory what became of the revision of the run.
func (r *Reconciler) outcome(run *Run, all []Progress, m *state.Memory) {
	if m.InForce.Hash != run.InForce.Hash {
		return // a newer revision took its place
	}
	var failed []plan.Failure
	otherwise := false // whether somebody else has made something different from what the revision asks
	for _, p := range all {
		otherwise = otherwise || p.changed || p.gone
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
	outcome, why := decide.Became(failed, run.OwnRefusals(), otherwise)
	m.End(outcome, why, r.now())
}
