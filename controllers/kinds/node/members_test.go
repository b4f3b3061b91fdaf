package node

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

func TestTolerance(t *testing.T) {
	for _, c := range []struct{ reachable, members, want int }{
		{1, 1, 0}, {2, 2, 0}, {1, 2, -1}, {3, 3, 1}, {2, 3, 0}, {1, 3, -1}, {4, 4, 1}, {3, 4, 0}, {5, 5, 2}, {3, 5, 0}, {6, 6, 2}, {7, 7, 3}, {4, 7, 0}, {0, 0, -1},
	} {
		if got := Tolerance(c.reachable, c.members); got != c.want {
			t.Errorf("%d of %d: %d, want %d", c.reachable, c.members, got, c.want)
		}
	}
}

const longAway = time.Hour

// nodeKinds are the nodes that the swarms of the enumeration are made of.
var nodeKinds = map[string]Node{
	"manager":            {Manager: true, Voter: true, Reachable: true, Ready: true, Active: true, Candidate: true},
	"manager, foreign":   {Manager: true, Voter: true, Reachable: true, Ready: true, Active: true},
	"manager, drained":   {Manager: true, Voter: true, Reachable: true, Ready: true, Candidate: true},
	"manager, held":      {Manager: true, Voter: true, Reachable: true, Ready: true, Active: true, Candidate: true, Held: true},
	"dead":               {Manager: true, Voter: true, Active: true, Candidate: true, Away: longAway},
	"dead, just":         {Manager: true, Voter: true, Active: true, Candidate: true, Away: time.Second},
	"dead, drained":      {Manager: true, Voter: true, Candidate: true, Away: longAway},
	"dead, held":         {Manager: true, Voter: true, Active: true, Candidate: true, Held: true, Away: longAway},
	"promoting":          {Manager: true, Ready: true, Active: true, Candidate: true, Away: time.Second},
	"ghost":              {Manager: true, Active: true, Candidate: true, Away: longAway},
	"demoting":           {Voter: true, Reachable: true, Ready: true, Active: true, Candidate: true, Away: time.Second},
	"worker":             {Ready: true, Active: true, Candidate: true},
	"worker, foreign":    {Ready: true, Active: true},
	"worker, drained":    {Ready: true, Candidate: true},
	"worker, down":       {Active: true, Candidate: true},
	"worker, held":       {Ready: true, Active: true, Candidate: true, Held: true},
	"worker, to be one":  {Ready: true, Active: true, Pin: PinnedManager},
	"manager, to be not": {Manager: true, Voter: true, Reachable: true, Ready: true, Active: true, Pin: PinnedWorker},
}

// The test takes every membership of up to seven managers, with spare workers, towards every count: a third of them, and
// the others with the next commits. Each step keeps
// the rule, and every run ends. If a run ends early, nothing is left that could be done safely.
func TestEveryMembershipComesToWhatIsWanted(t *testing.T) {
	names := slices.Sorted(maps.Keys(nodeKinds))
	members := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !nodeKinds[n].member() || nodeKinds[n].Pin != Unpinned })
	runs, done := 0, 0
	try := func(swarm []string) {
		for counted := range 9 {
			runs++
			if newModel(t, swarm, Managers{Count: counted, ReplaceAfter: 10 * time.Minute}).run() {
				done++
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	var swarms [][]string
	multisets(names, 4, func(swarm []string) { swarms = append(swarms, slices.Clone(swarm)) })
	multisets(members, 7, func(swarm []string) { swarms = append(swarms, append(slices.Clone(swarm), "worker", "worker")) })
	for _, swarm := range turn.Part(3, swarms) {
		try(swarm)
	}
	t.Logf("%d memberships, of which %d came to what was wanted", runs, done)
	if runs < 10_000 || done < runs/5 {
		t.Error("that is not what there is to try")
	}
}

// multisets calls found for every choice of up to most of the names, with repetition.
func multisets(names []string, most int, found func([]string)) {
	var grow func(at int, chosen []string)
	grow = func(at int, chosen []string) {
		if len(chosen) > 0 {
			found(chosen)
		}
		if len(chosen) == most {
			return
		}
		for i := at; i < len(names); i++ {
			grow(i, append(chosen, names[i]))
		}
	}
	grow(0, nil)
}

// model is a swarm that does what the engine does: a role changes, and the status follows.
type model struct {
	t     *testing.T
	nodes []Node
	want  Managers
	log   []string
}

func newModel(t *testing.T, swarm []string, want Managers) *model {
	m := &model{t: t, want: want, log: []string{fmt.Sprintf("want %d of %s", want.Count, strings.Join(swarm, " + "))}}
	for i, kind := range swarm {
		n := nodeKinds[kind]
		n.ID = fmt.Sprintf("n%d", i)
		n.Name = n.ID
		n.Outages, n.Ends, n.Agreed = i%2, i%3, i%4 == 1 // nobody had looked at these before
		m.nodes = append(m.nodes, n)
	}
	m.elect()
	for i := range m.nodes { // the acting operator is on the last of the managers
		if m.nodes[i].reaches() {
			for j := range m.nodes {
				m.nodes[j].Own = j == i
			}
		}
	}
	return m
}

// elect gives the swarm a leader if it can have one.
func (m *model) elect() {
	leader := -1
	for i, n := range m.nodes {
		if n.Leader && n.reaches() {
			return
		}
		m.nodes[i].Leader = false
		if n.reaches() && leader < 0 {
			leader = i
		}
	}
	if leader >= 0 {
		m.nodes[leader].Leader = true
	}
}

func (m *model) counts() (members, reachable, voters int) {
	for _, n := range m.nodes {
		if n.Manager || n.Voter {
			members++
		}
		if n.Manager && n.Voter && n.Reachable {
			reachable++
		}
		if n.Voter {
			voters++
		}
	}
	return members, reachable, voters
}

func agreed(plan.Hazard) bool { return true }

// run takes steps until there is none. It returns whether everything came to what is wanted.
func (m *model) run() bool {
	for steps := 0; ; steps++ {
		next := NextRoleChange(m.nodes, m.want, time.Hour, agreed)
		members, reachable, voters := m.counts()
		if next.Members != members || next.Reachable != reachable || next.Tolerance != reachable-(members/2+1) {
			m.fail("it counts %+v, there are %d members and %d can be reached", next, members, reachable)
		}
		if next.Change == nil {
			if next.Refused && m.settle() {
				continue
			}
			return m.ended(next)
		}
		if steps > 2*len(m.nodes) {
			m.fail("it does not end")
			return false
		}
		m.check(next, members, reachable, voters)
		m.take(*next.Change)
	}
}

// settle lets roles arrive. It returns whether one did.
func (m *model) settle() bool {
	moved := false
	for i := range m.nodes {
		n := &m.nodes[i]
		if n.Manager == n.Voter || !n.Ready || n.Away >= RoleDeadline {
			continue
		}
		n.Voter, n.Reachable, n.Away, moved = n.Manager, n.Manager, 0, true
	}
	m.elect()
	return moved
}

func (m *model) take(c RoleChange) {
	i := slices.IndexFunc(m.nodes, func(n Node) bool { return n.ID == c.Node.ID })
	m.log = append(m.log, c.Why)
	m.nodes[i].Manager = c.Promote
	if !c.Promote && !m.nodes[i].Ready { // raft has removed it, so there is nobody to tell
		m.nodes[i].Voter, m.nodes[i].Reachable = false, false
	}
	m.settle()
}

// check compares a step with the rule, which it works out by itself.
func (m *model) check(next Membership, members, reachable, voters int) {
	c := next.Change
	after, afterMembers := reachable, members
	if c.Promote {
		afterMembers++
		if c.Node.Ready && c.Node.Active {
			after++
		}
	} else {
		afterMembers--
		if c.Node.reaches() {
			after--
		}
	}
	floor := 1
	if m.want.Count == 1 || m.want.Count == 2 { // these can lose none at best
		floor = 0
	}
	if m.want.Count == 0 {
		floor = -1 // it follows from the pins; the other half of the rule is checked below
	}
	before := reachable - (members/2 + 1)
	tolerance := after - (afterMembers/2 + 1)
	surplus := slices.ContainsFunc(m.nodes, func(n Node) bool {
		return !n.Leader && !n.Own && n.Manager && !n.Held && n.Voter && n.Pin == PinnedWorker
	})
	pins := slices.ContainsFunc(m.nodes, func(n Node) bool { return n.Pin == PinnedManager }) // another manager goes for these
	for why, is := range map[string]bool{
		"breaks the rule":           tolerance < floor && tolerance < before,
		"without a majority":        2*reachable <= voters,
		"loses the majority":        !c.Promote && c.Node.reaches() && 2*after <= voters-1,
		"on what is on hold":        c.Node.Held,
		"against a pin":             c.Promote && c.Node.Pin == PinnedWorker || !c.Promote && c.Node.Pin == PinnedManager,
		"of who is no candidate":    c.Promote && c.Node.Pin != PinnedManager && (!c.Node.Candidate || !c.Node.Ready || !c.Node.Active),
		"of who is not ready":       c.Promote && !c.Node.Ready,
		"the leader before another": !c.Promote && c.Node.Leader && surplus,
		"a second one at once":      slices.ContainsFunc(m.nodes, Node.changing),
		"of a drained dead one":     !c.Promote && !c.Node.Reachable && !c.Node.Active && m.want.Count >= members && !pins,
		"of one that comes back":    !c.Promote && c.Node.Away > 0 && c.Node.Away < m.want.ReplaceAfter && m.want.Count >= members && !pins,
		"of one nobody looked at":   len(m.log) == 1 && !unweighed(m.nodes, m.want)[c.Node.ID],
		"an outage before none":     c.Node.harm() == 2 && c.Node.Pin == Unpinned && slices.ContainsFunc(m.nodes, func(n Node) bool { return c.Promote && n.harm() == 0 && spare(n) }),
		"says nothing of numbers":   !strings.Contains(c.Why, "majority is"),
	} {
		if is {
			m.fail("%s is %s: %s", c.verb(), why, c.Why)
		}
	}
}

// unweighed returns the nodes whose tasks are asked for. That is decided before anybody knows what they cost.
func unweighed(nodes []Node, want Managers) map[string]bool {
	nodes = slices.Clone(nodes)
	for i := range nodes {
		nodes[i].Outages, nodes[i].Ends, nodes[i].Agreed = 0, 0, false
	}
	return RolesMayChange(nodes, want)
}

func spare(n Node) bool {
	return !n.member() && n.Candidate && n.Ready && n.Active && !n.Held && n.Pin == Unpinned
}

// ended fails if something is left that could be done.
func (m *model) ended(last Membership) bool {
	members, reachable, voters := m.counts()
	roles, ghosts := 0, 0
	for _, n := range m.nodes {
		if n.Manager {
			roles++
		}
		if n.ghost() {
			ghosts++
		}
	}
	if !last.Refused {
		if m.want.Count > 0 && roles != m.want.Count {
			m.fail("it is content with %d managers", roles)
		}
		return true
	}
	if last.Why == "" {
		m.fail("it does not say why")
	}
	if 2*reachable <= voters || last.Class == plan.Never {
		return false
	}
	// A careful person could do this towards the count, by hand and without harm.
	for _, n := range m.nodes {
		if tolerance := Tolerance(reachable+1, members+1); spare(n) && roles < m.want.Count && tolerance >= min(1, Tolerance(reachable, members)) {
			m.fail("%s could be promoted: %s", n.Name, last.Why)
		}
		dead := n.Manager && n.Voter && !n.Reachable && !n.Held && n.Pin == Unpinned && n.Active && n.Away >= m.want.ReplaceAfter
		if dead && roles-ghosts > m.want.Count && m.want.Count > 0 {
			m.fail("%s could be demoted: %s", n.Name, last.Why)
		}
	}
	return false
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Errorf("%s\n%s\n%+v", fmt.Sprintf(format, args...), strings.Join(m.log, "\n"), m.nodes)
}

// Each file of testdata/members has a few swarms, with what becomes of them step by step and in which words.
func TestRoleChanges(t *testing.T) {
	given(t, "testdata/members/steps.txtar", "steps", steps)
}

func counted(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// steps reads a swarm and the numbers of managers that are wanted one after the other, and takes all steps.
func steps(t *testing.T, given string) string {
	m := &model{t: t, want: Managers{ReplaceAfter: 10 * time.Minute, StableFor: 5 * time.Second}}
	var consents []plan.Hazard
	var b strings.Builder
	stable := time.Minute
	for line := range strings.Lines(given) {
		w := strings.Fields(line)
		switch w[0] {
		case "want":
			m.want.Count = counted(w[1])
			fmt.Fprintf(&b, "want %d\n", m.want.Count)
			for {
				next := NextRoleChange(m.nodes, m.want, stable, func(h plan.Hazard) bool { return slices.Contains(consents, h) })
				if next.Change == nil {
					if next.Refused {
						fmt.Fprintf(&b, "  %s %s: %s\n", next.Class, next.Hazard, next.Why)
					}
					fmt.Fprintf(&b, "  %d of %d, tolerance %d\n", next.Reachable, next.Members, next.Tolerance)
					break
				}
				fmt.Fprintf(&b, "  %s\n", next.Change.Why)
				m.take(*next.Change)
			}
		case "consent":
			consents = append(consents, plan.Hazard(w[1]))
		case "stable":
			stable, _ = time.ParseDuration(w[1])
		case "dies":
			i := slices.IndexFunc(m.nodes, func(n Node) bool { return n.Name == w[1] })
			m.nodes[i].Ready, m.nodes[i].Reachable, m.nodes[i].Leader, m.nodes[i].Away = false, false, false, time.Hour
			m.elect()
		default: // NAME KIND; [zone=Z] [leader] [own] [outages=N] [ends=N] [agreed]
			kind, rest, _ := strings.Cut(strings.TrimSpace(line[len(w[0]):]), ";")
			n := nodeKinds[kind]
			n.ID, n.Name = "id-"+w[0], w[0]
			for _, a := range strings.Fields(rest) {
				zone, isZone := strings.CutPrefix(a, "zone=")
				n.Agreed = n.Agreed || a == "agreed"
				_, _ = fmt.Sscanf(a, "outages=%d", &n.Outages) // it may be another setting
				_, _ = fmt.Sscanf(a, "ends=%d", &n.Ends)
				n.Own, n.Leader = n.Own || a == "own", n.Leader || a == "leader"
				if isZone {
					n.Zone = zone
				}
			}
			m.nodes = append(m.nodes, n)
		}
	}
	return b.String()
}

// A real engine that is made a manager is down for seconds before it is one. The next step waits for it, but not
// forever.
func TestARoleThatChangesIsWaitedForAlsoWhileTheNodeIsDown(t *testing.T) {
	nodes := []Node{
		{ID: "a", Name: "a", Manager: true, Voter: true, Reachable: true, Leader: true, Ready: true, Active: true, Candidate: true},
		{ID: "b", Name: "b", Manager: true, Active: true, Candidate: true, Away: RoleDeadline - time.Second},
		{ID: "c", Name: "c", Ready: true, Active: true, Candidate: true},
	}
	next := func() Membership {
		return NextRoleChange(nodes, Managers{Count: 3}, time.Minute, func(plan.Hazard) bool { return true })
	}
	if m := next(); !m.Refused || m.Class != plan.Later || !strings.Contains(m.Why, "b is still becoming a manager") {
		t.Errorf("the next step is %+v", m)
	}
	nodes[1].Away = RoleDeadline
	if m := next(); m.Change == nil || m.Change.Node.ID != "c" {
		t.Errorf("the next step is %+v", m)
	}
}

// An operator that has just begun to look has seen nothing be stable, and still has to say what somebody must agree
// to.
func TestConsentIsAskedForBeforeTheManagersAreStable(t *testing.T) {
	nodes := []Node{nodeKinds["manager"], nodeKinds["manager"], nodeKinds["manager"]}
	for i := range nodes {
		nodes[i].ID = fmt.Sprint(i)
	}
	m := NextRoleChange(nodes, Managers{Count: 1, StableFor: time.Minute}, 0, func(plan.Hazard) bool { return false })
	if !m.Refused || m.Class != plan.Consent || m.Hazard != plan.SingleManager {
		t.Errorf("the next step is %+v", m)
	}
}
