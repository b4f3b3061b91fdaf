// Package reconciler is the loop: it reads git and the swarm once, lets diff and plan think, and carries the plan out.
package reconciler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/runner"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
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
	// Consents of the command line, beside those of commits.
	Consents    plan.Consents
	Budgets     plan.Budgets
	RepairAfter time.Duration
	// Observe: never write anything, not even what is remembered.
	Observe bool
	// Fallback: where the newest revision has a problem, go on with the one in force.
	Fallback bool
	// Follow roll-outs to their end, in later runs, to report and remember what fails.
	Follow bool
	Log    logr.Logger
	Now    func() time.Time
}

// Reconciler makes a swarm match a source. One run at a time.
type Reconciler struct {
	Options
	kinds  []kinds.Kind
	loader *manifests.Loader

	mu      sync.Mutex // one run at a time
	last    *loaded    // the last revision without a problem, in this process
	drift   map[v1.Key]time.Time
	rolling map[v1.Key]bool // whose tasks this process had replaced, as far as the engine has not said how that ended
	touched map[v1.Key]bool // changed by this process and not seen ready since
	force   string          // revision that touched is about
	following
	memo kinds.Memo
}

// DefaultName is the name of a source that has none.
const DefaultName = "default"

// New makes a reconciler.
func New(o Options) *Reconciler {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Reconciler{
		Options: o, kinds: all.Kinds(), drift: map[v1.Key]time.Time{}, touched: map[v1.Key]bool{}, rolling: map[v1.Key]bool{}, following: following{unsettled: map[v1.Key]time.Time{}},
		loader: manifests.NewLoader(manifests.Options{New: all.New, Kinds: all.Names()}),
	}
}

// Run is one look at everything, and what follows from it. Nothing was written for it.
type Run struct {
	// Source is the name that owns what the manifests state.
	Source string
	// Attempted is the newest revision, InForce the one that the wants are from; they differ where Problems or SourceErr say why.
	Attempted, InForce git.Commit
	Problems           []v1.Problem
	SourceErr          error
	Notices            []string

	About   engine.About
	Index   *kinds.Index
	Objects int
	Wants   kinds.Wants
	Changes []diff.Change
	Facts   plan.Facts
	Plan    plan.Plan
	// Failures are the wants first seen to have failed in this run.
	Failures []plan.Failure

	found  state.Found
	memory state.Memory
	store  *state.Store
}

// Usable says whether there is a revision to go by. Without one nothing is compared, let alone removed.
func (r *Run) Usable() bool { return r.InForce.Tree != nil }

// Plan looks and thinks. It writes nothing, in git or in the swarm.
func (r *Reconciler) Plan(ctx context.Context) (*Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	run := &Run{}
	world := make(chan error, 1)
	var configs worldConfigs
	go func() {
		var err error
		run.About, run.Index, configs, err = r.readWorld(ctx)
		world <- err
	}()
	head := r.readHead(ctx)
	if err := <-world; err != nil {
		// The problems of the revision are worth knowing without a swarm.
		run.Attempted, run.Problems, run.SourceErr = head.commit, head.problems, head.err
		return run, err
	}
	run.Attempted, run.Problems, run.SourceErr = head.commit, head.problems, head.err
	run.Source = r.sourceName(head, configs)
	run.store = state.NewStore(run.Source, r.Engine)
	var err error
	if run.found, err = run.store.Find(configs); err != nil {
		return run, err
	}
	run.memory = run.found.Memory
	if run.found.Sequence == 0 && !r.Observe { // who only looks needs no key, and shows the same thing each time
		if run.memory, err = state.New(run.Source); err != nil {
			return run, err
		}
	}
	if r.Observe && r.Follow { // what may not be written is at least remembered in the process
		run.memory.Failed = r.seenFailed
	}
	use := r.choose(ctx, head, run)
	if use == nil {
		return run, nil
	}
	run.InForce = use.commit
	r.think(ctx, run, use)
	return run, nil
}

// think goes from what was read to a plan.
func (r *Reconciler) think(ctx context.Context, run *Run, use *loaded) {
	src := sourceOf(run)
	run.Objects = len(use.entries)
	run.Wants = kinds.Expand(r.kinds, use.entries, run.Index, src, &r.memo)
	haves := kinds.Haves(r.kinds, run.Index, src, run.Wants.States, &r.memo)
	run.Changes = diff.Compare(haves, run.Wants.States, all.Rules)
	consents := r.consents(ctx, run)
	run.Facts = r.facts(ctx, run, haves)
	run.Failures = newFailures(run)
	for _, failed := range run.Failures {
		run.Facts.Failed[failed.Key] = failed
	}
	run.Plan = plan.Build(run.Changes, run.Facts, plan.Policy{
		Source: run.Source, RepairAfter: r.RepairAfter, Budgets: r.Budgets, Consents: append(consents, r.Consents...),
	}, all.Guards()...)
	r.remember(run, consents)
	r.seenFailed = run.memory.Failed
	for _, k := range run.Wants.Unknown {
		run.Notices = append(run.Notices, fmt.Sprintf("the content of %s cannot be compared, because the key that named it is lost; it stays as it is", k))
	}
}

// Apply writes what the run found to remember, and then carries out its plan.
func (r *Reconciler) Apply(ctx context.Context, run *Run, observe func(apply.Event)) (apply.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !run.Usable() || r.Observe {
		return apply.Outcome{}, nil
	}
	// What is remembered comes first: a version must never be made with a key that a crash would lose.
	saved, err := run.store.Save(context.WithoutCancel(ctx), run.found, run.memory)
	if err != nil {
		return apply.Outcome{}, err
	}
	run.found = saved
	for _, f := range run.Failures {
		r.Log.Info("want failed", "object", f.Key.String(), "why", f.Why, "revision", run.InForce.Hash)
	}
	return apply.Run(ctx, run.Plan, apply.Options{
		Engine: r.Engine, Source: run.Source, Index: run.Index, HashKey: run.memory.HashKey, Kinds: r.kinds,
		Observe: func(e apply.Event) {
			if e.Err == nil && e.Step.Op != diff.Remove {
				r.touched[e.Step.Key] = true
				if e.Step.RollsOut() {
					r.rolling[e.Step.Key] = true
				}
			}
			observe(e)
		},
	}), nil
}

// Loop is the reconciler with its board: what the runner calls.
type Loop struct {
	*Reconciler
	Board   *status.Board
	Metrics *status.Metrics
}

// Poll is how soon a run looks again at what moves without an event: tasks that start, drift that is to be repaired.
const Poll = time.Second

// Reconcile does one run. The key is the source's name, for logs.
func (l *Loop) Reconcile(ctx context.Context, key string) (runner.Result, error) {
	begin := l.Now()
	result, err := l.reconcile(ctx)
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	l.Metrics.Run(outcome, l.Now().Sub(begin), l.Now())
	return result, err
}

func (l *Loop) reconcile(ctx context.Context) (runner.Result, error) {
	run, err := l.Plan(ctx)
	if run != nil {
		l.sourceCondition(run)
	}
	if err != nil {
		l.engineCondition(err)
		return runner.Result{}, fmt.Errorf("looking at the swarm: %w", err)
	}
	l.engineCondition(nil)
	l.Board.Revisions(run.Source, run.Attempted.Hash, run.InForce.Hash, run.Problems, run.Notices)
	if !run.Usable() {
		l.Board.Set(status.InSync, false, "NoRevision", "there is no revision without a problem to go by")
		return runner.Result{}, nil
	}
	objects := map[string]int{}
	for _, w := range run.Wants.States {
		objects[w.Key.Kind]++
	}
	l.Board.Planned(run.Changes, run.Plan, objects)
	l.planConditions(run)
	if len(run.Plan.Steps) == 0 {
		l.Board.Set(status.StepFailed, false, "NothingToDo", "")
	}
	out, err := l.Apply(ctx, run, func(e apply.Event) { l.Board.Did(e.Step, e.Err, e.Stale, e.Warnings) })
	switch {
	case errors.Is(err, state.ErrConflict):
		return runner.Result{RequeueAfter: time.Millisecond}, nil
	case err != nil:
		l.engineCondition(err)
		return runner.Result{}, err
	case out.Stale:
		return runner.Result{RequeueAfter: time.Millisecond}, nil
	case len(out.Errs) > 0:
		l.Board.Set(status.StepFailed, true, "StepFailed", out.Err().Error())
		return runner.Result{}, out.Err()
	case out.Done > 0:
		return runner.Result{RequeueAfter: 50 * time.Millisecond}, nil // what these steps made possible comes next
	}
	return runner.Result{RequeueAfter: l.comeBack(run)}, nil
}

// comeBack says when something may have changed that no event tells of. Zero: nothing will.
func (l *Loop) comeBack(run *Run) time.Duration {
	var after time.Duration
	sooner := func(d time.Duration) {
		if d = max(d, 10*time.Millisecond); after == 0 || d < after {
			after = d
		}
	}
	if len(l.unsettled) > 0 {
		sooner(Poll)
	}
	if l.Observe {
		return after
	}
	for _, r := range run.Plan.Refused {
		switch {
		case r.Class != plan.Later || r.Quiet:
		case !r.Until.IsZero():
			sooner(r.Until.Sub(run.Facts.Now))
		default:
			sooner(Poll)
		}
	}
	return after
}

func (l *Loop) sourceCondition(run *Run) {
	switch {
	case run.SourceErr != nil:
		l.Board.Set(status.SourceReady, false, "SourceUnavailable", run.SourceErr.Error())
	case len(run.Problems) > 0:
		l.Board.Set(status.SourceReady, false, "Refused", fmt.Sprintf("revision %s has %d problems, the first: %s", run.Attempted.Short(), len(run.Problems), run.Problems[0]))
	default:
		l.Board.Set(status.SourceReady, true, "Read", "")
	}
}

func (l *Loop) engineCondition(err error) {
	switch {
	case err == nil:
		l.Board.Set(status.EngineReady, true, "Reached", "")
	case engine.IsNoQuorum(err):
		l.Board.Set(status.EngineReady, false, "NoQuorum", err.Error())
	case engine.IsNotManager(err):
		l.Board.Set(status.EngineReady, false, "NotManager", err.Error())
	case engine.IsLocked(err):
		l.Board.Set(status.EngineReady, false, "Locked", err.Error())
	default:
		l.Board.Set(status.EngineReady, false, "Unavailable", err.Error())
	}
}

func (l *Loop) planConditions(run *Run) {
	p := run.Plan
	l.Board.Set(status.InSync, p.InSync(), map[bool]string{true: "InSync", false: "Differs"}[p.InSync()], "")
	held := ""
	for _, r := range p.Refused {
		if r.Class != plan.Later && !r.Quiet {
			held = fmt.Sprintf("%s: %s", r.Key, r.Why)
			break
		}
	}
	l.Board.Set(status.Held, held != "", map[bool]string{true: "NeedsAPerson", false: "Nothing"}[held != ""], held)
	failed, failedNow := "", map[v1.Key]plan.Failure{}
	for _, f := range run.memory.Failed {
		failedNow[f.Key] = f
	}
	for _, w := range run.Wants.States {
		// A record of another want only tells an old failure from the next.
		if f, is := failedNow[w.Key]; is && f.Digest == w.Digest() {
			failed = fmt.Sprintf("%s: %s", f.Key, f.Why)
			break
		}
	}
	l.Board.Set(status.RolloutFailed, failed != "", map[bool]string{true: "WantFailed", false: "None"}[failed != ""], failed)
}
