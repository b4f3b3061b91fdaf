// Package reconciler is the loop. It reads git and the swarm once, lets decide, diff and plan think, and carries out
// the plan.
package reconciler

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/act"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/state"
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

	mu    sync.Mutex     // mu allows one run at a time
	world *observe.World // world is as it was last read; nil if nothing is known
	// observer reads the swarm. A status may use it beside a run.
	observer *observe.Observer
	last     *loaded // last is the last usable revision, in this process
	previous *loaded // previous is the one before that, in this process
	decider  *decide.Decider

	compared decide.Compared
	actor    *act.Actor
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
	every, decider := all.Kinds(), decide.New(o.Policy)
	return &Reconciler{
		Options: o, kinds: every, loader: o.Loader, observer: observe.New(o.Engine, every), decider: decider,
		actor: act.New(act.Options{Engine: o.Engine, Lease: o.Lease, Kinds: every, Decider: decider, Log: o.Log, Now: o.Now}),
	}
}

// Run is one look at everything, and what follows from it. Making it has written nothing.
type Run struct {
	decide.Decision
	SourceErr error

	acts act.Run // acts is what has to be done about it
}

// NewLoader returns a loader that knows all kinds.
func NewLoader() *manifests.Loader {
	return manifests.NewLoader(manifests.Options{New: all.New, Kinds: all.Names(), Field: all.Field})
}

// Plan looks and decides. It writes nothing, neither to git nor to the swarm. It fails if the swarm or its memory
// cannot be read. The run then has the problems of the source all the same.
func (r *Reconciler) Plan(ctx context.Context) (*Run, error) { return r.plan(ctx, observe.Everything) }

// plan does the work of Plan, but reads no more of the swarm than it must.
func (r *Reconciler) plan(ctx context.Context, scope observe.Scope) (*Run, error) {
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
		run, err = r.planned(ctx, observe.Everything)
	}
	r.decider.Keep()
	return run, err
}

// refresh brings what is known of the swarm up to date. After an error nothing is known.
func (r *Reconciler) refresh(ctx context.Context, scope observe.Scope) (err error) {
	before := r.world
	r.world, err = r.observer.Look(ctx, before, scope)
	if err == nil && r.world != before {
		r.Lease.Saw(r.world.Configs)
	}
	return err
}

func (r *Reconciler) planned(ctx context.Context, scope observe.Scope) (*Run, error) {
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
	run.About, run.Index = r.world.About, r.world.Index
	run.Source = r.sourceName(head, r.world.Configs)
	run.acts = act.Run{Decision: &run.Decision, Store: state.NewStore(run.Source, r.Engine)}
	if run.Found, err = r.world.Memory(run.acts.Store, run.Source); err != nil {
		return run, err
	}
	run.Others, run.Partial = r.world.Others, r.world.Partial
	run.Holds, run.Nonce = state.Holds(r.world.Configs), state.NewNonce()
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
	run.Troubles = r.actor.Troubles(run.Source, run.InForce.Hash)
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
		r.actor.Look(ctx, &run.acts)
	}
}

// Apply carries out what the run has decided: see act. The outcome is empty if the run may not write, or has nothing to
// write.
func (r *Reconciler) Apply(ctx context.Context, run *Run, observe func(apply.Event)) (apply.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !run.Usable() || r.Observe {
		r.decider.Settle(run.Facts)
		return apply.Outcome{}, nil
	}
	out, err := r.actor.Do(ctx, &run.acts, observe)
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
