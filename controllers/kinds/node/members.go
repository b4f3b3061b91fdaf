package node

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Tolerance returns how many members may be lost before those that are left have no majority. Below zero, there is no
// majority now.
func Tolerance(reachable, members int) int { return reachable - (members/2 + 1) }

// Pin is what a manifest says of a node's role.
type Pin uint8

// The pins.
const (
	Unpinned Pin = iota
	PinnedManager
	PinnedWorker
)

// Node is what the choice of managers needs to know of a node. The zero value of each field is the careful answer.
type Node struct {
	ID, Name string
	// Manager is true if the node's spec asks for a manager. Voter is true if it has a manager's status, so that it
	// is a manager in fact. A role changes at once, and the status follows. Each of the two makes the node a member.
	Manager, Voter bool
	// Reachable and Leader are as the node's manager status says.
	Reachable, Leader bool
	// Ready is true if that is its state, and Active if that is its availability.
	Ready, Active bool
	// Held is true if nothing is written to the node, and it is not replaced.
	Held bool
	// Own is true for the node whose engine the acting operator talks to.
	Own bool
	Pin Pin
	// Incumbent is true if it was a manager when there were as many as were wanted. If there are too many, it stays
	// before others.
	Incumbent bool
	// Candidate is true if the manifests let it become a manager.
	Candidate bool
	// Zone is the value that managers are to be spread by.
	Zone string
	// Unproven is true if only what it says of itself would make it a manager, and nobody agreed to that.
	Unproven bool
	Cost
	// Away is how long the acting operator has seen it unreachable, or between two roles.
	Away time.Duration
	// Have is the live node, for the step.
	Have *diff.State
}

// Cost is what a change of a node's role costs.
type Cost struct {
	// Outages is how many services a change of its role leaves without a ready task, and Ends how many tasks it ends.
	// Agreed is true if somebody agreed to that.
	Outages, Ends int
	Agreed        bool
}

// harm returns 0 if a change of the node's role needs no consent. It returns 1 if somebody agreed to the outage, and
// 2 if nobody did.
func (n Node) harm() int {
	switch {
	case n.Outages == 0:
		return 0
	case n.Agreed:
		return 1
	}
	return 2
}

func (n Node) member() bool { return n.Manager || n.Voter }

// reaches reports whether the node is a member that works. A member whose role and status differ counts as lost.
func (n Node) reaches() bool { return n.Manager && n.Voter && n.Reachable }

// changing reports whether the node is on its way from one role to the other. An engine that is made a manager may be
// down for seconds meanwhile.
func (n Node) changing() bool { return n.Manager != n.Voter && n.Away < RoleDeadline }

// ghost reports whether the node's spec says manager and raft knows no such member, as after --force-new-cluster. The
// engine refuses to demote it (404). Only the removal of the node ends that.
func (n Node) ghost() bool { return n.Manager && !n.Voter && !n.Ready }

// RoleDeadline is how long a node may take from one role to the other before it counts as one that does not arrive. A
// leader needs 8 s to step down. A manager that joins a large raft log needs less than a minute.
const RoleDeadline = 2 * time.Minute

// Managers is what the manifests want.
type Managers struct {
	// Count is how many managers are wanted. 0 means that only pins count.
	Count int
	// ReplaceAfter is how long an unreachable member is waited for before another node takes its place. 0 means
	// forever.
	ReplaceAfter time.Duration
	// StableFor is how long the membership has to stay as it is before it changes again.
	StableFor time.Duration
}

// RoleChange makes a worker a manager, or a manager a worker.
type RoleChange struct {
	Node    Node
	Promote bool
	// Why tells a person why the role changes, with the arithmetic.
	Why string
}

// Membership is the answer of NextRoleChange: a change, or the reason why there is none.
type Membership struct {
	Change *RoleChange
	// Waiting are the nodes that would become managers and wait for consent, because only what they say of themselves
	// selects them.
	Waiting []Node
	// More is how many roles have to change after that, as far as anybody can tell.
	More int
	// Members, Reachable and Tolerance are the present numbers.
	Members, Reachable, Tolerance int
	// Refused is true if something is to change and may not now. Class says what ends that. If it is Consent, Hazard
	// says what to agree to.
	Refused bool
	Class   plan.Class
	Hazard  plan.Hazard
	Why     string
	// Again is how long it takes until a refusal of class Later ends by itself. It is 0 if that is not known.
	Again time.Duration
}

// NextRoleChange chooses the next step from the members that there are to those that are wanted. It chooses at most
// one, and only when the step before it is done and has stood for a while. agreed reports whether somebody agreed to
// a hazard.
//
// A step is allowed if the members that it leaves can lose one, or no fewer than before. One, two or an even number
// of managers need consent. On the way to such a number, what counts is what that number can lose at best.
func NextRoleChange(nodes []Node, want Managers, stable time.Duration, agreed func(plan.Hazard) bool) Membership {
	m := newMembers(nodes, want)
	out := Membership{Members: m.members, Reachable: m.reachable, Tolerance: Tolerance(m.reachable, m.members)}
	if m.pinned > want.Count && want.Count > 0 {
		return out.refuse(plan.Never, "", "the manifests want %s, but %d nodes are pinned as managers or are managers on hold: raise spec.managers.count, or pin fewer", v1.Count(want.Count, "manager"), m.pinned)
	}
	steps := m.steps()
	out.Waiting = m.waiting(want.Count)
	changing := slices.IndexFunc(nodes, Node.changing)
	if len(steps) == 0 && changing < 0 {
		return m.settled(out, want, stable)
	}
	if m.quorumLost() {
		return out.refuse(plan.Later, "", "only %d of %s can be reached: that is no majority, and the swarm takes no writes until more of them return", m.reachable, v1.Count(m.voters, "manager"))
	}
	if changing >= 0 {
		n := nodes[changing]
		return out.refuse(plan.Later, "", "%s is still becoming a %s%s", n.Name, map[bool]string{true: "manager", false: "worker"}[n.Manager], intended("; after that: ", steps))
	}
	target := cmp.Or(want.Count, len(m.wanted))
	if h := hazardOf(target); h != "" && m.members != target && !agreed(h) {
		return out.refuse(plan.Consent, h, "%s", hazardText(target))
	}
	if stable < want.StableFor { // this comes after what a person must agree to: diff has to show that, and to diff nothing is stable
		out.Again = want.StableFor - stable
		return out.refuse(plan.Later, "", "the managers have to stay as they are for %s before the next one changes%s", want.StableFor, intended("; after that: ", steps))
	}
	return m.choose(out, steps, min(1, Tolerance(target, target)))
}

// refuse returns the answer with why nothing may change now.
func (out Membership) refuse(c plan.Class, h plan.Hazard, format string, args ...any) Membership {
	out.Refused, out.Class, out.Hazard, out.Why = true, c, h, fmt.Sprintf(format, args...)
	return out
}

// settled returns the answer if no role has to change, and none is about to: whether there are enough managers.
func (m *members) settled(out Membership, want Managers, stable time.Duration) Membership {
	if len(out.Waiting) > 0 {
		return out.refuse(plan.Consent, plan.PromoteUnproven, "%s", v1.Count(len(out.Waiting), "node")+" would become a manager only because of what it says of itself")
	}
	if len(m.wanted) >= want.Count {
		return out
	}
	class := plan.Never
	if stable < want.StableFor { // for seconds after the election of a new leader no node counts as ready
		class, out.Again = plan.Later, want.StableFor-stable
	}
	return out.refuse(class, "", "the swarm can have only %d of the %s that the manifests want; a manager must be ready, active, not on hold, and match spec.managers.candidates: bring nodes back (docker node ls shows them), or let more match", len(m.wanted), v1.Count(want.Count, "manager"))
}

// choose returns the answer with the first of the steps that is allowed, or why none is. A step may leave a tolerance of
// floor, or the tolerance that there is now.
func (m *members) choose(out Membership, steps []RoleChange, floor int) Membership {
	var blocked []string
	for _, s := range steps {
		members, reachable := m.after(s)
		after := Tolerance(reachable, members)
		text := fmt.Sprintf("%s: %s, of which %s can be reached; a majority is %d, so %s",
			s.verb(), v1.Count(members, "member"), fmt.Sprint(reachable), members/2+1, Losses(after))
		switch {
		case s.Node.ghost() && !s.Promote:
			blocked = append(blocked, fmt.Sprintf("%s has the role manager but is not among the managers that vote, so the engine cannot demote it; remove it: docker node rm --force %s", s.Node.Name, s.Node.ID))
		case after < floor && after < out.Tolerance, !s.Promote && s.Node.reaches() && Tolerance(reachable, m.voters-1) < 0:
			// The second condition: with members that are in no raft, the first may compare one missing majority with
			// another.
			blocked = append(blocked, text+fmt.Sprintf(" (now %s)", Losses(out.Tolerance)))
		default:
			s.Why = text
			if out.Change == nil {
				out.Change, out.More = &s, len(steps)-1
			}
			if s.Node.harm() < 2 && (s.last() == 0 || out.Change.Node.ID == s.Node.ID) {
				out.Change = &s // it goes before a step that waits for a person, but no leader goes before others
				return out
			}
		}
	}
	if out.Change != nil {
		return out
	}
	class := plan.Later // until a member comes back
	if out.Reachable == out.Members {
		class = plan.Never
	}
	return out.refuse(class, "", "%s", strings.Join(blocked, "; "))
}

// intended names the changes that are wanted, in no order that was decided.
func intended(after string, steps []RoleChange) string {
	if len(steps) == 0 {
		return ""
	}
	verbs := make([]string, 0, len(steps))
	for _, s := range steps {
		verbs = append(verbs, s.verb())
	}
	return after + strings.Join(verbs, ", ")
}

// Losses says in words what a tolerance is.
func Losses(tolerance int) string {
	switch {
	case tolerance < 0:
		return "there would be no majority"
	case tolerance == 0:
		return "none may be lost"
	}
	return v1.Count(tolerance, "member") + " may be lost"
}

// hazardOf returns what is dangerous about a number of managers, or "" if nothing is.
func hazardOf(n int) plan.Hazard {
	switch {
	case n == 1:
		return plan.SingleManager
	case n%2 == 0:
		return plan.EvenManagers
	case n > 7:
		return plan.ManyManagers
	}
	return ""
}

func hazardText(n int) string {
	switch hazardOf(n) {
	case plan.SingleManager:
		return "one manager: when it is lost, so is the swarm"
	case plan.EvenManagers:
		return fmt.Sprintf("%d managers can lose no more than %d can, and one more may fail", n, n-1)
	}
	return fmt.Sprintf("%d managers: each write waits for %d of them", n, n/2+1)
}

// members is a membership with what is wanted of it.
type members struct {
	nodes              []Node
	wanted             map[string]bool // by id
	members, reachable int
	voters             int
	pinned             int
}

func newMembers(nodes []Node, want Managers) *members {
	m := &members{nodes: nodes, wanted: map[string]bool{}}
	for _, n := range nodes {
		if n.member() {
			m.members++
		}
		if n.Voter {
			m.voters++
		}
		if n.reaches() {
			m.reachable++
		}
	}
	var rest, dead []Node
	for _, n := range nodes {
		switch {
		case n.Unproven && !n.member(): // it takes nobody's place, so that a machine cannot keep others from it
		case n.Pin == PinnedManager || n.Held && n.Manager:
			m.wanted[n.ID] = true
		case n.Held || n.Pin == PinnedWorker:
		case n.Manager && want.Count == 0:
			m.wanted[n.ID] = true
		case n.Manager && want.ReplaceAfter > 0 && n.Away >= want.ReplaceAfter && n.Active:
			dead = append(dead, n)
		case n.Manager || n.Candidate && n.Ready && n.Active && !n.Voter:
			rest = append(rest, n)
		}
	}
	m.pinned = len(m.wanted)
	m.fill(rest, want.Count)
	leaves := slices.ContainsFunc(nodes, func(n Node) bool { return n.reaches() && !n.Held && !m.wanted[n.ID] })
	if !leaves { // a member that nobody can replace may come back, but is not waited for while one that works is to leave
		m.fill(dead, want.Count)
	}
	return m
}

// waiting returns the nodes that only a consent keeps from becoming managers. A candidate waits only if there are too
// few others.
func (m *members) waiting(enough int) []Node {
	var out []Node
	for _, n := range m.nodes {
		free := n.Unproven && !n.member() && !n.Held && n.Ready
		if free && (n.Pin == PinnedManager || n.Pin == Unpinned && n.Candidate && n.Active && len(m.wanted) < enough) {
			out = append(out, n)
		}
	}
	return out
}

// fill adds the best of the nodes to those that are wanted, until there are enough.
func (m *members) fill(nodes []Node, enough int) {
	for len(m.wanted) < enough && len(nodes) > 0 {
		i := m.best(nodes)
		m.wanted[nodes[i].ID] = true
		nodes = slices.Delete(nodes, i, i+1)
	}
}

// best returns the index of the node to keep or, if none is a manager, to promote. It prefers members that work, then
// nodes whose role changes without an outage, and then zones with the fewest managers. A manager is kept because of
// what its demotion would end.
func (m *members) best(nodes []Node) int {
	zones := map[string]int{}
	for _, n := range m.nodes {
		if m.wanted[n.ID] {
			zones[n.Zone]++
		}
	}
	rank := func(n Node) []int {
		harm, ends := n.harm(), n.Ends
		if n.Manager {
			harm, ends = -harm, -ends
		}
		return []int{no(n.Manager), no(n.reaches() || !n.Manager), no(n.Incumbent || !n.Manager), no(n.Candidate), no(n.Active), harm, zones[n.Zone], no(n.Leader), no(n.Own), ends}
	}
	best := 0
	for i := range nodes {
		if cmp.Or(slices.Compare(rank(nodes[i]), rank(nodes[best])), cmp.Compare(nodes[i].Name, nodes[best].Name), cmp.Compare(nodes[i].ID, nodes[best].ID)) < 0 {
			best = i
		}
	}
	return best
}

func no(b bool) int {
	if b {
		return 0
	}
	return 1
}

// steps returns all changes that are wanted, the best first. The best change leaves the swarm able to lose the most
// managers. Dead managers are demoted before living ones. Among the living, the leader is demoted after the others, and
// the node of our own engine last. Of changes that are equal in all this, the first is the one that costs least.
func (m *members) steps() []RoleChange {
	var out []RoleChange
	for _, n := range m.nodes {
		switch {
		case n.Held:
		case m.wanted[n.ID] && !n.Manager && n.Ready:
			out = append(out, RoleChange{Node: n, Promote: true})
		case !m.wanted[n.ID] && n.Manager:
			out = append(out, RoleChange{Node: n})
		}
	}
	rank := func(s RoleChange) []int {
		members, reachable := m.after(s)
		return []int{s.last(), -Tolerance(reachable, members), no(!s.Promote && !s.Node.reaches()), no(s.Promote), s.Node.harm(), s.Node.Ends}
	}
	slices.SortFunc(out, func(a, b RoleChange) int {
		return cmp.Or(slices.Compare(rank(a), rank(b)), cmp.Compare(a.Node.Name, b.Node.Name), cmp.Compare(a.Node.ID, b.Node.ID))
	})
	return out
}

// last returns 0 for a step that may go first. While another node could go, the leader does not, and our own engine
// goes after it.
func (s RoleChange) last() int {
	switch {
	case s.Promote:
		return 0
	case s.Node.Own:
		return 2
	case s.Node.Leader:
		return 1
	}
	return 0
}

// after returns the membership after the step. A node that is about to become a manager counts as reachable if it is
// ready and active.
func (m *members) after(s RoleChange) (members, reachable int) {
	members, reachable = m.members, m.reachable
	switch {
	case !s.Promote:
		members--
		if s.Node.reaches() {
			reachable--
		}
	default:
		if !s.Node.member() {
			members++
		}
		if s.Node.Ready && s.Node.Active {
			reachable++
		}
	}
	return members, reachable
}

// quorumLost reports whether raft has no majority. A node that is a manager only by its role has no vote.
func (m *members) quorumLost() bool { return Tolerance(m.reachable, m.voters) < 0 }

func (s RoleChange) verb() string {
	if s.Promote {
		return "promoting " + s.Node.Name
	}
	return "demoting " + s.Node.Name
}

// RolesMayChange returns the ids of the nodes from which the next change of a role may choose. It returns nil if no
// role is to change.
func RolesMayChange(nodes []Node, want Managers) map[string]bool {
	m := newMembers(nodes, want)
	var out map[string]bool
	for _, s := range m.steps() {
		for _, n := range nodes {
			if n.Manager != s.Promote && !n.Held {
				if out == nil {
					out = map[string]bool{}
				}
				out[n.ID] = true
			}
		}
	}
	return out
}
