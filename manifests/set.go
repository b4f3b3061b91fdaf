package manifests

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Set is what a source states.
type Set struct {
	// Name is the source's own name for itself, from .swarm-operator.yaml, or "".
	Name string
	// Defaults are what it states for all of its objects there. They are in the objects' policies.
	Defaults v1.Defaults
	// Entries are sorted by key.
	Entries []Entry
	// Held are the objects that problems hold, each with why: those whose values are wrong, and those that depend on them. They
	// are among the Entries, and must not be acted on.
	Held map[v1.Key]string
	// Notices name what is allowed and hardly meant, sorted as problems are.
	Notices []v1.Problem
}

// Entry is one object and where it stands.
type Entry struct {
	// Object is as stated, not defaulted, but for the source's defaults of the policy. The content of a file that it names is already in it. As long as its file does not
	// change it is the same pointer in each Set of a Loader: it must not be changed.
	Object v1.Object
	File   string
	// Line is the first line of the object's document.
	Line  int
	marks marks
}

// Key returns the object's key.
func (e Entry) Key() v1.Key { return e.Object.Key() }

// Get returns the entry of that key.
func (s Set) Get(key v1.Key) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(s.Entries, key, func(e Entry, k v1.Key) int { return e.Key().Compare(k) })
	if !ok {
		return Entry{}, false
	}
	return s.Entries[i], true
}

// LineOf returns the line of a field path such as spec.ports[0].target, or of its nearest parent that the manifest
// states. An element may also be named by its list key, as in spec.ports[8080/tcp].published.
func (e Entry) LineOf(path string) int {
	if len(e.marks) == 0 {
		return e.Line
	}
	at, _ := e.marks.find(path, listKeys(e.Object))
	return int(e.marks[at].line)
}

// states says that the manifest states a field.
func (e Entry) states(path string) bool {
	_, exact := e.marks.find(path, nil)
	return exact
}
