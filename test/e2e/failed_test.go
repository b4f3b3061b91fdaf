package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// failing is a service that a test makes fail, with the operator that must remember it.
type failing struct {
	*world
	name   string
	action string
	repo   *repo
	proxy  *harness.Proxy
	op     *operator
	id     string
}

func (w *world) failing(name, action string) *failing {
	w.Helper()
	f := &failing{world: w, name: name, action: action}
	f.repo = w.repo("s-"+name, nil)
	hash := f.repo.commit("good", map[string]string{
		"app.yaml":   f.manifest("app:1"),
		"other.yaml": service(name+"-other", "image: app:1", "replicas: 0", "environment: {V: one}"),
	})
	f.proxy = w.proxy()
	f.start()
	f.op.inSync(hash)
	f.id = w.service(name).ID
	w.runs(name, 2)
	return f
}

func (f *failing) manifest(image string) string {
	return service(f.name, "image: "+image, "replicas: 2", quickRestart, quick(f.action), "rollbackConfig: {parallelism: 2, monitor: 500ms}")
}

func (f *failing) start() {
	f.Helper()
	f.op = f.operate(f.proxy.Host(), f.repo, "--repair-after", "0s")
}

// restart kills the process with -9 and starts a new one.
func (f *failing) restart() {
	f.Helper()
	f.op.Kill()
	f.start()
}

// untouched checks for a while that nothing is written on the service.
func (f *failing) untouched(period time.Duration) {
	f.Helper()
	f.proxy.Reset()
	f.holds(period, func() error {
		if writes := writesTo(f.proxy.Calls(), f.id); len(writes) > 0 {
			return fmt.Errorf("a want that failed was written again:\n%s", lines(writes))
		}
		return nil
	})
}

// reported waits until the operator says that the want failed, in the swarm's words.
func (f *failing) reported(why string) {
	f.Helper()
	c := f.op.condition("RolloutFailed", true)
	if !strings.Contains(c.Message, f.name) || !strings.Contains(c.Message, why) {
		f.Errorf("the condition does not say what failed and why: %+v", c)
	}
}

// remembered checks that the failure outlives the process, the passing of time, and commits about other objects.
func (f *failing) remembered() {
	f.Helper()
	f.restart()
	f.untouched(*watchPeriod)
	f.proxy.Reset()
	f.repo.commit("about another service", map[string]string{"other.yaml": service(f.name+"-other", "image: app:1", "replicas: 0", "environment: {V: two}")})
	f.eventually(func() error {
		if got := env(f.service(f.name + "-other")); len(got) != 1 || got[0] != "V=two" {
			return fmt.Errorf("the other service has %q", got)
		}
		return nil
	})
	f.untouched(2 * time.Second)
	f.reported("")
}

// fixed checks that the next good commit is rolled out.
func (f *failing) fixed(image string) {
	f.Helper()
	f.proxy.Reset()
	hash := f.repo.commit("a fix", map[string]string{"app.yaml": f.manifest(image)})
	f.op.inSync(hash)
	f.runs(f.name, 2)
	f.op.condition("RolloutFailed", false)
	f.status(f.name, swarm.UpdateStateCompleted)
	if writes := accepted(writesTo(f.proxy.Calls(), f.id)); len(writes) != 1 {
		f.Errorf("want the fix written once, got\n%s", lines(writes))
	}
	f.want(0, "diff", "--host", f.host(), "--source", f.repo.Dir)
}

func TestASpecThatCrashesIsAppliedOnceAndRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	for action, state := range everySecondOf(map[string]swarm.UpdateState{
		"pause": swarm.UpdateStatePaused, "continue": swarm.UpdateStateCompleted, "rollback": swarm.UpdateStateRollbackCompleted,
	}) {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			f := w.in(t).failing("crash-"+action, action)
			f.proxy.Reset()
			f.repo.commit("bad", map[string]string{"app.yaml": f.manifest("crash:1")})
			f.eventually(func() error {
				if n := len(accepted(writesTo(f.proxy.Calls(), f.id))); n != 1 {
					return fmt.Errorf("it was written %d times", n)
				}
				return nil
			})
			f.status(f.name, state)
			if writes := accepted(writesTo(f.proxy.Calls(), f.id)); len(writes) != 1 {
				t.Fatalf("want the bad spec written once, got\n%s", lines(writes))
			}
			f.remembered()
			if r := f.cli("apply", "--host", f.proxy.Host(), "--source", f.repo.Dir, "--wait"); r.code != 1 {
				t.Errorf("apply --wait of a want that failed: %s", r)
			}
			f.fixed("app:2")
		})
	}
}

// The engine keeps no status of a creation. That the tasks fail again and again is the only sign.
func TestACreatedServiceThatKeepsFailingIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("failing", nil)
	hash := r.commit("bad", map[string]string{"a.yaml": service("app", "image: crash:1", "replicas: 1", quickRestart)})
	p := w.proxy()
	o := w.operate(p.Host(), r)
	o.inSync(hash)
	c := o.condition("RolloutFailed", true)
	if !strings.Contains(c.Message, "Service/app") || !strings.Contains(c.Message, "non-zero exit (1)") {
		t.Errorf("the condition does not say what failed, with the task's own error: %+v", c)
	}
	if writes := accepted(serviceWrites(p.Calls())); len(writes) != 1 {
		t.Errorf("want one creation, got\n%s", lines(writes))
	}
	hash = r.commit("a fix", map[string]string{"a.yaml": service("app", "image: app:1", "replicas: 1", quickRestart)})
	o.inSync(hash)
	o.condition("RolloutFailed", false)
	w.runs("app", 1)
}

// A rollback by hand condemns the want that it undid, both after a failure and after a good update.
func TestARollbackByHandIsNotUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	for name, tc := range everySecondOf(map[string]struct {
		image string
		state swarm.UpdateState
	}{
		"of-a-good-update":   {"app:2", swarm.UpdateStateCompleted},
		"of-a-paused-update": {"crash:1", swarm.UpdateStatePaused},
	}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := w.in(t).failing(name, "pause")
			f.repo.commit("an update", map[string]string{"app.yaml": f.manifest(tc.image)})
			f.status(name, tc.state)
			f.proxy.Reset()
			f.rollback(name)
			f.status(name, swarm.UpdateStateRollbackCompleted)
			if image := f.service(name).Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, "app:1") {
				t.Errorf("after the rollback the image is %s", image)
			}
			f.remembered()
			if image := f.service(name).Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, "app:1") {
				t.Errorf("the rollback was undone: the image is %s", image)
			}
			f.fixed("app:3")
		})
	}
}

// The roll-out fails while no operator runs. The engine clears PreviousSpec when it rolls back by itself. Only the
// failed tasks then tell which want it was.
func TestAFailureThatNobodySawIsRecognised(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	for action, state := range everySecondOf(map[string]swarm.UpdateState{"pause": swarm.UpdateStatePaused, "rollback": swarm.UpdateStateRollbackCompleted}) {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			f := w.in(t).failing("unseen-"+action, action)
			f.op.finish()
			f.repo.commit("bad", map[string]string{"app.yaml": f.manifest("crash:1")})
			f.want(0, "apply", "--host", f.host(), "--source", f.repo.Dir)
			f.status(f.name, state)
			f.proxy.Reset()
			f.start()
			f.reported("")
			f.untouched(2 * time.Second)
			f.fixed("app:2")
		})
	}
	t.Run("and git has gone on", func(t *testing.T) {
		t.Parallel()
		f := w.in(t).failing("unseen-on", "rollback")
		f.op.finish()
		f.repo.commit("bad", map[string]string{"app.yaml": f.manifest("crash:1")})
		f.want(0, "apply", "--host", f.host(), "--source", f.repo.Dir)
		f.status(f.name, swarm.UpdateStateRollbackCompleted)
		f.proxy.Reset()
		hash := f.repo.commit("a fix", map[string]string{"app.yaml": f.manifest("app:2")})
		f.start()
		f.op.inSync(hash)
		f.runs(f.name, 2)
	})
}

// The failed want is not written again because somebody scaled the service by hand.
func TestAScaleByHandOfAFailedServiceIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	f := w.failing("failed-scaled", "pause")
	f.repo.commit("bad", map[string]string{"app.yaml": f.manifest("crash:1")})
	f.status(f.name, swarm.UpdateStatePaused)
	f.op.condition("RolloutFailed", true)
	f.scale(f.name, 3)
	f.untouched(3 * time.Second)
	if n := replicas(f.service(f.name)); n != 3 {
		t.Errorf("replicas are %d", n)
	}
	f.fixed("app:2")
	if n := replicas(f.service(f.name)); n != 2 {
		t.Errorf("after the fix replicas are %d", n)
	}
}

// The container's own error is what helps a person who reads the report.
func TestTheReportHasTheContainersOwnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 2})
	for _, tc := range []struct {
		image, action string
		state         swarm.UpdateState
		says          string
	}{
		{"exit-3:1", "pause", swarm.UpdateStatePaused, "task: non-zero exit (3)"},
		{"unhealthy:1", "rollback", swarm.UpdateStateRollbackCompleted, "task: non-zero exit (143): dockerexec: unhealthy container"},
	} {
		t.Run(tc.action, func(t *testing.T) {
			t.Parallel()
			f := w.in(t).failing("says-"+tc.action, tc.action)
			f.repo.commit("bad", map[string]string{"app.yaml": f.manifest(tc.image)})
			f.status(f.name, tc.state)
			f.reported(tc.says)
			r := f.cli("apply", "--host", f.host(), "--source", f.repo.Dir, "--wait")
			if r.code != 1 || !strings.Contains(r.out+r.errs, tc.says) {
				t.Errorf("apply --wait of a want that failed: %s", r)
			}
			f.fixed("app:2")
		})
	}
}
