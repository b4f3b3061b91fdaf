package diff

import (
	"slices"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Rule says how one type of leaf is compared and what a difference costs.
type Rule struct {
	Effect Effect
	// Allocated is true if the engine or a client chooses the value while the manifest is silent. Any live value then
	// agrees.
	Allocated bool
	// Equal, if it is set, replaces equality of the texts. It is asked only if both sides have the leaf.
	Equal func(have, want string) bool
	// Bare strips from a live text what the engine or a client added to the applied text, such as an image's digest.
	Bare func(have string) string
	// Nobody reports whether a key counts as a difference only if the manifest states it. Labels below com.docker are
	// such keys.
	Nobody func(key string) bool
	// SinceAPI is the oldest API version that knows the field, such as 1.44. It is "" if every version that we speak
	// to does.
	SinceAPI string
	// Values say what is special about some values.
	Values
	// Stays is true if the live value does not count as a difference while the manifest is silent, whoever set it.
	Stays bool
	// Merges is Stays for the keys of maps and lists of which the manifest states some. A key that it stated when it
	// was last applied, and does not state any more, is removed. So is a leaf that is Allocated too.
	Merges bool
	// Why says what keeps this one leaf from being written, if Effect is Forbidden. The other leaves of its object
	// are written.
	Why string
	// Intent is true if somebody who changes the leaf by hand means it. The change is reported, and undone only if
	// policy.enforce says so.
	Intent bool
	// Follows is the path of the leaf that decides this leaf's default, such as spec.mode. It is "" if there is none.
	Follows string
	// Unseen is true if the live object has no such leaf. The manifest's value is for the operator itself, and is
	// never a difference.
	Unseen bool
}

// Values say what is special about some values of a leaf, by value.
type Values struct {
	// SinceOf has the oldest API version for each value that not every version knows, such as 1.41 for the mode
	// replicated-job.
	SinceOf map[string]string
	// Least is what any write of a live object with the value costs at least, whatever it changes, unless the object is
	// made again.
	Least map[string]Effect
}

// since returns the oldest API version that knows a value of the leaf, and whether that is because of the value. It
// returns "" if every version that we speak to does.
func (r Rule) since(text string) (api string, value bool) {
	if api = r.SinceOf[text]; api != "" {
		return api, true
	}
	return r.SinceAPI, false
}

// Rules are the rules of a kind, by Leaf.Type. They are total, which a test of each kind proves.
type Rules map[string]Rule

// Newer returns the leaves of a live object that not every engine knows.
func (r Rules) Newer(leaves []Leaf) []Newer {
	var out []Newer
	for i := range leaves {
		if api, _ := r[leaves[i].Type].since(leaves[i].Text); api != "" {
			out = append(out, Newer{leaves[i].Path, api})
		}
	}
	return out
}

// NobodysLabel reports whether a label counts as a difference only if the manifest states it.
func NobodysLabel(key string) bool {
	return strings.HasPrefix(key, "com.docker.") || strings.HasPrefix(key, v1.LabelPrefix)
}

// Compare returns every difference between have and want, sorted. Objects match by kind and instance. An object that
// is only in have counts if the source owns it. An object that is in both and does not differ counts if the source
// does not own it. The states of a change are copies.
func Compare(have, want []*State, rules func(kind string) Rules) []Change {
	return new(Seen).Compare(have, want, rules)
}

// Seen remembers which object is compared with which, and which pairs did not differ, by the generations of their
// states. So neither has to be found again. It never changes what Compare returns.
type Seen struct {
	// have and want are what was compared last.
	have, want []*State
	// live says for each want where its live object is in have. It is -1 if there is none.
	live []int
	// alone are the places in have of the objects that no want is about.
	alone []int
	// equal has the generations of each want and its live object if they did not differ. It is zero otherwise.
	equal []generations
	fresh []Pair
}

// Pair names two states that did not differ, by the key of the want and the id of the live object.
type Pair struct {
	Want v1.Key
	ID   string
}

// Fresh returns the pairs that the last Compare found to be equal and had not known to be.
func (s *Seen) Fresh() []Pair { return s.fresh }

type id struct{ kind, instance string }

func (s *State) id() id { return id{s.Key.Kind, s.Instance} }

type generations struct{ have, want uint64 }

// Compare does the same as the function Compare, with a memory. It keeps both slices, but not their states: a state
// may change until the next call if its generation does.
func (s *Seen) Compare(have, want []*State, rules func(kind string) Rules) []Change {
	s.fresh = nil
	if !sameObjects(s.have, have) || !sameObjects(s.want, want) {
		s.match(have, want)
	}
	s.have, s.want = have, want
	var changes []Change
	for i, w := range want {
		var h *State
		if at := s.live[i]; at >= 0 {
			h = have[at]
		}
		var pair generations
		if h != nil && h.Gen != 0 && w.Gen != 0 {
			if pair = (generations{h.Gen, w.Gen}); s.equal[i] == pair {
				continue
			}
		}
		c, differs := comparePair(h, w, rules(w.Key.Kind))
		if differs {
			changes = append(changes, c)
		}
		if differs || pair.have == 0 {
			s.equal[i] = generations{}
		} else {
			s.equal[i] = pair
			s.fresh = append(s.fresh, Pair{w.Key, h.Meta.ID})
		}
	}
	for _, at := range s.alone {
		if h := have[at]; h.Meta.Mine {
			changes = append(changes, Change{Op: Remove, Key: h.Key, Instance: h.Instance, Effect: Recreate, Have: h.copied()})
		}
	}
	slices.SortFunc(changes, Change.Compare)
	return changes
}

// sameObjects reports whether two lists are about the same objects in the same order, whatever they say of them.
func sameObjects(a, b []*State) bool {
	return slices.EqualFunc(a, b, func(a, b *State) bool { return a == b || a.id() == b.id() })
}

// match finds out which live object each want is about. It keeps what is known of pairs. Only a run in which an object
// came or went needs it.
func (s *Seen) match(have, want []*State) {
	known := make(map[id]generations, len(s.want))
	for i, w := range s.want {
		known[w.id()] = s.equal[i]
	}
	live, wanted := make(map[id]int, len(have)), make(map[id]bool, len(want))
	for i, h := range have {
		live[h.id()] = i
	}
	s.live, s.equal, s.alone = make([]int, len(want)), make([]generations, len(want)), nil
	for i, w := range want {
		at, there := live[w.id()]
		if !there {
			at = -1
		}
		s.live[i], s.equal[i], wanted[w.id()] = at, known[w.id()], true
	}
	for i, h := range have {
		if !wanted[h.id()] {
			s.alone = append(s.alone, i)
		}
	}
}

func comparePair(h, w *State, rules Rules) (Change, bool) {
	if h != nil && h.Meta.Mine && Alike(h.Normal, w.Normal, rules, h.Meta.Applied) {
		return Change{}, false
	}
	h, w = h.copied(), w.copied()
	c := Change{Key: w.Key, Instance: w.Instance, Have: h, Want: w}
	if h == nil {
		c.Op, c.Effect = Create, InPlace
		c.Fields = make([]Field, 0, len(w.Leaves))
		for i := range w.Leaves {
			if l := &w.Leaves[i]; l.Stated && !rules[l.Type].Unseen {
				f := Field{Path: l.Path, Want: valueOf(*l, true), Git: w.Gone == nil, Hand: w.Gone != nil, Effect: InPlace}
				f.SinceAPI, f.SinceValue = rules[l.Type].since(l.Text)
				c.Fields = append(c.Fields, f)
			}
		}
		return c, true
	}
	c.Fields = compareLeaves(h, w, rules)
	counted := false
	for _, f := range c.Fields {
		if !f.Ignored {
			counted = true
			c.Effect = max(c.Effect, f.Effect)
		}
	}
	switch {
	case counted && c.Effect == Recreate:
		c.Op, c.Newer = Replace, rules.Newer(h.Leaves)
	case counted:
		c.Op, c.Newer = Update, rules.Newer(h.Leaves)
	default:
		c.Op = Same
		return c, !h.Meta.Mine || len(c.Fields) > 0
	}
	return c, true
}

// compareLeaves merges the two sorted lists, and returns the leaves that differ.
func compareLeaves(h, w *State, rules Rules) []Field {
	var fields []Field
	i, j := 0, 0
	for i < len(h.Leaves) || j < len(w.Leaves) {
		var hl, wl *Leaf
		switch {
		case j == len(w.Leaves) || (i < len(h.Leaves) && h.Leaves[i].Path < w.Leaves[j].Path):
			hl = &h.Leaves[i]
			i++
		case i == len(h.Leaves) || w.Leaves[j].Path < h.Leaves[i].Path:
			wl = &w.Leaves[j]
			j++
		default:
			hl, wl = &h.Leaves[i], &w.Leaves[j]
			i, j = i+1, j+1
		}
		if f, differs := compareLeaf(hl, wl, h, w, rules); differs {
			fields = append(fields, f)
		}
	}
	if len(fields) > 0 && !slices.ContainsFunc(fields, func(f Field) bool { return f.Effect == Recreate && !f.Ignored }) {
		least := rules.least(h)
		for i := range fields {
			fields[i].Effect = max(fields[i].Effect, least)
		}
	}
	return fields
}

// least returns what any write of a live object costs at least.
func (r Rules) least(h *State) Effect {
	least := NoEffect
	for i := range h.Leaves {
		least = max(least, r[h.Leaves[i].Type].Least[h.Leaves[i].Text])
	}
	return least
}

func compareLeaf(hl, wl *Leaf, h, w *State, rules Rules) (Field, bool) {
	l := wl
	if l == nil {
		l = hl
	}
	rule, stated := rules[l.Type], wl != nil && wl.Stated
	switch {
	case rule.Unseen:
		return Field{}, false
	case !stated && (rule.Allocated && !rule.Merges || rule.Stays || rule.Merges && w.Exact == "" && !h.Meta.Applied.Has(l.Path)):
		return Field{}, false
	case !stated && rule.Nobody != nil && rule.Nobody(l.Key) && !h.Meta.Applied.Has(l.Path):
		return Field{}, false
	case hl != nil && wl != nil && (hl.Text == wl.Text || (rule.Equal != nil && rule.Equal(hl.Text, wl.Text))):
		return Field{}, false
	}
	f := Field{Path: l.Path, Effect: rule.Effect, Why: rule.Why, Ignored: Ignored(l.Path, w.Policy.IgnoreDifferences)}
	if hl != nil {
		f.Have = valueOf(*hl, h.Meta.Applied.Is(*hl))
	}
	if wl != nil {
		f.Want, f.Have.beside = valueOf(*wl, true), wl.Text
		f.SinceAPI, f.SinceValue = rule.since(wl.Text)
	}
	f.Git, f.Hand = attribute(l, hl, wl, h, w, rule)
	if !stated && w.Exact != "" && !h.Meta.Applied.Has(l.Path) && !h.Meta.Applied.Has(w.Exact) { // git has just asked for exact, so the removal of what others set is git's doing
		f.Git, f.Hand = true, false
	}
	if f.Intent = rule.Intent; f.Effect == StartsTasks && numberOf(wl) <= numberOf(hl) {
		f.Effect = InPlace
	}
	return f, true
}

// numberOf returns the number that a leaf has. It returns 0 if there is no such leaf.
func numberOf(l *Leaf) uint64 {
	if l == nil {
		return 0
	}
	n, _ := strconv.ParseUint(l.Text, 10, 64) // a leaf of which more start tasks is a number
	return n
}

// Ignored reports whether a path is one of the prefixes or below one of them.
func Ignored(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		rest, ok := strings.CutPrefix(path, p)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// Differs reports whether a live state differs from a want in a field that counts.
func Differs(have, want *State, rules Rules) bool {
	return slices.ContainsFunc(compareLeaves(have.Whole(), want.Whole(), rules), func(f Field) bool { return !f.Ignored })
}

// DifferingFields returns what differs between one live state and one want, ignored fields included.
func DifferingFields(have, want *State, rules Rules) []Field {
	return compareLeaves(have.Whole(), want.Whole(), rules)
}
