package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// cluster returns a Cluster manifest. spec is its spec as lines of YAML.
func cluster(spec ...string) string {
	return fmt.Sprintf(head, "Cluster", "default") + "spec:\n  " + strings.Join(spec, "\n  ") + "\n"
}

// clusterNow returns the cluster object.
func (w *world) clusterNow() swarm.Swarm {
	w.Helper()
	r, err := w.api.SwarmInspect(w.Context(), client.SwarmInspectOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return r.Swarm
}

// clusterByHand does what docker swarm update and docker swarm ca do. After that no other test gets this swarm.
func (w *world) clusterByHand(change func(*swarm.Spec)) {
	w.Helper()
	w.swarm.Spoil()
	s := w.clusterNow()
	change(&s.Spec)
	if _, err := w.api.SwarmUpdate(w.Context(), client.SwarmUpdateOptions{Version: s.Version, Spec: s.Spec}); err != nil {
		w.Fatal(err)
	}
}

// rawSpec returns the spec of the cluster as the engine writes it, without the operator's own labels.
func (w *world) rawSpec() map[string]any {
	w.Helper()
	socket := strings.TrimPrefix(w.host(), "unix://")
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	r, err := c.Get("http://engine/swarm")
	if err != nil {
		w.Fatal(err)
	}
	defer r.Body.Close()
	var s struct{ Spec map[string]any }
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		w.Fatal(err)
	}
	labels, _ := s.Spec["Labels"].(map[string]any)
	for k := range labels {
		if strings.HasPrefix(k, "swarm-operator.io/") {
			delete(labels, k)
		}
	}
	return s.Spec
}

func (w *world) unlockKey() string {
	w.Helper()
	r, err := w.api.SwarmGetUnlockKey(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return r.Key
}

// lockedAndRotated gives the cluster everything that a careless update would lose: autolock, a rotated root, and
// labels that others own.
func (w *world) lockedAndRotated() {
	w.Helper()
	root := w.clusterNow().TLSInfo.TrustRoot
	w.clusterByHand(func(s *swarm.Spec) {
		s.EncryptionConfig.AutoLockManagers = true
		s.CAConfig.ForceRotate++
		s.Labels = map[string]string{"theirs": "kept"}
	})
	w.eventually(func() error {
		if s := w.clusterNow(); s.RootRotationInProgress || s.TLSInfo.TrustRoot == root {
			return fmt.Errorf("the root is not rotated yet")
		}
		return nil
	})
}

// set changes one value of a raw spec. A nil value stands for a field without a value.
func set(spec map[string]any, value any, path ...string) {
	for ; len(path) > 1; path = path[1:] {
		if spec[path[0]] == nil {
			spec[path[0]] = map[string]any{}
		}
		spec = spec[path[0]].(map[string]any)
	}
	spec[path[0]] = value
}

func TestEachClusterSettingChangedAloneKeepsAllOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.lockedAndRotated()
	before, key := w.clusterNow(), w.unlockKey()
	second := float64(time.Second)
	r := w.repo("settings", map[string]string{"c.yaml": config("c", "1")})
	for i, c := range []struct {
		spec  string
		value any
		path  []string
	}{
		{"taskHistoryLimit: 3", 3.0, []string{"Orchestration", "TaskHistoryRetentionLimit"}},
		{"taskHistoryLimit: 0", 0.0, []string{"Orchestration", "TaskHistoryRetentionLimit"}},
		{"raft: {snapshotInterval: 4000}", 4000.0, []string{"Raft", "SnapshotInterval"}},
		{"raft: {keepOldSnapshots: 2}", 2.0, []string{"Raft", "KeepOldSnapshots"}},
		{"raft: {logEntriesForSlowFollowers: 700}", 700.0, []string{"Raft", "LogEntriesForSlowFollowers"}},
		{"dispatcher: {heartbeatPeriod: 7s}", 7 * second, []string{"Dispatcher", "HeartbeatPeriod"}},
		{"ca: {nodeCertExpiry: 1440h}", 1440 * 3600 * second, []string{"CAConfig", "NodeCertExpiry"}},
		{"ca: {externalCAs: [{url: 'https://ca.example.com/sign'}]}", []any{map[string]any{"Protocol": "cfssl", "URL": "https://ca.example.com/sign", "Options": nil, "CACert": ""}}, []string{"CAConfig", "ExternalCAs"}},
	} {
		want := w.rawSpec()
		set(want, c.value, c.path...)
		r.commit(c.spec, map[string]string{"cluster.yaml": cluster(c.spec)})
		if c.path[1] == "ExternalCAs" { // the field of the revision before stays: it has a value and no key
			w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, "spec.ca.externalCAs[https://ca.example.com/sign].url")
		}
		w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
		got := w.rawSpec()
		if c.path[1] == "ExternalCAs" { // some releases write empty fields and some do not
			for _, spec := range []map[string]any{want, got} {
				for _, ca := range spec["CAConfig"].(map[string]any)["ExternalCAs"].([]any) {
					for k, v := range ca.(map[string]any) {
						if v == nil || v == "" || fmt.Sprint(v) == "map[]" {
							delete(ca.(map[string]any), k)
						}
					}
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%d: %s: the spec (-want +got):\n%s", i, c.spec, d)
		}
		version := w.clusterNow().Version
		w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
		w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
		if w.clusterNow().Version != version {
			t.Errorf("%s: the second apply wrote", c.spec)
		}
	}
	// The certificate comes back as it was sent.
	pem := "\n          " + strings.ReplaceAll(strings.TrimSpace(before.TLSInfo.TrustRoot), "\n", "\n          ") + "\n"
	r.commit("a certificate", map[string]string{"cluster.yaml": cluster("ca:", "  externalCAs:", "  - url: https://ca.example.com/sign", "    caCert: |"+pem)})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	if list := w.clusterNow().Spec.CAConfig.ExternalCAs; len(list) != 1 || strings.TrimSpace(list[0].CACert) != strings.TrimSpace(before.TLSInfo.TrustRoot) {
		t.Errorf("the external CAs are %+v", list)
	}
	r.commit("labels", map[string]string{"cluster.yaml": fmt.Sprintf("apiVersion: swarm-operator.io/v1\nkind: Cluster\nmetadata: {name: default, labels: {ours: %q}}\nspec: {}\n", "1")})
	want := w.rawSpec()
	set(want, "1", "Labels", "ours")
	delete(want["CAConfig"].(map[string]any), "ExternalCAs") // ours, and no longer stated
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	got := w.rawSpec()
	if list, _ := got["CAConfig"].(map[string]any)["ExternalCAs"].([]any); len(list) == 0 {
		delete(got["CAConfig"].(map[string]any), "ExternalCAs")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("labels: the spec (-want +got):\n%s", d)
	}
	// If the manifest is removed, everything stays as it is.
	version := w.clusterNow().Version
	r.remove("cluster.yaml")
	r.commit("without", nil)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	now := w.clusterNow()
	if now.Version != version {
		t.Error("the cluster was written after its manifest went")
	}
	if now.JoinTokens != before.JoinTokens || now.TLSInfo.TrustRoot != before.TLSInfo.TrustRoot || w.unlockKey() != key || key == "" {
		t.Error("tokens, the root or the unlock key changed")
	}
}

func TestWhatCannotBeSetOfAClusterIsReportedAndNothingElseIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.clusterByHand(func(*swarm.Spec) {}) // so that no other test gets the swarm
	r := w.repo("fixed", map[string]string{"cluster.yaml": cluster("taskHistoryLimit: 9", "subnetSize: 27", "raft: {electionTick: 77}")})
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t,
		"spec.taskHistoryLimit", "spec.subnetSize: it is set when a swarm is made", "spec.raft.electionTick: the engine ignores what the swarm says here; set it on each manager, in daemon.json: swarm-raft-election-tick")
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	if s := w.clusterNow(); *s.Spec.Orchestration.TaskHistoryRetentionLimit != 9 || s.Spec.Raft.ElectionTick == 77 {
		t.Errorf("the cluster is %+v", s.Spec)
	}
	version := w.clusterNow().Version
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	if w.clusterNow().Version != version {
		t.Error("what cannot be set was written")
	}
}

func TestAClusterChangedByHandAndOneOfAnotherSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.clusterByHand(func(*swarm.Spec) {})
	r := w.repo("mine", map[string]string{"cluster.yaml": cluster("taskHistoryLimit: 9")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.clusterByHand(func(s *swarm.Spec) {
		limit, period := int64(4), 6*time.Second
		s.Orchestration.TaskHistoryRetentionLimit, s.Dispatcher.HeartbeatPeriod = &limit, period
	})
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, "spec.taskHistoryLimit  4 → 9  (by hand, in place)")
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	if s := w.clusterNow().Spec; *s.Orchestration.TaskHistoryRetentionLimit != 9 || s.Dispatcher.HeartbeatPeriod != 6*time.Second {
		t.Errorf("the cluster is %+v", s)
	}
	other := w.repo("other", map[string]string{"cluster.yaml": cluster("taskHistoryLimit: 1")})
	w.want(1, "apply", "--host", w.host(), "--source", other.Dir).says(t, "belongs to source mine")
	if s := w.clusterNow().Spec; *s.Orchestration.TaskHistoryRetentionLimit != 9 {
		t.Errorf("another source wrote: %+v", s)
	}
	// When it is given up, it keeps its values and loses our labels, and the other source may have it.
	w.want(0, "unmanage", "--host", w.host(), "--name", "mine", "Cluster/default")
	if s := w.clusterNow().Spec; *s.Orchestration.TaskHistoryRetentionLimit != 9 || len(s.Labels) > 0 {
		t.Errorf("after unmanage the cluster is %+v", s)
	}
	w.want(0, "apply", "--host", w.host(), "--source", other.Dir)
}

// The cluster object carries the join tokens, and its routes carry the unlock key. Neither may appear in any output.
func TestTokensAndTheUnlockKeyAppearInNoOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.lockedAndRotated()
	tokens := w.clusterNow().JoinTokens
	c := &canaries{world: w, all: map[string]string{tokens.Worker: "the workers' token", tokens.Manager: "the managers' token", w.unlockKey(): "the unlock key"}}
	r := w.repo("silent", map[string]string{"cluster.yaml": cluster("taskHistoryLimit: 9", "subnetSize: 27"), "a.yaml": service("a", "image: app:1", "replicas: 0")})
	p := w.proxy()
	c.everything(p.Host(), r)
	if got := *w.clusterNow().Spec.Orchestration.TaskHistoryRetentionLimit; got != 9 {
		t.Errorf("the history is %d long", got)
	}
	o := w.operate(p.Host(), r, "--log-level", "debug", "--resync", "2s", "--repair-after", "0s")
	o.condition("Held", true) // the size of subnets cannot change
	w.clusterByHand(func(s *swarm.Spec) { limit := int64(1); s.Orchestration.TaskHistoryRetentionLimit = &limit })
	w.eventually(func() error { // the engine sends no event: the change is found when everything is read
		if got := *w.clusterNow().Spec.Orchestration.TaskHistoryRetentionLimit; got != 9 {
			return fmt.Errorf("the history is %d long", got)
		}
		return nil
	})
	c.served(o)
	c.inSwarm()
	for k, v := range w.clusterNow().Spec.Labels {
		c.silent("label "+k, v)
	}
	t.Cleanup(w.swarm.Inject(Fault{Method: "POST", Path: "/swarm/update", Status: http.StatusInternalServerError, Message: "no"}))
	r.commit("refused", map[string]string{"cluster.yaml": cluster("taskHistoryLimit: 8")})
	o.condition("StepFailed", true)
	c.everything(p.Host(), r)
	c.served(o)
	o.finish()
	c.silent("run's log", o.Stdout()+o.Stderr())
}

// No key or token appears in the output of any process, neither before its rotation nor after it.
func TestWhatIsRotatedAppearsInNoOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.lockedAndRotated()
	c := newCanaries(w)
	know := func(when string) {
		k := w.keys()
		for value, what := range map[string]string{k.worker: "the workers' token", k.manager: "the managers' token", k.unlock: "the unlock key"} {
			c.all[value] = what + ", " + when
		}
	}
	know("first")
	manifest := func(n int) map[string]string {
		return map[string]string{"cluster.yaml": cluster(
			fmt.Sprintf("joinTokens: {worker: {rotation: {epoch: %d, every: 1h}}, manager: {rotation: {epoch: %d}}}", n, n), w.locked(fmt.Sprintf(", rotation: {epoch: %d}", n)), fmt.Sprintf("ca: {rotation: {epoch: %d}}", n))}
	}
	r := w.repo("rotates", manifest(1))
	p := w.proxy()
	c.everything(p.Host(), r)
	r.commit("second", manifest(2))
	remove := w.swarm.Inject(Fault{Method: "POST", Path: "/swarm/update", Status: http.StatusInternalServerError, Message: "no"})
	c.everything(p.Host(), r)
	remove()
	c.everything(p.Host(), r)
	w.rootDone()
	know("second")
	o := w.operate(p.Host(), r, "--log-level", "debug", "--repair-after", "0s")
	o.inSync(r.commit("third", manifest(3)))
	w.rootDone()
	know("third")
	c.everything(p.Host(), r)
	r.commit("back", manifest(2))
	o.condition("Held", true)
	c.served(o)
	o.finish()
	c.silent("run's log", o.Stdout()+o.Stderr())
	c.inSwarm()
	for k, v := range w.clusterNow().Spec.Labels {
		c.silent("label "+k, v)
	}
	if len(c.all) < 9 {
		t.Errorf("only %d were there to be shown", len(c.all))
	}
}
