package manifests

import (
	"encoding/binary"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// mark is one place in a document that a field path can name. The marks are what is kept of a document's nodes. Paths
// are built from them only on demand, because a source without problems needs none.
type mark struct {
	name   string // of a field or of a map's key; "" for an element of a list
	index  int32  // of an element
	parent int32
	line   int32
	key    bool // true if the author of the manifest chose the name
}

// marks are in the order of the document, each after its parent. The first is the document itself.
type marks []mark

// packed are marks as they are kept between two looks: in a third of the memory, because nobody asks for the marks of
// a document that has no problem. One that has a problem may have many, so its marks are unpacked once.
type packed struct {
	text     string
	unpacked atomic.Pointer[marks]
}

// all returns the marks, and keeps them unpacked. A nil packed has none.
func (p *packed) all() marks {
	if p == nil {
		return nil
	}
	if m := p.unpacked.Load(); m != nil {
		return *m
	}
	m := unpack(p.text)
	p.unpacked.Store(&m)
	return m
}

// What a packed mark has besides its parent and its line.
const (
	packedField   = iota // a name
	packedKey            // a name that the author chose
	packedElement        // an index
)

// pack returns the marks as they are kept.
func (m marks) pack() *packed {
	out, line := make([]byte, 0, 16*len(m)), int32(0)
	for i, k := range m {
		out = binary.AppendUvarint(out, uint64(int32(i)-k.parent))
		out = binary.AppendVarint(out, int64(k.line)-int64(line))
		line = k.line
		switch {
		case k.key:
			out = append(out, packedKey)
		case k.name != "":
			out = append(out, packedField)
		default:
			out = append(out, packedElement)
			out = binary.AppendUvarint(out, uint64(k.index))
			continue
		}
		out = binary.AppendUvarint(out, uint64(len(k.name)))
		out = append(out, k.name...)
	}
	return &packed{text: string(out)}
}

func unpack(text string) (out marks) {
	line := int64(0)
	for in := []byte(text); len(in) > 0; {
		number := func() uint64 {
			n, size := binary.Uvarint(in)
			in = in[size:]
			return n
		}
		k := mark{parent: int32(len(out)) - int32(number())}
		by, size := binary.Varint(in)
		line += by
		kind := in[size]
		in = in[size+1:]
		if k.line = int32(line); kind == packedElement {
			k.index = int32(number())
		} else {
			n := number()
			k.name, k.key = string(in[:n]), kind == packedKey
			in = in[n:]
		}
		out = append(out, k)
	}
	return out
}

func (m *marks) add(k mark) int32 {
	*m = append(*m, k)
	return int32(len(*m) - 1)
}

// path renders the field path of a mark.
func (m marks) path(at int32) string {
	if at <= 0 {
		return ""
	}
	k, parent := m[at], m.path(m[at].parent)
	switch {
	case k.name == "" && !k.key:
		return parent + "[" + strconv.Itoa(int(k.index)) + "]"
	case k.key:
		return strings.TrimPrefix(v1.PathKey(parent, shownName(k.name)), ".")
	default:
		return join(parent, k.name)
	}
}

// generic renders a path without list indexes, such as spec.mounts[].consistency.
func (m marks) generic(at int32) string {
	if at <= 0 {
		return ""
	}
	k, parent := m[at], m.generic(m[at].parent)
	switch {
	case k.name == "" && !k.key:
		return parent + "[]"
	case k.key:
		return strings.TrimPrefix(v1.PathKey(parent, k.name), ".")
	default:
		return join(parent, k.name)
	}
}

// short reports whether no mark below one is of the sort that the rest of a path goes on with: an element of a list, or a
// name. Then the manifest may have a short form there.
func (m marks) short(at int32, rest string) bool {
	for i := int(at) + 1; i < len(m); i++ {
		if element := m[i].name == "" && !m[i].key; m[i].parent == at && element == (rest[0] == '[') {
			return false
		}
	}
	return rest[0] == '[' || rest[0] == '.'
}

// holds reports whether a value holds something at the rest of a path without indexes, such as [].name.
func holds(v reflect.Value, rest string) bool {
	v = lookup(v, "")
	below, list := strings.CutPrefix(rest, "[]")
	switch {
	case rest == "":
		return v.IsValid() && !v.IsZero()
	case list && v.IsValid() && v.Kind() == reflect.Slice:
		for i := range v.Len() {
			if below == "" || holds(v.Index(i), below) {
				return true
			}
		}
	case !list && v.IsValid() && v.Kind() == reflect.Struct:
		s, below := cutStep(rest)
		f, ok := fieldsOf(v.Type()).byName[s.name]
		return ok && holds(v.FieldByIndex(f.index), below)
	}
	return false
}

func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// secret reports whether the value below a mark must not be shown, because a key on the way to it looks like a
// secret's name.
func (m marks) secret(at int32) bool {
	for ; at > 0; at = m[at].parent {
		if m[at].key && v1.SecretName(m[at].name) {
			return true
		}
	}
	return false
}

// child returns the mark that is one step below another. The second result is false if there is none.
func (m marks) child(parent int32, s step, keyed func(path string) []string) (int32, bool) {
	if s.bracket {
		i, err := strconv.Atoi(s.name)
		if err == nil {
			return m.element(parent, i)
		}
		if keyed != nil {
			for i, key := range keyed(m.path(parent)) {
				if key == s.name {
					return m.element(parent, i)
				}
			}
		}
		return 0, false
	}
	for i := int(parent) + 1; i < len(m); i++ {
		if m[i].parent == parent && m[i].name == s.name && (m[i].name != "" || m[i].key) {
			return int32(i), true
		}
	}
	return 0, false
}

func (m marks) element(parent int32, index int) (int32, bool) {
	for i := int(parent) + 1; i < len(m); i++ {
		if m[i].parent == parent && m[i].name == "" && int(m[i].index) == index {
			return int32(i), true
		}
	}
	return 0, false
}

// find returns the mark of a path, or of its nearest parent that has one. keyed returns the list keys of the list at
// a path.
func (m marks) find(path string, keyed func(path string) []string) (at int32, exact bool) {
	for path != "" {
		var s step
		s, path = cutStep(path)
		next, ok := m.child(at, s, keyed)
		if !ok {
			return at, false
		}
		at = next
	}
	return at, true
}

// step is one step of a field path: a name, or the text in brackets.
type step struct {
	name    string
	bracket bool
}

// cutStep splits the first step off a path. It never fails, and of a text that is not a path it returns some step.
func cutStep(path string) (s step, rest string) {
	path = strings.TrimPrefix(path, ".")
	if !strings.HasPrefix(path, "[") {
		if i := strings.IndexAny(path, ".["); i > 0 {
			return step{name: path[:i]}, path[i:]
		}
		return step{name: path}, ""
	}
	if quoted, err := strconv.QuotedPrefix(path[1:]); err == nil {
		name, _ := strconv.Unquote(quoted)
		return step{name: name}, strings.TrimPrefix(path[1+len(quoted):], "]")
	}
	name, rest, _ := strings.Cut(path[1:], "]")
	return step{name: name, bracket: true}, rest
}

// listKeys returns a function that returns the list keys of the elements of the list at a path of an object.
func listKeys(o v1.Object) func(path string) []string {
	return func(path string) []string {
		list := lookup(reflect.ValueOf(o), path)
		if !list.IsValid() || list.Kind() != reflect.Slice {
			return nil
		}
		keys := make([]string, list.Len())
		for i := range keys {
			if k, ok := list.Index(i).Interface().(interface{ ListKey() string }); ok {
				keys[i] = k.ListKey()
			}
		}
		return keys
	}
}

// lookup returns the value at a path, or the zero Value.
func lookup(v reflect.Value, path string) reflect.Value {
	for {
		for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
			v = v.Elem()
		}
		if path == "" || !v.IsValid() {
			return v
		}
		var s step
		s, path = cutStep(path)
		v = below(v, s)
	}
}

func below(v reflect.Value, s step) reflect.Value {
	switch v.Kind() {
	case reflect.Struct:
		if f, ok := fieldsOf(v.Type()).byName[s.name]; ok {
			return v.FieldByIndex(f.index)
		}
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			return v.MapIndex(reflect.ValueOf(s.name).Convert(v.Type().Key()))
		}
	case reflect.Slice:
		if i, err := strconv.Atoi(s.name); err == nil && i >= 0 && i < v.Len() {
			return v.Index(i)
		}
	}
	return reflect.Value{}
}
