package cluster

import (
	"maps"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// overlay changes what differs and keeps everything else. POST /swarm/update replaces the whole spec. It reads what
// is missing as the default, and a missing ForceRotate as the wish for another root (measured, 20.10).
func overlay(live swarm.Spec, want *v1.Cluster, fields []diff.Field, owner, applied string) swarm.Spec {
	changed, s := diff.NewPaths(fields), want.Spec
	live.Labels = kinds.OverlayLabels("metadata.labels", live.Labels, want.Metadata.Labels, fields, owner, applied)
	if changed.Has("spec.taskHistoryLimit") {
		live.Orchestration.TaskHistoryRetentionLimit = s.TaskHistoryLimit
	}
	if changed.Has("spec.raft.snapshotInterval") {
		live.Raft.SnapshotInterval = *s.Raft.SnapshotInterval
	}
	if changed.Has("spec.raft.keepOldSnapshots") {
		live.Raft.KeepOldSnapshots = s.Raft.KeepOldSnapshots
	}
	if changed.Has("spec.raft.logEntriesForSlowFollowers") {
		live.Raft.LogEntriesForSlowFollowers = *s.Raft.LogEntriesForSlowFollowers
	}
	if changed.Has("spec.dispatcher.heartbeatPeriod") {
		live.Dispatcher.HeartbeatPeriod = time.Duration(*s.Dispatcher.HeartbeatPeriod)
	}
	if changed.Has("spec.ca.nodeCertExpiry") {
		live.CAConfig.NodeCertExpiry = time.Duration(*s.CA.NodeCertExpiry)
	}
	if changed.Has("spec.autolock.enabled") {
		live.EncryptionConfig.AutoLockManagers = *s.Autolock.Enabled
	}
	if changed.Any("spec.ca.externalCAs") {
		var wanted []v1.ExternalCA
		if s.CA != nil {
			wanted = s.CA.ExternalCAs
		}
		live.CAConfig.ExternalCAs = overlayCAs(live.CAConfig.ExternalCAs, wanted, changed)
	}
	return live
}

// overlayCAs keeps the order, and CAs that do not differ.
func overlayCAs(live []*swarm.ExternalCA, want []v1.ExternalCA, changed diff.Paths) []*swarm.ExternalCA {
	var out []*swarm.ExternalCA
	for _, l := range live {
		i := slices.IndexFunc(want, func(w v1.ExternalCA) bool { return w.URL == l.URL })
		switch at := "spec.ca.externalCAs[" + l.URL + "]"; {
		case !changed.Any(at):
			out = append(out, l)
		case i >= 0:
			out = append(out, overlayCA(*l, want[i], changed, at))
		case !changed.Has(at + ".url"): // others state it, and only an option of it was ours
			out = append(out, overlayCA(*l, v1.ExternalCA{}, changed, at))
		}
	}
	for _, w := range want {
		if !slices.ContainsFunc(live, func(l *swarm.ExternalCA) bool { return l.URL == w.URL }) {
			out = append(out, overlayCA(swarm.ExternalCA{}, w, diff.AllPaths(), ""))
		}
	}
	return out
}

func overlayCA(live swarm.ExternalCA, want v1.ExternalCA, changed diff.Paths, at string) *swarm.ExternalCA {
	if changed.Has(at + ".url") {
		live.URL = want.URL
	}
	if changed.Has(at + ".protocol") {
		live.Protocol = swarm.ExternalCAProtocol(want.Protocol)
	}
	if changed.Has(at + ".caCert") {
		live.CACert = want.CACert
	}
	live.Options = maps.Clone(live.Options)
	for k := range live.Options {
		if _, wanted := want.Options[k]; !wanted && changed.Has(v1.PathKey(at+".options", k)) {
			delete(live.Options, k)
		}
	}
	for k, v := range want.Options {
		if changed.Has(v1.PathKey(at+".options", k)) {
			if live.Options == nil {
				live.Options = map[string]string{}
			}
			live.Options[k] = v
		}
	}
	return &live
}
