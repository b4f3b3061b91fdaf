package node

import (
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// The origin of a step says what it does to a node. Its fields say that only if a manifest differs.
func TestWhatAStepDoesToANode(t *testing.T) {
	type does struct{ drains, demotes, roles, leaves bool }
	of := func(s plan.Step) does { return does{drains(s), s.Demotes(), s.ChangesRole(), s.Leaves()} }
	n := Node{ID: "id-a", Name: "a", Manager: true}
	for name, c := range map[string]struct {
		step plan.Step
		want does
	}{
		"promoted":     {RoleChange{Node: n, Promote: true}.step(), does{roles: true}},
		"demoted":      {RoleChange{Node: n}.step(), does{demotes: true, roles: true}},
		"leaves":       {Leaving{Key: n.Key()}.step(diff.Update, "", plan.TextField(pathPresence, v1.Present, v1.Absent)), does{leaves: true}},
		"is taken off": {Leaving{Key: n.Key()}.step(diff.Remove, ""), does{}},
	} {
		if got := of(c.step); got != c.want {
			t.Errorf("one that %s: %+v, want %+v", name, got, c.want)
		}
	}
	for _, c := range []struct {
		kind, path, want string
		drains           bool
	}{
		{v1.KindNode, pathAvail, v1.Drain, true},
		{v1.KindNode, pathAvail, v1.Pause, false},
		{v1.KindNode, pathAvail, v1.Active, false},
		{v1.KindNode, pathRole, v1.RoleWorker, false}, // a difference is never one of these
		{v1.KindNode, pathRole, v1.RoleManager, false},
		{v1.KindNode, pathPresence, v1.Absent, false},
		{v1.KindNode, "spec.labels.role", v1.RoleWorker, false},
		{v1.KindService, pathAvail, v1.Drain, false},
	} {
		s := plan.Step{Op: diff.Update, Key: v1.Key{Kind: c.kind, Name: "a"}, Fields: []diff.Field{plan.TextField(c.path, "", c.want)}}
		if got, want := of(s), (does{drains: c.drains}); got != want {
			t.Errorf("%s of a %s is %s: %+v, want %+v", c.path, c.kind, c.want, got, want)
		}
	}
}

// Report tells how the nodes are, and whether our own node is no manager any more, or soon will not be.
func TestReport(t *testing.T) {
	if (Swarm{}).Report() != nil {
		t.Error("something is told of what is not known")
	}
	manager := Node{ID: "a", Manager: true, Voter: true, Reachable: true}
	for name, c := range map[string]struct {
		own     Node
		demoted bool
	}{"demoted": {Node{Voter: true}, true}, "a worker": {Node{}, true}, "a manager": {Node{Manager: true, Voter: true, Reachable: true}, false}, "not ours": {}} {
		c.own.Own = name != "not ours"
		got := Swarm{Nodes: []Node{manager, c.own, {}}, Managers: &Managers{Count: 3}}.Report()
		if got.Demoted != c.demoted || got.Wanted != 3 || got.Losses != Losses(got.Tolerance) || got.Members < 1 || got.Reachable < 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
