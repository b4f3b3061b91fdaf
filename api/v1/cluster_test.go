package v1_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func duration(d time.Duration) *v1.Duration { return ptr(v1.Duration(d)) }

func TestProblemsOfClusters(t *testing.T) {
	const cert = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	type spec = v1.ClusterSpec
	raft := func(r v1.Raft) func(*v1.Cluster) { return func(c *v1.Cluster) { c.Spec.Raft = &r } }
	ca := func(list ...v1.ExternalCA) func(*v1.Cluster) {
		return func(c *v1.Cluster) { c.Spec.CA = &v1.CA{ExternalCAs: list} }
	}
	managers := func(m v1.Managers) func(*v1.Cluster) { return func(c *v1.Cluster) { c.Spec.Managers = &m } }
	hosts := func(patterns ...string) func(*v1.Cluster) {
		return managers(v1.Managers{Count: 3, Candidates: &v1.Candidates{Labels: map[string]string{"manager": "yes"}, Hostnames: patterns}})
	}
	tokens := func(worker, manager *v1.JoinToken) func(*v1.Cluster) {
		return func(c *v1.Cluster) { c.Spec.JoinTokens = &v1.JoinTokens{Worker: worker, Manager: manager} }
	}
	rotated := func(r v1.Rotation) func(*v1.Cluster) { return tokens(&v1.JoinToken{Rotation: &r}, nil) }
	lock := func(a v1.Autolock) func(*v1.Cluster) { return func(c *v1.Cluster) { c.Spec.Autolock = &a } }
	const key = "offline"
	is := func(s spec) func(*v1.Cluster) { return func(c *v1.Cluster) { c.Spec = s } }
	const write = `state labels that you give to the nodes that may, such as labels: {manager: "yes"}, or ids`
	const noID = " is not the ID of a node: lower-case letters and digits, as docker node ls shows them"
	const only = " may hold only what hostnames have, * and ?: one line, no white space and no /"
	const nobodys = ": cannot be stated here: what is not stated stays as it is, so nothing is taken over, and nothing is removed with its manifest"
	for _, test := range []struct {
		name  string
		state func(*v1.Cluster)
		want  string
	}{
		{"nothing", func(*v1.Cluster) {}, ""},
		{"labels", func(c *v1.Cluster) { c.Metadata.Labels = map[string]string{"site": "fra"} }, ""},
		{"a label of ours", func(c *v1.Cluster) { c.Metadata.Labels = map[string]string{"swarm-operator.io/owner": "x"} }, `metadata.labels["swarm-operator.io/owner"]: labels below swarm-operator.io/ are the operator's own`},
		{"no name", func(c *v1.Cluster) { c.Metadata.Name = "" }, "metadata.name: is missing"},
		{"another name", func(c *v1.Cluster) { c.Metadata.Name = "Default" }, `metadata.name: "Default" is not default: a swarm is one cluster`},
		{"adoption", func(c *v1.Cluster) { c.Policy.Adopt = v1.AdoptTakeover }, "policy.adopt" + nobodys},
		{"pruning", func(c *v1.Cluster) { c.Policy.Prune, c.Policy.Protect = ptr(false), true }, "policy.prune" + nobodys + "\npolicy.protect" + nobodys},
		{"policies", func(c *v1.Cluster) {
			c.Policy = v1.Policy{Suspend: true, Enforce: ptr(true), IgnoreDifferences: []string{"spec.raft"}, DependsOn: []string{"Service/a"}}
		}, ""},

		{"no history", is(spec{TaskHistoryLimit: ptr(int64(0))}), ""},
		{"all history", is(spec{TaskHistoryLimit: ptr(int64(-1))}), "spec.taskHistoryLimit: -1 is not between 0 and 10000; the engine would take a negative one as: keep all for ever"},
		{"much history", is(spec{TaskHistoryLimit: ptr(int64(10_001))}), "spec.taskHistoryLimit: 10001 is not between 0 and 10000; the engine would take a negative one as: keep all for ever"},

		{"raft", raft(v1.Raft{SnapshotInterval: ptr(uint64(1)), KeepOldSnapshots: ptr(uint64(0)), LogEntriesForSlowFollowers: ptr(uint64(1)), ElectionTick: ptr(uint64(10)), HeartbeatTick: ptr(uint64(1))}), ""},
		{"no snapshots", raft(v1.Raft{SnapshotInterval: ptr(uint64(0))}), "spec.raft.snapshotInterval: 0 is not between 1 and 10000000"},
		{"all snapshots", raft(v1.Raft{KeepOldSnapshots: ptr(uint64(1001))}), "spec.raft.keepOldSnapshots: 1001 is more than 1000"},
		{"no entries", raft(v1.Raft{LogEntriesForSlowFollowers: ptr(uint64(0))}), "spec.raft.logEntriesForSlowFollowers: 0 is not between 1 and 10000000"},
		{"no ticks", raft(v1.Raft{ElectionTick: ptr(uint64(0)), HeartbeatTick: ptr(uint64(0))}), "spec.raft.electionTick: 0 is no number of ticks\nspec.raft.heartbeatTick: 0 is no number of ticks\nspec.raft.electionTick: 0 is not more than the heartbeatTick of 0"},
		{"one tick", raft(v1.Raft{ElectionTick: ptr(uint64(3)), HeartbeatTick: ptr(uint64(3))}), "spec.raft.electionTick: 3 is not more than the heartbeatTick of 3"},

		{"a heartbeat", is(spec{Dispatcher: &v1.Dispatcher{HeartbeatPeriod: duration(time.Second)}}), ""},
		{"a heartbeat of a nanosecond", is(spec{Dispatcher: &v1.Dispatcher{HeartbeatPeriod: duration(1)}}), "spec.dispatcher.heartbeatPeriod: 1ns is not between 1s and 5m"},
		{"a heartbeat of an hour", is(spec{Dispatcher: &v1.Dispatcher{HeartbeatPeriod: duration(time.Hour)}}), "spec.dispatcher.heartbeatPeriod: 1h is not between 1s and 5m"},
		{"a short life", is(spec{CA: &v1.CA{NodeCertExpiry: duration(59 * time.Minute)}}), "spec.ca.nodeCertExpiry: 59m is not between 1h and 87600h"},
		{"a long life", is(spec{CA: &v1.CA{NodeCertExpiry: duration(87601 * time.Hour)}}), "spec.ca.nodeCertExpiry: 87601h is not between 1h and 87600h"},
		{"a life", is(spec{CA: &v1.CA{NodeCertExpiry: duration(time.Hour)}}), ""},

		{"external CAs", ca(v1.ExternalCA{URL: "https://a/x", Protocol: "cfssl", CACert: cert + cert}, v1.ExternalCA{URL: "http://a/x", Options: map[string]string{"o": "1"}}), ""},
		{"a CA of another protocol", ca(v1.ExternalCA{URL: "https://a", Protocol: "acme"}), `spec.ca.externalCAs[0].protocol: "acme" is not one of cfssl`},
		{"a CA nowhere", ca(v1.ExternalCA{}), "spec.ca.externalCAs[0].url: is missing"},
		{"no URLs", ca(v1.ExternalCA{URL: "ca:80"}, v1.ExternalCA{URL: "/x"}, v1.ExternalCA{URL: "https://"}, v1.ExternalCA{URL: "http://a b/"}), "spec.ca.externalCAs[0].url: is not a URL such as https://ca.example.com/sign\nspec.ca.externalCAs[1].url: is not a URL such as https://ca.example.com/sign\nspec.ca.externalCAs[2].url: is not a URL such as https://ca.example.com/sign\nspec.ca.externalCAs[3].url: is not a URL such as https://ca.example.com/sign"},
		{"a password", ca(v1.ExternalCA{URL: "https://u:hidden-word@a"}), "spec.ca.externalCAs[0].url: holds a user or a password, which would be shown to whoever may look at the swarm"},
		{"twice", ca(v1.ExternalCA{URL: "https://a"}, v1.ExternalCA{URL: "https://a"}), `spec.ca.externalCAs[1].url: "https://a" is stated twice`},
		{"an option without a name", ca(v1.ExternalCA{URL: "https://a", Options: map[string]string{"": "1"}}), `spec.ca.externalCAs[0].options: the name "" is empty or holds = or NUL`},
		{"no certificate", ca(v1.ExternalCA{URL: "https://a", CACert: "cert"}), "spec.ca.externalCAs[0].caCert: is not a list of certificates in PEM"},
		{"a key beside it", ca(v1.ExternalCA{URL: "https://a", CACert: cert + strings.ReplaceAll(cert, "CERTIFICATE", "EC PRIVATE KEY")}), "spec.ca.externalCAs[0].caCert: is not a list of certificates in PEM"},
		{"text behind it", ca(v1.ExternalCA{URL: "https://a", CACert: cert + "x"}), "spec.ca.externalCAs[0].caCert: is not a list of certificates in PEM"},

		{"the least of managers", managers(v1.Managers{Count: 1, Candidates: &v1.Candidates{Labels: map[string]string{"a": ""}}, StableFor: duration(0), ReplaceAfter: duration(30 * time.Second)}), ""},
		{"the most of managers", managers(v1.Managers{Count: 8, Candidates: &v1.Candidates{IDs: []string{"a1"}, Hostnames: []string{"*", "M-?.example.com", "a_b"}}, SpreadBy: "example.com/zone", StableFor: duration(10 * time.Minute), ReplaceAfter: duration(1e6 * time.Hour)}), ""},
		{"two managers", managers(v1.Managers{Count: 2}), ""},
		{"no managers", managers(v1.Managers{}), "spec.managers.count: 0 managers are no swarm; at least 1 is needed"},
		{"fewer than none", managers(v1.Managers{Count: -1}), "spec.managers.count: -1 managers are no swarm; at least 1 is needed"},
		{"candidates that are all", managers(v1.Managers{Count: 3, Candidates: &v1.Candidates{}}), "spec.managers.candidates: is empty, which would let every node become a manager: " + write},
		{"candidates by hostname alone", managers(v1.Managers{Count: 3, Candidates: &v1.Candidates{Hostnames: []string{"mgr-*"}}}), "spec.managers.candidates.hostnames: cannot select alone, because a machine that has a join token chooses its hostname itself: " + write + "; hostnames then narrow them"},
		{"candidates by every hostname", managers(v1.Managers{Count: 3, Candidates: &v1.Candidates{Hostnames: []string{"*"}, Labels: map[string]string{}, IDs: []string{}}}), "spec.managers.candidates.hostnames: cannot select alone, because a machine that has a join token chooses its hostname itself: " + write + "; hostnames then narrow them"},
		{"candidates by label and id", managers(v1.Managers{Count: 3, Candidates: &v1.Candidates{Labels: map[string]string{"manager": "yes"}, IDs: []string{"0a1b", "c"}}}), ""},
		{"candidates by what is no id", managers(v1.Managers{Count: 3, Candidates: &v1.Candidates{IDs: []string{"a", "mgr-1", ""}}}), "spec.managers.candidates.ids[1]: \"mgr-1\"" + noID + "\nspec.managers.candidates.ids[2]: \"\"" + noID},
		{"candidates by bad labels", managers(v1.Managers{Count: 3, Candidates: &v1.Candidates{Labels: map[string]string{"": "1", "a b": "1"}}}), "spec.managers.candidates.labels: the label \"\" is empty or holds white space or control characters\nspec.managers.candidates.labels: the label \"a b\" is empty or holds white space or control characters"},
		{"an empty pattern", hosts("a", ""), "spec.managers.candidates.hostnames[1]: is empty; a pattern for all hostnames is *"},
		{"a pattern of 255", hosts(strings.Repeat("a", 255)), ""},
		{"a pattern of 256", hosts(strings.Repeat("a", 256)), "spec.managers.candidates.hostnames[0]: has 256 characters; hostnames have at most 255"},
		{"patterns of what no hostname has", hosts("a b", "a\n", "a/*"), `spec.managers.candidates.hostnames[0]: "a b"` + only + "\n" + `spec.managers.candidates.hostnames[1]: "a\n"` + only + "\n" + `spec.managers.candidates.hostnames[2]: "a/*"` + only},
		{"spread by words", managers(v1.Managers{Count: 1, SpreadBy: "a zone"}), `spec.managers.spreadBy: "a zone" holds white space or control characters`},
		{"stable for long", managers(v1.Managers{Count: 1, StableFor: duration(601 * time.Second)}), "spec.managers.stableFor: 10m1s is not between 0s and 10m"},
		{"replaced at once", managers(v1.Managers{Count: 1, ReplaceAfter: duration(29 * time.Second)}), "spec.managers.replaceAfter: 29s is less than 30s: a restart takes longer"},

		{"tokens", tokens(&v1.JoinToken{Rotation: &v1.Rotation{Epoch: ptr(uint64(0))}}, &v1.JoinToken{Sinks: []string{"a", "b"}}), ""},
		{"tokens of which nothing is said", tokens(nil, nil), ""},
		{"a token of which nothing is said", tokens(nil, &v1.JoinToken{}), "spec.joinTokens.manager: states neither rotation nor sinks"},
		{"by epoch and by age", rotated(v1.Rotation{Epoch: ptr(uint64(7)), Every: duration(time.Hour)}), ""},
		{"by age", rotated(v1.Rotation{Every: duration(1e6 * time.Hour)}), ""},
		{"by neither", rotated(v1.Rotation{}), "spec.joinTokens.worker.rotation: states neither epoch nor every"},
		{"by the minute", rotated(v1.Rotation{Every: duration(59 * time.Minute)}), "spec.joinTokens.worker.rotation.every: 59m is less than 1h: whoever uses it has to be told each time"},
		{"backwards", rotated(v1.Rotation{Every: duration(-time.Hour)}), "spec.joinTokens.worker.rotation.every: -1h is less than 1h: whoever uses it has to be told each time"},
		{"a token twice to one place", tokens(&v1.JoinToken{Sinks: []string{"a", "a"}}, nil), "spec.joinTokens.worker.sinks[1]: is stated twice: also by spec.joinTokens.worker.sinks[0]"},
		{"locked", lock(v1.Autolock{Enabled: ptr(true), Rotation: &v1.Rotation{Epoch: ptr(uint64(1))}, Escrow: key}), ""},
		{"locked, and nobody has the key", lock(v1.Autolock{Enabled: ptr(true)}), "spec.autolock.escrow: is missing: the swarm makes the unlock key, and without one that is kept nobody can start a manager again"},
		{"locked, and the key goes into a file", lock(v1.Autolock{Enabled: ptr(true), Escrow: "/etc/cron.d/job"}), `spec.autolock.escrow: "/etc/cron.d/job" is not a name in sinks: of the operator's configuration: ` + v1.ConfiguredNames},
		{
			"tokens for a program, a URL and what is long", tokens(&v1.JoinToken{Sinks: []string{"../bin/sh", "https://x", strings.Repeat("a", 64)}}, nil),
			`spec.joinTokens.worker.sinks[0]: "../bin/sh" is not a name in sinks: of the operator's configuration: ` + v1.ConfiguredNames + "\n" +
				`spec.joinTokens.worker.sinks[1]: "https://x" is not a name in sinks: of the operator's configuration: ` + v1.ConfiguredNames + "\n" +
				`spec.joinTokens.worker.sinks[2]: "` + strings.Repeat("a", 64) + `" is not a name in sinks: of the operator's configuration: ` + v1.ConfiguredNames,
		},
		{"locked or not", lock(v1.Autolock{Escrow: key}), "spec.autolock.enabled: is missing: true or false"},
		{"not locked", lock(v1.Autolock{Enabled: ptr(false)}), ""},
		{"not locked, with a place for the key", lock(v1.Autolock{Enabled: ptr(false), Escrow: key, Rotation: &v1.Rotation{Every: duration(time.Hour)}}), ""},
		{"a key by neither", lock(v1.Autolock{Enabled: ptr(false), Rotation: &v1.Rotation{}}), "spec.autolock.rotation: states neither epoch nor every"},
		{"a root", is(spec{CA: &v1.CA{Rotation: &v1.CARotation{Epoch: ptr(uint64(1))}}}), ""},
		{"a root of one's own", is(spec{CA: &v1.CA{Signing: "own"}}), ""},
		{"a root in a file", is(spec{CA: &v1.CA{Signing: "/ca.pem"}}), `spec.ca.signing: "/ca.pem" is not a name in authorities: of the operator's configuration: ` + v1.ConfiguredNames},
		{"two ways to a root", is(spec{CA: &v1.CA{Signing: "own", Rotation: &v1.CARotation{Epoch: ptr(uint64(1))}}}), "spec.ca.signing: cannot be stated together with spec.ca.rotation: the one would undo the other"},
		{"a root without an epoch", is(spec{CA: &v1.CA{Rotation: &v1.CARotation{}}}), "spec.ca.rotation.epoch: is missing"},

		{"pools", is(spec{DefaultAddrPool: []string{"10.0.0.0/8", "fd00::/16"}, SubnetSize: ptr(uint32(24)), DataPathPort: ptr(uint32(4789))}), ""},
		{"pools that are none", is(spec{DefaultAddrPool: []string{"10.0.0.0", "10.1.2.3/8"}}), "spec.defaultAddrPool[0]: \"10.0.0.0\" is not an address range such as 10.0.0.0/8\nspec.defaultAddrPool[1]: \"10.1.2.3/8\" has host bits set; did you mean 10.0.0.0/8?"},
		{"pools one above the other", is(spec{DefaultAddrPool: []string{"10.0.0.0/8", "10.1.0.0/16"}}), "spec.defaultAddrPool[1]: 10.1.0.0/16 overlaps 10.0.0.0/8"},
		{"networks larger than the pool", is(spec{DefaultAddrPool: []string{"10.0.0.0/16"}, SubnetSize: ptr(uint32(15))}), "spec.subnetSize: a network of /15 does not fit into a pool of /16"},
		{"sizes", is(spec{SubnetSize: ptr(uint32(30)), DataPathPort: ptr(uint32(80))}), "spec.subnetSize: 30 is not between 8 and 29\nspec.dataPathPort: 80 is not between 1024 and 49151"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &v1.Cluster{Header: named(v1.KindCluster, v1.ClusterName)}
			test.state(c)
			got := problems(c)
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
			if strings.Contains(got, "hidden-word") {
				t.Error("a password is shown")
			}
		})
	}
}

// fill gives every field below v a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"k": "v"}))
	case reflect.String:
		v.SetString("s")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	default:
		v.SetUint(1)
	}
}

// spoil changes everything that pointers, lists and maps lead to.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		spoil(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			spoil(v.Field(i))
		}
	case reflect.Slice:
		spoil(v.Index(0))
	case reflect.Map:
		v.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf("spoilt"))
	default:
		v.SetZero()
	}
}

func TestCopiesOfClustersAndNodesAreDeep(t *testing.T) {
	for _, pair := range [][2]v1.Object{{&v1.Cluster{}, &v1.Cluster{}}, {&v1.Node{}, &v1.Node{}}, {&v1.NodeSet{}, &v1.NodeSet{}}} {
		c, same := pair[0], pair[1]
		fill(reflect.ValueOf(c).Elem())
		fill(reflect.ValueOf(same).Elem())
		spoil(reflect.ValueOf(c.Copy()).Elem())
		if d := cmp.Diff(same, c); d != "" {
			t.Errorf("changing the copy changed the original:\n%s", d)
		}
		if d := cmp.Diff(same, c.Copy()); d != "" {
			t.Errorf("the copy differs:\n%s", d)
		}
	}
}

func TestTheNormalFormOfAClusterFillsInNothing(t *testing.T) {
	c := &v1.Cluster{Header: named(v1.KindCluster, v1.ClusterName)}
	empty := c.Copy()
	c.Default()
	if d := cmp.Diff(empty, v1.Object(c)); d != "" {
		t.Errorf("what was not stated is there:\n%s", d)
	}
	c.Spec = v1.ClusterSpec{DefaultAddrPool: []string{"FD00:0::/16"}, CA: &v1.CA{ExternalCAs: []v1.ExternalCA{{URL: "b"}, {URL: "a", Protocol: "cfssl"}}}}
	c.Default()
	want := v1.ClusterSpec{DefaultAddrPool: []string{"fd00::/16"}, CA: &v1.CA{ExternalCAs: []v1.ExternalCA{{URL: "a", Protocol: "cfssl"}, {URL: "b", Protocol: "cfssl"}}}}
	if d := cmp.Diff(want, c.Spec); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
