package status

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Text renders the status for people. What it shows does not depend on when it is shown.
func (s Status) Text(w io.Writer) error {
	p := &printer{}
	s.head(p)
	s.table(p)
	s.rollouts(p)
	s.drift(p)
	s.refusals(p)
	s.holds(p)
	s.failures(p)
	p.flush()
	_, err := io.WriteString(w, p.out.String())
	return err
}

// printer writes lines of cells in columns. Each block has columns of its own.
type printer struct {
	out   strings.Builder
	block []string
}

// line writes one line. A cell holds no line break and no tab, whoever wrote what is in it.
func (p *printer) line(cells ...string) {
	for i, c := range cells {
		cells[i] = oneLine(c)
	}
	p.block = append(p.block, strings.Join(cells, "\t"))
}

// begin begins a block, with a title where it has one.
func (p *printer) begin(title string) {
	p.flush()
	p.out.WriteByte('\n')
	if title != "" {
		p.out.WriteString(title + "\n")
	}
}

func (p *printer) flush() {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, l := range p.block { // a builder takes everything
		_, _ = io.WriteString(w, l+"\n")
	}
	_ = w.Flush()
	for l := range strings.Lines(b.String()) {
		p.out.WriteString(strings.TrimRight(l, " \n") + "\n")
	}
	p.block = nil
}

// longest is how much of a text one cell shows.
const longest = 160

func oneLine(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		s = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, s)
	}
	if utf8.RuneCountInString(s) > longest {
		s = string([]rune(s)[:longest-1]) + "…"
	}
	return s
}

// short is a revision as people write it.
func short(revision string) string {
	if len(revision) == 40 {
		return revision[:10]
	}
	return revision
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + when(t)
}

func (s Status) head(p *printer) {
	source := s.Source
	if s.Location != "" {
		source = strings.TrimPrefix(source+", "+s.Location, ", ")
	}
	p.line("Source:", cmp.Or(source, "unknown"))
	p.line("Revision:", s.inForce())
	if s.Revision != s.Applied && s.Revision != "" {
		newest := short(s.Revision) + ", not in force"
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
		p.line("Paused:", s.Paused)
	}
	for _, c := range s.Conditions {
		if !c.fine() {
			p.line("Condition:", c.text())
		}
	}
	for _, problem := range s.Problems {
		p.line("Problem:", problem.String())
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
	text := short(s.Applied) + ", in force"
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
			text += ", renewed " + when(l.Renewed)
		}
		return text
	case l.Holder != "":
		return fmt.Sprintf("free, last held by %s (epoch %d)", l.Holder, l.Epoch)
	}
	return "free"
}

// fine says that nobody need read the condition. What is not ready or not in sync is true when all is well, and the others
// when something is not.
func (c Condition) fine() bool {
	switch c.Type {
	case SourceReady, EngineReady, InSync:
		return c.Status
	}
	return !c.Status
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
	p.line("OBJECT", "SYNC", "HEALTH", "REPLICAS", "MESSAGE")
	for _, o := range s.Objects {
		p.line(o.Object.String(), o.Sync, o.Health, o.Replicas.text(), o.message())
	}
}

func (r *Replicas) text() string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d", r.Running, r.Wanted)
}

// message says each thing once: why something is refused often repeats why it failed.
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
			at = when(r.Since)
		}
		p.line("  "+r.Object.String(), r.State, r.Replicas.text(), at, r.Why)
	}
}

// drift shows what hands did and what git did apart; a field that both changed is in both.
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

// lines are the change's heading and its fields, or nothing where it is not that one's doing.
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
			out = append(out, []string{"    " + f.Path, f.text()})
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

func (f FieldValue) text() string {
	have, want := "(none)", "(none)"
	if f.Have != nil {
		have = *f.Have
	}
	if f.Want != nil {
		want = *f.Want
	}
	text := brief(have) + " → " + brief(want)
	if have == v1.Hidden && want == v1.Hidden {
		text += " changed"
	}
	return text
}

// brief leaves room for the other value.
func brief(s string) string {
	if r := []rune(s); len(r) > longest/2-5 {
		return string(r[:longest/2-6]) + "…"
	}
	return s
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

// long writes a text that people have to read to its end, on lines of its own.
func (p *printer) long(text string) {
	line := "   "
	for word := range strings.FieldsSeq(text) {
		if len(line) > 3 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > 120 {
			p.line(line)
			line = "   "
		}
		line += " " + word
	}
	if len(line) > 3 {
		p.line(line)
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
		p.line("  "+f.Object.String(), short(f.Revision))
		p.long(f.Why)
	}
}
