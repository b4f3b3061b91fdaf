package v1

import (
	"maps"
	"slices"
)

// ClusterName is the only name that a Cluster can have, because a swarm is one cluster.
const ClusterName = "default"

// Cluster is the swarm itself: its settings, and how many managers it has. What it does not state stays as it is.
// metadata.labels are labels of the swarm; labels that others set stay.
type Cluster struct {
	Header
	Spec ClusterSpec `json:"spec"`
}

// ClusterSpec has the engine's field names in camelCase, with values written as in compose and Kubernetes.
type ClusterSpec struct {
	// TaskHistoryLimit is how many ended tasks the swarm remembers for each slot. The engine's default is 5.
	TaskHistoryLimit *int64 `json:"taskHistoryLimit,omitempty"`
	// Raft is how the managers keep the state that they have agreed on.
	Raft *Raft `json:"raft,omitempty"`
	// Dispatcher is how managers watch nodes.
	Dispatcher *Dispatcher `json:"dispatcher,omitempty"`
	// CA is the swarm's certificate authority.
	CA *CA `json:"ca,omitempty"`
	// JoinTokens are the tokens that nodes join with.
	JoinTokens *JoinTokens `json:"joinTokens,omitempty"`
	// Autolock makes managers wait for the unlock key when they start.
	Autolock *Autolock `json:"autolock,omitempty"`
	// Managers says how many managers there should be, and which nodes may become one. If omitted, only the roles
	// stated for nodes count.
	Managers *Managers `json:"managers,omitempty"`
	// DefaultAddrPool lists the ranges that networks get their addresses from. It can be set only when a swarm is
	// made; afterwards the operator only reports a difference. The engine's default is 10.0.0.0/8.
	DefaultAddrPool []string `json:"defaultAddrPool,omitempty"`
	// SubnetSize is the prefix length of a network's range. It can be set only when a swarm is made, like
	// defaultAddrPool. The engine's default is 24.
	SubnetSize *uint32 `json:"subnetSize,omitempty"`
	// DataPathPort is the port for the traffic of overlay networks. It can be set only when a swarm is made, like
	// defaultAddrPool. The engine's default is 4789.
	DataPathPort *uint32 `json:"dataPathPort,omitempty"`
}

// Raft is how the managers keep the state that they have agreed on.
type Raft struct {
	// SnapshotInterval is the number of log entries after which a snapshot is made. The engine's default is 10000.
	SnapshotInterval *uint64 `json:"snapshotInterval,omitempty"`
	// KeepOldSnapshots is how many snapshots are kept besides the newest. The engine's default is 0.
	KeepOldSnapshots *uint64 `json:"keepOldSnapshots,omitempty"`
	// LogEntriesForSlowFollowers is how many log entries are kept after a snapshot, for managers that lag behind. The
	// engine's default is 500.
	LogEntriesForSlowFollowers *uint64 `json:"logEntriesForSlowFollowers,omitempty"`
	// ElectionTick is compared and never written, because the engine takes it from swarm-raft-election-tick of
	// daemon.json.
	ElectionTick *uint64 `json:"electionTick,omitempty"`
	// HeartbeatTick is compared and never written, because the engine takes it from swarm-raft-heartbeat-tick of
	// daemon.json.
	HeartbeatTick *uint64 `json:"heartbeatTick,omitempty"`
}

// Dispatcher is how managers watch nodes.
type Dispatcher struct {
	// HeartbeatPeriod is how often a node reports. A node that misses three reports is down. The engine's default is
	// 5s.
	HeartbeatPeriod *Duration `json:"heartbeatPeriod,omitempty"`
}

// CA is the swarm's certificate authority.
type CA struct {
	// NodeCertExpiry is how long the certificate of a node is valid. The least is 1h; the engine's default is 2160h.
	NodeCertExpiry *Duration `json:"nodeCertExpiry,omitempty"`
	// ExternalCAs sign certificates in the swarm's place. External CAs that others set stay.
	ExternalCAs []ExternalCA `json:"externalCAs,omitempty"`
	// Rotation replaces the root of the CA. Every node gets a new certificate, and both join tokens change. A
	// rotation waits for nodes that are down.
	Rotation *CARotation `json:"rotation,omitempty"`
	// Signing is the name of a root of your own, which authorities: of the operator's configuration defines. If the
	// swarm has a different root, the operator replaces it, as by a rotation. It cannot be stated together with
	// rotation.
	Signing string `json:"signing,omitempty"`
}

// CARotation says when the operator replaces the root of the CA.
type CARotation struct {
	// Epoch is a number of your own. If it is higher than the epoch on record, the operator replaces the root once; a
	// lower one is refused. If no epoch is on record, the operator only records this one, whatever it is, and
	// replaces nothing.
	Epoch *uint64 `json:"epoch"`
}

// JoinTokens are the tokens that nodes join with. A new token does not affect nodes that have already joined.
type JoinTokens struct {
	// Worker is the token that workers join with.
	Worker *JoinToken `json:"worker,omitempty"`
	// Manager is the token that managers join with.
	Manager *JoinToken `json:"manager,omitempty"`
}

// JoinToken says when a join token is replaced, and where it goes.
type JoinToken struct {
	// Rotation says when the operator replaces the token. If omitted, the operator never replaces it.
	Rotation *Rotation `json:"rotation,omitempty"`
	// Sinks are where the token goes, each time that it changes: names of sinks, which sinks: of the operator's
	// configuration defines.
	Sinks []string `json:"sinks,omitempty"`
}

// Rotation says when the operator replaces a token or key: by epoch, by age, or by whichever comes first. Both count
// from the last rotation that is on record in the swarm. If none is on record, the operator replaces nothing and begins
// the record.
type Rotation struct {
	// Epoch is a number of your own. If it is higher than the epoch on record, the operator replaces the token or key
	// once; a lower one is refused. If no epoch is on record, the operator only records this one, whatever it is, and
	// replaces nothing. If omitted, the epoch on record stays. A record that began with rotation.every alone has the
	// epoch 0.
	Epoch *uint64 `json:"epoch,omitempty"`
	// Every is the age at which the operator replaces the token or key, at least 1h. If omitted, age does not count.
	Every *Duration `json:"every,omitempty"`
}

// Autolock makes managers wait for the unlock key when they start.
type Autolock struct {
	// Enabled says whether managers are locked when they start. It is required, and true needs an escrow.
	Enabled *bool `json:"enabled"`
	// Rotation says when the operator replaces the unlock key. While autolock is not enabled, there is no key to
	// replace.
	Rotation *Rotation `json:"rotation,omitempty"`
	// Escrow is where the unlock key goes, each time that it changes: the name of a sink, which sinks: of the operator's
	// configuration defines.
	Escrow string `json:"escrow,omitempty"`
}

// ExternalCA is a CA outside the swarm that signs certificates of nodes.
type ExternalCA struct {
	// Protocol must be cfssl, which is also the default.
	Protocol string `json:"protocol,omitempty"`
	// URL is where the swarm sends its requests.
	URL string `json:"url"`
	// Options are the options of the protocol.
	Options map[string]string `json:"options,omitempty"`
	// CACert is the root certificate that the external CA signs for, in PEM. Default: the swarm's current one.
	CACert string `json:"caCert,omitempty"`
}

// ListKey returns the URL.
func (c ExternalCA) ListKey() string { return c.URL }

// Managers says how many managers there should be. A role that a Node or NodeSet states is a pin; candidates fill the
// rest of count.
type Managers struct {
	// Count is the number of managers, including pinned ones. It should be odd: 3 managers can lose one, 5 can lose
	// two. 1, even numbers and more than 7 need consent.
	Count int `json:"count"`
	// Candidates are the nodes that may become managers. If omitted, only pinned nodes are promoted.
	Candidates *Candidates `json:"candidates,omitempty"`
	// SpreadBy is the name of a node label. The managers are spread over its values.
	SpreadBy string `json:"spreadBy,omitempty"`
	// StableFor is how long the managers must stay unchanged before the operator changes them again. Default 5s.
	StableFor *Duration `json:"stableFor,omitempty"`
	// ReplaceAfter is how long a manager must be unreachable before a candidate takes its place, at least 30s. Default:
	// never. The operator never replaces a manager that is pinned, drained, paused, suspended or on hold.
	ReplaceAfter *Duration `json:"replaceAfter,omitempty"`
}

// Candidates selects nodes that have all the labels, one of the IDs and a hostname that matches one of the patterns. A
// part that is omitted matches every node. Labels or IDs are required, because a machine chooses its hostname itself.
type Candidates struct {
	// Labels are labels of the node in the swarm, with their values. Only somebody who may write to the swarm can give a
	// node a label. The operator gives these labels to no node that is only known by what it says of itself: see
	// promote-unproven.
	Labels map[string]string `json:"labels,omitempty"`
	// IDs are IDs of nodes in the swarm, as docker node ls shows them.
	IDs []string `json:"ids,omitempty"`
	// Hostnames are patterns, of which one must match: * is any text, ? is any character. They only narrow what labels
	// or ids select.
	Hostnames []string `json:"hostnames,omitempty"`
}

// External is always false: the swarm that the operator manages is the one that it talks to.
func (c *Cluster) External() bool { return false }

// Refs returns the dependencies.
func (c *Cluster) Refs() []Ref { return c.dependencies() }

// Canonical writes address ranges as the engine does.
func (c *Cluster) Canonical() {
	for i, p := range c.Spec.DefaultAddrPool {
		c.Spec.DefaultAddrPool[i] = normalPrefix(p)
	}
}

// Default brings values into one form. A cluster has no defaults, except the protocol of an external CA: what is not
// stated stays as it is.
func (c *Cluster) Default() {
	c.Canonical()
	if ca := c.Spec.CA; ca != nil {
		for i := range ca.ExternalCAs {
			if ca.ExternalCAs[i].Protocol == "" {
				ca.ExternalCAs[i].Protocol = "cfssl"
			}
		}
		slices.SortStableFunc(ca.ExternalCAs, func(a, b ExternalCA) int { return compareStrings(a.URL, b.URL) })
	}
}

// Copy returns a deep copy.
func (c *Cluster) Copy() Object {
	out := *c
	out.Header = c.Header.copy()
	s := &out.Spec
	s.TaskHistoryLimit = clone(s.TaskHistoryLimit)
	if s.Raft = clone(s.Raft); s.Raft != nil {
		s.Raft.SnapshotInterval, s.Raft.KeepOldSnapshots = clone(s.Raft.SnapshotInterval), clone(s.Raft.KeepOldSnapshots)
		s.Raft.LogEntriesForSlowFollowers = clone(s.Raft.LogEntriesForSlowFollowers)
		s.Raft.ElectionTick, s.Raft.HeartbeatTick = clone(s.Raft.ElectionTick), clone(s.Raft.HeartbeatTick)
	}
	if s.Dispatcher = clone(s.Dispatcher); s.Dispatcher != nil {
		s.Dispatcher.HeartbeatPeriod = clone(s.Dispatcher.HeartbeatPeriod)
	}
	if s.CA = clone(s.CA); s.CA != nil {
		s.CA.NodeCertExpiry = clone(s.CA.NodeCertExpiry)
		s.CA.ExternalCAs = slices.Clone(s.CA.ExternalCAs)
		for i := range s.CA.ExternalCAs {
			s.CA.ExternalCAs[i].Options = maps.Clone(s.CA.ExternalCAs[i].Options)
		}
		if s.CA.Rotation = clone(s.CA.Rotation); s.CA.Rotation != nil {
			s.CA.Rotation.Epoch = clone(s.CA.Rotation.Epoch)
		}
	}
	if s.JoinTokens = clone(s.JoinTokens); s.JoinTokens != nil {
		s.JoinTokens.Worker, s.JoinTokens.Manager = s.JoinTokens.Worker.copy(), s.JoinTokens.Manager.copy()
	}
	if s.Autolock = clone(s.Autolock); s.Autolock != nil {
		a := s.Autolock
		a.Enabled, a.Rotation = clone(a.Enabled), a.Rotation.copy()
	}
	if s.Managers = clone(s.Managers); s.Managers != nil {
		m := s.Managers
		m.StableFor, m.ReplaceAfter = clone(m.StableFor), clone(m.ReplaceAfter)
		if m.Candidates = clone(m.Candidates); m.Candidates != nil {
			m.Candidates.Labels = maps.Clone(m.Candidates.Labels)
			m.Candidates.IDs, m.Candidates.Hostnames = slices.Clone(m.Candidates.IDs), slices.Clone(m.Candidates.Hostnames)
		}
	}
	s.DefaultAddrPool = slices.Clone(s.DefaultAddrPool)
	s.SubnetSize, s.DataPathPort = clone(s.SubnetSize), clone(s.DataPathPort)
	return &out
}

func (r *Rotation) copy() *Rotation {
	if r = clone(r); r != nil {
		r.Epoch, r.Every = clone(r.Epoch), clone(r.Every)
	}
	return r
}

func (j *JoinToken) copy() *JoinToken {
	if j = clone(j); j != nil {
		j.Rotation, j.Sinks = j.Rotation.copy(), slices.Clone(j.Sinks)
	}
	return j
}
