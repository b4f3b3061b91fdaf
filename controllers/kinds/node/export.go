package node

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// export returns manifests of what is special about nodes: which ones are managers, which ones are drained or paused,
// and their labels. Labels that several nodes have are those of a NodeSet, which names the nodes by their ids: a hostname
// that any machine may have must give no label.
func export(in kinds.Export) []kinds.Exported {
	hosts := map[string][]*kinds.Live{}
	for _, l := range in.Lives(v1.KindNode) { // by id
		hosts[l.Called] = append(hosts[l.Called], l)
	}
	var out, nodes []kinds.Exported
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		x, others := exportHost(name, hosts[name])
		if x.Object != nil {
			nodes = append(nodes, x)
		}
		out = append(out, others...)
	}
	sets := map[string]bool{}
	if in.Whole {
		var shared []kinds.Exported
		shared, sets = share(nodes)
		out = append(out, shared...)
	}
	for _, x := range nodes {
		n := x.Object.(*v1.Node)
		ambiguous := len(hosts[n.Metadata.Name]) > 1
		states := n.Spec.Role != "" || n.Spec.Availability != "" || len(n.Spec.Labels) > 0
		if in.Whole && !states && (!ambiguous || !sets[n.Spec.ID]) {
			continue
		}
		if !ambiguous {
			n.Spec.ID = ""
		}
		out = append(out, x)
	}
	return out
}

// exportHost returns the node that a hostname stands for, with its id, and says why others of the name are not stated.
func exportHost(name string, lives []*kinds.Live) (x kinds.Exported, others []kinds.Exported) {
	is := slices.MinFunc(lives, func(a, b *kinds.Live) int { return cmp.Compare(rank(a), rank(b)) }) // the first of the least
	key := v1.Key{Kind: v1.KindNode, Name: name}
	lack := func(l *kinds.Live, why string) {
		others = append(others, kinds.Exported{Key: key, Lacks: []kinds.Lack{{Path: "spec.id", Why: fmt.Sprintf("node %s %s, so no manifest states it", l.ID, why)}}})
	}
	for _, l := range lives {
		switch {
		case name == "":
			lack(l, "has not told its hostname yet")
		case l == is:
		case down(l):
			lack(l, "has the same hostname as node "+is.ID+" and is down")
		default:
			lack(l, "has the same hostname as node "+is.ID+", and one hostname has one manifest")
		}
	}
	if name == "" {
		return x, others
	}
	n := read(raw(is))
	n.Spec.ID, n.Spec.Labels = is.ID, kinds.WithoutPrefix(n.Spec.Labels)
	if n.Spec.Role == v1.RoleWorker {
		n.Spec.Role = ""
	}
	if n.Spec.Availability == v1.Active {
		n.Spec.Availability = ""
	}
	return kinds.Exported{Key: key, Object: n, Live: []*kinds.Live{is}}, others
}

// rank says which node a hostname stands for if several have it: the one with the least rank. A node that is down may be
// what a machine was before it joined again. Of the others, a manager counts most, and then one that has settings.
func rank(l *kinds.Live) int {
	n, out := read(raw(l)), 0
	if down(l) {
		out += 4
	}
	if n.Spec.Role != v1.RoleManager {
		out += 2
	}
	if n.Spec.Availability == v1.Active && len(kinds.WithoutPrefix(n.Spec.Labels)) == 0 {
		out++
	}
	return out
}

// label is a label of nodes.
type label struct{ name, value string }

// called returns the text that the name of a set with the label is made of. Names are shown everywhere, so no part of a
// secret is in it.
func (l label) called() string {
	leaf := diff.Leaf{Type: "spec.template.labels.*", Key: l.name, Text: l.value}
	if leaf.SecretKey() {
		return ""
	}
	if secret, _ := leaf.Secret(); secret {
		return l.name
	}
	return l.name + "-" + l.value
}

// share moves labels that several nodes have into sets: one for all labels that the same nodes have. in has the ids of
// the nodes that are in one.
func share(nodes []kinds.Exported) (out []kinds.Exported, in map[string]bool) {
	in = map[string]bool{}
	with := map[label][]*v1.Node{}
	for _, x := range nodes {
		n := x.Object.(*v1.Node)
		for name, value := range n.Spec.Labels {
			with[label{name, value}] = append(with[label{name, value}], n)
		}
	}
	labels := map[string][]label{} // by the ids of the nodes
	for l, list := range with {
		if len(list) > 1 {
			labels[strings.Join(idsOf(list), " ")] = append(labels[strings.Join(idsOf(list), " ")], l)
		}
	}
	taken := map[string]bool{}
	for _, ids := range slices.Sorted(maps.Keys(labels)) {
		list := labels[ids]
		slices.SortFunc(list, func(a, b label) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.value, b.value)) })
		members := with[list[0]]
		set := &v1.NodeSet{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNodeSet}}
		set.Metadata.Name = setName(list[0].called(), taken)
		set.Spec.Selector.IDs, set.Spec.Template.Labels = strings.Fields(ids), map[string]string{}
		var names []string
		for _, n := range members {
			names, in[n.Spec.ID] = append(names, n.Metadata.Name), true
			for _, l := range list {
				delete(n.Spec.Labels, l.name)
			}
		}
		for _, l := range list {
			set.Spec.Template.Labels[l.name] = l.value
		}
		out = append(out, kinds.Exported{Key: set.Key(), Object: set, Comment: []string{"These are the nodes " + strings.Join(names, ", ") + "."}})
	}
	return out, in
}

func idsOf(nodes []*v1.Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Spec.ID)
	}
	slices.Sort(out)
	return out
}

// setName returns a name for a set that is not taken, and takes it. It is made of what a text has of the characters that
// names may have.
func setName(text string, taken map[string]bool) string {
	const most = 55 // of the 63 that a name may have
	name := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, text)
	name = cmp.Or(strings.Trim(name[:min(len(name), most)], "-_"), "nodes")
	for n, first := 2, name; taken[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s-%d", first, n)
	}
	taken[strings.ToLower(name)] = true
	return name
}
