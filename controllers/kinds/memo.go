package kinds

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"sync/atomic"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Memo keeps normal forms from one run to the next, so that a run costs what changed and not what exists. A nil Memo
// remembers nothing. States that a run gets of it belong to the Memo: only the next run changes them. Each run leaves
// behind only those that it used.
//
// Manifests, lists of manifests, live objects and the records of a source are known by their pointers, because nobody
// changes them. A caller that reads an object again, and finds it as it was, passes the old pointer. The names of what
// an object refers to may change without the object, so they are compared.
type Memo struct {
	wants    map[v1.Key]*wantMemo
	versions map[v1.Key]*versionMemo
	haves    map[Ref]*haveMemo
	run      uint64
	used     int // how many of wants the run has used so far
	gen      atomic.Uint64
	// entries are the manifests of the last run, and stated are the same by kind.
	entries []Entry
	stated  map[string]*stated
	// lists are what the last run found, by kind, in the order of the index. They and versions are of this source.
	lists  map[string][]*haveMemo
	source Source
	asked  map[string]*asked
}

// stated are the manifests of a kind and of its templates.
type stated struct {
	at       []int    // where they are among all manifests
	external []v1.Key // objects that manifests name and do not make
	// wants are what they ask for, if that is known. names are the live names of versions that are in them.
	wants []*wantMemo
	names map[v1.Key]string
}

// all returns the manifests themselves.
func (s *stated) all(entries []Entry) []Entry {
	out := make([]Entry, len(s.at))
	for i, at := range s.at {
		out[i] = entries[at]
	}
	return out
}

// byKind sorts manifests by the kinds that they are about.
func byKind(all []Kind, entries []Entry) map[string]*stated {
	out, about := map[string]*stated{}, map[string]*stated{}
	for i := range all {
		s := &stated{}
		out[all[i].Name], about[all[i].Name] = s, s
		for _, kind := range all[i].Templates {
			about[kind] = s
		}
	}
	for i := range entries {
		switch s := about[entries[i].Object.Key().Kind]; {
		case s == nil:
		case entries[i].Object.External():
			s.external = append(s.external, entries[i].Object.Key())
		default:
			s.at = append(s.at, i)
		}
	}
	return out
}

type wantMemo struct {
	run    uint64 // the run that used it last
	made   uint64 // the run that made it
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
	identity
	run   uint64 // the run that used it last
	asked bool   // whether that run is about it
	kind  *Kind
	index *Index // the index that the normal form was made with
	named uint64 // what Named of that index returned then
	uses  []Ref
	names []string
	state diff.State // without leaves until somebody asks for them
}

// identity is a live object with all that says whose it is.
type identity struct {
	live    *Live
	source  string
	record  Record // of the object's adoption
	other   string // the source that has made or adopted it, if it is another one
	givenUp bool   // whether another source has given it up, and none has it
	made    v1.Key // the record that the source made it
	unknown bool   // see Source.unknown
	dropped bool   // see Source.droppedByOwner
}

func (s Source) identity(l *Live) identity {
	other, recorded := s.Others[l.ID]
	return identity{
		live: l, source: s.Name, record: s.Adopted[l.ID], other: other, givenUp: recorded && other == "", made: s.Made[l.ID], unknown: s.unknown(l), dropped: s.droppedByOwner(l),
	}
}

func (i identity) equal(o identity) bool {
	return i.live == o.live && i.source == o.source && i.record.equal(o.record) && i.other == o.other && i.givenUp == o.givenUp && i.made == o.made && i.unknown == o.unknown && i.dropped == o.dropped
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

// begin starts a run, and returns its manifests by kind.
func (m *Memo) begin(all []Kind, entries []Entry, src Source) map[string]*stated {
	if m == nil {
		return byKind(all, entries)
	}
	if m.wants == nil {
		m.wants, m.haves, m.asked = map[v1.Key]*wantMemo{}, map[Ref]*haveMemo{}, map[string]*asked{}
	}
	if m.lists == nil || !m.source.same(src) {
		m.source, m.lists, m.versions = src, map[string][]*haveMemo{}, map[v1.Key]*versionMemo{}
	}
	if m.stated == nil || !sameSlice(m.entries, entries) {
		m.entries, m.stated = entries, byKind(all, entries)
	}
	m.run++
	m.used = 0
	return m.stated
}

// same reports whether another source has the same records.
func (s Source) same(o Source) bool {
	return s.Name == o.Name && s.Nonce == o.Nonce && bytes.Equal(s.Contents.Salt, o.Contents.Salt) && s.Contents.Digests == o.Contents.Digests &&
		sameMap(s.Adopted, o.Adopted) && sameMap(s.Made, o.Made) && sameMap(s.GivenUp, o.GivenUp) && sameMap(s.Others, o.Others) && sameMap(s.Partial, o.Partial)
}

// sameMap reports whether both are one map, and not only equal.
func sameMap[M ~map[K]V, K comparable, V any](a, b M) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// sameSlice reports whether both are one slice, and not only equal.
func sameSlice[E any](a, b []E) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
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
	w := &wantMemo{run: m.current(), made: m.current(), object: e.Object, kind: k}
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

// useAgain notes that the run uses the wants of the last run.
func (m *Memo) useAgain(wants []*wantMemo) {
	m.used += len(wants)
	for _, w := range wants {
		w.run = m.run
	}
}

// keepWants remembers wants that the run uses.
func (m *Memo) keepWants(wants []*wantMemo) {
	if m == nil {
		return
	}
	m.used += len(wants)
	for _, w := range wants {
		if w.made == m.run {
			m.wants[w.state.Key] = w
		}
	}
}

// dropWants forgets what the run has not used.
func (m *Memo) dropWants() {
	if m != nil && len(m.wants) > m.used {
		maps.DeleteFunc(m.wants, func(_ v1.Key, w *wantMemo) bool { return w.run != m.run })
	}
}

// versionMemo is the version that was chosen for a manifest, and what it was chosen by.
type versionMemo struct {
	run    uint64 // the run that used it last
	object v1.Object
	from   diff.From
	owned  []*Live
	// named are the live objects of the manifest's name and of a new version's name, if that counted.
	named [2]*Live
	chosen
}

// choose is version.choose with a memory. It may be called from several goroutines, for different manifests.
func (m *Memo) choose(v version) *versionMemo {
	key := v.entry.Object.Key()
	named := func(fresh string) [2]*Live {
		return [2]*Live{v.index.ByName(v.kind.Name, key.Name), v.index.ByName(v.kind.Name, fresh)}
	}
	if m != nil {
		if old := m.versions[key]; old != nil && !old.unsure && old.object == v.entry.Object && old.from == v.entry.From && slices.Equal(old.owned, v.owned) && old.named == named(old.fresh) {
			old.run = m.run
			return old
		}
	}
	c := v.choose()
	return &versionMemo{run: m.current(), object: v.entry.Object, from: v.entry.From, owned: v.owned, named: named(c.fresh), chosen: c}
}

// keepVersions remembers the versions that the run has chosen for the manifests of a kind, and no others of the kind.
func (m *Memo) keepVersions(kind string, chosen []*versionMemo) {
	if m == nil {
		return
	}
	for _, c := range chosen {
		if m.versions[c.Key] != c {
			m.versions[c.Key] = c
		}
	}
	maps.DeleteFunc(m.versions, func(key v1.Key, c *versionMemo) bool { return key.Kind == kind && c.run != m.run })
}

// identify is Source.Identify with a memory. The state has no leaves before normalise is called.
func (m *Memo) identify(k *Kind, src Source, l *Live) *haveMemo {
	by := src.identity(l)
	if m != nil {
		if old := m.haves[l.ref()]; old != nil && old.equal(by) {
			old.run = m.run
			return old
		}
	}
	key, meta := src.Identify(l)
	if k.Observe != nil {
		r := k.Observe(l, nil, nil)
		meta.Updated, meta.Distrust = r.State != "", r.RolledBack() || r.State == "paused"
	}
	meta.Unusable = k.Broken != nil && k.Broken(l) != ""
	h := &haveMemo{identity: by, run: m.current(), kind: k, state: diff.State{Key: key, Instance: l.Name, Meta: meta, Value: l}}
	if m != nil {
		m.haves[l.ref()] = h
	}
	return h
}

// normalise prepares the leaves. It does so again if the names of objects change that this one refers to by id. Such
// an object may have been listed later, and had no name before. It may be called from several goroutines, for
// different objects.
func (h *haveMemo) normalise(m *Memo, ix *Index) {
	h.index, h.named = ix, ix.named
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
	if !h.kind.Partial { // nobody makes an object of a partial kind again
		h.state.Meta.Unstated = h.live.unstatable()
	}
	h.state.Gen, h.state.Rest, h.state.Leaves = m.generation(), h, nil
	if h.kind.Versions != nil { // Haves may add leaves
		h.Restore(&h.state)
		h.state.Rest = nil
	}
}

// isNormal reports whether normalise would change nothing, because no object has come, gone or got another name.
func (h *haveMemo) isNormal(ix *Index) bool {
	return h.state.Gen != 0 && h.index == ix && h.named == ix.named
}

func (h *haveMemo) sameNames(ix *Index) bool {
	for i, r := range h.uses {
		if ix.NameOf(r.Kind, r.ID) != h.names[i] {
			return false
		}
	}
	return true
}

// list returns what the last run found of a kind, with n places for this run. The places after those are nil.
func (m *Memo) list(kind string, n int) []*haveMemo {
	if m == nil {
		return make([]*haveMemo, n)
	}
	list := slices.Grow(m.lists[kind], max(n-len(m.lists[kind]), 0))
	clear(list[min(n, len(list)):])
	list = list[:n]
	m.lists[kind] = list
	return list
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
