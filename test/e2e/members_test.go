package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	kind "github.com/swarm-operator/swarm-operator/controllers/kinds/node"
	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/lag"
)

// raftPatience limits each wait for several managers to come and go, with an election or two among them. The engine,
// dockerd, holds calls of a follower without a leader for 20 s.
const raftPatience = 2 * patience

// stable is what the manifests of these scenarios state for stableFor. It is shorter than the default, and long
// enough to look twice.
const stable = time.Second

// candidates gives the label that managed asks for to every node, as docker node update does. Any node may then be a
// manager.
func (w *world) candidates() {
	w.Helper()
	w.changesNodes()
	for _, n := range w.nodesNow() {
		w.nodeByHand(n.Description.Hostname, func(s *swarm.NodeSpec) {
			s.Labels = maps.Clone(s.Labels)
			if s.Labels == nil {
				s.Labels = map[string]string{}
			}
			s.Labels["may-manage"] = "yes"
		})
	}
}

// managed returns a Cluster manifest with a number of managers. Any node that candidates has labelled may be one.
func managed(count int, more ...string) string {
	fields := append([]string{fmt.Sprintf("count: %d", count), "candidates: {labels: {may-manage: 'yes'}, hostnames: ['*']}", fmt.Sprintf("stableFor: %s", stable)}, more...)
	return cluster("managers: {" + strings.Join(fields, ", ") + "}")
}

// byRank returns the managers, the leader first. From then on, other requests of the test go to the second one.
func (w *world) byRank() []string {
	w.Helper()
	w.changesNodes()
	list := w.nodesNow()
	leads := map[string]bool{}
	for _, n := range list {
		leads[n.Description.Hostname] = n.ManagerStatus != nil && n.ManagerStatus.Leader
	}
	names := w.swarm.Managers()
	slices.SortStableFunc(names, func(a, b string) int {
		if leads[a] != leads[b] {
			return map[bool]int{true: -1, false: 1}[leads[a]]
		}
		return cmp.Compare(a, b)
	})
	if len(names) > 1 {
		w.api = w.connect(names[1])
	}
	return names
}

// nodeNow returns the node with a hostname.
func (w *world) nodeNow(hostname string) swarm.Node {
	w.Helper()
	for _, n := range w.nodesNow() {
		if n.Description.Hostname == hostname {
			return n
		}
	}
	w.Fatalf("there is no node %s", hostname)
	return swarm.Node{}
}

// nodesNow asks until an engine answers. While a leader leaves, none does.
func (w *world) nodesNow() []swarm.Node {
	w.Helper()
	var out []swarm.Node
	w.patiently(func() error {
		list, err := w.api.NodeList(w.Context(), client.NodeListOptions{})
		out = list.Items
		return err
	})
	return out
}

// patiently is eventually with more time, for what takes raft long.
func (w *world) patiently(check func() error) {
	w.Helper()
	if err := harness.Until(w.Context(), raftPatience, check); err != nil {
		w.Fatal(err)
	}
}

// follows waits until a revision is in force and nothing differs.
func (o *operator) follows(revision string) {
	o.w.Helper()
	o.w.patiently(func() error {
		r, err := o.Report(o.w.Context())
		if err == nil && (r.Applied != revision || !r.Is("InSync", true)) {
			err = fmt.Errorf("revision %s is not in force and in sync: %s", revision, brief(r))
		}
		return err
	})
}

// refuses waits until the operator leaves the managers as they are, for a reason that contains text, and returns the
// refusal.
func (o *operator) refuses(class, text string) harness.Refusal {
	o.w.Helper()
	var out harness.Refusal
	o.reports(func(r harness.Report) error {
		for _, f := range r.Refused {
			if f.Guard == "managers" && f.Class == class && strings.Contains(f.Why, text) {
				out = f
				return nil
			}
		}
		return fmt.Errorf("the managers are not refused with %q: %s", text, brief(r))
	})
	return out
}

// managersNow returns the nodes that are managers by their role and in fact, and can be reached.
func managersNow(list []swarm.Node) []string {
	var out []string
	for _, n := range list {
		if n.Spec.Role == swarm.NodeRoleManager && n.ManagerStatus != nil && n.ManagerStatus.Reachability == swarm.ReachabilityReachable {
			out = append(out, n.Description.Hostname)
		}
	}
	slices.Sort(out)
	return out
}

func wanted(n swarm.Node) bool { return n.Spec.Role == swarm.NodeRoleManager }

func member(n swarm.Node) bool { return n.ManagerStatus != nil }

// membership watches which nodes are managers, as each engine tells it.
type membership struct {
	w    *world
	stop context.CancelFunc
	done sync.WaitGroup

	mu     sync.Mutex
	cut    string // a node that is cut off, so that it tells what is no longer true
	phase  string
	told   map[string]time.Time            // when the last call that an engine answered was made
	heard  map[string]time.Time            // when that answer came
	joined map[string]time.Time            // since when a node is a member
	began  map[string]map[string]time.Time // by the engine that tells: since when a node is changing to another role
	left   []*departure
	late   []string // nodes that took so long to change that others did not have to wait for them
	errs   []string
	last   time.Time // when an engine last answered
	silent time.Duration
	looks  int
}

// justJoined is how long a new member may stay unreachable. On a busy machine, with another member cut off, raft
// takes its time.
const justJoined = 20 * time.Second

// departure is a manager whose role was taken away.
type departure struct {
	phase, name string
	led         bool
}

// look is one answer of an engine.
type look struct {
	from, to time.Time
	nodes    map[string]swarm.Node
	changing []string
}

func (w *world) watchMembership() *membership {
	ctx, stop := context.WithCancel(w.Context())
	m := &membership{w: w, stop: stop, phase: "at first", last: time.Now(), told: map[string]time.Time{}, heard: map[string]time.Time{}, joined: map[string]time.Time{}, began: map[string]map[string]time.Time{}}
	for _, name := range slices.Concat(w.swarm.Managers(), w.swarm.Workers()) {
		c := w.connect(name)
		m.done.Go(func() {
			var before *look
			for tick := time.Tick(200 * time.Millisecond); ctx.Err() == nil; <-tick {
				l := m.look(ctx, c)
				if l != nil {
					m.judge(name, before, l)
				}
				before = l
			}
		})
	}
	w.Cleanup(m.end)
	return m
}

// begin names the next phase, as soon as every engine that answers has told the end of the phase before.
func (m *membership) begin(phase string) {
	m.w.Helper()
	now := time.Now()
	m.w.patiently(func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		told := false
		for by, at := range m.told {
			if told = told || at.After(now); !at.After(now) && time.Since(m.heard[by]) < time.Second {
				return fmt.Errorf("%s has not told yet", by)
			}
		}
		if !told {
			return errors.New("nobody tells")
		}
		return nil
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase = phase
	m.w.Log(phase)
}

// ignore stops judging the engine of a node that is to be cut off: it goes on telling what was true before.
func (m *membership) ignore(node string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut = node
}

// look asks an engine. It returns nil if the engine is no manager's or has no leader.
func (m *membership) look(ctx context.Context, c *client.Client) *look {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	l := &look{from: time.Now(), nodes: map[string]swarm.Node{}}
	list, err := c.NodeList(ctx, client.NodeListOptions{})
	if err != nil {
		return nil
	}
	l.to = time.Now()
	for _, n := range list.Items {
		l.nodes[n.Description.Hostname] = n
	}
	return l
}

func (m *membership) errorf(format string, args ...any) {
	m.errs = append(m.errs, fmt.Sprintf("%s: ", m.phase)+fmt.Sprintf(format, args...))
}

// judge checks one answer of an engine, and what has changed since its answer before.
func (m *membership) judge(by string, before, l *look) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if by == m.cut {
		return
	}
	m.looks++
	m.told[by], m.heard[by] = l.from, l.to
	m.silent = max(m.silent, lag.Between(m.last, l.to).Machine)
	m.last = l.to
	members, reachable, coming := 0, 0, 0
	for name, n := range l.nodes {
		if n.ManagerStatus == nil {
			delete(m.joined, name)
			continue
		}
		if m.joined[name].IsZero() {
			m.joined[name] = l.to
		}
		members++
		switch {
		case n.ManagerStatus.Reachability == swarm.ReachabilityReachable:
			reachable++
		case lag.Between(m.joined[name], l.to).Machine < justJoined, n.Spec.Role == swarm.NodeRoleWorker: // or it is about to leave
			coming++
		}
	}
	if l.changing = m.changing(by, l); len(l.changing) > 1 {
		m.errorf("%s sees several change at once: %q: %s", by, l.changing, l)
	}
	// A node that just joined, or leaves, cannot be reached at once, but already counts for the majority
	if reachable+coming <= members/2 {
		m.errorf("%s sees no majority: %s", by, l)
	}
	if before == nil {
		return
	}
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(l.nodes)) {
		n, was := l.nodes[name], before.nodes[name]
		if was.ID != n.ID || wanted(was) == wanted(n) {
			continue
		}
		changed = append(changed, name)
		if !wanted(n) {
			m.leaves(m.phase, name, was.ManagerStatus != nil && was.ManagerStatus.Leader)
		}
	}
	if l.to.Sub(before.from) >= stable || len(changed) == 0 {
		return // in the meantime one change may have ended and another one begun
	}
	if len(changed) > 1 || len(before.changing) > 0 {
		m.errorf("%s sees %q change while %q did: %s, then %s", by, changed, before.changing, before, l)
	}
}

// leaves notes a departure once, although several engines tell of it.
func (m *membership) leaves(phase, name string, led bool) {
	for _, d := range m.left {
		if d.name == name && d.phase == phase {
			d.led = d.led || led
			return
		}
	}
	m.left = append(m.left, &departure{phase, name, led})
}

// changing returns the nodes whose role and reality differ, without those that take so long that others need not wait
// for them. A dockerd 20.10 that is to be a manager hangs while the engine through which it joined the swarm is none.
func (m *membership) changing(by string, l *look) []string {
	began := map[string]time.Time{}
	var out []string
	for name, n := range l.nodes {
		if wanted(n) == member(n) {
			continue
		}
		began[name] = l.from
		if since, was := m.began[by][name]; was {
			began[name] = since
		}
		// The operator may have seen the change earlier
		if *swarmKind == onEngines && l.to.Sub(began[name]) > kind.RoleDeadline-10*time.Second {
			m.late = append(m.late, name)
			continue
		}
		out = append(out, name)
	}
	m.began[by] = began
	slices.Sort(out)
	return out
}

func (l *look) String() string {
	var b strings.Builder
	b.WriteString(l.to.Format("15:04:05.000"))
	for _, name := range slices.Sorted(maps.Keys(l.nodes)) {
		n := l.nodes[name]
		fmt.Fprintf(&b, " %s:%s/%s", name, n.Spec.Role, n.Status.State)
		if s := n.ManagerStatus; s != nil {
			fmt.Fprintf(&b, "/%s", s.Reachability)
			if s.Leader {
				b.WriteString("/leader")
			}
		}
	}
	return b.String()
}

// leftIn returns the nodes that became workers in a phase, in that order.
func (m *membership) leftIn(phase string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, d := range m.left {
		if d.phase == phase {
			out = append(out, d.name)
		}
	}
	return out
}

// end stops watching, and reports every state that was seen and is not allowed.
func (m *membership) end() {
	m.stop()
	m.done.Wait()
	m.w.Logf("%d answers of engines; for %s none answered", m.looks, m.silent.Round(10*time.Millisecond))
	if len(m.late) > 0 {
		slices.Sort(m.late)
		m.w.Logf("longer on their way than the next one waits for: %q", slices.Compact(m.late))
	}
	for i, e := range m.errs {
		if i == 10 {
			m.w.Errorf("and %d more", len(m.errs)-i)
			break
		}
		m.w.Error(e)
	}
	for i, d := range m.left {
		for _, later := range m.left[i+1:] {
			if d.led && later.phase == d.phase {
				m.w.Errorf("%s: the leader %s left, and after it %s", d.phase, d.name, later.name)
			}
		}
	}
	if m.silent > time.Minute {
		m.w.Errorf("for %s no engine answered", m.silent)
	}
}
