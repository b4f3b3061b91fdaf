package engine

import (
	"cmp"
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// shape describes which keys encoding/json accepts for a type. A nil shape accepts everything.
type shape struct {
	kind   reflect.Kind      // Struct, Map, Slice, or anything else for a scalar
	fields map[string]*shape // of a struct
	elem   *shape            // of a map or slice
	text   reflect.Type      // of a type that reads a text by itself, such as an address; otherwise nil
}

var shapes struct {
	sync.Mutex
	of map[reflect.Type]*shape
}

func shapeOf(t reflect.Type) *shape {
	shapes.Lock()
	defer shapes.Unlock()
	if shapes.of == nil {
		shapes.of = map[reflect.Type]*shape{}
	}
	return buildShape(t)
}

func buildShape(t reflect.Type) *shape {
	t = accepting(t)
	if t == nil {
		return nil
	}
	if s, ok := shapes.of[t]; ok {
		return s
	}
	s := &shape{kind: t.Kind()}
	shapes.of[t] = s // before the elements, because a type may contain itself
	if reflect.PointerTo(t).Implements(textDecoder) {
		s.kind, s.text = reflect.String, t
		return s
	}
	switch s.kind {
	case reflect.Struct:
		s.fields = map[string]*shape{}
		for _, c := range dominant(candidates(t)) {
			s.fields[c.name] = buildShape(c.typ)
		}
	case reflect.Map, reflect.Slice:
		s.elem = buildShape(t.Elem())
	case reflect.Array:
		s.kind, s.elem = reflect.Slice, buildShape(t.Elem())
	}
	return s
}

func (s *shape) field(key []byte) (*shape, bool) {
	if f, ok := s.fields[string(key)]; ok {
		return f, true
	}
	for name, f := range s.fields { // rare, because the engine writes its keys as these types do
		if strings.EqualFold(name, string(key)) {
			return f, true
		}
	}
	return nil, false
}

func (s *shape) element() *shape {
	if s == nil {
		return nil
	}
	return s.elem
}

// reads reports whether a type that reads a text by itself accepts this one.
func (s *shape) reads(text []byte) bool {
	return reflect.New(s.text).Interface().(encoding.TextUnmarshaler).UnmarshalText(text) == nil
}

var (
	jsonDecoder = reflect.TypeFor[json.Unmarshaler]()
	textDecoder = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// accepting returns the type that decides about a value, with pointers followed. It returns nil for a type that
// accepts everything.
func accepting(t reflect.Type) reflect.Type {
	for t != nil {
		if t.Implements(jsonDecoder) || reflect.PointerTo(t).Implements(jsonDecoder) {
			return nil
		}
		if t.Kind() != reflect.Pointer {
			break
		}
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Interface {
		return nil
	}
	return t
}

// candidate is a field as seen from the outermost struct.
type candidate struct {
	name   string
	typ    reflect.Type
	depth  int
	tagged bool
}

// candidates lists a struct's fields and those of the structs embedded in it.
func candidates(t reflect.Type) []candidate {
	var all []candidate
	var visit func(t reflect.Type, depth int, above []reflect.Type)
	visit = func(t reflect.Type, depth int, above []reflect.Type) {
		if slices.Contains(above, t) {
			return // the struct embeds itself
		}
		for i := range t.NumField() {
			f := t.Field(i)
			tag := f.Tag.Get("json")
			name, _, _ := strings.Cut(tag, ",")
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			embeds := f.Anonymous && inner.Kind() == reflect.Struct
			switch {
			case tag == "-", !f.IsExported() && !embeds:
			case embeds && name == "":
				visit(inner, depth+1, append(slices.Clone(above), t))
			case f.IsExported():
				all = append(all, candidate{cmp.Or(name, f.Name), f.Type, depth, name != ""})
			}
		}
	}
	visit(t, 0, nil)
	return all
}

// dominant applies encoding/json's rule to fields of one name: the outermost wins, then a tagged one, otherwise none.
func dominant(all []candidate) []candidate {
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.depth, b.depth), taggedFirst(a, b))
	})
	var out []candidate
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && all[j].name == all[i].name {
			j++
		}
		if j == i+1 || all[i+1].depth != all[i].depth || all[i+1].tagged != all[i].tagged {
			out = append(out, all[i])
		}
		i = j
	}
	return out
}

func taggedFirst(a, b candidate) int {
	switch {
	case a.tagged == b.tagged:
		return 0
	case a.tagged:
		return -1
	}
	return 1
}
