package manifests

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// check is the last stage of a Load. It looks at the objects together: it finds objects that are stated twice and
// objects that contradict each other, and says which objects problems hold.
func (r *reading) check(set *Set) {
	set.Entries = r.unique(set.Entries)
	r.relations(*set)
	if rules := r.parser.options.Rules; rules != nil {
		problems, notices := rules(*set)
		for _, p := range problems {
			r.problems = append(r.problems, clean(p))
		}
		set.notice(notices)
	}
	set.Held = r.held(*set)
}

// unique sorts entries by key. For each key it keeps the first entry and reports the others.
func (r *reading) unique(entries []Entry) []Entry {
	byKey := func(a, b Entry) int { return a.Key().Compare(b.Key()) }
	if !slices.IsSortedFunc(entries, byKey) { // often the order of the files is already the order of the objects
		slices.SortStableFunc(entries, byKey)
	}
	out := entries[:0]
	for _, e := range entries {
		if len(out) > 0 && out[len(out)-1].Key() == e.Key() {
			r.twice(e, out[len(out)-1])
			continue
		}
		out = append(out, e)
	}
	return out
}

// twice reports an entry whose key another one has.
func (r *reading) twice(e, first Entry) {
	r.of(e, "metadata.name", "another manifest states this object too (%s): remove or rename one of them", first.Position("metadata.name"))
}

// relations reports problems between objects that are each right on their own.
func (r *reading) relations(set Set) {
	for _, e := range set.Entries {
		before := len(r.problems)
		for _, ref := range e.refs() {
			if n := len(r.problems); n <= r.most() && n-before < r.limits().Problems {
				r.reference(set, e, ref)
			}
		}
		r.differences(e)
	}
	if len(r.problems) <= r.most() {
		r.cycles(set)
		r.names(set)
		r.ports(set)
		r.subnets(set)
		r.nodes(set)
	}
}

func (r *reading) reference(set Set, e Entry, ref v1.Ref) {
	if ref.Key.Name == "" {
		return // Validate reports that
	}
	if r.target(set, ref.Key).stated {
		return
	}
	kind, known := r.parser.options.kind(ref.Key.Kind)
	if !known {
		r.at(e, ref.Path, "%s: kind %s is not known%s", quoteText(ref.Key.String()), quoteText(ref.Key.Kind), v1.DidYouMean(ref.Key.Kind, r.parser.options.names()))
		return
	}
	if kind.Expand != nil {
		r.at(e, ref.Path, "%s: a %s stands for other objects; name one of those", quoteText(ref.Key.String()), ref.Key.Kind)
		return
	}
	if r.mentioned(ref.Key.Name) || len(r.expansions.failed) > 0 {
		return
	}
	var names []string
	for _, o := range set.Entries {
		if o.Key().Kind == ref.Key.Kind {
			names = append(names, o.Key().Name)
		}
	}
	r.at(e, ref.Path, "there is no manifest of %s%s", quoteText(ref.Key.String()), r.suggest(ref.Key.Name, names))
}

// referred is an object that others refer to.
type referred struct {
	stated bool // whether there is a manifest of it
	refers bool // whether it refers to others itself
}

// target looks for an object that others refer to. It remembers the result, because many objects refer to few.
func (r *reading) target(set Set, key v1.Key) referred {
	t, known := r.targets[key]
	if !known {
		e, stated := set.Get(key)
		t = referred{stated: stated, refers: stated && len(e.refs()) > 0}
		if r.targets == nil {
			r.targets = map[v1.Key]referred{}
		}
		r.targets[key] = t
	}
	return t
}

// differences reports paths of policy.ignoreDifferences that ignore nothing.
func (r *reading) differences(e Entry) {
	kind, _ := r.parser.options.kind(e.Key().Kind)
	if kind.Field == nil {
		return
	}
	for i, path := range e.Object.Meta().Policy.IgnoreDifferences {
		if ok, fields := kind.Field(path); !ok {
			at := "policy.ignoreDifferences[" + strconv.Itoa(i) + "]"
			hint := r.suggest(path, fields)
			if above := leafAbove(path, kind.Field); hint == "" && above != "" {
				hint = "; did you mean " + quoteText(above) + "?"
			}
			r.at(e, at, "%s names no field of a %s that can differ%s", quoteText(path), e.Key().Kind, hint)
		}
	}
}

// leafAbove returns the field that a path is in, if that differs only as a whole: a soft limit is a part of spec.ulimits.NAME.
// It returns "" if there is none.
func leafAbove(path string, field func(string) (bool, []string)) string {
	for i := strings.LastIndexAny(path, ".["); i > 0; i = strings.LastIndexAny(path, ".[") {
		path = path[:i]
		is, types := field(path)
		if !is {
			continue
		}
		for _, t := range types {
			of, entries := strings.CutSuffix(t, ".*")
			rest, below := strings.CutPrefix(path, of)
			if t == path || entries && below && rest != "" && strings.IndexByte(".[", rest[0]) >= 0 {
				return path
			}
		}
		return ""
	}
	return ""
}

// at adds a problem with an entry's values. The problem holds the entry's object.
func (r *reading) at(e Entry, path, format string, args ...any) {
	r.of(e, path, format, args...)
	r.problems[len(r.problems)-1].Holds = true
}

// of adds a problem with an entry. The problem refuses the revision.
func (r *reading) of(e Entry, path, format string, args ...any) {
	at := e.Position(path)
	r.add(at.File, at.Line, e.Key(), path, format, args...)
}

// between adds a problem that two entries have with each other. It holds both objects.
func (r *reading) between(e, other Entry, path, format string, args ...any) {
	r.at(e, path, format, args...)
	r.partners = append(r.partners, partner{other.Key(), r.problems[len(r.problems)-1]})
}

// cycles reports objects that wait for each other. It reports one cycle for each reference that closes one.
func (r *reading) cycles(set Set) {
	const open, closed = 1, 2
	state := map[v1.Key]int{} // of the objects that may be on a cycle
	var way []v1.Key
	var visit func(e Entry)
	visit = func(e Entry) {
		key := e.Key()
		state[key] = open
		way = append(way, key)
		for _, ref := range e.refs() {
			next, ok := set.Get(ref.Key)
			switch {
			case !ok || ref.Key == key: // Validate reports a reference to itself
			case state[ref.Key] == open:
				r.at(e, ref.Path, "closes a cycle of references; remove one of them: %s", circle(way[slices.Index(way, ref.Key):]))
			case state[ref.Key] == 0:
				visit(next)
			}
		}
		way = way[:len(way)-1]
		state[key] = closed
	}
	refers := func(ref v1.Ref) bool { return r.target(set, ref.Key).refers }
	for _, e := range set.Entries {
		if slices.ContainsFunc(e.refs(), refers) && state[e.Key()] == 0 {
			visit(e)
		}
	}
}

func circle(way []v1.Key) string {
	const most = 12
	names := make([]string, 0, len(way)+1)
	for i, k := range way {
		if i == most && len(way) > most+1 {
			names = append(names, "…")
			break
		}
		names = append(names, k.String())
	}
	return strings.Join(append(names, way[0].String()), " → ")
}

// names reports objects whose names are the same for the swarm. In the order of the set, capitals come first.
func (r *reading) names(set Set) {
	first := map[v1.Key]Entry{} // of the objects whose names have capitals
	same := func(e, other Entry) {
		r.of(e, "metadata.name", "is the name of %s too (%s): the swarm compares names without case; rename one of them", other.Key(), other.Position("metadata.name"))
	}
	for _, e := range set.Entries {
		key := e.Key().Folded()
		if key == e.Key() {
			continue
		}
		if other, taken := first[key]; taken {
			same(e, other)
			continue
		}
		first[key] = e
		if lower, taken := set.Get(key); taken {
			same(lower, e)
		}
	}
}

// ports reports services of which the swarm accepts only one. They publish the same port: both in the routing mesh,
// or one in the mesh and one on its nodes. Services that both publish it on their nodes go to different nodes.
func (r *reading) ports(set Set) {
	type outside struct {
		port     uint32
		protocol string
		host     bool
	}
	first := map[outside]*Entry{}
	for at := range set.Entries {
		e := &set.Entries[at]
		s, ok := e.Object.(*v1.Service)
		if !ok {
			continue
		}
		for i, p := range s.Spec.Ports {
			if p.Published == 0 {
				continue
			}
			mesh := outside{p.Published, cmp.Or(p.Protocol, "tcp"), false}
			host := mesh
			host.host = true
			own := mesh
			if p.Mode == "host" {
				own = host
			}
			for _, key := range []outside{mesh, host} {
				other, taken := first[key]
				if taken && other.Key() != e.Key() && (!key.host || !own.host) {
					r.between(*e, *other, portPath(i), "%d/%s is published by %s too (%s)%s", key.port, key.protocol, other.Key(), other.Position(""), modes(key.host, own.host))
					break
				}
			}
			if _, taken := first[own]; !taken {
				first[own] = e
			}
		}
	}
}

// modes says why two ports clash that are published in different ways. It returns "" if they are published in the
// same way.
func modes(a, b bool) string {
	if a == b {
		return ""
	}
	return "; one is in the routing mesh, which has the port on every node"
}

// nodes reports the contradictions between the Cluster and the Nodes.
func (r *reading) nodes(set Set) {
	var objects []v1.Object
	for _, e := range set.Entries {
		if v1.OfNodes(e.Key().Kind) {
			objects = append(objects, e.Object)
		}
	}
	for _, p := range v1.CheckNodes(objects) {
		if e, ok := set.Get(p.Object); ok {
			r.at(e, p.Path, "%s", p.Message)
		}
	}
}

func portPath(i int) string { return "spec.ports[" + strconv.Itoa(i) + "].published" }
