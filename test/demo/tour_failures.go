package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

func (t *show) failing() error {
	if err := t.repository.edit("web.yaml", "image: nginx:1.28", "image: crash:1"); err != nil {
		return err
	}
	if err := t.commit("Use crash:1", "an image that exits at once; web has failureAction: rollback"); err != nil {
		return err
	}
	v, err := t.until(t.ctx, "web", "rolled back", soon, func(v service) bool {
		return v.update() == swarm.UpdateStateRollbackCompleted && v.ServiceStatus.RunningTasks == v.ServiceStatus.DesiredTasks
	})
	if err != nil {
		return err
	}
	if text, err := t.taskError(t.ctx, "web", "crash:1"); err == nil {
		t.saw("%s", text)
	}
	t.saw("service %s", v)
	held := func(d drift) bool { return d.Open && d.Done == "held" && strings.Contains(d.Why, "gave up") }
	remembered := func(r report) bool {
		_, ok := r.find("Service/web", held)
		return ok && r.is("RolloutFailed") && r.Applied == t.revision
	}
	r, err := t.reported("the failure", remembered)
	if err != nil {
		return err
	}
	d, _ := r.find("Service/web", held)
	t.saw("/api/v1/drift: %s", d)

	// A restarted operator looks at everything. The swarm remembered what it knows of the failure.
	if err := t.operator.stop(); err != nil {
		return err
	}
	if err := t.operate(t.ctx, 2*time.Second); err != nil {
		return err
	}
	t.did("restart the operator")
	if _, err := t.reported("the failure, after a restart", remembered); err != nil {
		return err
	}
	now, err := t.services(t.ctx)
	if err != nil {
		return err
	}
	if got := now["web"]; got.Version.Index != v.Version.Index {
		return fmt.Errorf("the failed spec was applied again: service %s, and it was %s", got, v)
	}
	t.saw("still held, and not written again: web is at version %d", v.Version.Index)
	if err := t.roll("crash:1", "nginx:1.29"); err != nil {
		return err
	}
	_, err = t.reported("that the failure is over", func(r report) bool { return !r.is("RolloutFailed") && !r.is("Held") })
	return err
}

func (t *show) badCommit() error {
	before, err := t.services(t.ctx)
	if err != nil {
		return err
	}
	good := t.revision
	// The third edit is a good one, but a revision with a problem is refused whole.
	if err := t.repository.edit("web.yaml", "replicas: 2", "replica: 3", "source: nginx-conf", "source: nginx-cnf", "nginx:1.29", "nginx:1.30"); err != nil {
		return err
	}
	if err := t.commit("Scale web up", "a misspelt field, a reference to nothing, and a new image"); err != nil {
		return err
	}
	r, err := t.reported("the problems", func(r report) bool { return r.Revision == t.revision && len(r.Problems) > 0 })
	if err != nil {
		return err
	}
	for _, p := range r.Problems {
		t.saw("%s:%d: %s: %s: %s", p.File, p.Line, p.Object, p.Path, p.Message)
	}
	for _, path := range []string{"spec.replica", "spec.configs"} {
		if !strings.Contains(fmt.Sprint(r.Problems), path) {
			return fmt.Errorf("%s is wrong in the commit, and no problem names it: %v", path, r.Problems)
		}
	}
	if r.Applied != good {
		return fmt.Errorf("revision %s is in force, and the last good one is %s", r.Applied, good)
	}
	after, err := t.services(t.ctx)
	if err != nil {
		return err
	}
	if moved := others(before, after, ""); len(moved) > 0 {
		return fmt.Errorf("a refused commit wrote services: %s", strings.Join(moved, ", "))
	}
	t.saw("revision %.10s stays in force, and no service was written", r.Applied)
	return nil
}

func (t *show) removed() error {
	before, err := t.services(t.ctx)
	if err != nil {
		return err
	}
	if err := t.repository.edit("web.yaml", "replica: 3", "replicas: 2", "source: nginx-cnf", "source: nginx-conf", "nginx:1.30", "nginx:1.29"); err != nil {
		return err
	}
	if err := t.repository.remove("metrics.yaml"); err != nil {
		return err
	}
	if err := t.commit("Correct web, drop node-metrics", "the mistakes are undone, metrics.yaml is removed"); err != nil {
		return err
	}
	begin := time.Now()
	removal := func(d drift) bool { return d.Operation == "remove" && d.Done == "removed" }
	r, err := t.reported("the removal", func(r report) bool { _, ok := r.find("Service/node-metrics", removal); return ok })
	if err != nil {
		return err
	}
	d, _ := r.find("Service/node-metrics", removal)
	t.saw("/api/v1/drift, after %s: %s", took(begin), d)
	after, err := t.services(t.ctx)
	if err != nil {
		return err
	}
	if _, there := after["node-metrics"]; there {
		return fmt.Errorf("service node-metrics is still there")
	}
	if moved := others(before, after, "node-metrics"); len(moved) > 0 {
		return fmt.Errorf("removing one manifest wrote other services: %s", strings.Join(moved, ", "))
	}
	for _, v := range inOrder(after) {
		t.saw("service %s", v)
	}
	if _, err := t.settled(); err != nil {
		return err
	}
	return t.inSync()
}
