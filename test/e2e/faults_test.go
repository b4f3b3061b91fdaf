package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

const outOfSequence = "rpc error: code = Unknown desc = update out of sequence"

// An error does not prove that a call had no effect, and neither does a missing answer.
func TestAnApplyConvergesThroughFaults(t *testing.T) {
	t.Parallel()
	all := map[string][]Fault{
		"stale update once":         {{Method: "POST", Path: "/services/.*/update", Count: 1, Status: 500, Message: outOfSequence}},
		"stale update three times":  {{Method: "POST", Path: "/services/.*/update", Count: 3, Status: 500, Message: outOfSequence}},
		"reads unavailable":         {{Method: "GET", Path: "/(services|configs|networks)", Count: 3, Status: 503, Message: "rpc error: code = Unavailable desc = transport is closing"}},
		"writes unavailable":        {{Method: "POST", Count: 3, Status: 503, Message: "rpc error: code = Unavailable desc = transport is closing"}},
		"slow":                      {{Latency: 100 * time.Millisecond}},
		"reads dropped":             {{Method: "GET", Skip: 2, Count: 2, Drop: true}},
		"writes dropped":            {{Method: "POST", Skip: 1, Count: 2, Drop: true}},
		"made and dropped":          {{Method: "POST", Path: "/(services|configs|secrets|networks)/create", Skip: 1, Count: 4, Drop: true, AfterCommit: true}},
		"made and an error":         {{Method: "POST", Path: "/(services|configs|secrets|networks)/create", Skip: 1, Count: 4, Status: 500, Message: "rpc error: code = DeadlineExceeded desc = context deadline exceeded", AfterCommit: true}},
		"memory made and dropped":   {{Method: "POST", Path: "/configs/create", Count: 1, Drop: true, AfterCommit: true}},
		"memory made and an error":  {{Method: "POST", Path: "/configs/create", Count: 1, Status: 500, Message: "raft: failed to process the request: node lost leader status", AfterCommit: true}},
		"updated and dropped":       {{Method: "POST", Path: "/services/.*/update", Count: 1, Drop: true, AfterCommit: true}},
		"updated and an error":      {{Method: "POST", Path: "/services/.*/update", Count: 1, Status: 500, Message: "raft: failed to process the request: node lost leader status", AfterCommit: true}},
		"removed and dropped":       {{Method: "DELETE", Path: "/services/.*", Count: 1, Drop: true, AfterCommit: true}},
		"no registry":               {{Path: "/distribution/.*", Status: 500, Message: "no such host"}},
		"a registry that is closed": {{Path: "/distribution/.*", Status: http.StatusForbidden, Message: "denied"}},
	}
	for name := range everySecondOf(all) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := all[name]
			w := newWorld(t, size{1, 0})
			i := &interrupted{world: w, proxy: w.proxy(), prefix: "f"}
			i.repo = w.repo("faults", i.first())
			i.through(faults, []string{"api", "old", "web"}, []string{"net"}, 1)
			i.repo.remove("old.yaml")
			i.repo.commit("second", i.second())
			i.through(faults, []string{"api", "new", "web"}, []string{"more", "net"}, 2)
		})
	}
}

// through applies while faults happen, and checks the result.
func (i *interrupted) through(faults []Fault, services, networks []string, versions int) {
	i.Helper()
	var undo []func()
	for _, f := range faults {
		undo = append(undo, i.swarm.Inject(f))
	}
	i.proxy.Reset()
	r := i.cli(i.args()...)
	calls := i.proxy.Calls()
	for _, f := range undo {
		f()
	}
	writes := slices.ContainsFunc(faults, func(f Fault) bool { return f.Method != http.MethodGet })
	if r.code != 0 && (writes || r.code != 2) { // nothing is decided or done on a partial read
		i.Errorf("apply says %s", r)
	}
	i.converges("the faults", calls, services, networks, versions)
}

// Faults that last are reported, and when they end the work goes on.
func TestRunOutlivesAnEngineThatIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("away", nil)
	hash := r.commit("one", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(hash)
	p.Before(func(harness.Call) error { return harness.ErrCut })
	hash = r.commit("two", map[string]string{"a.yaml": service("a", "image: app:2", "replicas: 0")})
	c := o.condition("EngineReady", false)
	if c.Message == "" {
		t.Errorf("the condition does not say why: %+v", c)
	}
	if health, ready := o.answers("/healthz"), o.answers("/readyz"); health != 200 || ready != 503 {
		t.Errorf("/healthz answers %d, /readyz %d", health, ready)
	}
	p.Reset()
	w.holds(3*time.Second, func() error {
		if n := len(p.Calls()); n > 100 {
			return fmt.Errorf("a busy loop: %d calls", n)
		}
		return nil
	})
	p.Before(nil)
	o.inSync(hash)
	o.condition("EngineReady", true)
	if image := w.service("a").Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, "app:2") {
		t.Errorf("the image is %s", image)
	}
}

// The first call of a follower without a leader hangs for twenty seconds, so this test takes long.
func TestWithoutQuorumNothingIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 0})
	r := w.repo("quorum", nil)
	hash := r.commit("one", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0"), "b.yaml": service("b", "image: app:1", "replicas: 0")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s", "--resync", "5s")
	o.inSync(hash)
	o.condition("ManagersReady", true)
	before := w.versions()
	others := w.swarm.Managers()[1:]
	for _, node := range others {
		if err := w.swarm.Kill(node); err != nil {
			t.Fatal(err)
		}
	}
	r.remove("b.yaml")
	hash = r.commit("two", map[string]string{"a.yaml": service("a", "image: app:2", "replicas: 0")})
	o.reports(func(r harness.Report) error {
		n := len(w.swarm.Managers())
		numbers := fmt.Sprintf("%d of the swarm's %d managers have to reach each other, and fewer do", n/2+1, n)
		if c, _ := r.Condition("EngineReady"); c.Status || c.Reason != "NoQuorum" || !strings.Contains(c.Message, numbers) {
			return fmt.Errorf("no condition NoQuorum with numbers: %s", brief(r))
		}
		for _, kind := range []string{"ManagersReady", "NodesReady"} {
			if c, _ := r.Condition(kind); c.Status || c.Reason != "Unknown" {
				return fmt.Errorf("nobody can say how the nodes are, and %s is %+v", kind, c)
			}
		}
		return nil
	})
	if health, ready := o.answers("/healthz"), o.answers("/readyz"); health != 200 || ready != 503 {
		t.Errorf("/healthz answers %d, /readyz %d", health, ready)
	}
	if status := o.answers("/metrics"); status != 200 {
		t.Errorf("/metrics answers %d", status)
	}
	p.Reset()
	w.holds(3*time.Second, func() error {
		for _, c := range p.Writes() {
			return fmt.Errorf("without quorum it wrote: %s", c)
		}
		if n := len(p.Calls()); n > 100 {
			return fmt.Errorf("a busy loop: %d calls", n)
		}
		return nil
	})
	var starting sync.WaitGroup
	for _, node := range others {
		starting.Go(func() { // all at the same time: one alone would wait for a quorum
			if err := w.swarm.Start(t.Context(), node); err != nil {
				t.Errorf("starting %s again: %v", node, err)
			}
		})
	}
	o.inSync(hash)
	starting.Wait()
	o.condition("EngineReady", true)
	after := w.versions()
	if _, there := after["b"]; there || after["a"] == before["a"] {
		t.Errorf("versions were %v and are %v", before, after)
	}
	if status := o.answers("/readyz"); status != 200 {
		t.Errorf("/readyz answers %d", status)
	}
}

// A worker's engine cannot do the job, and the command says so.
func TestOnAWorkerNothingIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("worker", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	host := w.swarm.Host(w.swarm.Workers()[0])
	for _, command := range []string{"diff", "apply"} {
		if out := w.want(2, command, "--host", host, "--source", r.Dir); !strings.Contains(out.errs, "manager") {
			t.Errorf("%s says %s", command, out)
		}
	}
	o := w.operate(host, r)
	if c := o.condition("EngineReady", false); c.Reason != "NotManager" {
		t.Errorf("the condition is %+v", c)
	}
	if health, ready := o.answers("/healthz"), o.answers("/readyz"); health != 200 || ready != 503 {
		t.Errorf("/healthz answers %d, /readyz %d", health, ready)
	}
}
