// Package status is what the operator says of itself: conditions, the drift report, events in the log, and metrics.
// It shows no secret: values reach it only in the form that prints itself.
package status

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"

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

// Report is the drift report.
type Report struct {
	// Source is the name that owns the objects, Location where its manifests come from.
	Source   string `json:"source"`
	Location string `json:"location"`
	Mode     string `json:"mode"`
	// Revision is the newest seen, Applied the one in force.
	Revision   string      `json:"revision"`
	Applied    string      `json:"applied"`
	At         time.Time   `json:"at"`
	Conditions []Condition `json:"conditions"`
	// Problems of the newest revision: while there are any it is not in force.
	Problems []v1.Problem `json:"problems,omitempty"`
	// Drift are the objects that differ, and after them those that lately did.
	Drift   []Drift        `json:"drift"`
	Refused []plan.Refusal `json:"refused,omitempty"`
	Notices []string       `json:"notices,omitempty"`
	// Lease says who may act; nil: it is not known. Holds are those in force that concern the source.
	Lease *Lease      `json:"lease,omitempty"`
	Holds []plan.Hold `json:"holds,omitempty"`
	// Paused says why nothing is done until a person confirms.
	Paused string `json:"paused,omitempty"`
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

// Board collects what happens and answers for it. It is safe for use from several goroutines.
type Board struct {
	log     logr.Logger
	metrics *Metrics
	now     func() time.Time

	mu     sync.Mutex
	report Report
	open   map[id]*Drift
	closed []Drift
}

type id struct {
	key      v1.Key
	instance string
	removal  bool
}

func idOf(key v1.Key, instance string, op diff.Op) id { return id{key, instance, op == diff.Remove} }

// NewBoard makes a board.
func NewBoard(location, mode string, m *Metrics, log logr.Logger, now func() time.Time) *Board {
	return &Board{log: log, metrics: m, now: now, report: Report{Location: location, Mode: mode}, open: map[id]*Drift{}}
}

// Report returns a copy of the report.
func (b *Board) Report() Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.report
	r.Conditions = slices.Clone(r.Conditions)
	r.Drift = make([]Drift, 0, len(b.open)+len(b.closed))
	for _, d := range b.open {
		r.Drift = append(r.Drift, *d)
	}
	slices.SortFunc(r.Drift, func(a, b Drift) int {
		return cmp.Or(a.Object.Compare(b.Object), cmp.Compare(a.Operation, b.Operation))
	})
	closed := slices.Clone(b.closed)
	slices.Reverse(closed) // newest first
	r.Drift = append(r.Drift, closed...)
	return r
}

// Set sets a condition and logs it where it changes.
func (b *Board) Set(kind string, status bool, reason, message string) {
	message = v1.Scrub(message)
	b.mu.Lock()
	defer b.mu.Unlock()
	value := 0.0
	if status {
		value = 1
	}
	b.metrics.condition.WithLabelValues(kind).Set(value)
	i := slices.IndexFunc(b.report.Conditions, func(c Condition) bool { return c.Type == kind })
	first := i < 0
	if first {
		b.report.Conditions = append(b.report.Conditions, Condition{Type: kind, Since: b.now()})
		i = len(b.report.Conditions) - 1
	} else if old := b.report.Conditions[i]; old.Status == status && old.Reason == reason && old.Message == message {
		return
	}
	c := &b.report.Conditions[i]
	if c.Status != status {
		c.Since = b.now()
	}
	c.Status, c.Reason, c.Message = status, reason, message
	if first && c.fine() {
		return // no news: at start most conditions are as they should be
	}
	b.log.Info("condition", "type", kind, "status", status, "reason", reason, "message", message)
}

// Is returns a condition's status; false where it was never set.
func (b *Board) Is(kind string) (Condition, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.report.Conditions, func(c Condition) bool { return c.Type == kind })
	if i < 0 {
		return Condition{Type: kind}, false
	}
	return b.report.Conditions[i], b.report.Conditions[i].Status
}

func (b *Board) has(kind string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.report.Conditions, func(c Condition) bool { return c.Type == kind })
}

// Revisions notes which revision was seen and which is in force, and the problems that tell them apart.
func (b *Board) Revisions(source, attempted, applied string, problems []v1.Problem, notices []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report.Source = source
	b.metrics.Source(source)
	b.report.Revision, b.report.Applied, b.report.Problems, b.report.Notices = attempted, applied, problems, notices
	b.metrics.setRevision("attempted", attempted)
	b.metrics.setRevision("applied", applied)
}

// Planned notes what differs and what the plan makes of it.
func (b *Board) Planned(changes []diff.Change, p plan.Plan, objects map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.report.At, b.report.Refused = now, p.Refused
	b.metrics.drift.Reset()
	b.metrics.planned.Reset()
	b.metrics.refused.Reset()
	b.metrics.objects.Reset()
	for kind, n := range objects {
		b.metrics.objects.WithLabelValues(kind).Set(float64(n))
	}
	seen := map[id]bool{}
	for _, c := range changes {
		if c.Op == diff.Same && len(c.Fields) == 0 {
			continue
		}
		at := idOf(c.Key, c.Instance, c.Op)
		seen[at] = true
		d := b.open[at]
		if d == nil {
			d = &Drift{Object: c.Key, Since: now, Open: true}
			b.open[at] = d
		}
		b.describe(d, c)
		b.metrics.drift.WithLabelValues(c.Key.Kind, c.Op.Word(), d.By).Inc()
	}
	for _, s := range p.Steps {
		b.metrics.planned.WithLabelValues(s.Key.Kind, s.Op.Word()).Inc()
	}
	b.refused(p)
	for at, d := range b.open {
		if !seen[at] {
			b.close(at, d, "gone", "")
		}
	}
}

// refused notes what is left alone of each object, and why. Several guards may each have left some of its fields alone.
func (b *Board) refused(p plan.Plan) {
	last := map[id]plan.Refusal{}
	for _, r := range p.Refused {
		b.metrics.refused.WithLabelValues(r.Guard, r.Class.String()).Inc()
		at := idOf(r.Key, r.Instance, r.Op)
		before, more := last[at]
		if more {
			r.Why = before.Why + "; " + r.Why
		}
		if more && r.Reported() {
			r.Guard, r.Class = before.Guard, before.Class
		}
		last[at] = r
	}
	for at, d := range b.open {
		r, is := last[at]
		done := map[bool]string{true: "reported", false: "held"}[r.Reported()]
		if is && (d.Done != done || d.Why != r.Why) {
			d.Done, d.Why = done, r.Why
			b.log.Info("held", "object", r.Key.String(), "guard", r.Guard, "class", r.Class.String(), "why", r.Why)
		}
	}
}

// describe fills in a difference and logs it when it is new or has changed.
func (b *Board) describe(d *Drift, c diff.Change) {
	fields := make([]Field, 0, len(c.Fields))
	git, hand := c.Doing()
	for _, f := range c.Fields {
		fields = append(fields, Field{Path: f.Path, Have: f.Have, Want: f.Want, By: by(f.Git, f.Hand), Ignored: f.Ignored})
	}
	if slices.Equal(d.Fields, fields) && d.Operation == c.Op {
		return
	}
	d.Operation, d.Fields, d.By, d.Done, d.Why = c.Op, fields, by(git, hand), "", ""
	if c.Removed() {
		b.log.Info("drift", "object", d.Object.String(), "removed", true)
	} else if hand {
		paths := make([]string, 0, len(fields))
		for _, f := range fields {
			if f.By != "git" {
				paths = append(paths, f.Path)
			}
		}
		b.log.Info("drift", "object", d.Object.String(), "fields", paths)
	}
}

func by(git, hand bool) string {
	switch {
	case git && hand:
		return "both"
	case hand:
		return "hand"
	default:
		return "git"
	}
}

// Did notes how a step ended. epoch is that of the lease under which it was taken; zero: under none.
func (b *Board) Did(s plan.Step, epoch uint64, err error, stale bool, warnings []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	log := b.log
	if epoch != 0 {
		log = log.WithValues("epoch", epoch)
	}
	b.metrics.step(s.Key.Kind, s.Op, err, stale)
	if stale {
		log.Info("somebody else wrote first; planning again", "operation", s.Op.Word(), "object", s.Key.String())
		return
	}
	for _, w := range warnings {
		log.Info("warning", "object", s.Key.String(), "warning", w)
	}
	at := idOf(s.Key, s.Instance, s.Op)
	d := b.open[at]
	if err != nil {
		log.Error(err, "step failed", "operation", s.Op.Word(), "object", s.Key.String(), "cause", s.Cause)
		if d != nil {
			d.Done, d.Why = "error", v1.Scrub(err.Error())
		}
		return
	}
	if len(s.Notes) > 0 {
		log = log.WithValues("notes", v1.Scrub(strings.Join(s.Notes, "; ")))
	}
	log.Info("done", "operation", s.Op.Word(), "object", s.Key.String(), "instance", s.Instance, "cause", s.Cause)
	done := map[diff.Op]string{diff.Create: "created", diff.Update: "updated", diff.Remove: "removed", diff.Replace: "replaced"}[s.Op]
	if d == nil {
		return
	}
	if (s.Op == diff.Update || s.Op == diff.Create) && d.By == "hand" {
		done = "repaired"
		b.metrics.repairs.Inc()
	}
	b.close(at, d, done, s.Cause)
}

func (b *Board) close(at id, d *Drift, done, why string) {
	now := b.now()
	d.Open, d.Done, d.Why, d.DoneAt = false, done, why, &now
	delete(b.open, at)
	b.closed = append(b.closed, *d)
	if len(b.closed) > recent {
		b.closed = slices.Delete(b.closed, 0, len(b.closed)-recent)
	}
}
