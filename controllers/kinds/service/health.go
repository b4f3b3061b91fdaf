package service

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

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
func health(ctx context.Context, c *engine.Client, lives []kinds.Live) (map[string]kinds.Health, error) {
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
		out[l.Name] = judge(raw(l), byService[l.ID])
	}
	return out, nil
}

// judge is pure: a service and its tasks.
func judge(s *swarm.Service, tasks []swarm.Task) kinds.Health {
	pending, running, complete, failed, wanted := 0, 0, 0, 0, 0
	var last swarm.TaskStatus
	for _, t := range tasks {
		if t.JobIteration != nil && s.JobStatus != nil && t.JobIteration.Index != s.JobStatus.JobIteration.Index {
			continue // an earlier run of the job
		}
		// What the swarm wants of a job's task is that it completes.
		if t.DesiredState == swarm.TaskStateRunning || t.DesiredState == swarm.TaskStateReady || t.DesiredState == swarm.TaskStateComplete {
			wanted++
			if !ended(t) {
				pending++
			}
		}
		switch t.Status.State {
		case swarm.TaskStateRunning:
			if t.DesiredState == swarm.TaskStateRunning {
				running++
			}
		case swarm.TaskStateComplete:
			complete++
		case swarm.TaskStateFailed, swarm.TaskStateRejected:
			if sameVersion(t, s) {
				failed++
			}
			if t.Status.Timestamp.After(last.Timestamp) {
				last = t.Status
			}
		}
	}
	h := kinds.Health{Running: running, Wanted: wantedTasks(s, wanted)}
	switch u := s.UpdateStatus; {
	case u != nil && (u.State == swarm.UpdateStatePaused || u.State == swarm.UpdateStateRollbackPaused || u.State == swarm.UpdateStateRollbackCompleted):
		h.Failed, h.Why = true, fmt.Sprintf("%s: %s", u.State, u.Message)
		if last.Err != "" {
			h.Why += "; the last task that failed: " + last.Err
		}
		return h
	case u != nil && (u.State == swarm.UpdateStateUpdating || u.State == swarm.UpdateStateRollbackStarted):
		h.Why = fmt.Sprintf("%s, %d of %d tasks running", u.State, running, h.Wanted)
		return h
	}
	if s.Spec.Mode.ReplicatedJob != nil || s.Spec.Mode.GlobalJob != nil {
		h.Running = complete
		h.Ready = complete >= h.Wanted
	} else {
		h.Ready = running >= h.Wanted
	}
	if h.Ready {
		return h
	}
	h.Why = fmt.Sprintf("%d of %d tasks running", h.Running, h.Wanted)
	if last.Err != "" {
		h.Why += "; the last one that failed: " + last.Err
	}
	h.Failed = failed >= failuresToGiveUp || (failed > 0 && pending == 0) // or the restart policy has given up
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

// sameVersion says whether a task is of the spec in force. Placement alone is left out: SwarmKit keeps tasks whose node
// still matches (orchestrator.IsTaskDirty).
func sameVersion(t swarm.Task, s *swarm.Service) bool {
	a, b := t.Spec, s.Spec.TaskTemplate
	a.Placement, b.Placement = nil, nil
	return reflect.DeepEqual(a, b)
}

// trace adds what the newest task that failed said and, where a rollback left no previous spec, whether it was the want's.
func trace(ctx context.Context, c *engine.Client, l kinds.Live, ix *kinds.Index, want *diff.State, r plan.Rollout) plan.Rollout {
	tasks, err := c.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", l.ID)})
	if err != nil {
		return r // the careful answer stands: unknown
	}
	return traced(tasks.Items, l, ix, want, r)
}

// traced is pure. Tasks that failed before the roll-out began tell of an older one, and those of the spec in force of none.
func traced(tasks []swarm.Task, l kinds.Live, ix *kinds.Index, want *diff.State, r plan.Rollout) plan.Rollout {
	failed := slices.DeleteFunc(slices.Clone(tasks), func(t swarm.Task) bool {
		return (t.Status.State != swarm.TaskStateFailed && t.Status.State != swarm.TaskStateRejected) || t.CreatedAt.Before(r.Began)
	})
	undone := slices.DeleteFunc(slices.Clone(failed), func(t swarm.Task) bool { return sameVersion(t, raw(l)) })
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
