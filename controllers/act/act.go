// Package act carries out what a run has decided, under the lease: it writes the memory, delivers tokens and keys, and
// takes the steps. It decides nothing.
package act

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/sinks"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Options say what to act on.
type Options struct {
	Engine *engine.Client
	Lease  *state.Lease
	Kinds  []kinds.Kind
	// Sinks are where tokens and keys can go.
	Sinks sinks.Set
	// Named is what the kinds may use of the operator's configuration.
	Named config.Named
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

// Run is a decision that is to be carried out. Carrying it out may change its plan and its memory.
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
	// check says whether an object may be written now. observe is told of each step.
	check   func(context.Context, v1.Key) error
	observe func(apply.Event)
	// remembers is true if the memory has to be written. delivers is true if tokens and keys may be delivered now.
	remembers, delivers bool
	// done is what became of what was tried, for the instance that tries next.
	done  tried
	epoch uint64
	// saved is the memory as it was found or written.
	saved state.Found
	// plan is what is left of the run's plan: see proven.
	plan plan.Plan
	making
	results
}

// results is what became of the deliveries: delivered are those that succeeded, and errs says why others failed.
type results struct {
	delivered []Delivery
	errs      []error
}

// effects are what a run does under the lease, in this order. If one fails, those after it are not begun. What becomes
// of a delivery or a step does not count as a failure of its effect, because the outcome has it.
func (d *doing) effects() []func(context.Context, *apply.Outcome) error {
	return []func(context.Context, *apply.Outcome) error{
		d.save,        // first, because otherwise a version could be made with a key that a crash would lose
		d.deliverOld,  // before the steps, because what could not be delivered must not be replaced
		d.prove,       // what the steps will make must have a place to go to
		d.step,        // the plan
		d.register,    // right after it, because nothing else may tell later that the source made it
		d.deliverMade, // what the steps have made
		d.tidy,        // last, so that nothing waits for it
	}
}

// Do writes the memory that the run has worked out, and then carries out its plan. It fails if the lease is not taken
// or the memory cannot be written. Errors of steps are in the outcome. The outcome is empty if there is nothing to
// do. Whatever was done, the run's Found is the memory as it is now.
func (a *Actor) Do(ctx context.Context, run *Run, observe func(apply.Event)) (Outcome, error) {
	d := &doing{
		Actor: a, run: run, done: tried{}, saved: run.Found,
		remembers: !run.Frozen && run.Store.Differs(run.Found, run.Memory), delivers: run.Waits(decide.Delivering) == 0,
		making: newMaking(run.Found.Memory.Making),
	}
	a.tries.forget(run)
	if !d.delivers { // so that the run makes nothing that would have to be delivered
		run.Plan.Steps = slices.DeleteFunc(slices.Clone(run.Plan.Steps), makes)
		run.DeliveryErr = errors.New(run.Facts.Troubles[decide.Delivering].Why)
	}
	if d.nothing() {
		a.Decider.Settle(run.Facts)
		a.Lease.Idle()
		return Outcome{}, nil
	}
	defer func() { a.note(run, d.done) }()
	d.check, d.observe = a.held(ctx, run), observe
	var others bool
	var err error
	if d.epoch, others, err = a.take(ctx, run); err != nil || others {
		return Outcome{Outcome: apply.Outcome{Stale: others}, Others: others}, err
	}
	told := ctx
	ctx, unbind := a.Lease.Bind(ctx)
	defer unbind()
	var out apply.Outcome
	for _, effect := range d.effects() {
		if err := effect(ctx, &out); errors.Is(err, errOvertaken) {
			return Outcome{Outcome: apply.Outcome{Stale: true}}, nil
		} else if err != nil {
			return Outcome{}, err
		}
	}
	d.tell(&out)
	// The lease was lost, and steps may not have been carried out.
	out.Stale = out.Stale || ctx.Err() != nil && told.Err() == nil
	return Outcome{Outcome: out}, nil
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

// errOvertaken ends a run whose plan has to be made again, because the lease was lost or the memory is not as it was
// found.
var errOvertaken = errors.New("another process has acted since the plan was made")

// save writes the memory, if it has to be written.
func (d *doing) save(ctx context.Context, _ *apply.Outcome) (err error) {
	if !d.remembers {
		d.settle()
		return nil
	}
	d.saved, err = d.run.Store.Save(context.WithoutCancel(ctx), d.run.Found, d.run.Memory)
	switch {
	case err == nil:
	case errors.Is(err, engine.ErrFenced), d.overtaken(d.run, err):
		return errOvertaken
	default:
		d.done[decide.Remembering] = err
		return err
	}
	d.done[decide.Remembering] = nil
	d.Log.Info("memory written", "source", d.run.Source, "sequence", d.saved.Sequence, "revision", d.run.Memory.InForce.Hash, "epoch", d.epoch)
	d.Decider.Saved(d.saved.Sequence, d.run.Memory.Resumed)
	d.settle()
	return nil
}

// settle does what had to wait until the memory was written: the Decider stops watching services whose failure is on
// record, and new failures are logged.
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

// deliverOld delivers the tokens and keys that were there before this run.
func (d *doing) deliverOld(ctx context.Context, _ *apply.Outcome) error {
	if d.delivers {
		d.brings(ctx, d.run.Undelivered)
	}
	return nil
}

// prove drops the steps that make a token or a key for which delivery does not work.
func (d *doing) prove(ctx context.Context, _ *apply.Outcome) error {
	var unproven []error
	d.plan, unproven = d.proven(ctx, d.run)
	d.fails(ctx, unproven...)
	return nil
}

// step carries out the plan.
func (d *doing) step(ctx context.Context, out *apply.Outcome) error {
	run := d.run
	var gone []kinds.Ref
	*out = apply.Run(ctx, d.plan, apply.Options{
		Engine: d.Engine, Source: run.Source, Index: run.Index, Contents: d.Decider.Contents(run.Decision), Nonce: run.Memory.Nonce, Kinds: d.Kinds, Named: d.Named,
		Check: d.check, Outdated: d.outdated(run), Doubt: d.doubts(run), Epoch: d.epoch,
		Observe: func(e apply.Event) {
			d.did(e)
			if d.Decider.Recorded(e.Step) {
				d.ended(e)
			}
			if e.Err == nil && e.Step.Op == diff.Remove {
				gone = append(gone, e.Objects...)
			}
			d.observe(e)
		},
	})
	for _, ref := range gone { // only now, because no step looks at the index any more
		run.Index.Drop(ref.Kind, ref.ID)
	}
	return nil
}

// deliverMade delivers the tokens and keys that the steps have made.
func (d *doing) deliverMade(ctx context.Context, _ *apply.Outcome) error {
	if ctx.Err() == nil && slices.ContainsFunc(d.plan.Steps, makes) {
		made, err := d.notDelivered(ctx, d.run)
		d.brings(ctx, made)
		d.fails(ctx, err)
	}
	return nil
}

// fails notes why deliveries failed. If the run has ended, nothing has failed.
func (d *doing) fails(ctx context.Context, errs ...error) {
	if err := errors.Join(errs...); err != nil && ctx.Err() == nil {
		d.errs = append(d.errs, err)
	}
}

// brings delivers tokens and keys, and notes those that are still to be delivered.
func (d *doing) brings(ctx context.Context, all []Delivery) {
	n, failed, errs := d.deliver(ctx, all)
	d.delivered, d.run.Undelivered, d.errs = append(d.delivered, n...), failed, append(d.errs, errs...)
}

// tidy removes old memories.
func (d *doing) tidy(ctx context.Context, _ *apply.Outcome) error {
	if d.remembers || d.registered {
		d.run.Found = d.run.Store.Tidy(context.WithoutCancel(ctx), d.saved)
	}
	return nil
}

// tell says in the outcome and in the run what became of the deliveries.
func (d *doing) tell(out *apply.Outcome) {
	for _, one := range d.delivered {
		out.Delivered = append(out.Delivered, plan.Delivery{What: string(one.Of), To: one.Sink, By: d.Lease.Instance, Why: one.why})
	}
	out.Errs = append(out.Errs, d.errs...)
	if d.delivers {
		d.run.DeliveryErr = errors.Join(d.errs...)
	}
	if len(d.errs)+len(d.delivered) > 0 {
		d.done[decide.Delivering] = d.run.DeliveryErr
	}
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
		for _, ref := range e.Objects {
			if kinds.Joins(e.Step) || e.Step.Recognises() {
				d.Decider.Joined(ref.ID, e.Step.Key)
			}
		}
	}
}
