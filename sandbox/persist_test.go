package sandbox

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// shortDir returns a directory for a test that needs one longer than a sandbox lives.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "sb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestRestartFromDirectory(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	sb := start(t, Options{Managers: 1, Workers: 2, Blank: 1, Dir: dir})
	c := connect(t, sb, "manager-1")
	before, err := c.SwarmInspect(t.Context(), client.SwarmInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	id := create(t, c, serviceSpec("web", "nginx:1", 3))
	running := map[string]bool{}
	for _, task := range waitTasks(t, c, "web", swarm.TaskStateRunning, 3) {
		running[task.ID] = true
	}
	if _, err := c.NetworkCreate(t.Context(), "mine", client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
		t.Fatal(err)
	}
	if _, err := sb.AddNode(t.Context(), RoleWorker, nil); err != nil {
		t.Fatal(err)
	}
	if err := sb.RemoveNode("worker-2"); err != nil {
		t.Fatal(err)
	}
	if err := sb.Close(); err != nil {
		t.Fatal(err)
	}

	begin := time.Now()
	sb = start(t, Options{Managers: 5, Dir: dir}) // the counts apply only to a new sandbox
	t.Logf("restarted in %s", time.Since(begin))
	if got := fmt.Sprint(sb.Nodes()); got != "[manager-1 worker-1 worker-3 blank-1]" {
		t.Errorf("machines are %s", got)
	}
	c = connect(t, sb, "manager-1")
	after, err := c.SwarmInspect(t.Context(), client.SwarmInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if before.Swarm.ID != after.Swarm.ID || before.Swarm.JoinTokens != after.Swarm.JoinTokens {
		t.Error("it is another swarm")
	}
	if s := inspect(t, c, id); s.Spec.Name != "web" {
		t.Errorf("the service is %+v", s.Spec)
	}
	same := 0
	for _, task := range waitTasks(t, c, "web", swarm.TaskStateRunning, 3) {
		if running[task.ID] {
			same++
		}
	}
	if same < 2 { // the third may have been on the machine that was removed
		t.Errorf("%d of 3 tasks went on running", same)
	}
	if _, err := c.NetworkInspect(t.Context(), "mine", client.NetworkInspectOptions{}); err != nil {
		t.Errorf("the local network is gone: %s", err)
	}
	waitNode(t, c, "worker-3", swarm.NodeStateReady)
}

func TestThreeManagersRestartAtOnce(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	sb := start(t, Options{Managers: 3, Workers: 1, Dir: dir})
	create(t, connect(t, sb, "manager-3"), serviceSpec("web", "nginx:1", 1))
	if err := sb.Close(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	sb = start(t, Options{Dir: dir})
	t.Logf("3 managers and a worker restarted in %s", time.Since(begin))
	waitTasks(t, connect(t, sb, "manager-2"), "web", swarm.TaskStateRunning, 1)
}

func TestLockedSwarm(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	sb := start(t, Options{Managers: 1, Workers: 1, Dir: dir})
	c := connect(t, sb, "manager-1")
	s, err := c.SwarmInspect(t.Context(), client.SwarmInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	open := kekVersion(t, sb)
	spec := s.Swarm.Spec
	spec.EncryptionConfig.AutoLockManagers = true
	if _, err := c.SwarmUpdate(t.Context(), client.SwarmUpdateOptions{Version: s.Swarm.Version, Spec: spec}); err != nil {
		t.Fatal(err)
	}
	key, err := c.SwarmGetUnlockKey(t.Context())
	if err != nil || key.Key == "" {
		t.Fatalf("the key is %q, %v", key.Key, err)
	}
	_, err = c.SwarmUnlock(t.Context(), client.SwarmUnlockOptions(key))
	wantError(t, err, "swarm is not locked")
	waitKey(t, sb, open)
	if err := sb.Restart(t.Context(), "manager-1"); err != nil {
		t.Fatal(err)
	}
	c = connect(t, sb, "manager-1")
	_, err = c.NodeList(t.Context(), client.NodeListOptions{})
	wantError(t, err, "Swarm is encrypted and needs to be unlocked before it can be used.")
	info, err := c.Info(t.Context(), client.InfoOptions{})
	if err != nil || info.Info.Swarm.LocalNodeState != swarm.LocalNodeStateLocked {
		t.Errorf("the state is %s, %v", info.Info.Swarm.LocalNodeState, err)
	}
	_, err = c.SwarmUnlock(t.Context(), client.SwarmUnlockOptions{Key: "nonsense"})
	wantError(t, err, "invalid key string")
	_, err = c.SwarmUnlock(t.Context(), client.SwarmUnlockOptions{Key: "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
	wantError(t, err, "swarm could not be unlocked: invalid key provided")
	if _, err := c.SwarmUnlock(t.Context(), client.SwarmUnlockOptions(key)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { _, err := c.NodeList(t.Context(), client.NodeListOptions{}); return err })
}

// kekVersion returns which key encrypts the manager's disk. It changes a moment after the swarm has agreed on a new
// key.
func kekVersion(t *testing.T, sb *Sandbox) string {
	t.Helper()
	raw, err := os.ReadFile(sb.Dir() + "/nodes/manager-1/swarm/certificates/swarm-node.key")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`kek-version: (\d+)`).FindString(string(raw))
}

func waitKey(t *testing.T, sb *Sandbox, before string) {
	t.Helper()
	eventually(t, func() error {
		if now := kekVersion(t, sb); now == before {
			return fmt.Errorf("the disk is still encrypted with %q", now)
		}
		return nil
	})
}
