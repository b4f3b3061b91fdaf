package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// placeless returns a Service manifest whose task finds no place until a node has the label.
func placeless(name, label string) string {
	return service(name, "image: app:1", "replicas: 1", "placement: {constraints: [node.labels."+label+" == x]}", quick("pause"))
}

// makesRoom gives the first worker a label that a service waits for.
func (w *world) makesRoom(label string) {
	w.Helper()
	w.nodeByHand(w.swarm.Workers()[0], func(n *swarm.NodeSpec) { n.Labels = map[string]string{label: "x"} })
}

// waitsForRoom starts apply --wait on a placeless service, and returns when it has nothing else to do.
func (r *repo) waitsForRoom(host string, more ...string) *harness.Process {
	r.w.Helper()
	p := r.starts(append([]string{"apply", "--wait", "--host", host, "--source", r.Dir}, more...)...)
	r.w.eventually(func() error {
		if text := p.Stdout() + p.Stderr(); !strings.Contains(text, "no suitable node") {
			r.w.goesOn(p)
			return fmt.Errorf("it does not say that it waits for a place:\n%s", text)
		}
		return nil
	})
	return p
}

// starts starts a command, and ends it with the test.
func (r *repo) starts(args ...string) *harness.Process {
	r.w.Helper()
	p, err := harness.Start(binary, r.w.env(), args...)
	if err != nil {
		r.w.Fatal(err)
	}
	r.w.Cleanup(p.Kill)
	return p
}

// goesOn fails the test if a command has ended.
func (w *world) goesOn(p *harness.Process) {
	w.Helper()
	if !p.Running() {
		w.Fatalf("the command has ended: %s", w.end(p))
	}
}

// leaseIs returns what the lease says: held, free or left.
func (w *world) leaseIs() string {
	w.Helper()
	r, err := w.api.ConfigInspect(w.Context(), "swarm-operator-lease", client.ConfigInspectOptions{})
	if err != nil {
		return err.Error()
	}
	return r.Config.Spec.Labels["swarm-operator.io/lease"]
}

// refusals let calls fail for a while.
type refusals struct {
	is   func(harness.Call) bool
	left atomic.Int32 // how many more calls fail; negative once a call has passed since
}

var errNotNow = &harness.Answer{Status: http.StatusServiceUnavailable, Message: "not now"}

func (r *refusals) before(c harness.Call) error {
	if !r.is(c) {
		return nil
	}
	if r.left.Add(-1) >= 0 {
		return errNotNow
	}
	return nil
}

// refuse lets the next n calls fail, and waits until they have failed and one more has passed. The process must outlive
// that.
func (r *refusals) refuse(w *world, n int32, p *harness.Process) {
	w.Helper()
	r.left.Store(n)
	w.eventually(func() error {
		w.goesOn(p)
		if left := r.left.Load(); left >= 0 {
			return fmt.Errorf("of %d calls that are to fail, %d are left, and no other was made since", n, left)
		}
		return nil
	})
}

// While apply --wait only looks, the lease is free for commands and for other sources. What became of the revision is
// put on record all the same, even if somebody acts at the moment when the wait ends.
func TestOthersActWhileApplyWaitsForARollout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("patient", map[string]string{"a.yaml": placeless("patient-a", "patient")})
	hash, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	watched, slow := w.proxy(), w.proxy()
	process := r.waitsForRoom(watched.Host())

	t.Log("a command, and another source")
	w.want(0, "approve", "restarts", "--revision", hash, "--reason", "tested", "--name", "patient", "--host", w.host()).says(t, "agreed to restarts")
	w.want(0, "apply", "--host", w.host(), "--source", w.other().Dir)
	w.goesOn(process)

	t.Log("somebody acts when the wait ends")
	let, look := make(chan struct{}), make(chan struct{})
	release, looks := sync.OnceFunc(func() { close(let) }), sync.OnceFunc(func() { close(look) })
	defer release()
	defer looks()
	watched.Before(func(c harness.Call) error { // until the task has run for a while and the other source acts
		if c.Path == "/tasks" {
			<-look
		}
		return nil
	})
	w.makesRoom("patient")
	w.runs("patient-a", 1)
	var acts atomic.Bool
	slow.Before(func(c harness.Call) error {
		if c.Path == "/services/create" {
			acts.Store(true)
			<-let
		}
		return nil
	})
	third := w.repo("third", map[string]string{"c.yaml": service("third-c", "image: app:1", "replicas: 0")})
	other := third.starts("apply", "--host", slow.Host(), "--source", third.Dir)
	w.eventually(func() error {
		w.goesOn(other)
		if !acts.Load() {
			return errors.New("the other source does not act yet")
		}
		return nil
	})
	watched.Reset()
	looks()
	w.eventually(func() error {
		w.goesOn(process)
		asked := 0
		for _, c := range watched.Calls() {
			if c.Lease() {
				asked++
			}
		}
		if asked < 4 { // one try to take it makes at most three calls
			return fmt.Errorf("it has not asked for the lease twice:\n%s", process.Stdout())
		}
		return nil
	})
	release()
	for _, p := range []*harness.Process{process, other} {
		if out := w.end(p); out.code != 0 {
			t.Errorf("it says %s", out)
		}
	}
	w.want(0, "history", "--name", "patient", "--host", w.host()).says(t, hash[:10], "rolled-out")
}

// An apply that can do nothing until a job has ended gives the lease back. Single errors of the engine do not add up
// until it gives up.
func TestOthersActWhileApplyWaitsBetweenSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("queue", map[string]string{"all.yaml": docs(
		service("queue-job", "image: app:1", "mode: replicated-job"),
		policy(service("queue-web", "image: app:1", "replicas: 0"), "dependsOn: [Service/queue-job]"),
	)})
	p := w.proxy()
	process := r.starts("apply", "--host", p.Host(), "--source", r.Dir)
	w.eventually(func() error {
		w.goesOn(process)
		if is := w.leaseIs(); is != "free" {
			return fmt.Errorf("the lease is %s", is)
		}
		return nil
	})
	hash, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	w.want(0, "approve", "restarts", "--revision", hash, "--reason", "tested", "--name", "queue", "--host", w.host()).says(t, "agreed to restarts")

	t.Log("each run lists networks once, and every second run fails")
	var lists, failed, passed atomic.Int32
	p.Before(func(c harness.Call) error {
		switch {
		case c.Method != http.MethodGet || c.Path != "/networks":
			return nil
		case lists.Add(1)%2 == 0:
			passed.Add(1)
			return nil
		}
		failed.Add(1)
		return errNotNow
	})
	w.eventually(func() error {
		w.goesOn(process)
		if n := failed.Load(); n < 8 || passed.Load() < 7 {
			return fmt.Errorf("%d lists have failed, and %d passed", n, passed.Load())
		}
		return nil
	})
	if err := process.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if out := w.end(process); out.code != 2 || !strings.Contains(out.errs, "interrupted") {
		t.Errorf("it says %s", out)
	}
}

// A revision is not rolled out if somebody removes one of its services meanwhile. The next apply makes it again.
func TestARevisionIsNotRolledOutIfAServiceIsRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("vanishing", map[string]string{"a.yaml": placeless("vanishing-a", "vanishing"), "b.yaml": service("vanishing-b", "image: app:1", "replicas: 0")})
	hash, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	process := r.waitsForRoom(w.host(), "-o", "json")
	w.remove("vanishing-a")
	out := w.end(process)
	if out.code != 1 {
		t.Errorf("it says %s", out)
	}
	out.says(t, "Service/vanishing-a: it is gone: somebody else removed it during the wait", `"inSync": false`, `"outcome": "unfinished"`)
	w.want(0, "history", "--name", "vanishing", "--host", w.host()).says(t, hash[:10], "rolling-out")

	process = r.waitsForRoom(w.host())
	w.makesRoom("vanishing")
	if out := w.end(process); out.code != 0 || !strings.Contains(out.out, "done: create Service/vanishing-a") {
		t.Errorf("it says %s", out)
	}
	w.want(0, "history", "--name", "vanishing", "--host", w.host()).says(t, hash[:10], "rolled-out")
}

// Looks that fail do not end the wait of apply, unless several do in a row.
func TestApplyWaitLooksAgainAfterAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("looks", map[string]string{"a.yaml": placeless("looks-a", "looks")})
	p, tasks := w.proxy(), &refusals{is: func(c harness.Call) bool { return c.Method == http.MethodGet && c.Path == "/tasks" }}
	p.Before(tasks.before)
	process := r.waitsForRoom(p.Host())
	tasks.refuse(w, 1, process)
	tasks.refuse(w, 3, process)
	w.makesRoom("looks")
	if out := w.end(process); out.code != 0 {
		t.Errorf("it says %s", out)
	}

	t.Log("for ever")
	r.commit("another one", map[string]string{"b.yaml": placeless("looks-b", "never")})
	process = r.waitsForRoom(p.Host())
	tasks.left.Store(1 << 30)
	if out := w.end(process); out.code != 2 || !strings.Contains(out.errs, "giving up after 5 looks that failed") || !strings.Contains(out.errs, errNotNow.Message) {
		t.Errorf("it says %s", out)
	}
}

// Looks that fail do not end wait, unless several do in a row.
func TestWaitLooksAgainAfterAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("follows", map[string]string{"a.yaml": placeless("follows-a", "never")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	p, configs := w.proxy(), &refusals{is: func(c harness.Call) bool { return c.Method == http.MethodGet && c.Path == "/configs" }}
	p.Before(configs.before)
	process := r.starts("wait", "--revision", "HEAD", "--host", p.Host(), "--source", r.Dir)
	w.eventually(func() error {
		w.goesOn(process)
		if !strings.Contains(process.Stdout(), "is in force and rolls out") {
			return fmt.Errorf("it says %s", process.Stdout())
		}
		return nil
	})
	configs.refuse(w, 4, process) // a look lists configs more than once, and may go on without those that come later
	configs.left.Store(1 << 30)
	if out := w.end(process); out.code != 2 || !strings.Contains(out.errs, errNotNow.Message) {
		t.Errorf("it says %s", out)
	}
}

// What a command has done is done, even if it cannot read what else there is to say.
func TestAResumeThatIsDoneSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.want(0, "hold", "all", "--reason", "an incident", "--host", w.host())
	p := w.proxy()
	var ended atomic.Bool
	p.After(func(c harness.Call) error {
		if c.Method == http.MethodDelete && strings.HasPrefix(c.Path, "/configs/") {
			ended.Store(true)
		}
		return nil
	})
	p.Before(func(c harness.Call) error {
		if ended.Load() && c.Method == http.MethodGet && c.Path == "/configs" {
			return errNotNow
		}
		return nil
	})
	w.want(0, "resume", "all", "--host", p.Host()).says(t, "all: ended the hold", "all may still be on hold: looking for other holds", errNotNow.Message)
	p.Before(nil)
	w.want(0, "resume", "all", "--host", p.Host()).says(t, "nothing to resume: all is not on hold")
}
