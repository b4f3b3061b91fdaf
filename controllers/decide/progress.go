package decide

import (
	"maps"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Progress is what this process knows from run to run, besides caches. It covers changes by hand and when they were
// first seen, writes that were not yet seen to work, and steps not to try again. Facts that have to outlive the
// process are in state.Memory.
type Progress struct {
	drift  map[driftKey]time.Time // drift is when each change by hand was first seen
	rounds contention
	doings
	following
	// surveyed is what the next survey of the nodes has to know of the last one.
	surveyed kinds.Remembered
	newest   newest
}

// doings are what this process has done.
type doings struct {
	// rolling are services whose tasks this process replaces, with since when, until the engine says how that goes. It
	// never does of a job.
	rolling map[v1.Key]time.Time
	touched map[v1.Key]bool // touched were changed by it and not seen ready since
	force   string          // force is the revision that touched is about
	// handed are the digests of the tokens and keys that it delivered: see Decider.Delivered.
	handed map[string]string
	// removed are the ids of objects that it removed. They do not count as removed by hand.
	removed map[string]bool
}

func newProgress() Progress {
	return Progress{
		drift: map[driftKey]time.Time{}, rounds: contention{}, following: newFollowing(),
		doings: doings{touched: map[v1.Key]bool{}, rolling: map[v1.Key]time.Time{}, handed: map[string]string{}, removed: map[string]bool{}},
	}
}

// Clone returns a copy. Thinking with one does not change the other. The cost depends on what is under way, not on
// how many services there are: their versions are shared, and changes are kept beside them. Also shared is what only
// acting changes (handed, removed).
func (p *Progress) Clone() Progress {
	c := *p
	c.drift, c.rounds = maps.Clone(p.drift), p.rounds.clone()
	c.rolling, c.touched = maps.Clone(p.rolling), maps.Clone(p.touched)
	c.following, c.surveyed = p.following.clone(), p.surveyed.Clone()
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

// Copy returns a copy that shares nothing with p. It copies everything, and serves to record what a decision was made
// from.
func (p *Progress) Copy() Progress {
	c := p.Clone()
	c.versions.known = maps.Clone(p.versions.known)
	c.handed, c.removed = maps.Clone(p.handed), maps.Clone(p.removed)
	return c
}

// Again makes the process think once more in one run, as if it had not thought yet. before is a clone from before the
// first thought. Which memory was seen in the swarm stays known.
func (p *Progress) Again(before Progress) {
	before.newest = p.newest
	*p = before
}

// Keep ends a run's thinking. Clones from before must not be used afterwards.
func (p *Progress) Keep() {
	p.versions.keep()
	p.rolling, p.touched = small(p.rolling), small(p.touched)
	f := &p.following
	f.unsettled, f.waits, f.furthest, f.ended = small(f.unsettled), small(f.waits), small(f.furthest), small(f.ended)
}

// small returns a new map in the place of an empty one. A map that once had an entry for each service takes as much
// memory when it is empty, and so do its clones.
func small[M ~map[K]V, K comparable, V any](m M) M {
	if len(m) == 0 {
		return M{}
	}
	return m
}

// Saved notes the memory that was written.
func (p *Progress) Saved(sequence uint64, resumed time.Time) { p.newest = newest{sequence, resumed} }

// Did notes a step that was carried out and that removed nothing.
func (d *Decider) Did(s plan.Step, now time.Time) {
	d.rounds.repaired(s, now)
	d.touched[s.Key] = true
	if s.RollsOut() {
		d.rolling[s.Key] = now
		if p := diff.NewPaths(s.Fields); p.Any("spec.placement") || p.Any("spec.ports") { // the tasks from before look like those that are wanted
			d.hidden[s.Key] = now
		}
	}
	for _, k := range d.kinds {
		if k.Survey != nil {
			d.surveyed = k.Survey.Did(d.surveyed, s)
		}
	}
}

// Joined notes that the operator reached the engine of a node and made it part of the swarm.
func (p *Progress) Joined(id string, node v1.Key) {
	p.surveyed = p.surveyed.Clone()
	p.surveyed.Joined[id] = node.Name
}

// Removed notes that the operator removed an object.
func (p *Progress) Removed(id string) { p.removed[id] = true }

// SeenFailed returns the failures on record after the last run, for an operator that observes and writes no memory.
func (p *Progress) SeenFailed() []plan.Failure { return p.seenFailed }
