// Package leaves checks that somebody has decided what becomes of every leaf of an engine's type.
package leaves

import (
	"reflect"
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Decided fails the test unless verdicts says of each leaf of T, and of no other, which leaf of the kind carries it. A
// verdict may also be "never: " and the reason, or "refused: " and a path that manifests of the kind refuse by name.
func Decided[T any](t *testing.T, kind string, verdicts map[string]string, rules diff.Rules) {
	t.Helper()
	seen := map[string]bool{}
	walk(reflect.TypeFor[T](), "", func(path string) {
		seen[path] = true
		verdict, decided := verdicts[path]
		if !decided {
			t.Errorf("%s is new: decide who carries it", path)
			return
		}
		if refused, ok := strings.CutPrefix(verdict, "refused: "); ok {
			if _, dropped := v1.Dropped(kind, refused); !dropped {
				t.Errorf("%s: %s is not among the fields that are refused by name", path, refused)
			}
		} else if _, ours := rules[verdict]; !ours && !strings.HasPrefix(verdict, "never: ") {
			t.Errorf("%s: there is no leaf %s", path, verdict)
		}
	})
	for path := range verdicts {
		if !seen[path] {
			t.Errorf("the engine has no %s any more", path)
		}
	}
}

// walk calls found for each leaf below a type.
func walk(t reflect.Type, path string, found func(path string)) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice {
		t, path = t.Elem(), path+"[]"
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
	}
	if t.Kind() != reflect.Struct {
		found(path)
		return
	}
	for i := range t.NumField() {
		walk(t.Field(i).Type, strings.TrimPrefix(path+"."+t.Field(i).Name, "."), found)
	}
}
