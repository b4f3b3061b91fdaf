package cluster

import (
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// These are the settings of a swarm that docker swarm init makes (moby's daemon/cluster and swarmkit's manager).
const (
	usualTasks     = 5
	usualSnapshot  = 10_000
	usualEntries   = 500
	usualElection  = 10
	usualHeartbeat = 1
	usualPeriod    = 5 * time.Second
	usualExpiry    = 2160 * time.Hour
	usualPool      = "10.0.0.0/8"
	usualSubnet    = 24
	usualPort      = 4789
)

// export returns a manifest of the settings that a new swarm does not have. It returns none if there are no such
// settings. It says nothing about the number of managers: their nodes say which ones they are.
func export(in kinds.Export) []kinds.Exported {
	var out []kinds.Exported
	for _, l := range in.Lives(v1.KindCluster) {
		c := read(raw(l))
		c.Metadata.Labels = kinds.WithoutPrefix(c.Metadata.Labels)
		x := kinds.Exported{Key: c.Key(), Live: []*kinds.Live{l}}
		if a := c.Spec.Autolock; a != nil && a.Enabled != nil && *a.Enabled {
			x.Lacks = append(x.Lacks, kinds.Lack{Path: "spec.autolock.enabled", Why: "the managers are locked when they start, and a manifest that says so has to name a sink for the unlock key: state spec.autolock: {enabled: true, escrow: NAME}"})
		}
		c.Spec.Autolock = nil
		withoutOwnRoot(c.Spec.CA, raw(l).TLSInfo.TrustRoot)
		unusual(&c.Spec)
		if !in.Whole || len(shape.Flatten(c)) > 0 {
			x.Object = c
		}
		if x.Object != nil || len(x.Lacks) > 0 {
			out = append(out, x)
		}
	}
	return out
}

// withoutOwnRoot leaves out the swarm's own root, which external CAs sign for by default.
func withoutOwnRoot(ca *v1.CA, root string) {
	if ca == nil {
		return
	}
	for i := range ca.ExternalCAs {
		if e := &ca.ExternalCAs[i]; strings.TrimSpace(e.CACert) == strings.TrimSpace(root) {
			e.CACert = ""
		}
	}
}

// unusual leaves out the settings that a new swarm has. A setting of 0 stands for the engine's default, except for
// counts that may be 0.
func unusual(s *v1.ClusterSpec) {
	leave(&s.TaskHistoryLimit, usualTasks)
	if r := s.Raft; r != nil {
		leave(&r.SnapshotInterval, 0, usualSnapshot)
		leave(&r.KeepOldSnapshots, 0)
		leave(&r.LogEntriesForSlowFollowers, 0, usualEntries)
		leave(&r.ElectionTick, 0, usualElection)
		leave(&r.HeartbeatTick, 0, usualHeartbeat)
		if *r == (v1.Raft{}) {
			s.Raft = nil
		}
	}
	if d := s.Dispatcher; d != nil {
		if leave(&d.HeartbeatPeriod, 0, v1.Duration(usualPeriod)); d.HeartbeatPeriod == nil {
			s.Dispatcher = nil
		}
	}
	if c := s.CA; c != nil {
		if leave(&c.NodeCertExpiry, 0, v1.Duration(usualExpiry)); c.NodeCertExpiry == nil && len(c.ExternalCAs) == 0 {
			s.CA = nil
		}
	}
	if slices.Equal(s.DefaultAddrPool, []string{usualPool}) {
		s.DefaultAddrPool = nil
	}
	leave(&s.SubnetSize, 0, usualSubnet)
	leave(&s.DataPathPort, 0, usualPort)
}

// leave takes away a setting that has one of the values.
func leave[T comparable](setting **T, values ...T) {
	if *setting != nil && slices.Contains(values, **setting) {
		*setting = nil
	}
}
