package status

import (
	"slices"
	"time"

	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Condition types. Each comment says what true means.
const (
	SourceReady        = "SourceReady"        // the source can be read, and its newest revision has no problem
	EngineReady        = "EngineReady"        // the swarm can be read and, except in observe mode, written
	InSync             = "InSync"             // no difference counts
	Held               = "Held"               // something waits for a person
	RolloutFailed      = "RolloutFailed"      // a want in force failed
	TasksWaiting       = "TasksWaiting"       // the swarm finds no place for tasks of a service yet
	StepFailed         = "StepFailed"         // the engine refused a step of the last plan, and the others were done
	Standby            = "Standby"            // another instance holds the lease, and this one has something to do
	Paused             = "Paused"             // the operator does nothing until a person confirms
	OnHold             = "OnHold"             // somebody put something on hold
	Outdated           = "Outdated"           // the revision is older than the one in force: this instance does not act
	HistoryRewritten   = "HistoryRewritten"   // the revision drops commits of the one before: a push with force
	ManagersReady      = "ManagersReady"      // there are as many managers as are wanted, and all can be reached
	NodesReady         = "NodesReady"         // no node is down or unknown
	KeyNotEscrowed     = "KeyNotEscrowed"     // the unlock key is not yet where the manifest says
	TokensNotDelivered = "TokensNotDelivered" // a join token is not yet where the manifest says
	SecretsNotCompared = "SecretsNotCompared" // the content of a secret cannot be compared, so what git says of it is not done
	PromotionWaits     = "PromotionWaits"     // a node waits for a person before it becomes a manager, and no manager may be lost
	VersionSkew        = "VersionSkew"        // the nodes run different versions of the engine
	Contended          = "Contended"          // the operator leaves alone what somebody keeps overwriting
	EventsMissing      = "EventsMissing"      // the engine's events cannot be read, so a change by hand is seen late
	CARotating         = "CARotating"         // the root of the swarm's CA is being replaced, on every node

	// ConfigurationRefused is true if the config file has changed and cannot be used; the operator goes on with what it had.
	ConfigurationRefused = "ConfigurationRefused"

	// AuditLogFailed is true if lines of the audit log could not be written; the operator goes on, and its log has them.
	AuditLogFailed = "AuditLogFailed"
)

// Reasons that are set or looked at in more than one place. All others are for people alone.
const (
	SourceUnavailable = "SourceUnavailable" // the source cannot be read
	NoQuorum          = "NoQuorum"          // the managers have no majority
	NoManager         = "NoManager"         // none of the engines that manifests state can be used
)

// Condition is one statement about the operator or its source.
type Condition struct {
	// Type is the name of the condition.
	Type string `json:"type"`
	// Status is true if the condition holds.
	Status bool `json:"status"`
	// Reason says in one word why. It is Unknown if nobody could tell.
	Reason string `json:"reason,omitempty"`
	// Message says why, in the words of whoever knows.
	Message string `json:"message,omitempty"`
	// Since is since when the status is as it is.
	Since time.Time `json:"since"`
}

// Report is everything that the operator says about one source. GET /api/v1/drift returns it as JSON; the status, the
// metrics and the readiness answer are made from it. A run publishes one report when it ends. Nothing in it changes
// afterwards, so it may be read while the next run is under way.
type Report struct {
	// Sequence grows with each report that the process publishes. It is 0 if none was published yet.
	Sequence uint64 `json:"sequence"`
	// Location is where the manifests come from.
	Location string `json:"location"`
	// Mode is enforce or observe.
	Mode string `json:"mode"`
	Found
	// At is when the last plan was made.
	At time.Time `json:"at"`
	// Conditions are what the operator says about itself and its source.
	Conditions []Condition `json:"conditions"`
	// Drift are the objects that differ, followed by those that differed lately.
	Drift []Drift `json:"drift"`
	// Refused are the differences that the operator leaves alone.
	Refused []Refusal `json:"refused,omitempty"`
	// Lease says who may act. It is absent if that is not known.
	Lease *Lease `json:"lease,omitempty"`
	// Holds are the holds in force that concern the source.
	Holds []plan.Hold `json:"holds,omitempty"`
	// Paused says why the operator does nothing until a person confirms. It is empty if the operator is not paused.
	Paused string `json:"paused,omitempty"`

	objects map[string]int // objects that the source states, by kind
	planned map[did]int    // steps of the last plan
}

// did is an operation on a kind of object.
type did struct {
	kind string
	op   diff.Op
}

// Is returns a condition and whether it is true. An unset condition is false, and has only its type.
func (r *Report) Is(kind string) (Condition, bool) {
	c, _ := conditionOf(r.Conditions, kind)
	return c, c.Status
}

func conditionOf(all []Condition, kind string) (c Condition, said bool) {
	if i := slices.IndexFunc(all, func(c Condition) bool { return c.Type == kind }); i >= 0 {
		return all[i], true
	}
	return Condition{Type: kind}, false
}

// with returns the conditions with one of them set. changed reports whether that made a difference.
func with(all []Condition, set Condition, now time.Time) (out []Condition, changed bool) {
	i := slices.IndexFunc(all, func(c Condition) bool { return c.Type == set.Type })
	set.Since = now
	if i < 0 {
		return append(slices.Clone(all), set), true
	}
	old := all[i]
	if old.Status == set.Status {
		set.Since = old.Since
	}
	if old == set {
		return all, false
	}
	out = slices.Clone(all)
	out[i] = set
	return out, true
}

// recent is how many closed differences a report keeps.
const recent = 100
