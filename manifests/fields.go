package manifests

import (
	"reflect"
	"strings"
	"sync"
)

// field is one field of a struct by its name in manifests.
type field struct {
	name  string
	index []int
}

// fields are a struct's fields, those of embedded structs among them.
type fields struct {
	byName map[string]field
	names  []string // in the order of the type: what explain and messages list
}

var fieldsByType sync.Map // reflect.Type → fields

func fieldsOf(t reflect.Type) fields {
	if known, ok := fieldsByType.Load(t); ok {
		return known.(fields)
	}
	f := fields{byName: map[string]field{}}
	f.collect(t, nil)
	fieldsByType.Store(t, f)
	return f
}

func (f *fields) collect(t reflect.Type, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(append([]int(nil), index...), i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		switch {
		case sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct:
			f.collect(sf.Type, at)
		case !sf.IsExported() || name == "-" || name == "":
		default:
			f.byName[name] = field{name, at}
			f.names = append(f.names, name)
		}
	}
}

// pathsTo lists the paths below t, without list indexes, at which a field of that name stands.
func pathsTo(t reflect.Type, name, at string, depth int) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice {
			at += "[]"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || depth == 0 {
		return nil
	}
	var out []string
	all := fieldsOf(t)
	for _, n := range all.names {
		if n == name {
			out = append(out, join(at, n))
		}
		out = append(out, pathsTo(t.FieldByIndex(all.byName[n].index).Type, name, join(at, n), depth-1)...)
	}
	return out
}
