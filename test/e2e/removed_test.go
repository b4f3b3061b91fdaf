package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// remove does what docker service rm does.
func (w *world) remove(names ...string) {
	w.Helper()
	for _, name := range names {
		if _, err := w.api.ServiceRemove(w.Context(), w.service(name).ID, client.ServiceRemoveOptions{}); err != nil {
			w.Fatal(err)
		}
	}
}

// absent returns an error if any of the services exists.
func (w *world) absent(names ...string) error {
	for _, name := range names {
		if _, there := w.find(name); there {
			return fmt.Errorf("%s is there again", name)
		}
	}
	return nil
}

// removed waits until the report says that somebody removed an object by hand, and what was done about it.
func (o *operator) removed(object, done string) {
	o.w.Helper()
	o.reports(func(r harness.Report) error {
		for _, d := range r.Drift {
			if d.Object == object && d.Operation == "create" && d.By == "hand" && d.Done == done {
				return nil
			}
		}
		return fmt.Errorf("the report does not say that a hand removed %s, %s: %+v", object, done, r.Drift)
	})
}

func TestARemovalByHandIsAnnouncedFirstAndUndoneInItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("gone", nil)
	hash := r.commit("three", map[string]string{
		"a.yaml": service("a", "image: app:1", "replicas: 0"), "b.yaml": service("b", "image: app:1", "replicas: 0"), "n.yaml": network("net"),
	})
	const after = 3 * time.Second
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", after.String())
	o.inSync(hash)
	w.written(p) // the IDs are then on record
	for round := range 2 {
		p.Reset()
		seen := time.Now()
		w.remove("a", "b")
		for _, object := range []string{"Service/a", "Service/b"} {
			o.removed(object, "held")
		}
		o.inSync(hash)
		made := accepted(serviceWrites(p.Calls()))
		if len(made) != 2 {
			t.Fatalf("round %d: want both made once, got\n%s", round, lines(made))
		}
		for _, c := range made {
			if waited := c.At.Sub(seen); waited < after-time.Second {
				t.Errorf("round %d: --repair-after is %s, and %s was after %s", round, after, c, waited)
			}
		}
		o.removed("Service/a", "repaired")
	}

	t.Log("whoever takes over knows that it was there")
	p.Reset()
	o.Kill()
	w.remove("a")
	p2 := w.proxy()
	o2 := w.operate(p2.Host(), r, "--repair-after", "1h", "--instance", "other")
	o2.removed("Service/a", "held")
	w.holds(2*time.Second, func() error { return w.absent("a") })

	t.Log("a commit that has nothing to do with it ends no wait, one that changes it does")
	r.commit("b changes", map[string]string{"b.yaml": service("b", "image: app:2", "replicas: 0")})
	w.image("b", "app:2")
	w.holds(2*time.Second, func() error { return w.absent("a") })
	r.commit("a changes", map[string]string{"a.yaml": service("a", "image: app:2", "replicas: 0")})
	w.image("a", "app:2")
}

func TestWhatAHandRemovedIsMadeForWhatNeedsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("needed", nil)
	hash := r.commit("a network and a database", map[string]string{"n.yaml": network("net"), "db.yaml": service("db", "image: app:1", "replicas: 0")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "1h")
	o.inSync(hash)
	w.written(p)
	if _, err := w.api.NetworkRemove(w.Context(), "net", client.NetworkRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	w.remove("db")
	o.removed("Network/net", "held")
	o.removed("Service/db", "held")
	o.inSync(r.commit("a service needs both", map[string]string{
		"web.yaml": policy(service("web", "image: app:1", "replicas: 0", "networks: [net]"), "dependsOn: [Service/db]"),
	}))
	w.service("db")
	w.service("web")
}

func TestAnAdoptedServiceThatAHandRemovesIsReportedOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	for _, name := range []string{"web", "kept"} {
		spec := cliService(name, "app:1")
		spec.EndpointSpec.Ports, spec.Mode.Replicated.Replicas = nil, new(uint64)
		w.createService(spec, true)
	}
	manifest := func(name, image string) string {
		return service(name, "image: "+image, "replicas: 0", "command: [serve]", "environment: {LOG_LEVEL: info}")
	}
	r := w.repo("adopting", nil)
	hash := r.commit("both", map[string]string{"web.yaml": manifest("web", "app:1"), "kept.yaml": policy(manifest("kept", "app:1"), "enforce: true")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(hash)
	w.written(p)
	w.remove("web", "kept")
	o.removed("Service/web", "reported")
	o.removed("Service/kept", "repaired")
	w.image("kept", "app:1")
	w.holds(2*time.Second, func() error { return w.absent("web") })
	out := w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	if !strings.Contains(out.out, "removed by hand") || !strings.Contains(out.out, "policy.enforce: true") {
		t.Errorf("apply does not say what happened and what ends it:\n%s", out)
	}
	r.commit("git changes it", map[string]string{"web.yaml": manifest("web", "app:2")})
	w.image("web", "app:2")
}

// A stack deploy by hand removes all labels that are not the stack's, including ours.
func TestLabelsThatAHandTookOffChangeNothingAboutWhoseAServiceIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	adopted := cliService("adopted", "app:1")
	adopted.EndpointSpec.Ports, adopted.Mode.Replicated.Replicas = nil, new(uint64)
	w.createService(adopted, true)
	manifest := func(name, more string) string {
		return service(name, "image: app:1", "replicas: 0", "command: [serve]", "environment: {LOG_LEVEL: info}", more)
	}
	r := w.repo("labels", nil)
	hash := r.commit("both", map[string]string{"adopted.yaml": manifest("adopted", "init: false"), "made.yaml": manifest("made", "init: false")})
	const after = 3 * time.Second
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", after.String())
	o.inSync(hash)
	hash = r.commit("both are written", map[string]string{"adopted.yaml": manifest("adopted", "user: app"), "made.yaml": manifest("made", "user: app")})
	o.inSync(hash)
	w.written(p)

	t.Log("the labels alone: nothing differs, and nothing is written")
	p.Reset()
	for _, name := range []string{"adopted", "made"} {
		w.byHand(name, func(s *swarm.ServiceSpec) { s.Labels = nil })
	}
	w.holds(2*time.Second, func() error {
		if writes := serviceWrites(p.Calls()); len(writes) > 0 {
			return fmt.Errorf("nothing differs, and it wrote:\n%s", lines(writes))
		}
		return nil
	})
	o.inSync(hash)

	t.Log("the labels and an environment")
	p.Reset()
	seen := time.Now()
	for _, name := range []string{"adopted", "made"} {
		w.byHand(name, func(s *swarm.ServiceSpec) {
			s.Labels, s.TaskTemplate.ContainerSpec.Env = map[string]string{"com.docker.stack.namespace": "shop"}, []string{"LOG_LEVEL=debug"}
		})
	}
	for _, name := range []string{"adopted", "made"} {
		o.reports(func(r harness.Report) error {
			for _, d := range r.Drift {
				if d.Object == "Service/"+name && d.By == "hand" && len(d.Fields) == 1 && d.Fields[0].Path == "spec.environment.LOG_LEVEL" {
					return nil
				}
			}
			return fmt.Errorf("the report does not say that a hand changed %s: %+v", name, r.Drift)
		})
	}
	w.eventually(func() error {
		if got := env(w.service("made")); fmt.Sprint(got) != "[LOG_LEVEL=info]" {
			return fmt.Errorf("the environment is %q", got)
		}
		return nil
	})
	for _, c := range accepted(serviceWrites(p.Calls())) {
		if waited := c.At.Sub(seen); waited < after-time.Second {
			t.Errorf("--repair-after is %s, and %s was after %s", after, c, waited)
		}
	}
	made := w.service("made")
	if made.Spec.Labels["swarm-operator.io/owner"] != "labels/Service/made" || made.Spec.Labels["com.docker.stack.namespace"] != "shop" {
		t.Errorf("its labels are %v", made.Spec.Labels)
	}
	if writes := writesTo(p.Calls(), w.service("adopted").ID); len(writes) > 0 || fmt.Sprint(env(w.service("adopted"))) != "[LOG_LEVEL=debug]" {
		t.Errorf("what was adopted is only reported, and was written:\n%s", lines(writes))
	}

	t.Log("a commit takes both back, and what is a hand's stays so")
	r.commit("git changes both", map[string]string{"adopted.yaml": manifest("adopted", "user: other"), "made.yaml": manifest("made", "user: other")})
	for _, name := range []string{"adopted", "made"} {
		w.eventually(func() error {
			if user := w.service(name).Spec.TaskTemplate.ContainerSpec.User; user != "other" {
				return fmt.Errorf("the user of %s is %q", name, user)
			}
			return nil
		})
	}
	if got := env(w.service("adopted")); fmt.Sprint(got) != "[LOG_LEVEL=debug]" {
		t.Errorf("a commit that changed another field took the hand's change back: %q", got)
	}
}

// An operator marks each object that it makes. If it is killed before it notes the object, the next one knows the
// object by that mark.
func TestWhatWasMadeBeforeAKillIsOnRecordAfterwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("killed", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0"), "b.yaml": service("b", "image: app:1", "replicas: 0")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir) // apply ends before it notes what it made
	copied := w.service("b").Spec
	copied.Name, copied.Labels = "c", map[string]string{}
	for k, v := range w.service("b").Spec.Labels {
		copied.Labels[k] = strings.ReplaceAll(v, "Service/b", "Service/c")
	}
	hash := r.commit("another", map[string]string{"b.yaml": service("b", "image: app:2", "replicas: 0")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "1h")
	o.inSync(hash)
	w.written(p)
	w.remove("a")
	o.removed("Service/a", "held")
	w.createService(copied, false)
	w.holds(2*time.Second, func() error {
		w.service("c")
		return w.absent("a")
	})
	o.reports(func(r harness.Report) error {
		for _, f := range r.Refused {
			if f.Object == "Service/c" && f.Guard == "prune" && strings.Contains(f.Why, "did not make it") {
				return nil
			}
		}
		return fmt.Errorf("that a copy of an object is kept is not reported: %s", brief(r))
	})
}

// Two writers that want different things do not write for ever.
func TestWhatAnotherWritesAgainAndAgainIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("fight", nil)
	hash := r.commit("one", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0", "environment: {V: one}")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(hash)
	id := w.service("a").ID
	p.Reset()
	for range 4 {
		w.eventually(func() error {
			if n := replicas(w.service("a")); n != 0 {
				return fmt.Errorf("replicas are %d", n)
			}
			return nil
		})
		w.scale("a", 2)
	}
	c := o.condition("Contended", true)
	if !strings.Contains(c.Message, "spec.replicas") || !strings.Contains(c.Message, "3 times") {
		t.Errorf("the condition does not say what, and how often: %+v", c)
	}
	w.holds(2*time.Second, func() error {
		if n := replicas(w.service("a")); n != 2 {
			return fmt.Errorf("replicas are %d", n)
		}
		return nil
	})
	if writes := accepted(writesTo(p.Calls(), id)); len(writes) != 3 {
		t.Errorf("want three repairs, got\n%s", lines(writes))
	}
	t.Log("git's other fields are written all the same, and git may end it")
	r.commit("another field", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0", "environment: {V: two}")})
	w.eventually(func() error {
		if s := w.service("a"); fmt.Sprint(env(s)) != "[V=two]" || replicas(s) != 2 {
			return fmt.Errorf("environment %q, %d replicas", env(s), replicas(s))
		}
		return nil
	})
	hash = r.commit("git wants what the other does", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 2", "environment: {V: two}")})
	o.reports(func(r harness.Report) error {
		if r.Applied != hash || r.Is("Contended", true) {
			return fmt.Errorf("it is still contended: %s", brief(r))
		}
		return nil
	})
}
