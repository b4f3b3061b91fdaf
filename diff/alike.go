package diff

import (
	"reflect"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Alike reports whether two objects in normal form do not differ, so that comparing their leaves would find nothing.
// Most objects are alike most of the time, and Alike costs a fraction of flattening them. If it returns false, they
// may still be equal; only the leaves tell.
func Alike(have, want Normal, rules Rules, applied Applied) bool {
	if have.Object == nil || want.Object == nil {
		return false
	}
	s, h, w := have.Shape, reflect.Indirect(reflect.ValueOf(have.Object)), reflect.Indirect(reflect.ValueOf(want.Object))
	if h.Type() != w.Type() {
		return false
	}
	c := likeness{rules, applied}
	labels := func(v reflect.Value) reflect.Value { return v.FieldByName("Metadata").FieldByName("Labels") }
	return c.walk(labels(h), labels(w), s.labels, "metadata.labels") &&
		(s.spec == nil || c.walk(h.FieldByName("Spec"), w.FieldByName("Spec"), s.spec, "spec"))
}

type likeness struct {
	rules   Rules
	applied Applied
}

func (c likeness) walk(h, w reflect.Value, s *shape, path string) bool {
	return c.same(h, w, s, path) || c.unseen(s) || c.allocated(w, s, path)
}

// allocated reports whether a manifest states nothing at a place where any live value then agrees.
func (c likeness) allocated(w reflect.Value, s *shape, path string) bool {
	rule := c.rules[s.typ]
	returns := rule.Merges && c.applied.Has(path) // a manifest stated it, and so it is to go
	return rule.Allocated && !returns && (s.form == leafForm && w.IsZero() || s.form == listForm && w.Len() == 0)
}

// unseen reports whether nothing at a place is ever a difference.
func (c likeness) unseen(s *shape) bool {
	switch s.form {
	case structForm:
		return !slices.ContainsFunc(s.fields, func(f shapeField) bool { return !c.unseen(f.shape) })
	case mapForm:
		return c.rules[s.typ+".*"].Unseen
	case keyedForm:
		return c.unseen(s.elem)
	}
	return c.rules[s.typ].Unseen
}

func (c likeness) same(h, w reflect.Value, s *shape, path string) bool {
	if h.Kind() == reflect.Pointer {
		if h.IsNil() || w.IsNil() {
			return h.IsNil() && w.IsNil()
		}
		h, w = h.Elem(), w.Elem()
	}
	switch s.form {
	case structForm:
		for _, f := range s.fields {
			child := f.shape.typ
			if path != s.typ {
				child = path + "." + f.name
			}
			if !c.walk(h.Field(f.index), w.Field(f.index), f.shape, child) {
				return false
			}
		}
		return true
	case mapForm:
		return c.maps(h, w, s, path)
	case keyedForm:
		return c.lists(h, w, s, path)
	case listForm:
		return h.Len() == 0 && w.Len() == 0 || reflect.DeepEqual(h.Interface(), w.Interface())
	case leafForm:
		return h.Equal(w) || c.equal(h, w, s)
	case skipForm:
		return true
	}
	return false
}

// equal reports whether the rule says that two different texts mean the same.
func (c likeness) equal(h, w reflect.Value, s *shape) bool {
	rule := c.rules[s.typ]
	return rule.Equal != nil && !h.IsZero() && !w.IsZero() && rule.Equal(text(h), text(w))
}

// maps reports whether two maps are alike. Keys that only the live object has may be nobody's.
func (c likeness) maps(h, w reflect.Value, s *shape, path string) bool {
	for it := w.MapRange(); it.Next(); {
		v := h.MapIndex(it.Key())
		if !v.IsValid() || !v.Equal(it.Value()) {
			return false
		}
	}
	if h.Len() == w.Len() {
		return true
	}
	nobody := c.rules[s.typ+".*"].Nobody
	if nobody == nil {
		return false
	}
	for it := h.MapRange(); it.Next(); {
		if w.MapIndex(it.Key()).IsValid() {
			continue
		}
		if key := it.Key().String(); !nobody(key) || c.applied.Has(v1.PathKey(path, key)) {
			return false
		}
	}
	return true
}

func (c likeness) lists(h, w reflect.Value, s *shape, path string) bool {
	if h.Len() != w.Len() {
		return false
	}
	for i := range h.Len() {
		a, b := h.Index(i), w.Index(i)
		key := a.Interface().(keyed).ListKey()
		if key != b.Interface().(keyed).ListKey() || !c.walk(a, b, s.elem, path+"["+key+"]") {
			return false
		}
	}
	return true
}
