package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// published returns a service whose tasks are replaced quickly. ports is YAML.
func published(name, ports string) string {
	return service(name, "image: app:1", "replicas: 3", "ports: ["+ports+"]", quickRestart, quick("pause"), "stopGracePeriod: 1s")
}

// anew returns an error unless all running tasks of a service were made after since. After a change of ports the swarm
// replaces all of them.
func (w *world) anew(name string, since time.Time) error {
	w.Helper()
	s, n := w.service(name), 0
	for _, t := range w.tasks(name) {
		if t.Status.State != swarm.TaskStateRunning || t.DesiredState != swarm.TaskStateRunning {
			continue
		}
		if n++; t.CreatedAt.Before(since) {
			return fmt.Errorf("a task of %s is of %s, before the change of %s; the update is %+v", name, t.CreatedAt, since, s.UpdateStatus)
		}
	}
	if s.UpdateStatus == nil || s.UpdateStatus.State != swarm.UpdateStateCompleted || n != 3 {
		return fmt.Errorf("%d tasks run, and the update is %+v", n, s.UpdateStatus)
	}
	return nil
}

// After a change of ports, the swarm begins to replace the tasks a moment after the write. Until then, the old tasks
// look like new ones.
func TestAChangeOfPortsIsRolledOutWhenItsTasksAreNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	changes := []string{"{target: 80, published: 7081}", "{target: 80, published: 7082}", "{target: 80, published: 7083, mode: host}", "", "{target: 80, published: 7084}"}
	inTurns(t, map[string]func(*testing.T){"apply": func(t *testing.T) {
		t.Parallel()
		w := w.in(t)
		r := w.repo("ports-apply", map[string]string{"a.yaml": published("ports-a", "{target: 80, published: 7080}")})
		w.want(0, "apply", "--wait", "--host", w.host(), "--source", r.Dir)
		for i, ports := range changes {
			since := w.service("ports-a").UpdatedAt
			hash := r.commit(fmt.Sprint("change ", i), map[string]string{"a.yaml": published("ports-a", ports)})
			w.want(0, "apply", "--wait", "--host", w.host(), "--source", r.Dir)
			if err := w.anew("ports-a", since); err != nil {
				t.Errorf("after apply --wait with ports [%s]: %v", ports, err)
			}
			w.want(0, "history", "--name", "ports-apply", "--host", w.host()).says(t, hash[:10]+" ", "rolled-out")
		}
	}, "run": func(t *testing.T) {
		t.Parallel()
		w := w.in(t)
		swap := func(ports string) string { return strings.ReplaceAll(ports, "708", "709") }
		r := w.repo("ports-run", map[string]string{"b.yaml": published("ports-b", "{target: 80, published: 7090}")})
		o := w.operate(w.host(), r)
		hash := r.commit("labels", map[string]string{"b.yaml": published("ports-b", "{target: 80, published: 7090}") + "# one\n"})
		o.inSync(hash)
		for i, ports := range changes {
			w.want(0, "wait", "--revision", hash, "--name", "ports-run", "--host", w.host())
			since := w.service("ports-b").UpdatedAt
			hash = r.commit(fmt.Sprint("change ", i), map[string]string{"b.yaml": published("ports-b", swap(ports))})
			w.want(0, "wait", "--revision", hash, "--name", "ports-run", "--host", w.host())
			if err := w.anew("ports-b", since); err != nil {
				t.Errorf("after wait with ports [%s]: %v", ports, err)
			}
		}
	}})
}

func TestOneShotsAreReadyWhenTheyHaveEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	once := func(name, image, condition string, more ...string) string {
		return service(name, append([]string{"image: " + image, "restartPolicy: {condition: " + condition + ", delay: 500ms, maxAttempts: 1}"}, more...)...)
	}
	good := map[string]string{
		"none.yaml":   once("once-none", "finish:1", "none", quick("pause")),
		"fail.yaml":   once("once-fail", "finish:1", "on-failure", "replicas: 2", quick("continue")),
		"global.yaml": once("once-global", "finish:1", "none", "mode: global", quick("continue")),
	}
	r := w.repo("once", good)
	apply := func(code int) result {
		t.Helper()
		return w.want(code, "apply", "--wait", "--host", w.host(), "--source", r.Dir)
	}
	apply(0)
	s := w.seeStatus("--host", w.host(), "--source", r.Dir)
	for object, want := range map[string]string{"Service/once-none": "Synced Healthy 1/1", "Service/once-fail": "Synced Healthy 2/2", "Service/once-global": fmt.Sprintf("Synced Healthy %d/%[1]d", w.nodes())} {
		if err := s.is(object, want); err != nil {
			t.Error(err)
		}
	}

	t.Log("what is updated runs again, and the swarm pauses the update as its task ends")
	hash := r.commit("again", map[string]string{"none.yaml": once("once-none", "finish:2", "none", quick("pause"))})
	apply(0)
	complete := 0
	for _, task := range w.tasks("once-none") {
		if task.Status.State == swarm.TaskStateComplete && strings.Contains(task.Spec.ContainerSpec.Image, "finish:2") {
			complete++
		}
	}
	if complete != 1 {
		t.Errorf("after apply --wait %d tasks of the new image are complete", complete)
	}
	w.want(0, "history", "--host", w.host()).says(t, hash[:10], "rolled-out")
	o := w.operate(w.host(), r)
	o.inSync(hash)
	o.condition("RolloutFailed", false)
	w.want(0, "wait", "--revision", hash, "--host", w.host()).says(t, "is rolled out")

	t.Log("what fails and is given up has failed")
	hash = r.commit("bad", map[string]string{"fail.yaml": once("once-fail", "exit-3:1", "on-failure", "replicas: 2", quick("continue"))})
	w.want(1, "wait", "--revision", hash, "--host", w.host()).says(t, "failed: Service/once-fail", "non-zero exit (3)")
}

// saysInTime repeats a command that gives up after a time, until its output has all texts. On a busy machine that
// time may be over before the swarm has come so far.
func (w *world) saysInTime(texts []string, args ...string) (r result) {
	w.Helper()
	w.eventually(func() error {
		r = w.want(1, args...)
		for _, text := range texts {
			if !strings.Contains(r.out+r.errs, text) {
				return fmt.Errorf("it does not say %q: %s", text, r)
			}
		}
		return nil
	})
	return r
}

const noPlace = "no suitable node (scheduling constraints not satisfied on 2 nodes)"

func TestWhyTasksWaitIsSaidEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("waits", map[string]string{
		"a.yaml": service("waits-label", "image: app:1", "placement: {constraints: [node.labels.nope == x]}", quick("pause")),
		"b.yaml": service("waits-memory", "image: app:1", "resources: {reservations: {memory: 900GiB}}"),
		"c.yaml": service("waits-port", "image: app:1", "replicas: 3", "ports: [{target: 80, published: 7010, mode: host}]"),
	})
	sentences := []string{noPlace, "no suitable node (insufficient resources on 2 nodes)", "no suitable node (host-mode port already in use on 2 nodes)"}
	failed := w.saysInTime(sentences, "apply", "--wait", "--timeout", "8s", "--host", w.host(), "--source", r.Dir)
	if text := failed.errs; !strings.Contains(text, "not done after 8s") || !strings.Contains(text, noPlace) || strings.Contains(text, "…") {
		t.Errorf("the error at the end does not say why it is not done:\n%s", text)
	}
	o := w.operate(w.host(), r)
	hash := r.commit("the same", map[string]string{"d.yaml": service("waits-not", "image: app:1", "replicas: 0")})
	o.inSync(hash)
	for name, args := range w.statusOf(o, r) {
		w.eventually(func() error {
			s := w.seeStatus(args...)
			for i, object := range []string{"Service/waits-label", "Service/waits-memory", "Service/waits-port"} {
				shown := false
				for _, one := range s.Objects {
					if one.Object != object {
						continue
					}
					if shown = true; one.Health != "Progressing" || !strings.Contains(one.HealthWhy, sentences[i]) {
						return fmt.Errorf("%s says of %s: %s (%s)", name, object, one.Health, one.HealthWhy)
					}
				}
				if !shown {
					return fmt.Errorf("%s says nothing of %s", name, object)
				}
			}
			if len(s.Failed) > 0 {
				return fmt.Errorf("%s says that it failed: %+v", name, s.Failed)
			}
			return nil
		})
	}
	if c := o.condition("TasksWaiting", true); !strings.Contains(c.Message, noPlace) {
		t.Errorf("the condition is %+v", c)
	}

	t.Log("what an earlier revision changed and only waits is no matter of this one")
	w.want(0, "wait", "--revision", hash, "--host", w.host()).says(t, "is rolled out")

	t.Log("and of its own it says why")
	hash = r.commit("another label", map[string]string{"a.yaml": service("waits-label", "image: app:2", "placement: {constraints: [node.labels.nope == x]}", quick("pause"))})
	o.inSync(hash)
	w.saysInTime([]string{"is in force and rolls out: Service/waits-label: ", noPlace}, "wait", "--revision", hash, "--host", w.host(), "--timeout", "8s")
	w.want(0, "history", "--host", w.host()).says(t, hash[:10], "rolling-out", noPlace)

	t.Log("a place ends the wait")
	w.nodeByHand(w.swarm.Workers()[0], func(n *swarm.NodeSpec) { n.Labels = map[string]string{"nope": "x"} })
	w.want(0, "wait", "--revision", hash, "--host", w.host()).says(t, "is rolled out")
	o.condition("RolloutFailed", false)
}

// A verdict is about what its own revision changed.
func TestALaterRevisionIsNotBlamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("blamed", nil)
	app := func(image string) map[string]string {
		return map[string]string{"a.yaml": service("blamed-a", "image: "+image, "replicas: 1", "restartPolicy: {delay: 2s}", quick("continue"))}
	}
	first := r.commit("good", app("app:1"))
	o := w.operate(w.host(), r)
	w.want(0, "wait", "--revision", first, "--name", "blamed", "--host", w.host())
	bad := r.commit("bad", app("crash:1"))
	o.inSync(bad)
	next := r.commit("about another one", map[string]string{"b.yaml": service("blamed-b", "image: app:1", "replicas: 1")})
	o.inSync(next)
	o.condition("RolloutFailed", true)
	w.want(0, "wait", "--revision", next, "--host", w.host()).says(t, "is rolled out")
	w.want(1, "wait", "--revision", bad, "--host", w.host()).says(t, "failed: Service/blamed-a")
	out := w.want(0, "history", "--host", w.host())
	for hash, outcome := range map[string]string{next: " rolled-out", bad: " failed "} {
		if !slices.ContainsFunc(strings.Split(out.out, "\n"), func(line string) bool {
			return strings.HasPrefix(line, hash[:10]) && strings.Contains(line, outcome)
		}) {
			t.Errorf("history does not say that %s is%s: %s", hash[:10], outcome, out)
		}
	}
	if a := w.want(1, "apply", "--wait", "--host", w.host(), "--source", r.Dir); !strings.Contains(a.errs, "Service/blamed-a, which an earlier revision changed") {
		t.Errorf("apply --wait says %s", a)
	}
}

// If no operator follows the swarm, apply --wait is the only one that knows how the roll-out ended.
func TestApplyWaitIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	app := func(image string) map[string]string {
		return map[string]string{"a.yaml": service("once-a", "image: "+image, "replicas: 1", quickRestart, quick("pause"))}
	}
	r := w.repo("remembered", app("app:1"))
	w.want(0, "apply", "--wait", "--host", w.host(), "--source", r.Dir)
	w.want(0, "history", "--host", w.host()).says(t, "rolled-out")
	bad := r.commit("bad", app("crash:1"))
	w.want(1, "apply", "--wait", "--host", w.host(), "--source", r.Dir)
	w.want(0, "history", "--host", w.host()).says(t, bad[:10], "failed", "Service/once-a", "non-zero exit (1)")
	w.want(1, "wait", "--revision", bad, "--host", w.host()).says(t, "failed: Service/once-a")
	w.want(0, "retry", "Service/once-a", "--host", w.host()).says(t, "may be tried again; it had failed: paused")
	good := r.commit("good", app("app:2"))
	w.want(0, "apply", "--wait", "--host", w.host(), "--source", r.Dir)
	w.want(0, "wait", "--revision", good, "--host", w.host()).says(t, "is rolled out")
}

// If somebody else wrote in between, the result is not what was asked for, however well it runs.
func TestApplyWaitSeesWhatSomebodyElseChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	app := func(image string) map[string]string {
		return map[string]string{"a.yaml": service("between-a", "image: "+image, "replicas: 1", quickRestart, quick("pause"), "stopGracePeriod: 1s")}
	}
	r := w.repo("between", app("app:1"))
	w.want(0, "apply", "--wait", "--host", w.host(), "--source", r.Dir)
	r.commit("slow", app("slow:1"))
	process, err := harness.Start(binary, w.env(), "apply", "--wait", "--host", w.host(), "--source", r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error { // by now it only waits; before that, it would repair what somebody else changes
		if waits := "Service/between-a [ ] 0/1 updating"; !strings.Contains(process.Stdout(), waits) {
			return fmt.Errorf("it does not say %q yet:\n%s", waits, process.Stdout())
		}
		return nil
	})
	w.byHand("between-a", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "app:3" })
	if out := w.end(process); out.code != 1 || !strings.Contains(out.errs, "Service/between-a: changed by somebody else while it rolled out") {
		t.Errorf("it says %s", out)
	}
	if out := w.want(0, "history", "--host", w.host()); !strings.Contains(out.out, "rolling-out") {
		t.Errorf("history says %s", out)
	}
	w.want(0, "apply", "--wait", "--host", w.host(), "--source", r.Dir)
	w.runs("between-a", 1)
	if out := w.want(0, "history", "--host", w.host()); strings.Contains(out.out, "rolling-out") {
		t.Errorf("history says %s", out)
	}
}

// A running service is shown as running, whatever became of its manifest. While a roll-out makes no progress,
// the tasks of the old spec, which still serve, are shown.
func TestStatusSaysWhatRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("runs", map[string]string{
		"kept.yaml": policy(service("runs-kept", "image: app:1", "replicas: 1"), "protect: true"),
		"port.yaml": service("runs-port", "image: app:1", "mode: global", "ports: [{target: 80, published: 7009, mode: host}]", "updateConfig: {order: start-first, monitor: 1s}"),
	})
	w.want(0, "apply", "--wait", "--host", w.host(), "--source", r.Dir)
	r.remove("kept.yaml")
	r.commit("one goes, one changes", map[string]string{"port.yaml": service("runs-port", "image: app:2", "mode: global", "ports: [{target: 80, published: 7009, mode: host}]", "updateConfig: {order: start-first, monitor: 1s}")})
	waits := "0/2 updating, 0 of 2 tasks running, 2 of the old spec; a task waits: host-mode port already in use on 1 node"
	w.saysInTime([]string{waits}, "apply", "--wait", "--timeout", "8s", "--host", w.host(), "--source", r.Dir)
	w.eventually(func() error {
		s := w.seeStatus("--host", w.host(), "--source", r.Dir)
		if err := s.is("Service/runs-kept", "OutOfSync Healthy 1/1"); err != nil {
			return err
		}
		text := w.want(0, "status", "--host", w.host(), "--source", r.Dir)
		if !strings.Contains(text.out, "of the old spec run)") || !strings.Contains(text.out, "host-mode port already in use") {
			return fmt.Errorf("it does not say what serves, or why the new ones wait:\n%s", text)
		}
		return nil
	})
}

// When the last look compares a service with a network that the same run has made, the network has a name.
func TestApplyWaitKnowsTheNetworksThatItHasMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("made", map[string]string{"all.yaml": docs(
		network("made"), service("on-it", "image: app:1", "replicas: 1", "networks: [made]", quick("pause")),
	)})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
}
