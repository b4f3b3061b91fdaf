//go:build engines

package engines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

const patience = 60 * time.Second

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
		if root := os.Getenv("ARTIFACTS"); root != "" && t.Failed() {
			if err := s.Save(context.Background(), filepath.Join(root, "engines", t.Name())); err != nil {
				t.Error(err)
			}
		}
		start := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("closed after %s", time.Since(start).Round(10*time.Millisecond))
	})
	return &world{t, s, s.Client("manager-1")}
}

// in is the same world for a subtest.
func (w *world) in(t *testing.T) *world { return &world{t, w.Swarm, w.api} }

func (w *world) eventually(check func() error) {
	w.Helper()
	if err := harness.Until(w.Context(), patience, check); err != nil {
		w.Fatal(err)
	}
}

// create makes a service of an image, which is loaded.
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

// reaches waits until a service has so many tasks in a state.
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
		ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
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

func TestASwarmOfFive(t *testing.T) {
	w := newWorld(t, Options{Managers: 3, Workers: 2, Faults: true, Images: []string{"app:1"}, Labels: map[string]map[string]string{"worker-2": {"disk": "ssd"}}})
	t.Logf("memory: %d MB in %d processes", memory(w.run)>>20, len(traces(func(run string) bool { return run == w.run })))
	if got := w.Nodes(); !slices.Equal(got, []string{"manager-1", "manager-2", "manager-3", "worker-1", "worker-2"}) {
		t.Errorf("nodes are %q", got)
	}
	for name, test := range map[string]func(*world){
		"a service":  theServiceRuns,
		"images":     imagesDoWhatTheirNamesSay,
		"private":    thePrivateRegistryWantsCredentials,
		"crash":      aCrashIsSeen,
		"hang":       aHangIsSeen,
		"partition":  aPartitionIsSeen,
		"power":      aPowerCutIsSeen,
		"stop":       aStopIsSeen,
		"faults":     faultsHit,
		"registries": aRegistryGoesAway,
	} {
		t.Run(name, func(t *testing.T) { test(w.in(t)) })
	}
}

func theServiceRuns(w *world) {
	start := time.Now()
	w.create("web", "app:1", 2, func(o *client.ServiceCreateOptions) {
		o.Spec.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: 8080, PublishMode: swarm.PortConfigPublishModeHost, Protocol: "tcp"}}}
	})
	task := w.reaches("web", swarm.TaskStateRunning, 2)
	w.Logf("2 replicas ran after %s", time.Since(start).Round(10*time.Millisecond))
	if image := task.Spec.ContainerSpec.Image; !strings.HasPrefix(image, "app:1@sha256:") || len(task.Spec.Placement.Platforms) != 1 {
		w.Errorf("the image is %s, for %v", image, task.Spec.Placement.Platforms)
	}
	list, err := w.list(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	i := slices.IndexFunc(list, func(n swarm.Node) bool { return n.ID == task.NodeID })
	web := http.Client{Transport: &http.Transport{DialContext: w.Dial}}
	defer web.CloseIdleConnections()
	w.eventually(func() error {
		resp, err := web.Get("http://" + w.Address(list[i].Description.Hostname) + ":8080")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if text, _ := io.ReadAll(resp.Body); string(text) != "app:1\n" {
			return fmt.Errorf("it answers %s %q", resp.Status, text)
		}
		return nil
	})
	start = time.Now()
	w.create("again", "app:1", 2)
	w.reaches("again", swarm.TaskStateRunning, 2)
	w.Logf("2 more replicas ran after %s", time.Since(start).Round(10*time.Millisecond))
}

func imagesDoWhatTheirNamesSay(w *world) {
	for image, want := range map[string]struct {
		state swarm.TaskState
		err   string
	}{
		"crash:1":                         {swarm.TaskStateFailed, "task: non-zero exit (1)"},
		"exit-3:1":                        {swarm.TaskStateFailed, "task: non-zero exit (3)"},
		"finish:1":                        {swarm.TaskStateComplete, ""},
		"unhealthy:1":                     {swarm.TaskStateFailed, "task: non-zero exit (143): dockerexec: unhealthy container"},
		"nopull:1":                        {swarm.TaskStateRejected, "No such image: nopull:1"},
		"missing:1":                       {swarm.TaskStateRunning, ""},
		"slow:1":                          {swarm.TaskStateRunning, ""},
		"nginx:1.27":                      {swarm.TaskStateRunning, ""},
		"registry.example.com/team/app:1": {swarm.TaskStateRunning, ""},
	} {
		w.Run(image, func(t *testing.T) {
			w := w.in(t)
			start := time.Now()
			w.create("s-"+strings.NewReplacer(":", "-", "/", "-", ".", "-").Replace(image), image, 1)
			task := w.reaches("s-"+strings.NewReplacer(":", "-", "/", "-", ".", "-").Replace(image), want.state, 1)
			w.Logf("after %s: %s %s", time.Since(start).Round(10*time.Millisecond), task.Status.State, task.Status.Err)
			if task.Status.Err != want.err {
				w.Errorf("the task says %q, want %q", task.Status.Err, want.err)
			}
		})
	}
}

func thePrivateRegistryWantsCredentials(w *world) {
	const image = PrivateRegistry + "/team/app:1"
	w.create("refused", image, 1)
	task := w.reaches("refused", swarm.TaskStateRejected, 1)
	w.Log(task.Status.Err)
	w.create("allowed", image, 1, func(o *client.ServiceCreateOptions) { o.EncodedRegistryAuth = Credentials() })
	task = w.reaches("allowed", swarm.TaskStateRunning, 1)
	if !strings.Contains(task.Spec.ContainerSpec.Image, "@sha256:") {
		w.Errorf("the image is %s", task.Spec.ContainerSpec.Image)
	}
}

func aCrashIsSeen(w *world) {
	start := time.Now()
	if err := w.Crash("worker-1"); err != nil {
		w.Fatal(err)
	}
	w.state("manager-1", "worker-1", swarm.NodeStateDown)
	w.Logf("down after %s", time.Since(start))
	if _, err := w.Client("worker-1").Ping(w.Context(), client.PingOptions{}); err == nil {
		w.Error("a crashed engine answers")
	}
	start = time.Now()
	if err := w.Swarm.Start(w.Context(), "worker-1"); err != nil {
		w.Fatal(err)
	}
	w.Logf("up after %s", time.Since(start))
	w.state("manager-1", "worker-1", swarm.NodeStateReady)
	w.Logf("ready after %s", time.Since(start))
}

func aHangIsSeen(w *world) {
	start := time.Now()
	if err := w.Hang("worker-2"); err != nil {
		w.Fatal(err)
	}
	w.state("manager-1", "worker-2", swarm.NodeStateDown)
	w.Logf("down after %s", time.Since(start))
	ctx, cancel := context.WithTimeout(w.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := w.Client("worker-2").Ping(ctx, client.PingOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		w.Errorf("a hanging engine says %v", err)
	}
	if err := w.Continue("worker-2"); err != nil {
		w.Fatal(err)
	}
	w.state("manager-1", "worker-2", swarm.NodeStateReady)
}

func aPartitionIsSeen(w *world) {
	start := time.Now()
	if err := w.Partition("manager-3"); err != nil {
		w.Fatal(err)
	}
	w.state("manager-1", "manager-3", swarm.NodeStateDown)
	w.Logf("down after %s", time.Since(start))
	w.eventually(func() error {
		ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
		defer cancel()
		if _, err := w.Client("manager-3").NodeList(ctx, client.NodeListOptions{}); err == nil {
			return errors.New("a manager without a quorum answers")
		}
		return nil
	})
	start = time.Now()
	if err := w.Heal("manager-3"); err != nil {
		w.Fatal(err)
	}
	if err := w.Ready(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.Logf("ready after %s", time.Since(start))
}

func aPowerCutIsSeen(w *world) {
	w.create("spread", "app:1", 5)
	w.reaches("spread", swarm.TaskStateRunning, 5)
	start := time.Now()
	if err := w.Kill("manager-1"); err != nil {
		w.Fatal(err)
	}
	w.Logf("killed after %s", time.Since(start))
	w.state("manager-2", "manager-1", swarm.NodeStateDown)
	w.Logf("down after %s", time.Since(start))
	if _, err := w.api.Ping(w.Context(), client.PingOptions{}); err == nil {
		w.Error("a dead engine answers")
	}
	start = time.Now()
	if err := w.Swarm.Start(w.Context(), "manager-1"); err != nil {
		w.Fatal(err)
	}
	if err := w.Ready(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.Logf("ready after %s", time.Since(start))
	w.reaches("spread", swarm.TaskStateRunning, 5)
}

func aStopIsSeen(w *world) {
	start := time.Now()
	if err := w.Stop(w.Context(), "worker-1"); err != nil {
		w.Fatal(err)
	}
	w.Logf("stopped after %s", time.Since(start))
	w.state("manager-1", "worker-1", swarm.NodeStateDown)
	w.Logf("down after %s", time.Since(start))
	if err := w.Swarm.Start(w.Context(), "worker-1"); err != nil {
		w.Fatal(err)
	}
	w.state("manager-1", "worker-1", swarm.NodeStateReady)
}

func faultsHit(w *world) {
	c, err := client.New(client.WithHost(w.Host("manager-1")))
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	remove := w.Inject(Fault{Method: "GET", Path: "/services", Status: 500, Message: "no", Skip: 1, Count: 1})
	defer remove()
	var got []string
	for range 3 {
		_, err := c.ServiceList(w.Context(), client.ServiceListOptions{})
		got = append(got, fmt.Sprint(err))
	}
	if got[0] != "<nil>" || !strings.Contains(got[1], "no") || got[2] != "<nil>" {
		w.Errorf("calls say %q", got)
	}
	w.Inject(Fault{Method: "POST", Path: "/networks/create", Drop: true, AfterCommit: true})
	if _, err := c.NetworkCreate(w.Context(), "made", client.NetworkCreateOptions{Driver: "overlay"}); err == nil {
		w.Error("a dropped call has an answer")
	}
	if _, err := c.NetworkInspect(w.Context(), "made", client.NetworkInspectOptions{}); err != nil {
		w.Errorf("a call that was carried out did nothing: %v", err)
	}
}

func aRegistryGoesAway(w *world) {
	if err := w.StopRegistry(Registry); err != nil {
		w.Fatal(err)
	}
	start := time.Now()
	if _, err := w.api.DistributionInspect(w.Context(), "app:1", client.DistributionInspectOptions{}); err == nil {
		w.Error("an image is found in no registry")
	} else {
		w.Logf("after %s: %v", time.Since(start), err)
	}
	if err := w.StartRegistry(w.Context(), Registry); err != nil {
		w.Fatal(err)
	}
	if _, err := w.api.DistributionInspect(w.Context(), "app:1", client.DistributionInspectOptions{}); err != nil {
		w.Error(err)
	}
}
