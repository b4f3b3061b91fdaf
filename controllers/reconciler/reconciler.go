// Package reconciler is the loop: it reads git and the swarm once, lets diff and plan think, and carries the plan out.
package reconciler

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// Options say what is reconciled with what.
type Options struct {
	Engine *engine.Client
	Source *git.Source
	// Path below the source's root where manifests start; "." is the root.
	Path string
	// Name of the source; "" leaves it to the source itself, and else it is default.
	Name string
	// Policy says how to decide.
	decide.Policy
	// Fallback: where the newest revision has a problem, go on with the one in force.
	Fallback bool
	// OnProblem is what a problem of an object's values holds: Object, and what depends on it, or the Revision. "" is Object.
	OnProblem string
	// Lease is this process's part of the swarm's lease: nothing is written without it. Nil: one that lets others go first.
	Lease *state.Lease
	// Loader reads manifests; nil: one of its own. It parses no file twice that is the same.
	Loader *manifests.Loader
	Log    logr.Logger
	Now    func() time.Time
}

// What a problem of an object's values holds.
const (
	Object   = "object"
	Revision = "revision"
)

// Reconciler makes a swarm match a source. One run at a time.
type Reconciler struct {
	Options
	kinds  []kinds.Kind
	loader *manifests.Loader

	mu       sync.Mutex // one run at a time
	world    *world     // as it was read last; nil: nothing is known
	unlisted sync.Map   // kinds.Ref → *kinds.Live, see findUnlisted; a status is made beside a run
	last     *loaded    // the last revision without a problem, in this process
	previous *loaded    // the one before that, in this process
	decider  *decide.Decider

	compared decide.Compared
	tries    tries
	first    state.Memory // of a source that has none yet
}

// DefaultName is the name of a source that has none.
const DefaultName = "default"

// New makes a reconciler.
func New(o Options) *Reconciler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Loader == nil {
		o.Loader = NewLoader()
	}
	if o.Lease == nil {
		o.Lease = state.NewLease(state.LeaseOptions{Engine: o.Engine, Log: o.Log, Now: o.Now})
	}
	return &Reconciler{
		Options: o, kinds: all.Kinds(), decider: decide.New(o.Policy), loader: o.Loader,
	}
}

// Run is one look at everything, and what follows from it. Nothing was written for it.
type Run struct {
	decide.Decision
	SourceErr error

	store *state.Store
	tokens
}

// NewLoader makes a loader that knows all kinds.
func NewLoader() *manifests.Loader {
	return manifests.NewLoader(manifests.Options{New: all.New, Kinds: all.Names(), Field: all.Field})
}

// Plan looks and thinks. It writes nothing, in git or in the swarm.
func (r *Reconciler) Plan(ctx context.Context) (*Run, error) { return r.plan(ctx, everything) }

// plan is Plan, reading no more of the swarm than it must.
func (r *Reconciler) plan(ctx context.Context, scope Scope) (*Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var before decide.Progress
	again := !scope.All && r.world != nil // perhaps
	if again {
		before = r.decider.Clone()
	}
	run, err := r.planned(ctx, scope)
	if again && err == nil && !run.Whole && run.Ends() {
		r.decider.Again(before) // as if the rest had not been thought
		run, err = r.planned(ctx, everything)
	}
	r.decider.Keep()
	return run, err
}

func (r *Reconciler) planned(ctx context.Context, scope Scope) (*Run, error) {
	run := &Run{}
	run.Whole = scope.All || r.world == nil
	looked := make(chan error, 1)
	go func() { looked <- r.refresh(ctx, scope) }()
	head := r.readHead(ctx)
	err := <-looked
	run.Attempted, run.SourceErr = head.commit, head.err
	if !head.good() {
		run.Problems = head.problems
	}
	if err != nil { // the problems of the revision are worth knowing without a swarm
		return run, err
	}
	run.About, run.Index = r.world.about, r.world.index
	run.Source = r.sourceName(head, r.world.configs)
	run.store = state.NewStore(run.Source, r.Engine)
	if run.Found, err = r.world.memory(run.store, run.Source); err != nil {
		return run, err
	}
	run.Others, run.Partial = r.world.others, r.world.partial
	run.Holds, run.Nonce = state.Holds(r.world.configs), state.NewNonce()
	run.Memory = run.Found.Memory
	if run.Found.Sequence == 0 && !r.Observe { // who only looks needs no key, and shows the same thing each time
		if r.first.Source != run.Source { // until it is written: another key would give versions other names
			if r.first, err = state.New(run.Source); err != nil {
				return run, err
			}
		}
		run.Memory = r.first
	}
	if r.Observe && r.Follow { // what may not be written is at least remembered in the process
		run.Memory.Failed = r.decider.SeenFailed()
	}
	use := r.choose(ctx, head, run)
	if use == nil {
		return run, nil
	}
	run.InForce, run.Entries, run.Withheld, run.Stays = use.commit, use.entries, use.held, use.stays
	run.Defaults, run.Remarks = use.defaults, use.notices
	run.Troubles = r.troubles(run)
	r.think(ctx, run)
	return run, nil
}

// think goes from what was read to a plan. Its parts make no calls; what they need to know beside the lists is asked between
// them (see ask.go).
func (r *Reconciler) think(ctx context.Context, run *Run) {
	d := &run.Decision
	d.Past = r.askGit(ctx, run)
	r.decider.Expand(d)
	r.decider.Compare(d, r.askBefore(ctx, run))
	d.At = r.Now() // right before tasks are read: one that started after this time would count as watched to the end
	needs := r.decider.Needs(d)
	r.decider.Learn(d, needs, r.askEngine(ctx, run, needs))
	r.decider.Decide(d)
	if run.Whole && !r.Observe && run.Facts.Paused == "" && !run.Facts.ReleasedAll {
		run.undelivered, run.deliveryErr = r.notDelivered(ctx, run)
	}
}

// Apply writes what the run found to remember, and then carries out its plan.
func (r *Reconciler) Apply(ctx context.Context, run *Run, observe func(apply.Event)) (apply.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !run.Usable() || r.Observe {
		r.decider.Settle(run.Facts)
		return apply.Outcome{}, nil
	}
	remembers := !run.Frozen && run.store.Differs(run.Found, run.Memory)
	delivers := run.Waits(decide.Delivering) == 0
	if !delivers { // nor is anything made that would have to be delivered
		run.Plan.Steps = slices.DeleteFunc(slices.Clone(run.Plan.Steps), func(s plan.Step) bool { return decide.Makes(s) != "" })
		run.deliveryErr = errors.New(run.Facts.Troubles[decide.Delivering].Why)
	}
	if len(run.Plan.Steps) == 0 && !remembers && (len(run.undelivered) == 0 || !delivers) || remembers && run.Waits(decide.Remembering) > 0 {
		r.decider.Settle(run.Facts)
		r.Lease.Idle()
		return apply.Outcome{}, nil
	}
	done := tried{}
	defer func() { r.note(run, done) }()
	check := r.held(ctx, run)
	epoch, others, err := r.take(ctx, run)
	if err != nil || others {
		return apply.Outcome{Stale: others}, err
	}
	told := ctx
	ctx, unbind := r.Lease.Bind(ctx)
	defer unbind()
	saved := run.Found
	if remembers { // first: a version must never be made with a key that a crash would lose
		if saved, err = run.store.Save(context.WithoutCancel(ctx), run.Found, run.Memory); err != nil {
			if errors.Is(err, engine.ErrFenced) {
				return apply.Outcome{Stale: true}, nil
			}
			if r.overtaken(run, err) {
				return apply.Outcome{Stale: true}, nil
			}
			done[decide.Remembering] = err
			return apply.Outcome{}, err
		}
		done[decide.Remembering] = nil
		r.Log.Info("remembered", "source", run.Source, "sequence", saved.Sequence, "revision", run.Memory.InForce.Hash, "epoch", epoch)
		r.decider.Saved(saved.Sequence, run.Memory.Resumed)
	}
	r.found(run, saved)
	r.decider.Settle(run.Facts)
	for _, f := range run.Failures {
		if f.Digest == "" {
			continue // nothing that is wanted
		}
		r.Log.Info("want failed", "object", f.Key.String(), "why", f.Why, "revision", run.InForce.Hash, "epoch", epoch)
	}
	delivered, failed, errs := 0, run.undelivered, []error(nil)
	if delivers {
		delivered, failed, errs = r.deliver(ctx, run.undelivered) // first: what fails must not be replaced
	}
	steps, unproven := r.proven(ctx, run, failed)
	errs = append(errs, unproven...)
	var gone []kinds.Ref
	out := apply.Run(ctx, steps, apply.Options{
		Engine: r.Engine, Source: run.Source, Index: run.Index, HashKey: run.Memory.HashKey, Nonce: run.Memory.Nonce, Kinds: r.kinds,
		Check: check, Outdated: r.outdated(run), Verify: r.doubtful(run), Epoch: epoch,
		Observe: func(e apply.Event) {
			if !e.Stale {
				done[e.Step.Name()] = e.Err
			}
			if e.Err == nil || errors.Is(e.Err, apply.ErrNoEffect) {
				r.tries.done[e.Step.Name()] = versionOf(e.Step)
			}
			if e.Err == nil && e.Step.Op == diff.Remove {
				gone = append(gone, e.Objects...)
				for _, ref := range e.Objects {
					r.decider.Removed(ref.ID)
				}
			}
			if e.Err == nil && e.Step.Op != diff.Remove {
				r.decider.Did(e.Step, r.Now())
				if run.Surveyed.Did != nil {
					run.Surveyed.Did(e.Step)
				}
			}
			observe(e)
		},
	})
	for _, ref := range gone { // no step looks at the index any more
		run.Index.Drop(ref.Kind, ref.ID)
	}
	run.undelivered = failed
	if slices.ContainsFunc(steps.Steps, func(s plan.Step) bool { return decide.Makes(s) != "" }) && ctx.Err() == nil {
		made, err := r.notDelivered(ctx, run)
		n, left, more := r.deliver(ctx, made)
		delivered, run.undelivered = delivered+n, left
		errs = append(append(errs, more...), wrapped(err)...)
	}
	out.Delivered = delivered
	out.Errs = append(out.Errs, errs...)
	if delivers {
		run.deliveryErr = errors.Join(errs...)
	}
	if len(errs) > 0 || delivered > 0 {
		done[decide.Delivering] = run.deliveryErr
	}
	if remembers { // last, so that nothing waits for it
		r.found(run, run.store.Tidy(context.WithoutCancel(ctx), saved))
	}
	out.Stale = out.Stale || ctx.Err() != nil && told.Err() == nil // the lease was lost, and steps may have been left
	return out, nil
}

// found notes what the memory is from now on.
func (r *Reconciler) found(run *Run, f state.Found) {
	run.Found = f
	if r.world != nil && r.world.source == run.Source {
		r.world.found = f
	}
}
