package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/redact"
)

// door is where text leaves the process. Whatever is written through it shows none of the values that its reader may not
// see, and no control character that this program did not mean. Each call of Write has a whole text.
type door struct {
	io.Writer
	known  *redact.Known
	reader redact.Reader
}

func (d *door) Write(p []byte) (int, error) {
	if _, err := io.WriteString(d.Writer, visible(d.known.Text(string(p), d.reader))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// own matches the colours of package screen.
var own = regexp.MustCompile("\x1b\\[(?:0|1|2|31|32|33)m")

// visible makes control characters of a text visible, except line breaks and our own colours.
func visible(text string) string {
	if !strings.Contains(text, "\x1b") {
		return redact.Lines(text)
	}
	var b strings.Builder
	last := 0
	for _, at := range own.FindAllStringIndex(text, -1) {
		b.WriteString(redact.Lines(text[last:at[0]]) + text[at[0]:at[1]])
		last = at[1]
	}
	b.WriteString(redact.Lines(text[last:]))
	return b.String()
}

// behind returns the writer behind a door, and the door. w may be no door.
func behind(w io.Writer) (io.Writer, *door) {
	if d, is := w.(*door); is {
		return d.Writer, d
	}
	return w, &door{Writer: w}
}

// knownOf returns what the process must not show. It is nil if there is no command.
func knownOf(cmd *cobra.Command) *redact.Known {
	if cmd == nil {
		return nil
	}
	_, d := behind(cmd.ErrOrStderr())
	return d.known
}

// safe returns a text for one line that others may have written a part of.
func safe(known *redact.Known, text string) string {
	return redact.OneLine(known.Text(text, redact.Anybody))
}

// toError returns an error's text. Lines after the first one are indented, so that none of them looks like another line
// of ours.
func toError(known *redact.Known, err error) string {
	first, rest, more := strings.Cut(redact.Lines(known.Text(err.Error(), redact.Anybody)), "\n")
	if !more {
		return first
	}
	for line := range strings.SplitSeq(rest, "\n") {
		if !strings.HasPrefix(line, "  ") {
			line = "  " + line
		}
		first += "\n" + line
	}
	return first
}

// document writes a JSON document for people who have the source's tree, if w is the standard output, or for anybody.
func document(w io.Writer, v any) error {
	w, d := behind(w)
	return encode(w, v, func(key, s string) string { return d.known.Field(key, s, d.reader) })
}

// public writes a JSON document for anybody.
func public(w io.Writer, known *redact.Known, v any) error {
	w, _ = behind(w)
	return encode(w, v, func(key, s string) string { return known.Field(key, s, redact.Anybody) })
}

func encode(w io.Writer, v any, text func(key, s string) string) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(redact.JSON([]byte(b.String()), text))
	return err
}

// shownStatus returns a status as anybody may see it.
func shownStatus(known *redact.Known, s status.Status) (out status.Status, err error) {
	data, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(redact.JSON(data, func(key, s string) string { return known.Field(key, s, redact.Anybody) }), &out)
	}
	return out, err
}

// told returns a plan with its texts as anybody may see them. Values of fields stay as they are: they know themselves
// who may see them.
func told(known *redact.Known, p plan.Plan) plan.Plan {
	steps, adopted := append([]plan.Step{}, p.Steps...), append([]plan.Adoption{}, p.Adopted...)
	refusals := func(list []plan.Refusal) (out []plan.Refusal) {
		for _, r := range list {
			r.Why = safe(known, r.Why)
			out = append(out, r)
		}
		return out
	}
	for i, s := range steps {
		steps[i].Cause, steps[i].Notes = safe(known, s.Cause), shown(known, s.Notes)
	}
	for i, a := range adopted {
		adopted[i].Notes = shown(known, a.Notes)
	}
	p.Steps, p.Adopted, p.Refused, p.Stays = steps, adopted, refusals(p.Refused), refusals(p.Stays)
	return p
}

// shown returns texts for one line each, as anybody may see them.
func shown(known *redact.Known, texts []string) (out []string) {
	for _, text := range texts {
		out = append(out, safe(known, text))
	}
	return out
}

// attribute returns what is logged of an attribute. Names and words of the operator's own stay.
func attribute(known *redact.Known, a slog.Attr) slog.Attr {
	if a.Key == slog.MessageKey || a.Key == slog.TimeKey || a.Key == slog.LevelKey {
		if a.Value.Kind() == slog.KindString {
			a.Value = slog.StringValue(redact.OneLine(redact.Text(a.Value.String())))
		}
		return a
	}
	text := func(s string) string { return redact.OneLine(known.Field(a.Key, s, redact.Anybody)) }
	if a.Key == "stack" { // functions and places in files, one a line
		text = redact.Lines
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(text(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(text(v.Error()))
		case []string:
			list := make([]string, len(v))
			for i := range v {
				list[i] = text(v[i])
			}
			a.Value = slog.AnyValue(list)
		default:
			if plain := a.Value.String(); text(plain) != plain {
				a.Value = slog.StringValue(text(plain))
			}
		}
	}
	return a
}
