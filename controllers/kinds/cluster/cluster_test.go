package cluster

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/leaves"
)

func TestEveryLeafOfTheManifestHasARule(t *testing.T) {
	types := shape.Types()
	for _, typ := range types {
		r, ok := rules[typ]
		switch {
		case !ok:
			t.Errorf("%s has no rule", typ)
		case !r.Stays && !r.Merges:
			t.Errorf("%s is written while the manifest is silent about it", typ)
		case (r.Effect == diff.Forbidden) != (r.Why != ""):
			t.Errorf("%s: who cannot write it has to say why", typ)
		}
	}
	for typ := range rules {
		if !slices.Contains(types, typ) {
			t.Errorf("the rule for %s is for no leaf", typ)
		}
	}
}

// engineLeaves says of each leaf of the engine's spec which leaf of ours carries it.
var engineLeaves = map[string]string{
	"Annotations.Name":                        "never: the engine takes only default",
	"Annotations.Labels":                      "metadata.labels.*",
	"Orchestration.TaskHistoryRetentionLimit": "spec.taskHistoryLimit",
	"Raft.SnapshotInterval":                   "spec.raft.snapshotInterval",
	"Raft.KeepOldSnapshots":                   "spec.raft.keepOldSnapshots",
	"Raft.LogEntriesForSlowFollowers":         "spec.raft.logEntriesForSlowFollowers",
	"Raft.ElectionTick":                       "spec.raft.electionTick",
	"Raft.HeartbeatTick":                      "spec.raft.heartbeatTick",
	"Dispatcher.HeartbeatPeriod":              "spec.dispatcher.heartbeatPeriod",
	"CAConfig.NodeCertExpiry":                 "spec.ca.nodeCertExpiry",
	"CAConfig.ExternalCAs[].Protocol":         "spec.ca.externalCAs[].protocol",
	"CAConfig.ExternalCAs[].URL":              "spec.ca.externalCAs[].url",
	"CAConfig.ExternalCAs[].Options":          "spec.ca.externalCAs[].options.*",
	"CAConfig.ExternalCAs[].CACert":           "spec.ca.externalCAs[].caCert",
	"CAConfig.SigningCACert":                  "spec.ca.signing",
	"CAConfig.SigningCAKey":                   "spec.ca.signing",
	"CAConfig.ForceRotate":                    "spec.ca.rotation.epoch",
	"TaskDefaults.LogDriver.Name":             "refused: spec.taskDefaults.logDriver",
	"TaskDefaults.LogDriver.Options":          "refused: spec.taskDefaults.logDriver",
	"EncryptionConfig.AutoLockManagers":       "spec.autolock.enabled",
}

func TestEveryLeafOfTheEngineIsDecidedOn(t *testing.T) {
	leaves.Decided[swarm.Spec](t, v1.KindCluster, engineLeaves, rules)
}

func ptr[T any](v T) *T { return &v }

// full returns a cluster with a value in each field that a spec can have.
func full() *swarm.ClusterInfo {
	return &swarm.ClusterInfo{
		ID: "c", DefaultAddrPool: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, SubnetSize: 24, DataPathPort: 4789,
		Spec: swarm.Spec{
			Annotations:   swarm.Annotations{Name: "default", Labels: map[string]string{"theirs": "1", "ours": "old", "com.docker.x": "y"}},
			Orchestration: swarm.OrchestrationConfig{TaskHistoryRetentionLimit: ptr(int64(5))},
			Raft:          swarm.RaftConfig{SnapshotInterval: 10000, KeepOldSnapshots: ptr(uint64(1)), LogEntriesForSlowFollowers: 500, ElectionTick: 10, HeartbeatTick: 1},
			Dispatcher:    swarm.DispatcherConfig{HeartbeatPeriod: 5 * time.Second},
			CAConfig: swarm.CAConfig{
				NodeCertExpiry: 2160 * time.Hour, ForceRotate: 3, SigningCACert: "cert", SigningCAKey: "key",
				ExternalCAs: []*swarm.ExternalCA{
					{Protocol: "cfssl", URL: "https://b", Options: map[string]string{"o": "1"}, CACert: "pem"}, {Protocol: "cfssl", URL: "https://a"},
				},
			},
			TaskDefaults:     swarm.TaskDefaults{LogDriver: &swarm.Driver{Name: "json-file", Options: map[string]string{"max-size": "1m"}}},
			EncryptionConfig: swarm.EncryptionConfig{AutoLockManagers: true},
		},
	}
}

// compare does what a run does with a manifest. applied is what an earlier run left.
func compare(t *testing.T, live *swarm.ClusterInfo, manifest *v1.Cluster, applied diff.Applied) ([]diff.Field, *v1.Cluster) {
	t.Helper()
	manifest.Header = v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindCluster, Metadata: v1.Metadata{Name: v1.ClusterName, Labels: manifest.Metadata.Labels}}
	want := manifest.Copy().(*v1.Cluster)
	want.Canonical()
	stated := shape.Flatten(want)
	want.Default()
	have := &diff.State{Key: want.Key(), Leaves: shape.Flatten(read(live)), Meta: diff.Meta{Mine: true, Applied: applied}}
	return diff.DifferingFields(have, &diff.State{Key: want.Key(), Leaves: diff.MarkStated(shape.Flatten(want), stated)}, rules), want
}

func paths(fields []diff.Field) []string {
	var out []string
	for _, f := range fields {
		out = append(out, f.Path)
	}
	return out
}

// A change of one setting alone keeps all others, and nothing differs afterwards.
func TestEachSettingAloneKeepsTheOthers(t *testing.T) {
	d := func(v time.Duration) *v1.Duration { return ptr(v1.Duration(v)) }
	cases := []struct {
		name  string
		state v1.ClusterSpec
		want  func(*swarm.Spec)
		paths string
	}{
		{"history", v1.ClusterSpec{TaskHistoryLimit: ptr(int64(0))}, func(s *swarm.Spec) { s.Orchestration.TaskHistoryRetentionLimit = ptr(int64(0)) }, "spec.taskHistoryLimit"},
		{"snapshots", v1.ClusterSpec{Raft: &v1.Raft{SnapshotInterval: ptr(uint64(7))}}, func(s *swarm.Spec) { s.Raft.SnapshotInterval = 7 }, "spec.raft.snapshotInterval"},
		{"old snapshots", v1.ClusterSpec{Raft: &v1.Raft{KeepOldSnapshots: ptr(uint64(0))}}, func(s *swarm.Spec) { s.Raft.KeepOldSnapshots = ptr(uint64(0)) }, "spec.raft.keepOldSnapshots"},
		{"slow followers", v1.ClusterSpec{Raft: &v1.Raft{LogEntriesForSlowFollowers: ptr(uint64(9))}}, func(s *swarm.Spec) { s.Raft.LogEntriesForSlowFollowers = 9 }, "spec.raft.logEntriesForSlowFollowers"},
		{"heartbeat", v1.ClusterSpec{Dispatcher: &v1.Dispatcher{HeartbeatPeriod: d(8 * time.Second)}}, func(s *swarm.Spec) { s.Dispatcher.HeartbeatPeriod = 8 * time.Second }, "spec.dispatcher.heartbeatPeriod"},
		{"expiry", v1.ClusterSpec{CA: &v1.CA{NodeCertExpiry: d(48 * time.Hour)}}, func(s *swarm.Spec) { s.CAConfig.NodeCertExpiry = 48 * time.Hour }, "spec.ca.nodeCertExpiry"},
		{"another CA", v1.ClusterSpec{CA: &v1.CA{ExternalCAs: []v1.ExternalCA{{URL: "https://c", Options: map[string]string{"x": "1"}}}}}, func(s *swarm.Spec) {
			s.CAConfig.ExternalCAs = append(slices.Clone(s.CAConfig.ExternalCAs), &swarm.ExternalCA{Protocol: "cfssl", URL: "https://c", Options: map[string]string{"x": "1"}})
		}, "spec.ca.externalCAs[https://c].options.x spec.ca.externalCAs[https://c].url"},
		{"an option of a CA", v1.ClusterSpec{CA: &v1.CA{ExternalCAs: []v1.ExternalCA{{URL: "https://b", Options: map[string]string{"o": "2"}}}}}, func(s *swarm.Spec) {
			s.CAConfig.ExternalCAs = slices.Clone(s.CAConfig.ExternalCAs)
			s.CAConfig.ExternalCAs[0] = &swarm.ExternalCA{Protocol: "cfssl", URL: "https://b", Options: map[string]string{"o": "2"}, CACert: "pem"}
		}, "spec.ca.externalCAs[https://b].options.o"},
		{"what is so already", v1.ClusterSpec{TaskHistoryLimit: ptr(int64(5)), DefaultAddrPool: []string{"10.0.0.0/8"}, SubnetSize: ptr(uint32(24)), DataPathPort: ptr(uint32(4789)), Raft: &v1.Raft{ElectionTick: ptr(uint64(10))}}, func(*swarm.Spec) {}, ""},
		{"how many managers, which is nothing of the cluster's", v1.ClusterSpec{Managers: &v1.Managers{
			Count: 3, Candidates: &v1.Candidates{Labels: map[string]string{"manager": "yes"}, Hostnames: []string{"m-*"}}, SpreadBy: "zone", StableFor: d(0), ReplaceAfter: d(time.Minute),
		}}, func(*swarm.Spec) {}, ""},
		{"unlocked", v1.ClusterSpec{Autolock: &v1.Autolock{Enabled: ptr(false)}}, func(s *swarm.Spec) { s.EncryptionConfig.AutoLockManagers = false }, "spec.autolock.enabled"},
		{"locked already", v1.ClusterSpec{Autolock: &v1.Autolock{Enabled: ptr(true), Escrow: "disk"}}, func(*swarm.Spec) {}, ""},
		{"what is decided on by epoch and age", v1.ClusterSpec{
			CA: &v1.CA{Rotation: &v1.CARotation{Epoch: ptr(uint64(9))}},
			JoinTokens: &v1.JoinTokens{
				Worker:  &v1.JoinToken{Rotation: &v1.Rotation{Epoch: ptr(uint64(9)), Every: d(time.Hour)}, Sinks: []string{"a"}},
				Manager: &v1.JoinToken{Rotation: &v1.Rotation{Epoch: ptr(uint64(9)), Every: d(time.Hour)}, Sinks: []string{"b"}},
			},
		}, func(*swarm.Spec) {}, ""},
		{"nothing", v1.ClusterSpec{}, func(*swarm.Spec) {}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			live := full()
			before, _ := json.Marshal(live)
			fields, want := compare(t, live, &v1.Cluster{Spec: c.state}, diff.Applied{})
			got := slices.DeleteFunc(paths(fields), func(p string) bool { return strings.HasSuffix(p, ".protocol") })
			if s := strings.Join(got, " "); s != c.paths {
				t.Errorf("what differs is %s, want %s", s, c.paths)
			}
			spec := overlay(live.Spec, want, fields, "s/Cluster/default", "v1:")
			if after, _ := json.Marshal(live); string(before) != string(after) {
				t.Error("the live object was changed")
			}
			wanted := full().Spec
			c.want(&wanted)
			wanted.Labels[v1.LabelOwner], wanted.Labels[v1.LabelApplied] = "s/Cluster/default", "v1:"
			if d := cmp.Diff(wanted, spec, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("the spec (-want +got):\n%s", d)
			}
			live.Spec = spec
			if again, _ := compare(t, live, &v1.Cluster{Spec: c.state}, diff.NewApplied(nil)); len(again) > 0 {
				t.Errorf("after it was written still differs: %s", paths(again))
			}
		})
	}
}

// A field that the manifest no longer states is removed if it has a key. It stays if it is a value of its own.
func TestWhatIsNoLongerStated(t *testing.T) {
	live := full()
	stated := &v1.Cluster{Spec: v1.ClusterSpec{TaskHistoryLimit: ptr(int64(5)), CA: &v1.CA{ExternalCAs: []v1.ExternalCA{{URL: "https://b", Options: map[string]string{"o": "1"}}}}}}
	stated.Metadata.Labels = map[string]string{"ours": "old"}
	_, want := compare(t, live, stated, diff.Applied{})
	applied := diff.NewApplied(diff.MarkStated(shape.Flatten(want), shape.Flatten(want)))
	fields, silent := compare(t, live, &v1.Cluster{}, applied)
	if got := strings.Join(paths(fields), " "); got != "metadata.labels.ours spec.ca.externalCAs[https://b].options.o spec.ca.externalCAs[https://b].protocol spec.ca.externalCAs[https://b].url" {
		t.Errorf("what differs is %s", got)
	}
	spec := overlay(live.Spec, silent, fields, "o", "a")
	if got := spec.Labels; len(got) != 4 || got["theirs"] != "1" || got["com.docker.x"] != "y" {
		t.Errorf("the labels are %v", got)
	}
	if got := spec.CAConfig.ExternalCAs; len(got) != 1 || got[0].URL != "https://a" {
		t.Errorf("the external CAs are %v", got)
	}
	if *spec.Orchestration.TaskHistoryRetentionLimit != 5 {
		t.Error("a value went with its line")
	}
}

func TestWhatCannotBeWrittenIsADifference(t *testing.T) {
	fields, _ := compare(t, full(), &v1.Cluster{Spec: v1.ClusterSpec{
		DefaultAddrPool: []string{"10.1.0.0/16"}, SubnetSize: ptr(uint32(25)), DataPathPort: ptr(uint32(1)), Raft: &v1.Raft{ElectionTick: ptr(uint64(3)), HeartbeatTick: ptr(uint64(2))},
	}}, diff.Applied{})
	if len(fields) != 5 {
		t.Errorf("what differs is %s", paths(fields))
	}
	for _, f := range fields {
		if f.Why == "" || f.Effect != diff.Forbidden {
			t.Errorf("%s: %s, %s", f.Path, f.Effect, f.Why)
		}
	}
}
