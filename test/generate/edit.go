package generate

import (
	"reflect"
	"slices"
	"strings"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Edit returns a copy of a service in which one field is another one, or stated, or not stated any more, and the path of
// what changed. The copy is valid, and has the same mode.
func Edit(t *rapid.T, s *v1.Service) (edited *v1.Service, path string) {
	for {
		other := ServiceOf(t, s.Metadata.Name, s.Spec.Mode)
		more(t, &other.Spec)
		edited := s.Copy().(*v1.Service)
		var at string
		var changed bool
		if rapid.IntRange(0, 9).Draw(t, "edit the labels") == 0 {
			at, changed = graft(t, reflect.ValueOf(&edited.Metadata.Labels).Elem(), reflect.ValueOf(other.Metadata.Labels), "metadata.labels")
		} else {
			at, changed = graft(t, reflect.ValueOf(&edited.Spec).Elem(), reflect.ValueOf(other.Spec), "spec")
		}
		if changed && at != "spec.mode" && len(edited.Validate()) == 0 {
			return edited, at
		}
	}
}

// graft takes one value over from another object: a leaf, the value of a key, or an element of a list. changed is false
// if both are the same.
func graft(t *rapid.T, to, from reflect.Value, path string) (at string, changed bool) {
	if reflect.DeepEqual(to.Interface(), from.Interface()) {
		return path, false
	}
	switch typ := to.Type(); {
	case typ.Kind() == reflect.Pointer && typ.Elem().Kind() == reflect.Struct:
		made, other := reflect.New(typ.Elem()), reflect.New(typ.Elem())
		if !to.IsNil() {
			made.Elem().Set(to.Elem())
		}
		if !from.IsNil() {
			other = from
		}
		if at, changed = graft(t, made.Elem(), other.Elem(), path); changed {
			to.Set(made)
		}
		return at, changed
	case typ.Kind() == reflect.Struct:
		var differ []int
		for i := range typ.NumField() {
			if !reflect.DeepEqual(to.Field(i).Interface(), from.Field(i).Interface()) {
				differ = append(differ, slices.Repeat([]int{i}, leaves(typ.Field(i).Type))...)
			}
		}
		i := oneOf(t, differ, "field of "+path)
		name, _ := field(typ.Field(i))
		return graft(t, to.Field(i), from.Field(i), path+name)
	case typ.Kind() == reflect.Map:
		return graftKey(t, to, from, path)
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct && reflect.Zero(typ.Elem()).MethodByName("ListKey").IsValid():
		return graftElement(t, to, from, path)
	}
	to.Set(from)
	return path, true
}

// leaves returns how many leaves a type has. A field with more of them is edited more often.
func leaves(t reflect.Type) int {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return 1
	}
	n := 0
	for i := range t.NumField() {
		n += leaves(t.Field(i).Type)
	}
	return n
}

func graftKey(t *rapid.T, to, from reflect.Value, path string) (string, bool) {
	var keys []string
	for _, m := range []reflect.Value{to, from} {
		for _, k := range m.MapKeys() {
			a, b := to.MapIndex(k), from.MapIndex(k)
			if a.IsValid() != b.IsValid() || !reflect.DeepEqual(a.Interface(), b.Interface()) {
				keys = append(keys, k.String())
			}
		}
	}
	if len(keys) == 0 { // one is nil and the other one empty
		return path, false
	}
	slices.Sort(keys)
	key := oneOf(t, slices.Compact(keys), "key of "+path)
	made := reflect.MakeMap(to.Type())
	for it := to.MapRange(); it.Next(); {
		made.SetMapIndex(it.Key(), it.Value())
	}
	made.SetMapIndex(reflect.ValueOf(key), from.MapIndex(reflect.ValueOf(key))) // no value removes the key
	to.Set(made)
	return v1.PathKey(path, key), true
}

func graftElement(t *rapid.T, to, from reflect.Value, path string) (string, bool) {
	key := func(e reflect.Value) string { return e.MethodByName("ListKey").Call(nil)[0].String() }
	find := func(list reflect.Value, k string) int {
		for i := range list.Len() {
			if key(list.Index(i)) == k {
				return i
			}
		}
		return -1
	}
	var keys []string
	for _, list := range []reflect.Value{to, from} {
		for i := range list.Len() {
			keys = append(keys, key(list.Index(i)))
		}
	}
	if len(keys) == 0 {
		return path, false
	}
	k := oneOf(t, keys, "element of "+path)
	at := path + "[" + strings.TrimSuffix(k, "/") + "]"
	made := reflect.AppendSlice(reflect.MakeSlice(to.Type(), 0, to.Len()+1), to)
	switch i, j := find(to, k), find(from, k); {
	case i >= 0 && j >= 0 && !yes(t, "without the element"):
		below, changed := graft(t, made.Index(i), from.Index(j), at)
		if changed {
			to.Set(made)
		}
		return below, changed
	case i >= 0:
		made = reflect.AppendSlice(made.Slice(0, i), made.Slice(i+1, made.Len()))
	default:
		made = reflect.Append(made, from.Index(j))
	}
	to.Set(made)
	return at, true
}
