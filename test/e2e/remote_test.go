package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// hosted makes a repository and serves it at a URL with a password. It returns the repository, the same one by its
// URL, and the host.
func (w *world) hosted(name string, files map[string]string) (*repo, *repo, *harness.GitHost) {
	w.Helper()
	r := w.repo(name, files)
	host := harness.NewGitHost(r.Repo, "hunter2hunter2")
	w.Cleanup(host.Close)
	work := *r.Repo
	remote := &repo{&work, w}
	remote.Dir = host.URL()
	return r, remote, host
}

func TestARemoteRepositoryIsASource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r, remote, host := w.hosted("remote", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	c := &canaries{world: w, all: map[string]string{"hunter2hunter2": "the source's URL"}}
	if out := c.run(nil, "validate", "--source", remote.Dir); out.code != 0 {
		t.Errorf("validate says %s", out)
	}
	if out := c.run(nil, "diff", "--source", remote.Dir, "--host", w.host(), "--log-level", "debug"); out.code != 1 {
		t.Errorf("diff says %s", out)
	}
	if out := c.run(nil, "apply", "--source", remote.Dir, "--host", w.host(), "--log-level", "debug"); out.code != 0 {
		t.Errorf("apply says %s", out)
	}
	w.image("a", "app:1")
	r.commit("next", map[string]string{"a.yaml": service("a", "image: app:2", "replicas: 0")})
	w.want(0, "apply", "--source", remote.Dir, "--host", w.host())
	w.image("a", "app:2")
	host.Down(true)
	if out := c.run(nil, "apply", "--source", remote.Dir, "--host", w.host(), "--log-level", "debug"); out.code != 2 {
		t.Errorf("apply says %s", out)
	}
}

func TestRunOutlivesARemoteThatIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r, remote, host := w.hosted("away", nil)
	first := r.commit("one", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0"), "b.yaml": service("b", "image: app:1", "replicas: 0")})
	c := &canaries{world: w, all: map[string]string{"hunter2hunter2": "the source's URL"}}
	args := []string{"--repair-after", "0s", "--resync", "1s", "--log-level", "debug"}
	o := w.operate(w.host(), remote, args...)
	o.inSync(first)

	t.Log("away while it runs: what was in force stays so")
	host.Down(true)
	o.condition("SourceReady", false)
	w.scale("a", 3)
	w.eventually(func() error {
		if n := replicas(w.service("a")); n != 0 {
			return fmt.Errorf("the change by hand stays: %d replicas", n)
		}
		return nil
	})
	c.served(o)
	if status := o.answers("/readyz"); status != 200 {
		t.Errorf("/readyz answers %d", status)
	}

	t.Log("away when it starts: it waits, and does nothing")
	o.Kill()
	p := w.proxy()
	o = w.operate(p.Host(), remote, args...)
	o.condition("SourceReady", false)
	if health, ready := o.answers("/healthz"), o.answers("/readyz"); health != 200 || ready != 503 {
		t.Errorf("/healthz answers %d, /readyz %d", health, ready)
	}
	w.holds(time.Second, func() error {
		for _, call := range p.Writes() {
			return fmt.Errorf("without a revision it wrote: %s", call)
		}
		return nil
	})
	c.served(o)

	t.Log("and back")
	r.remove("b.yaml")
	next := r.commit("two", map[string]string{"a.yaml": service("a", "image: app:2", "replicas: 0")})
	host.Down(false)
	o.inSync(next)
	w.image("a", "app:2")
	if _, there := w.find("b"); there {
		t.Error("the service whose manifest was removed is still there")
	}
}
