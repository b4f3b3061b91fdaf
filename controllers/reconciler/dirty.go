package reconciler

import (
	"sync"

	"github.com/moby/moby/api/types/events"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// dirty collects what may have changed since the last run read it. It may be used by several goroutines.
type dirty struct {
	mu  sync.Mutex
	all bool
	// objects were made or changed. The value is true if an object is said to be gone.
	objects map[kinds.Ref]bool
	// states are names of configs that hold a memory. The value is false if the config came, and true if it went. The
	// operator itself may have done that, which shows only when the run that may have done it is over.
	states map[string]bool
}

func (d *dirty) everything() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = true
}

func (d *dirty) add(r kinds.Ref, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.objects == nil {
		d.objects = map[kinds.Ref]bool{}
	}
	d.objects[r] = gone
	if len(d.objects) > mostObjects { // as after a manager's replay of all events
		d.all = true
		clear(d.objects)
	}
}

func (d *dirty) state(name string, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.states == nil {
		d.states = map[string]bool{}
	}
	d.states[name] = gone
}

// take returns what to read, and empties d. It leaves out objects that are said to be gone and that w does not know.
// It asks for everything if a memory of w's source came that is newer than w's, or if w's went. Somebody else has
// done that.
func (d *dirty) take(w *world) Scope {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Scope{All: d.all || w == nil}
	if w != nil {
		for r, gone := range d.objects {
			if !gone || w.index.ByID(r.Kind, r.ID) != nil {
				s.Objects = append(s.Objects, r)
			}
		}
		for name, gone := range d.states {
			if of, sequence, _ := state.ParseName(name); of == w.source {
				s.All = s.All || sequence > w.found.Sequence || (gone && sequence == w.found.Sequence)
			}
		}
	}
	d.all = false
	clear(d.objects)
	clear(d.states)
	return s
}

// Notice notes an event of the engine and reports whether a run is worth it. It does not believe the event: the run
// reads the object that the event names.
func (l *Loop) Notice(e engine.Event) bool {
	switch e.Type {
	case engine.Reconnected, engine.Lost:
		l.dirty.everything()
		return true
	}
	if e.Name == state.LeaseName && e.Type == string(events.ConfigEventType) {
		return l.waiting.Load() // only an instance that waits for the lease wants to know
	}
	gone := e.Action == string(events.ActionRemove)
	if _, _, ok := state.ParseName(e.Name); ok && e.Type == string(events.ConfigEventType) {
		l.dirty.state(e.Name, gone)
		return true
	}
	for _, k := range l.kinds {
		if k.Events == e.Type {
			l.dirty.add(kinds.Ref{Kind: k.Name, ID: e.ID}, gone)
			return true
		}
	}
	return false
}

// NoticeAll makes the next run read everything.
func (l *Loop) NoticeAll() { l.dirty.everything() }
