package status

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Text writes the status for people, laid out for their screen. The text does not depend on when it is shown.
func (s Status) Text(w io.Writer, on screen.Screen) error {
	p := &printer{on: on}
	s.head(p)
	s.table(p)
	s.rollouts(p)
	s.drift(p)
	s.refusals(p)
	s.deliveries(p)
	s.holds(p)
	s.failures(p)
	p.flush()
	_, err := io.WriteString(w, p.out.String())
	return err
}

// printer writes lines of cells in columns. Each block has its own column widths.
type printer struct {
	on    screen.Screen
	out   strings.Builder
	block []screen.Row
}

// line writes one line of plain cells.
func (p *printer) line(cells ...string) { p.row(screen.Texts(cells...)...) }

// row writes one line.
func (p *printer) row(cells ...screen.Cell) { p.block = append(p.block, cells) }

// begin starts a block. An empty title is left out.
func (p *printer) begin(title string) {
	p.flush()
	p.out.WriteByte('\n')
	if title != "" {
		p.out.WriteString(p.on.Paint(screen.Title, title) + "\n")
	}
}

func (p *printer) flush() {
	p.on.Columns(&p.out, p.block)
	p.block = nil
}

// inks are the colours of the words for sync and health.
var inks = map[string]screen.Ink{
	Synced: screen.Good, OutOfSync: screen.Busy, Unknown: screen.Faint,
	Healthy: screen.Good, Progressing: screen.Busy, Degraded: screen.Bad, Missing: screen.Bad,
}

func word(text string) screen.Cell { return screen.Cell{Text: text, Ink: inks[text]} }

// Short returns a commit's hash as people write it, and any other revision unchanged.
func Short(revision string) string {
	if len(revision) == 40 {
		return revision[:10]
	}
	return revision
}

// When returns a time as people read it, or "-" if it is zero.
func When(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return v1.When(t)
}

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + v1.When(t)
}

func (s Status) head(p *printer) {
	source := s.Source
	if s.Location != "" {
		source = strings.TrimPrefix(source+", "+s.Location, ", ")
	}
	p.line("Source:", cmp.Or(source, "unknown"))
	p.line("Revision:", s.inForce())
	if s.Revision != s.Applied && s.Revision != "" {
		newest := Short(s.Revision) + ", not in force"
		if n := len(s.Problems); n > 0 {
			newest += ": " + v1.Count(n, "problem")
		}
		p.line("Newest:", newest)
	}
	if s.Mode != "" {
		p.line("Mode:", s.Mode)
	}
	if s.Lease != nil {
		p.line("Lease:", s.Lease.text())
	}
	if s.Paused != "" {
		p.row(screen.Cell{Text: "Paused:", Ink: screen.Bad}, screen.Cell{Text: s.Paused})
	}
	for _, c := range s.Conditions {
		if !c.fine() {
			p.row(screen.Cell{Text: "Condition:", Ink: screen.Busy}, screen.Cell{Text: c.text()})
		}
	}
	for _, problem := range s.Problems {
		p.row(screen.Cell{Text: "Problem:", Ink: screen.Bad}, screen.Cell{Text: problem.String()})
	}
	for _, n := range s.Notices {
		p.line("Note:", v1.Scrub(n))
	}
	p.line("Objects:", s.summary())
}

func (s Status) inForce() string {
	if s.Applied == "" {
		return "none in force"
	}
	text := Short(s.Applied) + ", in force"
	if len(s.History) > 0 && s.History[0].Hash == s.Applied {
		text += since(s.History[0].Since)
		if o := s.History[0].Outcome; o != "" {
			text += ", " + o
		}
	}
	return text
}

func (l Lease) text() string {
	switch {
	case l.Held():
		text := fmt.Sprintf("held by %s (epoch %d)", l.Holder, l.Epoch)
		if l.Source != "" {
			text += " for source " + l.Source
		}
		if !l.Renewed.IsZero() {
			text += ", renewed " + v1.When(l.Renewed)
		}
		return text
	case l.Holder != "":
		return fmt.Sprintf("free, last held by %s (epoch %d)", l.Holder, l.Epoch)
	}
	return "free"
}

// fine reports whether the condition needs nobody's attention. InSync and the conditions that end in Ready should be
// true, and all others false.
func (c Condition) fine() bool {
	return c.Reason != Unknown && c.Status == (c.Type == InSync || strings.HasSuffix(c.Type, "Ready"))
}

func (c Condition) text() string {
	text := fmt.Sprintf("%s is %t%s", c.Type, c.Status, since(c.Since))
	for _, more := range []string{c.Reason, c.Message} {
		if more != "" {
			text += ": " + more
		}
	}
	return text
}

// summary counts the objects.
func (s Status) summary() string {
	if len(s.Objects) == 0 {
		return "none"
	}
	count := map[string]int{}
	for _, o := range s.Objects {
		count["sync "+o.Sync]++
		count["health "+o.Health]++
	}
	list := func(about string, words ...string) string {
		var parts []string
		for _, word := range words {
			if n := count[about+word]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, word))
			}
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprintf("%d: %s; %s", len(s.Objects), list("sync ", Synced, OutOfSync, Unknown), list("health ", Healthy, Progressing, Degraded, Missing, Unknown))
}

func (s Status) table(p *printer) {
	if len(s.Objects) == 0 {
		return
	}
	p.begin("")
	p.row(screen.Titles("OBJECT", "SYNC", "HEALTH", "REPLICAS", "MESSAGE")...)
	for _, o := range s.Objects {
		p.row(screen.Cell{Text: o.Object.String()}, word(o.Sync), word(o.Health), screen.Cell{Text: o.Replicas.text()}, screen.Cell{Text: o.message()})
	}
}

func (r *Replicas) text() string {
	if r == nil {
		return "-"
	}
	text := fmt.Sprintf("%d/%d", r.Running, r.Wanted)
	switch {
	case r.Old == 1:
		text += " (1 of the old spec runs)"
	case r.Old > 1:
		text += fmt.Sprintf(" (%d of the old spec run)", r.Old)
	}
	return text
}

// message says each thing once: the reason for a refusal often repeats why the object failed.
func (o Object) message() string {
	switch {
	case o.HealthWhy == "":
		return o.SyncWhy
	case o.SyncWhy == "" || strings.Contains(o.SyncWhy, o.HealthWhy):
		return o.HealthWhy
	}
	return o.HealthWhy + "; " + o.SyncWhy
}

func (s Status) rollouts(p *printer) {
	if len(s.Rollouts) == 0 {
		return
	}
	p.begin("Roll-outs")
	for _, r := range s.Rollouts {
		at := ""
		if !r.Since.IsZero() {
			at = v1.When(r.Since)
		}
		p.line("  "+r.Object.String(), r.State, r.Replicas.text(), at, r.Why)
	}
}

// drift shows changes by hand under one heading and changes in git under another. A field that was changed both by hand
// and in git is under both.
func (s Status) drift(p *printer) {
	for _, part := range []struct{ by, title string }{
		{"hand", "Changed by hand (in the swarm → in git)"}, {"git", "Changed in git (in the swarm → in git)"},
	} {
		begun := false
		for _, c := range s.Drift {
			lines := c.lines(part.by)
			if lines == nil {
				continue
			}
			if !begun {
				p.begin(part.title)
				begun = true
			}
			for _, l := range lines {
				p.line(l...)
			}
		}
	}
}

// lines returns the change's heading and its fields. It returns nil if that doer changed nothing.
func (c Change) lines(doer string) [][]string {
	if c.Operation == "none" || c.By != doer && c.By != "both" {
		return nil
	}
	heading := fmt.Sprintf("  %s %s%s", c.Operation, c.Object, bracket(c.Instance))
	if doer == "hand" {
		heading += since(c.Since)
	}
	out := [][]string{{heading}}
	if c.Operation == "create" { // all of it is new; diff shows it
		return out
	}
	for _, f := range c.Fields {
		if !f.Ignored && (f.By == doer || f.By == "both") {
			out = append(out, []string{"    " + f.Path, diff.Arrow(f.Have, f.Want, diff.Value.String)})
		}
	}
	return out
}

func bracket(instance string) string {
	if instance == "" {
		return ""
	}
	return " [" + instance + "]"
}

func (s Status) refusals(p *printer) {
	for _, part := range []struct {
		title string
		has   func(Refusal) bool
	}{
		{"Waiting for a person", func(r Refusal) bool { return !r.Quiet && r.Class != "later" }},
		{"Waiting for its turn", func(r Refusal) bool { return !r.Quiet && r.Class == "later" }},
		{"Left as it is", func(r Refusal) bool { return r.Quiet }},
	} {
		begun := false
		for _, r := range s.Refused {
			if !part.has(r) {
				continue
			}
			if !begun {
				p.begin(part.title)
				begun = true
			}
			p.line(fmt.Sprintf("  %s %s%s", r.Operation, r.Object, bracket(r.Instance)), r.Guard, r.Class)
			p.long(r.Why)
		}
	}
}

func (s Status) deliveries(p *printer) {
	if len(s.Deliveries) == 0 {
		return
	}
	p.begin("To deliver")
	for _, d := range s.Deliveries {
		p.line("  "+d.What, "to "+d.To, "by "+plan.Delivery{By: d.By}.Instance(), d.Why)
	}
}

// readable is the greatest width of a text that spans several lines.
const readable = 116

// long writes a text that people have to read to the end on lines of its own. Without a width, as in a pipe, it is
// one line.
func (p *printer) long(text string) {
	lines := []string{strings.Join(strings.Fields(text), " ")}
	if p.on.Width > 0 {
		lines = screen.Wrap(text, min(readable, max(p.on.Width-4, 20)))
	}
	for _, line := range lines {
		p.line("    " + line)
	}
}

func (s Status) holds(p *printer) {
	if len(s.Holds) == 0 {
		return
	}
	p.begin("Holds")
	for _, h := range s.Holds {
		p.line("  "+h.Target, v1.Scrub(h.Text()))
	}
}

func (s Status) failures(p *printer) {
	if len(s.Failed) == 0 {
		return
	}
	p.begin("Failed, and not tried again until git changes it")
	for _, f := range s.Failed {
		p.line("  "+f.Object.String(), Short(f.Revision))
		p.long(f.Why)
	}
}
