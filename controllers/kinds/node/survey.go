package node

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// stableFor is how long the managers have to stay as they are if no manifest says it.
const stableFor = 5 * time.Second

// look surveys the nodes, and returns what other packages need of that. If tasks are not known, nothing is written to
// a node.
func look(in kinds.Survey, answers []kinds.TaskAnswer) kinds.Surveyed {
	s, known, err := survey(in, answers)
	if err != nil {
		s = Swarm{Unknown: err.Error()}
		return kinds.Surveyed{Part: s.Part(), Remembered: known}
	}
	s.Stopped = in.Stopped
	s.announce(in, &known.Roles)
	s.settle(in.Now, &known)
	return kinds.Surveyed{Part: s.Part(), Own: s.Own, Nodes: s.Report(), Again: s.Again(), Notices: s.Notices, Proven: s.Record, Joined: s.Joined, Remembered: known}
}

// announce sets until when a role that was changed by hand is only announced. It tells such a change from one in git.
func (s *Swarm) announce(in kinds.Survey, roles *kinds.Roles) {
	if s.Managers == nil {
		*roles = kinds.Roles{}
		return
	}
	var pins strings.Builder
	for _, n := range s.Nodes {
		if n.Pin != Unpinned {
			fmt.Fprintf(&pins, " %s %d", n.ID, n.Pin)
		}
	}
	if wanted := fmt.Sprintf("%+v%s", *s.Managers, pins.String()); roles.Wanted != wanted {
		*roles = kinds.Roles{Wanted: wanted}
	}
	if !roles.Settled || in.RepairAfter <= 0 {
		return
	}
	since := roles.Since
	if since.IsZero() {
		since = in.Now
	}
	s.Announced = since.Add(in.RepairAfter)
}

// settle notes whether the managers are as they should be. That does not depend on what somebody agreed to, or on
// what a change costs. These decide only whether roles change, and in which order.
func (s *Swarm) settle(now time.Time, known *kinds.Remembered) {
	if s.Managers == nil || s.Nodes == nil {
		return
	}
	roles := &known.Roles
	m := NextRoleChange(s.Nodes, *s.Managers, s.Stable, func(plan.Hazard) bool { return false })
	switch {
	case m.Change == nil && !m.Refused:
		roles.Settled, roles.Since = true, time.Time{}
		known.Managers = map[string]bool{}
		for _, n := range s.Nodes {
			if n.Manager {
				known.Managers[n.ID] = true
			}
		}
	case roles.Settled && roles.Since.IsZero():
		roles.Since = now
	}
}

// did returns what is remembered after a step on a node, if nothing that is read tells it.
func did(known kinds.Remembered, step plan.Step) kinds.Remembered {
	role, changes := step.Does.(RoleChange)
	if !changes && !step.Leaves() {
		return known
	}
	out := known.Clone()
	if !changes {
		out.Left[step.Instance] = true
		return out
	}
	out.Orphans[step.Instance] = role.Node.Manager && !role.Node.Ready
	out.Roles.Settled, out.Roles.Since = false, time.Time{} // what follows from it is our own doing
	return out
}

// asks returns the tasks that a survey has to know and that no answer tells. At first these are the tasks of drained
// nodes, and of nodes on which a step may end tasks. If a step may, the other tasks of the same services come next.
func asks(in kinds.Survey, answers []kinds.TaskAnswer) kinds.TaskNeed {
	s := begin(in, answers)
	s.nodes()
	_ = s.runs() // what is not known is what it lacks
	return s.lacks
}

// survey returns what is known of the nodes, and what the next survey has to know. It fails if tasks that matter are
// not known.
func survey(in kinds.Survey, answers []kinds.TaskAnswer) (Swarm, kinds.Remembered, error) {
	s := begin(in, answers)
	s.nodes()
	s.out.Notices = append(orphans(s.lives, s.Remembered.Orphans), stuck(s.out.Nodes)...)
	s.leaving()
	if len(s.Changes) > 0 {
		s.out.Running = NewRunning(s.hosts(), nil)
	}
	err := s.runs()
	return s.out, s.Remembered, err
}

// begin prepares a survey: it sorts the nodes, and notes which manifest is about which node.
func begin(in kinds.Survey, answers []kinds.TaskAnswer) *surveyed {
	s := &surveyed{Survey: in, answers: answers, of: map[string]*v1.Node{}, up: map[string]bool{}, blocked: map[string]bool{}}
	s.Remembered = in.Remembered.Clone()
	for _, e := range in.Expanded {
		switch {
		case e.Instance != "":
			s.of[e.Instance] = e.Object.(*v1.Node)
		case e.Blocked != "" && !e.Awaited:
			s.blocked[e.Object.Key().Name] = true
		}
	}
	s.lives = slices.SortedFunc(slices.Values(in.Index.List(v1.KindNode)), func(a, b *kinds.Live) int {
		return cmp.Or(cmp.Compare(a.Called, b.Called), cmp.Compare(a.ID, b.ID))
	})
	for _, l := range s.lives {
		s.up[l.Called] = s.up[l.Called] || !down(l)
	}
	s.out.Own = in.Own
	if l := in.Index.ByName(v1.KindCluster, v1.ClusterName); l != nil {
		s.cluster = l.Raw.(*swarm.ClusterInfo)
		s.out.Rotating = s.cluster.RootRotationInProgress
	}
	return s
}

// runs notes what runs where it matters. It fails if that is not known.
func (s *surveyed) runs() error {
	ask, changing := s.ask(), s.changing()
	for id := range changing {
		ask[id] = true
	}
	there, err := s.told(kinds.TaskNeed{Nodes: slices.Sorted(maps.Keys(ask))})
	if err != nil {
		return err
	}
	s.tasks(there)
	return s.running(there, changing)
}

// told returns the tasks that a need asks for. It fails if they are not known, and notes it if nobody has asked.
func (s *surveyed) told(need kinds.TaskNeed) ([]kinds.Task, error) {
	if !need.Any() {
		return nil, nil
	}
	tasks, asked, err := need.Answered(s.answers)
	if !asked {
		s.lacks = need
	}
	return tasks, err
}

// surveyed is a survey under way. Its Remembered is its own copy, which becomes what the next survey has to know.
type surveyed struct {
	kinds.Survey
	answers []kinds.TaskAnswer
	// lacks are tasks that matter and that nobody has asked for.
	lacks kinds.TaskNeed
	out   Swarm
	lives []*kinds.Live // by hostname and id
	of    map[string]*v1.Node
	up    map[string]bool // hostnames of nodes that are not down
	// cluster is nil if nothing is known of it.
	cluster *swarm.ClusterInfo
	// blocked are the hostnames about which manifests decide nothing. Nothing is written to a node that has such a
	// hostname, not even a role.
	blocked map[string]bool
	// named is what constraints returns. It is nil until somebody asks.
	named *string
}

func key(l *kinds.Live) v1.Key { return v1.Key{Kind: v1.KindNode, Name: nameOf(l)} }

// nameOf returns the name of a node for people. That is its hostname, or its id if it has just joined and has not
// reported the hostname yet.
func nameOf(l *kinds.Live) string { return cmp.Or(l.Called, l.ID) }

// state returns the live node for a step.
func (s *surveyed) state(l *kinds.Live) *diff.State {
	if st := s.States[l.ID]; st != nil {
		return st
	}
	return &diff.State{Key: key(l), Instance: l.ID, Value: l, Meta: diff.Meta{ID: l.ID, Version: l.Version, Created: l.Created, Foreign: diff.Foreign{Unknown: l.Unknown}}}
}

func (s *surveyed) held(l *kinds.Live) bool {
	n := s.of[l.ID]
	return n != nil && n.Policy.Suspend || s.blocked[l.Called] || s.Held(key(l), l)
}

// nodes fills in what the choice of managers decides by.
func (s *surveyed) nodes() {
	managers := s.Managers
	if managers == nil {
		managers = &v1.Managers{}
	}
	pins := s.Managers != nil
	s.Remembered.Since.Begin()
	signature := ""
	var out []Node
	for _, l := range s.lives {
		n := s.node(l, managers)
		pins = pins || n.Pin != Unpinned
		if n.Manager || n.Voter {
			signature += fmt.Sprintf("%s %t %t %t %t\n", l.ID, n.Manager, n.Voter, n.Reachable, n.Leader)
		}
		if down(l) && !s.up[l.Called] {
			s.out.Down++
		}
		out = append(out, n)
		s.out.Seen = append(s.out.Seen, s.sighting(l))
	}
	s.out.Nodes = out
	s.out.Stable = s.Now.Sub(s.Remembered.Since.Of("managers", signature, s.Now))
	if pins {
		want := Managers{Count: managers.Count, StableFor: stableFor}
		if managers.StableFor != nil {
			want.StableFor = time.Duration(*managers.StableFor)
		}
		if managers.ReplaceAfter != nil {
			want.ReplaceAfter = time.Duration(*managers.ReplaceAfter)
		}
		s.out.Managers = &want
	}
	s.proofs()
}

// node returns what the membership depends on of a node.
func (s *surveyed) node(l *kinds.Live, managers *v1.Managers) Node {
	r := raw(l)
	n := Node{
		ID: l.ID, Name: nameOf(l), Manager: r.Spec.Role == swarm.NodeRoleManager, Voter: r.ManagerStatus != nil,
		Ready: r.Status.State == swarm.NodeStateReady, Active: r.Spec.Availability == swarm.NodeAvailabilityActive,
		Held: s.held(l), Own: l.ID == s.Own, Incumbent: s.Remembered.Managers[l.ID], Zone: r.Spec.Labels[managers.SpreadBy], Candidate: managers.Candidates.Matches(l.ID, l.Called, r.Spec.Labels), Have: s.state(l),
	}
	if m := r.ManagerStatus; m != nil {
		n.Reachable, n.Leader = m.Reachability == swarm.ReachabilityReachable, m.Leader
	}
	if own := s.of[l.ID]; own != nil {
		switch {
		case own.Gone(), own.Spec.Role == v1.RoleWorker:
			n.Pin = PinnedWorker
		case own.Spec.Role == v1.RoleManager:
			n.Pin = PinnedManager
		}
	}
	switch {
	case !n.Manager && !n.Voter:
	case n.Manager != n.Voter: // a node that was away for long is given its time as well
		n.Away = s.Now.Sub(s.Remembered.Since.Of("role "+l.ID, string(r.Spec.Role), s.Now))
	case !n.Reachable:
		n.Away = s.Now.Sub(s.Remembered.Since.Of("away "+l.ID, "", s.Now))
	}
	return n
}

// sighting returns how a node is seen, for reports.
func (s *surveyed) sighting(l *kinds.Live) kinds.Sighting {
	r := raw(l)
	seen := kinds.Sighting{
		Name: nameOf(l), Role: string(r.Spec.Role), State: string(r.Status.State), Availability: string(r.Spec.Availability), Version: r.Description.Engine.EngineVersion,
		Behind: s.out.Rotating && !signedBy(s.cluster.TLSInfo, r.Description.TLSInfo),
	}
	if m := r.ManagerStatus; m != nil {
		seen.Address = m.Addr
	}
	return seen
}

// signedBy reports whether the issuer of a node's certificate is the one that the swarm wants. While the root is
// being replaced, that is the new root. The trust root is the old one until the end (swarmkit's hasIssuer and moby's
// SwarmFromGRPC).
func signedBy(wanted, node swarm.TLSInfo) bool {
	return bytes.Equal(wanted.CertIssuerPublicKey, node.CertIssuerPublicKey) && bytes.Equal(wanted.CertIssuerSubject, node.CertIssuerSubject)
}

// leaving finds the nodes that are to leave. It also finds nodes that were there before their host joined again.
func (s *surveyed) leaving() {
	hosts := map[string]*v1.Node{} // hosts whose manifests say when a node that is down is removed
	for _, n := range s.of {
		if n.Spec.RemoveDownAfter != nil && !n.Gone() {
			hosts[n.Metadata.Name] = n
		}
	}
	for _, l := range s.lives {
		r, own := raw(l), s.of[l.ID]
		out := Leaving{
			Key: key(l), ID: l.ID, Have: s.state(l), Down: down(l), Active: r.Spec.Availability == swarm.NodeAvailabilityActive,
			Member: r.Spec.Role == swarm.NodeRoleManager || r.ManagerStatus != nil, Held: s.held(l), Left: s.Remembered.Left[l.ID], Replaced: down(l) && s.up[l.Called],
		}
		if out.Down {
			out.DownFor = s.Now.Sub(s.Remembered.Since.Of("down "+l.ID, "", s.Now))
		}
		switch host := hosts[l.Called]; {
		case own != nil && own.Gone():
			out.Absent, out.Reach = true, own.Spec.Engine != nil
			out.Active = r.Spec.Availability != swarm.NodeAvailabilityDrain // a paused node keeps its tasks
			out.Want = &diff.State{Key: key(l), Instance: l.ID, Value: own, Partial: true, Policy: own.Policy}
		case host != nil && out.Down:
			out.After = time.Duration(*host.Spec.RemoveDownAfter)
			out.Held = out.Held || host.Policy.Suspend
		default:
			continue
		}
		s.out.Leaving = append(s.out.Leaving, out)
	}
}

// ask returns the ids of the drained nodes that tasks have yet to leave.
func (s *surveyed) ask() map[string]bool {
	ask := map[string]bool{}
	for _, l := range s.lives {
		n := s.of[l.ID]
		if raw(l).Spec.Availability != swarm.NodeAvailabilityDrain {
			delete(s.Remembered.Emptied, l.ID)
		} else if n != nil && n.Spec.Availability == v1.Drain && !down(l) && !s.Remembered.Emptied[l.ID] {
			ask[l.ID] = true
		}
	}
	return ask
}

// busy reports whether the task is on the node and has not ended.
func busy(t *kinds.Task) bool {
	return slices.Contains([]swarm.TaskState{
		swarm.TaskStateAssigned, swarm.TaskStateAccepted, swarm.TaskStatePreparing, swarm.TaskStateReady, swarm.TaskStateStarting, swarm.TaskStateRunning,
	}, swarm.TaskState(t.State))
}

// tasks notes which drained nodes still run tasks.
func (s *surveyed) tasks(all []kinds.Task) {
	on := map[string]int{}
	for i := range all {
		if t := &all[i]; busy(t) {
			on[t.Node]++
		}
	}
	for _, l := range s.lives {
		n := s.of[l.ID]
		if n == nil || n.Spec.Availability != v1.Drain || raw(l).Spec.Availability != swarm.NodeAvailabilityDrain || down(l) || s.Remembered.Emptied[l.ID] {
			continue
		}
		if on[l.ID] == 0 {
			s.Remembered.Emptied[l.ID] = true
			continue
		}
		s.out.Emptying = append(s.out.Emptying, Emptying{Key: key(l), ID: l.ID, Tasks: on[l.ID]})
		for i := range s.out.Leaving {
			if s.out.Leaving[i].ID == l.ID {
				s.out.Leaving[i].Tasks = on[l.ID]
			}
		}
	}
}
