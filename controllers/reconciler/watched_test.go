package reconciler

import (
	"slices"
	"testing"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/diff"
)

// An object that is not settled is read again, even if no event names it.
func TestWhatIsNotSettledIsWatched(t *testing.T) {
	r := New(Options{Log: logr.Discard(), Policy: decide.Policy{Follow: true}})
	list := map[string][]*kinds.Live{v1.KindService: {{Kind: v1.KindService, ID: "s1", Name: "web"}}}
	r.world = &observe.World{Index: kinds.NewIndex(list, func(*kinds.Live) []kinds.Ref { return nil })}
	var dirty observe.Dirty
	run := &Run{}
	run.At, run.Index, run.Wanted = r.now(), r.world.Index, map[v1.Key]*diff.State{}
	for _, name := range []string{"web", "gone"} { // seen for the first time
		want := asks(name, "a")
		run.Wanted[want.Key] = want
		run.Haves = append(run.Haves, &diff.State{Key: want.Key, Meta: diff.Meta{Mine: true, Version: 1}})
	}
	r.decider.Needs(&run.Decision)
	for range 2 {
		if got := r.Scope(&dirty, nil); got.All || !slices.Equal(got.Objects, []kinds.Ref{{Kind: v1.KindService, ID: "s1"}}) {
			t.Errorf("it reads %+v", got)
		}
	}
}
