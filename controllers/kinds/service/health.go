package service

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// failuresToGiveUp is how many tasks of the spec in force must have failed before a service counts as failing. One
// failure may be bad luck, such as a node that went away.
const failuresToGiveUp = 3

// someServices is the largest number of services whose tasks are asked for by service. For more services, all tasks
// are listed.
const someServices = 20

// health says whether services do what their specs ask. It fails if the tasks cannot be listed.
func health(ctx context.Context, c *engine.Client, lives []*kinds.Live, now time.Time) (map[string]kinds.Health, error) {
	filters := client.Filters{}
	if len(lives) <= someServices {
		for _, l := range lives {
			filters = filters.Add("service", l.ID)
		}
	}
	tasks, err := c.TaskList(ctx, client.TaskListOptions{Filters: filters})
	if err != nil {
		return nil, fmt.Errorf("listing tasks: %w", err)
	}
	byService := map[string][]swarm.Task{}
	for _, t := range tasks.Items {
		byService[t.ServiceID] = append(byService[t.ServiceID], t)
	}
	out := make(map[string]kinds.Health, len(lives))
	for _, l := range lives {
		out[l.Name] = judge(raw(l), byService[l.ID], now)
	}
	return out, nil
}

// judge says how healthy a service is. It is pure: it depends only on the service, its tasks and the time.
func judge(s *swarm.Service, tasks []swarm.Task, now time.Time) kinds.Health {
	c := count(s, tasks, now)
	h := kinds.Health{Running: c.running, Wanted: wantedTasks(s, len(c.wanted)), Old: c.old, Pause: pause(s)}
	switch {
	case isJob(s):
		h.Running = c.complete
	case oneShot(s):
		h.Running += c.complete
	}
	state := swarm.UpdateState("")
	if s.UpdateStatus != nil {
		state = s.UpdateStatus.State
	}
	switch state {
	case swarm.UpdateStatePaused, swarm.UpdateStateRollbackPaused:
		if state == swarm.UpdateStatePaused && c.finished(s, h) {
			h.Ready = true // SwarmKit pauses for a task that ends, even if it ends well
			return h
		}
		h.Failed, h.Why = true, fmt.Sprintf("%s: %s", state, s.UpdateStatus.Message)
		if oneShot(s) && c.failed == 0 {
			h.Why += "; SwarmKit counts a task that ends within updateConfig.monitor as failed, also one that ends well, unless updateConfig.failureAction is continue"
		}
		return c.explain(h)
	case swarm.UpdateStateUpdating, swarm.UpdateStateRollbackStarted:
		h.Why = fmt.Sprintf("%s, %s", state, c.progress(s, h))
		h.Waits = c.waits()
		return c.explain(h)
	case swarm.UpdateStateRollbackCompleted:
		h.RolledBack = true
	}
	if perNode(s) && h.Wanted == 0 && !settled(now.Sub(s.UpdatedAt), watch(s)) {
		h.Why = "no node has a task of it yet"
		return h
	}
	h.Why = c.progress(s, h)
	switch watched := watch(s); {
	case isJob(s), c.finished(s, h):
		h.Ready = h.Running >= h.Wanted
		h.Begun = isJob(s) && c.begun && !h.Ready
	case h.Running >= h.Wanted:
		// A finished update was watched by the swarm itself. So is a task with a health check, until it is healthy.
		h.Ready = h.Wanted == 0 || (c.failed == 0 && (state != "" || healthChecked(s))) || settled(now.Sub(c.youngest), watched)
		h.Why = fmt.Sprintf("%s, watched for %s", h.Why, watched)
	}
	if h.Ready {
		h.Why = ""
		return h
	}
	// If no task is under way, or a task has no successor, the restart policy has given up.
	if h.Failed = c.failed >= failuresToGiveUp || c.gaveUp > 0 || c.failed > 0 && c.pending == 0; h.Failed && c.failed == 0 {
		h.Why += "; its tasks end with exit code 0, and restartPolicy.maxAttempts starts no more of them"
	}
	h.Waits = !h.Failed && c.waits()
	return c.explain(h)
}

// oneShot reports whether a task that ends well is not started again, because it has done what it is for. Jobs do not
// count.
func oneShot(s *swarm.Service) bool {
	p := s.Spec.TaskTemplate.RestartPolicy
	return !isJob(s) && p != nil && (p.Condition == swarm.RestartPolicyConditionNone || p.Condition == swarm.RestartPolicyConditionOnFailure)
}

// perNode reports whether the swarm decides how many tasks there are. It makes them a moment after the service.
func perNode(s *swarm.Service) bool { return s.Spec.Mode.Global != nil || s.Spec.Mode.GlobalJob != nil }

// watch returns how long a task must run before it counts as working. The update config says that; otherwise it is
// SwarmKit's default.
func watch(s *swarm.Service) time.Duration { return monitor(s.Spec.UpdateConfig) }

func monitor(u *swarm.UpdateConfig) time.Duration {
	if u != nil && u.Monitor > 0 {
		return u.Monitor
	}
	return 5 * time.Second
}

// pause returns how long the swarm may take for one task of a roll-out. The old task must have stopped and the new
// one be healthy. Then comes the time that the update config, or the config of a rollback, allows for watching and
// waiting.
func pause(s *swarm.Service) time.Duration {
	waits := func(u *swarm.UpdateConfig) time.Duration {
		if u == nil {
			return 0
		}
		return u.Delay + monitor(u)
	}
	out := max(waits(s.Spec.UpdateConfig), waits(s.Spec.RollbackConfig))
	c := s.Spec.TaskTemplate.ContainerSpec
	if c == nil {
		return out
	}
	if c.StopGracePeriod != nil {
		out += *c.StopGracePeriod
	}
	if c.Healthcheck != nil && (len(c.Healthcheck.Test) == 0 || c.Healthcheck.Test[0] != "NONE") { // the image's own check counts as well
		out += c.Healthcheck.StartPeriod + time.Duration(max(1, c.Healthcheck.Retries))*(c.Healthcheck.Interval+c.Healthcheck.Timeout)
	}
	return out
}

// settled reports whether a task has the age, by the clock of the swarm's managers, that we wait for. If that clock
// is far ahead of ours, the task begins in our future. Its age then says nothing, and waiting for it might never end.
func settled(age, watched time.Duration) bool { return age >= watched || age < -watched }

func healthChecked(s *swarm.Service) bool {
	c := s.Spec.TaskTemplate.ContainerSpec
	return c != nil && c.Healthcheck != nil && len(c.Healthcheck.Test) > 0 && c.Healthcheck.Test[0] != "NONE"
}

// counts are numbers of a service's tasks. Running, complete and failed tasks count if they are of the spec in force,
// and failed ones also only if they failed since somebody last asked for something.
type counts struct {
	pending, running, complete, failed int
	begun                              bool           // a task runs, or has run
	wanted                             map[place]bool // where tasks should be, as far as the swarm has made them
	// gaveUp is how many tasks ended that the restart policy does not start again.
	gaveUp int
	// old is how many tasks run that are of an earlier spec than the one in force.
	old int
	// starting is how many tasks should run and do not yet. placeless is for how many of these there is no place.
	starting, placeless int
	// waiting says why the newest task that does not start waits.
	waiting  swarm.TaskStatus
	youngest time.Time // when the last of the running tasks began to run
	last     swarm.TaskStatus
}

func tasksOf(h kinds.Health) string { return v1.Count(h.Wanted, "task") }

// add counts a task. of reports whether it is of the spec in force, and newest whether it is the newest in its place.
func (c *counts) add(s *swarm.Service, t swarm.Task, of, newest bool, now time.Time) {
	// What the swarm wants of a job's task is that it completes.
	if wanted(t) {
		c.wanted[placeOf(s, t)] = true
		// Nothing is decided between the end of a task and what the swarm does about it.
		if !ended(t) || t.DesiredState != swarm.TaskStateComplete {
			c.pending++
		}
	} else if of && ended(t) && newest {
		c.over(s, t)
	}
	c.begun = c.begun || t.Status.State == swarm.TaskStateRunning || t.Status.State == swarm.TaskStateComplete
	switch t.Status.State {
	case swarm.TaskStateRunning:
		c.runs(t, of)
	case swarm.TaskStateComplete:
		if isJob(s) || oneShot(s) && of && newest {
			c.complete++
		}
	case swarm.TaskStateFailed, swarm.TaskStateRejected:
		if of && changedSince(s, t) {
			c.failed++
		}
		if t.Status.Timestamp.After(c.last.Timestamp) {
			c.last = t.Status
		}
	default:
		if of && wanted(t) && !ended(t) {
			c.starts(t, now)
		}
	}
}

// changedSince reports whether a task changed since somebody last asked for something: since the last update began or, if
// the last write replaced no task, since that write. A task that failed before says nothing about what was asked for. A
// service that has run for months may still have such tasks.
//
// Versions tell which change came first, because each is an index of the swarm's log. Times may not: the manager that led
// took each from its own clock, and the clock of the next leader may be behind. A time decides only if the service was
// written after the task. The swarm also writes how an update ends, and it keeps no version of when the update began.
func changedSince(s *swarm.Service, t swarm.Task) bool {
	if t.Version.Index >= s.Version.Index {
		return true
	}
	u := s.UpdateStatus
	return u != nil && u.StartedAt != nil && !t.UpdatedAt.Before(*u.StartedAt)
}

func wanted(t swarm.Task) bool {
	return t.DesiredState == swarm.TaskStateRunning || t.DesiredState == swarm.TaskStateReady || t.DesiredState == swarm.TaskStateComplete
}

// over counts a task that ended and that no other task follows. The tasks that the swarm wants show how many a global
// service should have. If the restart policy ends that, these tasks count as well.
func (c *counts) over(s *swarm.Service, t swarm.Task) {
	p := s.Spec.TaskTemplate.RestartPolicy
	if isJob(s) || !oneShot(s) && (p == nil || p.MaxAttempts == nil || *p.MaxAttempts == 0) {
		return // the policy never gives up, so something else ended the task
	}
	switch t.Status.State {
	case swarm.TaskStateComplete:
		if !oneShot(s) {
			c.gaveUp++
		}
	case swarm.TaskStateFailed, swarm.TaskStateRejected:
		c.gaveUp++
	default:
		return
	}
	c.wanted[placeOf(s, t)] = true
}

func (c *counts) runs(t swarm.Task, current bool) {
	switch {
	case t.DesiredState != swarm.TaskStateRunning:
	case !current:
		c.old++
	default:
		c.running++
		if t.UpdatedAt.After(c.youngest) {
			c.youngest = t.UpdatedAt
		}
	}
}

// allocates is how long the swarm may take to give a task its networks before people are told.
const allocates = 3 * time.Second

// starts counts a task that should run and does not yet. If the scheduler found no place for it, the task says so.
func (c *counts) starts(t swarm.Task, now time.Time) {
	c.starting++
	status := t.Status
	switch {
	case status.State == swarm.TaskStatePending && status.Err != "":
		c.placeless++
	case status.State == swarm.TaskStateNew && settled(now.Sub(t.CreatedAt), allocates):
		status.Err = "the swarm has not allocated its networks and ports yet"
	default:
		return
	}
	if c.waiting.Err == "" || status.Timestamp.After(c.waiting.Timestamp) {
		c.waiting = status
	}
}

// waits reports whether nothing is under way except tasks that wait for a place. The swarm starts them as soon as
// there is one.
func (c counts) waits() bool { return c.placeless > 0 && c.placeless == c.starting }

// finished reports whether each task of a one-shot service has ended well.
func (c counts) finished(s *swarm.Service, h kinds.Health) bool {
	return oneShot(s) && c.complete > 0 && c.complete >= h.Wanted
}

// progress says how many tasks there are, of those that should be.
func (c counts) progress(s *swarm.Service, h kinds.Health) string {
	text := fmt.Sprintf("%d of %s running", c.running, tasksOf(h))
	switch {
	case isJob(s):
		text = fmt.Sprintf("%d of %s complete", c.complete, tasksOf(h))
	case c.complete > 0:
		text = fmt.Sprintf("%d of %s running, %d complete", c.running, tasksOf(h), c.complete)
	}
	if c.old > 0 {
		text += fmt.Sprintf(", %d of the old spec", c.old)
	}
	return text
}

// explain adds why tasks wait, and the error of the last task that failed.
func (c counts) explain(h kinds.Health) kinds.Health {
	if c.waiting.Err != "" {
		h.Why += "; a task waits: " + c.waiting.Err
	}
	if c.last.Err != "" {
		h.Why += "; the last one that failed: " + c.last.Err
	}
	return h
}

func ended(t swarm.Task) bool {
	switch t.Status.State {
	case swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateShutdown, swarm.TaskStateOrphaned, swarm.TaskStateRemove:
		return true
	}
	return false
}

// wantedTasks returns how many tasks a service should have. A replicated service says so itself. For a global
// service, it is the number of tasks that the swarm made for its nodes.
func wantedTasks(s *swarm.Service, made int) int {
	switch m := s.Spec.Mode; {
	case m.Replicated != nil && m.Replicated.Replicas != nil:
		return int(*m.Replicated.Replicas)
	case m.ReplicatedJob != nil:
		if n := cmp.Or(m.ReplicatedJob.TotalCompletions, m.ReplicatedJob.MaxConcurrent); n != nil {
			return int(*n)
		}
		return 1
	}
	return made
}

// inForce returns a function that reports whether a task is of the spec in force. It compares normal forms, because
// the engine gives a task's spec back in another form than the service's (no runtime, for one). It leaves out
// placement, because SwarmKit keeps tasks whose node still matches (orchestrator.IsTaskDirty).
func inForce(s *swarm.Service, now time.Time) func(swarm.Task) bool {
	leaves := taskLeaves(&s.Spec)
	unseen := replacesNow(s, now)
	return func(t swarm.Task) bool {
		if t.Spec.ForceUpdate != s.Spec.TaskTemplate.ForceUpdate || unseen && !changedSince(s, t) {
			return false
		}
		spec := s.Spec
		spec.TaskTemplate = t.Spec
		return slices.Equal(leaves, taskLeaves(&spec))
	}
}

// begins is how long the swarm needs, at most, to say after a write that it replaces tasks. It says so as soon as it
// has allocated ports and networks. That takes a tenth of a second or, on a busy manager, several seconds.
const begins = 20 * time.Second

// replacesNow reports whether the swarm replaces tasks because of the last write although their specs do not show that.
// SwarmKit also replaces tasks if their service got other ports, or another form of the same spec (empty instead of
// absent). The API shows neither for a task. A task that changed after the write, to begin or to end, is a new one.
//
// If the swarm says nothing for a while, there was nothing to replace: another write took the first one back in time.
func replacesNow(s *swarm.Service, now time.Time) bool {
	if s.PreviousSpec == nil || !replacesUnseen(s.PreviousSpec, &s.Spec) {
		return false
	}
	u := s.UpdateStatus
	if u == nil {
		return !settled(now.Sub(s.UpdatedAt), begins)
	}
	return u.StartedAt != nil && (u.State == swarm.UpdateStateUpdating || u.State == swarm.UpdateStatePaused)
}

// replacesUnseen reports whether SwarmKit replaces tasks because of a difference between two specs that the tasks'
// own specs do not show.
func replacesUnseen(before, after *swarm.ServiceSpec) bool {
	if !reflect.DeepEqual(before.EndpointSpec, after.EndpointSpec) {
		return true
	}
	x, y := before.TaskTemplate, after.TaskTemplate
	x.Placement, y.Placement = nil, nil
	return !reflect.DeepEqual(x, y) && x.ForceUpdate == y.ForceUpdate && slices.Equal(taskLeaves(before), taskLeaves(after))
}

// byID leaves ids as they are, because they are compared and not shown.
type byID struct{}

func (byID) NameOf(_, id string) string { return id }

func taskLeaves(spec *swarm.ServiceSpec) []diff.Leaf {
	return slices.DeleteFunc(shape.Flatten(read(spec, byID{})), func(l diff.Leaf) bool {
		return strings.HasPrefix(l.Type, "spec.placement.")
	})
}

// trace adds the error of the newest task that failed. If a rollback left no previous spec, it also adds whether that
// spec was the want's.
func trace(ctx context.Context, c *engine.Client, l *kinds.Live, ix *kinds.Index, want *diff.State, r plan.Rollout) plan.Rollout {
	tasks, err := c.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", l.ID)})
	if err != nil {
		return r // the careful answer stands: unknown
	}
	return traced(tasks.Items, l, ix, want, r)
}

// traced is trace without the call; it is pure. Tasks that failed before the roll-out began belong to an older one.
// Tasks of the spec in force count only if no others failed.
func traced(tasks []swarm.Task, l *kinds.Live, ix *kinds.Index, want *diff.State, r plan.Rollout) plan.Rollout {
	failed := slices.DeleteFunc(slices.Clone(tasks), func(t swarm.Task) bool {
		return (t.Status.State != swarm.TaskStateFailed && t.Status.State != swarm.TaskStateRejected) || t.CreatedAt.Before(r.Began)
	})
	undone := slices.DeleteFunc(slices.Clone(failed), inForce(raw(l), time.Time{}))
	if len(undone) > 0 {
		failed = undone
	}
	if len(failed) > 0 {
		r.TaskError = slices.MaxFunc(failed, func(a, b swarm.Task) int { return a.CreatedAt.Compare(b.CreatedAt) }).Status.Err
	}
	if r.Left != plan.Unknown {
		return r
	}
	for _, t := range undone {
		if r.Left = leftOf(l, &t.Spec, ix, want); r.Left == plan.Matches {
			break
		}
	}
	return r
}
