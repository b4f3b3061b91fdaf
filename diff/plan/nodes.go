package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Swarm is what is known of the nodes beside what differs. The zero value says that nothing is: then no role changes, no node
// is removed, and none is drained.
type Swarm struct {
	// Nodes as they were read for this plan; nil: they were not.
	Nodes []Node
	// Seen are all nodes, for who counts them.
	Seen []Sighting
	// Managers wanted; nil: no manifest says anything of roles.
	Managers *Managers
	// Stable is for how long the managers have been as they are.
	Stable time.Duration
	// Announced: until when a role that a hand changed is only announced.
	Announced time.Time
	// Stopped says why no role changes: somebody has put the Cluster on hold, or its manifest is suspended.
	Stopped string
	// Own is the id of the node whose engine the operator talks to.
	Own string
	// Emptying are drained nodes that tasks have still to leave.
	Emptying []Emptying
	// Running is what runs where; nil if nothing differs on any node. It has all nodes, and tasks where a step may end some.
	Running *Running
	// Leaving are nodes that are to leave the swarm, or its list.
	Leaving []Leaving
	// Down is how many nodes are down, but for those whose host has joined anew. Rotating: the swarm's CA is being rotated, which waits for each of them.
	Down     int
	Rotating bool
	// Notices are for people.
	Notices []string
	// Unknown says why nothing is known of what runs where: then nothing is written to a node.
	Unknown string
}

// Again is when something is due that nobody tells of: a member that is waited for, a node that has been down for long
// enough. Zero: nothing is.
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

// Sighting is how a node is seen, in the engine's words. Address is where a manager listens for the others. Behind: the root
// of the CA is being replaced, and its certificate is not of the new one yet.
type Sighting struct {
	Name, Role, State, Availability, Version, Address string
	Behind                                            bool
}

// rotationPoll is how soon to look again at a root that is being replaced: the engine tells nobody of it.
const rotationPoll = 2 * time.Second

// Strength is how many members there are, how many of them can be reached, and how many may be lost.
func (s Swarm) Strength() (members, reachable, tolerance int) {
	m := newMembers(s.Nodes, Managers{})
	return m.members, m.reachable, Tolerance(m.reachable, m.members)
}

// named is how many nodes a message names.
const named = 10

// Progress says which nodes have not the new root yet, while it is being replaced.
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

// Emptying is a node that a manifest drained, and how many tasks still run there.
type Emptying struct {
	Key   v1.Key
	ID    string
	Tasks int
}

// Leaving is a node that is to leave: because its manifest says presence: absent, or because it has been down for long.
type Leaving struct {
	Key        v1.Key
	ID         string
	Have, Want *diff.State
	// Absent: its manifest says so. Else it was down for After, or will be.
	Absent bool
	After  time.Duration
	// DownFor is for how long the acting operator has seen it down; zero: it is not.
	DownFor time.Duration
	Down    bool
	// Replaced: its host has joined anew, and this is what is left of it.
	Replaced bool
	// Active is its availability, which of one that is absent means that it is not drained. Member: it is a manager by its role or in fact.
	Active, Member, Held bool
	// Tasks that run there.
	Tasks int
	// Reach: its own engine can be asked to leave. Left: it was, and is not down yet.
	Reach, Left bool
}

// cluster is what refusals are about that concern the managers together.
var cluster = v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}

// guardManagers is about the managers together.
const guardManagers = "managers"

const (
	guardDrain   = "drain"
	guardLeave   = "leave"
	pathRole     = "spec.role"
	pathAvail    = "spec.availability"
	pathPresence = "spec.presence"
)

// step is the one that changes the role.
func (s RoleChange) step() Step {
	n := s.Node
	return Step{
		Op: diff.Update, Key: n.Key(), Instance: n.ID, Effect: diff.InPlace, Fields: []diff.Field{n.roleField(s.Promote)}, Cause: s.Why,
		Change: diff.Change{Have: n.Have}, Origin: OriginRole, Does: s,
	}
}

// step is one by which the node goes.
func (l Leaving) step(op diff.Op, cause string, fields ...diff.Field) Step {
	return Step{
		Op: op, Key: l.Key, Instance: l.ID, Effect: diff.InPlace, Fields: fields, Cause: cause,
		Change: diff.Change{Have: l.Have, Want: l.Want}, Origin: OriginLeaves,
	}
}

// touches says whether a step on the node is planned already.
func (p *Plan) touches(id string) bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Instance == id && s.Key.Kind == v1.KindNode })
}

// members adds the next change of a role, or why there is none.
func (p *Plan) members(f Facts, policy Policy) {
	if f.Swarm.Managers == nil || f.Swarm.Nodes == nil {
		return
	}
	refuse := func(class Class, why string) *Refusal {
		p.Refused = append(p.Refused, Refusal{Op: diff.Update, Key: cluster, Instance: cluster.Name, Guard: guardManagers, Class: class, Why: why})
		return &p.Refused[len(p.Refused)-1]
	}
	m := NextRoleChange(f.Swarm.weighed(policy), *f.Swarm.Managers, f.Swarm.Stable, func(h Hazard) bool { return policy.Consents.Covers(h, cluster) })
	p.Members = &m
	switch c := m.Change; {
	case m.Refused && m.Class == Consent:
		r := refuse(m.Class, m.Why+agree(m.Hazard))
		r.Hazard = m.Hazard
	case m.Refused && m.Class == Never && slices.ContainsFunc(p.Steps, Step.labelsNode):
		r := refuse(Later, m.Why+"; labels of nodes come first, which may make candidates")
		for _, s := range p.Steps {
			if s.labelsNode() {
				r.after = append(r.after, onNode{s.Key, s.Instance})
			}
		}
	case m.Refused:
		if r := refuse(m.Class, m.Why); m.Again > 0 {
			r.Until = f.Now.Add(m.Again)
		}
	case c == nil:
	case f.Swarm.Stopped != "":
		refuse(Never, fmt.Sprintf("%s; %s", f.Swarm.Stopped, c.Why))
	case f.Swarm.Announced.After(f.Now) && (c.Promote || c.Node.reaches()):
		r := refuse(Later, fmt.Sprintf("the managers were changed by hand; it is put right %s after it was first seen: %s", policy.RepairAfter, c.Why))
		r.Until = f.Swarm.Announced
	case p.touches(c.Node.ID):
		refuse(Later, c.verb()+": what else differs of the node comes first").after = c.Node.first()
	default:
		p.Steps = append(p.Steps, c.step())
		if m.More > 0 {
			refuse(Later, fmt.Sprintf("one role changes at a time, and %d more will have to", m.More)).after = c.Node.first()
		}
	}
}

// agree is the line that gives consent. It is empty where a command alone does, which is said in the end; see commands.
func agree(h Hazard) string {
	if h.ByCommand() {
		return ""
	}
	return fmt.Sprintf("; to agree, add to a commit message: %s: %s", Trailer, h)
}

// Key is the node's, as manifests name it.
func (n Node) Key() v1.Key { return v1.Key{Kind: v1.KindNode, Name: n.Name} }

// leave takes nodes out of the swarm, one step at a time: drained, empty, no manager, out, and then off the list.
func (p *Plan) leave(f Facts, policy Policy) {
	for _, l := range f.Swarm.Leaving {
		remove := func(why string) {
			p.giveWay(l)
			p.Steps = append(p.Steps, l.step(diff.Remove, why))
		}
		refuse := func(class Class, quiet bool, format string, args ...any) {
			p.Refused = append(p.Refused, Refusal{Op: diff.Remove, Key: l.Key, Instance: l.ID, Guard: guardLeave, Class: class, Quiet: quiet, Why: fmt.Sprintf(format, args...)})
		}
		many := f.Swarm.Down > 1 && f.Swarm.Down*4 > len(f.Swarm.Nodes)
		switch {
		case f.Swarm.Nodes == nil, !l.Absent && (!l.Down || l.DownFor < l.After):
		case !l.Absent && l.Held:
			refuse(Never, true, "it is down, and on hold or suspended: that has to end before it is removed")
		case !l.Absent && l.Member:
			refuse(Never, true, "it is down, and a manager: it is removed when it is none any more")
		case !l.Absent && !l.Active && !l.Replaced:
			refuse(Never, true, "it is down, and drained or paused: somebody works on it; state presence: absent to have it removed all the same")
		case f.Swarm.Rotating && l.Down:
			refuse(Later, false, "the swarm's CA is being rotated, which waits for every node: none is removed before that is over")
		case !l.Absent && many && !l.Replaced:
			refuse(Never, false, "%d of %d nodes are down: that is not this node's own failure, and none is removed for it; bring the others back, or state presence: absent", f.Swarm.Down, len(f.Swarm.Nodes))
		case !l.Absent:
			remove(fmt.Sprintf("it has been down for %s", l.After))
		case l.Member:
			p.demotedFirst(l)
		case l.Down:
			remove("presence: absent, and it is down")
		case p.touches(l.ID):
			refuse(Later, false, "it is drained first")
			p.Refused[len(p.Refused)-1].after = []onNode{{l.Key, l.ID}}
		case l.Active: // and nothing is going to drain it: a hand meant it, or the manifest ignores it
			refuse(Never, false, "it is to be drained first, and somebody undid that: drain it, or state policy.enforce: true")
		case l.Tasks > 0:
			refuse(Later, false, "it still runs %s", v1.Count(l.Tasks, "task"))
		case l.Left:
			refuse(Later, false, "it has left the swarm, and the managers have not noticed yet")
		case l.Reach:
			p.Steps = append(p.Steps, l.step(diff.Update, "presence: absent, and it is empty: it leaves the swarm", TextField(pathPresence, v1.Present, v1.Absent)))
		case policy.Consents.Covers(ForceNodeRemoval, l.Key):
			remove("presence: absent, and somebody agreed to remove it while it is up")
		default:
			refuse(Consent, false, "it is drained and empty, and up: run docker swarm leave on it, state spec.engine so that it can be told to, or remove it by force, after which its engine goes on as if it were in the swarm%s", agree(ForceNodeRemoval))
			p.Refused[len(p.Refused)-1].Hazard = ForceNodeRemoval
		}
	}
}

// demotedFirst: what keeps it from that is said of the managers, and where that is a person's word this waits for nothing else.
func (p *Plan) demotedFirst(l Leaving) {
	r := Refusal{Op: diff.Remove, Key: l.Key, Instance: l.ID, Guard: guardManagers, Class: Later, Why: "it is a manager, and demoted first"}
	switch m := p.Members; {
	case m == nil:
	case m.Refused && m.Class != Later:
		r.Class, r.Quiet = Never, true
	case m.Change != nil:
		r.after = m.Change.Node.first()
	}
	p.Refused = append(p.Refused, r)
}

// onNode is a step on a node. A node that no manifest could find has no id.
type onNode struct {
	key v1.Key
	id  string
}

// first is what waits for another step on the node waits for.
func (n Node) first() []onNode { return []onNode{{n.Key(), n.ID}} }

// heldBy returns the refusal that holds the step for a person; nil if there is none, as when a part of it is still to be done.
func (p *Plan) heldBy(s onNode) *Refusal {
	if p.step(s.key, s.id) != nil {
		return nil
	}
	i := slices.IndexFunc(p.Refused, func(r Refusal) bool {
		return r.Instance == s.id && r.Key.Kind == v1.KindNode && (s.id != "" || r.Key == s.key) && r.Class != Later && !r.Quiet
	})
	if i < 0 {
		return nil
	}
	return &p.Refused[i]
}

// waitNoMore lets nothing wait for steps if a person holds all of them.
func (p *Plan) waitNoMore() {
	for i := range p.Refused {
		r := &p.Refused[i]
		if len(r.after) == 0 || slices.ContainsFunc(r.after, func(s onNode) bool { return p.heldBy(s) == nil }) {
			continue
		}
		var held []string
		for _, s := range r.after {
			if k := p.heldBy(s).Key; k != r.Key {
				held = append(held, k.String()+" is held")
			}
		}
		r.Class, r.Until, r.after = Never, time.Time{}, nil
		if len(held) > 0 {
			r.Why += "; " + strings.Join(slices.Compact(held), ", ") + ": that has to end first"
		}
	}
}

// giveWay drops what else was to be done to a node that is removed now.
func (p *Plan) giveWay(l Leaving) {
	p.refuse(Refusal{Op: diff.Update, Key: l.Key, Instance: l.ID, Guard: guardLeave, Class: Later, Quiet: true, Why: "it is removed"})
}

// emptying says of which drained nodes tasks have still to leave.
func (p *Plan) emptying(f Facts) {
	for _, e := range f.Swarm.Emptying {
		if e.Tasks > 0 && !p.touches(e.ID) {
			p.Refused = append(p.Refused, Refusal{Op: diff.Update, Key: e.Key, Instance: e.ID, Guard: guardDrain, Class: Later, Why: fmt.Sprintf("it is drained, and still runs %s", v1.Count(e.Tasks, "task"))})
		}
	}
}

// blocked refuses what cannot be decided: whom a manifest means, or what several of them ask for.
func blocked(s Step, _ Facts, _ Policy) []Refusal {
	w := s.Change.Want
	switch {
	case w == nil || w.Blocked == "":
		return nil
	case w.Unmatched:
		r := s.Refusal(Never, "%s", w.Blocked)
		r.Guard = guardNoNode
		return []Refusal{r}
	case w.Awaited:
		r := s.Refusal(Later, "%s", w.Blocked)
		r.Quiet = true
		return []Refusal{r}
	}
	return []Refusal{s.Refusal(Never, "%s", w.Blocked)}
}

// drains says whether a step empties a node.
func (s Step) drains() bool { return s.sets(pathAvail, v1.Drain) }

// ChangesRole says whether a step makes a node a manager or a worker.
func (s Step) ChangesRole() bool { return s.Origin == OriginRole }

// Leaves says whether a step makes a node leave the swarm.
func (s Step) Leaves() bool { return s.Origin == OriginLeaves && s.Op == diff.Update }

// labelsNode says whether a step changes labels of a node.
func (s Step) labelsNode() bool { return len(s.nodeLabels()) > 0 }

// Demotes says whether a step makes a manager a worker.
func (s Step) Demotes() bool {
	c, is := s.Does.(RoleChange)
	return is && !c.Promote
}

func (s Step) sets(path, value string) bool {
	return s.Key.Kind == v1.KindNode && slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Path == path && f.Want.Reveal() == value })
}

// drainsAtOnce empties one node after the other: what leaves one has to find room on the others.
func drainsAtOnce(plan Plan, f Facts, p Policy) []Refusal {
	var busy []string
	for _, e := range f.Swarm.Emptying {
		if e.Tasks > 0 && !plan.touches(e.ID) {
			busy = append(busy, fmt.Sprintf("%s, which still runs %s", e.Key.Name, v1.Count(e.Tasks, "task")))
		}
	}
	most := max(1, p.Budgets.Drains)
	var out []Refusal
	for _, own := range []bool{false, true} {
		for _, s := range plan.Steps {
			if !s.drains() || (s.Instance == f.Swarm.Own) != own {
				continue
			}
			if len(busy) >= most {
				out = append(out, s.Refusal(Later, "%s drained at once at most; now: %s", v1.Count(most, "node"), strings.Join(busy, "; ")))
				continue
			}
			busy = append(busy, s.Key.Name)
		}
	}
	return out
}
