package reconciler

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
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

// Each need for tasks is one call. What fails is an answer as well, and so is a file that is not there.
func TestTasksAndFilesThatAreNeeded(t *testing.T) {
	r := New(Options{})
	r.kinds = slices.Clone(r.kinds)
	var asked []kinds.TaskNeed
	broken := errors.New("no leader")
	for i := range r.kinds {
		if r.kinds[i].Survey != nil {
			r.kinds[i].Survey = &kinds.Surveyor{Tasks: func(_ context.Context, _ *engine.Client, need kinds.TaskNeed) ([]kinds.Task, error) {
				if asked = append(asked, need); len(need.Services) > 0 {
					return nil, broken
				}
				return []kinds.Task{{ID: "t"}}, nil
			}}
		}
	}
	const there, gone = "own.certFile", "own.keyFile"
	own := config.Authority{CertFile: filepath.Join(t.TempDir(), "ca.pem"), KeyFile: filepath.Join(t.TempDir(), "gone")}
	if err := os.WriteFile(own.CertFile, []byte("a root"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.named.Authorities = map[string]config.Authority{"own": own}
	a := decide.Answers{Files: map[string]kinds.File{}}
	for _, n := range []decide.Needs{{}, {Files: []string{there, gone}}, {Tasks: kinds.TaskNeed{Nodes: []string{"1"}}}, {Tasks: kinds.TaskNeed{Services: []string{"s"}}}} {
		r.askMore(t.Context(), n, &a)
	}
	if len(asked) != 2 || len(a.Tasks) != 2 || !a.Tasks[0].Equal(asked[0]) || !a.Tasks[1].Equal(asked[1]) {
		t.Fatalf("it asked for %+v, and the answers are %+v", asked, a.Tasks)
	}
	if len(a.Tasks[0].Tasks) != 1 || a.Tasks[0].Err != nil || len(a.Tasks[1].Tasks) != 0 || !errors.Is(a.Tasks[1].Err, broken) {
		t.Errorf("the answers are %+v", a.Tasks)
	}
	if f := a.Files[there]; string(f.Content.Reveal()) != "a root" || f.Err != nil {
		t.Errorf("the file has %d bytes, %v", f.Content.Len(), f.Err)
	}
	if f, known := a.Files[gone]; !known || f.Err == nil || len(a.Files) != 2 {
		t.Errorf("the missing file is %+v among %d", f, len(a.Files))
	}
}
