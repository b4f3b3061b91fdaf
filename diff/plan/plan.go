// Package plan decides: it turns differences into ordered steps, or into refusals that say who must do what.
//
// It is pure: time, consents and all that is known of the swarm come in as values, and the same input gives the same
// plan.
package plan

import (
	"cmp"
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
	Later   Class = iota // ends by itself, after another step or after some time
	Consent              // ends when a person agrees
	Never                // ends only by a change in git or in the swarm
)

func (c Class) String() string { return [...]string{"later", "consent", "never"}[c] }

// Step is one thing to do.
type Step struct {
	ID       int
	Op       diff.Op
	Key      v1.Key
	Instance string
	Cause    string
	Effect   diff.Effect
	Notes    []string // what people should know before the step is taken
	Hazards  []Hazard
	After    []int
	Fields   []diff.Field
	// Change is the difference that the step comes from. Drivers take the two states from it. If Origin is not
	// OriginDiffers, Change has only the states, and Want is nil if no manifest states one.
	Change diff.Change
	// Origin says where the step comes from.
	Origin Origin
	// Does is what the step does besides writing what differs. nil means nothing.
	Does any
}

// removal reports whether the step removes an object because no manifest asks for it any more.
func (s Step) removal() bool { return s.Op == diff.Remove && s.Origin == OriginDiffers }

// oldVersion reports whether the step only removes content that a newer version has replaced.
func (s Step) oldVersion() bool { return s.Op == diff.Remove && s.Change.Have.Meta.OldVersion }

// requires returns the objects that must exist, or be ready, before the step.
func (s Step) requires() []v1.Key {
	if s.Change.Want == nil {
		return nil
	}
	return slices.Concat(s.Change.Want.Uses, s.Change.Want.DependsOn)
}

// MakesRoom reports whether the step removes an object that a manifest asks for, so that others get what they need of
// it. The object is made again when they have it.
func (s Step) MakesRoom() bool { return s.Origin == OriginMakesRoom }

// RollsOut reports whether the step replaces the tasks of a running service, or runs a job again.
func (s Step) RollsOut() bool {
	return s.Op == diff.Update && (s.Effect == diff.RestartsTasks || s.Effect == diff.RunsAgain)
}

// Begins reports whether tasks begin with the step that may take over from what the revision removes. Git may ask for
// more tasks of a service that exists, and those that run go on.
func (s Step) Begins() bool {
	return s.Op == diff.Create || s.Op == diff.Replace || s.RollsOut() || begins(s.Fields)
}

// begins reports whether git asks for other tasks than before, or for more of them.
func begins(fields []diff.Field) bool {
	return slices.ContainsFunc(fields, func(f diff.Field) bool { return f.Git && f.Effect >= diff.StartsTasks })
}

// Refusal is a difference that is left alone, with the reason.
type Refusal struct {
	Op       diff.Op
	Key      v1.Key
	Instance string
	Guard    string
	Class    Class
	Why      string
	Hazard   Hazard
	Fields   []diff.Field
	// Quiet is true if the refusal is only reported: nothing waits for it, and diff's exit code does not count it.
	Quiet bool
	// Until is when the refusal ends by itself. It is zero if the refusal does not, or if the time is not known.
	Until time.Time
	// after are what the refusal waits for: steps on all of these objects, or on one of them. It is empty if the
	// refusal waits for no steps.
	after []Target
	// of is what is remembered of the step that was refused. It is the zero value if there was none.
	of refused
	// ends says how somebody agrees to the hazard.
	ends agreement
}

// Adoption is an object that equals its manifest and that the source takes over. The operator's memory records that;
// nothing is written to the object.
type Adoption struct {
	Key  v1.Key
	ID   string
	Want *diff.State
	// Notes are what people should know before the object is taken over.
	Notes []string
}

// Delivery is a token or a key that goes to a sink.
type Delivery struct {
	// What is the token or key, such as worker-token.
	What string
	// To is the name of a sink of the operator's configuration.
	To string
	// By is the instance that delivers. It is "" if nobody knows yet which one acts.
	By string
	// Why says why it is delivered.
	Why string
}

// Instance says who delivers.
func (d Delivery) Instance() string {
	if d.By == "" {
		return "the instance that acts"
	}
	return d.By
}

// Failure is a want that the swarm tried and gave up.
type Failure struct {
	Key v1.Key `json:"object"`
	// Digest is the digest of the want. It is "" if a spec was rolled back that is not wanted.
	Digest string `json:"digest"`
	Why    string `json:"why"`
	// Began is when the failed roll-out began. It tells one failure from the next.
	Began time.Time `json:"began,omitzero"`
	// Revision is the revision in which the failure was first seen.
	Revision string `json:"revision,omitempty"`
}

// Plan says which steps will be taken, in order, and which changes are refused.
type Plan struct {
	Steps   []Step
	Refused []Refusal
	Adopted []Adoption
	// Deliveries are tokens and keys that go to sinks, first those that exist, then those that steps make. They are no
	// differences.
	Deliveries []Delivery
	// Kept are objects that stay although their manifest is gone or their version is old, because services still
	// refer to them.
	// One version of an object may stay while another one goes, so each has its instance.
	Kept []Target
	// Stays are the refusals of those in Kept whose manifest is gone, for people. They count as no difference.
	Stays []Refusal
	// named are the removals that an agreement has to name.
	named []Target
	// begun are the services that removals wait for: nobody has seen them work yet.
	begun []v1.Key
	// ends report whether a step may be the last thing that this process does. They are set only while the plan is
	// made.
	ends []func(Step) bool
}

// InSync reports whether nothing differs that counts.
func (p Plan) InSync() bool {
	return len(p.Steps) == 0 && !slices.ContainsFunc(p.Refused, func(r Refusal) bool { return !r.Quiet })
}

// Held reports whether something waits for a person.
func (p Plan) Held() bool {
	return slices.ContainsFunc(p.Refused, func(r Refusal) bool { return r.Class != Later && !r.Quiet })
}

// Waiting reports whether something comes later by itself.
func (p Plan) Waiting() bool {
	return slices.ContainsFunc(p.Refused, func(r Refusal) bool { return r.waits() && !r.is(reported) })
}

// Guard objects to steps. It sees the plan as the objections of the other guards have left it.
type Guard struct {
	Name string
	// Check returns refusals of steps of the plan. Their Key, Instance and Op say which step is refused.
	Check func(Plan, Facts, Policy) []Refusal
}

// Build makes a plan from the changes and from what kinds add to it.
func Build(changes []diff.Change, f Facts, p Policy, parts ...Part) Plan {
	plan := Plan{begun: f.begun()}
	for _, c := range slices.SortedFunc(slices.Values(changes), diff.Change.Compare) {
		plan.propose(c, p)
	}
	plan.needNames(f, p)
	plan.problems(f)
	plan.contended(f)
	plan.restartLater(f, p)
	plan.broken(f)
	plan.makeRoom(f, p)
	first, all, needs, putOff := slices.Clone(guards), slices.Clone(asking), []Guard(nil), []Guard(nil)
	for _, part := range parts {
		if part.Propose != nil {
			part.Propose(&plan, f, p)
		}
		if part.Own != nil {
			plan.ends = append(plan.ends, part.Own)
		}
		first, all = append(first, part.Forbids...), append(all, part.Guards...)
		needs, putOff = append(needs, part.Needs...), append(putOff, part.PutOff...)
	}
	rounds := [][]Guard{slices.Concat(first, all, dues)}
	for _, g := range slices.Concat(room, needs, turns, putOff, last) {
		rounds = append(rounds, []Guard{g})
	}
	// A refusal can change the answer of another guard: two guards that are each right can let a wrong plan pass.
	// Every return to the first round follows the removal of a step or of some of its fields, so the loop ends.
	settle := func() {
		for i := 0; i < len(rounds); {
			if i == 1 { // before other steps are made to wait for a step that a person holds
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
	plan.commands(f, p)
	plan.order(f)
	for _, part := range parts {
		if part.Finish != nil {
			part.Finish(&plan, f, p)
		}
	}
	plan.nameSettings()
	slices.SortFunc(plan.Refused, Refusal.compare)
	slices.SortFunc(plan.Stays, Refusal.compare)
	plan.ends = nil
	return plan
}

// object asks each guard once. It reports whether one of them refused something.
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

// propose turns a change into a step, an adoption or, if only a report is wanted, a refusal.
func (p *Plan) propose(c diff.Change, policy Policy) {
	switch c.Op {
	case diff.Same:
		if c.Have != nil && !c.Have.Meta.Mine {
			p.adopt(c, policy)
		}
		return
	case diff.Remove:
		p.Steps = append(p.Steps, Step{Op: c.Op, Key: c.Key, Instance: c.Instance, Effect: c.Effect, Change: c, Cause: removalCause(c)})
		return
	}
	fields, unwritable := split(c.Counted(), func(f diff.Field) bool { return f.Why == "" })
	for _, f := range unwritable { // one by one, because each has its own reason
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
				Why: "it was set by hand, and the operator leaves it so until git changes it; policy.enforce: true would put it back",
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
				Why: "it was changed by hand, and the operator only reports that; policy.enforce: true would repair it",
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

// enforces reports whether changes by hand are repaired. If the manifest does not say, they are repaired on objects
// that we made. They are also repaired on objects that nobody has to make, in what a manifest states of them.
func enforces(c diff.Change) bool {
	if e := c.Want.Policy.Enforce; e != nil {
		return *e
	}
	if c.Removed() {
		return !c.Want.Gone.Adopted
	}
	return c.Want.Partial || c.Have.Meta.Title != diff.TitleAdopted
}

func split[T any](all []T, keep func(T) bool) (kept, rest []T) {
	kept = make([]T, 0, len(all)) // most often all of them
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

// Refuse removes the step that the refusal is about from the steps, and keeps the refusal. It reports whether there
// was such a step.
func (p *Plan) Refuse(r Refusal) bool {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Key == r.Key && s.Instance == r.Instance && s.Op == r.Op })
	if i < 0 {
		return false
	}
	if r.Fields == nil {
		r.Fields = p.Steps[i].Fields
	}
	r.of.origin, r.of.needs = p.Steps[i].Origin, p.Steps[i].requires()
	if p.Steps[i].removal() {
		r.of.users = p.Steps[i].Change.Have.Meta.UsedBy
	}
	if len(r.of.rest) > 0 {
		p.Steps[i].take(r.of.rest)
		p.Refused = append(p.Refused, r)
		return true
	}
	old := p.Steps[i].oldVersion()
	p.Steps = slices.Delete(p.Steps, i, i+1)
	if r.is(kept) {
		if p.Kept = append(p.Kept, Target{r.Key, r.Instance}); !old {
			p.Stays = append(p.Stays, r)
		}
		return true
	}
	p.Refused = append(p.Refused, r)
	return true
}

// Beside returns the refusal of some fields of a step beside the rest, which is written. It is the refusal of the whole step
// if there is no rest.
func (r Refusal) Beside(rest []diff.Field) Refusal {
	r.of.rest = rest
	return r
}

// Rest returns the fields of the step that are written all the same.
func (r Refusal) Rest() []diff.Field { return r.of.rest }

// take leaves a step only these fields.
func (s *Step) take(fields []diff.Field) {
	s.Fields, s.Effect, s.Cause = fields, diff.NoEffect, cause(s.Change, fields)
	for _, fl := range fields {
		s.Effect = max(s.Effect, fl.Effect)
	}
}

// partly reports whether a step on an object leaves out what is refused of it.
func (p *Plan) partly(key v1.Key, instance string) bool {
	return slices.ContainsFunc(p.Refused, func(r Refusal) bool { return r.Key == key && r.Instance == instance && len(r.of.rest) > 0 })
}

// compare orders refusals by what they are about, and then by who refuses.
func (r Refusal) compare(o Refusal) int {
	return cmp.Or(r.Key.Compare(o.Key), strings.Compare(r.Instance, o.Instance), cmp.Compare(r.Op, o.Op), strings.Compare(r.Guard, o.Guard), strings.Compare(r.Why, o.Why))
}

// Refusal returns a refusal of the step.
func (s Step) Refusal(class Class, format string, args ...any) Refusal {
	return Refusal{Op: s.Op, Key: s.Key, Instance: s.Instance, Class: class, Why: fmt.Sprintf(format, args...)}
}
