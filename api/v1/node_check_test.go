package v1_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func TestProblemsBetweenClusterAndNodes(t *testing.T) {
	cluster := func(m *v1.Managers) v1.Object {
		return &v1.Cluster{Header: named(v1.KindCluster, v1.ClusterName), Spec: v1.ClusterSpec{Managers: m}}
	}
	count := func(n int) v1.Object { return cluster(&v1.Managers{Count: n}) }
	node := func(name string, s v1.NodeSpec) v1.Object {
		return &v1.Node{Header: named(v1.KindNode, name), Spec: s}
	}
	pinned := func(names ...string) (out []v1.Object) {
		for _, name := range names {
			out = append(out, node(name, v1.NodeSpec{Role: v1.RoleManager}))
		}
		return out
	}
	set := &v1.NodeSet{Header: named(v1.KindNodeSet, "all"), Spec: v1.NodeSetSpec{Template: v1.NodeTemplate{Role: v1.RoleManager}}}
	same := func(names ...string) (out []v1.Object) {
		for _, name := range names {
			out = append(out, node(name, v1.NodeSpec{ID: "4hd41nyin8kn"}))
		}
		return out
	}
	all := func(first v1.Object, others ...v1.Object) []v1.Object { return append([]v1.Object{first}, others...) }
	for _, test := range []struct {
		name    string
		objects []v1.Object
		want    string
	}{
		{"nothing", nil, ""},
		{"no cluster", pinned("a", "b"), ""},
		{"no count", all(cluster(nil), pinned("a", "b")...), ""},
		{"no nodes", all(count(3)), ""},
		{"fewer pins than managers", all(count(3), pinned("a", "b")...), ""},
		{"all managers are pinned", all(count(3), pinned("a", "b", "c")...), ""},
		{"more pins than managers", all(count(3), pinned("a", "b", "c", "d")...), "Cluster/default: spec.managers.count: is 3, and 4 Nodes have role: manager: a, b, c, d"},
		{"in any order", append(pinned("a", "b"), count(1)), "Cluster/default: spec.managers.count: is 1, and 2 Nodes have role: manager: a, b"},
		{"as many pins as are listed", all(count(1), pinned(strings.Split("abcdefghi", "")...)...), "Cluster/default: spec.managers.count: is 1, and 9 Nodes have role: manager: a, b, c, d, e, f, g, h, i"},
		{"many pins", all(count(1), pinned(strings.Split("abcdefghij", "")...)...), "Cluster/default: spec.managers.count: is 1, and 10 Nodes have role: manager: a, b, c, d, e, f, g, h, i, …"},
		{"a count that is none", all(count(0), pinned("a")...), ""},
		{"workers", all(count(1), node("a", v1.NodeSpec{Role: v1.RoleWorker}), node("b", v1.NodeSpec{Role: v1.RoleManager})), ""},
		{"one that is to go", all(count(1), node("a", v1.NodeSpec{Role: v1.RoleManager, Presence: v1.Absent}), node("b", v1.NodeSpec{Role: v1.RoleManager})), ""},
		{"nobody knows how many are in a set", all(count(1), set, node("b", v1.NodeSpec{Role: v1.RoleManager})), ""},

		{"one ID", all(count(1), same("a")...), ""},
		{"no IDs", all(count(1), node("a", v1.NodeSpec{}), node("b", v1.NodeSpec{})), ""},
		{"two IDs", all(count(1), node("a", v1.NodeSpec{ID: "x"}), node("b", v1.NodeSpec{ID: "y"})), ""},
		{"one ID of three", all(count(1), same("a", "b", "c")...), "Node/b: spec.id: Node/a states the same: a node is one\nNode/c: spec.id: Node/a states the same: a node is one"},
		{"one ID of two, and no count", all(cluster(nil), same("a", "b")...), ""},
		{"both", all(count(1), node("a", v1.NodeSpec{Role: v1.RoleManager, ID: "x"}), node("b", v1.NodeSpec{Role: v1.RoleManager, ID: "x"})), "Cluster/default: spec.managers.count: is 1, and 2 Nodes have role: manager: a, b\nNode/b: spec.id: Node/a states the same: a node is one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, p := range v1.CheckNodes(test.objects) {
				got = append(got, p.String())
			}
			if d := cmp.Diff(test.want, strings.Join(got, "\n")); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}
