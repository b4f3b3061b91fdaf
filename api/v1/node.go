package v1

import (
	"cmp"
	"maps"
	"slices"
)

// Roles of a node.
const (
	RoleManager = "manager"
	RoleWorker  = "worker"
)

// Availabilities of a node.
const (
	Active = "active"
	Pause  = "pause"
	Drain  = "drain"
)

// Values of labelMode.
const (
	LabelsMerge = "merge"
	LabelsExact = "exact"
)

// Values of presence.
const (
	Present = "present"
	Absent  = "absent"
)

// Node is one node of the swarm, by its hostname: metadata.name. What it does not state stays as it is, or is what a
// NodeSet states.
type Node struct {
	Header
	Spec NodeSpec `json:"spec"`
}

// NodeSpec is what a node is to be. Labels of a node are here; metadata.labels cannot be stated.
type NodeSpec struct {
	// ID of the node in the swarm, where two have one hostname.
	ID string `json:"id,omitempty"`
	// Role is worker or manager: a pin. Left out, managers.count of the Cluster decides.
	Role string `json:"role,omitempty"`
	// Availability is active, pause or drain. It is applied when the node joins and when the manifest changes; a hand's change
	// of it is reported and stays, unless policy.enforce is true.
	Availability string `json:"availability,omitempty"`
	// Labels of the node in the swarm, which placement constraints name as node.labels.NAME.
	Labels map[string]string `json:"labels,omitempty"`
	// LabelMode is merge (default: labels that others set stay) or exact (they go).
	LabelMode string `json:"labelMode,omitempty"`
	// Presence is present (default) or absent: drained, demoted, taken out of the swarm and removed from its list.
	Presence string `json:"presence,omitempty"`
	// RemoveDownAfter is how long the node has to be down before it is removed from the swarm's list. Default: never. One that
	// is drained or on hold is not removed, nor one that a CA rotation waits for.
	RemoveDownAfter *Duration `json:"removeDownAfter,omitempty"`
	// Engine is where the node's own engine can be reached, to make it part of the swarm and to take it out.
	Engine *EngineEndpoint `json:"engine,omitempty"`
}

// EngineEndpoint is an engine as docker clients name it.
type EngineEndpoint struct {
	// Host is unix://PATH, tcp://HOST:PORT or ssh://[USER@]HOST.
	Host string `json:"host"`
	// TLS of a tcp:// host; left out, it is spoken to without.
	TLS *EngineTLS `json:"tls,omitempty"`
	// AdvertiseAddr is where the other nodes reach this one, when it joins: an IP address or the name of a network interface,
	// with or without a port. Default: the engine's own choice, which fails where it has several addresses.
	AdvertiseAddr string `json:"advertiseAddr,omitempty"`
	// ListenAddr is where the node listens for the others, when it joins. Default: 0.0.0.0:2377.
	ListenAddr string `json:"listenAddr,omitempty"`
	// DataPathAddr is where the traffic of containers goes, when it joins: an IP address or the name of a network interface.
	// Default: that of advertiseAddr.
	DataPathAddr string `json:"dataPathAddr,omitempty"`
}

// EngineTLS names files on the machine that the operator runs on.
type EngineTLS struct {
	// CAFile has the certificates that the engine's is checked with.
	CAFile string `json:"caFile,omitempty"`
	// CertFile and KeyFile are shown to the engine.
	CertFile string `json:"certFile,omitempty"`
	KeyFile  string `json:"keyFile,omitempty"`
}

// NodeSet is the same for every node that its selector matches, also for nodes that join later. Where a Node states
// something too, the Node counts; where two NodeSets state different things, nothing is written to that node.
type NodeSet struct {
	Header
	Spec NodeSetSpec `json:"spec"`
}

// NodeSetSpec selects nodes and says what they are to be.
type NodeSetSpec struct {
	Selector NodeSelector `json:"selector"`
	Template NodeTemplate `json:"template"`
}

// NodeSelector matches nodes for which all that it states is true. An empty one matches all.
type NodeSelector struct {
	// Hostnames are patterns, of which one must match: * is any text, ? any character.
	Hostnames []string `json:"hostnames,omitempty"`
	// EngineLabels are labels of the node's engine, from its daemon.json, with their values.
	EngineLabels map[string]string `json:"engineLabels,omitempty"`
	// Platform of the node's engine.
	Platform *Platform `json:"platform,omitempty"`
	// Role is worker or manager, as it is now.
	Role string `json:"role,omitempty"`
}

// Platform is what a node runs on.
type Platform struct {
	// OS, such as linux.
	OS string `json:"os,omitempty"`
	// Architecture, such as x86_64 or amd64, aarch64 or arm64: each pair means the same.
	Architecture string `json:"architecture,omitempty"`
}

// NodeTemplate is what each node of a set is to be: the fields of a Node that can be the same for many.
type NodeTemplate struct {
	// Role is a pin, as that of a Node.
	Role string `json:"role,omitempty"`
	// Availability, as that of a Node. Nodes that join drained and are to be active get their labels in the same write, so that
	// nothing is scheduled to one before it has them.
	Availability string `json:"availability,omitempty"`
	// Labels, as those of a Node.
	Labels map[string]string `json:"labels,omitempty"`
	// LabelMode, as that of a Node.
	LabelMode string `json:"labelMode,omitempty"`
	// RemoveDownAfter, as that of a Node.
	RemoveDownAfter *Duration `json:"removeDownAfter,omitempty"`
}

// External is never true: what is not stated of a node is not touched.
func (n *Node) External() bool { return false }

// Refs names the dependencies.
func (n *Node) Refs() []Ref { return n.dependencies() }

// Default has nothing to fill in: what is not stated stays.
func (n *Node) Default() {}

// Copy returns a deep copy.
func (n *Node) Copy() Object {
	c := *n
	c.Header = n.Header.copy()
	c.Spec.Labels = maps.Clone(c.Spec.Labels)
	c.Spec.RemoveDownAfter = clone(c.Spec.RemoveDownAfter)
	if c.Spec.Engine = clone(c.Spec.Engine); c.Spec.Engine != nil {
		c.Spec.Engine.TLS = clone(c.Spec.Engine.TLS)
	}
	return &c
}

// Gone says that the node is not to be in the swarm.
func (n *Node) Gone() bool { return cmp.Or(n.Spec.Presence, Present) == Absent }

// External is never true.
func (s *NodeSet) External() bool { return false }

// Refs names the dependencies.
func (s *NodeSet) Refs() []Ref { return s.dependencies() }

// Default has nothing to fill in.
func (s *NodeSet) Default() {}

// Copy returns a deep copy.
func (s *NodeSet) Copy() Object {
	c := *s
	c.Header = s.Header.copy()
	sel, t := &c.Spec.Selector, &c.Spec.Template
	sel.Hostnames, sel.EngineLabels, sel.Platform = slices.Clone(sel.Hostnames), maps.Clone(sel.EngineLabels), clone(sel.Platform)
	t.Labels, t.RemoveDownAfter = maps.Clone(t.Labels), clone(t.RemoveDownAfter)
	return &c
}
