package reconciler

import (
	"maps"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// progress is what this process knows from run to run, beside caches: when it saw a change by hand first, what it wrote and has
// not seen to work since, what it must not try again. Whatever has to outlive the process is in state.Memory.
type progress struct {
	drift  map[driftKey]time.Time // when a change by hand was first seen
	rounds contention
	doings
	following
	remembered kinds.Remembered
	puzzles    map[string]puzzle // of the last run, by the name of the step; see outdated
	conflict   uint64            // the sequence of the memory that could not be written last because there is one; see overtaken
	newest     newest
}

// doings are what this process has done.
type doings struct {
	rolling map[v1.Key]bool   // whose tasks it had replaced, as far as the engine has not said how that ended
	touched map[v1.Key]bool   // changed by it and not seen ready since
	force   string            // revision that touched is about
	handed  map[string]string // tokens and keys that it delivered, see notDelivered
	removed map[string]bool   // ids of the objects that it removed: these do not count as removed by hand
}

func newProgress() progress {
	return progress{
		drift: map[driftKey]time.Time{}, rounds: contention{}, following: newFollowing(),
		doings:     doings{touched: map[v1.Key]bool{}, rolling: map[v1.Key]bool{}, handed: map[string]string{}, removed: map[string]bool{}},
		remembered: kinds.Remembered{Emptied: map[string]bool{}, Left: map[string]bool{}, Orphans: map[string]bool{}},
	}
}

// clone is a copy that no thought changes with the other. It costs what is under way, not what there is: the versions of all
// services are shared, and what a thought changes of them is kept beside them. What only acting changes (handed, removed,
// puzzles) is shared, too.
func (p *progress) clone() progress {
	c := *p
	c.drift, c.rounds = maps.Clone(p.drift), p.rounds.clone()
	c.rolling, c.touched = maps.Clone(p.rolling), maps.Clone(p.touched)
	c.following, c.remembered = p.following.clone(), p.remembered.Clone()
	return c
}

func (c contention) clone() contention {
	out := make(contention, len(c))
	for at, r := range c {
		same := *r
		out[at] = &same
	}
	return out
}

func (f *following) clone() following {
	c := *f
	c.versions = f.versions.clone()
	c.unsettled, c.running, c.hidden = maps.Clone(f.unsettled), maps.Clone(f.running), maps.Clone(f.hidden)
	c.waits, c.forgiven = maps.Clone(f.waits), maps.Clone(f.forgiven)
	c.furthest, c.ended = maps.Clone(f.furthest), maps.Clone(f.ended)
	return c
}
