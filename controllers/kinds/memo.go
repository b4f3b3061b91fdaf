package kinds

import (
	"reflect"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Memo keeps normal forms from one run to the next, so that a run costs what changed and not what exists. Nil remembers
// nothing. What is kept is never changed; each run leaves behind only what it used.
type Memo struct {
	wants map[v1.Key]wantMemo
	haves map[Ref]haveMemo
}

type wantMemo struct {
	object v1.Object
	names  []string // of what it refers to, as the swarm names it
	state  diff.State
}

// haveMemo is a normal form by the version that the engine gives every write: the same version is the same spec.
// Networks have no version and cannot change. What it refers to by id may not have been listed yet when it was, and
// have no name then.
type haveMemo struct {
	version uint64
	names   []string
	leaves  []diff.Leaf
}

// want is Kind.want, remembered.
func (m *Memo) want(k Kind, e Entry, live func(v1.Key) string) wantMemo {
	key := e.Object.Key()
	var names []string
	for _, r := range e.Object.Refs() {
		names = append(names, live(r.Key))
	}
	if m != nil {
		if old, ok := m.wants[key]; ok && reflect.DeepEqual(old.names, names) && reflect.DeepEqual(old.object, e.Object) {
			old.object, old.state.From = e.Object, e.From
			return old
		}
	}
	return wantMemo{object: e.Object, names: names, state: k.want(e, key.Name, live)}
}

// have reads a live object, remembered.
func (m *Memo) have(k Kind, l Live, ix *Index) haveMemo {
	var names []string
	for _, r := range k.Uses(l) {
		names = append(names, ix.NameOf(r.Kind, r.ID))
	}
	if m != nil {
		if old, ok := m.haves[Ref{l.Kind, l.ID}]; ok && old.version == l.Version && slices.Equal(old.names, names) {
			return old
		}
	}
	return haveMemo{version: l.Version, names: names, leaves: k.Shape.Flatten(k.Normalise(l, ix))}
}
