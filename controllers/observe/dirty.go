package observe

import (
	"slices"
	"sync"

	"github.com/moby/moby/api/types/events"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// Dirty collects what may have changed since the last run read it. It may be used by several goroutines.
type Dirty struct {
	mu  sync.Mutex
	all bool
	// objects were made or changed. The value is true if an object is said to be gone.
	objects map[kinds.Ref]bool
	// states are names of configs that hold a memory. The value is false if the config came, and true if it went.
	// Whether the operator itself made or removed the config is known only when the current run is over.
	states map[string]bool
}

// Everything notes that everything may have changed.
func (d *Dirty) Everything() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = true
}

// Object notes that an object was made or changed. gone is true if it is said to be gone.
func (d *Dirty) Object(r kinds.Ref, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.objects == nil {
		d.objects = map[kinds.Ref]bool{}
	}
	d.objects[r] = gone
	if len(d.objects) > MostObjects { // as after a manager's replay of all events
		d.all = true
		clear(d.objects)
	}
}

func (d *Dirty) state(name string, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.states == nil {
		d.states = map[string]bool{}
	}
	d.states[name] = gone
}

// Take returns what to read, and empties d. It leaves out objects that are said to be gone and that w does not know.
// It asks for everything if somebody else has written a newer memory of w's source, or has removed the one that w
// knows.
func (d *Dirty) Take(w *World) Scope {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Scope{All: d.all || w == nil}
	if w != nil {
		for r, gone := range d.objects {
			if gone && w.Index.ByID(r.Kind, r.ID) == nil {
				continue
			}
			s.Objects = append(s.Objects, r)
			if gone {
				if s.Gone == nil {
					s.Gone = map[kinds.Ref]bool{}
				}
				s.Gone[r] = true
			}
		}
		for name, gone := range d.states {
			if of, sequence, _ := state.ParseName(name); of == w.Source {
				s.All = s.All || sequence > w.Found.Sequence || (gone && sequence == w.Found.Sequence)
			}
		}
	}
	d.all = false
	clear(d.objects)
	clear(d.states)
	return s
}

// And adds to a scope what has to be looked at because no event tells of it: whole kinds, and objects by their keys.
func (s Scope) And(w *World, whole []string, watched []v1.Key) Scope {
	if s.All {
		return s
	}
	s.Kinds = whole
	for _, key := range watched {
		if live := w.Index.ByName(key.Kind, key.Name); live != nil {
			if ref := (kinds.Ref{Kind: key.Kind, ID: live.ID}); !slices.Contains(s.Objects, ref) {
				s.Objects = append(s.Objects, ref)
			}
		}
		if len(s.Objects) > MostObjects {
			return Everything
		}
	}
	return s
}

// Notice notes an event of the engine and reports whether a run is worth it. It does not believe the event: the run
// reads the object that the event names. waiting is true if this instance waits for the lease.
func (o *Observer) Notice(d *Dirty, e engine.Event, waiting bool) bool {
	switch e.Type {
	case engine.Reconnected, engine.Lost:
		d.Everything()
		return true
	}
	if e.Name == state.LeaseName && e.Type == string(events.ConfigEventType) {
		return waiting // only an instance that waits for the lease wants to know
	}
	gone := e.Action == string(events.ActionRemove)
	if _, _, ok := state.ParseName(e.Name); ok && e.Type == string(events.ConfigEventType) {
		d.state(e.Name, gone)
		return true
	}
	for _, k := range o.kinds {
		if k.Events == e.Type && !k.OnDemand {
			d.Object(kinds.Ref{Kind: k.Name, ID: e.ID}, gone)
			return true
		}
	}
	return false
}
