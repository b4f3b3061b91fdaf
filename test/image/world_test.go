package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/engines"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

const (
	patience = 3 * time.Minute // long enough for a remote, which is asked every half a minute
	manager  = "manager-1"
)

// world is a swarm of real engines with the image in its registry.
type world struct {
	*testing.T
	*engines.Swarm
	api   *client.Client
	image string // by its digest
	group string // of the socket
}

func newWorld(t *testing.T) *world {
	t.Helper()
	engines.Need(t)
	dir := built(t)
	s, err := engines.Start(t.Context(), engines.Options{Managers: 3, Images: []string{"app:1", "app:2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, Swarm: s, api: s.Client(manager)}
	// As in the documentation. The engine listens on this socket and on the usual one, with the same rights.
	group, err := exec.CommandContext(t.Context(), "stat", "-c", "%g", strings.TrimPrefix(s.Host(manager), "unix://")).Output()
	if err != nil {
		t.Fatal(err)
	}
	w.group = strings.TrimSpace(string(group))
	w.push(file(dir, ".docker.tar"))
	return w
}

// push loads the archive into an engine and pushes it from there, as people do.
func (w *world) push(archive string) {
	w.Helper()
	loaded, err := w.api.ImageLoad(w.Context(), bytes.NewReader(readFile(w.T, archive)))
	if err != nil {
		w.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, loaded); err != nil {
		w.Fatal(err)
	}
	loaded.Close()
	// base64 of {}
	pushed, err := w.api.ImagePush(w.Context(), name+":"+version, client.ImagePushOptions{RegistryAuth: "e30="})
	if err != nil {
		w.Fatal(err)
	}
	if err := pushed.Wait(w.Context()); err != nil {
		w.Fatal(err)
	}
	image, err := w.api.ImageInspect(w.Context(), name+":"+version)
	if err != nil {
		w.Fatal(err)
	}
	if len(image.RepoDigests) != 1 {
		w.Fatalf("the image has the digests %q", image.RepoDigests)
	}
	w.image = image.RepoDigests[0]
}

// in returns the same world for a subtest.
func (w *world) in(t *testing.T) *world {
	c := *w
	c.T = t
	return &c
}

func (w *world) eventually(check func() error) {
	w.Helper()
	if err := harness.Until(w.Context(), patience, check); err != nil {
		w.Fatal(err)
	}
}

// repo is a repository with one service.
type repo struct {
	*harness.Repo
	w       *world
	service string
}

func (w *world) repo(service string) *repo {
	w.Helper()
	r, err := harness.NewRepo(filepath.Join(w.TempDir(), "repo"))
	if err != nil {
		w.Fatal(err)
	}
	out := &repo{r, w, service}
	// Tests share the swarm, and a source is known by its repository.
	if err := r.Write(map[string]string{".swarm-operator.yaml": "name: " + service + "\n"}); err != nil {
		w.Fatal(err)
	}
	out.commit("app:1")
	return out
}

func (r *repo) commit(image string) {
	r.w.Helper()
	text := "apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: {name: " + r.service + "}\nspec: {image: " + image + ", replicas: 2}\n"
	if err := r.Write(map[string]string{r.service + ".yaml": text}); err != nil {
		r.w.Fatal(err)
	}
	if _, err := r.Commit(image); err != nil {
		r.w.Fatal(err)
	}
}

// mainJob checks what the operator is for: a commit is applied, the next one rolls out, and a change by hand is
// undone.
func (r *repo) mainJob() {
	r.w.Helper()
	r.follows()
	r.scale(5)
	r.runs("app:2")
}

func (r *repo) follows() {
	r.w.Helper()
	r.runs("app:1")
	r.commit("app:2")
	r.runs("app:2")
}

// runs waits until the service has its two replicas, and no other task should run.
func (r *repo) runs(image string) {
	r.w.Helper()
	start := time.Now()
	r.w.eventually(func() error {
		s, err := r.w.api.ServiceInspect(r.w.Context(), r.service, client.ServiceInspectOptions{})
		if err != nil {
			return err
		}
		if n := *s.Service.Spec.Mode.Replicated.Replicas; n != 2 {
			return fmt.Errorf("%s has %d replicas", r.service, n)
		}
		running := 0
		for _, t := range r.w.tasks(r.service) {
			if t.DesiredState != swarm.TaskStateRunning {
				continue
			}
			if !strings.HasPrefix(t.Spec.ContainerSpec.Image, image+"@") || t.Status.State != swarm.TaskStateRunning {
				return fmt.Errorf("a task of %s with %s is %s %s", r.service, t.Spec.ContainerSpec.Image, t.Status.State, t.Status.Err)
			}
			running++
		}
		if running != 2 {
			return fmt.Errorf("%d tasks of %s run", running, r.service)
		}
		return nil
	})
	r.w.Logf("%s ran %s after %s", r.service, image, time.Since(start).Round(time.Millisecond))
}

// scale changes the replicas by hand.
func (r *repo) scale(n uint64) {
	r.w.Helper()
	s, err := r.w.api.ServiceInspect(r.w.Context(), r.service, client.ServiceInspectOptions{})
	if err != nil {
		r.w.Fatal(err)
	}
	s.Service.Spec.Mode.Replicated.Replicas = &n
	if _, err := r.w.api.ServiceUpdate(r.w.Context(), r.service, client.ServiceUpdateOptions{Version: s.Service.Version, Spec: s.Service.Spec}); err != nil {
		r.w.Fatal(err)
	}
}

func (w *world) tasks(service string) []swarm.Task {
	w.Helper()
	list, err := w.api.TaskList(w.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", service)})
	if err != nil {
		w.Fatal(err)
	}
	return list.Items
}

// explain logs what a container printed, if the test has failed.
func (w *world) explain(node, container string) {
	if w.Failed() {
		w.Logf("the operator's log on %s:\n%s", node, w.log(node, container))
	}
}

// log returns what a container has printed so far.
func (w *world) log(node, container string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := w.Client(node).ContainerLogs(ctx, container, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return err.Error()
	}
	defer out.Close()
	var text strings.Builder
	if _, err := stdcopy.StdCopy(&text, &text, out); err != nil {
		fmt.Fprintln(&text, err)
	}
	return text.String()
}
