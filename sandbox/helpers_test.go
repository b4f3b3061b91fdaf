package sandbox

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// patience bounds each wait for a state. On a busy machine everything takes long.
const patience = 90 * time.Second

// The tests mostly wait for timers. If only as many ran at once as there are cores, a small machine would be idle
// most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "8")
	}
	os.Exit(m.Run())
}

func start(t *testing.T, o Options) *Sandbox {
	t.Helper()
	sb, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sb.Close(); err != nil {
			t.Errorf("closing the sandbox: %s", err)
		}
	})
	return sb
}

func connect(t *testing.T, sb *Sandbox, name string) *client.Client {
	t.Helper()
	c, err := client.New(client.WithHost(sb.Host(name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// eventually waits until check returns nil.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, err)
		}
		time.Sleep(20 * time.Millisecond) // between two looks, not in the hope of anything
	}
}

func serviceSpec(name, image string, replicas uint64) swarm.ServiceSpec {
	delay := 100 * time.Millisecond
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: name},
		Mode:        swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{Image: image},
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay},
		},
	}
}

func create(t *testing.T, c *client.Client, spec swarm.ServiceSpec) string {
	t.Helper()
	r, err := c.ServiceCreate(t.Context(), client.ServiceCreateOptions{Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func inspect(t *testing.T, c *client.Client, id string) swarm.Service {
	t.Helper()
	r, err := c.ServiceInspect(t.Context(), id, client.ServiceInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r.Service
}

// update changes the live spec and sends it back.
func update(t *testing.T, c *client.Client, id string, change func(*swarm.ServiceSpec)) {
	t.Helper()
	eventually(t, func() error { // the version changes by itself while tasks are allocated
		s := inspect(t, c, id)
		change(&s.Spec)
		_, err := c.ServiceUpdate(t.Context(), id, client.ServiceUpdateOptions{Version: s.Version, Spec: s.Spec})
		return err
	})
}

func tasks(t *testing.T, c *client.Client, service string) []swarm.Task {
	t.Helper()
	r, err := c.TaskList(t.Context(), client.TaskListOptions{Filters: make(client.Filters).Add("service", service)})
	if err != nil {
		t.Fatal(err)
	}
	return r.Items
}

// waitTasks waits until exactly n tasks of a service are in a state.
func waitTasks(t *testing.T, c *client.Client, service string, state swarm.TaskState, n int) []swarm.Task {
	t.Helper()
	var found []swarm.Task
	eventually(t, func() error {
		found = nil
		var seen []string
		for _, task := range tasks(t, c, service) {
			seen = append(seen, fmt.Sprintf("%s(%s)", task.Status.State, task.Status.Err))
			if task.Status.State == state {
				found = append(found, task)
			}
		}
		if len(found) != n {
			return fmt.Errorf("%d tasks of %s are %s, want %d: %s", len(found), service, state, n, strings.Join(seen, " "))
		}
		return nil
	})
	return found
}

// waitAnyTask waits until any task of a service is in a state.
func waitAnyTask(t *testing.T, c *client.Client, service string, state swarm.TaskState) swarm.Task {
	t.Helper()
	var found swarm.Task
	eventually(t, func() error {
		var seen []string
		for _, task := range tasks(t, c, service) {
			if task.Status.State == state {
				found = task
				return nil
			}
			seen = append(seen, string(task.Status.State))
		}
		return fmt.Errorf("no task of %s is %s: %s", service, state, strings.Join(seen, " "))
	})
	return found
}

func waitUpdate(t *testing.T, c *client.Client, id string, want swarm.UpdateState) swarm.Service {
	t.Helper()
	var s swarm.Service
	eventually(t, func() error {
		s = inspect(t, c, id)
		if s.UpdateStatus == nil || s.UpdateStatus.State != want {
			return fmt.Errorf("the update of %s is %+v, want %s", s.Spec.Name, s.UpdateStatus, want)
		}
		return nil
	})
	return s
}

// nodes returns the nodes. A manager without a leader does not answer in time.
func nodes(t *testing.T, c *client.Client) ([]swarm.Node, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r, err := c.NodeList(ctx, client.NodeListOptions{})
	return r.Items, err
}

func waitNode(t *testing.T, c *client.Client, hostname string, want swarm.NodeState) {
	t.Helper()
	eventually(t, func() error {
		list, err := nodes(t, c)
		if err != nil {
			return err
		}
		for _, n := range list {
			if n.Description.Hostname == hostname {
				if n.Status.State == want {
					return nil
				}
				return fmt.Errorf("%s is %s (%s), want %s", hostname, n.Status.State, n.Status.Message, want)
			}
		}
		return fmt.Errorf("%s is not in the list", hostname)
	})
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error is %v, want one with %q", err, text)
	}
}
