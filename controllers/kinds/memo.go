package kinds

import (
	"maps"
	"reflect"
	"slices"
	"sync/atomic"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Memo keeps normal forms from one run to the next, so that a run costs what changed and not what exists. A nil Memo
// remembers nothing. Kept forms are never changed. Each run leaves behind only those that it used.
//
// Manifests and live objects are known by their pointers. A caller that reads an object again, and finds it as it
// was, passes the old pointer. The names of what an object refers to may change without the object, so they are
// compared.
type Memo struct {
	wants map[v1.Key]*wantMemo
	haves map[Ref]*haveMemo
	run   uint64
	gen   atomic.Uint64
}

type wantMemo struct {
	run    uint64 // the run that used it last
	object v1.Object
	kind   *Kind
	refs   []v1.Key // what it refers to
	names  []string // and how the swarm names it
	state  diff.State
}

// Restore gives a state its leaves and its value. It works them out again if they were released.
func (w *wantMemo) Restore(s *diff.State) {
	if w.state.Leaves == nil {
		again := w.kind.want(Entry{Object: w.object, From: w.state.From}, w.state.Instance, func(key v1.Key) string {
			if i := slices.Index(w.refs, key); i >= 0 {
				return w.names[i]
			}
			return key.Name
		})
		w.state.Leaves, w.state.Value, w.state.Rest, w.state.Normal = again.Leaves, again.Value, nil, diff.Normal{}
	}
	s.Leaves, s.Value = w.state.Leaves, w.state.Value
}

// haveMemo is a live object in normal form, and whose it is.
type haveMemo struct {
	run     uint64 // the run that used it last
	live    *Live
	source  string
	record  Record // of the object's adoption
	other   string // the source that has made or adopted it, if it is another one
	made    v1.Key // the record that the source made it
	unknown bool   // see Source.unknown
	dropped bool   // see Source.droppedByOwner
	kind    *Kind
	index   *Index
	uses    []Ref
	names   []string
	state   diff.State // without leaves until somebody asks for them
}

// Restore gives a state its leaves. If they were released, it reads the object again into the words of the manifest.
func (h *haveMemo) Restore(s *diff.State) {
	if h.state.Leaves == nil {
		object := h.state.Normal.Object
		if object == nil {
			object = h.kind.Normalise(h.live, h.index)
		}
		h.state.Leaves, h.state.Rest, h.state.Normal = h.kind.Shape.Flatten(object), nil, diff.Normal{}
	}
	s.Leaves = h.state.Leaves
}

// Release gives back the memory of what does not differ, which is most of it. If one side changes, the other is
// worked out again.
func (m *Memo) Release(seen *diff.Seen) {
	for _, pair := range seen.Fresh() {
		if w := m.wants[pair.Want]; w != nil {
			w.state.Leaves, w.state.Value, w.state.Rest, w.state.Normal = nil, nil, w, diff.Normal{}
		}
		if h := m.haves[Ref{pair.Want.Kind, pair.ID}]; h != nil {
			h.state.Leaves, h.state.Rest, h.state.Normal = nil, h, diff.Normal{}
		}
	}
}

// begin starts a run.
func (m *Memo) begin() {
	if m == nil {
		return
	}
	if m.wants == nil {
		m.wants, m.haves = map[v1.Key]*wantMemo{}, map[Ref]*haveMemo{}
	}
	m.run++
}

func (m *Memo) current() uint64 {
	if m == nil {
		return 0
	}
	return m.run
}

// generation returns a number for a state that was made again. Without a memo it returns 0, because no state is known
// again.
func (m *Memo) generation() uint64 {
	if m == nil {
		return 0
	}
	return m.gen.Add(1)
}

// want is Kind.want with a memory. It may be called from several goroutines, for different manifests. A want whose
// live object does not exist is compared with nothing, and has its leaves at once. For all others it may turn out
// that nobody needs the leaves.
func (m *Memo) want(k *Kind, e Entry, instance string, ix *Index, live func(v1.Key) string) *wantMemo {
	key := e.Object.Key()
	if m != nil {
		if old := m.wants[key]; old != nil && old.fits(e, instance, live) {
			old.run, old.object, old.state.From = m.run, e.Object, e.From
			return old
		}
	}
	w := &wantMemo{run: m.current(), object: e.Object, kind: k}
	if ix.ByName(k.Name, instance) != nil {
		w.state = k.outline(e, instance)
		object := e.Object.Copy()
		if c, ok := object.(v1.Canonical); ok {
			c.Canonical()
		}
		w.state.Normal, w.state.Rest = diff.Normal{Shape: k.Shape, Object: normal(object, live)}, w
	} else {
		w.state = k.want(e, instance, live)
	}
	w.state.Gen = m.generation()
	for _, r := range e.Object.Refs() {
		w.refs, w.names = append(w.refs, r.Key), append(w.names, live(r.Key))
	}
	return w
}

func (w *wantMemo) fits(e Entry, instance string, live func(v1.Key) string) bool {
	if w.object != e.Object && !reflect.DeepEqual(w.object, e.Object) {
		return false
	}
	if s := &w.state; s.Instance != instance || s.Blocked != e.Blocked || s.Awaited != e.Awaited || s.Unmatched != e.Unmatched || s.Exact != e.Exact {
		return false
	}
	for i, r := range w.refs {
		if live(r) != w.names[i] {
			return false
		}
	}
	return true
}

// keepWants remembers what this run used, and nothing else.
func (m *Memo) keepWants(used []*wantMemo) {
	if m == nil {
		return
	}
	for _, w := range used {
		if key := w.state.Key; m.wants[key] != w {
			m.wants[key] = w
		}
	}
	if len(m.wants) > len(used) {
		maps.DeleteFunc(m.wants, func(_ v1.Key, w *wantMemo) bool { return w.run != m.run })
	}
}

// identify is Source.Identify with a memory. The state has no leaves before normalise is called.
func (m *Memo) identify(k *Kind, src Source, l *Live) *haveMemo {
	record, other, made := src.Adopted[l.ID], src.Others[l.ID], src.Made[l.ID]
	if m != nil {
		if old := m.haves[l.ref()]; old != nil && old.live == l && old.source == src.Name && old.other == other && old.made == made && old.unknown == src.unknown(l) && old.dropped == src.droppedByOwner(l) && old.record.equal(record) {
			old.run = m.run
			return old
		}
	}
	key, meta := src.Identify(l)
	if k.Observe != nil {
		r := k.Observe(l, nil, nil)
		meta.Updated, meta.Distrust = r.State != "", r.RolledBack() || r.State == "paused"
	}
	h := &haveMemo{
		run: m.current(), live: l, source: src.Name, record: record, other: other, made: made, unknown: src.unknown(l), dropped: src.droppedByOwner(l), kind: k,
		state: diff.State{Key: key, Instance: l.Name, Meta: meta, Value: l},
	}
	if m != nil {
		m.haves[l.ref()] = h
	}
	return h
}

// normalise prepares the leaves. It does so again if the names of objects change that this one refers to by id. Such
// an object may have been listed later, and had no name before. It may be called from several goroutines, for
// different objects.
func (h *haveMemo) normalise(m *Memo, ix *Index) {
	h.index = ix
	if h.state.Gen == 0 {
		h.uses = h.kind.Uses(h.live)
	} else if h.sameNames(ix) {
		return
	}
	h.names = h.names[:0]
	for _, r := range h.uses {
		h.names = append(h.names, ix.NameOf(r.Kind, r.ID))
	}
	h.state.Normal = diff.Normal{Shape: h.kind.Shape, Object: h.kind.Normalise(h.live, ix)}
	if h.kind.Unstated != nil {
		h.state.Meta.Unstated = h.kind.Unstated(h.live, ix)
	}
	h.state.Gen, h.state.Rest, h.state.Leaves = m.generation(), h, nil
	if h.kind.Versions != nil { // Haves may add leaves
		h.Restore(&h.state)
		h.state.Rest = nil
	}
}

func (h *haveMemo) sameNames(ix *Index) bool {
	for i, r := range h.uses {
		if ix.NameOf(r.Kind, r.ID) != h.names[i] {
			return false
		}
	}
	return true
}

// keepHaves forgets objects that are gone.
func (m *Memo) keepHaves(used int) {
	if m != nil && len(m.haves) > used {
		maps.DeleteFunc(m.haves, func(_ Ref, h *haveMemo) bool { return h.run != m.run })
	}
}

func (r Record) equal(o Record) bool {
	return r.Key == o.Key && r.Content == o.Content && r.Written == o.Written && r.Taken == o.Taken && r.Applied.Equal(o.Applied)
}
