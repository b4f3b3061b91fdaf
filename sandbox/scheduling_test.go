package sandbox

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/scheduler"
)

// Schedulers that run side by side must not see each other's tasks.
func TestSchedulersAreSeparate(t *testing.T) {
	prepareProcess()
	if len(schedulerFilters) != 1 {
		t.Fatalf("there are %d filters: was SwarmKit's list read before it was replaced?", len(schedulerFilters))
	}
	filter := schedulerFilters[0]
	if n := len(filter.(*ownFilters).kinds); n < 7 {
		t.Errorf("SwarmKit has %d filters", n)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			want := fmt.Sprint(i)
			task := &api.Task{Spec: api.TaskSpec{Placement: &api.Placement{Constraints: []string{"node.labels.n==" + want}}}}
			node := func(label string) *scheduler.NodeInfo {
				return &scheduler.NodeInfo{Node: &api.Node{
					Status:      api.NodeStatus{State: api.NodeStatus_READY},
					Spec:        api.NodeSpec{Annotations: api.Annotations{Labels: map[string]string{"n": label}}},
					Description: &api.NodeDescription{},
				}}
			}
			for range 1000 {
				filter.SetTask(task)
				if !filter.Check(node(want)) || filter.Check(node(want+"x")) {
					t.Errorf("scheduler %s took the wrong node", want)
					return
				}
				if why := filter.Explain(1); why != "scheduling constraints not satisfied on 1 node" {
					t.Errorf("the reason is %q", why)
					return
				}
			}
		})
	}
	wg.Wait()
}

// The reason why a task is pending has SwarmKit's words.
func TestUnschedulable(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	c := connect(t, sb, "manager-1")
	for name, tc := range map[string]struct {
		change func(*swarm.TaskSpec)
		err    string
	}{
		"constraint": {func(s *swarm.TaskSpec) { s.Placement = &swarm.Placement{Constraints: []string{"node.labels.x==y"}} }, "no suitable node (scheduling constraints not satisfied on 2 nodes)"},
		"memory": {func(s *swarm.TaskSpec) {
			s.Resources = &swarm.ResourceRequirements{Reservations: &swarm.Resources{MemoryBytes: 32 << 30}}
		}, "no suitable node (insufficient resources on 2 nodes)"},
		"driver": {func(s *swarm.TaskSpec) { s.LogDriver = &swarm.Driver{Name: "nolog"} }, "no suitable node (missing plugin on 2 nodes)"},
	} {
		spec := serviceSpec(name, "nginx:1", 1)
		tc.change(&spec.TaskTemplate)
		create(t, c, spec)
		eventually(t, func() error {
			for _, task := range tasks(t, c, name) {
				if task.Status.Err == tc.err {
					return nil
				}
			}
			return fmt.Errorf("tasks are %+v, want the error %q", tasks(t, c, name), tc.err)
		})
	}
	node, err := c.NodeInspect(t.Context(), "worker-1", client.NodeInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node.Node.Spec.Labels = map[string]string{"x": "y"}
	if _, err := c.NodeUpdate(t.Context(), node.Node.ID, client.NodeUpdateOptions{Version: node.Node.Version, Spec: node.Node.Spec}); err != nil {
		t.Fatal(err)
	}
	if task := waitTasks(t, c, "constraint", swarm.TaskStateRunning, 1)[0]; task.NodeID != node.Node.ID {
		t.Error(errors.New("the task runs on the other node"))
	}
}
