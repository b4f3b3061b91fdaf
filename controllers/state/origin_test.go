package state_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/state"
)

func TestWhatSaysMoreAboutWhereASourceBegan(t *testing.T) {
	nothing, root, cut, place := state.Origin{}, state.Origin{Roots: []string{"a"}}, state.Origin{Roots: []string{"b"}, Cut: true}, state.Origin{Place: "/a"}
	both := state.Origin{Roots: []string{"a"}, Place: "/a"}
	better := map[[2]string]bool{
		{"nothing", "root"}: true, {"nothing", "cut"}: true, {"nothing", "place"}: true, {"nothing", "both"}: true,
		{"cut", "root"}: true, {"cut", "both"}: true, {"place", "root"}: true, {"place", "cut"}: true, {"place", "both"}: true,
	}
	all := map[string]state.Origin{"nothing": nothing, "root": root, "cut": cut, "place": place, "both": both}
	for from, old := range all {
		if old.Known() != (from != "nothing") {
			t.Errorf("%s is known: %t", from, old.Known())
		}
		for to, next := range all {
			if got := next.Better(old); got != better[[2]string{from, to}] {
				t.Errorf("%s after %s is better: %t", to, from, got)
			}
		}
	}
}

func TestByWhichCommitsASourceIsKnown(t *testing.T) {
	hash := strings.Repeat("1", 40)
	for name, c := range map[string]struct {
		memory state.Memory
		want   []string
	}{
		"none":                     {state.Memory{}, nil},
		"its roots":                {state.Memory{Origin: state.Origin{Roots: []string{"a", "b"}}}, []string{"a", "b"}},
		"and what is in force":     {state.Memory{Origin: state.Origin{Roots: []string{"a"}}, InForce: state.Revision{Hash: hash}}, []string{"a", hash}},
		"what was before is not":   {state.Memory{InForce: state.Revision{Hash: hash, Behind: []string{"123456789012"}}, History: []state.Entry{{Hash: "old"}}}, []string{hash}},
		"files are not":            {state.Memory{Origin: state.Origin{Place: "/a"}, InForce: state.Revision{Hash: "files-0123456789abcdef"}}, nil},
		"even if they have a root": {state.Memory{Origin: state.Origin{Roots: []string{"a"}, Place: "/a"}, InForce: state.Revision{Hash: "files-0123456789abcdef"}}, []string{"a"}},
	} {
		if got := c.memory.Known(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
