package node

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// expand returns what each node is to be: what its own manifest states, and then what the sets that it is in state.
func expand(entries []kinds.Entry, lives []*kinds.Live) (out []kinds.Entry, notices []string) {
	var sets []set
	stated := map[string]kinds.Entry{}
	for _, e := range entries {
		switch o := e.Object.(type) {
		case *v1.NodeSet:
			sets = append(sets, set{o, e.From, false})
		case *v1.Node:
			stated[o.Metadata.Name] = e
		}
	}
	slices.SortFunc(sets, func(a, b set) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) })
	hosts := map[string][]*kinds.Live{}
	for _, l := range lives {
		if l.Called != "" { // a node without a hostname has just joined, and has not reported it yet
			hosts[l.Called] = append(hosts[l.Called], l)
		}
	}
	for name := range stated {
		if hosts[name] == nil {
			hosts[name] = []*kinds.Live{}
		}
	}
	near := near{lives: lives, stated: stated}
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		h := host{name: name, lives: hosts[name], near: &near}
		slices.SortFunc(h.lives, func(a, b *kinds.Live) int { return cmp.Compare(a.ID, b.ID) })
		own, has := stated[name]
		if has {
			h.own = own.Object.(*v1.Node)
		}
		e, wanted, notice := h.expand(own, sets)
		if notice != "" {
			notices = append(notices, notice)
		}
		if wanted {
			out = append(out, e)
		}
	}
	for _, s := range sets {
		if !s.used {
			notices = append(notices, fmt.Sprintf("NodeSet/%s matches no node", s.Metadata.Name))
		}
	}
	return out, notices
}

type set struct {
	*v1.NodeSet
	from diff.From
	used bool
}

// host is what has one hostname: usually one node, and the nodes that the host was before it joined again.
type host struct {
	name  string
	lives []*kinds.Live // by id
	own   *v1.Node      // its manifest, or nil if it has none
	near  *near
}

// sets returns the sets that select the node that is meant, and marks them as used. If none is meant, a set that matches any
// node of the hostname counts.
func (h host) sets(is *kinds.Live, all []set) (in []*set) {
	lives := h.lives
	if is != nil {
		lives = []*kinds.Live{is}
	}
	for _, l := range lives {
		for i := range all {
			if s := &all[i]; matches(s.Spec.Selector, raw(l)) {
				s.used = true
				if !slices.Contains(in, s) {
					in = append(in, s)
				}
			}
		}
	}
	return in
}

func (h host) expand(own kinds.Entry, sets []set) (e kinds.Entry, wanted bool, notice string) {
	is, b := h.which()
	in := h.sets(is, sets)
	if h.own == nil && len(in) == 0 || h.own != nil && h.own.Gone() && len(h.lives) == 0 {
		return e, false, ""
	}
	object, conflict := merge(h, in)
	e = kinds.Entry{Object: object, From: own.From, Blocked: b.why, Awaited: b.awaited, Unmatched: b.unmatched}
	if h.own == nil {
		e.From = in[0].from
	}
	if conflict != "" && b.why == "" {
		e.Blocked = conflict
	}
	if object.Spec.LabelMode == v1.LabelsExact {
		e.Exact = "spec.labelMode"
	}
	if is != nil {
		e.Instance = is.ID
		notice = h.ghosts(is)
	}
	if e.Blocked != "" {
		e.Instance = ""
	}
	return e, true, notice
}

func down(l *kinds.Live) bool { return raw(l).Status.State == swarm.NodeStateDown }

// block says why nothing is written to the node that a manifest is about. The zero value means that nothing is in the
// way.
type block struct {
	why                string
	awaited, unmatched bool // as in diff.State
}

// which returns the node that is meant. That is the node with the pinned id, the only node of the hostname, or the
// only one of them that is not down. If it returns nil, the block says why, unless the node is still to join.
func (h host) which() (is *kinds.Live, b block) {
	if h.own != nil && h.own.Spec.ID != "" {
		for _, l := range h.lives {
			if l.ID == h.own.Spec.ID {
				return l, block{}
			}
		}
		// A node that is to be absent is meant to be gone.
		return nil, block{fmt.Sprintf("no node %s of this hostname is in the swarm, which spec.id asks for%s", h.own.Spec.ID, h.near.ofID(h)), true, !h.own.Gone()}
	}
	var up []*kinds.Live
	for _, l := range h.lives {
		if !down(l) {
			up = append(up, l)
		}
	}
	switch {
	case len(h.lives) == 0 && h.own != nil && h.own.Spec.Engine != nil: // it is made to join
		return nil, block{}
	case len(h.lives) == 0:
		return nil, block{"no node of the swarm has this hostname" + h.near.name(h.name), true, true}
	case len(h.lives) == 1:
		return h.lives[0], block{}
	case len(up) == 1:
		return up[0], block{}
	case len(up) == 0:
		return nil, block{why: fmt.Sprintf("%d nodes have this hostname, and all are down: %s; the manifest is about the one that comes back, or the one that spec.id names", len(h.lives), ids(h.lives)), awaited: true}
	}
	return nil, block{why: fmt.Sprintf("%d nodes have this hostname: %s; state spec.id to say which of them you mean; until then the operator writes to none of them", len(up), ids(up))}
}

func ids(lives []*kinds.Live) string {
	out := make([]string, 0, len(lives))
	for _, l := range lives {
		out = append(out, l.ID)
	}
	return strings.Join(out, ", ")
}

// ghosts returns a notice that names the nodes that the host was before.
func (h host) ghosts(is *kinds.Live) string {
	others := slices.DeleteFunc(slices.Clone(h.lives), func(l *kinds.Live) bool { return l == is || !down(l) })
	if len(others) == 0 {
		return ""
	}
	return fmt.Sprintf("Node/%s is %s; another node of the same hostname is down: %s, which is left of it from before it joined again; docker node rm takes it off the list, and so does removeDownAfter", h.name, is.ID, ids(others))
}

func matches(s v1.NodeSelector, n *swarm.Node) bool {
	d := n.Description
	return s.Matches(n.ID, d.Hostname, d.Engine.Labels, d.Platform.OS, d.Platform.Architecture, string(n.Spec.Role))
}

// merge puts what a node's own manifest states before what its sets state. If sets disagree, nothing is decided.
func merge(h host, in []*set) (*v1.Node, string) {
	out := &v1.Node{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNode, Metadata: v1.Metadata{Name: h.name}}}
	if h.own != nil {
		out = h.own.Copy().(*v1.Node)
	}
	m := merging{by: map[string]string{}}
	for _, s := range in {
		m.policy(&out.Policy, s.Policy)
	}
	if out.Gone() { // it is to be drained and nothing else
		out.Spec.Availability = v1.Drain
		out.Policy.IgnoreDifferences = append(out.Policy.IgnoreDifferences, "spec.labels")
		return out, ""
	}
	own := func(is bool) bool { return h.own != nil && is }
	s := &out.Spec
	role, availability, mode, after := own(s.Role != ""), own(s.Availability != ""), own(s.LabelMode != ""), own(s.RemoveDownAfter != nil)
	labels := maps.Clone(s.Labels)
	for _, set := range in {
		name, t := set.Metadata.Name, set.Spec.Template
		m.text(&s.Role, t.Role, role, "role", name)
		m.text(&s.Availability, t.Availability, availability, "availability", name)
		m.text(&s.LabelMode, t.LabelMode, mode, "labelMode", name)
		if t.RemoveDownAfter != nil && !after {
			if s.RemoveDownAfter != nil && *s.RemoveDownAfter != *t.RemoveDownAfter {
				m.disagree("removeDownAfter", name, s.RemoveDownAfter.String(), t.RemoveDownAfter.String())
			}
			m.by["removeDownAfter"] = name
			s.RemoveDownAfter = t.RemoveDownAfter
		}
		for _, k := range slices.Sorted(maps.Keys(t.Labels)) {
			if _, is := labels[k]; is {
				continue
			}
			path := v1.PathKey("labels", k)
			old, is := s.Labels[k]
			if is && old != t.Labels[k] {
				m.disagree(path, name, old, t.Labels[k])
			}
			if s.Labels == nil {
				s.Labels = map[string]string{}
			}
			s.Labels[k], m.by[path] = t.Labels[k], name
		}
	}
	if len(m.conflicts) == 0 {
		return out, ""
	}
	return out, strings.Join(m.conflicts, "; ") + "; the operator writes nothing to this node before they agree, or its own manifest says it"
}

type merging struct {
	by        map[string]string // the set that stated a field
	conflicts []string
}

func (m *merging) text(into *string, value string, own bool, path, set string) {
	if value == "" || own {
		return
	}
	if *into != "" && *into != value {
		m.disagree(path, set, *into, value)
	}
	*into, m.by[path] = value, set
}

func (m *merging) disagree(path, set, was, is string) {
	m.conflicts = append(m.conflicts, fmt.Sprintf("NodeSet/%s and NodeSet/%s state different things as spec.template.%s: %s and %s", m.by[path], set, path, was, is))
}

// policy adds a set's policy to a node's. Paths in the set's template become paths in each node. The node's own
// policy comes before it.
func (m *merging) policy(into *v1.Policy, p v1.Policy) {
	into.Suspend = into.Suspend || p.Suspend
	if into.Enforce == nil {
		into.Enforce = p.Enforce
	}
	for _, path := range p.IgnoreDifferences {
		if rest, ok := strings.CutPrefix(path, "spec.template"); ok {
			into.IgnoreDifferences = append(into.IgnoreDifferences, "spec"+rest)
		}
	}
	into.DependsOn = append(into.DependsOn, p.DependsOn...)
}
