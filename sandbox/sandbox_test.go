package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

func TestStartAndClose(t *testing.T) {
	begin := time.Now()
	sb := start(t, Options{Managers: 1, Workers: 3})
	t.Logf("1 manager and 3 workers were ready in %s", time.Since(begin))
	if want := []string{"manager-1", "worker-1", "worker-2", "worker-3"}; !slices.Equal(sb.Nodes(), want) {
		t.Errorf("nodes are %v, want %v", sb.Nodes(), want)
	}
	r, err := connect(t, sb, "manager-1").NodeList(t.Context(), client.NodeListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names, addrs []string
	for _, n := range r.Items {
		if n.Status.State != swarm.NodeStateReady {
			t.Errorf("%s is %s", n.Description.Hostname, n.Status.State)
		}
		if n.Description.Resources.NanoCPUs != 8e9 || n.Description.Platform.OS != "linux" {
			t.Errorf("%s describes itself as %+v", n.Description.Hostname, n.Description)
		}
		names, addrs = append(names, n.Description.Hostname), append(addrs, n.Status.Addr)
	}
	slices.Sort(names)
	if !slices.Equal(names, sb.Nodes()) {
		t.Errorf("the swarm lists %v", names)
	}
	slices.Sort(addrs)
	if len(slices.Compact(addrs)) != 4 || !strings.HasPrefix(addrs[0], "127.42.") {
		t.Errorf("addresses are %v, want one of 127.42.0.0/16 each", addrs)
	}

	begin = time.Now()
	dir := sb.Dir()
	if err := sb.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("closed in %s", time.Since(begin))
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the temporary directory is still there: %v", err)
	}
	if err := sb.Close(); err != nil {
		t.Errorf("closing again: %s", err)
	}
}

// This test is not parallel, because it counts the goroutines of the process.
func TestCloseLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	sb := start(t, Options{Managers: 1, Workers: 2})
	c := connect(t, sb, "manager-1")
	create(t, c, serviceSpec("web", "nginx:1", 3))
	waitTasks(t, c, "web", swarm.TaskStateRunning, 3)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sb.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		// A few goroutines for each node stay inside SwarmKit. A number that grows with time or requests is a leak.
		if now := runtime.NumGoroutine(); now > before+12 {
			buf := make([]byte, 1<<16)
			return fmt.Errorf("%d goroutines, %d before:\n%s", now, before, buf[:runtime.Stack(buf, true)])
		}
		return nil
	})
}

func TestBlankEngines(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Blank: 2})
	a, b := connect(t, sb, "blank-1"), connect(t, sb, "blank-2")
	info, err := a.Info(t.Context(), client.InfoOptions{})
	if err != nil || info.Info.Name != "blank-1" || info.Info.Swarm.LocalNodeState != swarm.LocalNodeStateInactive {
		t.Fatalf("info is %+v, %v", info.Info.Swarm, err)
	}
	_, err = a.NodeList(t.Context(), client.NodeListOptions{})
	wantError(t, err, `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`)

	if _, err := a.SwarmInit(t.Context(), client.SwarmInitOptions{ListenAddr: "0.0.0.0:2377"}); err != nil {
		t.Fatal(err)
	}
	s, err := a.SwarmInspect(t.Context(), client.SwarmInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := s.Swarm.Spec.Dispatcher.HeartbeatPeriod; d != 5*time.Second {
		t.Errorf("a swarm that a client makes has a heartbeat of %s, want dockerd's default", d)
	}
	info, err = a.Info(t.Context(), client.InfoOptions{})
	if err != nil || len(info.Info.Swarm.RemoteManagers) != 1 {
		t.Fatalf("info is %+v, %v", info.Info.Swarm, err)
	}
	join := client.SwarmJoinOptions{ListenAddr: "0.0.0.0:2377", RemoteAddrs: []string{info.Info.Swarm.RemoteManagers[0].Addr}, JoinToken: s.Swarm.JoinTokens.Worker}
	if _, err := b.SwarmJoin(t.Context(), join); err != nil {
		t.Fatal(err)
	}
	waitNode(t, a, "blank-2", swarm.NodeStateReady)
	_, err = b.SwarmJoin(t.Context(), join)
	wantError(t, err, "This node is already part of a swarm")
	_, err = b.ServiceList(t.Context(), client.ServiceListOptions{})
	wantError(t, err, "Worker nodes can't be used to view or modify cluster state")
	if _, err := b.SwarmLeave(t.Context(), client.SwarmLeaveOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = b.SwarmLeave(t.Context(), client.SwarmLeaveOptions{})
	wantError(t, err, "This node is not part of a swarm")
	_, err = a.SwarmLeave(t.Context(), client.SwarmLeaveOptions{})
	wantError(t, err, "Removing the last manager erases all current state of the swarm")
}

func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Workers: 1})
	wantError(t, err, "workers need a manager")
	_, err = Start(t.Context(), Options{Managers: -1})
	wantError(t, err, "negative")
	_, err = Start(t.Context(), Options{Managers: 1, Dir: filepath.Join(t.TempDir(), strings.Repeat("x", 100))})
	wantError(t, err, "at most 107")

	dir := t.TempDir()
	start(t, Options{Blank: 1, Dir: dir})
	_, err = Start(t.Context(), Options{Blank: 1, Dir: dir})
	wantError(t, err, "a sandbox already runs from "+dir)
}

func TestSandboxesSideBySide(t *testing.T) {
	t.Parallel()
	a, b := start(t, Options{Managers: 1}), start(t, Options{Managers: 1})
	create(t, connect(t, a, "manager-1"), serviceSpec("only-here", "nginx:1", 1))
	r, err := connect(t, b, "manager-1").ServiceList(t.Context(), client.ServiceListOptions{})
	if err != nil || len(r.Items) != 0 {
		t.Errorf("the other sandbox has %d services, %v", len(r.Items), err)
	}
	if x, y := a.State().Machines[0].Addr, b.State().Machines[0].Addr; x == y {
		t.Errorf("both have the address %s", x)
	}
}
