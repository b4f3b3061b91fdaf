// Package decide works out what a run does. It takes values, of what git says and of what was found of the swarm, and
// gives values: a plan, and what is to be remembered after it. It makes no call, and nothing outside of it changes.
package decide

import (
	"fmt"
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// Policy is what the operator's command line says of how to decide.
type Policy struct {
	// Consents are those of the command line, beside those of commits.
	Consents plan.Consents
	Budgets  plan.Budgets
	// RepairAfter is how long a change by hand stays before it is undone. RepairRestartsAfter is the same for repairs that
	// restart tasks.
	RepairAfter, RepairRestartsAfter time.Duration
	// AskRewritten reports whether a revision that takes commits of the one in force back waits for consent. If false,
	// that is only reported.
	AskRewritten bool
	// Observe reports whether nothing is ever written, not even what is remembered.
	Observe bool
	// Follow reports whether later runs follow roll-outs to their end, to report and remember what fails.
	Follow bool
	// Self is the service that the operator runs as. It is empty if the operator does not run as a service.
	Self v1.Key
}

// Revision is what the source says: which revision a run goes by, and what its manifests state.
type Revision struct {
	// Source is the name that owns what the manifests state.
	Source string
	// Attempted is the newest revision. InForce is the one that the wants are from. They differ if Problems refuse the
	// newest one, or if it could not be read.
	Attempted, InForce git.Commit
	Problems           []v1.Problem
	// Entries are the manifests that no problem holds. Withheld says of the objects that problems hold why.
	Entries  []kinds.Entry
	Withheld map[v1.Key]string
	// Stays says of the withheld objects what in their policy keeps them when the manifest is gone. It only tightens, so
	// that it counts although the rest of the manifest does not.
	Stays    map[v1.Key]string
	Defaults v1.Defaults
	// Remarks are what people should know of the manifests.
	Remarks []v1.Problem
	Past    Past
}

// World is what a run has found of the swarm. Deciding changes nothing of it.
type World struct {
	// At is the time that the run goes by, from Needs on.
	At    time.Time
	About kinds.About
	Index *kinds.Index
	// Found is what the operator remembers of the source, as it was read or written last.
	Found state.Found
	// Others are the objects that other sources made or adopted, by id. Partial are the objects of partial kinds that other
	// sources state something of, by source.
	Others  map[string]string
	Partial map[string]map[v1.Key]bool
	Holds   []state.Hold
	// Troubles are the steps that failed and wait for their next try, by name, whichever instance made the last try.
	Troubles map[string]plan.Trouble
	// Nonce is a new one, for the memory if it has to be written.
	Nonce string
	// Whole reports whether everything was read for this run.
	Whole bool
}

// Differing is what is wanted, and what differs from it.
type Differing struct {
	// Objects is how many manifests there are.
	Objects int
	Wants   kinds.Wants
	Haves   []diff.State
	Changes []diff.Change
	// Wanted are the wants by key.
	Wanted map[v1.Key]*diff.State
	// Held are the objects that problems of their manifests hold.
	Held map[v1.Key]plan.Problem
}

// Asked is what was asked of the engine beside its lists.
type Asked struct {
	Surveyed kinds.Surveyed
	Rotating kinds.Rotating
	// Unread is why it is not known how the services do that something waits for. It is nil if that is known. Without it
	// the plan is as good as it can be, and what waits would wait for ever.
	Unread error
}

// Standing is whether the revision may be acted on.
type Standing struct {
	// Outdated reports whether the revision is older than the one in force, and nobody agreed to go back.
	Outdated bool
	// Frozen reports whether what is remembered is not this run's to change.
	Frozen bool
	// rewrote is what the revision takes back of the one in force, before it is in force itself. It is nil if that is
	// nothing. asks reports whether that needs consent that nobody has given.
	rewrote *state.Rewrite
	asks    bool
}

// Decision is what a run knows and what it makes of that, part by part: see the methods of Decider.
type Decision struct {
	Revision
	World
	Differing
	Asked
	Standing
	Facts plan.Facts
	Plan  plan.Plan
	// Failures are the wants first seen to have failed in this run.
	Failures []plan.Failure
	Notices  []string
	// Memory is what is to be remembered after the run.
	Memory state.Memory

	consents plan.Consents
	// frozenSpecs are the specs of what the plan removes to make it again, by id.
	frozenSpecs map[string]state.Frozen
}

// Usable reports whether there is a revision to go by. Without one nothing is compared, let alone removed.
func (r *Decision) Usable() bool { return r.InForce.Tree != nil }

// Ends reports whether the plan ends something, changes who decides, or replaces what nodes join and live by. That is for a
// swarm that was read whole.
func (r *Decision) Ends() bool {
	return slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool {
		return s.Op == diff.Remove || s.Op == diff.Replace || s.ChangesRole() || s.Leaves() || s.Rotates() || s.Op == diff.Create && s.Key.Kind == v1.KindNode
	})
}

// Decider decides for one source, run by run. It keeps what the process knows from run to run (Progress), and caches, which
// change no decision.
type Decider struct {
	Policy
	Progress
	kinds []kinds.Kind
	memo  kinds.Memo
	seen  diff.Seen
}

// New returns a decider that knows nothing yet.
func New(p Policy) *Decider {
	return &Decider{Policy: p, Progress: newProgress(), kinds: all.Kinds()}
}

// Forget drops the caches. That changes no decision.
func (d *Decider) Forget() { d.memo, d.seen = kinds.Memo{}, diff.Seen{} }

func (d *Decider) kind(name string) (kinds.Kind, bool) {
	for _, k := range d.kinds {
		if k.Name == name {
			return k, true
		}
	}
	return kinds.Kind{}, false
}

// Expand finds what is wanted, and brings what there is into the same form.
func (d *Decider) Expand(run *Decision) {
	src := run.Ours()
	run.Objects = len(run.Entries)
	run.Wants = kinds.Expand(d.kinds, run.Entries, run.Index, src, &d.memo)
	run.Haves = kinds.Haves(d.kinds, run.Index, src, run.Wants.States, &d.memo)
}

// AsksBefore reports whether Compare needs to know what the revision in force asked for. That is needed only in the first run
// of a new revision, and only if the swarm has lost an object or its labels.
func (d *Decider) AsksBefore(run *Decision) bool {
	if run.InForce.Hash == run.Memory.InForce.Hash {
		return false
	}
	gone := missing(run, d.removed)
	return slices.ContainsFunc(run.Wants.States, func(w diff.State) bool { return isGone(run, &w, gone) }) ||
		slices.ContainsFunc(run.Haves, func(h diff.State) bool { return h.Meta.Lost })
}

// Compare finds what differs. before is what the revision in force asked for.
func (d *Decider) Compare(run *Decision, before Before) {
	if run.InForce.Hash == run.Memory.InForce.Hash {
		before = Before{States: run.Wants.States}
	}
	asked := before.index()
	noteGone(run, asked, d.removed)
	d.remade(run)
	findLost(run.Haves, asked)
	run.Changes = d.seen.Compare(run.Haves, run.Wants.States, all.Rules)
	run.hold(run.Withheld)
	d.memo.Release(&d.seen)
	run.Wanted = make(map[v1.Key]*diff.State, len(run.Wants.States))
	for i := range run.Wants.States {
		run.Wanted[run.Wants.States[i].Key] = &run.Wants.States[i]
	}
}

// Needs says what has to be asked of the engine before something is decided about what differs. What the lists, git and the
// memory tell is in run.Facts afterwards.
func (d *Decider) Needs(run *Decision) Needs {
	run.consents = consents(run)
	run.Facts = d.facts(run)
	return d.asks(run)
}

// asks is Needs, of a run whose facts are gathered.
func (d *Decider) asks(run *Decision) Needs {
	f := &run.Facts
	n := Needs{Traces: d.rollouts(run, f)}
	n.waits = d.unready(run, f)
	n.Lives = n.waits.lives(d.kinds, run.Index)
	return n
}

// Learn adds to the facts what was asked.
func (d *Decider) Learn(run *Decision, n Needs, a Answers) {
	f := &run.Facts
	for key, rollout := range a.Rollouts {
		if _, stands := f.Rollouts[key]; stands { // a pause may have been forgiven
			f.Rollouts[key] = rollout
		}
	}
	d.readiness(run, f, n, a)
	run.Surveyed, run.Rotating, f.Own = a.Surveyed, a.Rotating, a.Surveyed.Own
	run.Notices = append(run.Notices, a.Surveyed.Notices...)
}

// Decide makes the plan, and what is to be remembered after it.
func (d *Decider) Decide(run *Decision) {
	run.Failures = newFailures(run)
	for _, failed := range run.Failures {
		run.Facts.Failed[failed.Key] = failed
	}
	prune := run.Defaults.Policy.Prune
	run.Plan = plan.Build(run.Changes, run.Facts, plan.Policy{
		Source: run.Source, RepairAfter: d.RepairAfter, RepairRestartsAfter: d.RepairRestartsAfter, Budgets: d.Budgets, Consents: append(run.consents, d.Consents...),
		AskRewritten: d.AskRewritten, PruneAdopted: prune != nil && *prune,
	}, all.Part(), run.Surveyed.Part, run.Rotating.Part)
	d.writeDown(run)
	d.remember(run)
	d.seenFailed = run.Memory.Failed
	if _, text := run.Rewritten(); text != "" {
		run.Notices = append(run.Notices, text)
	}
	for _, n := range run.Remarks {
		run.Notices = append(run.Notices, n.String())
	}
	run.Notices = append(append(run.Notices, run.Wants.Notices...), unstated(run.Haves)...)
	for _, k := range run.Wants.Unknown {
		run.Notices = append(run.Notices, fmt.Sprintf("the content of %s cannot be compared, because the key that named it is lost; it stays as it is", k))
	}
}
