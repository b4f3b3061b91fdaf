package engines

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

const patience = 3 * time.Minute

// world is a swarm for a test.
type world struct {
	*testing.T
	*Swarm
	api *client.Client
}

func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	Need(t)
	start := time.Now()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d+%d nodes were ready after %s", o.Managers, o.Workers, time.Since(start).Round(10*time.Millisecond))
	t.Cleanup(func() {
		if t.Failed() {
			dir, err := harness.Artifacts(context.Background(), "engines", t.Name())
			if err := errors.Join(err, s.Save(context.Background(), dir)); err != nil {
				t.Error(err)
			}
			t.Logf("what explains it is in %s", dir)
		}
		start := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("closed after %s", time.Since(start).Round(10*time.Millisecond))
	})
	return &world{t, s, s.Client("manager-1")}
}

// in returns the same world for a subtest.
func (w *world) in(t *testing.T) *world { return &world{t, w.Swarm, w.api} }

func (w *world) eventually(check func() error) {
	w.Helper()
	if err := harness.Until(w.Context(), patience, check); err != nil {
		w.Fatal(err)
	}
}

// create loads an image and creates a service that runs it.
func (w *world) create(name, image string, replicas uint64, more ...func(*client.ServiceCreateOptions)) {
	w.Helper()
	if err := w.Load(w.Context(), image); err != nil {
		w.Fatal(err)
	}
	delay, none := time.Second, uint64(0)
	o := client.ServiceCreateOptions{QueryRegistry: true, Spec: swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: name},
		Mode:        swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Image: image},
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay, MaxAttempts: &none},
		},
	}}
	for _, f := range more {
		f(&o)
	}
	if _, err := w.api.ServiceCreate(w.Context(), o); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _, _ = w.api.ServiceRemove(context.Background(), name, client.ServiceRemoveOptions{}) })
}

func (w *world) tasks(service string) []swarm.Task {
	w.Helper()
	list, err := w.api.TaskList(w.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", service)})
	if err != nil {
		w.Fatal(err)
	}
	return list.Items
}

// reaches waits until a service has at least n tasks in a state, and returns one of them.
func (w *world) reaches(service string, state swarm.TaskState, n int) swarm.Task {
	w.Helper()
	var found swarm.Task
	w.eventually(func() error {
		var has []string
		count := 0
		for _, t := range w.tasks(service) {
			has = append(has, fmt.Sprintf("%s, wanted %s: %s", t.Status.State, t.DesiredState, t.Status.Err))
			if t.Status.State == state {
				count++
				found = t
			}
		}
		if count < n {
			return fmt.Errorf("%d of %d tasks of %s are %s: %q", count, n, service, state, has)
		}
		return nil
	})
	return found
}

// state waits until a manager sees a node in a state.
func (w *world) state(by, node string, state swarm.NodeState) {
	w.Helper()
	w.eventually(func() error {
		ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
		defer cancel()
		list, err := w.Client(by).NodeList(ctx, client.NodeListOptions{})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list.Items, func(n swarm.Node) bool { return n.Description.Hostname == node })
		if i < 0 || list.Items[i].Status.State != state {
			return fmt.Errorf("%s is not %s", node, state)
		}
		return nil
	})
}
