package observe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// Numbers that an engine does not know for a moment must not look as if nodes had gone. Otherwise the operator would
// pause.
func TestNodesAreCountedWhereTheEngineDoesNotKnowTheirNumber(t *testing.T) {
	var list []*kinds.Live
	for i := range 5 {
		n := &swarm.Node{}
		if i < 3 {
			n.ManagerStatus = &swarm.ManagerStatus{}
		}
		list = append(list, &kinds.Live{Kind: v1.KindNode, Raw: n})
	}
	const waits = "rpc error: code = Unknown desc = The swarm does not have a leader."
	for _, c := range []struct {
		name            string
		about           engine.About
		nodes, managers int
	}{
		{"it knows", engine.About{Nodes: 4, Managers: 1}, 4, 1},
		{"it waits for a leader", engine.About{Error: waits}, 5, 3},
		{"it says neither number nor error", engine.About{}, 5, 3},
		{"its numbers come with an error", engine.About{Nodes: 1, Managers: 1, Error: waits}, 5, 3},
	} {
		if got := headcount(c.about, list); got.Nodes != c.nodes || got.Managers != c.managers {
			t.Errorf("%s: %d nodes and %d managers, want %d and %d", c.name, got.Nodes, got.Managers, c.nodes, c.managers)
		}
	}
}

// A kind that few swarms have is listed only for a source that states or has some, and only if the engine knows it. A
// list that fails is no failure of the look, and leaves nothing of what was found before.
func TestKindsOnDemandAreListedOnlyIfTheyAreAskedFor(t *testing.T) {
	denied := errors.New("denied")
	for _, c := range []struct {
		name        string
		api         string
		states, has bool
		fails       error
		lists       int
		err, found  string
	}{
		{"nobody asks", "1.52", false, false, nil, 0, "", ""},
		{"stated", "1.42", true, false, nil, 1, "", "data"},
		{"on record", "1.42", false, true, nil, 1, "", "data"},
		{"stated and denied", "1.42", true, false, denied, 1, "denied", ""},
		{"stated, and the engine is too old", "1.41", true, false, nil, 0, "", ""},
		{"on record, and the engine is too old", "1.41", false, true, nil, 0, "a Volume needs engine API 1.42, and this engine has 1.41: let the operator talk to a newer one", ""},
	} {
		lists := 0
		k := kinds.Kind{Model: kinds.Model{Name: v1.KindVolume}, Store: kinds.Store{OnDemand: true, SinceAPI: "1.42"}}
		k.List = func(ctx context.Context, _ *engine.Client) ([]*kinds.Live, error) {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Errorf("%s: the list may take for ever", c.name)
			}
			lists++
			if c.fails != nil {
				return nil, c.fails
			}
			return []*kinds.Live{{Kind: v1.KindVolume, ID: "1", Name: "data"}}, nil
		}
		always := kinds.Kind{Model: kinds.Model{Name: v1.KindNetwork}}
		before := map[string][]*kinds.Live{v1.KindVolume: {{Kind: v1.KindVolume, ID: "0", Name: "gone"}}}
		w := &World{About: engine.About{API: c.api}, Index: kinds.NewIndex(before, func(*kinds.Live) []kinds.Ref { return nil })}
		failed := New(nil, kinds.Set{always, k}).Demand(t.Context(), w, func(kind string) (states, has bool) {
			if kind != v1.KindVolume {
				t.Errorf("%s: it asks about %s", c.name, kind)
			}
			return c.states, c.has
		})
		var found []string
		for _, l := range w.Index.List(v1.KindVolume) {
			found = append(found, l.Name)
		}
		why := ""
		if err := failed[v1.KindVolume]; err != nil {
			why = err.Error()
		}
		if lists != c.lists || why != c.err || strings.Join(found, " ") != c.found {
			t.Errorf("%s: %d lists, %q, and found %v", c.name, lists, why, found)
		}
	}
}

// That an object is not found is believed if it is said to be gone. Otherwise its kind is listed, because only the answer
// may be wrong, and no event would tell.
func TestAnObjectThatIsNotFoundIsLookedForInTheList(t *testing.T) {
	live := func(id string) *kinds.Live { return &kinds.Live{Kind: v1.KindNode, ID: id, Name: "node-" + id} }
	for _, c := range []struct {
		name  string
		refs  []string // what is read alone; none of it is found
		gone  string   // what is said to be gone
		list  []*kinds.Live
		fails error
		lists int
		found string
	}{
		{"an event says that it is gone", []string{"1"}, "1", nil, nil, 0, "node-2"},
		{"no event says so, and it is there", []string{"1"}, "", []*kinds.Live{live("1"), live("2")}, nil, 1, "node-1 node-2"},
		{"no event says so yet, and it is gone", []string{"1"}, "", []*kinds.Live{live("2")}, nil, 1, "node-2"},
		{"two of a kind: one list", []string{"1", "2"}, "", []*kinds.Live{live("1"), live("2")}, nil, 1, "node-1 node-2"},
		{"it was not known, and has gone already", []string{"3"}, "", nil, nil, 0, "node-1 node-2"},
		{"the list fails too", []string{"1"}, "", nil, errors.New("denied"), 1, "error"},
	} {
		lists := 0
		k := kinds.Kind{Model: kinds.Model{Name: v1.KindNode, Uses: func(*kinds.Live) []kinds.Ref { return nil }}}
		k.Read = func(context.Context, *engine.Client, string) (*kinds.Live, error) { return nil, engine.ErrNotFound }
		k.List = func(context.Context, *engine.Client) ([]*kinds.Live, error) { lists++; return c.list, c.fails }
		w := &World{Index: kinds.NewIndex(map[string][]*kinds.Live{v1.KindNode: {live("1"), live("2")}}, k.Uses)}
		s := Scope{Gone: map[kinds.Ref]bool{{Kind: v1.KindNode, ID: c.gone}: c.gone != ""}}
		for _, id := range c.refs {
			s.Objects = append(s.Objects, kinds.Ref{Kind: v1.KindNode, ID: id})
		}
		var found []string
		if got, err := New(nil, kinds.Set{k}).Look(t.Context(), w, s); err != nil {
			found = []string{"error"}
		} else {
			for _, l := range got.Index.List(v1.KindNode) {
				found = append(found, l.Name)
			}
		}
		slices.Sort(found)
		if lists != c.lists || strings.Join(found, " ") != c.found {
			t.Errorf("%s: %d lists, and found %v; want %d and %s", c.name, lists, found, c.lists, c.found)
		}
	}
}
