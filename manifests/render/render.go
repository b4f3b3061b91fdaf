// Package render writes objects as manifests that people like to read: fields in the order of the reference, one line
// for what fits on one line, and quotes where a reader of YAML 1.1 or 1.2 would take a text for something else.
//
// It is the reverse of package manifests, and pure. What it writes, package manifests reads as the same object.
package render

import (
	"bytes"
	"strings"
	"unicode"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Marks are what is written besides the object.
type Marks struct {
	// Comment are the lines of the comment above the manifest, without #.
	Comment []string
	// LeftOut has the paths of the values that are not written. The tag v1.LeftOut stands in their place. Paths are those
	// of package diff; a word of a list has its index after the path, as in spec.command[2].
	LeftOut map[string]bool
}

// width is the number of columns that a line may have if its value can also be written in several lines.
const width = 100

// Manifest returns an object as a manifest, as it is stated. What is zero is left out.
func Manifest(o v1.Object, m Marks) []byte {
	var w writer
	for _, line := range m.Comment {
		w.WriteString(strings.TrimRight("# "+strings.Map(seen, line), " ") + "\n")
	}
	w.mapping(tree(o, m.LeftOut).pairs, 0)
	return w.Bytes()
}

// seen replaces a character that cannot be seen. A comment may hold names that others have chosen, such as hostnames, and
// the end of its line would be the end of the comment.
func seen(r rune) rune {
	if !unicode.IsPrint(r) {
		return unicode.ReplacementChar
	}
	return r
}

// value is a node of YAML: a scalar, a list or a mapping.
type value struct {
	form form
	// text is the text of a scalar. A plain scalar is written as it is, and any other one with quotes if it needs them.
	text  string
	plain bool
	items []value
	pairs []pair
	// wide is true if the value is not written on one line, whatever fits.
	wide bool
}

type form uint8

const (
	scalar form = iota
	list
	mapping
)

type pair struct {
	name  string
	value value
}

// writer writes YAML in lines.
type writer struct{ bytes.Buffer }

func (w *writer) indent(n int) {
	for range n {
		w.WriteByte(' ')
	}
}

func (w *writer) mapping(pairs []pair, at int) {
	for _, p := range pairs {
		w.indent(at)
		key := quoted(p.name, false)
		w.WriteString(key + ":")
		w.value(p.value, at, at+len(key)+2)
	}
}

// value writes what stands behind a key or a dash. at is the indentation of the key or the dash, and column is where
// the value would begin on its line.
func (w *writer) value(v value, at, column int) {
	if text, is := v.line(false); is && (v.form == scalar || !v.wide && column+len(text) <= width) {
		w.WriteString(" " + text + "\n")
		return
	}
	switch v.form {
	case scalar:
		w.block(v.text, at+2)
	case list:
		w.WriteByte('\n')
		w.list(v.items, at+2)
	case mapping:
		w.WriteByte('\n')
		w.mapping(v.pairs, at+2)
	}
}

func (w *writer) list(items []value, at int) {
	for _, item := range items {
		text, is := item.line(false)
		if item.form == mapping && (!is || item.wide || at+2+len(text) > width) {
			begin := w.Len()
			w.mapping(item.pairs, at+2)
			w.Bytes()[begin+at] = '-' // the first key stands behind the dash
			continue
		}
		w.indent(at)
		w.WriteByte('-')
		w.value(item, at, at+2)
	}
}

// block writes a text in lines of its own. at is their indentation.
func (w *writer) block(text string, at int) {
	w.WriteString(" |")
	if strings.ContainsAny(text[:1], " \t\n") { // otherwise the first line says what the indentation is
		w.WriteByte('2')
	}
	switch body := strings.TrimRight(text, "\n"); len(text) - len(body) {
	case 0:
		w.WriteByte('-')
	case 1:
	default:
		w.WriteByte('+')
	}
	w.WriteByte('\n')
	for line := range strings.Lines(text) {
		if line != "\n" {
			w.indent(at)
		}
		w.WriteString(line)
	}
	if !strings.HasSuffix(text, "\n") {
		w.WriteByte('\n')
	}
}

// line returns the value on one line. is is false if it has several. within is true inside brackets.
func (v value) line(within bool) (text string, is bool) {
	var parts []string
	switch v.form {
	case scalar:
		switch {
		case v.plain:
			return v.text, true
		case !within && inLines(v.text):
			return "", false
		}
		return quoted(v.text, within), !within || !strings.Contains(v.text, "\n")
	case list:
		for _, item := range v.items {
			text, is := item.line(true)
			if !is || item.wide {
				return "", false
			}
			parts = append(parts, text)
		}
		return "[" + strings.Join(parts, ", ") + "]", true
	default:
		for _, p := range v.pairs {
			text, is := p.value.line(true)
			if !is || p.value.wide {
				return "", false
			}
			parts = append(parts, quoted(p.name, true)+": "+text)
		}
		return "{" + strings.Join(parts, ", ") + "}", true
	}
}
