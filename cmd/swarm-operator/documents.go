package main

import (
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
	"github.com/swarm-operator/swarm-operator/redact"
)

// The documents that commands print with -o json are here and in controllers/status. Where the same thing is in two of
// them it has one name. docs/reference/json.md is made of the types and their comments.

// validated is what validate has found.
type validated struct {
	// Source is the name of the source.
	Source string `json:"source"`
	// Revision is the revision that was read.
	Revision string `json:"revision"`
	// Objects are the objects that the manifests state.
	Objects []statedObject `json:"objects"`
	// Problems are what is wrong. The manifests are valid if there is none.
	Problems []v1.Problem `json:"problems"`
	// Notices point at what is valid and probably a mistake.
	Notices []string `json:"notices,omitempty"`
}

// statedObject is an object with the place of its manifest.
type statedObject struct {
	// Object is the object's name.
	Object v1.Key `json:"object"`
	// File is the file with the manifest.
	File string `json:"file"`
	// Line is the line at which the manifest begins.
	Line int `json:"line"`
}

func validation(source string, commit git.Commit, set manifests.Set, problems []v1.Problem) validated {
	v := validated{Source: source, Revision: commit.Hash, Objects: []statedObject{}, Problems: append([]v1.Problem{}, problems...)}
	for _, e := range set.Entries {
		v.Objects = append(v.Objects, statedObject{e.Key(), e.File, e.Line})
	}
	for _, n := range set.Notices {
		v.Notices = append(v.Notices, v1.Scrub(n.String()))
	}
	return v
}

// planOf returns the document of diff.
func planOf(run *reconciler.Run, known *redact.Known) status.Plan {
	p := status.PlanOf(told(known, run.Plan))
	p.Source, p.Revision, p.Notices = run.Source, run.InForce.Hash, status.Notices(shown(known, run.Notices))
	p.InSync, p.Summary = run.InSync(), summary(run)
	if !run.Usable() {
		p.Revision, p.Problems, p.InSync, p.Summary = run.Attempted.Hash, run.Problems, false, ""
	}
	return p
}

// applied is what apply did, and what is left to do.
type applied struct {
	status.Plan
	// Outcome is done if every step was taken, and rolled-out if --wait has also seen that everything is ready. It is
	// held if what is left waits for a person, failed if something failed, refused if the revision has problems, and
	// unfinished otherwise.
	Outcome string `json:"outcome"`
	// Done are the steps that were done.
	Done []status.Taken `json:"done"`
	// StepsFailed are the steps that the engine refused.
	StepsFailed []status.Taken `json:"stepsFailed,omitempty"`
	// Delivered are the tokens and keys that went to sinks.
	Delivered []status.Delivery `json:"delivered,omitempty"`
	// Failed are the objects whose new spec the swarm tried and gave up. Only --wait looks for them.
	Failed []status.Failure `json:"failed,omitempty"`
}

// allDone is the outcome of apply if it took every step and did not look what came of them.
const allDone = "done"

// chronicle is the history of a source.
type chronicle struct {
	// Source is the name of the source.
	Source string `json:"source"`
	// InForce is the revision in force.
	InForce string `json:"inForce,omitempty"`
	// History are the revisions that were in force, the newest first. If a newer revision was refused, it comes before
	// them.
	History []status.Revision `json:"history"`
}

// chronicleOf returns the history that a memory has.
func chronicleOf(source string, m state.Memory) chronicle {
	history := append([]status.Revision{}, status.Outcomes(report.Revisions(m.History), m.InForce.Hash)...)
	if m.Refused != nil {
		refused := report.RevisionOf(*m.Refused)
		if refused.Outcome == "" {
			refused.Outcome = state.Refused
		}
		history = slices.Insert(history, 0, refused)
	}
	return chronicle{Source: source, InForce: m.InForce.Hash, History: history}
}

// waited is what wait has seen.
type waited struct {
	// Source is the name of the source. It is absent if the swarm does not know the source.
	Source string `json:"source,omitempty"`
	// Revision is the revision that was waited for.
	Revision string `json:"revision"`
	// Outcome is rolled-out, failed, held, refused, superseded or unfinished.
	Outcome string `json:"outcome"`
	// Message says the same as a sentence.
	Message string `json:"message"`
	// InForce is the revision in force.
	InForce string `json:"inForce,omitempty"`
}

// acted is what hold, resume, confirm, approve, retry or unmanage did.
type acted struct {
	// Source is the name of the source.
	Source string `json:"source,omitempty"`
	// Revision is the revision that approve has agreed for.
	Revision string `json:"revision,omitempty"`
	// Until is when that consent ends. It is absent if the consent counts until nothing differs any more.
	Until time.Time `json:"until,omitzero"`
	// Holds are the holds that hold has begun, or that resume has ended.
	Holds []plan.Hold `json:"holds,omitempty"`
	// Consents are what approve has agreed to.
	Consents []consented `json:"consents,omitempty"`
	// Objects are those that are now unmanaged, were taken back, or may be tried again.
	Objects []actedOn `json:"objects,omitempty"`
	// Messages are what is otherwise printed as text.
	Messages []string `json:"messages"`
	// Notices are remarks for people. They change nothing.
	Notices []string `json:"notices,omitempty"`
}

// consented is a consent.
type consented struct {
	// Hazard is the harm that is agreed to.
	Hazard string `json:"hazard"`
	// Objects are those that the consent is limited to. Without them it is for all.
	Objects []v1.Key `json:"objects,omitempty"`
}

// actedOn is an object that a command was about.
type actedOn struct {
	// Object is the object's name.
	Object v1.Key `json:"object"`
	// Why says why the object had failed.
	Why string `json:"why,omitempty"`
}

// healthy is what an operator says of its health.
type healthy struct {
	// Operator is the address that was asked.
	Operator string `json:"operator"`
	// Ready is true if health asked whether the operator can do its job, and false if it asked only whether it works.
	Ready bool `json:"ready"`
	// OK is true if the operator says yes.
	OK bool `json:"ok"`
	// Message is the operator's answer, or why there is none.
	Message string `json:"message"`
}

// about describes this program.
type about struct {
	// Version is the version of this program.
	Version string `json:"version"`
	// Go is the version of Go that compiled it.
	Go string `json:"go"`
	// OS is the operating system that it is for.
	OS string `json:"os"`
	// Arch is the processor that it is for.
	Arch string `json:"arch"`
	// APIVersion is the version of the manifests that it reads.
	APIVersion string `json:"apiVersion"`
}
