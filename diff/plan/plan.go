// Package plan decides: it turns differences into ordered steps, or into refusals that say who must do what.
//
// It is pure. Time, consents and everything known of the swarm come in as values; the same input gives the same plan.
package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Class says what ends a refusal.
type Class uint8

// The classes.
const (
	Later   Class = iota // another step or some time comes first: it happens by itself
	Consent              // a person must agree
	Never                // only a change in git, or of the swarm, ends it
)

func (c Class) String() string { return [...]string{"later", "consent", "never"}[c] }

// MarshalJSON renders the text.
func (c Class) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// Step is one thing to do.
type Step struct {
	ID       int          `json:"id"`
	Op       diff.Op      `json:"op"`
	Key      v1.Key       `json:"object"`
	Instance string       `json:"instance,omitempty"`
	Cause    string       `json:"cause"`
	Effect   diff.Effect  `json:"effect"`
	Notes    []string     `json:"notes,omitempty"` // what people should know of before
	Hazards  []Hazard     `json:"hazards,omitempty"`
	After    []int        `json:"after,omitempty"`
	Fields   []diff.Field `json:"fields,omitempty"`
	// Change is the difference that the step comes from. Of a step of another origin it has the two states alone, and no want
	// if no manifest states one. Drivers take the states from it.
	Change diff.Change `json:"-"`
	// Origin says where the step comes from, and Does what it does beside what differs; nil: nothing.
	Origin Origin `json:"-"`
	Does   any    `json:"-"`
}

// removal says whether the step ends an object because no manifest asks for it any more.
func (s Step) removal() bool { return s.Op == diff.Remove && s.Origin == OriginDiffers }

// oldVersion says whether the step only clears away content that a newer version replaced.
func (s Step) oldVersion() bool { return s.Op == diff.Remove && s.Change.Have.Meta.OldVersion }

// requires are the objects that the step needs to be there, or to be ready.
func (s Step) requires() []v1.Key {
	if s.Change.Want == nil {
		return nil
	}
	return slices.Concat(s.Change.Want.Uses, s.Change.Want.DependsOn)
}

// MakesRoom says whether the step removes what a manifest asks for, to be made again when others have what they need of it.
func (s Step) MakesRoom() bool { return s.Origin == OriginMakesRoom }

// RollsOut says whether the step replaces the tasks of a running service.
func (s Step) RollsOut() bool { return s.Op == diff.Update && s.Effect == diff.RestartsTasks }

// Refusal is a difference that is left alone, and why.
type Refusal struct {
	Op       diff.Op      `json:"op"`
	Key      v1.Key       `json:"object"`
	Instance string       `json:"instance,omitempty"`
	Guard    string       `json:"guard"`
	Class    Class        `json:"class"`
	Why      string       `json:"why"`
	Hazard   Hazard       `json:"hazard,omitempty"`
	Fields   []diff.Field `json:"fields,omitempty"`
	// Quiet: reported, but nothing waits for it and diff's exit code does not count it.
	Quiet bool `json:"quiet,omitempty"`
	// Until: when a refusal of class later is over by itself, where that is known.
	Until time.Time `json:"until,omitzero"`
	// after are the steps that come first, or one of them; empty if nothing like that is waited for.
	after []Target
	// of is the step that was refused; the zero value if there was none.
	of refused
	// ends says how somebody agrees to the hazard.
	ends agreement
}

// Adoption is an equal object that becomes ours by a record in our state: nothing is written on it.
type Adoption struct {
	Key  v1.Key      `json:"object"`
	ID   string      `json:"-"`
	Want *diff.State `json:"-"`
	// Notes are what people should know of before.
	Notes []string `json:"notes,omitempty"`
}

// Failure is a want that the swarm tried and gave up.
type Failure struct {
	Key v1.Key `json:"object"`
	// Digest of the want; "" where a roll-back was of nothing that is wanted.
	Digest string `json:"digest"`
	Why    string `json:"why"`
	// Began is the start of the roll-out that failed: it tells one failure from the next.
	Began time.Time `json:"began,omitzero"`
	// Revision in which it was first seen to fail.
	Revision string `json:"revision,omitempty"`
}

// Plan is what will be done, in order, and what will not.
type Plan struct {
	Steps   []Step     `json:"steps"`
	Refused []Refusal  `json:"refused"`
	Adopted []Adoption `json:"adopted,omitempty"`
	// Kept are objects whose manifest or version is gone while services still refer to them.
	Kept []v1.Key `json:"kept,omitempty"`
	// ends are what says of a step that it may be the last thing that this process does, while the plan is made.
	ends []func(Step) bool
}

// InSync says that nothing differs that counts.
func (p Plan) InSync() bool {
	return len(p.Steps) == 0 && !slices.ContainsFunc(p.Refused, func(r Refusal) bool { return !r.Quiet })
}

// Held says whether something waits for a person.
func (p Plan) Held() bool {
	return slices.ContainsFunc(p.Refused, func(r Refusal) bool { return r.Class != Later && !r.Quiet })
}

// Waiting says whether something comes by itself later.
func (p Plan) Waiting() bool {
	return slices.ContainsFunc(p.Refused, func(r Refusal) bool { return r.waits() && !r.is(reported) })
}

// Rollout is how the last update of a service stands.
type Rollout struct {
	// State is the engine's: updating, paused, completed, rollback_started, rollback_paused, rollback_completed, or "".
	State string
	Began time.Time
	// Message is the engine's own.
	Message string
	// TaskError is what the newest task that failed said.
	TaskError string
	// Left says whether the spec that was rolled back equals the want. Unknown where no trace of it is left.
	Left Match
}

// RolledBack says that the live spec is not the one last asked for.
func (r Rollout) RolledBack() bool { return strings.HasPrefix(r.State, "rollback_") }

// Running says that tasks are being replaced.
func (r Rollout) Running() bool { return r.State == "updating" || r.State == "rollback_started" }

// Match is the answer to a comparison that may not be possible.
type Match uint8

// The answers.
const (
	Unknown Match = iota
	Matches
	Differs
)

// Facts are what is known beside the differences. The zero value of each field is the careful answer.
type Facts struct {
	Now time.Time
	// APIVersion is the engine's, such as 1.41.
	APIVersion string
	// StateLost: objects carry our labels and our memory knows of no revision. Nothing is removed and nothing re-versioned.
	StateLost bool
	// Rewind: the revision is an ancestor of the one in force.
	Rewind bool
	// Rewritten says which commits of the one in force the revision takes back, being neither older nor newer, or why that is
	// not known where it has to be. "": none.
	Rewritten string
	// Rollouts by key of the service.
	Rollouts map[v1.Key]Rollout
	// Broken are objects that are there and that nothing can use, and why.
	Broken map[v1.Key]string
	// Claims are what changes need and other objects have.
	Claims []Claim
	// Begun are the services that this revision has changed and that are not seen to work yet, and why; those that the swarm
	// tried and gave up are in Failing, too. Nothing is removed before they do. Jobs work as soon as they have begun.
	Begun map[v1.Key]string
	// Superseded is what earlier revisions have left undone of their removals.
	Superseded Superseded
	// Troubles are the steps that failed, by their name.
	Troubles map[string]Trouble
	// Failed are the wants on record.
	Failed map[v1.Key]Failure
	// NotReady are objects that changed under this revision and are not ready yet, and why.
	NotReady map[v1.Key]string
	// Failing are those of NotReady that the swarm tried and that keep failing.
	Failing map[v1.Key]bool
	// Settled are objects that were asked for and are ready.
	Settled map[v1.Key]bool
	// DriftSince is when a change by hand was first seen.
	DriftSince map[v1.Key]time.Time
	// Contended are fields that a hand wrote again each time they were put back.
	Contended map[v1.Key][]Contention
	// Owned is how many objects the source owned when the revision was first seen.
	Owned int
	// OwnedServices is how many services the source owns now.
	OwnedServices int
	// Shares says that the manifests name at least one object that the source owns.
	Shares bool
	// Keep are objects whose last manifest said prune: false or protect, and which.
	Keep map[v1.Key]string
	// Placeless are services whose tasks find no place, and why, as far as anything waits for them.
	Placeless map[v1.Key]string
	// InTheWay are the objects that are to go and that keep another one, whose tasks find no place, from running: the value.
	InTheWay map[v1.Key]v1.Key
	// Problems are the objects that problems of their manifests hold.
	Problems map[v1.Key]Problem
	// Missing are external objects that do not exist.
	Missing map[v1.Key]bool
	// Revision is the one that the wants come from.
	Revision string
	// Paused says why nothing is done until a person confirms. "": nothing is wrong.
	Paused string
	// Holds are in force for whatever they name.
	Holds []Hold
	// Released are objects that were given up although they have a manifest; ReleasedAll gives up all.
	Released    map[v1.Key]bool
	ReleasedAll bool
	// Self is the service that the operator itself runs as, where it does.
	Self v1.Key
	// Own is the instance whose engine the operator talks to; "": it is not known.
	Own string
}

// Budgets bound what one revision may do without consent.
type Budgets struct {
	// Removals: at most this many, and at most a quarter of what is owned, but always one. Default 10.
	Removals int
	// Restarts: services whose tasks restart, counted only above a tenth of all. Default 10.
	Restarts int
	// Rollouts at once. Default 5.
	Rollouts int
	// FailedRollouts of one revision that hold the rest of it. Default 2.
	FailedRollouts int
	// Drains: nodes that are emptied at once. Default 1.
	Drains int
}

// DefaultBudgets are the ones in force where nothing else is set.
func DefaultBudgets() Budgets {
	return Budgets{Removals: 10, Restarts: 10, Rollouts: 5, FailedRollouts: 2, Drains: 1}
}

// Policy is what people decided.
type Policy struct {
	Source string
	// RepairAfter is how long a change by hand is only announced.
	RepairAfter time.Duration
	// RepairRestartsAfter is the same for repairs that replace the tasks of a service.
	RepairRestartsAfter time.Duration
	Consents            Consents
	Budgets             Budgets
	// PruneAdopted: what was adopted goes with its manifest, also if that did not say so.
	PruneAdopted bool
	// AskRewritten: a revision that takes commits back waits for consent. False: that is only reported.
	AskRewritten bool
}

// Guard objects to steps. It sees the plan as it stands after the objections of the others.
type Guard struct {
	Name string
	// Check returns refusals for steps of the plan; their Key, Instance and Op say which.
	Check func(Plan, Facts, Policy) []Refusal
}

// Build makes a plan of the changes and of what kinds bring.
func Build(changes []diff.Change, f Facts, p Policy, parts ...Part) Plan {
	var plan Plan
	for _, c := range slices.SortedFunc(slices.Values(changes), diff.Change.Compare) {
		plan.propose(c)
	}
	plan.problems(f)
	plan.contended(f)
	plan.restartLater(f, p)
	plan.broken(f)
	plan.makeRoom(f, p)
	all, needs, putOff := slices.Clone(guards), []Guard(nil), []Guard(nil)
	for _, part := range parts {
		if part.Propose != nil {
			part.Propose(&plan, f, p)
		}
		if part.Own != nil {
			plan.ends = append(plan.ends, part.Own)
		}
		all, needs, putOff = append(all, part.Guards...), append(needs, part.Needs...), append(putOff, part.PutOff...)
	}
	rounds := [][]Guard{all}
	for _, g := range slices.Concat(room, needs, turns, putOff, last) {
		rounds = append(rounds, []Guard{g})
	}
	// Each refusal can change what another guard would say: two that are each right can pass a plan that is wrong.
	// Every return to the first round removes a step, so this ends.
	settle := func() {
		for i := 0; i < len(rounds); {
			if i == 1 { // before something waits for what waits for a person
				plan.waitNoMore()
			}
			if plan.object(rounds[i], f, p) {
				i = 0
			} else {
				i++
			}
		}
	}
	settle()
	for _, part := range parts {
		if before := len(plan.Steps); part.Then != nil {
			if part.Then(&plan, f, p); len(plan.Steps) > before {
				settle()
			}
		}
	}
	plan.unadopt(f, p)
	plan.commands(f)
	plan.order(f)
	for _, part := range parts {
		if part.Finish != nil {
			part.Finish(&plan, f, p)
		}
	}
	plan.nameSettings()
	slices.SortFunc(plan.Refused, func(a, b Refusal) int {
		return cmp.Or(a.Key.Compare(b.Key), strings.Compare(a.Instance, b.Instance), cmp.Compare(a.Op, b.Op), strings.Compare(a.Guard, b.Guard), strings.Compare(a.Why, b.Why))
	})
	plan.ends = nil
	return plan
}

// object asks each guard once. It returns whether one of them refused something.
func (p *Plan) object(guards []Guard, f Facts, policy Policy) bool {
	refused := false
	for _, g := range guards {
		for _, r := range g.Check(*p, f, policy) {
			r.Guard = cmp.Or(r.Guard, g.Name)
			refused = p.Refuse(r) || refused
		}
	}
	return refused
}

// propose turns a change into a step, an adoption or, where only reports are wanted, a refusal.
func (p *Plan) propose(c diff.Change) {
	switch c.Op {
	case diff.Same:
		if c.Have != nil && !c.Have.Meta.Mine {
			p.adopt(c)
		}
		return
	case diff.Remove:
		p.Steps = append(p.Steps, Step{Op: c.Op, Key: c.Key, Instance: c.Instance, Effect: c.Effect, Change: c, Cause: removalCause(c)})
		return
	}
	fields, unwritable := split(c.Counted(), func(f diff.Field) bool { return f.Why == "" })
	for _, f := range unwritable { // one by one: each has its own reason
		p.Refused = append(p.Refused, Refusal{Op: c.Op, Key: c.Key, Instance: c.Instance, Guard: "unwritable", Class: Never, Fields: []diff.Field{f}, Why: f.Path + ": " + f.Why})
	}
	if len(unwritable) > 0 && len(fields) == 0 {
		return
	}
	if c.Op == diff.Update && (c.Want.Policy.Enforce == nil || !*c.Want.Policy.Enforce) {
		var meant []diff.Field
		fields, meant = split(fields, func(f diff.Field) bool { return f.Git || !f.Intent })
		if len(meant) > 0 {
			p.Refused = append(p.Refused, Refusal{
				Op: c.Op, Key: c.Key, Instance: c.Instance, Guard: guardIntent, Class: Never, Fields: meant, Quiet: true,
				Why: "set by hand, and left so until git changes it: policy.enforce: true would put it back",
			})
		}
		if len(fields) == 0 {
			return
		}
	}
	if c.Op == diff.Update && !enforces(c) {
		var reported []diff.Field
		fields, reported = split(fields, func(f diff.Field) bool { return f.Git })
		if len(reported) > 0 {
			p.Refused = append(p.Refused, Refusal{
				Op: c.Op, Key: c.Key, Instance: c.Instance, Guard: guardEnforce, Class: Never, Fields: reported,
				Why: "changed by hand, and reported only: policy.enforce: true would repair it",
			})
		}
		if len(fields) == 0 {
			return
		}
	}
	step := Step{Op: c.Op, Key: c.Key, Instance: c.Instance, Fields: fields, Change: c, Cause: cause(c, fields)}
	for _, fl := range fields {
		step.Effect = max(step.Effect, fl.Effect)
	}
	p.Steps = append(p.Steps, step)
}

// enforces says whether changes by hand are repaired: what the manifest says, else only on what we made, and on what a
// manifest states of an object that nobody has to make.
func enforces(c diff.Change) bool {
	if e := c.Want.Policy.Enforce; e != nil {
		return *e
	}
	if c.Removed() {
		return !c.Want.Gone.Adopted
	}
	return c.Want.Partial || !c.Have.Meta.Adopted
}

func split[T any](all []T, keep func(T) bool) (kept, rest []T) {
	for _, f := range all {
		if keep(f) {
			kept = append(kept, f)
		} else {
			rest = append(rest, f)
		}
	}
	return kept, rest
}

func removalCause(c diff.Change) string {
	if c.Have.Meta.OldVersion {
		return "an old version that nothing refers to any more"
	}
	return "its manifest was removed"
}

func cause(c diff.Change, fields []diff.Field) string {
	if c.Op == diff.Create {
		if c.Removed() {
			return "removed by hand"
		}
		if c.Want.Note != "" {
			return c.Want.Note
		}
		return "in git, not in the swarm"
	}
	git, hand := 0, 0
	for _, f := range fields {
		if f.Git {
			git++
		}
		if f.Hand {
			hand++
		}
	}
	switch {
	case git > 0 && hand > 0:
		return "changed in git and by hand"
	case hand > 0:
		return "changed by hand"
	default:
		return "changed in git"
	}
}

// Refuse moves the step that the refusal is about. It returns whether there was one.
func (p *Plan) Refuse(r Refusal) bool {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Key == r.Key && s.Instance == r.Instance && s.Op == r.Op })
	if i < 0 {
		return false
	}
	if r.Fields == nil {
		r.Fields = p.Steps[i].Fields
	}
	r.of.origin, r.of.needs = p.Steps[i].Origin, p.Steps[i].requires()
	p.Steps = slices.Delete(p.Steps, i, i+1)
	if r.is(kept) {
		p.Kept = append(p.Kept, r.Key)
		return true
	}
	p.Refused = append(p.Refused, r)
	return true
}

// Refusal starts a refusal of a step.
func (s Step) Refusal(class Class, format string, args ...any) Refusal {
	return Refusal{Op: s.Op, Key: s.Key, Instance: s.Instance, Class: class, Why: fmt.Sprintf(format, args...)}
}
