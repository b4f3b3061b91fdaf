package image

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/engines"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

func aStack(w *world) {
	r := w.repo("stacked")
	source := w.serve(r)
	w.docker("name: stack\nrepair-after: 0s\nsource: "+source+"\n", "secret", "create", "swarm-operator", "-")
	said := w.docker("", "stack", "deploy", "--compose-file", deployFile(w.T, "swarm-operator.yaml"), "swarm-operator")
	if strings.Contains(said, "Ignoring") {
		w.Errorf("something in the file has no effect: %s", said)
	}
	w.Cleanup(func() {
		for _, c := range w.stackContainers() {
			w.explain(manager, c)
		}
	})
	const service = "swarm-operator_operator"
	start := time.Now()
	w.eventually(func() error {
		tasks := w.tasks(service)
		if len(tasks) != 1 {
			return fmt.Errorf("there are %d tasks", len(tasks))
		}
		if t := tasks[0]; t.Status.State != swarm.TaskStateRunning {
			return fmt.Errorf("the task is %s: %s %s", t.Status.State, t.Status.Message, t.Status.Err)
		}
		return nil
	})
	w.Logf("the stack was healthy after %s", time.Since(start).Round(time.Millisecond))
	containers := w.stackContainers()
	if len(containers) != 1 {
		w.Fatalf("on the manager run %q", containers)
	}
	w.confined(containers[0])
	r.mainJob()
	s, err := w.api.ServiceInspect(w.Context(), service, client.ServiceInspectOptions{})
	if err != nil {
		w.Fatal(err)
	}
	if text := fmt.Sprintf("%+v", s.Service.Spec); strings.Contains(text, "hunter2") {
		w.Errorf("everybody can read the token: %s", text)
	}
	w.aBrokenImageIsRolledBack(service)
	w.docker("", "stack", "rm", "swarm-operator")
	w.eventually(func() error {
		if left := w.stackContainers(); len(left) > 0 {
			return fmt.Errorf("there still are %q", left)
		}
		return nil
	})
}

// aBrokenImageIsRolledBack is the reason for failure_action.
func (w *world) aBrokenImageIsRolledBack(service string) {
	w.Helper()
	const broken = engines.Registry + "/infra/crash:1"
	if err := w.Load(w.Context(), broken); err != nil {
		w.Fatal(err)
	}
	start := time.Now()
	w.docker("", "service", "update", "--detach", "--image", broken, service)
	w.eventually(func() error {
		s, err := w.api.ServiceInspect(w.Context(), service, client.ServiceInspectOptions{})
		if err != nil {
			return err
		}
		if u := s.Service.UpdateStatus; u == nil || u.State != swarm.UpdateStateRollbackCompleted {
			return fmt.Errorf("the update is %+v", u)
		}
		return nil
	})
	w.Logf("a broken image was rolled back after %s", time.Since(start).Round(time.Millisecond))
	w.eventually(func() error {
		running := 0
		for _, t := range w.tasks(service) {
			switch {
			case t.Spec.ContainerSpec.Image != w.image:
			case t.Status.State == swarm.TaskStateRunning:
				running++
			case t.Status.ContainerStatus != nil && t.Status.ContainerStatus.ExitCode != 0:
				w.Fatalf("the good one was replaced, and ended with %d: %s", t.Status.ContainerStatus.ExitCode, t.Status.Err)
			}
		}
		if running != 1 {
			return fmt.Errorf("%d operators run", running)
		}
		return nil
	})
}

// serve is a host of git repositories that containers reach. It returns the URL, with a token.
func (w *world) serve(r *repo) string {
	w.Helper()
	host := harness.NewGitHost(r.Repo, "hunter2hunter2")
	w.Cleanup(host.Close)
	l, err := w.Listen(0)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = l.Close() })
	go func() { _ = http.Serve(l, host) }() // until the listener is closed
	u, err := url.Parse(host.URL())
	if err != nil {
		w.Fatal(err)
	}
	u.Host = l.Addr().String()
	return u.String()
}

// docker runs the docker CLI on the manager, and returns what it prints.
func (w *world) docker(input string, args ...string) string {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), "docker", args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.TempDir(), "DOCKER_HOST=" + w.Host(manager), "IMAGE=" + w.image, "DOCKER_GID=" + w.group}
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// containers are those of the stack on the manager.
func (w *world) stackContainers() []string {
	list, err := w.api.ContainerList(context.Background(), client.ContainerListOptions{Filters: client.Filters{}.Add("label", "com.docker.stack.namespace=swarm-operator")})
	if err != nil {
		w.Log(err)
	}
	var out []string
	for _, c := range list.Items {
		out = append(out, c.ID)
	}
	return out
}
