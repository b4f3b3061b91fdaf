package manifests

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Set is what a source states.
type Set struct {
	// Name is the name that the source states for itself in .swarm-operator.yaml, or "".
	Name string
	// Defaults are what the source states there for all of its objects. The objects' policies include them already.
	Defaults v1.Defaults
	// Show are the names there whose values in git its reader may see although they look like names of secrets. * stands
	// for any text.
	Show []string
	// Entries are sorted by key.
	Entries []Entry
	// Held maps each object that a problem holds to the reason. These are objects whose values are wrong, and objects
	// that depend on them. They are among the Entries, and callers must not act on them. A manifest that stands for
	// other objects is here under its own key, although no entry has that key. The Entries may then lack some of its
	// objects. So callers must not conclude that an object was removed because no entry states it.
	Held map[v1.Key]string
	// Cut is true if there are more problems than Load lists. Held is by all of them.
	Cut bool
	// Notices name what is allowed but hardly meant. They are sorted like problems.
	Notices []v1.Problem
}

// Entry is one object and its place in the source.
type Entry struct {
	// Object is the object as stated, without defaults except the source's defaults of the policy. The content of a
	// file that it names is already in it. As long as its file does not change, it is the same pointer in each Set of
	// a Loader, so callers must not change it.
	Object v1.Object
	// From is the key of the manifest that stands for the object. It is empty if the object is a manifest itself.
	From v1.Key
	File string
	// Line is the first line of what states the object.
	Line int
	// document is what was parsed or made. It is nil if the entry was made otherwise.
	document *document
}

// Position is a place in a file of the source. Column is 0 if it is not known.
type Position struct {
	File         string
	Line, Column int
}

// String renders file:line.
func (p Position) String() string { return p.File + ":" + strconv.Itoa(p.Line) }

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

// Position returns the place of a field path such as spec.ports[0].target. If the field is not stated, Position returns
// the place of its nearest parent that is. A path may also name an element by its list key, as in
// spec.ports[8080/tcp].published.
func (e Entry) Position(path string) Position {
	if e.document == nil || e.document.marks == nil {
		return Position{File: e.File, Line: e.Line}
	}
	all := e.document.marks.all()
	at, _ := all.find(path, listKeys(e.Object))
	if e.document.positions != nil {
		return e.document.positions[at]
	}
	return Position{File: e.File, Line: int(all[at].line)}
}

// Stating returns the paths at which the manifest states a field, by the field's path without indexes, such as
// spec.ports[].mode. Keys of maps are written as v1.PathKey does. A short form states the fields that it stands for, and
// their path is its own: networks: [a] states spec.networks[].name at spec.networks[0].
func (e Entry) Stating(path string) []string {
	if e.document == nil {
		return nil
	}
	var out []string
	all := e.document.marks.all()
	for i := range all {
		at := int32(i)
		rest, ok := strings.CutPrefix(path, all.generic(at))
		if i == 0 || !ok {
			continue
		}
		if rest == "" || all.short(at, rest) && holds(lookup(reflect.ValueOf(e.Object), all.path(at)), rest) {
			out = append(out, all.path(at))
		}
	}
	return out
}

// refs returns what the object refers to.
func (e Entry) refs() []v1.Ref {
	if e.document == nil {
		return e.Object.Refs()
	}
	return e.document.refs
}

// states reports whether the manifest states a field.
func (e Entry) states(path string) bool {
	_, exact := unpack(e.document.marks.text).find(path, nil) // not to stay unpacked: it is asked of manifests without problems
	return exact
}
