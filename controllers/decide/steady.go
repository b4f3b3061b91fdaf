package decide

import (
	"reflect"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
)

// steady is what stays the same from run to run if little changes, so that it is worked out once. It is a cache:
// dropping it changes no decision. Maps that nobody changes are known by their pointers.
type steady struct {
	wanted   wanted
	ours     ours
	allThere allThere
	noticed  noticed
}

// noticed are the live objects whose versions the last run has looked at.
type noticed struct {
	haves []*diff.State
	// wanted reports for each of haves whether it is a service of the source that a manifest asks for.
	wanted []bool
	// known has the versions of these services, once kept is true.
	known map[v1.Key]uint64
	kept  bool
	turns uint64 // the turns of the wants at that time
}

// before returns what the last run has looked at. It is empty if wants came or went since, or if the process does not
// know what that run has seen.
func (n noticed) before(d *Decider) noticed {
	if !n.kept || n.turns != d.wanted.turns || !same(n.known, d.versions.known) {
		return noticed{}
	}
	return n
}

// Keep ends a run's thinking. Clones from before must not be used afterwards.
func (d *Decider) Keep() {
	d.Progress.Keep()
	d.noticed.known, d.noticed.kept = d.versions.known, true
}

// Again makes the process think once more in one run: see Progress.Again. What the first thought has looked at counts as
// not looked at.
func (d *Decider) Again(before Progress) {
	d.Progress.Again(before)
	d.noticed = noticed{}
}

// wanted has the wants of the last run by key. There are as many as objects, and a run changes few of them.
type wanted struct {
	states []*diff.State
	byKey  map[v1.Key]*diff.State
	turns  uint64 // how often a want came or went
}

// byKey returns the wants of a run by key. The map is that of the last run, brought up to date.
func (d *Decider) byKey(states []*diff.State) map[v1.Key]*diff.State {
	w := &d.wanted
	if !w.replace(states) {
		w.turns++
		if w.byKey == nil {
			w.byKey = make(map[v1.Key]*diff.State, len(states))
		}
		clear(w.byKey)
		for _, s := range states {
			w.byKey[s.Key] = s
		}
	}
	w.states = states
	return w.byKey
}

// replace puts states in the place of those that had their keys. It returns false if a want came or went.
func (w *wanted) replace(states []*diff.State) bool {
	if w.byKey == nil || len(states) != len(w.states) {
		return false
	}
	for i, s := range states {
		if old := w.states[i]; s == old {
			continue
		} else if s.Key != old.Key {
			return false
		}
		w.byKey[s.Key] = s
	}
	return true
}

// ours has the records of objects in the form that kinds need. They are made again only if the memory says something
// else, because kinds know them by their pointers.
type ours struct {
	memory  state.Memory // what they were made of
	made    map[string]v1.Key
	adopted map[string]kinds.Record // nil if nothing was made yet
	givenUp map[string]kinds.GivenUp
}

// source returns a source with its records.
func (o *ours) source(name string, m state.Memory, others map[string]string, partial map[string]map[v1.Key]bool) kinds.Source {
	if o.adopted == nil || !sameRecords(o.memory, m) {
		made, adopted := m.Managed()
		records := state.Memory{Made: m.Made, Adopted: m.Adopted, Released: m.Released, ReleasedAll: m.ReleasedAll}
		*o = ours{memory: records, made: made, adopted: make(map[string]kinds.Record, len(adopted)), givenUp: givenUp(m)}
		for id, a := range adopted {
			o.adopted[id] = kinds.Record{Key: a.Key, Applied: diff.ParseApplied(a.Applied), Content: a.Content, Written: a.Written, Taken: a.Taken}
		}
	}
	return kinds.Source{Name: name, Contents: digests.Salted{Salt: m.Salt}, Adopted: o.adopted, Made: o.made, GivenUp: o.givenUp, Nonce: m.Nonce, Others: others, Partial: partial}
}

// sameRecords reports whether both have the same records of objects, and gave up the same.
func sameRecords(a, b state.Memory) bool {
	return same(a.Made, b.Made) && same(a.Adopted, b.Adopted) && a.ReleasedAll == b.ReleasedAll && slices.Equal(a.Released, b.Released)
}

// allThere is when all objects on record were last seen to exist.
type allThere struct {
	index   *kinds.Index // nil if they were not
	named   uint64
	made    map[string]v1.Key
	adopted map[string]state.Adopted
}

// note notes whether all objects on record exist.
func (a *allThere) note(run *Decision) {
	*a = allThere{}
	if run.allThere {
		made, adopted := run.Memory.Managed()
		*a = allThere{run.Index, run.Index.Named(), made, adopted}
	}
}

// still reports whether all objects on record exist in this run as well: the record is the same, and no object has come
// or gone since.
func (a *allThere) still(run *Decision) bool {
	made, adopted := run.Memory.Managed()
	return a.index != nil && a.index == run.Index && a.named == run.Index.Named() && same(a.made, made) && same(a.adopted, adopted)
}

// same reports whether both are one map, and not only equal.
func same[M ~map[K]V, K comparable, V any](a, b M) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}
