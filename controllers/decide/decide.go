// Package decide works out what a run does. It takes what git says and what was found of the swarm, as values. It
// returns a plan and what to remember after the run, as values. It makes no calls and changes nothing outside of
// itself.
package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// Policy is what the operator's command line says about how to decide.
type Policy struct {
	// Consents are those of the command line. They add to the consents in commits.
	Consents plan.Consents
	Agreeing
	Budgets plan.Budgets
	// RepairAfter is how long a change by hand stays before it is undone. RepairRestartsAfter is the same for repairs
	// that restart tasks.
	RepairAfter, RepairRestartsAfter time.Duration
	// AskRewritten is true if a revision that takes back commits of the one in force must wait for consent. If false,
	// the operator only reports it.
	AskRewritten bool
	// Observe is true if the operator writes nothing at all, not even its memory.
	Observe bool
	// Follow is true if later runs follow roll-outs to their end, to report and remember failures.
	Follow bool
	// Self is the service that the operator runs as. It is empty if the operator does not run as a service.
	Self v1.Key
	// Digests makes and compares digests of secrets. nil means that there is no key.
	Digests *digests.Digests
	// Engines say which of the engines that only manifests name may be used.
	Engines plan.Engines
	// Placing are the names of node labels that guardrails make services ask for. They are given to no node that is
	// only known by what it says of itself.
	Placing []string
}

// Agreeing says what commits can agree to.
type Agreeing struct {
	// CommandsOnly is true if commits agree to nothing.
	CommandsOnly bool
	// Worktree is true if the files of a checkout are read as they are. What they ask for can still be agreed to in the
	// commit that they become.
	Worktree bool
}

// Revision is what the source says: which revision a run goes by, and what its manifests state.
type Revision struct {
	// Source is the name of the source that owns what the manifests state. Named says where the name comes from.
	Source, Named string
	// Attempted is the newest revision. InForce is the revision that the wants come from. They differ if Problems
	// refuse the newest one, or if it could not be read.
	Attempted, InForce git.Commit
	Problems           []v1.Problem
	// Entries are the manifests that no problem holds. Withheld are the objects that problems hold, with the reason.
	Entries  []kinds.Entry
	Withheld map[v1.Key]string
	// Stays has an entry for each withheld object whose manifest does not say that the object may go: the setting that
	// keeps it when the manifest is gone, or "" if none does. That only tightens what was said before, so it counts even
	// though the rest of the manifest does not.
	Stays map[v1.Key]string
	// OwnOnly has the guardrail that forbids to take an object over that the source did not make, for each object that has
	// one.
	OwnOnly  map[v1.Key]string
	Defaults v1.Defaults
	// Remarks are what people should know about the manifests.
	Remarks []v1.Problem
	Past    Past
}

// World is what a run has found of the swarm. Deciding does not change it.
type World struct {
	// At is the time that the run goes by. It is set before Needs is called.
	At    time.Time
	About kinds.About
	Index *kinds.Index
	// Found is the operator's memory of the source, as it was last read or written.
	Found state.Found
	// Others are the objects that other sources made or adopted: the name of the source, by the object's id. The name is ""
	// if they gave the object up. Partial are the objects of partial kinds of which other sources state something, by
	// source.
	Others  map[string]string
	Partial map[string]map[v1.Key]bool
	Holds   []state.Hold
	// Troubles are the steps that failed and wait for their next try, by name. It does not matter which instance
	// tried last.
	Troubles map[string]plan.Trouble
	// Nonce is a new random value, for the memory if it has to be written.
	Nonce string
	// Whole is true if this run has read everything.
	Whole bool
	// Unlisted says of kinds why their objects could not be listed. Nothing is known of these objects.
	Unlisted map[string]error
}

// Differing is what is wanted, and what differs from it. It is for one run: the states belong to the caches, and the
// next run changes them. The states in Changes are copies.
type Differing struct {
	// Objects is how many manifests there are.
	Objects int
	Wants   kinds.Wants
	Haves   []*diff.State
	Changes []diff.Change
	// Wanted are the wants by key.
	Wanted map[v1.Key]*diff.State
	// aside are digests of what the manifests ask of objects that could not be listed. They are not among the wants.
	aside map[v1.Key]string
	// Held are the objects that problems of their manifests hold.
	Held map[v1.Key]plan.Problem
	// unstated says why objects that no manifest states are held as well. It is "" if they are not held.
	unstated string
	// allThere is true if all objects on record exist.
	allThere bool
	// ours has the records that Ours found last.
	ours *ours
	// digests knows secrets again.
	digests *digests.Digests
	untold
}

// untold is what a run has found out about objects whose labels do not tell it.
type untold struct {
	// labels is what the labels of an object say was last applied to it, by id, if they do not tell.
	labels map[string]diff.Applied
	// madeBefore are the objects that the source made just before it was killed, by id. strange are those that it was about to
	// make as well, and that somebody else made.
	madeBefore map[string]v1.Key
	strange    map[v1.Key]bool
}

// Asked is what follows from the answers to Needs.
type Asked struct {
	// Surveyed is what the survey of the nodes found.
	Surveyed kinds.Surveyed
	// Rotating is what is due to be replaced by epoch or by age, and when each thing was last replaced.
	Rotating kinds.Rotating
	// Unread says why the health of services that something waits for, or what runs on nodes, is not known. It is nil
	// if it is known. The plan is as good as it can be without, but the run must be repeated. Otherwise what waits would
	// wait for ever.
	Unread error
	// Awaited says what the swarm still has to do before something can use an object that exists.
	Awaited map[v1.Key]string
}

// Standing says whether the run may act on its revision.
type Standing struct {
	// Outdated is true if the revision is older than the one in force and nobody agreed to go back.
	Outdated bool
	// Foreign is true if the revision may be of another source than the one that has the name, and nobody agreed to it.
	Foreign bool
	// stranger is true if the revision is certainly of another source, whoever agreed.
	stranger bool
	// Given are the consents that the plan was made with.
	Given plan.Consents
	// Frozen is true if this run must not change the memory.
	Frozen bool
	// rewrote is what the revision takes back of the one in force, before it is in force itself. It is nil if it
	// takes nothing back. asks is true if that needs a consent that nobody has given.
	rewrote *state.Rewrite
	asks    bool
}

// Decision is what a run knows and what it decides. The methods of Decider fill it in, part by part.
type Decision struct {
	Revision
	World
	Differing
	Asked
	Standing
	Facts plan.Facts
	Plan  plan.Plan
	// Failures are the wants that this run is the first to see failed.
	Failures []plan.Failure
	Notices  []string
	// Memory is what to remember after the run.
	Memory state.Memory

	consents plan.Consents
	// frozenSpecs are the specs of objects that the plan removes in order to make them again, by id.
	frozenSpecs map[string]state.Frozen
}

// Usable reports whether there is a revision to go by. Without one nothing is compared, and nothing is removed.
func (r *Decision) Usable() bool { return r.InForce.Tree != nil }

// Ends reports whether the plan ends something, changes which nodes are managers, or replaces what nodes need to join
// or to stay. Such a plan must come from a swarm that was read whole.
func (r *Decision) Ends() bool {
	return slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool {
		return s.Op == diff.Remove || s.Op == diff.Replace || s.ChangesRole() || s.Leaves() || s.Rotates() || kinds.Joins(s)
	})
}

// Decider decides for one source, run by run. From run to run it keeps what the process knows (Progress), and caches
// that change no decision.
type Decider struct {
	Policy
	Progress
	kinds   kinds.Set
	partial []string // kinds of which manifests state only some of an object
	// unlabelled are kinds whose objects keep the labels that they were made with
	unlabelled []string
	memo       kinds.Memo
	seen       diff.Seen
	steady
}

// New returns a decider that knows nothing yet, about all kinds.
func New(p Policy) *Decider { return About(all.Kinds(), p) }

// About returns a decider about some kinds.
func About(every kinds.Set, p Policy) *Decider {
	d := &Decider{Policy: p, Progress: newProgress(), kinds: every}
	for _, k := range d.kinds {
		if k.Partial {
			d.partial = append(d.partial, k.Name)
		}
		if k.Unlabelled {
			d.unlabelled = append(d.unlabelled, k.Name)
		}
	}
	return d
}

// Forget drops the caches. That changes no decision.
func (d *Decider) Forget() { d.memo, d.seen, d.steady = kinds.Memo{}, diff.Seen{}, steady{} }

func (d *Decider) kind(name string) (kinds.Kind, bool) { return d.kinds.Get(name) }

// isPartial reports whether manifests state only some of the objects of a kind.
func (d *Decider) isPartial(name string) bool {
	return slices.ContainsFunc(d.partial, func(partial string) bool { return partial == name })
}

// Expand works out what is wanted, and brings what exists into the same form.
func (d *Decider) Expand(run *Decision) {
	run.ours = &d.steady.ours
	run.digests = d.Digests
	d.handsOff(run)
	src := run.Ours()
	run.Objects = len(run.Entries)
	run.Wants = kinds.Expand(d.kinds, run.Entries, run.Index, src, &d.memo)
	run.setAside()
	run.Haves = kinds.Haves(d.kinds, run.Index, src, run.Wants.States, &d.memo)
}

// AsksBefore reports whether Compare needs to know what the revision in force asked for. It does only in the first
// run of a new revision, and only if an object or its labels are missing.
func (d *Decider) AsksBefore(run *Decision) bool {
	if run.InForce.Hash == run.Memory.InForce.Hash {
		return false
	}
	gone := d.missing(run)
	return len(gone) > 0 && slices.ContainsFunc(run.Wants.States, func(w *diff.State) bool { return isGone(run, w, gone) }) ||
		slices.ContainsFunc(run.Haves, d.silent) || run.recalls()
}

// Compare finds what differs. before is what the revision in force asked for.
func (d *Decider) Compare(run *Decision, before Before) {
	if run.InForce.Hash == run.Memory.InForce.Hash {
		before = Before{States: run.Wants.States}
	}
	asked := before.index(d)
	d.recognise(run, asked)
	noteGone(run, asked, d.missing(run))
	d.remade(run)
	d.findLost(run, asked)
	run.Changes = d.seen.Compare(run.Haves, run.Wants.States, d.kinds.Rules)
	run.hold(run.Withheld)
	run.holdUnlisted()
	d.holdUnstated(run)
	d.memo.Release(&d.seen)
	run.Wanted = d.byKey(run.Wants.States)
}

// Needs returns what to ask the engine before anything is decided about the differences. Afterwards run.Facts has
// what the lists, git and the memory tell.
func (d *Decider) Needs(run *Decision) Needs {
	run.consents = d.consents(run)
	run.Facts = d.facts(run)
	return d.asks(run)
}

// asks does the work of Needs for a run whose facts are gathered.
func (d *Decider) asks(run *Decision) Needs {
	f := &run.Facts
	n := Needs{Traces: d.rollouts(run, f)}
	n.waits = d.unready(run, f)
	n.Lives = n.waits.lives(d.kinds, run.Index)
	n.surveying, n.rotating = d.surveying(run), d.rotating(run)
	n.Tasks, n.Files = n.surveying.asks(kinds.TaskNeed{}, nil), n.rotating.asks(nil, nil)
	return n
}

// Learn adds the answers to the facts.
func (d *Decider) Learn(run *Decision, n Needs, a Answers) {
	f := &run.Facts
	for key, rollout := range a.Rollouts {
		if _, stands := f.Rollouts[key]; stands { // a pause that was forgiven is no longer there
			f.Rollouts[key] = rollout
		}
	}
	d.readiness(run, f, n, a)
	for _, t := range a.Tasks {
		if t.Err != nil { // nothing is written to nodes, and no event tells when the tasks can be read again
			run.Unread = t.Err
		}
	}
	run.Surveyed = n.surveying.survey(a.Tasks)
	run.Rotating = n.rotating.rotate(run.Surveyed.Nodes, a.Files)
	d.surveyed, f.Own = run.Surveyed.Remembered, run.Surveyed.Own
	run.Notices = append(run.Notices, run.Surveyed.Notices...)
}

// Decide makes the plan, and works out what to remember after it.
func (d *Decider) Decide(run *Decision) {
	run.Failures = newFailures(run)
	for _, failed := range run.Failures {
		run.Facts.Failed[failed.Key] = failed
	}
	prune := run.Defaults.Policy.Prune
	run.Given = slices.Concat(run.consents, d.Consents)
	run.Plan = plan.Build(run.Changes, run.Facts, plan.Policy{
		Source: run.Source, RepairAfter: d.RepairAfter, RepairRestartsAfter: d.RepairRestartsAfter, Budgets: d.Budgets, Consents: run.Given,
		CommandsOnly: d.CommandsOnly, Files: !d.Worktree && strings.HasPrefix(run.InForce.Hash, git.FilesPrefix), Observe: d.Observe,
		AskRewritten: d.AskRewritten, PruneAdopted: prune != nil && *prune, Engines: d.Engines, OwnOnly: run.OwnOnly,
	}, d.kinds.Part(), run.Surveyed.Part, run.Rotating.Part)
	d.writeDown(run)
	d.remember(run)
	d.seenFailed = run.Memory.Failed
	if text := run.OtherSource(); text != "" && !slices.ContainsFunc(run.Plan.Refused, func(r plan.Refusal) bool { return r.Hazard == plan.OtherSource }) {
		run.Notices = append(run.Notices, text)
	}
	if _, text := run.Rewritten(); text != "" {
		run.Notices = append(run.Notices, text)
	}
	for _, n := range run.Remarks {
		run.Notices = append(run.Notices, n.String())
	}
	run.Notices = append(append(run.Notices, run.Wants.Notices...), unstated(run.Haves)...)
	run.Notices = append(run.Notices, d.leftBehind(run)...)
	for _, u := range run.Wants.Unknown {
		run.Notices = append(run.Notices, fmt.Sprintf("%s cannot be compared: %s; its content stays as it is", u.Key, u.Why))
	}
}
