package status

import (
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// These words, which are Argo CD's, say whether an object equals its manifest.
const (
	Synced    = "Synced"
	OutOfSync = "OutOfSync"
	// Unknown means that nobody could tell whether the object is in sync, or whether it is healthy. It is a word for
	// both.
	Unknown = "Unknown"
)

// These words, which are Argo CD's, say how healthy an object is.
const (
	Healthy     = "Healthy"
	Progressing = "Progressing"
	Degraded    = "Degraded"
	Missing     = "Missing"
)

// Status is what the status command and GET /api/v1/status show of one source. It holds only texts that show no
// secret. The command can read it back from its JSON.
type Status struct {
	Head
	// Conditions are what an operator says about itself and its source. It is absent if no operator was asked.
	Conditions []Condition `json:"conditions,omitempty"`
	// Problems are those of the newest revision. A revision that is refused because of them is not in force.
	Problems []v1.Problem `json:"problems,omitempty"`
	// Notices are remarks for people. They change nothing.
	Notices []string `json:"notices,omitempty"`
	Limits
	// Objects are the objects that the source states, and those that it owns.
	Objects []Object `json:"objects"`
	// Rollouts are the services whose tasks are being started or replaced, or whose last update did not succeed.
	Rollouts []Rollout `json:"rollouts,omitempty"`
	// Drift are the objects that differ from git.
	Drift []Change `json:"drift,omitempty"`
	// Refused are the differences that the operator leaves alone.
	Refused []Refusal `json:"refused,omitempty"`
	// Deliveries are the tokens and keys that are still to go to sinks. It is absent if nobody looked.
	Deliveries []Delivery `json:"deliveries,omitempty"`
	// Failed are the wants in force that the swarm tried and gave up.
	Failed []Failure `json:"failed,omitempty"`
	// History are the revisions that were in force, the newest first.
	History []Revision `json:"history,omitempty"`
}

// Limits says who may act on the source, and what stops it.
type Limits struct {
	// Lease says who may act. It is absent if that is not known.
	Lease *Lease `json:"lease,omitempty"`
	// Holds are the holds in force that concern the source.
	Holds []plan.Hold `json:"holds,omitempty"`
	// Paused says why the operator does nothing until a person confirms. It is empty if the operator is not paused.
	Paused string `json:"paused,omitempty"`
}

// Head says what a status is about.
type Head struct {
	// Sequence is that of the report behind this status. It is 0 if that report was not published.
	Sequence uint64 `json:"sequence,omitempty"`
	// Source is the name of the source.
	Source string `json:"source"`
	// Location is where the manifests come from.
	Location string `json:"location,omitempty"`
	// Mode is enforce or observe. It is absent if no operator was asked.
	Mode string `json:"mode,omitempty"`
	// Revision is the newest revision seen.
	Revision string `json:"revision,omitempty"`
	// Applied is the revision in force.
	Applied string `json:"inForce,omitempty"`
	// At is when the operator looked at the swarm.
	At time.Time `json:"at,omitzero"`
}

// Object is one object of the source.
type Object struct {
	// Object is the object's name.
	Object v1.Key `json:"object"`
	// Sync is Synced, OutOfSync or Unknown.
	Sync string `json:"sync"`
	// SyncWhy says why the object differs, or why nothing is done about it.
	SyncWhy string `json:"syncWhy,omitempty"`
	// Health is Healthy, Progressing, Degraded, Missing or Unknown.
	Health string `json:"health"`
	// HealthWhy says why the object is not healthy.
	HealthWhy string `json:"healthWhy,omitempty"`
	// Replicas counts a service's tasks. It is absent if the object has no tasks, or if they could not be looked at.
	Replicas *Replicas `json:"replicas,omitempty"`
}

// Replicas counts tasks.
type Replicas struct {
	// Running counts the tasks that run what is wanted. For a job, it counts those that are complete.
	Running int `json:"running"`
	// Wanted is how many tasks there should be.
	Wanted int `json:"wanted"`
	// Old counts tasks that run with an older spec than the one in force.
	Old int `json:"old,omitempty"`
}

// Rollout is a service whose tasks are being started or replaced, or whose last update did not succeed.
type Rollout struct {
	// Object is the service.
	Object v1.Key `json:"object"`
	// State is the engine's word: updating, paused, rollback_started, rollback_paused or rollback_completed. It is
	// "starting" if the engine reports no update that is under way.
	State string `json:"state"`
	// Since is when the roll-out began.
	Since time.Time `json:"since,omitzero"`
	// Replicas counts the service's tasks.
	Replicas Replicas `json:"replicas"`
	// Why says what the roll-out waits for, or how it failed.
	Why string `json:"why,omitempty"`
}

// Change is an object that differs from git.
type Change struct {
	// Object is the object that differs.
	Object v1.Key `json:"object"`
	// Instance is the object's name in the swarm. It is empty if that is the name in the manifest.
	Instance string `json:"instance,omitempty"`
	// Operation is what makes the object equal again: create, update, replace or remove. It is none if nothing that
	// counts differs.
	Operation string `json:"operation"`
	// By says who made the difference: git, hand or both.
	By string `json:"by"`
	// Since is when the difference was first seen. For a change in git, only the drift report says that.
	Since time.Time `json:"since,omitzero"`
	// Fields are the fields that differ.
	Fields []Field `json:"fields,omitempty"`
}

// Drift is one object that differs from git, or differed lately.
type Drift struct {
	Change
	// Done says what became of the difference: repaired, updated, created, removed, replaced, held, reported, error or
	// gone. It is empty if nothing was done yet.
	Done string `json:"done,omitempty"`
	// Why says why that was done.
	Why string `json:"why,omitempty"`
	// DoneAt is when the difference ended. It is absent if it did not.
	DoneAt *time.Time `json:"doneAt,omitempty"`
	// Open is true while the object differs.
	Open bool `json:"open"`
}

// Field is one field that differs.
type Field struct {
	// Path is the path of the field in the manifest.
	Path string `json:"path"`
	// Have is the value in the swarm. It is null if the swarm does not set the field. What must not be shown of it reads
	// (hidden).
	Have diff.Value `json:"have"`
	// Want is the value in git. It is null if git does not set the field. What must not be shown of it reads (hidden).
	Want diff.Value `json:"want"`
	// By says who made the difference: git, hand or both.
	By string `json:"by"`
	// Effect is what it costs to write the field: in place, restarts tasks, runs the job again, recreates or
	// forbidden. It is none if it costs nothing.
	Effect string `json:"effect"`
	// Ignored is true if policy.ignoreDifferences names the field. It is then neither written nor counted.
	Ignored bool `json:"ignored,omitempty"`
}

// Refusal is a difference that the operator leaves alone.
type Refusal struct {
	// Object is the object that stays as it is.
	Object v1.Key `json:"object"`
	// Instance is the object's name in the swarm. It is empty if that is the name in the manifest.
	Instance string `json:"instance,omitempty"`
	// Operation is what would make the object equal: create, update, replace or remove.
	Operation string `json:"operation"`
	// Guard is the name of the rule that refuses it.
	Guard string `json:"guard"`
	// Class says what ends the refusal: later (it ends by itself), consent (a person must agree) or never (only a
	// change in git or in the swarm ends it).
	Class string `json:"class"`
	// Why says why, and ends with what to do if somebody can do something.
	Why string `json:"why"`
	// Hazard is the harm that a person may agree to. It is empty if consent does not end the refusal.
	Hazard string `json:"hazard,omitempty"`
	// Until is when the refusal ends by itself. It is absent if it does not, or if the time is not known.
	Until time.Time `json:"until,omitzero"`
	// Quiet is true if the refusal is only reported: nothing waits for it, and the exit code of diff does not count it.
	Quiet bool `json:"quiet,omitempty"`
	// Fields are the fields that stay as they are.
	Fields []Field `json:"fields,omitempty"`
}

// Failure is a want that the swarm tried and gave up.
type Failure struct {
	// Object is the object that failed.
	Object v1.Key `json:"object"`
	// Why says how it failed, in the words of the swarm and of its tasks.
	Why string `json:"why"`
	// Began is when the failed roll-out began.
	Began time.Time `json:"began,omitzero"`
	// Revision is the revision in which the failure was first seen.
	Revision string `json:"revision,omitempty"`
}

// Revision is a revision that was in force, with its outcome.
type Revision struct {
	// Hash is the hash of the commit.
	Hash string `json:"hash"`
	// When is when it was committed.
	When time.Time `json:"when,omitzero"`
	// Since is when it came into force. It is absent if it never did.
	Since time.Time `json:"since,omitzero"`
	// Outcome is rolled-out, failed, held, refused, rolling-out or superseded.
	Outcome string `json:"outcome,omitempty"`
	// Why says why it failed, is held, was refused, or is not rolled out yet, and which commits it took back.
	Why string `json:"why,omitempty"`
	// At is when the outcome became known.
	At time.Time `json:"at,omitzero"`
}

// These are the outcomes of revisions for which the memory has none. The memory's own words are in controllers/state.
const (
	RollingOut = "rolling-out" // it is in force, and not everything in it is ready
	Superseded = "superseded"  // a newer revision took its place before its outcome was known
	Unfinished = "unfinished"  // the command ended before the outcome was known
)

// Outcomes returns a history in which every revision has an outcome. The newest revision comes first.
func Outcomes(history []Revision, inForce string) []Revision {
	out := slices.Clone(history)
	for i := range out {
		switch {
		case out[i].Outcome != "":
		case i == 0 && out[i].Hash == inForce:
			out[i].Outcome = RollingOut
		default:
			out[i].Outcome = Superseded
		}
	}
	return out
}

// Changes returns the differences in a form that may be shown. since says when a change by hand was first seen.
func Changes(changes []diff.Change, since map[v1.Key]time.Time) []Change {
	var out []Change
	for _, c := range changes {
		if c.Op == diff.Same && len(c.Fields) == 0 {
			continue
		}
		v := changeOf(c)
		if v.By != "git" {
			v.Since = since[c.Key]
		}
		out = append(out, v)
	}
	return out
}

func changeOf(c diff.Change) Change {
	git, hand := c.Doing()
	return Change{Object: c.Key, Instance: instance(c.Instance, c.Key), Operation: c.Op.Word(), By: by(git, hand), Fields: fields(c.Fields, diff.Value.Public)}
}

// fields returns the fields as a reader may see them: anybody, or somebody who has the source's tree.
func fields(all []diff.Field, reader func(diff.Value) diff.Value) []Field {
	var out []Field
	for _, f := range all {
		out = append(out, Field{Path: f.Path, Have: reader(f.Have), Want: reader(f.Want), By: by(f.Git, f.Hand), Effect: f.Effect.String(), Ignored: f.Ignored})
	}
	return out
}

// instance returns an object's name in the swarm, or "" if the key says it.
func instance(name string, key v1.Key) string {
	if name == key.Name {
		return ""
	}
	return name
}

// Refusals returns the refusals in a form that anybody may see.
func Refusals(refused []plan.Refusal) []Refusal { return refusals(refused, diff.Value.Public) }

func refusals(refused []plan.Refusal, reader func(diff.Value) diff.Value) []Refusal {
	var out []Refusal
	for _, r := range refused {
		out = append(out, Refusal{
			Object: r.Key, Instance: instance(r.Instance, r.Key), Operation: r.Op.Word(), Guard: r.Guard, Class: r.Class.String(),
			Why: v1.Scrub(r.Why), Hazard: string(r.Hazard), Until: r.Until, Quiet: r.Quiet, Fields: fields(r.Fields, reader),
		})
	}
	return out
}

// Failures returns the failures in a form that may be shown.
func Failures(failed []plan.Failure) []Failure {
	var out []Failure
	for _, f := range failed {
		out = append(out, Failure{Object: f.Key, Why: v1.Scrub(f.Why), Began: f.Began, Revision: f.Revision})
	}
	return out
}

// Notices returns the notices without the passwords in their URLs.
func Notices(notices []string) []string {
	var out []string
	for _, n := range notices {
		out = append(out, v1.Scrub(n))
	}
	return out
}
