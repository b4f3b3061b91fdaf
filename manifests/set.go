package manifests

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Set is what a source states.
type Set struct {
	// Name is the name that the source states for itself in .swarm-operator.yaml, or "".
	Name string
	// Defaults are what the source states there for all of its objects. The objects' policies include them already.
	Defaults v1.Defaults
	// Entries are sorted by key.
	Entries []Entry
	// Held maps each object that a problem holds to the reason: objects whose values are wrong, and objects that
	// depend on them. They are among the Entries, and callers must not act on them.
	Held map[v1.Key]string
	// Notices name what is allowed but hardly meant. They are sorted like problems.
	Notices []v1.Problem
}

// Entry is one object and its place in the source.
type Entry struct {
	// Object is the object as stated, without defaults except the source's defaults of the policy. The content of a
	// file that it names is already in it. As long as its file does not change, it is the same pointer in each Set of
	// a Loader, so callers must not change it.
	Object v1.Object
	File   string
	// Line is the first line of the object's document.
	Line  int
	marks marks
}

// Key returns the object's key.
func (e Entry) Key() v1.Key { return e.Object.Key() }

// Get returns the entry with that key. The second result is false if there is none.
func (s Set) Get(key v1.Key) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(s.Entries, key, func(e Entry, k v1.Key) int { return e.Key().Compare(k) })
	if !ok {
		return Entry{}, false
	}
	return s.Entries[i], true
}

// LineOf returns the line of a field path such as spec.ports[0].target. If the manifest does not state it, LineOf
// returns the line of its nearest parent that it does state. A path may also name an element by its list key, as in
// spec.ports[8080/tcp].published.
func (e Entry) LineOf(path string) int {
	if len(e.marks) == 0 {
		return e.Line
	}
	at, _ := e.marks.find(path, listKeys(e.Object))
	return int(e.marks[at].line)
}

// states reports whether the manifest states a field.
func (e Entry) states(path string) bool {
	_, exact := e.marks.find(path, nil)
	return exact
}
