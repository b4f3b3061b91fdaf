// Package reconciler is the loop. It reads git and the swarm once, lets decide, diff and plan think, and carries out
// the plan.
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
	// Path is the folder below the source's root that has the manifests. "." is the root.
	Path string
	// Name is the name of the source. If it is "", the source itself gives the name, or it is DefaultName.
	Name string
	// Policy says how to decide.
	decide.Policy
	// Fallback is true if runs go on with the revision in force while the newest one has a problem.
	Fallback bool
	// OnProblem says what a problem of an object's values holds: Object, which includes what depends on the object,
	// or Revision. "" means Object.
	OnProblem string
	// Lease is this process's part of the swarm's lease. Nothing is written without the lease. nil means a new one
	// that lets others go first.
	Lease *state.Lease
	// Loader reads manifests. It does not parse an unchanged file twice. nil means a new one.
	Loader *manifests.Loader
	Log    logr.Logger
	Now    func() time.Time
}

// These are the values of OnProblem.
const (
	Object   = "object"
	Revision = "revision"
)

// Reconciler makes a swarm match a source. It does one run at a time.
type Reconciler struct {
	Options
	kinds  []kinds.Kind
	loader *manifests.Loader

	mu    sync.Mutex // mu allows one run at a time
	world *world     // world is as it was last read; nil if nothing is known
	// unlisted maps kinds.Ref to *kinds.Live: see findUnlisted. A status may use it beside a run.
	unlisted sync.Map
	last     *loaded // last is the last usable revision, in this process
	previous *loaded // previous is the one before that, in this process
	decider  *decide.Decider

	compared decide.Compared
	tries    tries
	first    state.Memory // first is the memory of a source that has none yet
}

// DefaultName is the name of a source that has no name.
const DefaultName = "default"

// New returns a Reconciler. It fills in the options that are nil.
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

// Run is one look at everything, and what follows from it. Making it has written nothing.
type Run struct {
	decide.Decision
	SourceErr error

	store *state.Store
	tokens
}

// NewLoader returns a loader that knows all kinds.
func NewLoader() *manifests.Loader {
	return manifests.NewLoader(manifests.Options{New: all.New, Kinds: all.Names(), Field: all.Field})
}

// Plan looks and decides. It writes nothing, neither to git nor to the swarm. It fails if the swarm or its memory
// cannot be read. The run then has the problems of the source all the same.
func (r *Reconciler) Plan(ctx context.Context) (*Run, error) { return r.plan(ctx, everything) }

// plan does the work of Plan, but reads no more of the swarm than it must.
func (r *Reconciler) plan(ctx context.Context, scope Scope) (*Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var before decide.Progress
	again := !scope.All && r.world != nil // the plan may need a second look at everything
	if again {
		before = r.decider.Clone()
	}
	run, err := r.planned(ctx, scope)
	if again && err == nil && !run.Whole && run.Ends() {
		r.decider.Again(before) // as if the first look had not been thought about
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
	if err != nil { // the problems of the revision are worth knowing even without the swarm
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
	// An operator that only looks needs no key, and shows the same thing each time.
	if run.Found.Sequence == 0 && !r.Observe {
		if r.first.Source != run.Source { // until it is written, because another key would give versions other names
			if r.first, err = state.New(run.Source); err != nil {
				return run, err
			}
		}
		run.Memory = r.first
	}
	// An operator that observes writes no failures, so the process remembers them.
	if r.Observe && r.Follow {
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

// think goes from what was read to a plan. Its parts make no calls. Facts that the lists lack are asked for between
// the parts: see ask.go.
func (r *Reconciler) think(ctx context.Context, run *Run) {
	d := &run.Decision
	d.Past = r.askGit(ctx, run)
	r.decider.Expand(d)
	r.decider.Compare(d, r.askBefore(ctx, run))
	// Take the time right before tasks are read. Otherwise a task that started in between would count as watched to
	// the end.
	d.At = r.Now()
	needs := r.decider.Needs(d)
	r.decider.Learn(d, needs, r.askEngine(ctx, run, needs))
	r.decider.Decide(d)
	if run.Whole && !r.Observe && run.Facts.Paused == "" && !run.Facts.ReleasedAll {
		run.undelivered, run.deliveryErr = r.notDelivered(ctx, run)
	}
}

// Apply writes the memory that the run has worked out, and then carries out its plan. It fails if the lease is not
// taken or the memory cannot be written. Errors of steps are in the outcome. The outcome is empty if the run may not
// write, or has nothing to write.
func (r *Reconciler) Apply(ctx context.Context, run *Run, observe func(apply.Event)) (apply.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !run.Usable() || r.Observe {
		r.decider.Settle(run.Facts)
		return apply.Outcome{}, nil
	}
	remembers := !run.Frozen && run.store.Differs(run.Found, run.Memory)
	delivers := run.Waits(decide.Delivering) == 0
	if !delivers { // nothing is made then that would have to be delivered
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
	// Save first. Otherwise a version could be made with a key that a crash would lose.
	if remembers {
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
			continue // the object is not wanted
		}
		r.Log.Info("want failed", "object", f.Key.String(), "why", f.Why, "revision", run.InForce.Hash, "epoch", epoch)
	}
	delivered, failed, errs := 0, run.undelivered, []error(nil)
	if delivers {
		// Deliver first: what could not be delivered must not be replaced.
		delivered, failed, errs = r.deliver(ctx, run.undelivered)
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
	// The lease was lost, and steps may not have been carried out.
	out.Stale = out.Stale || ctx.Err() != nil && told.Err() == nil
	return out, nil
}

// found makes f the known memory of the source, after it was read or written.
func (r *Reconciler) found(run *Run, f state.Found) {
	run.Found = f
	if r.world != nil && r.world.source == run.Source {
		r.world.found = f
	}
}
