package state

import (
	"slices"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// A later revision inherits the removals that earlier ones have left undone, until those are done.
func TestALaterRevisionInheritsRemovalsThatWait(t *testing.T) {
	key := func(name string) v1.Key { return v1.Key{Kind: v1.KindService, Name: name} }
	m := Memory{
		InForce: Revision{Hash: "two"}, Begun: []v1.Key{key("new")}, Leaving: []v1.Key{key("old")},
		Superseded: Unended{Removals: []v1.Key{key("older")}, Begun: []v1.Key{key("newer")}},
	}
	if got := m.Before("two"); !slices.Equal(got.Removals, []v1.Key{key("older")}) || !slices.Equal(got.Begun, []v1.Key{key("newer")}) {
		t.Errorf("the same revision inherits %+v", got)
	}
	got := m.Before("three")
	if !slices.Equal(got.Removals, []v1.Key{key("old"), key("older")}) || !slices.Equal(got.Begun, []v1.Key{key("new"), key("newer")}) {
		t.Errorf("the next revision inherits %+v", got)
	}
	all := func(v1.Key) bool { return true }
	if kept := got.Keep(func(k v1.Key) bool { return k.Name == "old" }, func(k v1.Key) bool { return k.Name == "new" }); len(kept.Removals) != 1 || len(kept.Begun) != 1 {
		t.Errorf("of what is there and wanted, %+v is kept", kept)
	}
	for _, none := range []Unended{got.Keep(func(v1.Key) bool { return false }, all), got.Keep(all, func(v1.Key) bool { return false })} {
		if none.Removals != nil || none.Begun != nil {
			t.Errorf("nothing waits, and %+v is kept", none)
		}
	}
}
