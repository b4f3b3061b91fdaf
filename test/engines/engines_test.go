package engines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

func TestASwarmOfTwo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Managers: 1, Workers: 1, Blank: 1})
	t.Logf("memory: %d MB", memory(w.run)>>20)
	if got := w.Nodes(); !slices.Equal(got, []string{"manager-1", "worker-1", "blank-1"}) {
		t.Errorf("nodes are %q", got)
	}
	if strings.Contains(w.Host("worker-1"), "front") {
		t.Errorf("nobody asked for a proxy, and the host is %s", w.Host("worker-1"))
	}
	info, err := w.Client("blank-1").Info(t.Context(), client.InfoOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if info.Info.Swarm.LocalNodeState != swarm.LocalNodeStateInactive || info.Info.Name != "blank-1" {
		t.Errorf("the blank engine is called %s, and its node is %s", info.Info.Name, info.Info.Swarm.LocalNodeState)
	}
	ids := map[string]bool{}
	for _, n := range w.Nodes() {
		info, err := w.Client(n).Info(t.Context(), client.InfoOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ids[info.Info.ID] = true
	}
	if len(ids) != 3 {
		t.Errorf("engines share their ids: %v", ids)
	}
	for name, test := range map[string]func(*world){
		"service": aServiceRunsAndAnswers,
		"images":  imagesDoWhatTheirNamesSay,
		"private": thePrivateRegistryWantsCredentials,
		"gone":    aRegistryGoesAway,
		"listen":  containersReachWhoListens,
	} {
		t.Run(name, func(t *testing.T) { test(w.in(t)) })
	}
}

func aServiceRunsAndAnswers(w *world) {
	start := time.Now()
	w.create("web", "app:1", 2, func(o *client.ServiceCreateOptions) {
		o.Spec.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{
			{TargetPort: 80, PublishedPort: 8080, PublishMode: swarm.PortConfigPublishModeHost, Protocol: "tcp"},
		}}
	})
	task := w.reaches("web", swarm.TaskStateRunning, 2)
	w.Logf("2 replicas ran after %s, pulled", time.Since(start).Round(10*time.Millisecond))
	if image := task.Spec.ContainerSpec.Image; !strings.HasPrefix(image, "app:1@sha256:") || len(task.Spec.Placement.Platforms) != 1 {
		w.Errorf("the image is %s, for %v", image, task.Spec.Placement.Platforms)
	}
	web := http.Client{Transport: &http.Transport{DialContext: w.Dial}}
	defer web.CloseIdleConnections()
	for _, node := range append(w.Managers(), w.Workers()...) {
		w.eventually(func() error {
			resp, err := web.Get("http://" + w.Address(node) + ":8080")
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if text, _ := io.ReadAll(resp.Body); string(text) != "app:1\n" {
				return fmt.Errorf("%s answers %s %q", node, resp.Status, text)
			}
			return nil
		})
	}
	start = time.Now()
	w.create("again", "app:1", 2)
	w.reaches("again", swarm.TaskStateRunning, 2)
	w.Logf("2 replicas ran after %s", time.Since(start).Round(10*time.Millisecond))
	start = time.Now()
	if _, err := w.api.ServiceRemove(w.Context(), "again", client.ServiceRemoveOptions{}); err != nil {
		w.Fatal(err)
	}
	w.eventually(func() error {
		list, err := w.api.ContainerList(w.Context(), client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", "com.docker.swarm.service.name=again")})
		if err == nil && len(list.Items) > 0 {
			err = fmt.Errorf("there still is %q", list.Items[0].Names)
		}
		return err
	})
	w.Logf("they were gone after %s", time.Since(start).Round(10*time.Millisecond))
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
			w, name := w.in(t), "s-"+strings.NewReplacer(":", "-", "/", "-", ".", "-").Replace(image)
			start := time.Now()
			w.create(name, image, 1)
			task := w.reaches(name, want.state, 1)
			took := time.Since(start)
			w.Logf("%s after %s: %s", task.Status.State, took.Round(10*time.Millisecond), task.Status.Err)
			if task.Status.Err != want.err {
				w.Errorf("the task says %q, want %q", task.Status.Err, want.err)
			}
			if image == "slow:1" && took < 4*time.Second {
				w.Errorf("it was there after %s", took)
			}
			pinned := strings.Contains(task.Spec.ContainerSpec.Image, "@sha256:")
			if local := image == "missing:1" || image == "nopull:1"; pinned == local {
				w.Errorf("the image is %s", task.Spec.ContainerSpec.Image)
			}
		})
	}
}

func thePrivateRegistryWantsCredentials(w *world) {
	const image = PrivateRegistry + "/team/app:1"
	w.create("refused", image, 1)
	if task := w.reaches("refused", swarm.TaskStateRejected, 1); task.Status.Err != "No such image: "+image {
		w.Errorf("the task says %q", task.Status.Err)
	}
	w.create("allowed", image, 1, func(o *client.ServiceCreateOptions) { o.EncodedRegistryAuth = Credentials() })
	if task := w.reaches("allowed", swarm.TaskStateRunning, 1); !strings.Contains(task.Spec.ContainerSpec.Image, "@sha256:") {
		w.Errorf("the image is %s", task.Spec.ContainerSpec.Image)
	}
}

func aRegistryGoesAway(w *world) {
	inspect := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(w.Context(), within)
		defer cancel()
		_, err := w.api.DistributionInspect(ctx, "app:1", client.DistributionInspectOptions{})
		return err
	}
	if err := w.Load(w.Context(), "app:1"); err != nil {
		w.Fatal(err)
	}
	if err := w.StopRegistry(Registry); err != nil {
		w.Fatal(err)
	}
	if err := inspect(patience); err == nil {
		w.Error("an image is found in no registry")
	}
	if err := w.StartRegistry(w.Context(), Registry); err != nil {
		w.Fatal(err)
	}
	if err := inspect(patience); err != nil {
		w.Error(err)
	}
	if err := w.HangRegistry(Registry); err != nil {
		w.Fatal(err)
	}
	if err := inspect(300 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		w.Errorf("a hanging registry makes the engine say %v", err)
	}
	if err := w.StartRegistry(w.Context(), Registry); err != nil {
		w.Fatal(err)
	}
	if err := inspect(patience); err != nil {
		w.Error(err)
	}
}

func containersReachWhoListens(w *world) {
	l, err := w.Listen(0)
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	asked := make(chan string, 1)
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case asked <- r.URL.Path:
			default:
			}
		}))
	}()
	w.create("asks", "app:1", 1, func(o *client.ServiceCreateOptions) {
		o.Spec.TaskTemplate.ContainerSpec.Command = []string{"wget", "-O-", "http://" + l.Addr().String() + "/hook"}
	})
	w.eventually(func() error {
		select {
		case path := <-asked:
			if path != "/hook" {
				w.Errorf("a container asked for %s", path)
			}
			return nil
		default:
			return errors.New("nobody has asked")
		}
	})
}
