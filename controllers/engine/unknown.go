package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// UnknownFields names the keys of a JSON document that the type of into does not know, as sorted paths:
// "Spec.TaskTemplate.ContainerSpec.Mounts[0].NewOption". Keys match as encoding/json matches them, whatever their case.
// Maps take any key, json.RawMessage, interfaces and types that decode themselves take anything below them.
func UnknownFields(raw []byte, into any) ([]string, error) {
	if !json.Valid(raw) {
		return nil, json.Unmarshal(raw, new(any)) // whose error says where
	}
	return unknownKeys(raw, into), nil
}

// unknownKeys is UnknownFields for a document that is known to be valid.
func unknownKeys(raw []byte, into any) []string {
	w := walker{raw: raw}
	w.value(shapeOf(reflect.TypeOf(into)))
	slices.Sort(w.unknown)
	return w.unknown
}

// unknownInSpec leaves out what is the server's own state: it may grow, and nobody writes it back. The document was
// decoded and so is valid.
func unknownInSpec(raw []byte, into any) []string {
	return slices.DeleteFunc(unknownKeys(raw, into), func(p string) bool {
		top, _, _ := strings.Cut(p, ".")
		return !strings.EqualFold(top, "Spec")
	})
}

// walker goes through a document that is known to be valid, which makes every step of it simple. It allocates only for
// what it reports: it runs over every service of a list.
type walker struct {
	raw     []byte
	at      int
	path    []step
	unknown []string
}

// step is one element of a path: a key, or where that is nil the index in an array.
type step struct {
	key  []byte
	elem int
}

func (w *walker) value(s *shape) {
	w.space()
	switch w.raw[w.at] {
	case '{':
		w.object(s)
	case '[':
		w.array(s)
	default:
		w.scalar()
	}
}

func (w *walker) object(s *shape) {
	if s != nil && s.kind != reflect.Struct && s.kind != reflect.Map {
		w.report() // an object where the type has none
		s = nil
	}
	for w.next('}') {
		key := w.key()
		w.space()
		w.at++ // the colon
		w.path = append(w.path, step{key: key})
		w.value(w.field(s, key))
		w.path = w.path[:len(w.path)-1]
	}
}

// field is the shape behind a key; an unknown key is reported and takes anything.
func (w *walker) field(s *shape, key []byte) *shape {
	if s == nil || s.kind == reflect.Map {
		return s.element()
	}
	f, ok := s.field(key)
	if !ok {
		w.report()
	}
	return f
}

func (w *walker) array(s *shape) {
	if s != nil && s.kind != reflect.Slice {
		w.report()
		s = nil
	}
	w.path = append(w.path, step{})
	for i := 0; w.next(']'); i++ {
		w.path[len(w.path)-1].elem = i
		w.value(s.element())
	}
	w.path = w.path[:len(w.path)-1]
}

// next moves to the next element, or past the closing bracket. It is first called on the opening one.
func (w *walker) next(end byte) bool {
	w.space()
	if w.raw[w.at] == end {
		w.at++
		return false
	}
	w.at++ // the opening bracket, or the comma
	w.space()
	if w.raw[w.at] == end {
		w.at++
		return false
	}
	return true
}

func (w *walker) key() []byte {
	start := w.at
	w.scalar()
	quoted := w.raw[start:w.at]
	if !bytes.ContainsRune(quoted, '\\') {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // valid, as the document is
	return []byte(s)
}

// scalar moves past a string, a number, a boolean or null.
func (w *walker) scalar() {
	if w.raw[w.at] != '"' {
		for w.at < len(w.raw) && w.raw[w.at] > ' ' && w.raw[w.at] != ',' && w.raw[w.at] != ']' && w.raw[w.at] != '}' {
			w.at++
		}
		return
	}
	w.at = afterString(w.raw, w.at)
}

// afterString is the position behind the string that begins at a quote; the end, if it has none.
func afterString(raw []byte, at int) int {
	for at++; at < len(raw); at++ {
		switch raw[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(raw)
}

const whitespace = " \t\r\n" // JSON's, and no other

func (w *walker) space() {
	for w.at < len(w.raw) && w.raw[w.at] <= ' ' && strings.IndexByte(whitespace, w.raw[w.at]) >= 0 {
		w.at++
	}
}

func (w *walker) report() {
	var b strings.Builder
	for _, s := range w.path {
		switch {
		case s.key == nil:
			fmt.Fprintf(&b, "[%d]", s.elem)
		case bytes.ContainsAny(s.key, ".[]\"") || len(s.key) == 0:
			fmt.Fprintf(&b, "[%q]", s.key)
		case b.Len() > 0:
			fmt.Fprintf(&b, ".%s", s.key)
		default:
			b.Write(s.key)
		}
	}
	w.unknown = append(w.unknown, b.String())
}
