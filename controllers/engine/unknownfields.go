package engine

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
)

var jsonDecoder = reflect.TypeFor[json.Unmarshaler]()

// accepting is the type that decides about a value: what pointers point to, and nil for what takes anything.
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

func elemOf(t reflect.Type) reflect.Type {
	if t == nil {
		return nil
	}
	return t.Elem()
}

// fields are a struct's JSON keys and the types behind them.
type fields map[string]reflect.Type

func (f fields) find(key []byte) (reflect.Type, bool) {
	if t, ok := f[string(key)]; ok {
		return t, true
	}
	for name, t := range f { // rare: the engine writes its keys as our types do
		if strings.EqualFold(name, string(key)) {
			return t, true
		}
	}
	return nil, false
}

var known sync.Map // reflect.Type → fields

func fieldsOf(t reflect.Type) fields {
	if f, ok := known.Load(t); ok {
		return f.(fields)
	}
	f := fields{}
	for _, c := range dominant(candidates(t)) {
		f[c.name] = c.typ
	}
	got, _ := known.LoadOrStore(t, f)
	return got.(fields)
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
			return // a struct that embeds itself
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

// dominant applies encoding/json's rule to fields of one name: the outermost wins, then a tagged one, else none.
func dominant(all []candidate) []candidate {
	slices.SortStableFunc(all, func(a, b candidate) int {
		tag := 0
		if a.tagged != b.tagged {
			tag = 1
			if a.tagged {
				tag = -1
			}
		}
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.depth, b.depth), tag)
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
