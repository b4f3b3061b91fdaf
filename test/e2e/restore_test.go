package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/engines"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// spare is the engine on which a swarm is restored. It is in no swarm.
const spare = "blank-1"

// withSpare returns a swarm of some managers, with an engine beside it that is in no swarm.
func withSpare(t *testing.T, managers int) *world {
	t.Helper()
	var s Swarm
	if *swarmKind == onEngines {
		e, err := engines.Start(t.Context(), engines.Options{Managers: managers, Blank: 2, Images: []string{"app:1", "app:2"}, Faults: true})
		if err != nil {
			t.Fatalf("starting engines: %v", err)
		}
		s = &leased{Swarm: e, shared: shared{spoilt: true}}
	} else {
		sb, err := sandbox.Start(t.Context(), sandbox.Options{Managers: managers, Blank: 2})
		if err != nil {
			t.Fatalf("starting engines: %v", err)
		}
		s = &embedded{Sandbox: sb, shared: shared{size: size{managers, 0}, spoilt: true}, hung: map[string]func(){}}
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("ending the engines: %v", err)
		}
	})
	return worldOf(t, s, s.Managers()[0])
}

// disk returns the directory in which an engine keeps its part of the swarm, which is /var/lib/docker/swarm on a
// host.
func (w *world) disk(node string) string {
	switch s := w.swarm.(type) {
	case *leased:
		return filepath.Join(s.Data(node), "swarm")
	case *embedded:
		return filepath.Join(s.Dir(), "nodes", node, "swarm")
	}
	panic("a third kind of swarm")
}

// stopEngine does what systemctl stop docker does.
func (w *world) stopEngine(node string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	var err error
	if l, ok := w.swarm.(*leased); ok {
		err = l.Stop(ctx, node)
	} else {
		err = w.swarm.Kill(node)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// startEngine does what systemctl start docker does.
func (w *world) startEngine(node string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	if err := w.swarm.Start(ctx, node); err != nil {
		w.Fatal(err)
	}
}

// startLocked starts an engine and waits until it is locked.
func (w *world) startLocked(node string) {
	w.Helper()
	w.startEngine(node)
	c := w.connect(node)
	w.eventually(func() error {
		r, err := c.Info(w.Context(), client.InfoOptions{})
		if err == nil && r.Info.Swarm.LocalNodeState != swarm.LocalNodeStateLocked {
			err = fmt.Errorf("%s is not locked but %s (%s)", node, r.Info.Swarm.LocalNodeState, r.Info.Swarm.Error)
		}
		return err
	})
}

// opened runs swarm-open on the disk of a stopped engine, and checks the exit code.
func (w *world) opened(code int, node, key string) {
	w.Helper()
	bin := filepath.Join(w.home, "bin")
	if err := harness.Build(w.Context(), bin, "swarm-open"); err != nil {
		w.Fatal(err)
	}
	cmd := exec.CommandContext(w.Context(), filepath.Join(bin, "swarm-open"), w.disk(node))
	cmd.Env, cmd.Stdin = w.env(), strings.NewReader(key+"\n")
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code || strings.Contains(string(out), key) {
		w.Fatalf("swarm-open: want exit %d, got %d, %v\n%s", code, got, err, out)
	}
}

// lockedDisk waits until disks are locked. A manager locks its disk a moment after the swarm has agreed on it.
func (w *world) lockedDisk(nodes ...string) {
	w.Helper()
	w.eventually(func() error {
		for _, n := range nodes {
			raw, err := os.ReadFile(filepath.Join(w.disk(n), "certificates", "swarm-node.key"))
			if err != nil {
				return err
			}
			if !strings.Contains(string(raw), "ENCRYPTED") {
				return fmt.Errorf("the disk of %s is not locked", n)
			}
		}
		return nil
	})
}

// objects returns the IDs of all services, configs, secrets and networks of the swarm, with what a write on them
// would change.
func (w *world) objects() map[string]string {
	w.Helper()
	out := map[string]string{}
	for _, s := range w.services() {
		spec, err := json.Marshal(s.Spec)
		if err != nil {
			w.Fatal(err)
		}
		out["service "+s.Spec.Name] = fmt.Sprint(s.ID, " ", string(spec), " ", s.Endpoint.VirtualIPs)
	}
	configs, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	for _, c := range configs.Items {
		if !strings.HasPrefix(c.Spec.Name, "swarm-operator") {
			out["config "+c.Spec.Name] = fmt.Sprint(c.ID, " ", c.Version.Index)
		}
	}
	secrets, err := w.api.SecretList(w.Context(), client.SecretListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	for _, s := range secrets.Items {
		out["secret "+s.Spec.Name] = fmt.Sprint(s.ID, " ", s.Version.Index)
	}
	networks, err := w.api.NetworkList(w.Context(), client.NetworkListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	for _, n := range networks.Items {
		if n.Scope == "swarm" {
			out["network "+n.Name] = n.ID
		}
	}
	return out
}

// This does what docs/backup.md says. A locked swarm is lost with all its engines. It comes back on a new engine from
// the directory of one manager, the unlock key and git.
func TestASwarmIsRestoredFromABackup(t *testing.T) {
	t.Parallel()
	w := withSpare(t, 3)
	w.clusterByHand(func(s *swarm.Spec) { s.EncryptionConfig.AutoLockManagers = true })
	key := w.unlockKey()
	web := func(image string) string {
		return service("web", "image: "+image, "replicas: 2", quickRestart, "stopGracePeriod: 1s", "networks: [net]", "configs: [conf]", "secrets: [key]")
	}
	r := w.repo("shop", map[string]string{
		"web.yaml": web("app:1"), "conf.yaml": config("conf", "one\n"), "key.yaml": secret("key", "one\n"), "net.yaml": network("net"),
		"quiet.yaml": service("quiet", "image: app:1", "replicas: 0"),
	})
	hash := r.commit("another", map[string]string{"README.md": "a shop"})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(hash)
	w.runs("web", 2)
	w.written(p)
	before, versions, tasks, cluster := w.objects(), w.versions(), w.taskIDs(), w.clusterNow()

	t.Log("back up: the directory of a manager that is no leader, while its engine is stopped")
	source, backup := w.follower(), filepath.Join(t.TempDir(), "swarm")
	address := w.node(source).ManagerStatus.Addr
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	w.lockedDisk(w.swarm.Managers()...)
	w.stopEngine(source)
	if err := os.CopyFS(backup, os.DirFS(w.disk(source))); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error { // if it came back at the very moment when it is given up, SwarmKit would not notice
		if n := w.node(source); n.Status.State != swarm.NodeStateDown {
			return fmt.Errorf("%s is %s", source, n.Status.State)
		}
		return nil
	})
	w.startLocked(source)
	if _, err := w.connect(source).SwarmUnlock(t.Context(), client.SwarmUnlockOptions{Key: key}); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error {
		if n := w.node(source); n.Status.State != swarm.NodeStateReady || n.ManagerStatus == nil || n.ManagerStatus.Reachability != swarm.ReachabilityReachable {
			return fmt.Errorf("%s is not back: %+v, %+v", source, n.Status, n.ManagerStatus)
		}
		return nil
	})

	t.Log("destroy")
	o.finish()
	for _, m := range w.swarm.Managers() {
		if err := w.swarm.Kill(m); err != nil {
			t.Fatal(err)
		}
	}

	t.Log("restore: on an engine with the address of the one that was backed up, which the swarm remembers")
	w.stopEngine(spare)
	if l, ok := w.swarm.(*leased); ok { // the addresses of the sandbox are all on one machine
		if err := errors.Join(l.Kill(spare), l.TakeAddress(spare, source)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(w.disk(spare)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(w.disk(spare), os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	w.startLocked(spare) // docker swarm unlock would wait for a majority until the engine ends
	w.stopEngine(spare)
	w.opened(1, spare, "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	w.opened(0, spare, key)
	w.startEngine(spare)
	w.api = w.connect(spare)
	locked := swarm.Spec{EncryptionConfig: swarm.EncryptionConfig{AutoLockManagers: true}}
	leaderless := func() error {
		if _, err := w.api.NodeList(t.Context(), client.NodeListOptions{}); err == nil || !strings.Contains(err.Error(), "does not have a leader") {
			// err may be nil
			return fmt.Errorf("the restored manager does not say that there is no leader: %w", errors.Join(err))
		}
		return nil
	}
	w.patiently(leaderless)
	// As the guide says: 20.10 may have no overlay networks if the swarm is made again at once
	w.holds(5*time.Second, leaderless)
	if _, err := w.api.SwarmInit(t.Context(), client.SwarmInitOptions{ForceNewCluster: true, ListenAddr: address, AdvertiseAddr: host, AutoLockManagers: true, Spec: locked}); err != nil {
		t.Fatal(err)
	}

	if now := w.objects(); !maps.Equal(now, before) {
		t.Errorf("objects (-before +restored):\n%s", cmp.Diff(before, now))
	}
	now := w.clusterNow()
	if d := cmp.Diff(cluster.Spec, now.Spec); d != "" || now.ID != cluster.ID {
		t.Errorf("the cluster %s is %s (-before +restored):\n%s", cluster.ID, now.ID, d)
	}
	if now.JoinTokens != cluster.JoinTokens || now.TLSInfo.TrustRoot != cluster.TLSInfo.TrustRoot || w.unlockKey() != key {
		t.Errorf("tokens, the root or the unlock key are others: %t %t %t", now.JoinTokens != cluster.JoinTokens, now.TLSInfo.TrustRoot != cluster.TLSInfo.TrustRoot, w.unlockKey() != key)
	}
	w.lockedDisk(spare)
	t.Logf("versions were %v and are %v", versions, w.versions())

	t.Log("the operator observes, and says why")
	p = w.proxyTo(spare)
	o = w.operate(p.Host(), r, "--repair-after", "0s", "--resync", "1s")
	if c := o.condition("Paused", true); !strings.Contains(c.Message, "--force-new-cluster") {
		t.Errorf("it is paused because %q", c.Message)
	}
	unwritten := func() error {
		if writes := p.Writes(); len(writes) > 0 {
			return fmt.Errorf("it wrote:\n%s", lines(writes))
		}
		return nil
	}
	w.holds(2*time.Second, unwritten)

	t.Log("take the others off the list")
	for _, n := range w.nodesNow() {
		if n.ManagerStatus != nil {
			continue
		}
		w.eventually(func() error { // what is left of a manager is given up after a moment
			_, err := w.api.NodeRemove(t.Context(), n.ID, client.NodeRemoveOptions{Force: true})
			return err
		})
	}
	if list := w.nodesNow(); len(list) != 1 {
		t.Errorf("%d nodes are in the swarm", len(list))
	}
	w.runs("web", 2)
	w.holds(2*time.Second, unwritten)
	w.want(0, "diff", "--host", w.swarm.Host(spare), "--source", r.Dir)
	w.want(0, "confirm", "shop", "--host", w.swarm.Host(spare))
	o.inSync(hash)
	o.condition("Paused", false)
	w.want(0, "diff", "--host", w.swarm.Host(spare), "--source", r.Dir)
	w.written(p)
	if writes := serviceWrites(p.Calls()); len(writes) > 0 {
		t.Errorf("services were written:\n%s", lines(writes))
	}
	t.Logf("it wrote:\n%s", lines(p.Writes()))
	if now := w.objects(); !maps.Equal(now, before) {
		t.Errorf("objects (-before +confirmed):\n%s", cmp.Diff(before, now))
	}
	t.Logf("tasks were %q and are %q", tasks, w.taskIDs()) // the containers were on the lost engines

	t.Log("and it goes on")
	p.Reset()
	o.inSync(r.commit("another image", map[string]string{"web.yaml": web("app:2")}))
	w.runs("web", 2)
	if writes := accepted(serviceWrites(p.Calls())); len(writes) != 1 {
		t.Errorf("one change of a service wrote:\n%s", lines(writes))
	}

	t.Log("a second manager joins")
	if _, err := w.connect("blank-2").SwarmJoin(t.Context(), client.SwarmJoinOptions{
		ListenAddr: "0.0.0.0:2377", RemoteAddrs: []string{address}, JoinToken: now.JoinTokens.Manager,
	}); err != nil {
		t.Errorf("joining: %v", err)
	}
	w.eventually(func() error {
		n := w.nodeNow("blank-2")
		if n.Status.State != swarm.NodeStateReady || n.ManagerStatus == nil || n.ManagerStatus.Reachability != swarm.ReachabilityReachable {
			return fmt.Errorf("blank-2 is %+v, %+v", n.Status, n.ManagerStatus)
		}
		return nil
	})
}

// follower returns a manager that does not lead, other than the first one.
func (w *world) follower() string {
	w.Helper()
	for _, n := range w.nodesNow() {
		if n.ManagerStatus != nil && !n.ManagerStatus.Leader && n.Description.Hostname != w.swarm.Managers()[0] {
			return n.Description.Hostname
		}
	}
	w.Fatal("every manager leads")
	return ""
}
