// Package reconciler is the loop: it reads git and the swarm once, lets diff and plan think, and carries the plan out.
package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
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
	// Consents of the command line, beside those of commits.
	Consents    plan.Consents
	Budgets     plan.Budgets
	RepairAfter time.Duration
	// RepairRestartsAfter is the same for repairs that restart tasks.
	RepairRestartsAfter time.Duration
	// AskRewritten: a revision that takes commits of the one in force back waits for consent. False: that is only reported.
	AskRewritten bool
	// Observe: never write anything, not even what is remembered.
	Observe bool
	// Fallback: where the newest revision has a problem, go on with the one in force.
	Fallback bool
	// OnProblem is what a problem of an object's values holds: Object, and what depends on it, or the Revision. "" is Object.
	OnProblem string
	// Follow roll-outs to their end, in later runs, to report and remember what fails.
	Follow bool
	// Lease is this process's part of the swarm's lease: nothing is written without it. Nil: one that lets others go first.
	Lease *state.Lease
	// Self is the service that the operator runs as; none where it runs as anything else.
	Self v1.Key
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
	progress

	memo     kinds.Memo
	seen     diff.Seen
	compared compared
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
		Options: o, kinds: all.Kinds(), progress: newProgress(), loader: o.Loader,
	}
}

// NewLoader makes a loader that knows all kinds.
func NewLoader() *manifests.Loader {
	return manifests.NewLoader(manifests.Options{New: all.New, Kinds: all.Names(), Field: all.Field})
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
	// Unread is why it is not known how services do that something waits for; nil: it is known. Without it the plan is as good as
	// it can be, and what waits would wait for ever.
	Unread error
	// Outdated: the revision is older than the one in force, and nobody agreed to go back.
	Outdated bool

	// rewrote is what the revision takes back of the one in force, before it is in force itself; nil: nothing.
	rewrote *state.Rewrite
	// asks: nobody agreed to that who has to.
	asks bool
	// frozen: what is remembered is not this run's to change.
	frozen bool
	ofSwarm
	others   map[string]string          // objects that other sources made or adopted
	partial  map[string]map[v1.Key]bool // objects of which other sources state some
	found    state.Found
	memory   state.Memory
	store    *state.Store
	wants    map[v1.Key]*diff.State
	problems map[v1.Key]plan.Problem // objects that problems of their manifests hold
	// stated is what the manifests say that the wants are from.
	stated
	// frozenSpecs are of what the plan removes to make it again, by id.
	frozenSpecs map[string]state.Frozen
	// full: everything was read for this run.
	full bool
}

// ofSwarm is what kinds found out of the swarm as a whole.
type ofSwarm struct {
	tokens
	surveyed kinds.Surveyed
	rotating kinds.Rotating
}

// Usable says whether there is a revision to go by. Without one nothing is compared, let alone removed.
func (r *Run) Usable() bool { return r.InForce.Tree != nil }

// Plan looks and thinks. It writes nothing, in git or in the swarm.
func (r *Reconciler) Plan(ctx context.Context) (*Run, error) { return r.plan(ctx, everything) }

// plan is Plan, reading no more of the swarm than it must.
func (r *Reconciler) plan(ctx context.Context, scope Scope) (*Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var before progress
	again := !scope.All && r.world != nil // perhaps
	if again {
		before = r.progress.clone()
	}
	run, err := r.planned(ctx, scope)
	if again && err == nil && !run.full && run.decides() {
		before.newest = r.newest // what was seen was seen
		r.progress = before      // as if the rest had not been thought
		run, err = r.planned(ctx, everything)
	}
	r.versions.keep()
	return run, err
}

func (r *Reconciler) planned(ctx context.Context, scope Scope) (*Run, error) {
	run := &Run{full: scope.All || r.world == nil}
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
	if run.found, err = r.world.memory(run.store, run.Source); err != nil {
		return run, err
	}
	run.others, run.partial = r.world.others, r.world.partial
	run.memory = run.found.Memory
	if run.found.Sequence == 0 && !r.Observe { // who only looks needs no key, and shows the same thing each time
		if r.first.Source != run.Source { // until it is written: another key would give versions other names
			if r.first, err = state.New(run.Source); err != nil {
				return run, err
			}
		}
		run.memory = r.first
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

// decides says whether the plan ends something, changes who decides or replaces what nodes join and live by: that is for a
// swarm that was read whole.
func (r *Run) decides() bool {
	return slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool {
		return s.Op == diff.Remove || s.Op == diff.Replace || s.ChangesRole() || s.Leaves() || s.Rotates() || s.Op == diff.Create && s.Key.Kind == v1.KindNode
	})
}

// think goes from what was read to a plan. Its parts make no calls; what they need to know beside the lists is asked between
// them (see ask.go).
func (r *Reconciler) think(ctx context.Context, run *Run, use *loaded) {
	p := r.askGit(ctx, run)
	haves := r.expand(run, use)
	r.compare(run, use, haves, r.askBefore(ctx, run, haves))
	consents := consents(run, p)
	run.Facts = r.facts(run, haves, p)
	needs := r.needs(run, haves, &run.Facts)
	r.learn(run, &run.Facts, needs, r.askEngine(ctx, run, haves, run.Facts, needs))
	r.decide(run, use, haves, consents)
	if run.full && !r.Observe && run.Facts.Paused == "" && !run.Facts.ReleasedAll {
		run.undelivered, run.deliveryErr = r.notDelivered(ctx, run)
	}
}

// expand finds what is wanted, and brings what there is into the same form.
func (r *Reconciler) expand(run *Run, use *loaded) []diff.State {
	src := sourceOf(run)
	run.Objects, run.stated = len(use.entries), use.stated
	run.Wants = kinds.Expand(r.kinds, use.entries, run.Index, src, &r.memo)
	return kinds.Haves(r.kinds, run.Index, src, run.Wants.States, &r.memo)
}

// compare finds what differs. before is what the revision in force asked for.
func (r *Reconciler) compare(run *Run, use *loaded, haves []diff.State, before wantsBefore) {
	noteGone(run, before, r.removed)
	r.remade(run)
	findLost(haves, before)
	run.Changes = r.seen.Compare(haves, run.Wants.States, all.Rules)
	run.hold(use.held)
	r.memo.Release(&r.seen)
	run.wants = make(map[v1.Key]*diff.State, len(run.Wants.States))
	for i := range run.Wants.States {
		run.wants[run.Wants.States[i].Key] = &run.Wants.States[i]
	}
}

// decide makes the plan, and what is remembered after it.
func (r *Reconciler) decide(run *Run, use *loaded, haves []diff.State, consents plan.Consents) {
	run.Failures = newFailures(run)
	for _, failed := range run.Failures {
		run.Facts.Failed[failed.Key] = failed
	}
	run.Plan = plan.Build(run.Changes, run.Facts, plan.Policy{
		Source: run.Source, RepairAfter: r.RepairAfter, RepairRestartsAfter: r.RepairRestartsAfter, Budgets: r.Budgets, Consents: append(consents, r.Consents...),
		AskRewritten: r.AskRewritten, PruneAdopted: use.defaults.Policy.Prune != nil && *use.defaults.Policy.Prune,
	}, all.Part(), run.surveyed.Part, run.rotating.Part)
	r.writeDown(run)
	r.remember(run, consents, haves)
	r.seenFailed = run.memory.Failed
	if _, text := run.rewritten(); text != "" {
		run.Notices = append(run.Notices, text)
	}
	for _, n := range use.notices {
		run.Notices = append(run.Notices, n.String())
	}
	run.Notices = append(append(run.Notices, run.Wants.Notices...), unstated(haves)...)
	for _, k := range run.Wants.Unknown {
		run.Notices = append(run.Notices, fmt.Sprintf("the content of %s cannot be compared, because the key that named it is lost; it stays as it is", k))
	}
}

// Apply writes what the run found to remember, and then carries out its plan.
func (r *Reconciler) Apply(ctx context.Context, run *Run, observe func(apply.Event)) (apply.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !run.Usable() || r.Observe {
		r.settle(run.Facts)
		return apply.Outcome{}, nil
	}
	remembers := !run.frozen && run.store.Differs(run.found, run.memory)
	delivers := run.waits(delivering) == 0
	if !delivers { // nor is anything made that would have to be delivered
		run.Plan.Steps = slices.DeleteFunc(slices.Clone(run.Plan.Steps), func(s plan.Step) bool { return makes(s) != "" })
		run.deliveryErr = errors.New(run.Facts.Troubles[delivering].Why)
	}
	if len(run.Plan.Steps) == 0 && !remembers && (len(run.undelivered) == 0 || !delivers) || remembers && run.waits(remembering) > 0 {
		r.settle(run.Facts)
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
	saved := run.found
	if remembers { // first: a version must never be made with a key that a crash would lose
		if saved, err = run.store.Save(context.WithoutCancel(ctx), run.found, run.memory); err != nil {
			if errors.Is(err, engine.ErrFenced) {
				return apply.Outcome{Stale: true}, nil
			}
			if r.overtaken(run, err) {
				return apply.Outcome{Stale: true}, nil
			}
			done[remembering] = err
			return apply.Outcome{}, err
		}
		done[remembering] = nil
		r.Log.Info("remembered", "source", run.Source, "sequence", saved.Sequence, "revision", run.memory.InForce.Hash, "epoch", epoch)
		r.newest = newest{saved.Sequence, run.memory.Resumed}
	}
	r.found(run, saved)
	r.settle(run.Facts)
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
		Engine: r.Engine, Source: run.Source, Index: run.Index, HashKey: run.memory.HashKey, Nonce: run.memory.Nonce, Kinds: r.kinds,
		Check: check, Outdated: r.outdated(run), Epoch: epoch,
		Observe: func(e apply.Event) {
			if !e.Stale {
				done[e.Step.Name()] = e.Err
			}
			if e.Err == nil && e.Step.Op == diff.Remove {
				gone = append(gone, e.Objects...)
				for _, ref := range e.Objects {
					r.removed[ref.ID] = true
				}
			}
			if e.Err == nil && e.Step.Op != diff.Remove {
				r.rounds.repaired(e.Step, r.Now())
				r.touched[e.Step.Key] = true
				if e.Step.RollsOut() {
					r.rolling[e.Step.Key] = true
				}
				if run.surveyed.Did != nil {
					run.surveyed.Did(e.Step)
				}
			}
			observe(e)
		},
	})
	for _, ref := range gone { // no step looks at the index any more
		run.Index.Drop(ref.Kind, ref.ID)
	}
	run.undelivered = failed
	if slices.ContainsFunc(steps.Steps, func(s plan.Step) bool { return makes(s) != "" }) && ctx.Err() == nil {
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
		done[delivering] = run.deliveryErr
	}
	if remembers { // last, so that nothing waits for it
		r.found(run, run.store.Tidy(context.WithoutCancel(ctx), saved))
	}
	out.Stale = out.Stale || ctx.Err() != nil && told.Err() == nil // the lease was lost, and steps may have been left
	return out, nil
}

// found notes what the memory is from now on.
func (r *Reconciler) found(run *Run, f state.Found) {
	run.found = f
	if r.world != nil && r.world.source == run.Source {
		r.world.found = f
	}
}
