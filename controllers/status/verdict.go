package status

import (
	"cmp"
	"time"

	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// hiddenLeast is how long a roll-out hidden by a write counts as running at least. Within that time the swarm says that
// the roll-out goes on. Before it does, the tasks that run may be the ones to be replaced.
const hiddenLeast = 5 * time.Second

// Look is what the tasks of an object tell. Its fields are those of kinds.Health, so that one converts to the other.
type Look struct {
	Ready  bool
	Failed bool
	// Begun is true of a job that runs. Only an object that depends on the job waits for its end.
	Begun bool
	// Waits reports whether the object is not ready only because the swarm finds no place for its tasks.
	Waits bool
	// RolledBack is true if the last update was undone. Whether that is a failure depends on what is wanted.
	RolledBack           bool
	Why                  string
	Running, Wanted, Old int
	// Pause is how long the object's spec lets the swarm take for one task before it goes on with the next.
	Pause time.Duration
}

// Evidence is all that is known about an object in a revision.
type Evidence struct {
	Look
	// Undone says how the last update was undone, so that what runs is not what the revision wants. It is empty if no
	// update was undone.
	Undone string
	// Failure says why this want is on record as failed. It is empty if the want is not on record.
	Failure string
	// Hidden is since when a write has hidden how the roll-out goes on. It is zero if no write does.
	Hidden time.Time
	// Since is since when the object has been waited for without progress. It is zero if nobody has counted.
	Since time.Time
	Now   time.Time
}

// State is how an object of a revision stands. A failed object has come to its end. A stalled one may still become
// ready, but nobody waits for it.
type State uint8

// The states of an object.
const (
	IsProgressing State = iota
	IsReady
	IsFailed
	IsStalled
)

// Verdict is the conclusion from the evidence. Why is empty if the object is ready.
type Verdict struct {
	State State
	Why   string
}

// Ready reports whether the object does what the revision wants of it.
func (v Verdict) Ready() bool { return v.State == IsReady }

// Failed reports whether the swarm has given up, or did not finish in time.
func (v Verdict) Failed() bool { return v.State == IsFailed || v.State == IsStalled }

// Verdict applies the only rule for ready, progressing, failed and stalled, so that all callers agree.
//
// If an object's update was undone, tasks that run well do not make it ready: they run what is no longer wanted.
// Otherwise what tasks do now counts most, then what is on record, then that something is under way. The record has
// to count, because the swarm never stops trying. If each new try cleared a failure, some would see the failure and
// others would not.
func (e Evidence) Verdict() Verdict {
	switch {
	case e.Undone != "":
		return Verdict{IsFailed, e.Undone}
	case e.Look.Failed:
		return Verdict{IsFailed, e.Why}
	case e.Look.Ready && e.Wanted > 0 && !e.Hidden.IsZero() && e.Now.Sub(e.Hidden) < hiddenLeast:
		return Verdict{IsProgressing, "it was written a moment ago, and the swarm does not say yet how its roll-out goes"}
	case e.Look.Ready:
		return Verdict{State: IsReady}
	case e.Failure != "":
		return Verdict{IsFailed, e.Failure}
	case e.Waits, e.Begun: // the swarm starts it as soon as there is a place, and a job ends when its work is done: both may take days
		return Verdict{IsProgressing, e.Why}
	case plan.Overdue(e.Since, e.Now, e.Pause):
		return Verdict{IsStalled, "stalled: " + cmp.Or(e.Why, "it is not ready")}
	}
	return Verdict{IsProgressing, e.Why}
}

// Health returns the verdict in Argo CD's words.
func (v Verdict) Health() string {
	switch v.State {
	case IsReady:
		return Healthy
	case IsFailed, IsStalled:
		return Degraded
	}
	return Progressing
}
