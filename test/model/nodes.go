package model

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/cluster"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/node"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Join makes a worker of a host, and returns the id of the new node. A host that joins again is another node.
func (m *Swarm) Join(hostname string) string {
	n := &swarm.Node{ID: fmt.Sprintf("n%d", m.clock+1), Description: swarm.NodeDescription{Hostname: hostname}, Status: swarm.NodeStatus{State: swarm.NodeStateReady}}
	n.Spec.Role, n.Spec.Availability, n.Spec.Labels = swarm.NodeRoleWorker, swarm.NodeAvailabilityActive, map[string]string{}
	if l := m.theCluster(); l != nil {
		n.Description.TLSInfo = l.Raw.(*swarm.ClusterInfo).TLSInfo
	}
	m.putNode(n)
	m.joined = n.ID
	return n.ID
}

// LastJoined returns the id of the node that joined last.
func (m *Swarm) LastJoined() string { return m.joined }

// AnyNode returns the keys of all nodes that a life may have, by their ids.
func AnyNode() []v1.Key {
	out := make([]v1.Key, 500)
	for i := range out {
		out[i] = v1.Key{Kind: v1.KindNode, Name: fmt.Sprintf("n%d", i)}
	}
	return out
}

// Nodes returns the nodes, by hostname and id.
func (m *Swarm) Nodes() []*swarm.Node {
	var out []*swarm.Node
	for _, l := range m.Objects {
		if n, is := l.Raw.(*swarm.Node); is {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b *swarm.Node) int {
		return cmp.Or(cmp.Compare(a.Description.Hostname, b.Description.Hostname), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// ChangeNode writes a node. What was read of it stays as it was.
func (m *Swarm) ChangeNode(id string, change func(*swarm.Node)) {
	n := *m.Objects[v1.Key{Kind: v1.KindNode, Name: id}].Raw.(*swarm.Node)
	n.Spec.Labels = maps.Clone(n.Spec.Labels)
	if n.ManagerStatus != nil {
		status := *n.ManagerStatus
		n.ManagerStatus = &status
	}
	change(&n)
	m.putNode(&n)
}

func (m *Swarm) putNode(n *swarm.Node) {
	l := m.Put(&kinds.Live{Kind: v1.KindNode, Name: n.ID, Called: n.Description.Hostname, Labels: n.Spec.Labels, Raw: n})
	l.ID, n.Version.Index = n.ID, l.Version
}

// node carries out a step on a node. A role takes effect later, and so does a node's leave.
func (m *Swarm) node(s plan.Step, src kinds.Source) error {
	if s.Op == diff.Create {
		if m.engines == nil {
			m.engines = map[string]string{}
		}
		m.engines[s.Key.Name] = m.Join(s.Key.Name)
		return nil
	}
	live := m.Objects[v1.Key{Kind: v1.KindNode, Name: s.Instance}]
	switch {
	case live == nil:
		return fmt.Errorf("node %s not found", s.Instance)
	case s.Change.Have.Value.(*kinds.Live).Version != live.Version:
		return errors.New("update out of sequence")
	case s.Recognises() && m.engines[s.Key.Name] != s.Instance:
		return fmt.Errorf("the engine of %s is not node %s", s.Key, s.Instance)
	case !s.Leaves() && !s.Recognises():
		m.ChangeNode(live.ID, func(n *swarm.Node) { n.Spec = node.Spec(n.Spec, s, src.Name) })
	}
	return nil
}

// Found makes a cluster object with this root.
func (m *Swarm) Found(root string) {
	c := &swarm.ClusterInfo{TLSInfo: swarm.TLSInfo{TrustRoot: root, CertIssuerPublicKey: []byte(root)}}
	c.Spec.Labels = map[string]string{}
	m.putCluster(c)
}

func (m *Swarm) theCluster() *kinds.Live {
	return m.Objects[v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}]
}

func (m *Swarm) putCluster(c *swarm.ClusterInfo) {
	l := m.Put(&kinds.Live{Kind: v1.KindCluster, Name: v1.ClusterName, Labels: c.Spec.Labels, Raw: c})
	c.ID, c.Version.Index = l.ID, l.Version
}

// ChangeCluster writes the cluster object. What was read of it stays as it was.
func (m *Swarm) ChangeCluster(change func(*swarm.ClusterInfo)) {
	c := *m.theCluster().Raw.(*swarm.ClusterInfo)
	c.Spec.Labels = maps.Clone(c.Spec.Labels)
	change(&c)
	m.putCluster(&c)
}

// Rotates reports whether the root is being replaced.
func (m *Swarm) Rotates() bool {
	l := m.theCluster()
	return l != nil && l.Raw.(*swarm.ClusterInfo).RootRotationInProgress
}

// Renewed gives a node a certificate of the root that is to come. When all nodes have one, that is the root.
func (m *Swarm) Renewed(id string) {
	issuer := m.theCluster().Raw.(*swarm.ClusterInfo).TLSInfo
	m.ChangeNode(id, func(n *swarm.Node) { n.Description.TLSInfo = issuer })
	for _, n := range m.Nodes() {
		if string(n.Description.TLSInfo.CertIssuerPublicKey) != string(issuer.CertIssuerPublicKey) {
			return
		}
	}
	m.ChangeCluster(func(c *swarm.ClusterInfo) { c.TLSInfo.TrustRoot, c.RootRotationInProgress = m.root, false })
}

// cluster carries out a step on the Cluster.
func (m *Swarm) cluster(s plan.Step, src kinds.Source) error {
	live := m.theCluster()
	if s.Change.Have.Value.(*kinds.Live).Version != live.Version {
		return errors.New("update out of sequence")
	}
	o, err := cluster.Update(s, src.Owner(s.Key))
	if err != nil {
		return err
	}
	root := ""
	switch r := kinds.RenewalOf(s); {
	case r == nil:
	case r.Makes == kinds.RootCA:
		root = fmt.Sprintf("root %d", o.Spec.CAConfig.ForceRotate)
	case r.Makes == kinds.SignedRoot:
		root = m.Files[s.Change.Want.Value.(*v1.Cluster).Spec.CA.Signing+".certFile"]
	}
	m.ChangeCluster(func(c *swarm.ClusterInfo) {
		c.Spec = o.Spec
		if root != "" {
			m.root, c.RootRotationInProgress, c.TLSInfo.CertIssuerPublicKey = root, true, []byte(root)
		}
	})
	return nil
}
