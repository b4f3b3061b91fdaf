package status

import (
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// How an object compares with its manifest, in Argo CD's words.
const (
	Synced    = "Synced"
	OutOfSync = "OutOfSync"
	// Unknown means that nobody could tell how an object compares, or how it does. It is a word for sync and for
	// health.
	Unknown = "Unknown"
)

// How an object does, in Argo CD's words.
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
	Conditions []Condition  `json:"conditions,omitempty"`
	Problems   []v1.Problem `json:"problems,omitempty"`
	Notices    []string     `json:"notices,omitempty"`
	// Lease says who may act. It is nil if that is not known.
	Lease *Lease `json:"lease,omitempty"`
	// Holds are the holds in force that concern the source.
	Holds []plan.Hold `json:"holds,omitempty"`
	// Paused says why the operator does nothing until a person confirms. It is empty if the operator is not paused.
	Paused   string    `json:"paused,omitempty"`
	Objects  []Object  `json:"objects"`
	Rollouts []Rollout `json:"rollouts,omitempty"`
	Drift    []Change  `json:"drift,omitempty"`
	Refused  []Refusal `json:"refused,omitempty"`
	// Failed are the wants in force that the swarm tried and gave up.
	Failed []Failure `json:"failed,omitempty"`
	// History are the revisions that were in force, the newest first.
	History []Revision `json:"history,omitempty"`
}

// Head says what a status is about.
type Head struct {
	// Sequence is that of the report behind this status. It is 0 if that report was not published.
	Sequence uint64 `json:"sequence,omitempty"`
	Source   string `json:"source"`
	Location string `json:"location,omitempty"`
	Mode     string `json:"mode,omitempty"`
	// Revision is the newest one seen, and Applied the one in force.
	Revision string `json:"revision,omitempty"`
	Applied  string `json:"applied,omitempty"`
	// At is when the operator looked at the swarm.
	At time.Time `json:"at,omitzero"`
}

// Object is one object of the source.
type Object struct {
	Object v1.Key `json:"object"`
	// Sync is Synced, OutOfSync or Unknown.
	Sync    string `json:"sync"`
	SyncWhy string `json:"syncWhy,omitempty"`
	// Health is Healthy, Progressing, Degraded, Missing or Unknown.
	Health    string `json:"health"`
	HealthWhy string `json:"healthWhy,omitempty"`
	// Replicas counts a service's tasks. It is nil if the object has no tasks, or if they could not be looked at.
	Replicas *Replicas `json:"replicas,omitempty"`
}

// Replicas counts tasks. Running are those that run what is wanted; of a job, those that are complete. Wanted is how
// many there should be.
type Replicas struct {
	Running int `json:"running"`
	Wanted  int `json:"wanted"`
	// Old counts tasks that run with an older spec than the one in force.
	Old int `json:"old,omitempty"`
}

// Rollout is a service whose tasks are being started or replaced, or whose last update did not succeed.
type Rollout struct {
	Object v1.Key `json:"object"`
	// State is the engine's word: updating, paused, rollback_started, rollback_paused or rollback_completed. It is
	// "starting" if the engine reports no update that is under way.
	State    string    `json:"state"`
	Since    time.Time `json:"since,omitzero"`
	Replicas Replicas  `json:"replicas"`
	Why      string    `json:"why,omitempty"`
}

// Change is an object that differs from git.
type Change struct {
	Object v1.Key `json:"object"`
	// Instance is the object's name in the swarm. It is empty if that is the name in the manifest.
	Instance  string `json:"instance,omitempty"`
	Operation string `json:"operation"`
	// By is git, hand or both.
	By string `json:"by"`
	// Since is when a change by hand was first seen. It is zero if nobody changed the object by hand.
	Since  time.Time    `json:"since,omitzero"`
	Fields []FieldValue `json:"fields,omitempty"`
}

// FieldValue is one field that differs, with the values of the swarm and of git as they may be shown. A value is nil
// if that side does not set the field.
type FieldValue struct {
	Path    string  `json:"path"`
	Have    *string `json:"have"`
	Want    *string `json:"want"`
	By      string  `json:"by"`
	Ignored bool    `json:"ignored,omitempty"`
}

// Refusal is a difference that the operator leaves alone.
type Refusal struct {
	Object    v1.Key `json:"object"`
	Instance  string `json:"instance,omitempty"`
	Operation string `json:"operation"`
	Guard     string `json:"guard"`
	// Class is later, consent or never.
	Class string `json:"class"`
	// Why says why, and ends with what to do if somebody can do something.
	Why    string    `json:"why"`
	Hazard string    `json:"hazard,omitempty"`
	Until  time.Time `json:"until,omitzero"`
	Quiet  bool      `json:"quiet,omitempty"`
}

// Failure is a want that the swarm tried and gave up.
type Failure struct {
	Object v1.Key `json:"object"`
	Why    string `json:"why"`
	// Began is when the failed roll-out began.
	Began    time.Time `json:"began,omitzero"`
	Revision string    `json:"revision,omitempty"`
}

// Revision is a revision that was in force, with its outcome.
type Revision struct {
	Hash    string    `json:"hash"`
	When    time.Time `json:"when,omitzero"`
	Since   time.Time `json:"since,omitzero"`
	Outcome string    `json:"outcome,omitempty"`
	Why     string    `json:"why,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// Changes returns the differences in a form that may be shown. since says when a change by hand was first seen.
func Changes(changes []diff.Change, since map[v1.Key]time.Time) []Change {
	var out []Change
	for _, c := range changes {
		if c.Op == diff.Same && len(c.Fields) == 0 {
			continue
		}
		v := Change{Object: c.Key, Instance: instance(c.Instance, c.Key), Operation: c.Op.Word()}
		git, hand := c.Doing()
		for _, f := range c.Fields {
			v.Fields = append(v.Fields, FieldValue{Path: f.Path, Have: shown(f.Have), Want: shown(f.Want), By: by(f.Git, f.Hand), Ignored: f.Ignored})
		}
		if v.By = by(git, hand); hand {
			v.Since = since[c.Key]
		}
		out = append(out, v)
	}
	return out
}

// shown returns the text of a value, or nil if the value is not set. A secret value hides itself.
func shown(v diff.Value) *string {
	if !v.Set() {
		return nil
	}
	text := v.String()
	return &text
}

func instance(name string, key v1.Key) string {
	if name == key.Name {
		return ""
	}
	return name
}

// Refusals returns the refusals in a form that may be shown.
func Refusals(refused []plan.Refusal) []Refusal {
	var out []Refusal
	for _, r := range refused {
		out = append(out, Refusal{
			Object: r.Key, Instance: instance(r.Instance, r.Key), Operation: r.Op.Word(), Guard: r.Guard, Class: r.Class.String(),
			Why: v1.Scrub(r.Why), Hazard: string(r.Hazard), Until: r.Until, Quiet: r.Quiet,
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
