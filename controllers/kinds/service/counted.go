package service

import (
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// count counts the tasks of a service. A task from which nothing follows counts for nothing: see past.
func count(s *swarm.Service, tasks []swarm.Task, now time.Time) counts {
	c := counts{wanted: map[place]bool{}}
	current, of := inForce(s, now), make([]bool, len(tasks))
	for i, t := range tasks {
		of[i] = !past(s, t) && current(t)
	}
	newest := newestOf(s, tasks, of)
	for i, t := range tasks {
		if !past(s, t) {
			c.add(s, t, of[i], newest(t), now)
		}
	}
	return c
}

// past reports whether nothing follows from a task: it is of another run of a job, or the swarm ended it. That is most
// of a service's history, and comparing specs costs something.
func past(s *swarm.Service, t swarm.Task) bool {
	return isJob(s) && !ofThisRun(s, t) ||
		!wanted(t) && (t.Status.State == swarm.TaskStateShutdown || t.Status.State == swarm.TaskStateOrphaned)
}

// ofThisRun reports whether a task is of the run that the job is in. Every update of a job begins another run, so such
// a task is also of the spec in force. As in SwarmKit, a task that names no run belongs to none
// (controlapi.ListServiceStatuses), and a job that names none is in its first (jobs/global.ReconcileService).
func ofThisRun(s *swarm.Service, t swarm.Task) bool {
	run := swarm.Version{}
	if s.JobStatus != nil {
		run = s.JobStatus.JobIteration
	}
	return t.JobIteration != nil && *t.JobIteration == run
}

// place is where a task belongs. That is a slot or, for a service that has one task per node, a node.
type place struct {
	slot int
	node string
}

func placeOf(s *swarm.Service, t swarm.Task) place {
	if perNode(s) {
		return place{node: t.NodeID}
	}
	return place{slot: t.Slot}
}

// newestOf returns a function that reports whether a task is the newest in its place. of tells which tasks are of the spec
// in force. If one of these goes on, it follows the tasks that ended, also if a leader whose clock was ahead made them.
func newestOf(s *swarm.Service, tasks []swarm.Task, of []bool) func(swarm.Task) bool {
	newest, goesOn := map[place]time.Time{}, map[place]bool{}
	for i, t := range tasks {
		at := placeOf(s, t)
		if t.CreatedAt.After(newest[at]) {
			newest[at] = t.CreatedAt
		}
		goesOn[at] = goesOn[at] || of[i] && wanted(t) && !ended(t)
	}
	return func(t swarm.Task) bool {
		at := placeOf(s, t)
		return !t.CreatedAt.Before(newest[at]) && (wanted(t) || !goesOn[at])
	}
}
