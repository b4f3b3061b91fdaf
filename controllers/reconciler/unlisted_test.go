package reconciler

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
)

const onNodesNetworks = `apiVersion: swarm-operator.io/v1
kind: Network
metadata: {name: bridge}
spec: {external: true}
---
apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: ours}
spec: {image: app:1, replicas: 0, networks: [bridge]}
`

// The engine attaches a service to a network of the swarm with the same name as the node's own network. It lists only
// the node's own.
func TestAServiceOnANodesOwnNetworkIsInSync(t *testing.T) {
	r := steady(t, onNodesNetworks)
	agree := func(when string, scope observe.Scope) {
		t.Helper()
		run, err := r.Look(t.Context(), scope)
		if err != nil {
			t.Fatal(err)
		}
		if !run.Plan.InSync() {
			t.Errorf("%s, the plan is:\n%s", when, run.Plan.Text(nil))
		}
	}
	agree("when it was made", observe.Everything)
	ours := r.world.Index.ByName(v1.KindService, "ours")
	target := ours.Raw.(*swarm.Service).Spec.TaskTemplate.Networks[0].Target
	if node := r.world.Index.ByName(v1.KindNetwork, "bridge"); node.ID == target {
		t.Errorf("it is attached to the node's own network %s", target)
	}
	r.world = nil
	r.observer = observe.New(r.engine, r.kinds)
	agree("in a new process", observe.Everything)
	agree("when it is read alone", observe.Scope{Objects: []kinds.Ref{{Kind: v1.KindService, ID: ours.ID}}})

	n := uint64(0)
	made, err := r.engine.ServiceCreate(t.Context(), swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "other"}, Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "app:1"}, Networks: []swarm.NetworkAttachmentConfig{{Target: "host"}}},
	}, engine.RegistryAuth{})
	if err != nil {
		t.Fatal(err)
	}
	agree("when another one comes", observe.Scope{Objects: []kinds.Ref{{Kind: v1.KindService, ID: made.ID}}})
	var names []string
	i := slices.IndexFunc(r.kinds, func(k kinds.Kind) bool { return k.Name == v1.KindService })
	for _, ref := range r.kinds[i].Uses(r.world.Index.ByID(v1.KindService, made.ID)) {
		names = append(names, r.world.Index.NameOf(ref.Kind, ref.ID))
	}
	if !slices.Equal(names, []string{"host"}) {
		t.Errorf("it refers to %s", strings.Join(names, ", "))
	}
}

// If no revision is usable, a status reads the swarm beside a run.
func TestTheSwarmIsReadBesideARun(t *testing.T) {
	r := steady(t, onNodesNetworks)
	r.observer = observe.New(r.engine, r.kinds)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := r.observer.Look(t.Context(), nil, observe.Everything); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
