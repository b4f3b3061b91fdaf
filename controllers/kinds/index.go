package kinds

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Index finds live objects across kinds. It is built once a run and never changed.
type Index struct {
	byID   map[Ref]*Live
	byName map[Ref]*Live // Ref.ID is the name here
	lists  map[string][]Live
	users  map[Ref][]v1.Key
}

// NewIndex indexes what was read. uses is each kind's own.
func NewIndex(lists map[string][]Live, uses func(Live) []Ref) *Index {
	ix := &Index{byID: map[Ref]*Live{}, byName: map[Ref]*Live{}, lists: lists, users: map[Ref][]v1.Key{}}
	for kind, list := range lists {
		for i := range list {
			l := &list[i]
			ix.byID[Ref{kind, l.ID}] = l
			// Two of one name: a kind lists what counts first, as networks of the swarm before a node's own.
			if _, taken := ix.byName[Ref{kind, l.Name}]; !taken {
				ix.byName[Ref{kind, l.Name}] = l
			}
			for _, r := range uses(*l) {
				ix.users[r] = append(ix.users[r], v1.Key{Kind: kind, Name: l.Name})
			}
		}
	}
	for r, keys := range ix.users {
		slices.SortFunc(keys, v1.Key.Compare)
		ix.users[r] = slices.Compact(keys)
	}
	return ix
}

// ByID returns a live object, or nil.
func (ix *Index) ByID(kind, id string) *Live { return ix.byID[Ref{kind, id}] }

// ByName returns a live object, or nil.
func (ix *Index) ByName(kind, name string) *Live { return ix.byName[Ref{kind, name}] }

// List returns all live objects of a kind.
func (ix *Index) List(kind string) []Live { return ix.lists[kind] }

// Users returns the objects that refer to one, in what they are or in what a rollback would make of them.
func (ix *Index) Users(kind, id string) []v1.Key { return ix.users[Ref{kind, id}] }

// NameOf returns the name of the object with that id, or the id itself where it is not known.
func (ix *Index) NameOf(kind, id string) string {
	if l := ix.ByID(kind, id); l != nil {
		return l.Name
	}
	return id
}
