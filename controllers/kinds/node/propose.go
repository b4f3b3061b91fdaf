package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Swarm is what is known of the nodes besides what differs. The zero value means that nothing is known. Then no role
// changes, no node is removed, and none is drained.
type Swarm struct {
	// Nodes are the nodes as they were read for this plan. nil means that they were not read.
	Nodes []Node
	// Seen are all nodes, for code that counts them.
	Seen []kinds.Sighting
	// Managers is what is wanted of managers. nil means that no manifest says anything of roles.
	Managers *Managers
	Due
	Trusting
	// Own is the id of the node whose engine the operator talks to.
	Own string
	// Emptying are drained nodes that tasks have yet to leave.
	Emptying []Emptying
	// Running is what runs where. It is nil if nothing differs on any node. It has all nodes, and tasks where a step
	// may end some.
	Running *Running
	// Leaving are nodes that are to leave the swarm, or the swarm's list of nodes.
	Leaving []Leaving
	// Down is how many nodes are down, without those whose host has joined again. Rotating is true if the swarm's CA
	// is being rotated, which waits for each of them.
	Down     int
	Rotating bool
	// Notices are for people.
	Notices []string
	// Unknown says why nothing is known of what runs where. Nothing is then written to a node. It is "" if it is
	// known.
	Unknown string
}

// Due says when roles may change.
type Due struct {
	// Stable is how long the managers have been as they are.
	Stable time.Duration
	// Announced is the time until which a role that was changed by hand is only announced.
	Announced time.Time
	// Stopped says why no role changes: somebody has put the Cluster on hold, or its manifest is suspended. It is ""
	// if roles may change.
	Stopped string
}

// Part returns what the nodes add to a plan: changes of roles, the steps by which nodes leave, and what steps on
// nodes cost.
func (s Swarm) Part() plan.Part {
	return plan.Part{
		Propose: s.propose,
		Then:    s.recognise,
		Finish:  s.finish,
		Guards:  []plan.Guard{{Name: guardUnproven, Check: plan.Each(s.labels)}, {Name: guardOutage, Check: plan.Each(s.outageAlone)}},
		Needs:   []plan.Guard{{Name: plan.GuardDependsOn, Check: s.labelled}},
		PutOff:  []plan.Guard{{Name: guardDrains, Check: s.drainsAtOnce}, {Name: guardOutage, Check: s.outageTogether}},
		Own:     s.ends,
	}
}

func (s Swarm) propose(p *plan.Plan, f plan.Facts, policy plan.Policy) {
	m := s.members(p, f, policy)
	s.leave(p, m, policy)
	s.emptying(p)
}

func (s Swarm) finish(p *plan.Plan, _ plan.Facts, _ plan.Policy) {
	afterLabels(p)
	s.costs(p)
	nameEngines(p)
}

// ends reports whether a step takes away the engine that the operator talks to: it empties or demotes that node, or
// makes it leave.
func (s Swarm) ends(step plan.Step) bool {
	return s.Own != "" && step.Instance == s.Own && (drains(step) || step.Demotes() || step.Leaves())
}

// Again returns how long it takes until something is due that no event reports. That is the end of the wait for a
// member, or the time when a node has been down for long enough. It returns 0 if nothing is due.
func (s Swarm) Again() time.Duration {
	var again time.Duration
	due := func(in time.Duration) {
		if in > 0 && (again == 0 || in < again) {
			again = in
		}
	}
	for _, n := range s.Nodes {
		if s.Managers != nil && n.member() && !n.reaches() {
			due(s.Managers.ReplaceAfter - n.Away)
			due(RoleDeadline - n.Away)
		}
	}
	if s.Rotating {
		due(rotationPoll)
	}
	for _, l := range s.Leaving {
		if !l.Absent && l.Down {
			due(l.After - l.DownFor)
		}
	}
	return again
}

// rotationPoll is how soon to look again at a root that is being replaced, because the engine sends no event about
// that.
const rotationPoll = 2 * time.Second

// Strength returns how many members there are, how many of them can be reached, and how many may be lost.
func (s Swarm) Strength() (members, reachable, tolerance int) {
	m := newMembers(s.Nodes, Managers{})
	return m.members, m.reachable, Tolerance(m.reachable, m.members)
}

// named is how many nodes a message names.
const named = 10

// Progress says which nodes do not have the new root yet, while the root is being replaced.
func (s Swarm) Progress() string {
	var behind []string
	for _, n := range s.Seen {
		if n.Behind {
			behind = append(behind, n.Name)
			if n.State != "ready" {
				behind[len(behind)-1] += " (" + n.State + ")"
			}
		}
	}
	text := fmt.Sprintf("%d of %s have the new root", len(s.Seen)-len(behind), v1.Count(len(s.Seen), "node"))
	if len(behind) > 0 {
		text += "; waiting for: " + strings.Join(behind[:min(len(behind), named)], ", ")
	}
	if len(behind) > named {
		text += fmt.Sprintf(" and %d more", len(behind)-named)
	}
	return text
}

// Emptying is a node that a manifest drained, with the number of tasks that still run there.
type Emptying struct {
	Key   v1.Key
	ID    string
	Tasks int
}

// Leaving is a node that is to leave, because its manifest says presence: absent or because it has been down for
// long.
type Leaving struct {
	Key        v1.Key
	ID         string
	Have, Want *diff.State
	// Absent is true if its manifest says so. Otherwise the node was down for After, or will have been.
	Absent bool
	After  time.Duration
	// DownFor is how long the acting operator has seen it down. Zero means that it is not down.
	DownFor time.Duration
	Down    bool
	// Replaced is true if its host has joined again, and this is what is left of the old node.
	Replaced bool
	// Active is its availability. For a node that is to be absent, it means that the node is not drained. Member is
	// true if the node is a manager by its role or in fact.
	Active, Member, Held bool
	// Tasks is how many tasks run there.
	Tasks int
	// Reach is true if its own engine can be asked to leave. Left is true if it was asked and is not down yet.
	Reach, Left bool
}

// theCluster is the object of refusals that concern the managers together.
var theCluster = v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}

// guardManagers is the guard of refusals that concern the managers together.
const guardManagers = "managers"

const (
	guardDrains  = "drains-at-once"
	guardDrain   = "drain"
	guardLeave   = "leave"
	pathRole     = "spec.role"
	pathAvail    = "spec.availability"
	pathPresence = "spec.presence"
)

// step returns the step that changes the role.
func (s RoleChange) step() plan.Step {
	n, origin := s.Node, plan.OriginDemotes
	if s.Promote {
		origin = plan.OriginPromotes
	}
	return plan.Step{
		Op: diff.Update, Key: n.Key(), Instance: n.ID, Effect: diff.InPlace, Fields: []diff.Field{n.roleField(s.Promote)}, Cause: s.Why,
		Change: diff.Change{Have: n.Have}, Origin: origin, Does: s,
	}
}

// step returns a step by which the node leaves the swarm or its list.
func (l Leaving) step(op diff.Op, cause string, fields ...diff.Field) plan.Step {
	return plan.Step{
		Op: op, Key: l.Key, Instance: l.ID, Effect: diff.InPlace, Fields: fields, Cause: cause,
		Change: diff.Change{Have: l.Have, Want: l.Want}, Origin: plan.OriginLeaves,
	}
}

// touches reports whether the plan already has a step on the node.
func touches(p *plan.Plan, id string) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Instance == id && s.Key.Kind == v1.KindNode })
}

// members adds the next change of a role, or a refusal that says why there is none. It returns what is known of the
// managers, or nil if no manifest says anything of them.
func (s Swarm) members(p *plan.Plan, f plan.Facts, policy plan.Policy) *Membership {
	if s.Managers == nil || s.Nodes == nil {
		return nil
	}
	m := NextRoleChange(s.weighed(policy), *s.Managers, s.Stable, func(h plan.Hazard) bool { return policy.Consents.Covers(h, theCluster) })
	refuse := func(class plan.Class, why string) *plan.Refusal {
		r := plan.Refusal{Op: diff.Update, Key: theCluster, Instance: theCluster.Name, Guard: guardManagers, Class: class, Why: why}
		p.Refused = append(p.Refused, r.Bearing(plan.Aside|plan.OfRoles))
		return &p.Refused[len(p.Refused)-1]
	}
	waits := func(why string, first ...plan.Target) {
		r := refuse(plan.Later, why)
		*r = r.After(first...)
	}
	for _, n := range m.Waiting {
		p.Refused = append(p.Refused, s.promotion(n))
	}
	switch c := m.Change; {
	case m.Refused && m.Hazard == plan.PromoteUnproven: // the refusals of these nodes say it
	case m.Refused && m.Class == plan.Consent:
		refuse(m.Class, m.Why+policy.Agree(m.Hazard)).Hazard = m.Hazard
	case m.Refused && m.Class == plan.Never && slices.ContainsFunc(p.Steps, labelsNode):
		var first []plan.Target
		for _, step := range p.Steps {
			if labelsNode(step) {
				first = append(first, plan.Target{Key: step.Key, Instance: step.Instance})
			}
		}
		waits(m.Why+"; labels of nodes come first, which may make candidates", first...)
	case m.Refused:
		if r := refuse(m.Class, m.Why); m.Again > 0 {
			r.Until = f.Now.Add(m.Again)
		}
	case c == nil:
	case s.Stopped != "":
		refuse(plan.Never, fmt.Sprintf("%s; %s", s.Stopped, c.Why))
	case s.Announced.After(f.Now) && (c.Promote || c.Node.reaches()):
		refuse(plan.Later, fmt.Sprintf("the managers were changed by hand; the operator puts that right %s after it first saw it: %s", policy.RepairAfter, c.Why)).Until = s.Announced
	case touches(p, c.Node.ID):
		waits(c.verb()+": the other differences of the node come first", c.Node.target())
	default:
		p.Steps = append(p.Steps, c.step())
		if m.More > 0 {
			waits(fmt.Sprintf("one role changes at a time, and %d more will have to", m.More), c.Node.target())
		}
	}
	return &m
}

// Key returns the node's key, as manifests name it.
func (n Node) Key() v1.Key { return v1.Key{Kind: v1.KindNode, Name: n.Name} }

// leave takes nodes out of the swarm, one step at a time. A node has to be no manager, drained and empty. Then it
// leaves, and then it is removed from the list.
func (s Swarm) leave(p *plan.Plan, m *Membership, policy plan.Policy) {
	for _, l := range s.Leaving {
		remove := func(why string) {
			l.giveWay(p)
			p.Steps = append(p.Steps, l.step(diff.Remove, why))
		}
		refuse := func(class plan.Class, quiet bool, format string, args ...any) *plan.Refusal {
			p.Refused = append(p.Refused, plan.Refusal{Op: diff.Remove, Key: l.Key, Instance: l.ID, Guard: guardLeave, Class: class, Quiet: quiet, Why: fmt.Sprintf(format, args...)})
			return &p.Refused[len(p.Refused)-1]
		}
		many := s.Down > 1 && s.Down*4 > len(s.Nodes)
		switch {
		case s.Nodes == nil, !l.Absent && (!l.Down || l.DownFor < l.After):
		case !l.Absent && l.Held:
			refuse(plan.Never, true, "it is down, and on hold or suspended: that has to end before the operator removes it")
		case !l.Absent && l.Member:
			refuse(plan.Never, true, "it is down, and a manager: the operator removes it when it is a manager no longer")
		case !l.Absent && !l.Active && !l.Replaced:
			refuse(plan.Never, true, "it is down, and drained or paused: somebody works on it; state presence: absent to have it removed all the same")
		case s.Rotating && l.Down:
			refuse(plan.Later, false, "the swarm's CA is being rotated, which waits for every node: none is removed before that is over")
		case !l.Absent && many && !l.Replaced:
			refuse(plan.Never, false, "%d of %d nodes are down: that is not this node's own failure, and none is removed for it; bring the others back, or state presence: absent", s.Down, len(s.Nodes))
		case !l.Absent:
			remove(fmt.Sprintf("it has been down for %s", l.After))
		case l.Member:
			l.demotedFirst(p, m)
		case l.Down:
			remove("presence: absent, and it is down")
		case touches(p, l.ID):
			r := refuse(plan.Later, false, "it is drained first")
			*r = r.After(plan.Target{Key: l.Key, Instance: l.ID})
		case l.Active: // and nothing is going to drain it, because somebody undid that on purpose or the manifest ignores it
			refuse(plan.Never, false, "it is to be drained first, and somebody undid that: drain it, or state policy.enforce: true")
		case l.Tasks > 0:
			refuse(plan.Later, false, "it still runs %s", v1.Count(l.Tasks, "task"))
		case l.Left:
			refuse(plan.Later, false, "it has left the swarm, and the managers have not noticed yet")
		case l.Reach:
			p.Steps = append(p.Steps, l.step(diff.Update, "presence: absent, and it is empty: it leaves the swarm", plan.TextField(pathPresence, v1.Present, v1.Absent)))
		case policy.Consents.Covers(plan.ForceNodeRemoval, l.Key):
			remove("presence: absent, and somebody agreed to remove it while it is up")
		default:
			refuse(plan.Consent, false, "it is drained and empty, and up: run docker swarm leave on it, state spec.engine so that it can be told to, or remove it by force, after which its engine goes on as if it were in the swarm%s", policy.Agree(plan.ForceNodeRemoval)).Hazard = plan.ForceNodeRemoval
		}
	}
}

// demotedFirst adds a refusal for a manager that is to leave. The refusals of managers say what keeps it from being
// demoted. If only a person can end that, this refusal waits for nothing else.
func (l Leaving) demotedFirst(p *plan.Plan, m *Membership) {
	r := plan.Refusal{Op: diff.Remove, Key: l.Key, Instance: l.ID, Guard: guardManagers, Class: plan.Later, Why: "it is a manager, and demoted first"}
	switch {
	case m == nil:
	case m.Refused && m.Class != plan.Later:
		r.Class, r.Quiet = plan.Never, true
	case m.Change != nil:
		r = r.After(m.Change.Node.target())
	}
	p.Refused = append(p.Refused, r.Bearing(plan.Aside|plan.OfRoles))
}

// target returns the target of a refusal that waits for another step on the node.
func (n Node) target() plan.Target { return plan.Target{Key: n.Key(), Instance: n.ID} }

// giveWay drops what was planned for a node that is removed now.
func (l Leaving) giveWay(p *plan.Plan) {
	p.Refuse(plan.Refusal{Op: diff.Update, Key: l.Key, Instance: l.ID, Guard: guardLeave, Class: plan.Later, Quiet: true, Why: "it is removed"})
}

// emptying adds a refusal for each drained node that tasks have yet to leave.
func (s Swarm) emptying(p *plan.Plan) {
	for _, e := range s.Emptying {
		if e.Tasks > 0 && !touches(p, e.ID) {
			p.Refused = append(p.Refused, plan.Refusal{Op: diff.Update, Key: e.Key, Instance: e.ID, Guard: guardDrain, Class: plan.Later, Why: fmt.Sprintf("it is drained, and still runs %s", v1.Count(e.Tasks, "task"))})
		}
	}
}

// drains reports whether a step empties a node.
func drains(s plan.Step) bool {
	return s.Key.Kind == v1.KindNode && slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Path == pathAvail && f.Want.Reveal() == v1.Drain })
}

// labelsNode reports whether a step changes labels of a node.
func labelsNode(s plan.Step) bool { return len(nodeLabels(s)) > 0 }

// drainsAtOnce empties one node after the other, because what leaves one has to find room on the others.
func (s Swarm) drainsAtOnce(pl plan.Plan, _ plan.Facts, p plan.Policy) []plan.Refusal {
	var busy []string
	for _, e := range s.Emptying {
		if e.Tasks > 0 && !touches(&pl, e.ID) {
			busy = append(busy, fmt.Sprintf("%s, which still runs %s", e.Key.Name, v1.Count(e.Tasks, "task")))
		}
	}
	most := max(1, p.Budgets.Drains)
	var out []plan.Refusal
	for _, own := range []bool{false, true} {
		for _, step := range pl.Steps {
			if !drains(step) || (step.Instance == s.Own) != own {
				continue
			}
			if len(busy) >= most {
				out = append(out, step.Refusal(plan.Later, "at most %s may be drained at once, and now these are: %s", v1.Count(most, "node"), strings.Join(busy, "; ")))
				continue
			}
			busy = append(busy, step.Key.Name)
		}
	}
	return out
}

// Report says how the nodes are, for reports to people and for what waits for nodes. It returns nil if that is not
// known.
func (s Swarm) Report() *kinds.Nodes {
	if s.Nodes == nil {
		return nil
	}
	out := &kinds.Nodes{Seen: s.Seen, Rotating: s.Rotating, Progress: s.Progress()}
	if s.Managers != nil {
		out.Wanted = s.Managers.Count
	}
	out.Members, out.Reachable, out.Tolerance = s.Strength()
	out.Losses = Losses(out.Tolerance)
	out.Demoted = slices.ContainsFunc(s.Nodes, func(n Node) bool { return n.Own && !n.Manager })
	return out
}
