package kinds

import (
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Index finds live objects across kinds. It never changes during a run. Between runs, an object that was read again
// is put into its place, so that a run that reads few objects costs little.
type Index struct {
	uses   func(*Live) []Ref
	byID   map[Ref]*Live
	byName map[Ref][]*Live // here Ref.ID is the name; the first object is the one that is meant
	lists  map[string][]*Live
	at     map[Ref]int                    // where an object is in its list
	users  map[string]map[string][]v1.Key // by kind and id; most kinds are never referred to
	// named counts how often an object came, went, or got another name.
	named uint64
}

// NewIndex indexes what was read. uses returns what an object refers to. If two objects have the same name, the first
// counts, and an object of the swarm counts before a node's own.
func NewIndex(lists map[string][]*Live, uses func(*Live) []Ref) *Index {
	n := 0
	for _, list := range lists {
		n += len(list)
	}
	ix := &Index{uses: uses, byID: make(map[Ref]*Live, n), byName: make(map[Ref][]*Live, n), lists: map[string][]*Live{}, at: make(map[Ref]int, n), users: map[string]map[string][]v1.Key{}}
	for _, list := range lists {
		for _, l := range list {
			ix.add(l)
			by := v1.Key{Kind: l.Kind, Name: l.Name}
			for _, r := range uses(l) {
				ix.used(r, append(ix.Users(r.Kind, r.ID), by))
			}
		}
	}
	for _, users := range ix.users { // sorted once, because inserting each into its place copies the list each time
		for id, by := range users {
			slices.SortFunc(by, v1.Key.Compare)
			users[id] = slices.Compact(by)
		}
	}
	return ix
}

// Put adds an object as it is now. It takes the place of the object that had its id.
func (ix *Index) Put(l *Live) {
	old := ix.byID[l.ref()]
	if old == nil {
		ix.add(l)
		ix.use(l)
		return
	}
	ix.unuse(old)
	ix.byID[l.ref()] = l
	ix.lists[l.Kind][ix.at[l.ref()]] = l
	if old.Name == l.Name && old.Local == l.Local {
		names := ix.byName[Ref{l.Kind, l.Name}]
		names[slices.Index(names, old)] = l
	} else { // no engine lets an object be renamed; if one did, nothing would be lost
		ix.unname(old)
		ix.name(l)
	}
	ix.use(l)
}

// Drop removes an object that is gone.
func (ix *Index) Drop(kind, id string) {
	r := Ref{kind, id}
	old := ix.byID[r]
	if old == nil {
		return
	}
	ix.unuse(old)
	ix.unname(old)
	list, i := ix.lists[kind], ix.at[r]
	last := len(list) - 1
	list[i] = list[last]
	ix.at[list[i].ref()] = i
	list[last] = nil
	ix.lists[kind] = list[:last]
	delete(ix.at, r)
	delete(ix.byID, r)
}

func (ix *Index) add(l *Live) {
	ix.at[l.ref()] = len(ix.lists[l.Kind])
	ix.lists[l.Kind] = append(ix.lists[l.Kind], l)
	ix.byID[l.ref()] = l
	ix.name(l)
}

func (ix *Index) name(l *Live) {
	ix.named++
	at := Ref{l.Kind, l.Name}
	all := ix.byName[at]
	i := slices.IndexFunc(all, func(o *Live) bool { return o.Local })
	if l.Local || i < 0 {
		i = len(all)
	}
	ix.byName[at] = slices.Insert(all, i, l)
}

func (ix *Index) unname(l *Live) {
	ix.named++
	at := Ref{l.Kind, l.Name}
	names := ix.byName[at]
	if i := slices.Index(names, l); i >= 0 {
		names = slices.Delete(names, i, i+1)
	}
	if len(names) == 0 {
		delete(ix.byName, at)
		return
	}
	ix.byName[at] = names
}

// use and unuse keep which objects refer to what, sorted and each only once. An object may refer to another one in
// its spec and in the spec that a rollback would bring back.
func (ix *Index) use(l *Live) {
	by := v1.Key{Kind: l.Kind, Name: l.Name}
	for _, r := range ix.uses(l) {
		users := ix.Users(r.Kind, r.ID)
		if i, known := slices.BinarySearchFunc(users, by, v1.Key.Compare); !known {
			ix.used(r, slices.Insert(slices.Clip(users), i, by)) // callers that have the old list keep it
		}
	}
}

func (ix *Index) unuse(l *Live) {
	by := v1.Key{Kind: l.Kind, Name: l.Name}
	for _, r := range ix.uses(l) {
		users := ix.Users(r.Kind, r.ID)
		i, known := slices.BinarySearchFunc(users, by, v1.Key.Compare)
		namesake := slices.ContainsFunc(ix.byName[Ref{l.Kind, l.Name}], func(o *Live) bool { return o != l && slices.Contains(ix.uses(o), r) })
		switch {
		case !known || namesake:
		case len(users) == 1:
			delete(ix.users[r.Kind], r.ID)
		default:
			ix.used(r, slices.Delete(slices.Clone(users), i, i+1))
		}
	}
}

func (ix *Index) used(r Ref, by []v1.Key) {
	if ix.users[r.Kind] == nil {
		ix.users[r.Kind] = map[string][]v1.Key{}
	}
	ix.users[r.Kind][r.ID] = by
}

// Named returns a number that grows whenever an object comes, goes, or gets another name.
func (ix *Index) Named() uint64 { return ix.named }

// ByID returns a live object, or nil.
func (ix *Index) ByID(kind, id string) *Live { return ix.byID[Ref{kind, id}] }

// ByName returns a live object, or nil.
func (ix *Index) ByName(kind, name string) *Live {
	if all := ix.byName[Ref{kind, name}]; len(all) > 0 {
		return all[0]
	}
	return nil
}

// List returns all live objects of a kind, in no particular order.
func (ix *Index) List(kind string) []*Live { return ix.lists[kind] }

// Users returns the objects that refer to one, in their spec or in the spec that a rollback would bring back.
func (ix *Index) Users(kind, id string) []v1.Key { return ix.users[kind][id] }

// UsersOf returns the objects that refer to a live one, by its id or by its name.
func (ix *Index) UsersOf(l *Live) []v1.Key {
	named := ix.users[l.Kind][byName+l.Name]
	if l.Local || len(named) == 0 {
		return ix.users[l.Kind][l.ID]
	}
	out := slices.Concat(ix.users[l.Kind][l.ID], named)
	slices.SortFunc(out, v1.Key.Compare)
	return slices.Compact(out)
}

// Unknown returns the references by id to objects that were not read.
func (ix *Index) Unknown() []Ref {
	var out []Ref
	for kind, ids := range ix.users {
		for id := range ids {
			if ix.ByID(kind, id) == nil && !strings.HasPrefix(id, byName) {
				out = append(out, Ref{kind, id})
			}
		}
	}
	return out
}

// NameOf returns the name of the object with that id, or the id itself if the object is not known.
func (ix *Index) NameOf(kind, id string) string {
	if l := ix.ByID(kind, id); l != nil {
		return l.Name
	}
	return id
}
