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

// fields are a struct's fields, including those of embedded structs.
type fields struct {
	byName map[string]field
	names  []string // in the order of the type, as messages list them
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

// elsewhere returns the path below t of the field with that name, without list indexes. It returns "" if there is no
// such field or more than one.
func elsewhere(t reflect.Type, name string) string {
	known, ok := pathsByType.Load(t)
	if !ok {
		paths := map[string]string{}
		collectPaths(paths, t, "", 8)
		known, _ = pathsByType.LoadOrStore(t, paths)
	}
	return known.(map[string]string)[name]
}

var pathsByType sync.Map // reflect.Type → map[string]string; "" for names that occur in several places

func collectPaths(paths map[string]string, t reflect.Type, at string, depth int) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice {
			at += "[]"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || depth == 0 {
		return
	}
	all := fieldsOf(t)
	for _, name := range all.names {
		path := join(at, name)
		if _, twice := paths[name]; twice {
			paths[name] = ""
		} else {
			paths[name] = path
		}
		collectPaths(paths, t.FieldByIndex(all.byName[name].index).Type, path, depth-1)
	}
}
