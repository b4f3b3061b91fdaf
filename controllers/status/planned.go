package status

import (
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Plan is what diff shows of one revision, and what apply shows of what is left to do. It holds only texts that show
// no secret.
type Plan struct {
	// Source is the name of the source.
	Source string `json:"source"`
	// Revision is the revision that the plan is about.
	Revision string `json:"revision"`
	// InSync is true if nothing differs that counts.
	InSync bool `json:"inSync"`
	// Summary says in one line what would happen.
	Summary string `json:"summary,omitempty"`
	// Problems are those of the revision. If it is refused because of them, there is no plan.
	Problems []v1.Problem `json:"problems,omitempty"`
	// Notices are remarks for people. They change nothing.
	Notices []string `json:"notices,omitempty"`
	// Steps are what would be done, in order.
	Steps []Step `json:"steps"`
	// Refused are the differences that the operator leaves alone.
	Refused []Refusal `json:"refused"`
	// Adopted are the objects that the source takes over.
	Adopted []Adoption `json:"adopted,omitempty"`
	// Deliveries are the tokens and keys that go to sinks.
	Deliveries []Delivery `json:"deliveries,omitempty"`
	// Kept are objects that stay although their manifest is gone or their version is old, because services still
	// refer to them.
	Kept []Kept `json:"kept,omitempty"`
}

// Kept is an object, or a version of one, that stays because services still refer to it.
type Kept struct {
	// Object is the object that stays.
	Object v1.Key `json:"object"`
	// Instance is the object's name in the swarm. It is empty if that is the name in the manifest.
	Instance string `json:"instance,omitempty"`
}

// Step is one thing to do.
type Step struct {
	// ID is the number of the step in the plan.
	ID int `json:"id"`
	// Object is the object that the step is about.
	Object v1.Key `json:"object"`
	// Instance is the object's name in the swarm. It is empty if that is the name in the manifest.
	Instance string `json:"instance,omitempty"`
	// Operation is create, update, replace or remove.
	Operation string `json:"operation"`
	// Cause says why the step is taken.
	Cause string `json:"cause"`
	// Effect is the most that the step costs: in place, restarts tasks, runs the job again or recreates. It is none
	// if it costs nothing.
	Effect string `json:"effect"`
	// Notes are what people should know before the step is taken.
	Notes []string `json:"notes,omitempty"`
	// Hazards are the harms of the step that somebody has agreed to.
	Hazards []string `json:"hazards,omitempty"`
	// After are the steps that come first, by their id.
	After []int `json:"after,omitempty"`
	// Fields are the fields that the step writes.
	Fields []Field `json:"fields,omitempty"`
}

// Adoption is an object that equals its manifest and that the source takes over. Nothing is written to the object.
type Adoption struct {
	// Object is the object.
	Object v1.Key `json:"object"`
	// Notes are what people should know before the object is taken over.
	Notes []string `json:"notes,omitempty"`
}

// Delivery is a token or a key that goes to a sink.
type Delivery struct {
	// What is worker-token, manager-token or unlock-key.
	What string `json:"what"`
	// To is the name of a sink, which the operator's configuration defines.
	To string `json:"to"`
	// By is the instance that delivers. It is absent if that is whichever acts.
	By string `json:"by,omitempty"`
	// Why says why it is delivered.
	Why string `json:"why,omitempty"`
}

// DeliveriesOf returns deliveries in a form that may be shown.
func DeliveriesOf(all []plan.Delivery) []Delivery {
	var out []Delivery
	for _, d := range all {
		out = append(out, Delivery{What: d.What, To: d.To, By: v1.Scrub(d.By), Why: v1.Scrub(d.Why)})
	}
	return out
}

// Taken is a step that apply has taken.
type Taken struct {
	// Object is the object that the step was about.
	Object v1.Key `json:"object"`
	// Instance is the object's name in the swarm. It is empty if that is the name in the manifest.
	Instance string `json:"instance,omitempty"`
	// Operation is create, update, replace or remove.
	Operation string `json:"operation"`
	// Why says why the engine refused the step. It is empty if the step was done.
	Why string `json:"why,omitempty"`
	// Warnings are what the engine warned of.
	Warnings []string `json:"warnings,omitempty"`
}

// PlanOf returns a plan in a form that may be shown to somebody who has the source's tree.
func PlanOf(p plan.Plan) Plan {
	out := Plan{InSync: p.InSync(), Summary: p.Summary(), Steps: []Step{}, Refused: append([]Refusal{}, refusals(p.Refused, diff.Value.InGit)...), Deliveries: DeliveriesOf(p.Deliveries)}
	for _, s := range p.Steps {
		shown := Step{
			ID: s.ID, Object: s.Key, Instance: instance(s.Instance, s.Key), Operation: s.Op.Word(), Cause: v1.Scrub(s.Cause), Effect: s.Effect.String(),
			Notes: Notices(s.Notes), After: s.After, Fields: fields(s.Fields, diff.Value.InGit),
		}
		for _, h := range s.Hazards {
			shown.Hazards = append(shown.Hazards, string(h))
		}
		out.Steps = append(out.Steps, shown)
	}
	for _, k := range p.Kept {
		out.Kept = append(out.Kept, Kept{Object: k.Key, Instance: instance(k.Instance, k.Key)})
	}
	for _, a := range p.Adopted {
		out.Adopted = append(out.Adopted, Adoption{Object: a.Key, Notes: Notices(a.Notes)})
	}
	return out
}

// TakenOf returns a step that has ended, in a form that may be shown. err is why the engine refused it, or nil.
func TakenOf(s plan.Step, err error, warnings []string) Taken {
	out := Taken{Object: s.Key, Instance: instance(s.Instance, s.Key), Operation: s.Op.Word(), Warnings: Notices(warnings)}
	if err != nil {
		out.Why = v1.Scrub(err.Error())
	}
	return out
}
