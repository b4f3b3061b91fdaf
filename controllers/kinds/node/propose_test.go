package node

import (
	"slices"
	"testing"
	"time"

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

// Each combination of what the leaving of a node depends on comes to one step or to one refusal, or to nothing because it
// is not time yet. These nodes are taken out, and no others:
//
//   - One that was down for long, unless somebody works on it or it is a manager. While many are down, only what is left of
//     a host that has joined again goes.
//   - One that is to be absent, if it is no manager and is down, or drained and empty. In the latter case its engine has to
//     be told, or somebody has to agree.
//
// While the root of the CA is replaced, no node that is down is removed.
func TestNodesLeaveOnlyWhenTheyMay(t *testing.T) {
	const remove, leave = "it is removed", "it leaves"
	seen := map[string]int{}
	for bits := range 1 << 14 {
		at := -1
		is := func() bool { at++; return bits>>at&1 == 1 }
		l := Leaving{
			Key: v1.Key{Kind: v1.KindNode, Name: "a"}, ID: "id-a", After: time.Minute,
			Absent: is(), Down: is(), Replaced: is(), Active: is(), Member: is(), Held: is(), Reach: is(), Left: is(),
		}
		long, busy, rotating, many, drains, agreed := is(), is(), is(), is(), is(), is()
		if l.Down {
			l.DownFor = map[bool]time.Duration{true: l.After, false: l.After - 1}[long]
		}
		if busy {
			l.Tasks = 1
		}
		s, p, policy := Swarm{Nodes: make([]Node, 8), Leaving: []Leaving{l}, Down: 2, Rotating: rotating}, plan.Plan{}, plan.Policy{}
		if many {
			s.Down = 3 // of 8, and a quarter may be
		}
		if drains {
			p.Steps = []plan.Step{{Op: diff.Update, Key: l.Key, Instance: l.ID, Fields: []diff.Field{plan.TextField(pathAvail, v1.Active, v1.Drain)}}}
		}
		if agreed {
			policy.Consents = plan.Consents{{Hazard: plan.ForceNodeRemoval}}
		}
		s.leave(&p, nil, policy)

		want, gone, emptied := "", l.Down && !l.Member && !rotating, !l.Down && !l.Member && !l.Active && !drains && !busy && !l.Left
		switch {
		case !l.Absent && gone && long && !l.Held && (l.Active || l.Replaced) && (!many || l.Replaced), l.Absent && gone:
			want = remove
		case l.Absent && emptied && l.Reach:
			want = leave
		case l.Absent && emptied && agreed:
			want = remove
		}
		got, others := "", 0
		for _, step := range p.Steps {
			switch {
			case step.Op == diff.Remove:
				got += remove
			case step.Leaves():
				got += leave
			default:
				others++
			}
		}
		refused := slices.DeleteFunc(slices.Clone(p.Refused), func(r plan.Refusal) bool { return r.Op == diff.Update }) // its drain gives way
		due, asks := l.Absent || l.Down && long, l.Absent && emptied && !l.Reach && !agreed
		switch {
		case got != want:
			t.Fatalf("%q, want %q: %+v, rotating %t, many %t, drains %t, agreed %t\n%s", got, want, l, rotating, many, drains, agreed, p.Text(nil))
		case due && (got == "") != (len(refused) == 1), !due && len(refused) > 0:
			t.Fatalf("due %t: %+v\n%s", due, l, p.Text(nil))
		case got == remove && others > 0:
			t.Fatalf("something else is done to what is removed: %+v\n%s", l, p.Text(nil))
		}
		for _, r := range refused {
			if r.Why == "" || (r.Class == plan.Consent) != asks || (r.Hazard == plan.ForceNodeRemoval) != asks {
				t.Fatalf("it asks for consent %t: %+v, %s by %s: %s", asks, l, r.Class, r.Guard, r.Why)
			}
		}
		seen[got]++
	}
	if seen[remove] == 0 || seen[leave] == 0 || seen[""] < seen[remove]+seen[leave] {
		t.Errorf("of all combinations there were %v", seen)
	}
}

// Nothing is said of nodes that were not read.
func TestNoNodeLeavesUnread(t *testing.T) {
	p := plan.Plan{}
	l := Leaving{Key: v1.Key{Kind: v1.KindNode, Name: "a"}, ID: "id-a", Absent: true, Down: true}
	if (Swarm{Leaving: []Leaving{l}}).leave(&p, nil, plan.Policy{}); len(p.Steps)+len(p.Refused) > 0 {
		t.Errorf("the plan is\n%s", p.Text(nil))
	}
}

// The operator's own steps come last. These are the steps after which it may not reach its engine any more.
func TestStepsThatTakeTheOperatorsEngineAway(t *testing.T) {
	n := Node{ID: "id-a", Name: "a", Manager: true}
	l := Leaving{Key: n.Key(), ID: n.ID}
	writes := func(path, have, want string) plan.Step {
		return plan.Step{Op: diff.Update, Key: n.Key(), Instance: n.ID, Fields: []diff.Field{plan.TextField(path, have, want)}}
	}
	for name, c := range map[string]struct {
		step plan.Step
		ends bool
	}{
		"is demoted":             {RoleChange{Node: n}.step(), true},
		"is promoted":            {RoleChange{Node: n, Promote: true}.step(), false},
		"leaves":                 {l.step(diff.Update, "", plan.TextField(pathPresence, v1.Present, v1.Absent)), true},
		"is taken off the list":  {l.step(diff.Remove, ""), false},
		"is drained":             {writes(pathAvail, v1.Active, v1.Drain), true},
		"is paused":              {writes(pathAvail, v1.Active, v1.Pause), false},
		"is active again":        {writes(pathAvail, v1.Drain, v1.Active), false},
		"gets a label":           {writes("spec.labels.zone", "", "a"), false},
		"has a label like drain": {writes("spec.labels.availability", "", v1.Drain), false},
	} {
		for own, is := range map[string]bool{"id-a": c.ends, "id-b": false, "": false} {
			if got := (Swarm{Own: own}).ends(c.step); got != is {
				t.Errorf("the operator is on %q, and a node %s: %t, want %t", own, name, got, is)
			}
		}
	}
}

// The next look is due when the first wait for a node is over. A wait that is over already is none.
func TestWhenANodeIsLookedAtAgain(t *testing.T) {
	away := func(d time.Duration) Node { return Node{Manager: true, Voter: true, Away: d} }
	down := func(d time.Duration) Leaving { return Leaving{After: time.Hour, Down: true, DownFor: d} }
	replace := func(d time.Duration) *Managers { return &Managers{Count: 3, ReplaceAfter: d} }
	for name, c := range map[string]struct {
		given Swarm
		want  time.Duration
	}{
		"nothing is known":                    {Swarm{}, 0},
		"a manager is away":                   {Swarm{Managers: replace(time.Hour), Nodes: []Node{away(time.Minute)}}, RoleDeadline - time.Minute},
		"for as long as a role may take":      {Swarm{Managers: replace(time.Hour), Nodes: []Node{away(RoleDeadline)}}, time.Hour - RoleDeadline},
		"for a moment less than is waited":    {Swarm{Managers: replace(time.Hour), Nodes: []Node{away(time.Hour - 1)}}, 1},
		"for as long as is waited":            {Swarm{Managers: replace(time.Hour), Nodes: []Node{away(time.Hour)}}, 0},
		"and none is ever replaced":           {Swarm{Managers: replace(0), Nodes: []Node{away(time.Hour)}}, 0},
		"one that works":                      {Swarm{Managers: replace(time.Hour), Nodes: []Node{{Manager: true, Voter: true, Reachable: true}}}, 0},
		"a worker":                            {Swarm{Managers: replace(time.Hour), Nodes: []Node{{}}}, 0},
		"nothing is said of managers":         {Swarm{Nodes: []Node{away(time.Minute)}}, 0},
		"a node is down":                      {Swarm{Leaving: []Leaving{down(time.Minute)}}, 59 * time.Minute},
		"a node was down for long":            {Swarm{Leaving: []Leaving{down(time.Hour)}}, 0},
		"a node that is down is to be absent": {Swarm{Leaving: []Leaving{{Absent: true, After: time.Hour, Down: true}}}, 0},
		"the first of two":                    {Swarm{Leaving: []Leaving{down(time.Minute), down(time.Hour - 2), down(2 * time.Minute)}}, 2},
		"a root is replaced":                  {Swarm{Rotating: true, Leaving: []Leaving{down(time.Minute)}}, rotationPoll},
	} {
		if got := c.given.Again(); got != c.want {
			t.Errorf("%s: it looks again after %s, want %s", name, got, c.want)
		}
	}
}
