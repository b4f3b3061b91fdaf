package decide

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// However often it is cloned and kept, what a process knows of versions is like a map of its own. A thought that does not
// count leaves nothing behind.
func versionsAreAMap(t *rapid.T) {
	keys := []v1.Key{svc("a"), svc("b"), svc("c"), svc("d")}
	agrees := func(v *versions, want map[v1.Key]uint64, when string) {
		for _, k := range keys {
			if _, known := want[k]; v.has(k) != known {
				t.Fatalf("%s, %s is known: %t, want %t", when, k, !known, known)
			}
		}
		if n := v.count(); n != len(want) {
			t.Fatalf("%s, it counts %d of %v", when, n, want)
		}
	}
	thinks := func(v *versions, want map[v1.Key]uint64) {
		if rapid.IntRange(0, 3).Draw(t, "some are gone") == 0 {
			there := map[v1.Key]bool{}
			for _, k := range keys {
				there[k] = rapid.Bool().Draw(t, "still there")
			}
			v.only(there)
			maps.DeleteFunc(want, func(k v1.Key, _ uint64) bool { return !there[k] })
			return
		}
		k, version := rapid.SampledFrom(keys).Draw(t, "service"), rapid.Uint64Range(1, 2).Draw(t, "version")
		before, known := want[k]
		if is, differs := v.see(k, version), !known || before != version; is != differs {
			t.Fatalf("version %d of %s is new: %t, and known were %v", version, k, is, want)
		}
		want[k] = version
	}
	is, want := versions{}, map[v1.Key]uint64{}
	for range rapid.IntRange(1, 10).Draw(t, "runs") {
		thought, wanted := is.clone(), maps.Clone(want)
		for range rapid.IntRange(0, 5).Draw(t, "thoughts") {
			thinks(&thought, wanted)
			agrees(&thought, wanted, "in a thought")
		}
		agrees(&is, want, "beside a thought")
		if rapid.Bool().Draw(t, "the thought counts") {
			is, want = thought, wanted
		}
		is.keep()
		agrees(&is, want, "after a run")
	}
}

func TestVersionsAreLikeAMap(t *testing.T) { rapid.Check(t, versionsAreAMap) }
func FuzzVersionsAreLikeAMap(f *testing.F) { generate.Fuzz(f, versionsAreAMap) }
