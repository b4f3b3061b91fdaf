// Package status is what the operator says of itself: the report of a run, the status made from it, events in the
// log, and metrics. It shows no secret: it gets values as diff.Value, which prints "(hidden)" instead of a secret.
package status

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Board collects what happens in a run and publishes it when the run ends. A reader sees the report published last,
// never part of a run under way. Several goroutines may use it, but only one run at a time may write to it.
type Board struct {
	log       logr.Logger
	metrics   *Metrics
	now       func() time.Time
	published atomic.Pointer[Report]

	mu       sync.Mutex
	sequence uint64
	draft    Report // of the run under way; its Drift is in open and closed
	open     map[id]*Drift
	closed   []Drift
}

type id struct {
	key      v1.Key
	instance string
	removal  bool
}

func idOf(key v1.Key, instance string, op diff.Op) id { return id{key, instance, op == diff.Remove} }

// NewBoard returns a board whose first report is empty except for location and mode.
func NewBoard(location, mode string, m *Metrics, log logr.Logger, now func() time.Time) *Board {
	b := &Board{log: log, metrics: m, now: now, draft: Report{Location: location, Mode: mode}, open: map[id]*Drift{}}
	b.show(b.whole())
	return b
}

// Named sets the name of the source before a run has read it.
func (b *Board) Named(source string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draft.Source = source
	b.show(b.whole())
}

// Report returns the report published last. The caller must not change it.
func (b *Board) Report() *Report { return b.published.Load() }

// Publish shows what the run that just ended has found and done.
func (b *Board) Publish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publish(b.whole())
}

// Tell sets a condition between runs, or during one, and publishes it at once. The rest of the report stays as the
// last run published it.
func (b *Board) Tell(kind string, status bool, reason, message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(kind, status, reason, message)
	next := *b.published.Load()
	c, _ := conditionOf(b.draft.Conditions, kind)
	conditions, changed := with(next.Conditions, c, c.Since)
	if changed {
		next.Conditions = conditions
		b.publish(next)
	}
}

// whole returns the draft as a report. Everything in it that may change later is copied.
func (b *Board) whole() Report {
	r := b.draft
	r.Drift = make([]Drift, 0, len(b.open)+len(b.closed))
	for _, d := range b.open {
		r.Drift = append(r.Drift, *d)
	}
	slices.SortFunc(r.Drift, func(a, b Drift) int {
		return cmp.Or(a.Object.Compare(b.Object), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Instance, b.Instance))
	})
	for _, d := range slices.Backward(b.closed) { // newest first
		r.Drift = append(r.Drift, d)
	}
	return r
}

func (b *Board) publish(r Report) {
	b.sequence++
	r.Sequence = b.sequence
	b.show(r)
}

func (b *Board) show(r Report) {
	b.published.Store(&r)
	b.metrics.report.Store(&r)
}

// Set sets a condition in the run under way, and logs it if it changes.
func (b *Board) Set(kind string, status bool, reason, message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(kind, status, reason, message)
}

func (b *Board) set(kind string, status bool, reason, message string) {
	c := Condition{Type: kind, Status: status, Reason: reason, Message: v1.Scrub(message)}
	_, said := conditionOf(b.draft.Conditions, kind)
	next, changed := with(b.draft.Conditions, c, b.now())
	b.draft.Conditions = next
	if !changed || !said && c.fine() { // no news: at start most conditions are as they should be
		return
	}
	b.log.Info("condition changed", "type", kind, "status", status, "reason", reason, "message", c.Message)
}

// Said returns a condition as the run under way knows it. said is false if nobody has set it.
func (b *Board) Said(kind string) (c Condition, said bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return conditionOf(b.draft.Conditions, kind)
}

// Found notes what a run has found. The caller must not change any of it afterwards.
func (b *Board) Found(f Found) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draft.Found = f
}

// Planned notes the differences, and what the plan does about each of them.
func (b *Board) Planned(changes []diff.Change, p plan.Plan, objects map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.draft.At, b.draft.Refused, b.draft.objects, b.draft.planned = now, Refusals(p.Refused), objects, map[did]int{}
	seen := map[id]bool{}
	for _, c := range changes {
		if c.Op == diff.Same && len(c.Fields) == 0 {
			continue
		}
		at := idOf(c.Key, c.Instance, c.Op)
		seen[at] = true
		d := b.open[at]
		if d == nil {
			d = &Drift{Change: Change{Object: c.Key, Since: now}, Open: true}
			b.open[at] = d
		}
		b.describe(d, c)
	}
	for _, s := range p.Steps {
		b.draft.planned[did{s.Key.Kind, s.Op}]++
	}
	b.refused(p)
	for at, d := range b.open {
		if !seen[at] {
			b.close(at, d, "gone", "")
		}
	}
}

// refused notes for each object what is left alone, and why. Several guards may each leave some of its fields alone.
func (b *Board) refused(p plan.Plan) {
	last := map[id]plan.Refusal{}
	for _, r := range p.Refused {
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
			b.log.Info("step refused", "object", r.Key.String(), "guard", r.Guard, "class", r.Class.String(), "why", r.Why)
		}
	}
}

// describe fills in a difference, and logs it if it is new or has changed.
func (b *Board) describe(d *Drift, c diff.Change) {
	next := changeOf(c)
	if slices.Equal(d.Fields, next.Fields) && d.Operation == next.Operation {
		return
	}
	next.Since = d.Since
	d.Change, d.Done, d.Why = next, "", ""
	if c.Removed() {
		b.log.Info("drift detected", "object", d.Object.String(), "removed", true)
	} else if next.By != "git" {
		paths := make([]string, 0, len(next.Fields))
		for _, f := range next.Fields {
			if f.By != "git" {
				paths = append(paths, f.Path)
			}
		}
		b.log.Info("drift detected", "object", d.Object.String(), "fields", paths)
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

// Did notes how a step ended. epoch is that of the lease under which the step was taken. It is 0 if there was no
// lease.
func (b *Board) Did(s plan.Step, epoch uint64, err error, stale bool, warnings []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	log := b.log
	if epoch != 0 {
		log = log.WithValues("epoch", epoch)
	}
	b.metrics.step(s.Key.Kind, s.Op, err, stale)
	if stale {
		if err != nil {
			log = log.WithValues("why", v1.Scrub(err.Error()))
		}
		log.Info("step put off; planning again", "operation", s.Op.Word(), "object", s.Key.String())
		return
	}
	for _, w := range warnings {
		log.Info("engine warned", "object", s.Key.String(), "warning", w)
	}
	at := idOf(s.Key, s.Instance, s.Op)
	d := b.open[at]
	if err != nil {
		if fault, is := errors.AsType[*rescue.Panic](err); is {
			log = log.WithValues("stack", fault.Stack)
		}
		log.Error(err, "step failed", "operation", s.Op.Word(), "object", s.Key.String(), "cause", s.Cause)
		if d != nil {
			d.Done, d.Why = "error", v1.Scrub(err.Error())
		}
		return
	}
	if len(s.Notes) > 0 {
		log = log.WithValues("notes", v1.Scrub(strings.Join(s.Notes, "; ")))
	}
	log.Info("step done", "operation", s.Op.Word(), "object", s.Key.String(), "instance", s.Instance, "cause", s.Cause)
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
