package reconciler

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

const several = `apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: a}
spec: {image: "app:1", replicas: 0, networks: [front], configs: [{source: conf, target: /c}], secrets: [{source: key, target: k}]}
---
apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: b, labels: {tier: back}}
spec: {image: "app:1", replicas: 0, networks: [front, back]}
policy: {enforce: false}
---
apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: c}
spec: {image: "app:1", replicas: 0, networks: [there]}
---
apiVersion: swarm-operator.io/v1
kind: Network
metadata: {name: front}
---
apiVersion: swarm-operator.io/v1
kind: Network
metadata: {name: back}
---
apiVersion: swarm-operator.io/v1
kind: Network
metadata: {name: there}
spec: {external: true}
---
apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: conf}
spec: {data: one}
---
apiVersion: swarm-operator.io/v1
kind: Secret
metadata: {name: key}
spec: {data: one}
`

// hands is somebody who does anything that can be done to a swarm.
type hands struct {
	*testing.T
	rand *rand.Rand
	c    *engine.Client
}

// act does one thing at random. It ignores what the engine refuses.
func (h *hands) act() {
	ctx := h.Context()
	services, err := h.c.ServiceList(ctx)
	if err != nil {
		h.Fatal(err)
	}
	slices.SortFunc(services, func(a, b *engine.Listed) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	names := []string{"a", "b", "c", "stranger"}
	name := names[h.rand.IntN(len(names))]
	i := slices.IndexFunc(services, func(s *engine.Listed) bool { return s.Spec.Name == name })
	switch what := h.rand.IntN(8); {
	case what == 0 && i >= 0:
		_ = h.c.ServiceRemove(ctx, services[i].ID)
	case what == 1:
		n := uint64(0)
		_, _ = h.c.ServiceCreate(ctx, swarm.ServiceSpec{
			Annotations: swarm.Annotations{Name: name}, Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}},
			TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "app:1"}},
		}, engine.RegistryAuth{})
	case what == 2:
		_, _ = h.c.NetworkCreate(ctx, "there", client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm"})
	case what == 3:
		all, err := h.c.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("scope", "swarm")})
		if err == nil && len(all) > 0 {
			_, _ = h.c.NetworkRemove(ctx, all[h.rand.IntN(len(all))].ID, client.NetworkRemoveOptions{})
		}
	case what == 4:
		_, _ = h.c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "conf"}, Data: []byte("two")}})
	case what == 5:
		all, err := h.c.ConfigList(ctx, client.ConfigListOptions{})
		// Leave the operator's memory alone: each run that finds none makes another key, so no two plans would be the
		// same.
		list := slices.DeleteFunc(all.Items, func(c swarm.Config) bool { return state.Own(c.Spec.Labels) })
		if err == nil && len(list) > 0 {
			_, _ = h.c.ConfigRemove(ctx, list[h.rand.IntN(len(list))].ID, client.ConfigRemoveOptions{})
		}
	case i >= 0:
		spec := services[i].Spec
		labels := map[string]string{}
		for k, v := range spec.Labels {
			labels[k] = v
		}
		labels["by"] = string(rune('a' + h.rand.IntN(3)))
		spec.Labels = labels
		_, _ = h.c.ServiceUpdate(ctx, services[i].ID, engine.ServiceUpdate{Version: services[i].Version, Spec: spec})
	}
}

// Whatever hands do, a run that reads what events name comes to the same plan as one that reads everything.
func TestAScopedRunFindsWhatAFullOneFinds(t *testing.T) {
	r := steady(t, several)
	var dirty observe.Dirty
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := r.engine.Events(ctx)
	for e := range events { // the stream is open
		if e.Type == engine.Reconnected {
			break
		}
	}
	const marker = "swarm-operator.marker.1"
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := &hands{t, rand.New(rand.NewPCG(1, seed)), r.engine}
	for round := range 60 {
		for range 1 + h.rand.IntN(3) {
			h.act()
		}
		// Events come in order. Once the marker's event has come, all earlier ones have.
		made, err := r.engine.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: marker}, Data: []byte("x")}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.engine.ConfigRemove(ctx, made.ID, client.ConfigRemoveOptions{}); err != nil {
			t.Fatal(err)
		}
		err = harness.Until(ctx, time.Minute, func() error {
			for e := range events {
				r.Notice(&dirty, e, false)
				if e.ID == made.ID && e.Action == "remove" {
					return nil
				}
			}
			return ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		scope := r.Scope(&dirty, nil)
		if scope.All {
			t.Errorf("round %d reads everything", round)
		}
		r.mu.Lock()
		scoped, err := r.planned(ctx, scope, func() {})
		r.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		full, err := r.Plan(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(full.Plan.Text(nil), scoped.Plan.Text(nil)); d != "" {
			t.Fatalf("round %d, after reading %+v: the plan (-full +scoped):\n%s", round, scope, d)
		}
		if h.rand.IntN(3) == 0 { // the operator acts as well
			if _, err := r.Apply(ctx, full, func(apply.Event) {}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
