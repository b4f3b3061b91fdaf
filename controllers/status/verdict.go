package status

import (
	"cmp"
	"time"
)

const (
	// Deadline is how long an object may come no further before it counts as stalled, beside what its spec lets the swarm wait.
	Deadline = 10 * time.Minute
	// hiddenLeast is how long a roll-out that a write hid counts as running at least. The swarm says within that time that it
	// goes on; before that, tasks that run may be those that are to be replaced.
	hiddenLeast = 5 * time.Second
)

// Look is what the tasks of an object tell. Its fields are those of kinds.Health, which converts to it.
type Look struct {
	Ready  bool
	Failed bool
	// Begun: it is a job that runs. Nothing but what depends on it waits for its end.
	Begun bool
	// Waits reports whether it is not ready only because the swarm finds no place for its tasks.
	Waits bool
	// RolledBack: the last update was undone. Whether that is a failure depends on what is wanted.
	RolledBack           bool
	Why                  string
	Running, Wanted, Old int
	// Pause is how long the swarm may be at one task before it goes on with the next, as its spec has it.
	Pause time.Duration
}

// Evidence is all that is known of an object in a revision.
type Evidence struct {
	Look
	// Undone says how its last update was undone, so that what runs is not what the revision wants; "" if that is not so.
	Undone string
	// Failure is why the want of the revision is on record as failed; "" if it is not.
	Failure string
	// Hidden is since when a write hides how its roll-out goes on; the zero time if none does.
	Hidden time.Time
	// Since is since when it is waited for and has come no further; the zero time if nobody has counted.
	Since time.Time
	Now   time.Time
}

// State is how an object of a revision stands. What failed has ended; what stalled may still become ready, and nobody waits.
type State uint8

// The states.
const (
	IsProgressing State = iota
	IsReady
	IsFailed
	IsStalled
)

// Verdict is what the evidence comes to. Why is empty if the object is ready.
type Verdict struct {
	State State
	Why   string
}

// Ready reports whether the object does what the revision wants of it.
func (v Verdict) Ready() bool { return v.State == IsReady }

// Failed reports whether the swarm has tried and given up, or has not come to an end in time.
func (v Verdict) Failed() bool { return v.State == IsFailed || v.State == IsStalled }

// Verdict is the one rule for ready, progressing, failed and stalled, whoever asks.
//
// Tasks that run well do not help an object whose update was undone: they run what is no longer wanted. Otherwise what tasks do
// now counts more than what is on record, and what is on record more than that something is under way: the swarm never stops
// trying, and a failure that became none with every new try would be seen by some and not by others.
func (e Evidence) Verdict() Verdict {
	switch {
	case e.Undone != "":
		return Verdict{IsFailed, e.Undone}
	case e.Look.Failed:
		return Verdict{IsFailed, e.Why}
	case e.Look.Ready && !e.Hidden.IsZero() && e.Now.Sub(e.Hidden) < hiddenLeast:
		return Verdict{IsProgressing, "it was written on while it rolled out, and the swarm does not say yet how that goes on"}
	case e.Look.Ready:
		return Verdict{State: IsReady}
	case e.Failure != "":
		return Verdict{IsFailed, e.Failure}
	case e.Waits, e.Begun: // the swarm starts it as soon as there is a place, and a job ends when it has done its work: both may take days
		return Verdict{IsProgressing, e.Why}
	case !e.Since.IsZero() && e.Now.Sub(e.Since) >= Deadline+e.Pause:
		return Verdict{IsStalled, "stalled: " + cmp.Or(e.Why, "it is not ready")}
	}
	return Verdict{IsProgressing, e.Why}
}

// Health is the verdict in Argo CD's words.
func (v Verdict) Health() string {
	switch v.State {
	case IsReady:
		return Healthy
	case IsFailed, IsStalled:
		return Degraded
	}
	return Progressing
}
