package v1

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
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

// Node is one node of the swarm. metadata.name is its hostname. What it does not state stays as it is, unless a
// NodeSet states it.
type Node struct {
	Header
	Spec NodeSpec `json:"spec"`
}

// NodeSpec is what a node should be. A node's labels are stated here; metadata.labels cannot be stated.
type NodeSpec struct {
	// ID is the ID of the node in the swarm. State it if two nodes have the same hostname, or to say which machine may
	// have a role or a label that a hostname alone does not get: see promote-unproven.
	ID string `json:"id,omitempty"`
	// Role is worker or manager, and pins the node to that role. If omitted, managers.count of the Cluster decides. A
	// hostname alone makes no node a manager: the operator also needs spec.id, or must have joined the node's engine
	// itself, or must have seen the node as a manager. Otherwise the promotion waits for consent to promote-unproven.
	Role string `json:"role,omitempty"`
	// Availability is active, pause or drain. The operator applies it when the node joins and when the manifest
	// changes. It reports a change made by hand and leaves it, unless policy.enforce is true.
	Availability string `json:"availability,omitempty"`
	// Labels are labels of the node in the swarm. Placement constraints name them as node.labels.NAME.
	Labels map[string]string `json:"labels,omitempty"`
	// LabelMode is merge (default: labels that others set stay) or exact (the operator removes them).
	LabelMode string `json:"labelMode,omitempty"`
	// Presence is present (default) or absent. The operator drains and demotes an absent node, takes it out of the
	// swarm and removes it from the swarm's list.
	Presence string `json:"presence,omitempty"`
	// RemoveDownAfter is how long the node must be down before the operator removes it from the swarm's list, at least
	// 1m. Default: never. The operator never removes a manager, or a node that is drained, paused, suspended or on
	// hold. While a CA rotation waits for the node, it does not remove the node. While more than one node and more than
	// a quarter of the swarm are down, it removes none.
	RemoveDownAfter *Duration `json:"removeDownAfter,omitempty"`
	// Engine is the address of the node's own engine. The operator uses it to make the node part of the swarm and to
	// take it out.
	Engine *EngineEndpoint `json:"engine,omitempty"`
}

// EngineEndpoint is the address of an engine, in the form that docker clients use.
type EngineEndpoint struct {
	// Host is unix://PATH, tcp://HOST:PORT or ssh://[USER@]HOST. A PATH is one of the operator's own host, so the operator
	// uses it only if --engine-sockets allows it.
	Host string `json:"host"`
	// TLS is the name of the files for TLS with a tcp:// host, which tls: of the operator's configuration defines. If
	// omitted, the operator does not use such a host, because it would send join tokens in clear, unless it runs with
	// --insecure-engines.
	TLS string `json:"tls,omitempty"`
	// AdvertiseAddr is where the other nodes reach this one, when it joins: an IP address or the name of a network
	// interface, with or without a port. Default: the engine's own choice, which fails if the engine has several
	// addresses.
	AdvertiseAddr string `json:"advertiseAddr,omitempty"`
	// ListenAddr is where the node listens for the others, when it joins. Default: 0.0.0.0:2377.
	ListenAddr string `json:"listenAddr,omitempty"`
	// DataPathAddr is where the traffic of containers goes, when the node joins: an IP address or the name of a
	// network interface. Default: the address of advertiseAddr.
	DataPathAddr string `json:"dataPathAddr,omitempty"`
}

// NodeSet states the same for every node that its selector matches, including nodes that join later. If a Node states
// the same field, the Node's value applies. If two NodeSets state different values, the operator writes nothing to that
// node.
type NodeSet struct {
	Header
	Spec NodeSetSpec `json:"spec"`
}

// NodeSetSpec selects nodes and says what they should be.
type NodeSetSpec struct {
	// Selector selects the nodes of the set.
	Selector NodeSelector `json:"selector"`
	// Template says what these nodes should be.
	Template NodeTemplate `json:"template"`
}

// NodeSelector matches nodes for which everything that it states is true. An empty selector matches all nodes.
type NodeSelector struct {
	// IDs are IDs of nodes in the swarm, as docker node ls shows them. They select nodes and prove nothing of them: for
	// a role that needs proof, state spec.id of a Node. See promote-unproven.
	IDs []string `json:"ids,omitempty"`
	// Hostnames are patterns, of which one must match: * is any text, ? is any character.
	Hostnames []string `json:"hostnames,omitempty"`
	// EngineLabels are labels of the node's engine, from its daemon.json, with their values.
	EngineLabels map[string]string `json:"engineLabels,omitempty"`
	// Platform is the platform of the node's engine.
	Platform *Platform `json:"platform,omitempty"`
	// Role is the node's present role: worker or manager.
	Role string `json:"role,omitempty"`
}

// Platform is what a node runs on.
type Platform struct {
	// OS is an operating system, such as linux.
	OS string `json:"os,omitempty"`
	// Architecture is a processor architecture. x86_64 means the same as amd64, and aarch64 the same as arm64.
	Architecture string `json:"architecture,omitempty"`
}

// NodeTemplate is what each node of a set should be. It has the fields of a Node that can be the same for many.
type NodeTemplate struct {
	// Role pins the nodes to a role, as in a Node. A node that only its hostname, its engine's labels or its platform
	// put into the set does not become a manager before somebody agrees to promote-unproven.
	Role string `json:"role,omitempty"`
	// Availability means the same as in a Node. If a node joins drained and should be active, the operator sets its
	// labels and makes it active in one write. So the swarm schedules nothing to it before it has them.
	Availability string `json:"availability,omitempty"`
	// Labels means the same as in a Node.
	Labels map[string]string `json:"labels,omitempty"`
	// LabelMode means the same as in a Node.
	LabelMode string `json:"labelMode,omitempty"`
	// RemoveDownAfter means the same as in a Node.
	RemoveDownAfter *Duration `json:"removeDownAfter,omitempty"`
}

// External is always false: the operator does not touch what a Node does not state.
func (n *Node) External() bool { return false }

// Refs returns the dependencies.
func (n *Node) Refs() []Ref { return n.dependencies() }

// Default does nothing: what is not stated stays as it is.
func (n *Node) Default() {}

// Copy returns a deep copy.
func (n *Node) Copy() Object {
	c := *n
	c.Header = n.Header.copy()
	c.Spec.Labels = maps.Clone(c.Spec.Labels)
	c.Spec.RemoveDownAfter = clone(c.Spec.RemoveDownAfter)
	c.Spec.Engine = clone(c.Spec.Engine)
	return &c
}

// Listen returns where the node listens for the others. The engine adds the port if it is missing.
func (e *EngineEndpoint) Listen() string { return cmp.Or(e.ListenAddr, "0.0.0.0") }

// InClear reports whether others on the way can read what is sent to the engine, such as a join token. That is so for
// TCP without TLS.
func (e *EngineEndpoint) InClear() bool {
	scheme, _, _ := strings.Cut(e.Host, "://")
	return scheme != "unix" && scheme != "ssh" && e.TLS == ""
}

// MayUse reports whether an operator may use the engine. It may if the engine is at ssh:// or tcp://. allowed are patterns of
// the paths of the operator's own host that manifests may name with unix://. A path that is not in its shortest form is not
// allowed: it may lead to another place than the pattern does. Neither is a host of any other form, because clients trim
// white space and have a default for an empty one, so it may lead to a socket of the operator's host too.
func (e *EngineEndpoint) MayUse(allowed []string) bool {
	scheme, socket, ok := strings.Cut(e.Host, "://")
	switch {
	case ok && (scheme == "ssh" || scheme == "tcp"):
		return true
	case !ok || scheme != "unix":
		return false
	}
	return path.IsAbs(socket) && path.Clean(socket) == socket && slices.ContainsFunc(allowed, func(p string) bool { return MatchText(p, socket) })
}

// Gone reports whether the node should not be in the swarm.
func (n *Node) Gone() bool { return cmp.Or(n.Spec.Presence, Present) == Absent }

// External is always false.
func (s *NodeSet) External() bool { return false }

// Refs returns the dependencies.
func (s *NodeSet) Refs() []Ref { return s.dependencies() }

// Default does nothing: what is not stated stays as it is.
func (s *NodeSet) Default() {}

// Copy returns a deep copy.
func (s *NodeSet) Copy() Object {
	c := *s
	c.Header = s.Header.copy()
	sel, t := &c.Spec.Selector, &c.Spec.Template
	sel.IDs, sel.Hostnames = slices.Clone(sel.IDs), slices.Clone(sel.Hostnames)
	sel.EngineLabels, sel.Platform = maps.Clone(sel.EngineLabels), clone(sel.Platform)
	t.Labels, t.RemoveDownAfter = maps.Clone(t.Labels), clone(t.RemoveDownAfter)
	return &c
}
