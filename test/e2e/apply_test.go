package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

func TestApplyPrintsThePlanBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.demo()
	p := w.proxy()
	started := make(chan *harness.Process, 1)
	missing := make(chan error, 100)
	p.Before(func(c harness.Call) error {
		if !c.Write() {
			return nil
		}
		process := <-started
		started <- process
		missing <- harness.Until(t.Context(), patience, func() error { // the pipe may be slow
			for _, want := range []string{"+ Service/web", "+ Service/api", "+ Service/node-metrics", "+ Config/nginx-conf", "+ Secret/api-key", "+ Network/front", "to create"} {
				if !strings.Contains(process.Stdout(), want) {
					return fmt.Errorf("at %s stdout has no %q:\n%s", c, want, process.Stdout())
				}
			}
			return nil
		})
		return nil
	})
	process, err := harness.Start(binary, w.env(), "apply", "--host", p.Host(), "--source", r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	started <- process
	if r := w.end(process); r.code != 0 {
		t.Errorf("apply says %s", r)
	}
	if err := <-missing; err != nil {
		t.Error(err)
	}
}

func TestApplyWaitTellsHowItWent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	good := []string{"replicas: 2", quickRestart, quick("pause"), "stopGracePeriod: 1s"}
	manifest := func(image string) map[string]string {
		return map[string]string{"a.yaml": service("a", append([]string{"image: " + image}, good...)...)}
	}
	r := w.repo("waiting", manifest("slow:1"))
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	if n := w.running("a"); n != 2 {
		t.Errorf("after apply --wait %d tasks run", n)
	}
	r.commit("good", manifest("app:2"))
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	if s := w.service("a"); s.UpdateStatus == nil || s.UpdateStatus.State != "completed" {
		t.Errorf("after apply --wait the update is %+v", s.UpdateStatus)
	}
	r.commit("bad", manifest("crash:1"))
	failed := w.want(1, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	if !strings.Contains(failed.out+failed.errs, "Service/a") || !strings.Contains(failed.out+failed.errs, "paused") {
		t.Errorf("it does not say what failed:\n%s", failed)
	}
	r.commit("a new one is bad", map[string]string{"a.yaml": manifest("app:3")["a.yaml"], "b.yaml": service("b", "image: crash:1", "replicas: 1", quickRestart)})
	failed = w.want(1, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	if !strings.Contains(failed.out+failed.errs, "Service/b") || !strings.Contains(failed.out+failed.errs, "non-zero exit (1)") {
		t.Errorf("it does not say what failed, with the task's own error:\n%s", failed)
	}
}

func TestAnInterruptFinishesTheCallInHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	files := numbered(40)
	r := w.repo("interrupted", files)
	p := w.proxy()
	const inFlight = apply.InFlight
	started := make(chan *harness.Process, 1)
	inHand, release := make(chan struct{}, len(files)), make(chan struct{})
	p.Before(func(c harness.Call) error {
		if c.Path == "/services/create" {
			inHand <- struct{}{}
			<-release
		}
		return nil
	})
	go func() {
		defer close(release)
		process := <-started
		for range inFlight {
			select {
			case <-inHand:
			case <-process.Done():
				return
			}
		}
		if err := process.Interrupt(); err != nil {
			t.Error(err)
		}
		w.passes(time.Second) // gives the signal time to arrive, which cannot be seen from outside
	}()
	process, err := harness.Start(binary, w.env(), "apply", "--host", p.Host(), "--source", r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	started <- process
	result := w.end(process)
	if result.code != 2 || !strings.Contains(result.errs, "interrupted") {
		t.Errorf("apply says %s", result)
	}
	begun := serviceWrites(p.Calls())
	for _, c := range begun {
		if c.Status != http.StatusCreated {
			t.Errorf("a call in hand was not finished: %s", c)
		}
	}
	if n := len(w.services()); len(begun) != inFlight || n != inFlight {
		t.Errorf("%d calls were in hand, %d were made, and there are %d services", inFlight, len(begun), n)
	}
	if n := strings.Count(result.out, "done: create Service/"); n != inFlight {
		t.Errorf("%d calls were in hand, and it tells of %d:\n%s", inFlight, n, result.out)
	}
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

func TestExitCodesOfApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("codes", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	at := func(host string, more ...string) []string {
		return append([]string{"apply", "--host", host, "--source", r.Dir}, more...)
	}
	w.want(2, at("unix:///nowhere.sock")...)
	w.want(2, at(w.host(), "--source", r.Dir+"/nowhere")...)
	w.want(2, at(w.host(), "--consent", "removal")...)
	w.want(2, at(w.host(), "--no-such-flag")...)
	w.want(0, at(w.host())...)
	w.want(0, at(w.host())...)
	r.commit("needs what nobody made", map[string]string{"b.yaml": docs(
		service("b", "image: app:1", "replicas: 0", "networks: [theirs]"),
		fmt.Sprintf(head, "Network", "theirs")+"spec: {external: true}\n",
	)})
	if out := w.want(1, at(w.host())...).out; !strings.Contains(out, "Network/theirs") {
		t.Errorf("it does not say what is missing:\n%s", out)
	}
	w.createNetwork("theirs", nil)
	w.want(0, at(w.host())...)
	r.commit("broken", map[string]string{"c.yaml": "kind: Service\n"})
	w.want(2, at(w.host())...)
	w.want(2, "diff", "--host", w.host(), "--source", r.Dir)
	w.want(2, "validate", "--source", r.Dir)
	r.commit("mended, and a consent that is none", map[string]string{"c.yaml": service("c", "image: app:1", "replicas: 0")})
	r.commit(harness.Message("misspelt", "Consent: removal"), nil)
	if out := w.want(2, "validate", "--source", r.Dir); !strings.Contains(out.out, "removals") {
		t.Errorf("validate does not say what was meant:\n%s", out)
	}
}

// A finished removal need not be remembered any more. A write of the memory that only forgets what the removal waited
// for would be useless.
func TestALoneApplyThatRemovesSomethingIsRememberedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	manifest := func(name, image string) string { return service(name, "image: "+image, "replicas: 0") }
	r := w.repo("lone", map[string]string{"a.yaml": manifest("a", "app:1"), "b.yaml": manifest("b", "app:1"), "c.yaml": manifest("c", "app:1"), "d.yaml": manifest("d", "app:1")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	r.commit("one changes, one is made, one goes", map[string]string{"a.yaml": manifest("a", "app:2"), "b.yaml": "", "e.yaml": manifest("e", "app:1")})
	p := w.proxy()
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	if did := accepted(serviceWrites(p.Calls())); len(did) != 3 {
		t.Errorf("want a service updated, one created and one removed, got\n%s", lines(did))
	}
	remembered := slices.DeleteFunc(accepted(p.Writes()), func(c harness.Call) bool { return !aboutMemory(c) })
	if len(remembered) != 1 {
		t.Errorf("want one write of the memory, which is that of the new revision, got\n%s", lines(remembered))
	}
	p.Reset()
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	if more := accepted(p.Writes()); len(more) != 0 {
		t.Errorf("with nothing to do it wrote\n%s", lines(more))
	}
}

// An apply that failed gives the lease back before it looks at the swarm again: an engine that does not answer must not
// keep other sources from acting.
func TestApplyGivesTheLeaseBackBetweenTries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	const source = "fails-twice"
	r := w.repo(source, map[string]string{"a.yaml": service(source, "image: app:1", "replicas: 0")})
	p := w.proxy()
	var failed, looks, held atomic.Int32
	var fails atomic.Bool // a step failed, and apply has not looked since
	p.Before(func(c harness.Call) error {
		switch {
		case c.Path == "/services/create" && failed.Load() < 2:
			failed.Add(1)
			fails.Store(true)
			return errNotNow
		case c.Path == "/services" && fails.CompareAndSwap(true, false):
			looks.Add(1)
			lease, err := w.api.ConfigInspect(t.Context(), state.LeaseName, client.ConfigInspectOptions{})
			if err != nil {
				return err
			}
			if v, _ := state.ViewLease([]*swarm.Config{&lease.Config}); v.Held() && v.Source == source {
				held.Add(1)
			}
		}
		return nil
	})
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	if looks.Load() != 2 || held.Load() > 0 {
		t.Errorf("apply failed %d times, looked %d times after that, and held the lease %d times then", failed.Load(), looks.Load(), held.Load())
	}
}
