package cluster

import (
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// read returns the live cluster in the words of a manifest.
func read(c *swarm.ClusterInfo) *v1.Cluster {
	s := c.Spec
	period, expiry := v1.Duration(s.Dispatcher.HeartbeatPeriod), v1.Duration(s.CAConfig.NodeCertExpiry)
	out := &v1.Cluster{
		Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindCluster, Metadata: v1.Metadata{Name: v1.ClusterName, Labels: s.Labels}},
		Spec: v1.ClusterSpec{
			TaskHistoryLimit: s.Orchestration.TaskHistoryRetentionLimit,
			Raft: &v1.Raft{
				SnapshotInterval: &s.Raft.SnapshotInterval, KeepOldSnapshots: s.Raft.KeepOldSnapshots,
				LogEntriesForSlowFollowers: &s.Raft.LogEntriesForSlowFollowers, ElectionTick: ticks(s.Raft.ElectionTick), HeartbeatTick: ticks(s.Raft.HeartbeatTick),
			},
			Dispatcher: &v1.Dispatcher{HeartbeatPeriod: &period},
			CA:         &v1.CA{NodeCertExpiry: &expiry},
			Autolock:   &v1.Autolock{Enabled: &s.EncryptionConfig.AutoLockManagers},
			SubnetSize: &c.SubnetSize, DataPathPort: &c.DataPathPort,
		},
	}
	for _, e := range s.CAConfig.ExternalCAs {
		out.Spec.CA.ExternalCAs = append(out.Spec.CA.ExternalCAs, v1.ExternalCA{Protocol: string(e.Protocol), URL: e.URL, Options: e.Options, CACert: e.CACert})
	}
	for _, p := range c.DefaultAddrPool {
		out.Spec.DefaultAddrPool = append(out.Spec.DefaultAddrPool, p.String())
	}
	out.Default()
	return out
}

func ticks(n int) *uint64 {
	u := uint64(max(n, 0))
	return &u
}
