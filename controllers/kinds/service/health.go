package service

import (
	"cmp"
	"context"
	"fmt"
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

// failuresToGiveUp is how many tasks of the spec in force must have failed before a service counts as failing: one may
// be bad luck, such as a node that went away.
const failuresToGiveUp = 3

// someServices is up to how many services their tasks are asked for by name; of more, all tasks are listed.
const someServices = 20

// health says whether services do what their specs ask.
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

// judge is pure: a service, its tasks and the time.
func judge(s *swarm.Service, tasks []swarm.Task, now time.Time) kinds.Health {
	c := count(s, tasks)
	h := kinds.Health{Running: c.running, Wanted: wantedTasks(s, c.wanted)}
	state := swarm.UpdateState("")
	if s.UpdateStatus != nil {
		state = s.UpdateStatus.State
	}
	switch state {
	case swarm.UpdateStatePaused, swarm.UpdateStateRollbackPaused:
		h.Failed, h.Why = true, fmt.Sprintf("%s: %s", state, s.UpdateStatus.Message)
		return c.explain(h)
	case swarm.UpdateStateUpdating, swarm.UpdateStateRollbackStarted:
		h.Why = fmt.Sprintf("%s, %d of %s running", state, c.running, tasksOf(h))
		return h
	case swarm.UpdateStateRollbackCompleted:
		h.RolledBack = true
	}
	if perNode(s) && h.Wanted == 0 && !settled(now.Sub(s.UpdatedAt), watch(s)) {
		h.Why = "no node has a task of it yet"
		return h
	}
	if isJob(s) {
		h.Running, h.Begun = c.complete, c.begun && c.complete < h.Wanted
		h.Ready = c.complete >= h.Wanted
		h.Why = fmt.Sprintf("%d of %s complete", c.complete, tasksOf(h))
	} else if c.running >= h.Wanted {
		watched := watch(s)
		// A finished update was watched by the swarm itself; so is a task with a health check, until it is healthy.
		h.Ready = h.Wanted == 0 || (c.failed == 0 && (state != "" || healthChecked(s))) || settled(now.Sub(c.youngest), watched)
		h.Why = fmt.Sprintf("%d of %s running, watched for %s", c.running, tasksOf(h), watched)
	} else {
		h.Why = fmt.Sprintf("%d of %s running", c.running, tasksOf(h))
	}
	if h.Ready {
		h.Why = ""
		return h
	}
	h.Failed = c.failed >= failuresToGiveUp || (c.failed > 0 && c.pending == 0) // or the restart policy has given up
	return c.explain(h)
}

// perNode says that the swarm decides how many tasks there are, and makes them a moment after the service.
func perNode(s *swarm.Service) bool { return s.Spec.Mode.Global != nil || s.Spec.Mode.GlobalJob != nil }

// watch is how long a task must run before it counts as working: what the update config says, else SwarmKit's default.
func watch(s *swarm.Service) time.Duration {
	if u := s.Spec.UpdateConfig; u != nil && u.Monitor > 0 {
		return u.Monitor
	}
	return 5 * time.Second
}

// settled compares a task's age, by the clock of the swarm's managers, with ours. Where the clocks are so far apart that
// the task begins in our future, its age says nothing, and waiting for it might never end.
func settled(age, watched time.Duration) bool { return age >= watched || age < -watched }

func healthChecked(s *swarm.Service) bool {
	c := s.Spec.TaskTemplate.ContainerSpec
	return c != nil && c.Healthcheck != nil && len(c.Healthcheck.Test) > 0 && c.Healthcheck.Test[0] != "NONE"
}

// counts are a service's tasks by what matters. Running and failed ones count where they are of the spec in force.
type counts struct {
	pending, running, complete, failed, wanted int
	youngest                                   time.Time // when the last of those that run began to
	begun                                      bool      // one runs, or did
	last                                       swarm.TaskStatus
}

func tasksOf(h kinds.Health) string { return v1.Count(h.Wanted, "task") }

func count(s *swarm.Service, tasks []swarm.Task) counts {
	var c counts
	sameVersion := inForce(s)
	for _, t := range tasks {
		if t.JobIteration != nil && s.JobStatus != nil && t.JobIteration.Index != s.JobStatus.JobIteration.Index {
			continue // an earlier run of the job
		}
		// What the swarm wants of a job's task is that it completes.
		if t.DesiredState == swarm.TaskStateRunning || t.DesiredState == swarm.TaskStateReady || t.DesiredState == swarm.TaskStateComplete {
			c.wanted++
			if !ended(t) {
				c.pending++
			}
		}
		c.begun = c.begun || t.Status.State == swarm.TaskStateRunning || t.Status.State == swarm.TaskStateComplete
		switch t.Status.State {
		case swarm.TaskStateRunning:
			if t.DesiredState == swarm.TaskStateRunning && sameVersion(t) {
				c.running++
				if t.UpdatedAt.After(c.youngest) {
					c.youngest = t.UpdatedAt
				}
			}
		case swarm.TaskStateComplete:
			c.complete++
		case swarm.TaskStateFailed, swarm.TaskStateRejected:
			if sameVersion(t) {
				c.failed++
			}
			if t.Status.Timestamp.After(c.last.Timestamp) {
				c.last = t.Status
			}
		}
	}
	return c
}

// explain adds what the last task that failed said.
func (c counts) explain(h kinds.Health) kinds.Health {
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

// wantedTasks: a replicated service says so itself, a global one by the tasks that the swarm made for its nodes.
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

// inForce tells tasks of the spec in force from those of an older one. It compares normal forms, because the engine gives
// a task's spec back in another form than the service's (no runtime, for one). Placement alone is left out: SwarmKit keeps
// tasks whose node still matches (orchestrator.IsTaskDirty).
func inForce(s *swarm.Service) func(swarm.Task) bool {
	leaves := taskLeaves(&s.Spec)
	return func(t swarm.Task) bool {
		if t.Spec.ForceUpdate != s.Spec.TaskTemplate.ForceUpdate {
			return false
		}
		spec := s.Spec
		spec.TaskTemplate = t.Spec
		return slices.Equal(leaves, taskLeaves(&spec))
	}
}

// byID leaves ids as they are: they are compared, not shown.
type byID struct{}

func (byID) NameOf(_, id string) string { return id }

func taskLeaves(spec *swarm.ServiceSpec) []diff.Leaf {
	return slices.DeleteFunc(shape.Flatten(read(spec, byID{})), func(l diff.Leaf) bool {
		return strings.HasPrefix(l.Type, "spec.placement.")
	})
}

// trace adds what the newest task that failed said and, where a rollback left no previous spec, whether it was the want's.
func trace(ctx context.Context, c *engine.Client, l *kinds.Live, ix *kinds.Index, want *diff.State, r plan.Rollout) plan.Rollout {
	tasks, err := c.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", l.ID)})
	if err != nil {
		return r // the careful answer stands: unknown
	}
	return traced(tasks.Items, l, ix, want, r)
}

// traced is pure. Tasks that failed before the roll-out began tell of an older one, and those of the spec in force of none.
func traced(tasks []swarm.Task, l *kinds.Live, ix *kinds.Index, want *diff.State, r plan.Rollout) plan.Rollout {
	failed := slices.DeleteFunc(slices.Clone(tasks), func(t swarm.Task) bool {
		return (t.Status.State != swarm.TaskStateFailed && t.Status.State != swarm.TaskStateRejected) || t.CreatedAt.Before(r.Began)
	})
	undone := slices.DeleteFunc(slices.Clone(failed), inForce(raw(l)))
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
