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
	w := walker{raw: raw}
	w.value(reflect.TypeOf(into))
	slices.Sort(w.unknown)
	return w.unknown, nil
}

// unknownInSpec leaves out what is the server's own state: it may grow, and nobody writes it back.
func unknownInSpec(raw []byte, into any) ([]string, error) {
	all, err := UnknownFields(raw, into)
	return slices.DeleteFunc(all, func(p string) bool {
		top, _, _ := strings.Cut(p, ".")
		return !strings.EqualFold(top, "Spec")
	}), err
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

func (w *walker) value(t reflect.Type) {
	w.space()
	t = accepting(t)
	switch w.raw[w.at] {
	case '{':
		w.object(t)
	case '[':
		w.array(t)
	default:
		w.scalar()
	}
}

func (w *walker) object(t reflect.Type) {
	if t != nil && t.Kind() != reflect.Struct && t.Kind() != reflect.Map {
		w.report() // an object where the type has none
		t = nil
	}
	for w.next('}') {
		key := w.key()
		w.space()
		w.at++ // the colon
		w.path = append(w.path, step{key: key})
		w.value(w.field(t, key))
		w.path = w.path[:len(w.path)-1]
	}
}

// field is the type behind a key; an unknown key is reported and takes anything.
func (w *walker) field(t reflect.Type, key []byte) reflect.Type {
	if t == nil || t.Kind() == reflect.Map {
		return elemOf(t)
	}
	field, ok := fieldsOf(t).find(key)
	if !ok {
		w.report()
	}
	return field
}

func (w *walker) array(t reflect.Type) {
	if t != nil && t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
		w.report()
		t = nil
	}
	w.path = append(w.path, step{})
	for i := 0; w.next(']'); i++ {
		w.path[len(w.path)-1].elem = i
		w.value(elemOf(t))
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
		for w.at < len(w.raw) && bytes.IndexByte([]byte(",]} \t\r\n"), w.raw[w.at]) < 0 {
			w.at++
		}
		return
	}
	for w.at++; w.raw[w.at] != '"'; w.at++ {
		if w.raw[w.at] == '\\' {
			w.at++
		}
	}
	w.at++
}

func (w *walker) space() {
	for w.at < len(w.raw) && w.raw[w.at] <= ' ' {
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
