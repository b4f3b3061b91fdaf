// Package reconciler is one run: it reads git and the swarm once, lets decide think, and carries out the plan. Package
// session runs it again and again.
package reconciler

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/act"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/audit"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/redact"
)

// Options say which source a swarm is to match, and how.
type Options struct {
	Engine    *engine.Client
	Revisions *revisions.Reader
	// Kinds are what is reconciled. nil means all kinds.
	Kinds kinds.Set
	// Named is what manifests may name of the operator's configuration.
	Named config.Named
	// Policy says how to decide.
	Policy decide.Policy
	// Lease is this process's part of the swarm's lease. Nothing is written without the lease. nil means a new one
	// that lets others go first.
	Lease *state.Lease
	Log   logr.Logger
	// Known is told which texts must not be shown. nil means that nobody asks.
	Known *redact.Known
	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Reconciler makes a swarm match a source. It does one run at a time.
type Reconciler struct {
	engine    *engine.Client
	revisions *revisions.Reader
	lease     *state.Lease
	now       func() time.Time
	named     config.Named

	mu    sync.Mutex     // mu allows one run at a time
	world *observe.World // world is as it was last read; nil if nothing is known
	// observer reads the swarm. A status may use it beside a run.
	observer *observe.Observer
	decider  *decide.Decider
	actor    *act.Actor
	learner               // which kinds there are, and what it must not show of them
	first    state.Memory // first is the memory of a source that has none yet
}

// New returns a Reconciler. It fills in the options that are nil.
func New(o Options) *Reconciler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lease == nil {
		o.Lease = state.NewLease(state.LeaseOptions{Engine: o.Engine, Log: o.Log, Now: o.Now})
	}
	if o.Kinds == nil {
		o.Kinds = all.Kinds()
	}
	every, decider := o.Kinds, decide.About(o.Kinds, o.Policy)
	return &Reconciler{
		engine: o.Engine, revisions: o.Revisions, lease: o.Lease, now: o.Now, named: o.Named, observer: observe.New(o.Engine, every), decider: decider,
		learner: learner{known: o.Known, kinds: every, shapes: map[string]diff.Shape{}},
		actor:   act.New(act.Options{Engine: o.Engine, Lease: o.Lease, Kinds: every, Sinks: o.Named.Sinks, Named: o.Named, Decider: decider, Log: o.Log, Now: o.Now}),
	}
}

// Run is one look at everything, and what was decided from it. Look makes one, and writes nothing.
type Run struct {
	decide.Decision
	SourceErr error

	acts act.Run // acts is what has to be done about it
}

// Undelivered returns the tokens and keys that are not where they should be, and why.
func (r *Run) Undelivered() ([]act.Delivery, error) { return r.acts.Undelivered, r.acts.DeliveryErr }

// Plan looks and decides. It writes nothing, neither to git nor to the swarm. It fails if the swarm or its memory
// cannot be read. The run then has the problems of the source all the same.
func (r *Reconciler) Plan(ctx context.Context) (*Run, error) { return r.Look(ctx, observe.Everything) }

// Look does the work of Plan, but reads of the swarm only what the scope names.
func (r *Reconciler) Look(ctx context.Context, scope observe.Scope) (*Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, ended := r.decider.Clone(), false
	anew := func() { // as if the first look had not been thought about
		r.decider.Again(before)
		before = r.decider.Clone()
	}
	defer func() {
		if !ended {
			r.drop()
			r.decider.Again(before)
		}
	}()
	again := !scope.All && r.world != nil // the plan may need a second look at everything
	run, err := r.planned(ctx, scope, anew)
	if again && err == nil && !run.Whole && run.Ends() {
		anew()
		run, err = r.planned(ctx, observe.Everything, anew)
	}
	r.decider.Keep()
	ended = true
	return run, err
}

// drop makes the next run start afresh after a panic, which may have come out of what is kept from run to run.
func (r *Reconciler) drop() {
	r.world = nil
	r.decider.Forget()
}

// refresh brings what is known of the swarm up to date. After an error nothing is known.
func (r *Reconciler) refresh(ctx context.Context, scope observe.Scope) (err error) {
	before := r.world
	r.world, err = r.observer.Look(ctx, before, scope)
	if err == nil && r.world != before {
		r.lease.Saw(r.world.Configs)
	}
	return err
}

// planned reads what the scope names, and decides. anew lets the decider think once more.
func (r *Reconciler) planned(ctx context.Context, scope observe.Scope, anew func()) (*Run, error) {
	run := &Run{}
	run.Whole = scope.All || r.world == nil
	var refreshing sync.WaitGroup
	var err error
	refreshing.Go(func() { err = rescue.Do(func() error { return r.refresh(ctx, scope) }) })
	defer refreshing.Wait() // if reading the source panics
	head := r.revisions.Head(ctx)
	refreshing.Wait()
	rescue.Again(err)
	run.Attempted, run.SourceErr = head.Commit, head.Err
	if !head.Good() {
		run.Problems = head.Problems
	}
	if err != nil { // the problems of the revision are worth knowing even without the swarm
		return run, err
	}
	run.About, run.Index = r.world.About, r.world.Index
	run.Source, run.Named = r.revisions.NameOf(ctx, head, r.world.Configs)
	run.acts = act.Run{Decision: &run.Decision, Store: state.NewStore(run.Source, r.engine)}
	if run.Found, err = r.world.Memory(run.acts.Store, run.Source); err != nil {
		return run, err
	}
	run.Others, run.Partial = r.world.Others, r.world.Partial
	run.Holds, run.Nonce = state.Holds(r.world.Configs), state.NewNonce()
	run.Memory = run.Found.Memory
	// An operator that observes gets no new key. It writes nothing, and another key in each run would change what it
	// shows.
	if run.Found.Sequence == 0 && !r.decider.Observe {
		if r.first.Source != run.Source { // until it is written, because another key would give versions other names
			if r.first, err = state.New(run.Source); err != nil {
				return run, err
			}
		}
		run.Memory = r.first
	}
	// An operator that observes writes no failures, so the process remembers them.
	if r.decider.Observe && r.decider.Follow {
		run.Memory.Failed = r.decider.SeenFailed()
	}
	use, notice := r.revisions.Choose(ctx, head, run.Found.Memory.InForce.Hash)
	if notice != "" {
		run.Notices = append(run.Notices, notice)
	}
	if use == nil {
		return run, nil
	}
	run.InForce, run.Entries, run.Withheld, run.Stays, run.OwnOnly = use.Commit, use.Entries, use.Held, use.Stays, use.OwnOnly
	run.Defaults, run.Remarks = use.Defaults, use.Notices
	redact.AllowInGit(use.Shown)
	run.Troubles = r.actor.Troubles(run.Source, run.InForce.Hash)
	r.thinkOfUsers(ctx, run, anew)
	return run, nil
}

// thinkOfUsers lists what is listed on demand, and thinks. If only the plan shows that such a list is needed, because a
// secret would go that cluster volumes may have, it lists and thinks once more. As long as the list decides about a secret,
// later runs list first.
func (r *Reconciler) thinkOfUsers(ctx context.Context, run *Run, anew func()) {
	listed := false
	demand := func() {
		run.Unlisted = r.observer.Demand(ctx, r.world, func(kind string) (states, has bool) {
			states, has = run.Asks(kind)
			states = states || r.world.AsksUsers
			listed = listed || states || has
			return states, has
		})
	}
	demand()
	found := *run
	r.think(ctx, run)
	if r.world.AsksUsers = run.AsksUsers(); listed || !r.world.AsksUsers {
		return
	}
	anew()
	*run = found
	demand()
	r.think(ctx, run)
	r.world.AsksUsers = run.AsksUsers()
}

// think goes from what was read to a plan. Its parts make no calls. Facts that the lists lack are asked for between
// the parts: see ask.go.
func (r *Reconciler) think(ctx context.Context, run *Run) {
	d := &run.Decision
	d.Past = r.revisions.Past(ctx, run.Memory, run.InForce)
	r.decider.Expand(d)
	r.learn(d)
	r.decider.Compare(d, r.askBefore(ctx, run))
	// Take the time right before tasks are read. Otherwise a task that started in between would count as watched to
	// the end.
	d.At = r.now()
	needs := r.decider.Needs(d)
	r.decider.Learn(d, needs, r.askEngine(ctx, run, needs))
	r.decider.Decide(d)
	// Nothing of this source is delivered to where the manifests of another one say.
	if run.Whole && run.Facts.Paused == "" && !run.Facts.ReleasedAll && !run.Foreign {
		r.deliveries(ctx, run)
	}
}

// deliveries finds out what goes to sinks.
func (r *Reconciler) deliveries(ctx context.Context, run *Run) {
	if r.decider.Observe {
		run.Plan.Deliveries = run.Due(r.actor.OnRecord(&run.acts), "")
		return
	}
	r.actor.Look(ctx, &run.acts)
	run.Plan.Deliveries = run.Due(run.acts.Pending(), r.lease.Instance)
}

// Apply carries out what the run has decided: see act. The outcome is empty if the run may not write, or has nothing to
// write.
func (r *Reconciler) Apply(ctx context.Context, run *Run, observe func(apply.Event)) (apply.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run.Usable() {
		is := audit.Run{Source: run.Source, Revision: run.InForce.Hash, Author: run.InForce.Author, Signer: run.InForce.Signer, Given: run.Given}
		ctx = audit.InRun(ctx, is)
		audit.Goes(ctx, is, status.Concerning(run.Facts.Holds, run.Source, run.Keys(), run.Facts.Now), run.Plan.Refused)
	}
	if !run.Usable() || r.decider.Observe {
		r.decider.Settle(run.Facts)
		return apply.Outcome{}, nil
	}
	ended := false
	defer func() {
		if !ended {
			r.drop()
		}
	}()
	out, err := r.actor.Do(ctx, &run.acts, observe)
	ended = true
	switch {
	case out.Others:
		r.world = nil
	case r.world != nil && r.world.Source == run.Source:
		r.world.Found = run.Found
	}
	return out.Outcome, err
}

// Release gives the lease back, so that others may act. leave is true if this process will not act any more.
func (r *Reconciler) Release(ctx context.Context, leave bool) { r.actor.Release(ctx, leave) }

// Scope returns what may have changed, by what is dirty, and what has to be looked at because no event tells of it.
func (r *Reconciler) Scope(d *observe.Dirty, moving []string) observe.Scope {
	r.mu.Lock()
	defer r.mu.Unlock()
	return d.Take(r.world).And(r.world, moving, r.decider.Watched())
}

// Again is for a run that failed: it returns how long until the first failed step may be tried again. Zero means that
// nothing is known, because this instance did not hold the lease. Then the runner's own back-off counts.
func (r *Reconciler) Again(run *Run) time.Duration {
	var soonest time.Duration
	for _, t := range r.actor.Troubles(run.Source, run.InForce.Hash) {
		if left := t.Until.Sub(r.now()); soonest == 0 || left < soonest {
			soonest = max(left, 10*time.Millisecond)
		}
	}
	return soonest
}

// ComeBack is for a run that succeeded: it returns how long until something may have changed that no event tells of. It
// returns 0 if nothing will.
func (r *Reconciler) ComeBack(run *Run) time.Duration { return r.decider.ComeBack(&run.Decision) }

// Hidden returns since when writes hide how roll-outs go on.
func (r *Reconciler) Hidden() map[v1.Key]time.Time { return r.decider.Hidden() }

// Placeless says which tasks find no place, or returns "".
func (r *Reconciler) Placeless() string { return r.decider.Placeless() }

// Notice notes an event of the engine and reports whether a run is worth it. waiting is true if this instance waits for
// the lease.
func (r *Reconciler) Notice(d *observe.Dirty, e engine.Event, waiting bool) bool {
	return r.observer.Notice(d, e, waiting)
}

// Lease returns how the lease stands.
func (r *Reconciler) Lease() state.View { return r.lease.View() }

// Reporter returns a Reporter for this swarm.
func (r *Reconciler) Reporter() *report.Reporter {
	return report.New(r.observer, r.kinds, r.now, Learner(r.known))
}

// Status returns what a run found, with the health of the objects now: see report.Reporter.Of.
func (r *Reconciler) Status(ctx context.Context, run *Run) (status.Status, error) {
	return r.Reporter().Of(ctx, &run.Decision, run.SourceErr)
}
