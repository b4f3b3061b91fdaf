package plan_test

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/node"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// drill is a swarm on which plans are carried out. Roles change at once. Tasks leave a drained node one in each
// round. A node that leaves is down one round later.
type drill struct {
	nodes   map[string]*drilled
	count   int
	service bool // it changes too
	agreed  bool
	budget  int
	log     []string
}

type drilled struct {
	node.Node
	drain, drained, absent, label, reach, left, down bool
	tasks                                            int
}

func newDrill(t *rapid.T) *drill {
	d := &drill{
		nodes: map[string]*drilled{}, count: rapid.IntRange(0, 5).Draw(t, "wanted"), service: rapid.Bool().Draw(t, "service"),
		agreed: rapid.Bool().Draw(t, "agreed"), budget: rapid.IntRange(1, 3).Draw(t, "budget"),
	}
	managers := rapid.IntRange(1, 5).Draw(t, "managers")
	own, leader := rapid.IntRange(0, managers-1).Draw(t, "own"), rapid.IntRange(0, managers-1).Draw(t, "leader")
	for i := range managers + rapid.IntRange(0, 4).Draw(t, "workers") {
		kind := "worker"
		if i < managers {
			kind = "manager"
		}
		n := &drilled{Node: nodeNamed(fmt.Sprintf("n%d", i), kind)}
		n.Own, n.Leader = i == own, i == leader
		n.drain, n.label, n.reach = chance(t, "drain", 3), chance(t, "label", 3), rapid.Bool().Draw(t, "reach")
		n.tasks = rapid.IntRange(0, 2).Draw(t, "tasks")
		if n.absent = chance(t, "absent", 5); n.absent {
			n.drain, n.Pin = true, node.PinnedWorker
		}
		d.nodes[n.ID] = n
	}
	return d
}

// each calls do for every node, by name.
func (d *drill) each(do func(*drilled)) {
	for i := range 9 {
		if n := d.nodes[fmt.Sprintf("id-n%d", i)]; n != nil {
			do(n)
		}
	}
}

func (d *drill) given() plan.Given {
	g := plan.NewGiven()
	s := &nodesOf(g).swarm
	s.Managers, s.Stable, s.Nodes = &node.Managers{Count: d.count, ReplaceAfter: time.Minute}, time.Hour, []node.Node{}
	d.each(func(n *drilled) {
		n.Active, n.Ready = !n.drained, !n.down
		s.Nodes = append(s.Nodes, n.Node)
		if n.Own {
			s.Own, g.Facts.Own = n.ID, n.ID
		}
		if n.down {
			s.Down++
		}
		words := []string{"~", "Node/" + n.Name}
		if n.drain && !n.drained {
			words = append(words, "git=spec.availability=drain")
		}
		if n.label {
			words = append(words, "git=spec.labels.zone")
		}
		if len(words) > 2 {
			g.Changes = append(g.Changes, plan.Change(words))
		}
		busy := n.tasks
		if !n.drained || n.down {
			busy = 0
		}
		if busy > 0 {
			s.Emptying = append(s.Emptying, node.Emptying{Key: n.Key(), ID: n.ID, Tasks: busy})
		}
		if n.absent {
			s.Leaving = append(s.Leaving, node.Leaving{Key: n.Key(), ID: n.ID, Have: n.Have, Absent: true, Down: n.down, Active: !n.drained, Member: member(n.Node), Tasks: busy, Reach: n.reach, Left: n.left})
		}
	})
	if d.service {
		g.Changes = append(g.Changes, plan.Change(strings.Fields("~ Service/web git=spec.image")))
	}
	g.Policy.Budgets.Drains = d.budget
	if d.agreed {
		for _, h := range plan.Hazards() {
			g.Policy.Consents = append(g.Policy.Consents, plan.Consented{Hazard: plan.Hazard(h)})
		}
	}
	return g
}

func (d *drill) take(s plan.Step) {
	n := d.nodes[s.Instance]
	switch {
	case s.Key.Kind == v1.KindService:
		d.service = false
	case s.Op == diff.Remove:
		delete(d.nodes, s.Instance)
	case s.Leaves():
		n.left = true
	default:
		for _, f := range s.Fields {
			switch f.Path {
			case "spec.role":
				n.Manager = f.Want.Reveal() == v1.RoleManager
				n.Voter, n.Reachable = n.Manager, n.Manager
			case "spec.availability":
				n.drained = true
			default:
				n.label = false
			}
		}
	}
}

// pass lets time go on, and returns whether something happened by itself. A node that is no longer a manager does not
// lead any more. The operator on a node that is drained or no manager ends, and another one goes on.
func (d *drill) pass() (moved bool) {
	leader, own := false, false
	d.each(func(n *drilled) {
		switch {
		case n.drained && n.tasks > 0:
			n.tasks--
			moved = true
		case n.left && !n.down:
			n.down, n.Reachable, moved = true, false, true
		}
		n.Leader, n.Own = n.Leader && reaches(n.Node), n.Own && reaches(n.Node) && !n.drained
		leader, own = leader || n.Leader, own || n.Own
	})
	d.each(func(n *drilled) {
		n.Leader = n.Leader || !leader && reaches(n.Node)
		leader = leader || n.Leader
	})
	for _, drained := range []bool{false, true} { // an operator outside the swarm's services may be on a drained node
		d.each(func(n *drilled) {
			n.Own = n.Own || !own && reaches(n.Node) && n.drained == drained
			own = own || n.Own
		})
	}
	return moved
}

// Nothing waits forever for what comes by itself. If nothing moves any more, only a person's word is missing, or a
// role cannot change safely.
func nodesComeToAnEnd(t *rapid.T) {
	d := newDrill(t)
	for round := 0; ; round++ {
		p := d.given().Build()
		d.log = append(d.log, plan.Render(p))
		if round > 100 {
			t.Fatalf("it does not end:\n%s", strings.Join(d.log, "\n"))
		}
		for _, s := range p.Steps {
			d.take(s)
		}
		if d.pass() || len(p.Steps) > 0 {
			continue
		}
		for _, r := range p.Refused {
			if r.Class == plan.Later && !r.Quiet && r.Guard != "managers" {
				t.Fatalf("%s waits for nothing:\n%s", r.Key, strings.Join(d.log, "\n"))
			}
		}
		d.each(func(n *drilled) {
			if n.drain != n.drained || n.label || n.absent && d.agreed && !member(n.Node) {
				t.Fatalf("%s is not as it should be:\n%s", n.Name, strings.Join(d.log, "\n"))
			}
		})
		if d.service {
			t.Fatalf("the service was forgotten:\n%s", strings.Join(d.log, "\n"))
		}
		return
	}
}
