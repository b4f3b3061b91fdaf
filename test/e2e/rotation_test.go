package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

// keys are the values that can be rotated. forced counts how often the root was.
type keys struct {
	worker, manager, unlock, root string
	forced                        uint64
}

func (w *world) keys() keys {
	w.Helper()
	s := w.clusterNow()
	return keys{s.JoinTokens.Worker, s.JoinTokens.Manager, w.unlockKey(), s.TLSInfo.TrustRoot, s.Spec.CAConfig.ForceRotate}
}

// changed names what differs. It prints no value.
func (k keys) changed(o keys) string {
	var out []string
	for _, c := range []struct {
		name string
		is   bool
	}{{"worker", k.worker != o.worker}, {"manager", k.manager != o.manager}, {"unlock", k.unlock != o.unlock}, {"root", k.root != o.root}, {"forced", k.forced != o.forced}} {
		if c.is {
			out = append(out, c.name)
		}
	}
	return strings.Join(out, " ")
}

// rotated checks that exactly the keys in want have changed since then, and returns the present ones.
func (w *world) rotated(when string, since keys, want string) keys {
	w.Helper()
	now := w.keys()
	if got := since.changed(now); got != want {
		w.Errorf("%s: changed are %q, want %q", when, got, want)
	}
	return now
}

// recorded returns the label that records a rotation.
func (w *world) recorded(of string) string {
	w.Helper()
	return w.clusterNow().Spec.Labels["swarm-operator.io/rotated-"+of]
}

// records checks that a rotation is recorded with an epoch and a recent time.
func (w *world) records(of string, epoch int) {
	w.Helper()
	label := w.recorded(of)
	epochText, at, _ := strings.Cut(label, " at=")
	when, err := time.Parse(time.RFC3339, at)
	if epochText != fmt.Sprintf("epoch=%d", epoch) || err != nil || time.Since(when).Abs() > 10*time.Minute {
		w.Errorf("on record of %s is %q, want epoch %d", of, label, epoch)
	}
}

// recordedTimes returns the metrics for the recorded rotations.
func (w *world) recordedTimes(all ...string) []string {
	w.Helper()
	var out []string
	for _, of := range all {
		_, at, _ := strings.Cut(w.recorded(of), " at=")
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			w.Error(err)
		}
		out = append(out, fmt.Sprintf("rotation_timestamp_seconds of=%q %v", of, float64(when.Unix())))
	}
	return out
}

// ages makes a record older.
func (w *world) ages(of string, epoch int, age time.Duration) {
	w.Helper()
	w.clusterByHand(func(s *swarm.Spec) {
		s.Labels["swarm-operator.io/rotated-"+of] = fmt.Sprintf("epoch=%d at=%s", epoch, time.Now().Add(-age).UTC().Format(time.RFC3339))
	})
}

// rootDone waits until no root is being replaced.
func (w *world) rootDone() {
	w.Helper()
	w.eventually(func() error {
		if w.clusterNow().RootRotationInProgress {
			return fmt.Errorf("the root is still being replaced")
		}
		return nil
	})
}

// locked returns the lines of a manifest that turn autolock on.
func (w *world) locked(more string) string {
	return "autolock: {enabled: true, escrow: key" + more + "}"
}

func TestAJoinTokenIsRotatedOnceForItsEpoch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	w.changesNodes()
	stays, host := w.swarm.Workers()[0], w.swarm.Workers()[1]
	w.createService(cliService("foreign", "app:1"), true)
	service := w.settled("foreign")
	was, first := w.node(host), w.keys()
	epoch := func(n int) map[string]string {
		return map[string]string{"cluster.yaml": cluster(fmt.Sprintf("joinTokens: {worker: {rotation: {epoch: %d}}}", n))}
	}
	r := w.repo("tokens", epoch(3))
	apply := func(code int) result { return w.want(code, "apply", "--host", w.host(), "--source", r.Dir) }

	// A swarm that is taken over keeps its token, and its rotation is put on record once.
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, "its rotation is put on record; nothing is replaced", "spec.joinTokens.worker.rotation.epoch  (none) → 3")
	apply(0)
	w.rotated("taken over", first, "")
	w.records("worker-token", 3)
	version := w.clusterNow().Version
	apply(0)
	if w.clusterNow().Version != version {
		t.Error("the second apply wrote")
	}

	r.commit("rotate", epoch(4))
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, "rotation of the workers' join token, by epoch", "spec.joinTokens.worker.rotation.epoch  3 → 4")
	apply(0)
	second := w.rotated("the epoch was raised", first, "worker")
	w.records("worker-token", 4)
	version = w.clusterNow().Version
	apply(0)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	if w.clusterNow().Version != version {
		t.Error("the second apply wrote")
	}

	// The old token is refused, and the new one works. Nodes that joined before notice nothing.
	w.untouched(service)
	for _, name := range []string{stays, host} {
		if n := w.node(name); n.Status.State != swarm.NodeStateReady {
			t.Errorf("%s is %s", name, n.Status.State)
		}
	}
	w.leave(host)
	manager := w.node(w.swarm.Managers()[0])
	_, err := w.connect(host).SwarmJoin(w.Context(), client.SwarmJoinOptions{
		ListenAddr: "0.0.0.0", AdvertiseAddr: was.Status.Addr, RemoteAddrs: []string{manager.ManagerStatus.Addr}, JoinToken: first.worker,
	})
	if err == nil || !strings.Contains(err.Error(), "A valid join token is necessary to join this cluster") {
		t.Errorf("a join with the old token says: %v", err)
	}
	id := w.join(host, was.Status.Addr, swarm.NodeAvailabilityActive)
	w.eventually(func() error {
		if n := w.byID(id); n == nil || n.Status.State != swarm.NodeStateReady {
			return fmt.Errorf("%s has not joined with the new token", host)
		}
		return nil
	})

	// Going back in git is refused, and holds nothing else.
	r.commit("back", map[string]string{"cluster.yaml": cluster("joinTokens: {worker: {rotation: {epoch: 2}}}", "taskHistoryLimit: 4")})
	apply(1).says(t, "replaced for epoch 4, and that cannot be undone")
	w.rotated("the epoch was lowered", second, "")
	if got := *w.clusterNow().Spec.Orchestration.TaskHistoryRetentionLimit; got != 4 {
		t.Errorf("the history is %d long", got)
	}

	// A rotation by hand is neither undone nor repeated.
	r.commit("as it was", epoch(4))
	s := w.clusterNow()
	if _, err := w.api.SwarmUpdate(w.Context(), client.SwarmUpdateOptions{Version: s.Version, Spec: s.Spec, RotateWorkerToken: true, RotateManagerToken: true}); err != nil {
		t.Fatal(err)
	}
	third := w.rotated("by hand", second, "worker manager")
	apply(0)
	w.rotated("after it was done by hand", third, "")
}

func TestTakingOverALockedSwarmRotatesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.lockedAndRotated()
	before := w.keys()
	r := w.repo("adopts", map[string]string{"cluster.yaml": cluster(
		"joinTokens: {worker: {rotation: {epoch: 7, every: 1h}}, manager: {rotation: {every: 720h}}}", w.locked(", rotation: {epoch: 5, every: 2h}"), "ca: {rotation: {epoch: 9}}")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	w.rotated("taken over", before, "")
	for of, epoch := range map[string]int{"worker-token": 7, "manager-token": 0, "unlock-key": 5, "ca": 9} {
		w.records(of, epoch)
	}
	if s := w.clusterNow().Spec; s.Labels["theirs"] != "kept" || !s.EncryptionConfig.AutoLockManagers {
		t.Errorf("the spec is %+v", s)
	}
	// A root that a person replaces is neither undone nor replaced again.
	w.clusterByHand(func(s *swarm.Spec) { s.CAConfig.ForceRotate += 5 })
	w.rootDone()
	byHand := w.rotated("by hand", before, "worker manager root forced")
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.rotated("after it was done by hand", byHand, "")

	// By age: once, and not too early.
	w.ages("manager-token", 0, 721*time.Hour)
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, "rotation of the managers' join token, by age")
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	byAge := w.rotated("by age", byHand, "manager")
	w.records("manager-token", 0)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.rotated("by age, and again", byAge, "")
	w.ages("unlock-key", 5, 3*time.Hour)
	w.ages("worker-token", 7, time.Hour-15*time.Second)
	soon := time.Now().Add(15 * time.Second)
	o := w.operate(w.host(), r)
	w.eventually(func() error {
		if byAge.changed(w.keys()) == "" {
			return fmt.Errorf("the unlock key is not rotated")
		}
		return nil
	})
	if got := byAge.changed(w.keys()); got != "unlock" && time.Now().Before(soon) {
		t.Errorf("an hour's age is not reached: rotated are %q", got)
	}
	w.eventually(func() error { // nothing in the swarm changes, so the operator has to look again by itself
		if !strings.Contains(byAge.changed(w.keys()), "worker") {
			return fmt.Errorf("the worker token is not rotated")
		}
		return nil
	})
	if early := time.Until(soon); early > 2*time.Second {
		t.Errorf("it was rotated %s before its time", early)
	}
	o.condition("InSync", true)
	w.rotated("of age", byAge, "worker unlock")
	o.has(w.recordedTimes("worker-token", "manager-token", "unlock-key")...)
}

func TestAutolockOnAndOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.clusterByHand(func(s *swarm.Spec) { s.Labels = map[string]string{"theirs": "kept"} })
	before, spec := w.keys(), w.rawSpec()
	r := w.repo("lock", map[string]string{"cluster.yaml": cluster("autolock: {enabled: true}")})
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir).says(t, "spec.autolock.escrow: is missing")
	r.commit("with a place for the key", map[string]string{"cluster.yaml": cluster(w.locked(", rotation: {epoch: 2}"))})
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, "spec.autolock.enabled  false → true")
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	on := w.rotated("on", before, "unlock")
	w.records("unlock-key", 2)
	set(spec, true, "EncryptionConfig", "AutoLockManagers")
	if got := w.rawSpec(); fmt.Sprint(got) != fmt.Sprint(spec) {
		t.Errorf("something else changed:\nwant %v\ngot  %v", spec, got)
	}
	r.commit("another key", map[string]string{"cluster.yaml": cluster(w.locked(", rotation: {epoch: 3}"))})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	second := w.rotated("another key", on, "unlock")
	// If the manifest no longer states autolock, it stays as it is. It goes off only if the manifest says so.
	r.commit("silent", map[string]string{"cluster.yaml": cluster("taskHistoryLimit: 5")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.rotated("not stated", second, "")
	r.commit("off", map[string]string{"cluster.yaml": cluster("autolock: {enabled: false, rotation: {epoch: 9}}")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	if off := w.rotated("off", second, "unlock"); off.unlock != "" {
		t.Error("there is a key while it is off")
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

// rotation is one way to replace one of the keys.
type rotation struct {
	key   string // as keys.changed names it
	byAge bool
}

func (r rotation) String() string {
	return r.key + map[bool]string{true: " by age", false: " by epoch"}[r.byAge]
}

// rotationsOfAll are all keys that can be rotated, in every way. A root has no age, and takes longest.
var rotationsOfAll = []rotation{{"root", false}, {"worker", false}, {"manager", false}, {"unlock", false}, {"worker", true}, {"manager", true}, {"unlock", true}}

// A rotation, by epoch or by age, is killed, cut off or refused at any of its calls, and still happens once. With
// -full each rotation is disturbed at each of its calls, in each way. Otherwise the rotations take turns.
func TestARotationThatIsKilledAtAnyCallHappensOnce(t *testing.T) {
	t.Parallel()
	for n, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			if !*full {
				killedRotations(t, e, n, rotationsOfAll...)
				return
			}
			for _, what := range rotationsOfAll {
				t.Run(what.String(), func(t *testing.T) {
					t.Parallel()
					killedRotations(t, e, n, what)
				})
			}
		})
	}
}

// killedRotations disturbs rotations in the n-th way. The rotations take turns.
func killedRotations(t *testing.T, e ending, n int, rotating ...rotation) {
	w := newWorld(t, size{1, 0})
	w.lockedAndRotated()
	records := map[string]string{"worker": "worker-token", "manager": "manager-token", "unlock": "unlock-key", "root": "ca"}
	proxy, epochs := w.proxy(), map[string]int{}
	manifest := func() map[string]string {
		rotation := func(of, every string) string { return fmt.Sprintf("rotation: {epoch: %d%s}", epochs[of], every) }
		const every = ", every: 2h"
		return map[string]string{"cluster.yaml": cluster(
			fmt.Sprintf("joinTokens: {worker: {%s}, manager: {%s}}", rotation("worker", every), rotation("manager", every)),
			w.locked(", "+rotation("unlock", every)), fmt.Sprintf("ca: {%s}", rotation("root", "")))}
	}
	i := &interrupted{world: w, proxy: proxy, repo: w.repo("rotates", manifest())}
	i.want(0, i.args()...)
	before, calls := w.keys(), 0
	for at := range points(n, updatesSwarm) {
		what := rotating[(max(0, turn.Commits())+n+calls)%len(rotating)]
		if what.byAge && at.name != writesMemory { // without a commit there is nothing to remember
			w.ages(records[what.key], epochs[what.key], 3*time.Hour)
		} else {
			epochs[what.key]++
			i.repo.commit("rotate", manifest())
		}
		if !i.disturb(e, at) {
			break
		}
		calls++
		disturbed := proxy.Calls()
		w.freeLease()
		proxy.Reset()
		if r := w.cli(i.args()...); r.code != 0 {
			t.Fatalf("after %s, the next apply says %s\nthe calls before:\n%s", at.name, r, lines(disturbed))
		}
		w.rootDone()
		want := what.key
		if what.key == "root" {
			want = "worker manager root forced"
		}
		now := w.rotated(fmt.Sprintf("%s, after %s", what, at.name), before, want)
		if what.key == "root" && now.forced != before.forced+1 {
			t.Errorf("after %s: the root was replaced %d times", at.name, now.forced-before.forced)
		}
		before = now
		if done := rotations(append(disturbed, proxy.Calls()...)); done != 1 {
			t.Errorf("%s, after %s: rotated %d times\n%s%s", what, at.name, done, lines(disturbed), lines(proxy.Calls()))
		}
		for of, name := range records {
			w.records(name, epochs[of])
		}
	}
	w.reached(n, "rotations", calls, 10)
}

// rotations counts the updates of the swarm that the engine has carried out.
func rotations(calls []harness.Call) int {
	n := 0
	for _, c := range calls {
		if c.Path == "/swarm/update" && c.Status >= 200 && c.Status < 300 {
			n++
		}
	}
	return n
}

func TestARootWaitsForAWorkerThatIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	w.changesNodes()
	host := w.swarm.Workers()[0]
	before := w.keys()
	epoch := func(n int) map[string]string {
		return map[string]string{"cluster.yaml": cluster(fmt.Sprintf("ca: {rotation: {epoch: %d}}", n))}
	}
	r := w.repo("root", epoch(1))
	o := w.operate(w.host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	o.condition("CARotating", false)
	o.has(`ca_rotation_nodes state="waiting" 0`, `ca_rotation_nodes state="done" 0`)
	if err := w.swarm.Kill(host); err != nil {
		t.Fatal(err)
	}
	w.nodeIs(host, swarm.NodeStateDown)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	hash := r.commit("another root", epoch(2))
	o.inSync(hash)
	all := w.nodes()
	progress := fmt.Sprintf("%d of %d nodes have the new root; waiting for: %s (down)", all-1, all, host)
	o.reports(func(r harness.Report) error {
		if c, _ := r.Condition("CARotating"); !c.Status || c.Message != progress {
			return fmt.Errorf("CARotating says %q, want %q", c.Message, progress)
		}
		return nil
	})
	o.has(`ca_rotation_in_progress 1`, `ca_rotation_nodes state="waiting" 1`, fmt.Sprintf(`ca_rotation_nodes state="done" %d`, all-1))
	running := w.rotated("begun", before, "forced")

	// Another root waits, and so does a token. The refusal names the nodes that it waits for.
	r.commit("and another", map[string]string{"cluster.yaml": cluster("ca: {rotation: {epoch: 3}}", "joinTokens: {worker: {rotation: {epoch: 1}}}")})
	o.reports(func(r harness.Report) error {
		for _, x := range r.Refused {
			if x.Object == "Cluster/default" && x.Guard == "rotation" && x.Class == "later" && strings.Contains(x.Why, progress) {
				return nil
			}
		}
		return fmt.Errorf("the next root does not wait for this one: %s", brief(r))
	})
	w.holds(4*time.Second, func() error {
		if c := running.changed(w.keys()); c != "" {
			return fmt.Errorf("meanwhile changed: %s", c)
		}
		return nil
	})
	o.inSync(r.commit("it was too early", map[string]string{"cluster.yaml": cluster("ca: {rotation: {epoch: 2}}", "joinTokens: {worker: {rotation: {epoch: 1}}}")}))

	if err := w.swarm.Start(w.Context(), host); err != nil {
		t.Fatal(err)
	}
	o.condition("CARotating", false)
	o.has(`ca_rotation_in_progress 0`, `ca_rotation_nodes state="waiting" 0`)
	done := w.rotated("done", running, "worker manager root")
	o.inSync(r.commit("and now another", epoch(3)))
	w.rootDone()
	o.condition("CARotating", false)
	if last := w.rotated("another one", done, "worker manager root forced"); last.forced != before.forced+2 {
		t.Errorf("two roots were asked for, and %d were made", last.forced-before.forced)
	}
}

// ownRoot makes a CA certificate and its key, in PEM.
func (w *world) ownRoot() (cert, key string) {
	w.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "our own root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(5 * 8766 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		w.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		w.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// put writes a private file into the test's directory.
func (w *world) put(name, text string) string {
	w.Helper()
	path := filepath.Join(w.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

func TestARootOfFilesReplacesTheSwarms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 1})
	w.changesNodes()
	cert, key := w.ownRoot()
	_, other := w.ownRoot()
	c := newCanaries(w)
	for what, text := range map[string]string{"the key": key, "another key": other} {
		for _, line := range strings.Split(text, "\n")[1:3] {
			c.all[line] = what
		}
	}
	before := w.keys()
	w.put("ca.pem", cert)
	w.put("ca.key", other)
	r := w.repo("signing", map[string]string{"cluster.yaml": cluster("ca: {signing: own}")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s", "--resync", "1s", "--log-level", "debug")
	const why = "spec.ca.signing: own.keyFile: it is not the key of the certificate"
	o.reports(func(r harness.Report) error {
		for _, x := range r.Refused {
			if x.Object == "Cluster/default" && x.Guard == "rotation" && x.Class == "never" && x.Why == why {
				return nil
			}
		}
		return fmt.Errorf("a key that does not fit is not refused: %s", brief(r))
	})
	c.served(o)
	w.want(1, "apply", "--host", p.Host(), "--source", r.Dir).says(t, why)
	w.rotated("a key that does not fit", before, "")

	// The operator looks at the files again by itself.
	w.put("ca.key", key)
	o.condition("InSync", true)
	w.rootDone()
	o.condition("CARotating", false)
	own := w.rotated("our own root", before, "worker manager root")
	if own.root != cert {
		t.Errorf("the root is not that of the file:\n%s", own.root)
	}
	w.eventually(func() error { // nodes report the root a moment after they have it
		for _, n := range w.nodesNow() {
			if strings.TrimSpace(n.Description.TLSInfo.TrustRoot) != strings.TrimSpace(cert) {
				return fmt.Errorf("%s has another root", n.Description.Hostname)
			}
		}
		return nil
	})
	updates := rotations(p.Calls())
	c.everything(p.Host(), r)
	if n := rotations(p.Calls()); n != updates {
		t.Errorf("the swarm was updated %d times where nothing differs", n-updates)
	}

	// Other changes keep the root, and so does a manifest that no longer names files.
	o.inSync(r.commit("a setting", map[string]string{"cluster.yaml": cluster("ca: {signing: own}", "taskHistoryLimit: 3")}))
	o.inSync(r.commit("no files", map[string]string{"cluster.yaml": cluster("taskHistoryLimit: 4")}))
	w.rotated("settings", own, "")
	c.served(o)
	o.finish()
	c.silent("run's log", o.Stdout()+o.Stderr())
	c.inSwarm()
	for k, v := range w.clusterNow().Spec.Labels {
		c.silent("label "+k, v)
	}
}
