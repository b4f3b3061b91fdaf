package observe

import (
	"fmt"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// known returns a swarm with a service of id s1 and the fifth memory of source src.
func known() *World {
	list := map[string][]*kinds.Live{v1.KindService: {{Kind: v1.KindService, ID: "s1", Name: "web"}}}
	return &World{Index: kinds.NewIndex(list, func(*kinds.Live) []kinds.Ref { return nil }), Source: "src", Found: state.Found{Sequence: 5}}
}

func TestWhatAnEventMakesTheNextRunRead(t *testing.T) {
	for _, test := range []struct {
		name   string
		event  engine.Event
		ignore bool
		scope  string
	}{
		{name: "a service changed", event: engine.Event{Type: "service", Action: "update", ID: "s1"}, scope: "[{Service s1}]"},
		{name: "a service came", event: engine.Event{Type: "service", Action: "create", ID: "s2"}, scope: "[{Service s2}]"},
		{name: "a service went", event: engine.Event{Type: "service", Action: "remove", ID: "s1"}, scope: "[{Service s1}] s1 is gone"},
		{name: "one went that is not known", event: engine.Event{Type: "service", Action: "remove", ID: "s2"}, scope: "[]"},
		{name: "a network", event: engine.Event{Type: "network", Action: "create", ID: "n1"}, scope: "[{Network n1}]"},
		{name: "a config", event: engine.Event{Type: "config", Action: "create", ID: "c1", Name: "conf"}, scope: "[{Config c1}]"},
		{name: "a secret", event: engine.Event{Type: "secret", Action: "update", ID: "x1"}, scope: "[{Secret x1}]"},
		{name: "a node", event: engine.Event{Type: "node", Action: "update", ID: "n1"}, scope: "[{Node n1}]"},
		{name: "the stream was away", event: engine.Event{Type: engine.Reconnected}, scope: "all"},
		{name: "the stream cannot be opened", event: engine.Event{Type: engine.Unconnected, Name: "500"}, ignore: true, scope: "[]"},
		{name: "events were lost", event: engine.Event{Type: engine.Lost}, scope: "all"},
		{name: "our own memory", event: engine.Event{Type: "config", Action: "create", ID: "m5", Name: "swarm-operator.src.5"}, scope: "[]"},
		{name: "our own memory before that went", event: engine.Event{Type: "config", Action: "remove", ID: "m4", Name: "swarm-operator.src.4"}, scope: "[]"},
		{name: "a memory that another wrote", event: engine.Event{Type: "config", Action: "create", ID: "m6", Name: "swarm-operator.src.6"}, scope: "all"},
		{name: "a memory that another removed", event: engine.Event{Type: "config", Action: "remove", ID: "m5", Name: "swarm-operator.src.5"}, scope: "all"},
		{name: "another source's memory", event: engine.Event{Type: "config", Action: "create", ID: "o9", Name: "swarm-operator.other.9"}, scope: "[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, w, d := New(nil, all.Kinds()), known(), &Dirty{}
			if got := o.Notice(d, test.event, false); got == test.ignore {
				t.Errorf("a run is worth it: %t", got)
			}
			if got := shown(d.Take(w)); got != test.scope {
				t.Errorf("it reads %s, want %s", got, test.scope)
			}
			if got := shown(d.Take(w)); got != "[]" {
				t.Errorf("the run after it reads %s, want nothing", got)
			}
		})
	}
}

func shown(s Scope) string {
	if s.All {
		return "all"
	}
	out := fmt.Sprint(append([]kinds.Ref{}, s.Objects...))
	for r := range s.Gone {
		out += fmt.Sprintf(" %s is gone", r.ID)
	}
	return out
}

func TestWithoutAWorldEverythingIsRead(t *testing.T) {
	if got := shown(new(Dirty).Take(nil)); got != "all" {
		t.Errorf("the first run reads %s", got)
	}
}

// A manager that was just promoted sends events of the swarm's whole history.
func TestManyEventsAreOneList(t *testing.T) {
	o, w, d := New(nil, all.Kinds()), known(), &Dirty{}
	for i := range 10 * MostObjects {
		o.Notice(d, engine.Event{Type: "service", Action: "update", ID: fmt.Sprint("old", i)}, false)
	}
	if got := shown(d.Take(w)); got != "all" {
		t.Errorf("it reads %s", got)
	}
}

// Only an instance that waits for the lease wants to know what becomes of it.
func TestTheLeaseWakesAnInstanceThatWaitsForIt(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		d := &Dirty{}
		e := engine.Event{Type: "config", Action: "update", ID: "l1", Name: state.LeaseName}
		if got := New(nil, all.Kinds()).Notice(d, e, waiting); got != waiting {
			t.Errorf("waiting %t: a run is worth it: %t", waiting, got)
		}
		if got := shown(d.Take(known())); got != "[]" {
			t.Errorf("waiting %t: it reads %s", waiting, got)
		}
	}
}
