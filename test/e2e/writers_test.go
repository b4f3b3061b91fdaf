package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// A person who writes all the time owns one field, and git owns another. Each write carries what the other one wrote.
func TestAHandAndTheOperatorWriteOneServiceAndLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	manifest := func(n int) map[string]string {
		return map[string]string{"a.yaml": service("shared", "image: app:1", fmt.Sprintf("environment: {V: \"%d\"}", n), "placement: {constraints: [node.labels.none == none]}")}
	}
	r := w.repo("shared", manifest(0))
	p := w.proxy()
	o := w.operate(p.Host(), r)
	o.condition("InSync", true)
	id := w.service("shared").ID

	ctx, stop := context.WithCancel(t.Context())
	hand := make(chan []uint64)
	go func() {
		var wrote []uint64
		tick := time.NewTicker(20 * time.Millisecond) // as fast as a person's loop around the docker CLI
		defer tick.Stop()
		for n := uint64(0); ctx.Err() == nil; n++ {
			if w.tryScale(ctx, id, 2+n%5) {
				wrote = append(wrote, 2+n%5)
			}
			<-tick.C
		}
		hand <- wrote
	}()
	var hash string
	for n := 1; n <= 8; n++ {
		hash = r.commit("next", manifest(n))
		w.eventually(func() error {
			if got := env(w.service("shared")); !slices.Equal(got, []string{fmt.Sprintf("V=%d", n)}) {
				return fmt.Errorf("the environment is %q, want %d", got, n)
			}
			return nil
		})
	}
	stop()
	wrote := <-hand
	o.inSync(hash)
	if got, want := replicas(w.service("shared")), wrote[len(wrote)-1]; got != want {
		t.Errorf("the hand wrote %d last, and replicas are %d", want, got)
	}
	// A commit may arrive while the one before is still refused as stale. The older one is then skipped, so there is
	// at most one write for each commit.
	done, stale := 0, 0
	for _, c := range writesTo(p.Calls(), id) {
		if c.Status == 200 {
			done++
		} else {
			stale++
		}
	}
	t.Logf("%d writes by hand; the operator's: %d, and %d stale ones", len(wrote), done, stale)
	if done != 8 {
		t.Errorf("8 commits made %d writes", done)
	}
}

// tryScale makes one attempt. It returns false if another write came in between.
func (w *world) tryScale(ctx context.Context, id string, n uint64) bool {
	s, err := w.api.ServiceInspect(ctx, id, client.ServiceInspectOptions{})
	if err != nil {
		return false
	}
	spec := s.Service.Spec
	spec.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}}
	_, err = w.api.ServiceUpdate(context.WithoutCancel(ctx), id, client.ServiceUpdateOptions{Version: s.Service.Version, Spec: spec})
	return err == nil
}

func TestTwoSourcesOnOneSwarmLeaveEachOtherAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	files := func(name string) map[string]string {
		return map[string]string{
			"own.yaml":   service(name+"-own", "image: app:1", "replicas: 0", "configs: ["+name+"-conf]"),
			"conf.yaml":  config(name+"-conf", "content\n"),
			"other.yaml": service(name+"-other", "image: app:1", "replicas: 0"),
		}
	}
	a, b := w.repo("a", files("a")), w.repo("b", files("b"))
	pa, pb := w.proxy(), w.proxy()
	oa, ob := w.operate(pa.Host(), a, "--repair-after", "0s", "--resync", "1s"), w.operate(pb.Host(), b, "--repair-after", "0s", "--resync", "1s")
	oa.condition("InSync", true)
	ob.condition("InSync", true)
	w.eventually(func() error {
		if n := len(w.services()); n != 4 {
			return fmt.Errorf("there are %d services", n)
		}
		return nil
	})
	w.written(pa)
	w.written(pb)
	pa.Reset()
	pb.Reset()
	a.remove("other.yaml")
	hash := a.commit("a's goes", map[string]string{"own.yaml": service("a-own", "image: app:2", "replicas: 0", "configs: [a-conf]")})
	oa.inSync(hash)
	w.holds(3*time.Second, func() error {
		for _, c := range pb.Writes() {
			return fmt.Errorf("b wrote when a changed: %s", c)
		}
		return nil
	})
	if names := w.versions(); len(names) != 3 || names["b-other"] == 0 {
		t.Errorf("services are %v", names)
	}

	t.Log("one object in both: one that a made, and one that it only took over, which nothing on it says")
	spec := cliService("adopted", "app:1")
	spec.EndpointSpec.Ports, spec.Mode.Replicated.Replicas = nil, new(uint64)
	w.createService(spec, true)
	adopted := []string{"image: app:1", "replicas: 0", "command: [serve]", "environment: {LOG_LEVEL: info}"}
	oa.inSync(a.commit("a takes one over", map[string]string{"adopted.yaml": service("adopted", adopted...)}))
	w.eventually(func() error { // until it is also in the memory
		if out := w.cli("diff", "--host", w.host(), "--source", a.Dir); out.code != 0 || strings.Contains(out.out, "= Service/adopted") {
			return fmt.Errorf("a has not taken it over: %s", out)
		}
		return nil
	})
	if labels := w.service("adopted").Spec.Labels; len(labels) > 0 {
		t.Errorf("the service that was taken over has labels: %v", labels)
	}
	p := w.proxy()
	before := []swarm.Service{w.service("a-own"), w.service("adopted")}
	for _, policies := range []string{"adopt: ifIdentical", "adopt: takeover", "adopt: takeover, enforce: true"} {
		b.commit("b wants a's, with "+policies, map[string]string{
			"own.yaml":     policy(service("a-own", "image: app:3", "replicas: 0"), policies),
			"adopted.yaml": policy(service("adopted", adopted...), policies), // equal to what exists
		})
		refused := w.want(1, "apply", "--host", p.Host(), "--source", b.Dir)
		if strings.Count(refused.out, "belongs to source a") < len(before) {
			t.Errorf("%s: the refusals do not say whose it is:\n%s", policies, refused)
		}
		ob.reports(func(r harness.Report) error {
			for _, s := range before {
				if !slices.ContainsFunc(r.Refused, func(f harness.Refusal) bool {
					return f.Object == "Service/"+s.Spec.Name && f.Guard == "ownership" && f.Class == "never" && strings.Contains(f.Why, "belongs to source a")
				}) {
					return fmt.Errorf("that %s is refused is not reported: %s", s.Spec.Name, brief(r))
				}
			}
			return nil
		})
	}
	for _, s := range before {
		if writes := writesTo(append(p.Calls(), pb.Calls()...), s.ID); len(writes) > 0 {
			t.Errorf("b wrote on %s, which is a's:\n%s", s.Spec.Name, lines(writes))
		}
		if now := w.service(s.Spec.Name); now.Version != s.Version {
			t.Errorf("%s was written", s.Spec.Name)
		}
	}
	oa.condition("InSync", true)

	t.Log("and a changes what it took over, b's word or not")
	oa.inSync(a.commit("another image", map[string]string{"adopted.yaml": service("adopted", append([]string{"image: app:2"}, adopted[1:]...)...)}))
	w.image("adopted", "app:2")
	ob.reports(func(r harness.Report) error {
		for _, f := range r.Refused {
			if f.Object == "Service/adopted" && strings.Contains(f.Why, "belongs to source a") {
				return nil
			}
		}
		return fmt.Errorf("the refusal is not reported: %s", brief(r))
	})
}

// Whatever two operators of one source do at once, each object is made once and is in sync in the end.
func TestTwoOperatorsOfOneSourceConverge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	files := map[string]string{"conf.yaml": config("conf", "one\n")}
	for i := range 20 {
		files[file(i)] = service(name(i), "image: app:1", "replicas: 0", "configs: [conf]")
	}
	r := w.repo("twins", nil)
	p := w.proxy()
	one, two := w.operate(p.Host(), r, "--repair-after", "0s"), w.operate(p.Host(), r, "--repair-after", "0s")
	hash := r.commit("twenty", files)
	one.inSync(hash)
	two.inSync(hash)
	if n := len(w.services()); n != 20 {
		t.Errorf("there are %d services", n)
	}
	if got := w.configs(); len(got) != 1 {
		t.Errorf("configs are %q", got)
	}
	w.quiet(p)
	p.Reset()
	hash = r.commit("one changes", map[string]string{file(3): service(name(3), "image: app:2", "replicas: 0", "configs: [conf]")})
	one.inSync(hash)
	two.inSync(hash)
	w.quiet(p)
	done := accepted(serviceWrites(p.Calls()))
	if len(done) != 1 {
		t.Errorf("want one write, got\n%s", lines(done))
	}
	if s := w.service(name(3)); s.PreviousSpec == nil || !strings.HasPrefix(s.PreviousSpec.TaskTemplate.ContainerSpec.Image, "app:1") {
		t.Error("the rollback target is lost")
	}
}

// If two processes write the memory at once, one of them is told so, and looks again.
func TestApplyPlansAgainWhenAnotherWritesTheMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	// Both applies have something to remember: first an adoption with no step beside it, then steps.
	spec := cliService("theirs", "app:1")
	spec.EndpointSpec.Ports, spec.Mode.Replicated.Replicas = nil, new(uint64)
	w.createService(spec, true)
	theirs := service("theirs", "image: app:1", "replicas: 0", "command: [serve]", "environment: {LOG_LEVEL: info}")
	r := w.repo("memory", map[string]string{"theirs.yaml": theirs})
	for round, files := range []map[string]string{nil, {"a.yaml": service("a", "image: app:1", "replicas: 0")}} {
		r.commit(fmt.Sprint(round), files)
		p := w.proxy()
		var once sync.Once
		p.Before(func(c harness.Call) error {
			if c.Path == "/configs/create" {
				var spec swarm.ConfigSpec // by a writer that ignores the lease
				if err := json.Unmarshal(c.Body, &spec); err != nil {
					t.Error(err)
				}
				if !strings.HasPrefix(spec.Name, "swarm-operator.memory.") {
					return nil
				}
				once.Do(func() {
					if _, err := w.api.ConfigCreate(w.Context(), client.ConfigCreateOptions{Spec: spec}); err != nil {
						t.Error(err)
					}
				})
			}
			return nil
		})
		w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
		if !slices.ContainsFunc(p.Calls(), func(c harness.Call) bool { return c.Path == "/configs/create" && c.Status == 409 }) {
			t.Errorf("the memory was not written in between: this test tests nothing\n%s", lines(p.Calls()))
		}
		w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	}
	w.service("a")
}
