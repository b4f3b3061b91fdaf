package service

import (
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

func TestHealth(t *testing.T) {
	replicated := func(n uint64) *swarm.Service {
		spec := plain()
		spec.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}}
		return &swarm.Service{Spec: *spec}
	}
	mode := func(m swarm.ServiceMode) *swarm.Service {
		s := replicated(1)
		s.Spec.Mode = m
		return s
	}
	fresh := func(m swarm.ServiceMode) *swarm.Service { // made a second ago, by the clock of judge
		s := mode(m)
		s.UpdatedAt = began.Add(time.Hour - time.Second)
		return s
	}
	status := func(s *swarm.Service, state swarm.UpdateState) *swarm.Service {
		s.UpdateStatus = &swarm.UpdateStatus{State: state, Message: "because"}
		return s
	}
	written := func(s *swarm.Service, ago time.Duration) *swarm.Service { // by the clock of judge
		s.UpdatedAt, s.Version = began.Add(time.Hour-ago), versionAt(began.Add(time.Hour-ago))
		return s
	}
	updated := func(s *swarm.Service, state swarm.UpdateState, ago time.Duration) *swarm.Service {
		at := began.Add(time.Hour - ago)
		s = written(status(s, state), time.Second) // the swarm wrote what became of it
		s.UpdateStatus.StartedAt = &at
		return s
	}
	job := func(iteration uint64, completions *uint64) *swarm.Service {
		s := mode(swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{TotalCompletions: completions}})
		s.JobStatus = &swarm.JobStatus{JobIteration: swarm.Version{Index: iteration}}
		return s
	}
	task := func(desired, state swarm.TaskState) swarm.Task {
		return swarm.Task{DesiredState: desired, Spec: plain().TaskTemplate, Status: swarm.TaskStatus{State: state}}
	}
	run, failed := task("running", "running"), task("shutdown", "failed")
	run.UpdatedAt = began
	young := run // it began to run a second ago, by the clock of judge
	young.UpdatedAt = began.Add(time.Hour - time.Second)
	ahead := run // on a swarm whose clock is far ahead of ours
	ahead.UpdatedAt = began.Add(3 * time.Hour)
	checked := replicated(1)
	checked.Spec.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "true"}}
	healthy := young
	healthy.Spec = checked.Spec.TaskTemplate
	stale := run
	stale.Spec.ForceUpdate = 1
	failed.Status.Err, failed.Status.Timestamp = "exit 1", began
	late := failed // ten seconds ago
	late.UpdatedAt, late.Version = began.Add(time.Hour-10*time.Second), versionAt(began.Add(time.Hour-10*time.Second))
	old, next := failed, task("running", "starting")
	old.Spec.ForceUpdate = 1
	of := func(iteration uint64, t swarm.Task) swarm.Task {
		t.JobIteration = &swarm.Version{Index: iteration}
		return t
	}
	on := func(node string, t swarm.Task) swarm.Task {
		t.NodeID = node
		return t
	}
	global := job(0, nil)
	global.Spec.Mode = swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}
	ranAgain := job(1, nil)
	ranAgain.Spec.Mode = global.Spec.Mode
	unnamed := job(0, nil)
	unnamed.JobStatus = nil
	tests := []struct {
		name    string
		service *swarm.Service
		tasks   []swarm.Task
		want    kinds.Health
	}{
		{"all run", replicated(2), []swarm.Task{run, run}, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		{"a task that has just begun is watched", replicated(1), []swarm.Task{young}, kinds.Health{Running: 1, Wanted: 1, Why: "1 of 1 task running, watched for 5s"}},
		{"but not one whose health is checked", checked, []swarm.Task{healthy}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		{"and none that the swarm has watched", status(replicated(1), "completed"), []swarm.Task{young}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		{"failures before it: watched all the same", status(replicated(1), "completed"), []swarm.Task{failed, failed, failed, young}, kinds.Health{Failed: true, Running: 1, Wanted: 1, Why: "1 of 1 task running, watched for 5s; the last one that failed: exit 1"}},
		{"a clock that is far ahead says nothing", replicated(1), []swarm.Task{ahead}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		{"tasks of an older spec do not count", replicated(1), []swarm.Task{stale}, kinds.Health{Wanted: 1, Old: 1, Why: "0 of 1 task running, 1 of the old spec"}},
		{"none wanted", replicated(0), nil, kinds.Health{Ready: true}},
		{"some run", replicated(2), []swarm.Task{run, task("running", "preparing")}, kinds.Health{Running: 1, Wanted: 2, Why: "1 of 2 tasks running"}},
		{"one that is shut down does not count", replicated(1), []swarm.Task{task("shutdown", "running")}, kinds.Health{Wanted: 1, Why: "0 of 1 task running"}},
		{"two failures may be bad luck", replicated(1), []swarm.Task{failed, failed, next}, kinds.Health{Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		{"the restart policy has given up", replicated(1), []swarm.Task{failed}, kinds.Health{Failed: true, Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		{"three failures are not", replicated(1), []swarm.Task{failed, failed, failed, next}, kinds.Health{Failed: true, Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		{"failures of an older spec say nothing", replicated(1), []swarm.Task{old, old, old, next}, kinds.Health{Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		{"failures behind it", replicated(1), []swarm.Task{failed, failed, failed, run}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		{"more tasks, and failures from before", written(replicated(3), time.Minute), []swarm.Task{failed, failed, failed, run, run, next}, kinds.Health{Running: 2, Wanted: 3, Why: "2 of 3 tasks running; the last one that failed: exit 1"}},
		{"more tasks, which fail", written(replicated(3), time.Minute), []swarm.Task{late, late, late, run, run, next}, kinds.Health{Failed: true, Running: 2, Wanted: 3, Why: "2 of 3 tasks running; the last one that failed: exit 1"}},
		{"more tasks, and one failed just before", written(replicated(3), 9*time.Second), []swarm.Task{late, late, late, run, run, next}, kinds.Health{Running: 2, Wanted: 3, Why: "2 of 3 tasks running; the last one that failed: exit 1"}},
		{"failures before the update", updated(replicated(1), "completed", 9*time.Second), []swarm.Task{late, late, late, next}, kinds.Health{Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		{"failures since the update began", updated(replicated(1), "completed", 11*time.Second), []swarm.Task{late, late, late, next}, kinds.Health{Failed: true, Wanted: 1, Why: "0 of 1 task running; the last one that failed: exit 1"}},
		{"and those before it make nobody wait", updated(replicated(1), "completed", 9*time.Second), []swarm.Task{late, young}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		{"updating", status(replicated(1), "updating"), []swarm.Task{run}, kinds.Health{Running: 1, Wanted: 1, Why: "updating, 1 of 1 task running"}},
		{"paused", status(replicated(1), "paused"), []swarm.Task{run}, kinds.Health{Failed: true, Running: 1, Wanted: 1, Why: "paused: because"}},
		{"rolled back", status(replicated(1), "rollback_completed"), []swarm.Task{run, failed}, kinds.Health{Ready: true, RolledBack: true, Running: 1, Wanted: 1}},
		{"update completed", status(replicated(1), "completed"), []swarm.Task{run}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		{"global runs where the swarm put it", mode(swarm.ServiceMode{Global: &swarm.GlobalService{}}), []swarm.Task{run, on("b", task("running", "starting"))}, kinds.Health{Running: 1, Wanted: 2, Why: "1 of 2 tasks running"}},
		{"global, the old task and the new one of a node", mode(swarm.ServiceMode{Global: &swarm.GlobalService{}}), []swarm.Task{on("b", stale), on("b", task("running", "starting"))}, kinds.Health{Wanted: 1, Old: 1, Why: "0 of 1 task running, 1 of the old spec"}},
		{"global on no node, after a while", mode(swarm.ServiceMode{Global: &swarm.GlobalService{}}), nil, kinds.Health{Ready: true}},
		{"global, and the swarm has not put it anywhere yet", fresh(swarm.ServiceMode{Global: &swarm.GlobalService{}}), nil, kinds.Health{Why: "no node has a task of it yet"}},
		{"global job, and the swarm has not put it anywhere yet", fresh(swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}), nil, kinds.Health{Why: "no node has a task of it yet"}},
		{"job complete", job(0, ptr(uint64(2))), []swarm.Task{of(0, task("complete", "complete")), of(0, task("complete", "complete"))}, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		{"job of another run", job(1, ptr(uint64(1))), []swarm.Task{of(0, task("complete", "complete"))}, kinds.Health{Wanted: 1, Why: "0 of 1 task complete"}},
		{"job of a later run", job(0, ptr(uint64(1))), []swarm.Task{of(1, task("complete", "complete"))}, kinds.Health{Wanted: 1, Why: "0 of 1 task complete"}},
		{"job, and its tasks name no run", job(1, ptr(uint64(1))), []swarm.Task{task("complete", "complete")}, kinds.Health{Wanted: 1, Why: "0 of 1 task complete"}},
		{"job that names no run is in the first", unnamed, []swarm.Task{of(0, task("complete", "complete"))}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
		{"job that names no run, and its tasks are of another", unnamed, []swarm.Task{of(3, task("complete", "complete")), task("complete", "complete")}, kinds.Health{Wanted: 1, Why: "0 of 1 task complete"}},
		{"job whose earlier run still goes on", job(1, nil), []swarm.Task{of(0, task("remove", "running")), of(0, task("complete", "running"))}, kinds.Health{Wanted: 1, Why: "0 of 1 task complete"}},
		{"job that has failed before", job(1, nil), []swarm.Task{of(0, failed), of(0, failed), of(0, failed), of(1, task("complete", "running"))}, kinds.Health{Begun: true, Wanted: 1, Why: "0 of 1 task complete"}},
		{"global job of another run", ranAgain, []swarm.Task{on("a", of(0, task("complete", "complete"))), on("b", of(1, task("complete", "preparing")))}, kinds.Health{Wanted: 1, Why: "0 of 1 task complete"}},
		{"global job on the nodes where it is", global, []swarm.Task{of(0, task("complete", "complete")), on("b", of(0, task("complete", "running")))}, kinds.Health{Begun: true, Running: 1, Wanted: 2, Why: "1 of 2 tasks complete"}},
		{"global job complete", global, []swarm.Task{of(0, task("complete", "complete")), on("b", of(0, task("complete", "complete")))}, kinds.Health{Ready: true, Running: 2, Wanted: 2}},
		{"job of one", job(0, nil), []swarm.Task{of(0, task("complete", "complete"))}, kinds.Health{Ready: true, Running: 1, Wanted: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := judge(test.service, test.tasks, began.Add(time.Hour))
			if got.Pause = 0; got != test.want { // the next test is about pauses
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// A roll-out that is slow because of its spec has not stalled.
func TestPauseIsTheTimeThatASpecAllowsForATask(t *testing.T) {
	grace := 30 * time.Second
	for name, test := range map[string]struct {
		change func(*swarm.ServiceSpec)
		want   time.Duration
	}{
		"nothing is stated": {func(*swarm.ServiceSpec) {}, 0},
		"an update": {func(s *swarm.ServiceSpec) {
			s.UpdateConfig = &swarm.UpdateConfig{Delay: time.Hour, Monitor: time.Minute}
		}, time.Hour + time.Minute},
		"a slower rollback, with the default monitor": {func(s *swarm.ServiceSpec) {
			s.UpdateConfig, s.RollbackConfig = &swarm.UpdateConfig{Delay: time.Minute}, &swarm.UpdateConfig{Delay: time.Hour}
		}, time.Hour + 5*time.Second},
		"a slow end": {func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.StopGracePeriod = &grace }, grace},
		"a health check": {func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "true"}, StartPeriod: time.Hour, Interval: time.Minute, Timeout: time.Second, Retries: 3}
		}, time.Hour + 3*(time.Minute+time.Second)},
		"the image's own check": {func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{StartPeriod: time.Hour}
		}, time.Hour},
		"no health check": {func(s *swarm.ServiceSpec) {
			s.TaskTemplate.ContainerSpec.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}, StartPeriod: time.Hour}
		}, 0},
		"a plugin, no container": {func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec = nil }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			spec := plain()
			spec.UpdateConfig, spec.RollbackConfig = nil, nil
			if c := spec.TaskTemplate.ContainerSpec; c != nil {
				c.StopGracePeriod, c.Healthcheck = nil, nil
			}
			test.change(spec)
			if got := pause(&swarm.Service{Spec: *spec}); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
