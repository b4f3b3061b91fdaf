package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// nodeMetrics are metrics about the swarm as a whole.
type nodeMetrics struct {
	nodes     *prometheus.GaugeVec
	managers  *prometheus.GaugeVec
	tolerance prometheus.Gauge
	versions  prometheus.Gauge
	rotating  prometheus.Gauge
	expiry    *prometheus.GaugeVec
	root      *prometheus.GaugeVec
	rotated   *prometheus.GaugeVec
}

func newNodeMetrics(r *prometheus.Registry) nodeMetrics {
	m := nodeMetrics{
		nodes:     gauge("nodes", "Nodes of the swarm, by role, state, availability and version of the engine.", "role", "state", "availability", "version"),
		managers:  gauge("managers", "Managers: members (by their role or in fact) and reachable.", "state"),
		tolerance: single("manager_tolerance", "How many managers may be lost before those that are left have no majority; below 0 there is none now."),
		versions:  single("engine_versions", "How many different versions the engines of the nodes have; more than 1 is a skew."),
		rotating:  single("ca_rotation_in_progress", "1 while the root of the swarm's CA is being replaced."),
		expiry:    gauge("node_certificate_expiry_timestamp_seconds", "Unix time until which a manager's certificate is valid, by hostname. Of workers no engine tells it.", "node"),
		root:      gauge("ca_rotation_nodes", "Nodes while the root of the swarm's CA is being replaced: done have a certificate of the new one, waiting have not. 0 while it is not.", "state"),
		rotated:   gauge("rotation_timestamp_seconds", "Unix time of the last rotation on record, or of when its age began to be counted, of worker-token, manager-token and unlock-key.", "of"),
	}
	r.MustRegister(m.nodes, m.managers, m.tolerance, m.versions, m.rotating, m.expiry, m.root, m.rotated)
	return m
}

// Nodes describes the nodes of the swarm.
type Nodes struct {
	Seen []Node
	// Wanted is how many managers the manifests ask for, or 0 if they state no count. Members are managers, Reachable
	// of them answer, and Tolerance more may be lost. Losses says the tolerance in words.
	Wanted, Members, Reachable, Tolerance int
	Losses                                string
	// Rotating is true while the root of the CA is being replaced. Progress then says how far that is.
	Rotating bool
	Progress string
}

// Node is how the swarm sees a node, in the engine's words. Behind is true if the root of the CA is being replaced
// and the node's certificate is not yet from the new one.
type Node struct {
	Name, Role, State, Availability, Version string
	Behind                                   bool
}

// Nodes notes the state of the nodes, and sets the conditions about them.
func (b *Board) Nodes(n Nodes) {
	b.metrics.swarm(n)
	ok, reason, message := managersAre(n)
	b.Set(ManagersReady, ok, reason, message)
	ok, reason, message = nodesAre(n.Seen)
	b.Set(NodesReady, ok, reason, message)
	ok, reason, message = versionsAre(n.Seen)
	b.Set(VersionSkew, ok, reason, message)
	if n.Rotating {
		b.Set(CARotating, true, "Rotating", n.Progress)
	} else {
		b.Set(CARotating, false, "NotRotating", "")
	}
}

// NodesUnknown notes that the state of the nodes cannot be read, and why. What was known of them may have changed
// since.
func (b *Board) NodesUnknown(why string) {
	for _, kind := range []string{ManagersReady, NodesReady} {
		if _, said := b.Said(kind); said {
			b.Set(kind, false, Unknown, "it is not known: "+why)
		}
	}
}

// DeliveryUnknown notes that nobody can tell whether tokens and keys are where they should be, and why. A condition
// that was known before stays: nothing is delivered in the meantime.
func (b *Board) DeliveryUnknown(why string) {
	for _, kind := range []string{KeyNotEscrowed, TokensNotDelivered} {
		if is, said := b.Said(kind); !said || is.Reason == Unknown {
			b.Set(kind, false, Unknown, "it is not known: "+why)
		}
	}
}

// Rotations notes since when each join token and the unlock key have been in use, by name. What is not on record is
// absent.
func (b *Board) Rotations(last map[string]time.Time) {
	if last == nil { // nothing is known, so nothing changes
		return
	}
	b.metrics.node.rotated.Reset()
	for of, at := range last {
		b.metrics.node.rotated.WithLabelValues(of).Set(float64(at.Unix()))
	}
}

// Certificates notes until when the managers' certificates are valid, by hostname.
func (m *Metrics) Certificates(expiry map[string]time.Time) {
	m.node.expiry.Reset()
	for name, at := range expiry {
		m.node.expiry.WithLabelValues(name).Set(float64(at.Unix()))
	}
}

func (m *Metrics) swarm(of Nodes) {
	n := m.node
	n.nodes.Reset()
	versions, root := map[string]bool{}, map[string]float64{"done": 0, "waiting": 0}
	for _, one := range of.Seen {
		if of.Rotating {
			root[map[bool]string{true: "waiting", false: "done"}[one.Behind]]++
		}
		n.nodes.WithLabelValues(one.Role, one.State, one.Availability, one.Version).Inc()
		versions[one.Version] = true
	}
	n.versions.Set(float64(len(versions)))
	for state, count := range root {
		n.root.WithLabelValues(state).Set(count)
	}
	for state, count := range map[string]int{"members": of.Members, "reachable": of.Reachable} {
		n.managers.WithLabelValues(state).Set(float64(count))
	}
	m.wanted.Set(float64(of.Wanted))
	n.tolerance.Set(float64(of.Tolerance))
	n.rotating.Set(map[bool]float64{true: 1}[of.Rotating])
}

// managersAre reports whether there are as many managers as are wanted, and all can be reached.
func managersAre(n Nodes) (ok bool, reason, message string) {
	message = fmt.Sprintf("%d of %s can be reached; %s", n.Reachable, v1.Count(n.Members, "manager"), n.Losses)
	switch {
	case n.Reachable < n.Members:
		return false, "Unreachable", message
	case n.Wanted > 0 && n.Members != n.Wanted:
		return false, "Count", fmt.Sprintf("%s; %d are wanted", message, n.Wanted)
	}
	return true, "Reachable", message
}

// most is how many nodes a message names.
const most = 10

func nodesAre(seen []Node) (ok bool, reason, message string) {
	var not []string
	for _, n := range seen {
		if n.State != "ready" {
			not = append(not, n.Name+" is "+n.State)
		}
	}
	if len(not) == 0 {
		return true, "Ready", ""
	}
	more := ""
	if len(not) > most {
		more = fmt.Sprintf(" and %d more", len(not)-most)
	}
	return false, "NotReady", strings.Join(not[:min(len(not), most)], ", ") + more
}

func versionsAre(seen []Node) (skew bool, reason, message string) {
	count := map[string]int{}
	for _, n := range seen {
		count[cmp.Or(n.Version, "an unknown version")]++
	}
	if len(count) < 2 {
		return false, "Same", ""
	}
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%s on %d", v, count[v]))
	}
	return true, "Differ", strings.Join(parts, ", ")
}
