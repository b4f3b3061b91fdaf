package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/node"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// nodes is what lines give of the swarm's nodes.
type nodes struct {
	swarm node.Swarm
	tasks []node.Placed
	hosts map[string]func(*node.Host)
}

// nodesOf returns the nodes that the lines give.
func nodesOf(g plan.Given) *nodes {
	n, is := g.Of[v1.KindNode].(*nodes)
	if !is {
		n = &nodes{}
		g.Of[v1.KindNode] = n
	}
	return n
}

// whole returns the swarm together with what runs where.
func (n *nodes) whole() node.Swarm {
	s := n.swarm
	s.Running = n.running()
	return s
}

// doubt makes a node one that is not proven.
func (n *nodes) doubt(id string) {
	if n.swarm.Doubts == nil {
		n.swarm.Doubts = map[string]string{}
	}
	n.swarm.Doubts[id] = "nobody knows " + id
}

func oneOf[T any](t *rapid.T, label string, items ...T) T {
	return rapid.SampledFrom(items).Draw(t, label)
}

func chance(t *rapid.T, label string, oneIn int) bool {
	return rapid.IntRange(1, oneIn).Draw(t, label) == oneIn
}

func member(n node.Node) bool  { return n.Manager || n.Voter }
func reaches(n node.Node) bool { return n.Manager && n.Voter && n.Reachable }

func drains(s plan.Step) bool {
	return s.Key.Kind == v1.KindNode && slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Path == "spec.availability" && f.Want.Reveal() == v1.Drain })
}

// nodeLine reads a line about the swarm's nodes.
func nodeLine(g *plan.Given, w []string) (is bool, err error) {
	of := nodesOf(*g)
	s := &of.swarm
	rest := func(from int) string { return strings.Join(w[from:], " ") }
	switch w[0] {
	case "node": // node NAME KIND[; own leader zone=Z]; KIND is one of nodeKinds
		n := nodeNamed(w[1], rest(2))
		if n.Own {
			s.Own, g.Facts.Own = n.ID, n.ID
		}
		s.Nodes = append(s.Nodes, n)
	case "needs-proof": // needs-proof LABEL=VALUE: only a proven node may get it
		label, value, _ := strings.Cut(w[1], "=")
		s.Candidates = map[string]string{label: value}
	case "doubt": // doubt NAME: the node is not proven
		of.doubt("id-" + w[1])
	case "managers": // managers COUNT
		s.Managers = &node.Managers{Count: number(w[1]), ReplaceAfter: 10 * time.Minute, StableFor: 5 * time.Second}
		s.Stable = time.Minute
	case "stable":
		s.Stable = now.Sub(ago(w[1]))
	case "announced": // announced IN
		s.Announced = now.Add(now.Sub(ago(w[1])))
	case "emptying":
		s.Emptying = append(s.Emptying, node.Emptying{Key: plan.KeyOf("Node/" + w[1]), ID: "id-" + w[1], Tasks: number(w[2])})
	case "runs":
		of.tasks = append(of.tasks, placedFrom(w, len(of.tasks)))
	case "host":
		of.host(w)
	case "leaving":
		s.Leaving = append(s.Leaving, leavingOf(w))
	case "down":
		s.Down = number(w[1])
	case "rotating":
		s.Rotating = true
	case "stopped":
		s.Stopped = rest(1)
	case "unknown":
		s.Unknown = rest(1)
	case "seen": // seen NAME ROLE STATE [behind]
		s.Seen = append(s.Seen, kinds.Sighting{Name: w[1], Role: w[2], State: w[3], Behind: len(w) > 4})
	default:
		return false, nil
	}
	return true, nil
}

func nodeNamed(name, text string) node.Node {
	kind, attributes, _ := strings.Cut(text, ";")
	n, known := nodeKinds[kind]
	if !known {
		panic(kind)
	}
	n.ID, n.Name, n.Have = "id-"+name, name, liveNode(name)
	for _, a := range strings.Fields(attributes) {
		zone, isZone := strings.CutPrefix(a, "zone=")
		n.Own, n.Leader = n.Own || a == "own", n.Leader || a == "leader"
		if isZone {
			n.Zone = zone
		}
	}
	return n
}

func liveNode(name string) *diff.State {
	return &diff.State{Key: v1.Key{Kind: v1.KindNode, Name: name}, Instance: "id-" + name, Meta: diff.Meta{ID: "id-" + name}}
}

// leavingOf reads: leaving NAME absent|after=D [down=D] [active] [member] [held] [tasks=N] [reach] [left] [replaced].
func leavingOf(w []string) node.Leaving {
	l := node.Leaving{Key: plan.KeyOf("Node/" + w[1]), ID: "id-" + w[1], Have: liveNode(w[1])}
	for _, a := range w[2:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "absent":
			l.Absent = true
		case "after":
			l.After = now.Sub(ago(value))
		case "down":
			l.Down, l.DownFor = true, now.Sub(ago(value))
		case "active":
			l.Active = true
		case "member":
			l.Member = true
		case "held":
			l.Held = true
		case "tasks":
			l.Tasks = number(value)
		case "reach":
			l.Reach = true
		case "left":
			l.Left = true
		case "replaced":
			l.Replaced = true
		default:
			panic(a)
		}
	}
	return l
}

func TestWhatADrainCostsIsInTheText(t *testing.T) {
	text := plan.Read(t, `
		node a worker
		runs db.1 a volume=data
		runs web.1 a
		runs web.2 b
		consent outage
		~ Node/a git=spec.availability=drain,spec.labels.zone
	`).Build().Text(nil)
	const want = `~ Node/a [id-a]  (changed in git; in place)
    spec.availability  old → drain  (in place)
    spec.labels.zone   old → new  (in place)
    note: ends 1 task of db on a (db.1); 0 of 1 stay
    note: ends 1 task of web on a (web.1); 1 of 2 stay
    note: Service/db has the volume data here: its data stays on this node
`
	if text != want {
		t.Errorf("got\n%s", text)
	}
}

// Again returns when to look without being told to: the earliest of all that is due.
func TestAgain(t *testing.T) {
	for _, c := range []struct {
		name, given string
		want        time.Duration
	}{
		{"nothing is known", "", 0},
		{"all is well", "managers 3\nnode a manager\nnode b manager", 0},
		{"one is away and will be replaced", "managers 3\nnode a manager\nnode b dead, just", node.RoleDeadline - time.Second},
		{"one has been away for long", "managers 3\nnode a manager\nnode b dead", 0},
		{"nobody wants to know", "node b dead, just", 0},
		{"down, to be removed", "leaving a after=10m down=4m", 6 * time.Minute},
		{"down, due", "leaving a after=10m down=10m", 0},
		{"up", "leaving a after=10m", 0},
		{"absent, which is not about time", "leaving a absent down=1m", 0},
		{"the first of several", "leaving a after=10m down=4m\nleaving b after=10m down=9m\nleaving c after=1h down=1m", time.Minute},
		{"the root is being replaced", "rotating", 2 * time.Second},
		{"a member before a node", "managers 3\nnode a dead, just\nleaving b after=10m down=1m", node.RoleDeadline - time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := nodesOf(plan.Read(t, c.given)).swarm.Again(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestAgainBetweenTheDeadlines(t *testing.T) {
	g := nodesOf(plan.Read(t, "managers 3\nnode a manager\nnode b dead")).swarm
	g.Nodes[1].Away = 5 * time.Minute
	if got := g.Again(); got != 5*time.Minute {
		t.Errorf("%s", got)
	}
	g.Managers.ReplaceAfter = 0
	if got := g.Again(); got != 0 {
		t.Errorf("%s, and none is replaced", got)
	}
}

// nodeKinds are the nodes that lines can name.
var nodeKinds = map[string]node.Node{
	"manager":            {Manager: true, Voter: true, Reachable: true, Ready: true, Active: true, Candidate: true},
	"manager, foreign":   {Manager: true, Voter: true, Reachable: true, Ready: true, Active: true},
	"manager, drained":   {Manager: true, Voter: true, Reachable: true, Ready: true, Candidate: true},
	"manager, held":      {Manager: true, Voter: true, Reachable: true, Ready: true, Active: true, Candidate: true, Held: true},
	"dead":               {Manager: true, Voter: true, Active: true, Candidate: true, Away: time.Hour},
	"dead, just":         {Manager: true, Voter: true, Active: true, Candidate: true, Away: time.Second},
	"dead, drained":      {Manager: true, Voter: true, Candidate: true, Away: time.Hour},
	"dead, held":         {Manager: true, Voter: true, Active: true, Candidate: true, Held: true, Away: time.Hour},
	"promoting":          {Manager: true, Ready: true, Active: true, Candidate: true, Away: time.Second},
	"ghost":              {Manager: true, Active: true, Candidate: true, Away: time.Hour},
	"demoting":           {Voter: true, Reachable: true, Ready: true, Active: true, Candidate: true, Away: time.Second},
	"worker":             {Ready: true, Active: true, Candidate: true},
	"worker, foreign":    {Ready: true, Active: true},
	"worker, drained":    {Ready: true, Candidate: true},
	"worker, down":       {Active: true, Candidate: true},
	"worker, held":       {Ready: true, Active: true, Candidate: true, Held: true},
	"worker, to be one":  {Ready: true, Active: true, Pin: node.PinnedManager},
	"unproven":           {Ready: true, Active: true, Candidate: true, Unproven: true},
	"unproven, pinned":   {Ready: true, Active: true, Pin: node.PinnedManager, Unproven: true},
	"unproven, held":     {Ready: true, Active: true, Pin: node.PinnedManager, Unproven: true, Held: true},
	"unproven, down":     {Active: true, Pin: node.PinnedManager, Unproven: true},
	"unproven, drained":  {Ready: true, Candidate: true, Unproven: true},
	"manager, to be not": {Manager: true, Voter: true, Reachable: true, Ready: true, Active: true, Pin: node.PinnedWorker},
}

var nodeNames = []string{"a", "b", "c", "d", "e"}

// anySwarm returns a swarm with changes of its nodes and of other objects, including swarms that no survey finds.
func anySwarm(t *rapid.T) plan.Given {
	g := plan.Anything(t)
	of := nodesOf(g)
	s := &of.swarm
	kinds := make([]string, 0, len(nodeKinds))
	for k := range nodeKinds {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	s.Nodes = []node.Node{}
	for i, name := range nodeNames[:rapid.IntRange(1, len(nodeNames)).Draw(t, "nodes")] {
		n := nodeNamed(name, oneOf(t, "kind", kinds...))
		n.Leader = reaches(n) && !slices.ContainsFunc(s.Nodes, func(o node.Node) bool { return o.Leader })
		n.Zone = oneOf(t, "zone", "", "x", "y")
		if n.Own = i == 0; n.Own {
			s.Own = oneOf(t, "own", "", n.ID)
			g.Facts.Own = s.Own
		}
		if n.Held {
			g.Facts.Holds = append(g.Facts.Holds, plan.Hold{Target: "Node/" + name, Reason: "wait"})
		}
		if !n.Ready {
			s.Down++
		}
		if n.Unproven || chance(t, "doubted", 4) {
			of.doubt(n.ID)
		}
		s.Nodes = append(s.Nodes, n)
		if chance(t, "node differs", 3) {
			g.Changes = append(g.Changes, anyNodeChange(t, name))
		}
		if chance(t, "leaving", 3) {
			l := node.Leaving{
				Key: n.Key(), ID: n.ID, Have: n.Have, Absent: chance(t, "absent", 2), After: time.Minute, Down: !n.Ready, Active: n.Active, Member: member(n), Held: n.Held,
				Tasks: rapid.IntRange(0, 2).Draw(t, "tasks"), Reach: chance(t, "reach", 2), Left: chance(t, "left", 4), Replaced: chance(t, "replaced", 4),
			}
			if l.Down {
				l.DownFor = oneOf(t, "down for", 30*time.Second, time.Hour)
			}
			s.Leaving = append(s.Leaving, l)
		}
		if !n.Active && chance(t, "emptying", 2) {
			s.Emptying = append(s.Emptying, node.Emptying{Key: n.Key(), ID: n.ID, Tasks: rapid.IntRange(0, 2).Draw(t, "left there")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "tasks there") {
			of.tasks = append(of.tasks, anyPlaced(t, n.ID, len(of.tasks)))
		}
	}
	if !chance(t, "no managers", 6) {
		s.Managers = &node.Managers{Count: rapid.IntRange(0, 5).Draw(t, "managers"), ReplaceAfter: oneOf(t, "replace after", 0, time.Minute), StableFor: 5 * time.Second}
	}
	s.Stable = oneOf(t, "stable", time.Minute, time.Second)
	s.Announced = oneOf(t, "announced", time.Time{}, now.Add(time.Minute))
	s.Rotating = chance(t, "rotating", 6)
	s.Candidates = oneOf(t, "candidates", nil, map[string]string{"zone": "new"}, map[string]string{"rack": "new"})
	if chance(t, "unknown", 8) {
		s.Unknown = "the engine said no"
	}
	if chance(t, "nothing read", 20) {
		s.Nodes = nil
	}
	g.Policy.Budgets.Drains = rapid.IntRange(0, 2).Draw(t, "drains")
	for _, h := range []plan.Hazard{plan.EvenManagers, plan.SingleManager, plan.ManyManagers, plan.PromoteUnproven, plan.ForceNodeRemoval, plan.Outage} {
		if chance(t, "consent", 2) {
			g.Policy.Consents = append(g.Policy.Consents, plan.Consented{Hazard: h})
		}
	}
	return g
}

func anyNodeChange(t *rapid.T, name string) diff.Change {
	words := []string{"~", "Node/" + name}
	switch oneOf(t, "what", "labels", "drain", "active", "both", "blocked", "awaited", "unmatched") {
	case "labels":
		words = append(words, oneOf(t, "whose", "git", "hand")+"=spec.labels.zone")
	case "drain":
		words = append(words, oneOf(t, "whose", "git", "hand")+"=spec.availability=drain")
	case "active":
		words = append(words, oneOf(t, "whose", "git", "hand")+"=spec.availability=active")
	case "both":
		words = append(words, "git=spec.labels.zone", oneOf(t, "whose", "git", "hand")+"=spec.availability=drain")
	case "blocked":
		words[0] = "+"
		words = append(words, "instance=", "blocked=two_of_a_name", "git=spec.labels.zone")
	case "awaited":
		words[0] = "+"
		words = append(words, "instance=", "blocked=none_yet", "awaited", "git=spec.labels.zone")
	case "unmatched":
		words[0] = "+"
		words = append(words, "instance=", "blocked=nobody", "awaited", "unmatched", "git=spec.labels.zone")
	}
	if chance(t, "enforce", 4) {
		words = append(words, "enforce")
	}
	return plan.Change(words)
}

// However the swarm is and whatever differs, nodes change one thing at a time.
func oneAtATime(t *rapid.T) {
	g := anySwarm(t)
	p := g.Build()
	s := nodesOf(g).swarm
	roles, drained := 0, 0
	touched := map[string]bool{}
	for i, st := range p.Steps {
		if st.Key.Kind != v1.KindNode {
			continue
		}
		held := slices.ContainsFunc(s.Nodes, func(n node.Node) bool { return n.ID == st.Instance && n.Held })
		at := slices.IndexFunc(s.Leaving, func(l node.Leaving) bool { return l.ID == st.Instance })
		if st.ChangesRole() {
			roles++
		}
		if drains(st) {
			drained++
		}
		own := st.Instance == s.Own && (drains(st) || st.Demotes() || st.Leaves())
		for why, is := range map[string]bool{
			"a second one on the node":   touched[st.Instance],
			"on a node that is held":     held,
			"on one that nobody knows":   st.Instance == "",
			"about what is not known":    s.Unknown != "",
			"a role of nodes unread":     s.Nodes == nil && (st.ChangesRole() || st.Op == diff.Remove || st.Leaves()),
			"a role of which none cares": s.Managers == nil && st.ChangesRole(),
			"our own before others":      own && i < len(p.Steps)-1,
			"the removal of a manager":   (st.Op == diff.Remove || st.Leaves()) && s.Leaving[at].Member,
			"while the CA is rotated":    st.Op == diff.Remove && s.Rotating && s.Leaving[at].Down,
			"a role of one unproven":     st.ChangesRole() && !st.Demotes() && slices.ContainsFunc(s.Nodes, func(n node.Node) bool { return n.ID == st.Instance && n.Unproven }),
			"a label of one unproven":    s.Doubts[st.Instance] != "" && s.Candidates["zone"] == "new" && strings.Contains(fmt.Sprint(st.Fields), "spec.labels.zone"),
			"a removal with tasks on it": st.Op == diff.Remove && !s.Leaving[at].Down && s.Leaving[at].Tasks > 0,
			"a removal by force":         st.Op == diff.Remove && !s.Leaving[at].Down && !g.Policy.Consents.Covers(plan.ForceNodeRemoval, st.Key),
		} {
			if is {
				t.Fatalf("step %d is %s:\n%s", st.ID, why, plan.Render(p))
			}
		}
		touched[st.Instance] = true
	}
	busy := 0
	for _, e := range s.Emptying {
		if e.Tasks > 0 && !touched[e.ID] {
			busy++
		}
	}
	switch {
	case roles > 1:
		t.Fatalf("%d roles change:\n%s", roles, plan.Render(p))
	case drained > 0 && drained+busy > max(1, g.Policy.Budgets.Drains):
		t.Fatalf("%d nodes are drained, and %d still empty:\n%s", drained, busy, plan.Render(p))
	}
	for _, c := range g.Changes { // what somebody set on purpose is left as it is
		st := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Key == c.Key && s.Instance == c.Instance })
		if c.Key.Kind != v1.KindNode || st < 0 || c.Want.Policy.Enforce != nil {
			continue
		}
		if slices.ContainsFunc(p.Steps[st].Fields, func(f diff.Field) bool { return f.Intent && !f.Git }) {
			t.Fatalf("what a hand meant is undone:\n%s", plan.Render(p))
		}
	}
}

// The order in which nodes differ does not show, because they are read in the order of their names.
func nodesShuffled(t *rapid.T) {
	g := anySwarm(t)
	first := plan.Render(g.Build())
	g.Changes = rapid.Permutation(g.Changes).Draw(t, "changes")
	if again := plan.Render(g.Build()); again != first {
		t.Fatalf("it was\n%s\nand is\n%s", first, again)
	}
}

// Nothing of a node vanishes from a plan either.
func nothingOfNodesVanishes(t *rapid.T) { plan.NothingVanishesOf(t, anySwarm(t)) }

// A plan says one thing about a node or the Cluster, too.
func oneAnswerOnNodes(t *rapid.T) { plan.OneAnswerOf(t, anySwarm(t)) }

func TestNodeLaws(t *testing.T) {
	for name, law := range map[string]func(*rapid.T){
		"one at a time": oneAtATime, "shuffled": nodesShuffled, "nothing vanishes": nothingOfNodesVanishes, "one answer": oneAnswerOnNodes, "it comes to an end": nodesComeToAnEnd,
	} {
		t.Run(name, func(t *testing.T) { rapid.Check(t, law) })
	}
}

func FuzzNodesComeToAnEnd(f *testing.F) { generate.Fuzz(f, nodesComeToAnEnd) }
func FuzzOneAtATime(f *testing.F)       { generate.Fuzz(f, oneAtATime) }
func FuzzNodesShuffled(f *testing.F)    { generate.Fuzz(f, nodesShuffled) }

func TestProgressOfTheRoot(t *testing.T) {
	many := strings.Builder{}
	for i := range 14 {
		fmt.Fprintf(&many, "seen w%02d worker ready behind\n", i)
	}
	for _, c := range []struct{ name, given, want string }{
		{"all have it", "seen a manager ready\nseen b worker ready", "2 of 2 nodes have the new root"},
		{"one has not", "seen a manager ready\nseen b worker ready behind", "1 of 2 nodes have the new root; waiting for: b"},
		{"one is down", "seen a manager ready\nseen b worker down behind\nseen c worker unknown", "2 of 3 nodes have the new root; waiting for: b (down)"},
		{"many", many.String(), "0 of 14 nodes have the new root; waiting for: w00, w01, w02, w03, w04, w05, w06, w07, w08, w09 and 4 more"},
	} {
		if got := nodesOf(plan.Read(t, c.given)).swarm.Progress(); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// A change of a role is never in the first plan of apply, and of later plans apply shows only this.
func TestBriefKeepsTheHeadingAndTheNotes(t *testing.T) {
	for _, c := range []struct{ block, want string }{
		{"~ Node/a  (in place)\n    spec.role  worker → manager\n    note: ends 1 task of web\n    note: ends the task of agent\n", "~ Node/a  (in place)\n    note: ends 1 task of web\n    note: ends the task of agent\n"},
		{"~ Node/a  (in place)\n    spec.labels.a  x → note: y\n", "~ Node/a  (in place)\n"},
		{"+ Service/a  (in git)\n", "+ Service/a  (in git)\n"},
		{"= Service/a  (equal)\n    note: it has more\n", "= Service/a  (equal)\n    note: it has more\n"},
	} {
		if got := plan.Brief(c.block); got != c.want {
			t.Errorf("Brief(%q) is %q, want %q", c.block, got, c.want)
		}
	}
	p := plan.Read(t, `
		node a worker
		runs web.1 a
		runs web.2 b
		~ Node/a git=spec.availability=drain
	`).Build()
	const want = "~ Node/a [id-a]  (changed in git; in place)\n    note: ends 1 task of web on a (web.1); 1 of 2 stay\n"
	if blocks := p.Blocks(nil); len(blocks) != 1 || plan.Brief(blocks[0]) != want {
		t.Errorf("the blocks are %q", blocks)
	}
}
