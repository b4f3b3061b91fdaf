package reconciler

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func nodeCalled(id, hostname string, version uint64) *kinds.Live {
	n := &swarm.Node{ID: id, Meta: swarm.Meta{Version: swarm.Version{Index: version}}, Description: swarm.NodeDescription{Hostname: hostname}}
	return &kinds.Live{Kind: v1.KindNode, ID: id, Name: id, Called: hostname, Version: version, Raw: n}
}

// A kind that is listed again is as the new list says. A node that is gone is dropped, and an unchanged one stays the
// same object.
func TestAKindInTheScopeIsReadAnew(t *testing.T) {
	r := steady(t, onNodesNetworks)
	if _, err := r.Look(t.Context(), observe.Everything); err != nil {
		t.Fatal(err)
	}
	service := r.world.Index.ByName(v1.KindService, "ours")
	var listed []*kinds.Live
	var broken error
	r.kinds = slices.Clone(r.kinds)
	for i := range r.kinds {
		if r.kinds[i].Name == v1.KindNode {
			r.kinds[i].List = func(context.Context, *engine.Client) ([]*kinds.Live, error) { return listed, broken }
		}
	}
	r.observer = observe.New(r.engine, r.kinds)
	read := func(lives ...*kinds.Live) error {
		listed = lives
		_, err := r.observer.Look(t.Context(), r.world, observe.Scope{Kinds: []string{v1.KindNode}})
		return err
	}
	is := func(when, want string) {
		t.Helper()
		var ids []string
		for _, l := range r.world.Index.List(v1.KindNode) {
			ids = append(ids, l.ID)
		}
		slices.Sort(ids)
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s there are %q, want %q", when, got, want)
		}
	}
	if err := read(nodeCalled("1", "a", 1), nodeCalled("2", "b", 1), nodeCalled("3", "b", 1)); err != nil {
		t.Fatal(err)
	}
	is("at first", "1 2 3")
	first := r.world.Index.ByID(v1.KindNode, "1")

	if err := read(nodeCalled("1", "a", 1), nodeCalled("3", "b", 2)); err != nil {
		t.Fatal(err)
	}
	is("when one is gone", "1 3")
	if r.world.Index.ByID(v1.KindNode, "1") != first {
		t.Error("what is as before was made anew")
	}
	if l := r.world.Index.ByID(v1.KindNode, "3"); l.Version != 2 {
		t.Errorf("what changed is as it was: %+v", l)
	}

	broken = errors.New("no leader")
	if err := read(); !errors.Is(err, broken) {
		t.Errorf("reading said %v", err)
	}
	is("when it could not be read", "1 3")
	broken = nil
	if err := read(nodeCalled("4", "a", 1)); err != nil {
		t.Fatal(err)
	}
	is("when all joined anew", "4")
	if r.world.Index.ByName(v1.KindService, "ours") != service {
		t.Error("something else was read")
	}
}

// While the root is being replaced, no event tells which nodes have the new one, or when it is over.
func TestWhatIsReadAgainWhileTheRootIsReplaced(t *testing.T) {
	run := &Run{}
	if got := run.Moving(); len(got) > 0 {
		t.Errorf("for nothing, %v are read", got)
	}
	run.Surveyed.Nodes = &kinds.Nodes{Rotating: true}
	if got := run.Moving(); !slices.Equal(got, []string{v1.KindNode, v1.KindCluster}) {
		t.Errorf("%v are read", got)
	}
}

// A rotation needs a run that read everything. Its records alone do not.
func TestARotationIsDecidedOnTheWholeSwarm(t *testing.T) {
	for origin, whole := range map[plan.Origin]bool{plan.OriginRotates: true, plan.OriginRecords: false} {
		run := &Run{}
		run.Plan.Steps = []plan.Step{{Op: diff.Update, Origin: origin}}
		if run.Ends() != whole {
			t.Errorf("%d: %t", origin, !whole)
		}
	}
}

// Records count even if no manifest is about the Cluster. What is stated counts only with the two states to write it
// by.
func TestRotationsOfARun(t *testing.T) {
	live := &kinds.Live{Kind: v1.KindCluster, ID: "c", Name: v1.ClusterName, Labels: map[string]string{v1.LabelRotatedWorker: "epoch=1 at=2026-03-01T12:00:00Z"}, Raw: &swarm.ClusterInfo{}}
	epoch := uint64(2)
	manifest := &v1.Cluster{Spec: v1.ClusterSpec{JoinTokens: &v1.JoinTokens{Worker: &v1.JoinToken{Rotation: &v1.Rotation{Epoch: &epoch}}}}}
	key := v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}
	r := New(Options{})
	of := func(lives ...*kinds.Live) *kinds.Index {
		return kinds.NewIndex(map[string][]*kinds.Live{v1.KindCluster: lives}, func(*kinds.Live) []kinds.Ref { return nil })
	}
	haves := []diff.State{{Key: key, Instance: "default", Meta: diff.Meta{ID: "c"}, Value: live}}
	for _, c := range []struct {
		name            string
		lives           []*kinds.Live
		haves           []diff.State
		wants           map[v1.Key]*diff.State
		records, stated int
	}{
		{"nothing is known", nil, nil, nil, 0, 0},
		{"no manifest", []*kinds.Live{live}, nil, nil, 1, 0},
		{"a manifest of another source", []*kinds.Live{live}, haves, nil, 1, 0},
		{"a manifest", []*kinds.Live{live}, haves, map[v1.Key]*diff.State{key: {Key: key, Value: manifest}}, 1, 1},
	} {
		run := &Run{}
		run.At, run.Index, run.Haves, run.Wanted = time.Unix(0, 0), of(c.lives...), c.haves, c.wants
		got := r.rotations(run, nil)
		// Nothing is known of nodes, so what is due waits.
		p := plan.Build(nil, plan.Facts{}, plan.Policy{}, got.Part)
		if len(got.Last) != c.records || len(p.Refused) != c.stated || len(p.Steps) != 0 {
			t.Errorf("%s: %+v\n%s", c.name, got, p.Text(nil))
		}
	}
}
