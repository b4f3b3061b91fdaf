package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// unknownField says which field of a path no manifest of a type can state, and which one may be meant. It returns "" if
// each can be stated. A path has [] for the elements of a list, and below a map it may have any key.
func unknownField(t reflect.Type, path string) string {
	for at := ""; path != ""; {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		step := firstStep(path)
		switch {
		case t.Kind() == reflect.Map:
			return ""
		case t.Kind() == reflect.Slice && step == "[]":
			t = t.Elem()
		case t.Kind() == reflect.Slice:
			return fmt.Sprintf("%s%s; %s is a list, and its elements are %s[]", at, path, at, at)
		default:
			name, fields := strings.TrimPrefix(step, "."), map[string]reflect.Type{}
			collectFields(fields, t)
			if t = fields[name]; t == nil {
				return at + step + v1.DidYouMean(name, slices.Sorted(maps.Keys(fields)))
			}
		}
		at, path = at+step, path[len(step):]
	}
	return ""
}

// firstStep returns the first step of a path, which is not empty: [], or a name and the point before it.
func firstStep(path string) string {
	if strings.HasPrefix(path, "[]") {
		return "[]"
	}
	if i := strings.IndexAny(path[1:], ".["); i >= 0 {
		return path[:i+1]
	}
	return path
}

// collectFields adds the fields of a struct, by their names in manifests. Other types have none.
func collectFields(out map[string]reflect.Type, t reflect.Type) {
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		switch f := t.Field(i); {
		case f.Anonymous && jsonName(f) == "":
			collectFields(out, f.Type)
		case f.IsExported() && jsonName(f) != "" && jsonName(f) != "-":
			out[jsonName(f)] = f.Type
		}
	}
}
