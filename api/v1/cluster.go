package v1

import (
	"maps"
	"slices"
)

// ClusterName is the only name that a Cluster can have: a swarm is one.
const ClusterName = "default"

// Cluster is the swarm itself: its settings, and how many managers it has. What it does not state stays as it is.
// metadata.labels are labels of the swarm; those that others set stay.
type Cluster struct {
	Header
	Spec ClusterSpec `json:"spec"`
}

// ClusterSpec has the engine's words in camelCase, and compose's and Kubernetes' forms of values.
type ClusterSpec struct {
	// TaskHistoryLimit is how many ended tasks of a slot the swarm remembers. The engine's default is 5.
	TaskHistoryLimit *int64 `json:"taskHistoryLimit,omitempty"`
	// Raft is how managers keep what they agreed on.
	Raft *Raft `json:"raft,omitempty"`
	// Dispatcher tells nodes what to run.
	Dispatcher *Dispatcher `json:"dispatcher,omitempty"`
	// CA is the swarm's certificate authority.
	CA *CA `json:"ca,omitempty"`
	// JoinTokens are what nodes join with.
	JoinTokens *JoinTokens `json:"joinTokens,omitempty"`
	// Autolock has managers that start wait for the unlock key.
	Autolock *Autolock `json:"autolock,omitempty"`
	// Managers says how many there are to be, and which nodes may be one. Left out, only stated roles of nodes count.
	Managers *Managers `json:"managers,omitempty"`
	// DefaultAddrPool lists the ranges that networks get their addresses from. It can be set when a swarm is made, and never
	// after: a difference is reported.
	DefaultAddrPool []string `json:"defaultAddrPool,omitempty"`
	// SubnetSize is the prefix length of a network's range. As defaultAddrPool.
	SubnetSize *uint32 `json:"subnetSize,omitempty"`
	// DataPathPort is the port of the overlay networks' traffic. As defaultAddrPool.
	DataPathPort *uint32 `json:"dataPathPort,omitempty"`
}

// Raft is how managers keep what they agreed on.
type Raft struct {
	// SnapshotInterval is after how many log entries a snapshot is made. The engine's default is 10000.
	SnapshotInterval *uint64 `json:"snapshotInterval,omitempty"`
	// KeepOldSnapshots is how many snapshots are kept beside the newest. The engine's default is 0.
	KeepOldSnapshots *uint64 `json:"keepOldSnapshots,omitempty"`
	// LogEntriesForSlowFollowers is how many log entries are kept after a snapshot, for managers that lag. The engine's default is 500.
	LogEntriesForSlowFollowers *uint64 `json:"logEntriesForSlowFollowers,omitempty"`
	// ElectionTick is checked and never written: the engine takes it from swarm-raft-election-tick of daemon.json.
	ElectionTick *uint64 `json:"electionTick,omitempty"`
	// HeartbeatTick is checked and never written: the engine takes it from swarm-raft-heartbeat-tick of daemon.json.
	HeartbeatTick *uint64 `json:"heartbeatTick,omitempty"`
}

// Dispatcher is how managers watch nodes.
type Dispatcher struct {
	// HeartbeatPeriod is how often a node reports; one that misses three is down. The engine's default is 5s.
	HeartbeatPeriod *Duration `json:"heartbeatPeriod,omitempty"`
}

// CA is the swarm's certificate authority.
type CA struct {
	// NodeCertExpiry is how long the certificate of a node is valid. At least 1h; the engine's default is 2160h.
	NodeCertExpiry *Duration `json:"nodeCertExpiry,omitempty"`
	// ExternalCAs sign in the swarm's place. Those that others set stay.
	ExternalCAs []ExternalCA `json:"externalCAs,omitempty"`
	// Rotation of the root: every node gets a new certificate, and both join tokens change. It waits for nodes that are down.
	Rotation *CARotation `json:"rotation,omitempty"`
	// Signing is a root of your own. Where the swarm has another one, it is replaced by this, as by rotation; not together with it.
	Signing *CASigning `json:"signing,omitempty"`
}

// CASigning names files on the machine that the operator runs on.
type CASigning struct {
	// CertFile is the absolute path of the certificate of a CA, in PEM, and of nothing else. It has to be good for another year when it is brought in.
	CertFile string `json:"certFile"`
	// KeyFile is the absolute path of its private key, in PEM, without a passphrase.
	KeyFile string `json:"keyFile"`
}

// CARotation says when the root of the CA is replaced.
type CARotation struct {
	// Epoch is a number of your own. When it is higher than the one on record, the root is replaced once; a lower one is
	// refused. While nothing is on record, it is only put on record, whatever it is, and nothing is replaced.
	Epoch *uint64 `json:"epoch"`
}

// JoinTokens are what nodes join with. One that changes concerns no node that has joined.
type JoinTokens struct {
	// Worker is the token that workers join with.
	Worker *JoinToken `json:"worker,omitempty"`
	// Manager is the token that managers join with.
	Manager *JoinToken `json:"manager,omitempty"`
}

// JoinToken says when a join token is replaced, and where it goes.
type JoinToken struct {
	// Rotation says when it is replaced. Left out, the operator never does.
	Rotation *Rotation `json:"rotation,omitempty"`
	// Sinks are where it goes, each time that it is another one.
	Sinks []Sink `json:"sinks,omitempty"`
}

// Rotation says when something is replaced: by epoch, by age, or by whichever comes first. Either is counted from what is on
// record of it in the swarm; where nothing is, nothing is replaced and the record begins.
type Rotation struct {
	// Epoch is a number of your own. When it is higher than the one on record, it is replaced once; a lower one is refused.
	// While nothing is on record, it is only put on record, whatever it is, and nothing is replaced. Left out, the one on
	// record stays; where every alone was stated first, that is 0.
	Epoch *uint64 `json:"epoch,omitempty"`
	// Every is the age at which it is replaced. At least 1h. Left out, age does not count.
	Every *Duration `json:"every,omitempty"`
}

// Autolock has managers that start wait for the unlock key.
type Autolock struct {
	// Enabled says whether managers are locked when they start. Required. Enabled needs an escrow.
	Enabled *bool `json:"enabled"`
	// Rotation says when the unlock key is replaced. While it is not enabled there is none.
	Rotation *Rotation `json:"rotation,omitempty"`
	// Escrow is where the unlock key goes, each time that it is another one.
	Escrow *Sink `json:"escrow,omitempty"`
}

// ExternalCA is one that signs certificates of nodes.
type ExternalCA struct {
	// Protocol: cfssl is the only one.
	Protocol string `json:"protocol,omitempty"`
	// URL that requests are sent to.
	URL string `json:"url"`
	// Options of the protocol.
	Options map[string]string `json:"options,omitempty"`
	// CACert is the root certificate that it signs for, in PEM. Default: the swarm's current one.
	CACert string `json:"caCert,omitempty"`
}

// ListKey is the URL.
func (c ExternalCA) ListKey() string { return c.URL }

// Managers says how many managers there are to be. A role that a Node or NodeSet states is a pin; count fills the rest.
type Managers struct {
	// Count of managers, pinned ones among them. An odd number: 3 can lose one, 5 two. 1, even numbers and more than 7 need consent.
	Count int `json:"count"`
	// Candidates are the nodes that may become managers. Left out, nobody is promoted who is not pinned.
	Candidates *Candidates `json:"candidates,omitempty"`
	// SpreadBy is a node label: managers are spread over its values.
	SpreadBy string `json:"spreadBy,omitempty"`
	// StableFor is how long the managers have to be as they are before they change again. Default 5s.
	StableFor *Duration `json:"stableFor,omitempty"`
	// ReplaceAfter is how long a manager that cannot be reached is waited for before a candidate takes its place. Default:
	// for ever. One that is drained or on hold is never replaced.
	ReplaceAfter *Duration `json:"replaceAfter,omitempty"`
}

// Candidates are nodes that have all the labels, and a hostname that matches one of the patterns; what is left out matches.
type Candidates struct {
	// Labels of the node, with their values.
	Labels map[string]string `json:"labels,omitempty"`
	// Hostnames are patterns: * is any text, ? any character.
	Hostnames []string `json:"hostnames,omitempty"`
}

// External is never true: a swarm that is managed is the one that is spoken to.
func (c *Cluster) External() bool { return false }

// Refs names the dependencies.
func (c *Cluster) Refs() []Ref { return c.dependencies() }

// Canonical writes ranges as the engine does.
func (c *Cluster) Canonical() {
	for i, p := range c.Spec.DefaultAddrPool {
		c.Spec.DefaultAddrPool[i] = normalPrefix(p)
	}
}

// Default brings values into one form. A cluster has no defaults: what is not stated stays.
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
		s.CA.Signing = clone(s.CA.Signing)
	}
	if s.JoinTokens = clone(s.JoinTokens); s.JoinTokens != nil {
		s.JoinTokens.Worker, s.JoinTokens.Manager = s.JoinTokens.Worker.copy(), s.JoinTokens.Manager.copy()
	}
	if s.Autolock = clone(s.Autolock); s.Autolock != nil {
		a := s.Autolock
		a.Enabled, a.Rotation = clone(a.Enabled), a.Rotation.copy()
		if a.Escrow != nil {
			escrow := a.Escrow.copy()
			a.Escrow = &escrow
		}
	}
	if s.Managers = clone(s.Managers); s.Managers != nil {
		m := s.Managers
		m.StableFor, m.ReplaceAfter = clone(m.StableFor), clone(m.ReplaceAfter)
		if m.Candidates = clone(m.Candidates); m.Candidates != nil {
			m.Candidates.Labels, m.Candidates.Hostnames = maps.Clone(m.Candidates.Labels), slices.Clone(m.Candidates.Hostnames)
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
		for i := range j.Sinks {
			j.Sinks[i] = j.Sinks[i].copy()
		}
	}
	return j
}
