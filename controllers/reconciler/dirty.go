package reconciler

import (
	"sync"

	"github.com/moby/moby/api/types/events"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// dirty collects what may have changed since the last run read it. It is safe for use from several goroutines.
type dirty struct {
	mu  sync.Mutex
	all bool
	// objects that were made or changed, or are said to be gone: true.
	objects map[kinds.Ref]bool
	// states are names of configs that hold a memory and came, or went: true. Whether that was our own doing is known
	// when the run is over that may have done it.
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
	if len(d.objects) > mostObjects { // as after a manager's replay of all that ever happened
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

// take empties it. What is said to be gone and not known to w is not worth a call. Of w's memory, what came later than it, or
// went although it was the last, was somebody else's doing.
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

// Notice takes note of an event of the engine and says whether a run is worth it. What an event says is not believed: the
// object that it names is read.
func (l *Loop) Notice(e engine.Event) bool {
	switch e.Type {
	case engine.Reconnected, engine.Lost:
		l.dirty.everything()
		return true
	}
	if e.Name == state.LeaseName && e.Type == string(events.ConfigEventType) {
		return l.waiting.Load() // it is of interest to who waits for it
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

// NoticeAll lets the next run read everything.
func (l *Loop) NoticeAll() { l.dirty.everything() }
