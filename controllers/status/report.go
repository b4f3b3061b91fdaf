package status

import (
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Condition types.
const (
	SourceReady        = "SourceReady"        // the source can be read and its newest revision has no problem
	EngineReady        = "EngineReady"        // the swarm can be read and, unless observing, written
	InSync             = "InSync"             // nothing differs that counts
	Held               = "Held"               // something waits for a person
	RolloutFailed      = "RolloutFailed"      // a want in force failed
	TasksWaiting       = "TasksWaiting"       // the swarm finds no place for tasks of a service, and starts them when there is one
	StepFailed         = "StepFailed"         // the engine refused a step of the last plan; the others were carried out
	Standby            = "Standby"            // somebody else holds the lease, and this instance has something to do
	Paused             = "Paused"             // nothing is done until a person confirms
	OnHold             = "OnHold"             // somebody put something on hold
	Outdated           = "Outdated"           // the revision is older than the one in force: this instance does not act
	HistoryRewritten   = "HistoryRewritten"   // the revision takes commits of the one before it back: somebody pushed with force
	ManagersReady      = "ManagersReady"      // there are as many managers as are wanted, and all can be reached
	NodesReady         = "NodesReady"         // no node is down or unknown
	KeyNotEscrowed     = "KeyNotEscrowed"     // the unlock key is not yet where the manifest says
	TokensNotDelivered = "TokensNotDelivered" // a join token is not
	VersionSkew        = "VersionSkew"        // the engines of the nodes have different versions
	Contended          = "Contended"          // somebody writes what the operator puts back, again and again, so that it is left alone
	EventsMissing      = "EventsMissing"      // the engine's events cannot be read, so that a change by hand is seen late
	CARotating         = "CARotating"         // the root of the swarm's CA is being replaced, which waits for every node
)

// Condition is one statement about the operator or its source.
type Condition struct {
	Type    string    `json:"type"`
	Status  bool      `json:"status"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since"`
}

// Report is all that the operator says of one source: GET /api/v1/drift is its JSON, and the status, the metrics and what is said
// of readiness are made of it. A run publishes one when it ends, whole; nothing of it changes afterwards, so that it may be read
// while the next run is under way.
type Report struct {
	// Sequence grows with each report that the process publishes. 0: none was published yet.
	Sequence uint64 `json:"sequence"`
	Location string `json:"location"`
	Mode     string `json:"mode"`
	Found
	// At is when the last plan was made.
	At         time.Time   `json:"at"`
	Conditions []Condition `json:"conditions"`
	// Drift are the objects that differ, and after them those that lately did.
	Drift   []Drift        `json:"drift"`
	Refused []plan.Refusal `json:"refused,omitempty"`
	// Lease says who may act; nil: it is not known. Holds are those in force that concern the source.
	Lease *Lease      `json:"lease,omitempty"`
	Holds []plan.Hold `json:"holds,omitempty"`
	// Paused says why nothing is done until a person confirms.
	Paused string `json:"paused,omitempty"`

	objects map[string]int // that the source states, by kind
	planned map[did]int    // steps of the last plan
}

// did is what a step does to what kind of object.
type did struct {
	kind string
	op   diff.Op
}

// Is returns a condition and whether it is true; false if nobody has said anything of it.
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

// with returns conditions of which one is set, and reports whether that changes what is said.
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

// Drift is one object that differs from git, or did.
type Drift struct {
	Object    v1.Key    `json:"object"`
	Operation diff.Op   `json:"operation"`
	Fields    []Field   `json:"fields,omitempty"`
	By        string    `json:"by"`
	Since     time.Time `json:"since"`
	// Done says what came of it: "", repaired, updated, created, removed, held, reported, error, gone.
	Done   string     `json:"done,omitempty"`
	Why    string     `json:"why,omitempty"`
	DoneAt *time.Time `json:"doneAt,omitempty"`
	Open   bool       `json:"open"`
}

// Field is one difference with both values.
type Field struct {
	Path    string     `json:"path"`
	Have    diff.Value `json:"have"`
	Want    diff.Value `json:"want"`
	By      string     `json:"by"`
	Ignored bool       `json:"ignored,omitempty"`
}

// recent is how many closed differences the report keeps.
const recent = 100
