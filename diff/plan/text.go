package plan

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/swarm-operator/swarm-operator/diff"
)

// Text renders the plan for people: each step with its fields, both values, cause and cost; then what is left alone
// and why; then what stays although its manifest is gone, because something uses it. show decides how a value appears,
// so that a user can ask to see secrets on a terminal. A nil show shows them as a reader
// of git may see them.
func (p Plan) Text(show func(diff.Value) string) string { return strings.Join(p.Blocks(show), "") }

// Blocks returns the parts of the text: one for each step, adoption, refusal and object that stays.
func (p Plan) Blocks(show func(diff.Value) string) []string {
	if show == nil {
		show = func(v diff.Value) string { return v.InGit().String() }
	}
	var blocks []string
	for _, s := range p.Steps {
		blocks = append(blocks, fmt.Sprintf("%s %s%s  (%s)\n", s.Op, s.Key, instance(s.Instance, s.Key.Name), stepNote(s))+fields(s.Op, s.Fields, show)+notes(s.Notes))
	}
	for _, a := range p.Adopted {
		blocks = append(blocks, fmt.Sprintf("= %s  (equal to its manifest: taken over, nothing is written on it)\n", a.Key)+notes(a.Notes))
	}
	for _, d := range p.Deliveries {
		blocks = append(blocks, fmt.Sprintf("→ %s  (to sink %s, by %s: %s)\n", d.What, d.To, d.Instance(), d.Why))
	}
	for _, r := range slices.Concat(p.Refused, p.Stays) {
		head := fmt.Sprintf("! %s %s%s  (%s, %s) %s\n", r.Op, r.Key, instance(r.Instance, r.Key.Name), r.Guard, r.Class, r.Why)
		blocks = append(blocks, head+fields(r.Op, r.Fields, show))
	}
	return blocks
}

// Summary returns one line that says what would happen.
func (p Plan) Summary() string {
	if p.InSync() && len(p.Adopted)+len(p.Deliveries) == 0 {
		return "in sync"
	}
	counts := map[diff.Op]int{}
	for _, s := range p.Steps {
		counts[s.Op]++
	}
	var parts []string
	for _, o := range []struct {
		op   diff.Op
		word string
	}{{diff.Create, "to create"}, {diff.Update, "to update"}, {diff.Replace, "to replace"}, {diff.Remove, "to remove"}} {
		if n := counts[o.op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o.word))
		}
	}
	if n := len(p.Adopted); n > 0 {
		parts = append(parts, fmt.Sprintf("%d to take over", n))
	}
	later, held := 0, 0
	for _, r := range p.Refused {
		switch {
		case r.Quiet:
		case r.Class == Later:
			later++
		default:
			held++
		}
	}
	if later > 0 {
		parts = append(parts, fmt.Sprintf("%d later", later))
	}
	if held > 0 {
		parts = append(parts, fmt.Sprintf("%d held", held))
	}
	if n := len(p.Deliveries); n > 0 {
		parts = append(parts, fmt.Sprintf("%d to deliver", n))
	}
	return strings.Join(parts, ", ")
}

func instance(instance, name string) string {
	if instance == "" || instance == name {
		return ""
	}
	return " [" + instance + "]"
}

func stepNote(s Step) string {
	if s.Op == diff.Create || s.Op == diff.Remove {
		return s.Cause
	}
	return s.Cause + "; " + s.Effect.String()
}

// noteMark begins the line of a note.
const noteMark = "    note: "

func notes(list []string) string {
	var b strings.Builder
	for _, n := range list {
		b.WriteString(noteMark + n + "\n")
	}
	return b.String()
}

// Brief returns a block without its fields: the heading and the notes, which say what a step costs.
func Brief(block string) string {
	heading, rest, _ := strings.Cut(block, "\n")
	b := strings.Builder{}
	b.WriteString(heading + "\n")
	for line := range strings.Lines(rest) {
		if strings.HasPrefix(line, noteMark) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func fields(op diff.Op, fields []diff.Field, show func(diff.Value) string) string {
	var b strings.Builder
	width := 0
	for _, f := range fields {
		width = max(width, utf8.RuneCountInString(f.Path))
	}
	for _, f := range fields {
		fmt.Fprintf(&b, "    %-*s  ", min(width, 60), f.Path)
		if op == diff.Create {
			b.WriteString(diff.Line(show(f.Want)))
		} else {
			fmt.Fprintf(&b, "%s  (%s%s)", diff.Arrow(f.Have, f.Want, show), doing(f), f.Effect)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func doing(f diff.Field) string {
	switch {
	case f.Git && f.Hand:
		return "git and hand, "
	case f.Hand:
		return "by hand, "
	default:
		return ""
	}
}
