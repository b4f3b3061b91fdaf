package decide

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// wholeProgress compares every field, however deep, so that a new field cannot be left out by mistake.
var wholeProgress = cmp.Exporter(func(reflect.Type) bool { return true })

// filled puts an entry into every map that can be reached from a value. It returns the number of maps.
func filled(v reflect.Value, tag int64) int {
	v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem() // unexported fields as well
	switch v.Kind() {
	case reflect.Struct:
		n := 0
		for i := range v.NumField() {
			n += filled(v.Field(i), tag)
		}
		return n
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		set(key, tag)
		set(value, tag)
		v.SetMapIndex(key, value)
		return 1
	}
	return 0
}

// set makes a value differ from zero if it is, or contains, text, a number or a bool.
func set(v reflect.Value, tag int64) {
	v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("s", tag))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(tag)
	case reflect.Uint64:
		v.SetUint(uint64(tag))
	case reflect.Pointer:
		if v.Type().Elem().PkgPath() == reflect.TypeFor[Progress]().PkgPath() {
			v.Set(reflect.New(v.Type().Elem()))
			set(v.Elem(), tag)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			set(v.Field(i), tag)
		}
	}
}

// A clone shares nothing that a run changes. It does share the known versions, which nobody changes until they are
// kept.
func TestACloneOfProgressStaysAsItWas(t *testing.T) {
	p := newProgress()
	if n := filled(reflect.ValueOf(&p).Elem(), 1); n < 15 {
		t.Fatalf("only %d maps were found", n)
	}
	p.versions.known = nil
	same := p.Clone()
	if d := cmp.Diff(p, same, wholeProgress); d != "" {
		t.Fatalf("a clone differs:\n%s", d)
	}
	for _, r := range p.rounds { // what a pointer points to must be copied as well
		r.have = "changed"
	}
	filled(reflect.ValueOf(&p).Elem(), 2)
	p.versions.known = nil
	if d := cmp.Diff(p.Clone(), p, wholeProgress); d != "" {
		t.Errorf("a second clone differs:\n%s", d)
	}
	var twos []string
	count := func(path string, n int) {
		if n != 1 {
			twos = append(twos, fmt.Sprintf("%s has %d", path, n))
		}
	}
	each(reflect.ValueOf(&same).Elem(), "progress", count)
	if len(twos) > 0 {
		t.Errorf("what was done to the one is seen in the other: %q", twos)
	}
	for _, r := range same.rounds {
		if r.have == "changed" {
			t.Error("a round is shared")
		}
	}
}

// actingOnly are maps that clones share, because thinking does not change them.
var actingOnly = []string{"progress.doings.handed", "progress.doings.removed", "progress.following.versions.known"}

// each calls say for every map, with its path and the number of its entries.
func each(v reflect.Value, path string, say func(string, int)) {
	v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			each(v.Field(i), path+"."+v.Type().Field(i).Name, say)
		}
	case reflect.Map:
		if !slices.Contains(actingOnly, path) {
			say(path, v.Len())
		}
	}
}

// Fresh versions beside the known ones must act like one map of both, whether they are kept or dropped.
func TestVersionsAreThoseOfOneMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var v versions
		truth := map[v1.Key]uint64{}
		for range rapid.IntRange(1, 6).Draw(t, "runs") {
			before, was := v.clone(), maps.Clone(truth)
			for range rapid.IntRange(0, 8).Draw(t, "services") {
				key, version := v1.Key{Kind: v1.KindService, Name: rapid.StringMatching("[a-e]").Draw(t, "name")}, rapid.Uint64Range(1, 3).Draw(t, "version")
				old, known := truth[key]
				truth[key] = version
				if got := v.see(key, version); got != (!known || old != version) {
					t.Fatalf("%s with version %d is new: %t; it was known: %t, with %d", key, version, got, known, old)
				}
			}
			if rapid.Bool().Draw(t, "some went") {
				there := map[v1.Key]bool{}
				for key := range truth {
					there[key] = rapid.Bool().Draw(t, "it is there")
				}
				v.only(there)
				maps.DeleteFunc(truth, func(k v1.Key, _ uint64) bool { return !there[k] })
			}
			if v.count() != len(truth) {
				t.Fatalf("%d are known, want %d", v.count(), len(truth))
			}
			if rapid.Bool().Draw(t, "thought again") {
				v, truth = before, was
				continue
			}
			v.keep()
		}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			key := v1.Key{Kind: v1.KindService, Name: name}
			if _, want := truth[key]; v.has(key) != want || want && v.known[key] != truth[key] {
				t.Fatalf("%s is known: %t (%d), want %t (%d)", key, v.has(key), v.known[key], want, truth[key])
			}
		}
	})
}
