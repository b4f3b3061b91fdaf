// Package act carries out what a run has decided, under the lease: it writes the memory, delivers tokens and keys, and
// takes the steps. It decides nothing.
package act

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Options say what to act on.
type Options struct {
	Engine *engine.Client
	Lease  *state.Lease
	Kinds  []kinds.Kind
	// Decider is told what was done.
	Decider *decide.Decider
	Log     logr.Logger
	Now     func() time.Time
}

// Actor carries out decisions, one after the other.
type Actor struct {
	Options
	tries tries
}

// New returns an Actor.
func New(o Options) *Actor { return &Actor{Options: o} }

// Run is a decision that is to be carried out. The plan and the memory of the decision may change with that.
type Run struct {
	*decide.Decision
	// Store is where the memory is kept.
	Store *state.Store
	// Undelivered are the tokens and keys that are not yet where they should be. DeliveryErr says why they are not,
	// or why that is not known.
	Undelivered []Delivery
	DeliveryErr error
}

// Outcome is what became of a run.
type Outcome struct {
	apply.Outcome
	// Others is true if another instance has acted since the swarm was read. The plan is outdated, and what was read
	// is too.
	Others bool
}

// doing is one run that is carried out.
type doing struct {
	*Actor
	run *Run
	// remembers is true if the memory has to be written. delivers is true if tokens and keys may be delivered now.
	remembers, delivers bool
	done                tried
	epoch               uint64
	// saved is the memory as it was found or written.
	saved state.Found
}

// Do writes the memory that the run has worked out, and then carries out its plan. It fails if the lease is not taken
// or the memory cannot be written. Errors of steps are in the outcome. The outcome is empty if there is nothing to
// do. Whatever was done, the run's Found is the memory as it is now.
func (a *Actor) Do(ctx context.Context, run *Run, observe func(apply.Event)) (Outcome, error) {
	d := &doing{
		Actor: a, run: run, done: tried{}, saved: run.Found,
		remembers: !run.Frozen && run.Store.Differs(run.Found, run.Memory), delivers: run.Waits(decide.Delivering) == 0,
	}
	a.tries.forget(run)
	if !d.delivers { // nothing is made then that would have to be delivered
		run.Plan.Steps = slices.DeleteFunc(slices.Clone(run.Plan.Steps), makes)
		run.DeliveryErr = errors.New(run.Facts.Troubles[decide.Delivering].Why)
	}
	if d.nothing() {
		a.Decider.Settle(run.Facts)
		a.Lease.Idle()
		return Outcome{}, nil
	}
	defer func() { a.note(run, d.done) }()
	check := a.held(ctx, run)
	var others bool
	var err error
	if d.epoch, others, err = a.take(ctx, run); err != nil || others {
		return Outcome{Outcome: apply.Outcome{Stale: others}, Others: others}, err
	}
	told := ctx
	ctx, unbind := a.Lease.Bind(ctx)
	defer unbind()
	// Save first. Otherwise a version could be made with a key that a crash would lose.
	if stale, err := d.save(ctx); stale || err != nil {
		return Outcome{Outcome: apply.Outcome{Stale: stale}}, err
	}
	d.settle()
	out := Outcome{Outcome: d.acts(ctx, check, observe)}
	if d.remembers { // last, so that nothing waits for it
		run.Found = run.Store.Tidy(context.WithoutCancel(ctx), d.saved)
	}
	// The lease was lost, and steps may not have been carried out.
	out.Stale = out.Stale || ctx.Err() != nil && told.Err() == nil
	return out, nil
}

// makes reports whether a step makes a token or a key that has to go somewhere.
func makes(s plan.Step) bool { return decide.Makes(s) != "" }

// nothing reports whether there is nothing to do, or nothing that may be done now. Without its memory a run does
// nothing.
func (d *doing) nothing() bool {
	if d.remembers {
		return d.run.Waits(decide.Remembering) > 0
	}
	return len(d.run.Plan.Steps) == 0 && (len(d.run.Undelivered) == 0 || !d.delivers)
}

// save writes the memory, if it has to be written. stale is true if the plan has to be made again.
func (d *doing) save(ctx context.Context) (stale bool, err error) {
	if !d.remembers {
		return false, nil
	}
	d.saved, err = d.run.Store.Save(context.WithoutCancel(ctx), d.run.Found, d.run.Memory)
	switch {
	case err == nil:
	case errors.Is(err, engine.ErrFenced), d.overtaken(d.run, err):
		return true, nil
	default:
		d.done[decide.Remembering] = err
		return false, err
	}
	d.done[decide.Remembering] = nil
	d.Log.Info("memory written", "source", d.run.Source, "sequence", d.saved.Sequence, "revision", d.run.Memory.InForce.Hash, "epoch", d.epoch)
	d.Decider.Saved(d.saved.Sequence, d.run.Memory.Resumed)
	return false, nil
}

// settle ends what waited for the memory to be written.
func (d *doing) settle() {
	d.run.Found = d.saved
	d.Decider.Settle(d.run.Facts)
	for _, f := range d.run.Failures {
		if f.Digest == "" {
			continue // the object is not wanted
		}
		d.Log.Info("want failed", "object", f.Key.String(), "why", f.Why, "revision", d.run.InForce.Hash, "epoch", d.epoch)
	}
}

// acts delivers tokens and keys, takes the steps, and delivers what these have made.
func (d *doing) acts(ctx context.Context, check func(context.Context, v1.Key) error, observe func(apply.Event)) apply.Outcome {
	run := d.run
	delivered, failed, errs := 0, run.Undelivered, []error(nil)
	if d.delivers {
		// Deliver first: what could not be delivered must not be replaced.
		delivered, failed, errs = d.deliver(ctx, run.Undelivered)
	}
	steps, unproven := d.proven(ctx, run, failed)
	errs = append(errs, unproven...)
	var gone []kinds.Ref
	out := apply.Run(ctx, steps, apply.Options{
		Engine: d.Engine, Source: run.Source, Index: run.Index, HashKey: run.Memory.HashKey, Nonce: run.Memory.Nonce, Kinds: d.Kinds,
		Check: check, Outdated: d.outdated(run), Doubt: d.doubts(run), Epoch: d.epoch,
		Observe: func(e apply.Event) {
			d.did(e)
			if e.Err == nil && e.Step.Op == diff.Remove {
				gone = append(gone, e.Objects...)
			}
			observe(e)
		},
	})
	for _, ref := range gone { // no step looks at the index any more
		run.Index.Drop(ref.Kind, ref.ID)
	}
	run.Undelivered = failed
	if slices.ContainsFunc(steps.Steps, makes) && ctx.Err() == nil {
		made, err := d.notDelivered(ctx, run)
		n, left, more := d.deliver(ctx, made)
		delivered, run.Undelivered = delivered+n, left
		errs = append(append(errs, more...), wrapped(err)...)
	}
	out.Delivered = delivered
	out.Errs = append(out.Errs, errs...)
	if d.delivers {
		run.DeliveryErr = errors.Join(errs...)
	}
	if len(errs) > 0 || delivered > 0 {
		d.done[decide.Delivering] = run.DeliveryErr
	}
	return out
}

// did notes what became of a step.
func (d *doing) did(e apply.Event) {
	if !e.Stale {
		d.done[e.Step.Name()] = e.Err
	}
	if e.Err == nil || errors.Is(e.Err, apply.ErrNoEffect) || errors.Is(e.Err, apply.ErrStillToDo) {
		d.tries.did(e)
	}
	// A step that is still to be done was written nevertheless, unless it was not begun.
	written := e.Err == nil || errors.Is(e.Err, apply.ErrStillToDo) && !errors.Is(e.Err, apply.ErrNotAgain)
	switch {
	case !written:
	case e.Step.Op == diff.Remove:
		for _, ref := range e.Objects {
			d.Decider.Removed(ref.ID)
		}
	default:
		d.Decider.Did(e.Step, d.Now())
	}
}
