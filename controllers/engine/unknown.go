package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// unknownKeys returns the keys of a JSON document that the type of into does not know, and the texts that it does not
// read. They are sorted paths, such as "Spec.TaskTemplate.ContainerSpec.Mounts[0].NewOption". Keys match in any case, as
// in encoding/json. A map accepts any key. A json.RawMessage, an interface and a type that decodes itself accept
// anything below them. The document must be valid.
func unknownKeys(raw []byte, into any) []string {
	keys, _ := walked(raw, into)
	return keys
}

// walked returns what unknownKeys returns, and the texts among it that the type does not read.
func walked(raw []byte, into any) (keys []string, unread []Unread) {
	w := walker{raw: raw}
	w.value(shapeOf(reflect.TypeOf(into)))
	keys = slices.Concat(w.unknown, w.unread)
	slices.Sort(keys)
	for i, key := range w.unread {
		unread = append(unread, Unread{Key: key, Text: w.texts[i]})
	}
	return keys, unread
}

// Unread is a text that the type of a key does not read, such as the name of a host where an address must be.
type Unread struct{ Key, Text string }

// unmarshal decodes a JSON document. A text that its type does not read becomes the zero value, and unread has its path.
// One such text must not hide all other objects of a list: engines carry some that the types of their newest API
// refuse, such as a name in place of a name server's address, or fd00::1/64 as a gateway (moby#52991).
func unmarshal(raw []byte, into any) (unread []string, err error) {
	if err = json.Unmarshal(raw, into); err == nil || !json.Valid(raw) {
		return nil, err
	}
	w := walker{raw: bytes.Clone(raw), clears: true}
	w.value(shapeOf(reflect.TypeOf(into)))
	reflect.ValueOf(into).Elem().SetZero()
	return w.unread, json.Unmarshal(w.raw, into)
}

// unknownInSpec leaves out keys of the server's own state, which may grow and which nobody writes back. The document
// must be valid; it was decoded before.
func unknownInSpec(raw []byte, into any) (keys []string, unread []Unread) {
	beside := func(key string) bool {
		top, _, _ := strings.Cut(key, ".")
		return !strings.EqualFold(top, "Spec")
	}
	keys, unread = walked(raw, into)
	return slices.DeleteFunc(keys, beside), slices.DeleteFunc(unread, func(u Unread) bool { return beside(u.Key) })
}

// walker goes through a valid document, so every step is simple. It allocates only for addresses and for what it
// reports, because it runs over every service of a list.
type walker struct {
	raw     []byte
	at      int
	path    []step
	unknown []string
	unread  []string // where texts are that their type does not read
	texts   []string // these texts, in the same order
	clears  bool     // makes those texts empty
}

// step is one element of a path: a key, or the index in an array if key is nil.
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
	case '"':
		w.text(s)
	default:
		w.scalar()
	}
}

// text moves past a string, and notes one that its type does not read. In an array, an empty one is such a text too:
// it is what an engine makes of an address that it cannot read.
func (w *walker) text(s *shape) {
	if s == nil || s.text == nil {
		w.scalar()
		return
	}
	start := w.at
	text := w.unquoted()
	inArray := len(w.path) > 0 && w.path[len(w.path)-1].key == nil
	if s.reads(text) && (len(text) > 0 || !inArray) {
		return
	}
	w.report(&w.unread)
	w.texts = append(w.texts, string(text))
	if w.clears {
		copy(w.raw[start:w.at], `""`+strings.Repeat(" ", w.at-start-2))
	}
}

func (w *walker) object(s *shape) {
	if s != nil && s.kind != reflect.Struct && s.kind != reflect.Map {
		w.report(&w.unknown) // an object, but the type has none here
		s = nil
	}
	for w.next('}') {
		key := w.unquoted()
		w.space()
		w.at++ // the colon
		w.path = append(w.path, step{key: key})
		w.value(w.field(s, key))
		w.path = w.path[:len(w.path)-1]
	}
}

// field returns the shape of a key's value. It reports an unknown key, whose value may be anything.
func (w *walker) field(s *shape, key []byte) *shape {
	if s == nil || s.kind == reflect.Map {
		return s.element()
	}
	f, ok := s.field(key)
	if !ok {
		w.report(&w.unknown)
	}
	return f
}

func (w *walker) array(s *shape) {
	if s != nil && s.kind != reflect.Slice {
		w.report(&w.unknown)
		s = nil
	}
	w.path = append(w.path, step{})
	for i := 0; w.next(']'); i++ {
		w.path[len(w.path)-1].elem = i
		w.value(s.element())
	}
	w.path = w.path[:len(w.path)-1]
}

// next moves to the next element, or past the closing bracket. The first call is on the opening bracket.
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

// unquoted moves past a string and returns its text.
func (w *walker) unquoted() []byte {
	start := w.at
	w.scalar()
	quoted := w.raw[start:w.at]
	if !bytes.ContainsRune(quoted, '\\') {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // it is valid, because the document is
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

// afterString returns the position after the string that begins with the quote at at. It returns the end if the
// string has no end.
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

const whitespace = " \t\r\n" // as JSON defines it

func (w *walker) space() {
	for w.at < len(w.raw) && w.raw[w.at] <= ' ' && strings.IndexByte(whitespace, w.raw[w.at]) >= 0 {
		w.at++
	}
}

func (w *walker) report(to *[]string) {
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
	*to = append(*to, b.String())
}
