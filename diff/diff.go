// Package diff compares what a source wants with what the swarm has, leaf by leaf. It says for each difference what
// it would cost and whose doing it is.
//
// It is pure: no clock, no context, no input or output. The same input gives the same bytes.
package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Op is what happens to an object. It prints as its sign.
type Op rune

// The operations.
const (
	Same    Op = ' ' // nothing differs that counts: the object is not ours yet, or all differences are ignored
	Create  Op = '+'
	Update  Op = '~'
	Remove  Op = '-'
	Replace Op = '±' // removed and made again, because the engine cannot change it in place
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

// Effect is the most that a change may cost.
type Effect uint8

// The effects, least first.
const (
	NoEffect      Effect = iota
	InPlace              // no task notices
	StartsTasks          // more tasks run, and those that run go on; in a rule, if the number is greater
	RestartsTasks        // every task of the service is replaced, as its update config says
	RunsAgain            // the job runs again, all of it
	Recreate             // the object must be removed and made again
	Forbidden            // the engine refuses it, and so do we
)

func (e Effect) String() string {
	return [...]string{"none", "in place", "in place", "restarts tasks", "runs the job again", "recreates", "forbidden"}[e]
}

// Meta is what is known of a live object besides its spec.
type Meta struct {
	ID      string
	Version uint64
	// Mine is true if the source owns the object, by its label or by our record of it.
	Mine bool
	// Owner is the owner label as it was found, whoever wrote it.
	Owner string
	// Title says by what right the object is ours.
	Title Title
	// Lost is true if the object is ours by record, and somebody took our labels off. The object then does not tell
	// what was last applied.
	Lost bool
	// Applied has the digests of the values that were last applied, from the label or from the record of the
	// adoption.
	Applied Applied
	Foreign
	// Stack is the stack by which docker knows the object. It is "" if there is none.
	Stack string
	Standing
	Created time.Time
	// OldVersion is true if a newer version of the same manifest has replaced this content.
	OldVersion bool
	// UsedBy are the services whose spec or previous spec refers to the object.
	UsedBy []v1.Key
}

// Standing says how far the swarm has come with what was last asked of a live object.
type Standing struct {
	// Updated is true if the engine says how the object's last update stands.
	Updated bool
	// Distrust is true if the spec was rolled back or its update is paused. Applied then does not tell whose doing a
	// difference is.
	Distrust bool
	// Unusable is true if nothing can use the object, and never could: the swarm has not finished making it. What it lacks
	// is then nobody's doing.
	Unusable bool
}

// Foreign are settings of a live object that others made and that no manifest can state.
type Foreign struct {
	// Unknown are keys of the live spec that our types do not know or cannot read. A write would drop them.
	Unknown []string
	// Unread are those of Unknown whose text is no value of their type, and that belong to a field of a manifest.
	Unread []Unread
	// Unstated are the live object's settings that no manifest can state, by path. No write drops them.
	Unstated []string
}

// Unread is a text in a live spec that is no value of its type, such as the name of a host where an address must be.
type Unread struct {
	// Key is the key of the live spec, as in Foreign.Unknown.
	Key string
	// Path is the field of a manifest that it belongs to. A write of that field replaces all of it.
	Path string
	Text string
}

// Title is the right by which an object is ours.
type Title uint8

const (
	// TitleMade means that we made it, as far as anybody knows.
	TitleMade Title = iota
	// TitleAdopted means that others made it as its manifest says, and that it is on our record.
	TitleAdopted
	// TitleTaken means that others made it otherwise than its manifest says, so that we took it over with a write.
	// Changes by hand are undone as if we had made it. Its removal needs what the removal of an adopted object needs.
	TitleTaken
	// TitleCopied means that it carries our labels, but that we neither made it nor took it over.
	TitleCopied
)

// From is the place in a file that a want came from.
type From struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// State is one object in normal form. On the want side it is what the manifest asks for, on the have side what the
// swarm has.
type State struct {
	Key v1.Key
	// Instance is the name in the swarm. It differs from Key.Name for versions of configs and secrets.
	Instance string
	// Leaves are the normal form, sorted by path.
	Leaves []Leaf
	// Uses are the keys of the objects that must exist before this one.
	Uses []v1.Key
	// DependsOn are the keys of the objects that must be ready before this one changes.
	DependsOn []v1.Key
	From      From
	// Partial is true, on the want side, if what is not stated stays as it is. Such an object needs no taking over
	// and is never removed.
	Partial bool
	// Exact is the path of the manifest field that asks for exact matching. If set, map keys and list items that
	// others added are removed; otherwise they are kept. It is used only if Partial is true.
	Exact string
	// Blocked, on the want side, says why nothing may be written, whatever differs. "" means that nothing blocks it.
	Blocked string
	// Awaited reports whether Blocked will clear without anyone acting, for example when a node joins. Nothing else
	// waits for it.
	Awaited bool
	// Unmatched reports whether Blocked says that the manifest matches no live object, and nothing in git will make
	// one. A person has to know that. Nothing else waits for it.
	Unmatched bool
	Meta      Meta
	// Gone, on the want side, is set if the source had made or adopted the object and somebody removed it while its
	// manifest stayed.
	Gone *Gone
	// Start, on the want side, is what the object is made from, in its kind's own form. It is set if the object was
	// there before with settings that no manifest states. nil means that it is made from the manifest alone.
	Start any
	// Lost, on the want side, are settings of the object that no manifest can state, by path. Somebody removed the
	// object, and nothing has these settings any more.
	Lost []string
	// Stack, on the want side, is the stack by which docker knew the object before somebody removed it. It is "" if
	// there was none.
	Stack string
	// Policy is the manifest's policy, on the want side.
	Policy v1.Policy
	// Value is the object in its kind's own type, for its driver.
	Value any
	// Note explains a version to people.
	Note string
	// Gen stands for all that Compare looks at: two states of one object that have the same Gen look the same to
	// Compare. Zero stands for nothing.
	Gen uint64
	// Rest brings back the leaves and the value, which are not kept while nothing differs. nil means that they are
	// there.
	Rest Rest
	// Normal, if it is set, is the object that the leaves are made of. If two of them are the same, nobody needs the
	// leaves.
	Normal Normal
}

// Gone is what is recorded of an object that somebody removed.
type Gone struct {
	// Adopted is true if the source had not made the object.
	Adopted bool
}

// Normal is an object in normal form.
type Normal struct {
	Shape  Shape
	Object any
}

// Rest restores what a State does not keep while nothing differs: its leaves and, of a want, the value.
type Rest interface{ Restore(*State) }

// Whole brings back what the state left out, and returns the state.
func (s *State) Whole() *State {
	if s != nil && s.Rest != nil {
		s.Rest.Restore(s)
		s.Rest = nil
	}
	return s
}

// copied returns a copy with all that the state left out, or nil for nil. What is remembered of the state may change
// afterwards.
func (s *State) copied() *State {
	if s == nil {
		return nil
	}
	c := *s
	return c.Whole()
}

// Format writes the name of the state and nothing of its content, because its leaves may hold secrets.
func (s *State) Format(f fmt.State, _ rune) {
	if s == nil {
		_, _ = fmt.Fprint(f, "(none)")
		return
	}
	_, _ = fmt.Fprintf(f, "%s[%s]", s.Key, s.Instance)
}

// Leaf returns the leaf at a path. It returns false if there is none.
func (s *State) Leaf(path string) (Leaf, bool) {
	i, ok := slices.BinarySearchFunc(s.Whole().Leaves, path, func(l Leaf, p string) int { return strings.Compare(l.Path, p) })
	if !ok {
		return Leaf{}, false
	}
	return s.Leaves[i], true
}

// Digest returns a digest of the leaves that the state states. It does not depend on the defaults of this release.
func (s *State) Digest() string { return statedDigest(s.Instance, s.Whole().Leaves) }

// Field is one leaf that differs.
type Field struct {
	Path string
	Have Value
	Want Value
	// Git is true if the manifest changed since it was last applied, and Hand if the live object did. Both may be
	// true.
	Git    bool
	Hand   bool
	Effect Effect
	// Ignored is true if policy.ignoreDifferences names the field. The field is then neither written nor counted.
	Ignored bool
	// SinceAPI is the oldest API version that knows the field and the wanted value. It is "" if every version that we
	// speak to does. SinceValue is true if that is because of the value: older versions know other values.
	SinceAPI   string
	SinceValue bool
	// Why says why the field cannot be written, although the others of its object can. It is "" if the field can be
	// written.
	Why string
	// Intent is true if somebody who changes the field by hand means it.
	Intent bool
}

// Change is an object that differs. If Op is Same, the object is not ours yet, or all its differences are ignored.
type Change struct {
	Op       Op
	Key      v1.Key
	Instance string
	Effect   Effect
	Fields   []Field
	Have     *State
	Want     *State
	// Newer are the settings of the live object that not every engine knows, whether they differ or not. They are set if
	// the object is updated or replaced. An engine that does not know one of them drops it, whatever is written.
	Newer []Newer
}

// Newer is a setting that only newer engines know.
type Newer struct {
	Path string
	// SinceAPI is the oldest API version that knows it.
	SinceAPI string
}

// Removed reports whether somebody removed the object by hand, so that making it again undoes that.
func (c Change) Removed() bool { return c.Op == Create && c.Want != nil && c.Want.Gone != nil }

// Doing reports whether the change is git's doing and whether it is a hand's. It may be both.
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
	if !slices.ContainsFunc(c.Fields, func(f Field) bool { return f.Ignored }) {
		return slices.Clip(c.Fields)
	}
	return slices.DeleteFunc(slices.Clone(c.Fields), func(f Field) bool { return f.Ignored })
}

// Paths is a set of field paths.
type Paths struct {
	all    bool
	sorted []string
}

// NewPaths returns the paths of the fields.
func NewPaths(fields []Field) Paths {
	p := Paths{sorted: make([]string, 0, len(fields))}
	for _, f := range fields {
		p.sorted = append(p.sorted, f.Path)
	}
	slices.Sort(p.sorted)
	return p
}

// StatedPaths returns the paths of the leaves that a manifest states. They are sorted, as leaves are.
func StatedPaths(leaves []Leaf) Paths {
	p := Paths{sorted: make([]string, 0, len(leaves))}
	for i := range leaves {
		if leaves[i].Stated {
			p.sorted = append(p.sorted, leaves[i].Path)
		}
	}
	return p
}

// AllPaths returns a set that has every path. It is for objects that are new.
func AllPaths() Paths { return Paths{all: true} }

// Has reports whether the path is in the set.
func (p Paths) Has(path string) bool {
	_, ok := slices.BinarySearch(p.sorted, path)
	return p.all || ok
}

// Any reports whether the path or one below it is in the set.
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
