// Package diff thinks: it compares what a source wants with what the swarm has, leaf by leaf, and says for each
// difference what it would cost and whose doing it is.
//
// It is pure: no clock, no context, no input or output. The same input gives the same bytes.
package diff

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Op is what happens to an object. It prints itself.
type Op rune

// The operations.
const (
	Same    Op = ' ' // nothing differs, and the object is not ours yet
	Create  Op = '+'
	Update  Op = '~'
	Remove  Op = '-'
	Replace Op = '±' // removed and made anew, because the engine cannot change it in place
)

func (o Op) String() string { return string(o) }

// Word returns the operation for metrics and JSON.
func (o Op) Word() string {
	switch o {
	case Create:
		return "create"
	case Update:
		return "update"
	case Remove:
		return "remove"
	case Replace:
		return "replace"
	default:
		return "none"
	}
}

// MarshalJSON renders the word.
func (o Op) MarshalJSON() ([]byte, error) { return json.Marshal(o.Word()) }

// Effect is the most that a change may cost.
type Effect uint8

// The effects, least first.
const (
	NoEffect      Effect = iota
	InPlace              // no task notices
	RestartsTasks        // every task of the service is replaced, as its update config says
	Recreate             // the object must be removed and made anew
	Forbidden            // the engine refuses it, and so do we
)

func (e Effect) String() string {
	return [...]string{"none", "in place", "restarts tasks", "recreates", "forbidden"}[e]
}

// MarshalJSON renders the text.
func (e Effect) MarshalJSON() ([]byte, error) { return json.Marshal(e.String()) }

// Value is one side of a difference. It shows itself only where it is no secret.
type Value struct {
	text   string
	set    bool
	hidden bool
}

// NewValue returns a value that shows text.
func NewValue(text string) Value { return Value{text: text, set: true} }

// HiddenValue returns a value that is there and is never shown, not even on demand.
func HiddenValue() Value { return Value{set: true, hidden: true} }

// Set says whether there is a value at all.
func (v Value) Set() bool { return v.set }

// Hidden says that the value must not be shown.
func (v Value) Hidden() bool { return v.hidden }

// Reveal returns the text whether it is hidden or not: for a terminal whose user asked, never for logs or reports.
func (v Value) Reveal() string { return v.text }

func (v Value) String() string {
	switch {
	case !v.set:
		return "(none)"
	case v.hidden:
		return v1.Hidden
	default:
		return v.text
	}
}

// Format shows no secret, whatever the verb.
func (v Value) Format(f fmt.State, verb rune) {
	if verb != 'q' {
		verb = 's'
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), v.String())
}

// MarshalJSON renders null for none, and no secret.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.set {
		return []byte("null"), nil
	}
	return json.Marshal(v.String())
}

// Meta is what is known of a live object beside its spec.
type Meta struct {
	ID      string
	Version uint64
	// Mine: the source owns the object, by its label or by our record of having adopted it.
	Mine bool
	// Owner is the owner label as found, whoever wrote it.
	Owner string
	// Adopted: ours by record, not made by us.
	Adopted bool
	// Lost: ours by record, and somebody took our labels off. What was last applied is then not known from the object.
	Lost bool
	// Copied: it carries our labels, and the source did not make it and did not adopt it.
	Copied bool
	// Applied holds the digests of what was last applied, from the label or from the record of the adoption.
	Applied Applied
	// Unknown are keys of the live spec that our types do not know: a write would drop them.
	Unknown []string
	// Unstated are the live object's settings that no manifest can state, by path. Writes keep them.
	Unstated []string
	// Updated: the engine says how its last update stands.
	Updated bool
	// Distrust: the spec was rolled back or is paused, so Applied says nothing about whose doing a difference is.
	Distrust bool
	Created  time.Time
	// OldVersion: content that a newer version of the same manifest has replaced.
	OldVersion bool
	// UsedBy are the services whose spec or previous spec refers to it.
	UsedBy []v1.Key
}

// From is where a want came from.
type From struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// State is one object in normal form: on the want side as the manifest asks, on the have side as the swarm has it.
type State struct {
	Key v1.Key
	// Instance is the name in the swarm. It differs from Key.Name for versions of configs and secrets.
	Instance string
	// Leaves are the normal form, sorted by path.
	Leaves []Leaf
	// Uses are the keys of the objects that this one needs to exist before it.
	Uses []v1.Key
	// DependsOn are the keys that must be ready before this one changes.
	DependsOn []v1.Key
	From      From
	// Partial, on the want side: what is not stated stays as it is, so the object needs no taking over and is never removed.
	Partial bool
	// Exact, of a partial want, is the leaf that says so: keys that others set go, of maps and lists that are merged else.
	Exact string
	// Blocked, on the want side, says why nothing may be written, whatever differs.
	Blocked string
	// Awaited: what blocks it ends by itself, as when a node joins, and nobody waits for it.
	Awaited bool
	// Unmatched reports whether Blocked says that no live object is the one meant, and that nothing in git will make it.
	// Somebody has to know, and nothing else waits for it.
	Unmatched bool
	Meta      Meta
	// Gone, on the want side: the source had made or adopted the object, and somebody removed it while its manifest said the same.
	Gone *Gone
	// Start, on the want side, is what the object is made from, in its kind's own form: it was there before, with settings that no
	// manifest states. Nil: it is made from the manifest alone.
	Start any
	// Lost, on the want side, are settings of the object that no manifest can state, by path: somebody removed it, and nothing has them
	// any more.
	Lost []string
	// Policy is the manifest's, on the want side.
	Policy v1.Policy
	// Value is the object in its kind's own type, for its driver.
	Value any
	// Note explains a version, for people.
	Note string
	// Gen is the same for two states of one object that are the same in all that Compare looks at. Zero: nothing is known.
	Gen uint64
	// Rest, where it is set, has the leaves and the value, which are not kept while nothing differs.
	Rest Rest
	// Normal, where it is set, is what the leaves are of: of two that are the same nobody needs them.
	Normal Normal
}

// Gone is what is on record of an object that somebody removed.
type Gone struct {
	// Adopted: the source had not made it.
	Adopted bool
}

// Normal is an object in normal form.
type Normal struct {
	Shape  Shape
	Object any
}

// Rest brings back what a state left out.
type Rest interface{ Restore(*State) }

// Whole is the state with all that belongs to it.
func (s *State) Whole() *State {
	if s != nil && s.Rest != nil {
		s.Rest.Restore(s)
		s.Rest = nil
	}
	return s
}

// Format names the state and shows nothing of it: its leaves may hold secrets.
func (s *State) Format(f fmt.State, _ rune) {
	if s == nil {
		_, _ = fmt.Fprint(f, "(none)")
		return
	}
	_, _ = fmt.Fprintf(f, "%s[%s]", s.Key, s.Instance)
}

// Leaf returns the leaf at a path.
func (s *State) Leaf(path string) (Leaf, bool) {
	i, ok := slices.BinarySearchFunc(s.Whole().Leaves, path, func(l Leaf, p string) int { return strings.Compare(l.Path, p) })
	if !ok {
		return Leaf{}, false
	}
	return s.Leaves[i], true
}

// Digest identifies what the state states, whatever the defaults of this release are.
func (s *State) Digest() string { return statedDigest(s.Instance, s.Whole().Leaves) }

// Field is one leaf that differs.
type Field struct {
	Path string `json:"path"`
	Have Value  `json:"have"`
	Want Value  `json:"want"`
	// Git: the manifest changed since it was last applied. Hand: the live object did. Both may be true.
	Git    bool   `json:"git"`
	Hand   bool   `json:"hand"`
	Effect Effect `json:"effect"`
	// Ignored: policy.ignoreDifferences names it; it is neither written nor counted.
	Ignored bool `json:"ignored,omitempty"`
	// SinceAPI is the least API version that knows the field; "" for all that we speak to.
	SinceAPI string `json:"sinceAPI,omitempty"`
	// Why: the field cannot be written, and the others of its object can.
	Why string `json:"why,omitempty"`
	// Intent: a hand that changes it means it.
	Intent bool `json:"-"`
}

// Change is an object that differs, or that is not ours yet (Same).
type Change struct {
	Op       Op
	Key      v1.Key
	Instance string
	Effect   Effect
	Fields   []Field
	Have     *State
	Want     *State
}

// Removed reports whether somebody removed the object by hand: to make it again is to undo that.
func (c Change) Removed() bool { return c.Op == Create && c.Want != nil && c.Want.Gone != nil }

// Doing says whose doing the change is: git's, a hand's, or both.
func (c Change) Doing() (git, hand bool) {
	git, hand = (c.Op == Create || c.Op == Remove) && !c.Removed(), c.Removed()
	for _, f := range c.Fields {
		git, hand = git || f.Git, hand || f.Hand
	}
	return git, hand
}

// Compare orders changes by key, then instance, then operation.
func (c Change) Compare(o Change) int {
	return cmp.Or(c.Key.Compare(o.Key), strings.Compare(c.Instance, o.Instance), cmp.Compare(c.Op, o.Op))
}

// Counted returns the fields that are not ignored.
func (c Change) Counted() []Field {
	out := make([]Field, 0, len(c.Fields))
	for _, f := range c.Fields {
		if !f.Ignored {
			out = append(out, f)
		}
	}
	return out
}

// Paths is a set of field paths.
type Paths struct {
	all    bool
	sorted []string
}

// NewPaths returns the paths of fields.
func NewPaths(fields []Field) Paths {
	p := Paths{sorted: make([]string, 0, len(fields))}
	for _, f := range fields {
		p.sorted = append(p.sorted, f.Path)
	}
	slices.Sort(p.sorted)
	return p
}

// AllPaths holds every path: for what is new.
func AllPaths() Paths { return Paths{all: true} }

// Has says whether the path is in the set.
func (p Paths) Has(path string) bool {
	_, ok := slices.BinarySearch(p.sorted, path)
	return p.all || ok
}

// Any says whether the path or one below it is in the set.
func (p Paths) Any(prefix string) bool {
	if p.all {
		return true
	}
	i, _ := slices.BinarySearch(p.sorted, prefix)
	for ; i < len(p.sorted) && strings.HasPrefix(p.sorted[i], prefix); i++ {
		if rest := p.sorted[i][len(prefix):]; rest == "" || rest[0] == '.' || rest[0] == '[' {
			return true
		}
	}
	return false
}
