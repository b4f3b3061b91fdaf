package node

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Rolling is how the tasks of a service are replaced.
type Rolling struct {
	// Replicas is how many tasks the service should have. AtOnce is how many of them a roll-out may have stopped at the
	// same time.
	Replicas, AtOnce int
	// UnderWay is true if the engine says that tasks of the service are being replaced.
	UnderWay bool
	// Further is when the roll-out that is under way last came further, by the clock of the managers: it began, or a task
	// of it was made or runs since then. It is zero if that is not known.
	Further time.Time
	// Pause is how long the service lets the engine take for one task before it goes on with the next: until the old task
	// has stopped and the new one is healthy, and for what the update config, or that of a rollback, allows on top.
	Pause time.Duration
}

// rollingOf returns how the tasks of a live service are replaced. l is nil if it is gone. tasks are all tasks that are
// known of it, also those that have ended.
func rollingOf(svc *v1.Service, l *kinds.Live, tasks []*kinds.Task) Rolling {
	r := Rolling{Replicas: 1}
	if svc.Spec.Replicas != nil {
		r.Replicas = int(*svc.Spec.Replicas)
	}
	for _, u := range []*v1.UpdateConfig{svc.Spec.UpdateConfig, svc.Spec.RollbackConfig} {
		if u != nil {
			r.Pause = max(r.Pause, time.Duration(u.Delay+u.Monitor))
		}
		switch { // an absent config, and an absent number, stand for one at once
		case u != nil && u.Order == "start-first":
		case u != nil && u.Parallelism != nil && *u.Parallelism == 0:
			r.AtOnce = r.Replicas
		case u != nil && u.Parallelism != nil:
			r.AtOnce = max(r.AtOnce, int(*u.Parallelism))
		default:
			r.AtOnce = max(r.AtOnce, 1)
		}
	}
	if grace := svc.Spec.StopGracePeriod; grace != nil {
		r.Pause += time.Duration(*grace)
	}
	if c := svc.Spec.Healthcheck; c != nil && (len(c.Test) == 0 || c.Test[0] != "NONE") {
		const usual = v1.Duration(30 * time.Second) // the engine's own, as the number of tries
		once := time.Duration(cmp.Or(c.Interval, usual) + cmp.Or(c.Timeout, usual))
		r.Pause += time.Duration(c.StartPeriod) + time.Duration(cmp.Or(c.Retries, 3))*once
	}
	if l == nil {
		return r
	}
	if raw, is := l.Raw.(*swarm.Service); is && raw.UpdateStatus != nil {
		u := raw.UpdateStatus
		r.UnderWay = u.State == swarm.UpdateStateUpdating || u.State == swarm.UpdateStateRollbackStarted
		if r.UnderWay && u.StartedAt != nil {
			r.Further = further(svc, *u.StartedAt, tasks)
		}
	}
	return r
}

// further returns when a roll-out last came further that began at some time: when its newest task was made, or began to
// run. A task in the place of one that has ended since does not count, because the swarm makes such tasks again and again.
func further(svc *v1.Service, began time.Time, tasks []*kinds.Task) time.Time {
	ended := map[string]bool{}
	for _, t := range tasks {
		if (fails(t) || swarm.TaskState(t.State) == swarm.TaskStateComplete) && !t.Made.Before(began) {
			ended[called(t, svc)] = true
		}
	}
	last := began
	for _, t := range tasks {
		if !t.Made.After(began) || ended[called(t, svc)] {
			continue
		}
		last = latest(last, t.Made)
		if swarm.TaskState(t.State) == swarm.TaskStateRunning {
			last = latest(last, t.Changed)
		}
	}
	return last
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// comesFurther reports whether tasks of the service are being replaced, and that is not overdue. Nothing waits for a
// roll-out that finds no place, for example: it may go on for weeks. known is what the source knows of the roll-out. A
// write may hide for a moment that it goes on.
func (r Rolling) comesFurther(known plan.Rollout, now time.Time) bool {
	if r.UnderWay {
		return !plan.Overdue(r.Further, now, r.Pause)
	}
	return known.Running() && !plan.Overdue(known.Began, now, r.Pause)
}

// stops returns how many more of a service's tasks a roll-out may stop. Tasks that do not run yet count as stopped.
func (l loss) stops() int {
	t := l.tasks[0]
	return max(0, t.AtOnce-max(0, t.Replicas-l.ready))
}

// rolledAway returns what a step on a node ends of services whose tasks are being replaced, or are about to be, if the
// tasks that stay may all be stopped for that meanwhile.
//
// A service's step that needs a label which the node's step writes comes after that step, so it does not count. Neither
// does the operator's own, which comes last.
func rolledAway(step plan.Step, all []loss, pl plan.Plan, f plan.Facts) []loss {
	labels := map[string]bool{}
	for _, l := range nodeLabels(step) {
		labels[l] = true
	}
	out, _ := split(all, func(l loss) bool {
		key := v1.Key{Kind: v1.KindService, Name: l.service}
		stops := l.stops()
		i := slices.IndexFunc(pl.Steps, func(s plan.Step) bool { return s.Key == key && s.RollsOut() && key != f.Self })
		switch {
		case i >= 0 && len(constrained(pl.Steps[i].Change.Want, labels)) > 0:
			return false
		case i >= 0 && slices.ContainsFunc(pl.Steps[i].Fields, saysHow):
			stops = l.ready
		case i < 0 && !l.tasks[0].comesFurther(f.Rollouts[key], f.Now):
			return false
		}
		return l.lost > 0 && !l.tasks[0].Everywhere && l.stay <= stops
	})
	return out
}

// cutShort returns what a step on a node ends of services whose roll-out is under way and has made a task there that does not
// run yet. The swarm counts such an end as a failure of the roll-out, and pauses it.
func cutShort(all []loss, pl plan.Plan, f plan.Facts) []loss {
	out, _ := split(all, func(l loss) bool {
		key := v1.Key{Kind: v1.KindService, Name: l.service}
		starts := slices.ContainsFunc(l.tasks, func(t Placed) bool { return t.Coming })
		begins := slices.ContainsFunc(pl.Steps, func(s plan.Step) bool { return s.Key == key && s.RollsOut() }) // another one, which makes tasks of its own
		return starts && !begins && l.tasks[0].comesFurther(f.Rollouts[key], f.Now)
	})
	return out
}

// saysHow reports whether a field changes how many tasks are stopped at once. What is known of that is then out of date.
func saysHow(f diff.Field) bool {
	return f.Path == "spec.replicas" || strings.HasPrefix(f.Path, "spec.updateConfig") || strings.HasPrefix(f.Path, "spec.rollbackConfig")
}
