package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

func TestKillAndStartWorker(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 2, Labels: map[string]map[string]string{"worker-1": {"disk": "ssd"}}})
	c := connect(t, sb, "manager-1")
	spec := serviceSpec("web", "nginx:1", 1)
	spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"engine.labels.disk==ssd"}}
	create(t, c, spec)
	first := waitTasks(t, c, "web", swarm.TaskStateRunning, 1)[0]
	if err := sb.Kill("worker-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("unix", sb.Socket("worker-1")); err == nil {
		t.Error("the socket of a machine that was killed still answers")
	}
	waitNode(t, c, "worker-1", swarm.NodeStateDown)
	if err := sb.StartNode(t.Context(), "worker-1"); err != nil {
		t.Fatal(err)
	}
	waitNode(t, c, "worker-1", swarm.NodeStateReady)
	eventually(t, func() error {
		for _, task := range tasks(t, c, "web") {
			if task.ID != first.ID && task.Status.State == swarm.TaskStateRunning {
				return nil
			}
		}
		return errors.New("no new task runs on the machine that came back")
	})
	wantError(t, sb.StartNode(t.Context(), "worker-1"), "it is up")
	wantError(t, sb.Kill("worker-9"), `no machine is called "worker-9"`)
}

// A machine that comes back before anybody has missed it has lost its containers.
func TestRestartLosesContainers(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	c := connect(t, sb, "manager-1")
	spec := serviceSpec("web", "nginx:1", 1)
	spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.role==worker"}}
	create(t, c, spec)
	waitTasks(t, c, "web", swarm.TaskStateRunning, 1)
	if err := sb.Restart(t.Context(), "worker-1"); err != nil {
		t.Fatal(err)
	}
	lost := waitAnyTask(t, c, "web", swarm.TaskStateFailed)
	if lost.Status.Err != "task: non-zero exit (137)" {
		t.Errorf("the lost task says %q", lost.Status.Err)
	}
	waitTasks(t, c, "web", swarm.TaskStateRunning, 1)
}

func TestAddAndRemoveNodes(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1})
	c := connect(t, sb, "manager-1")
	for _, role := range []string{RoleWorker, RoleManager, RoleBlank} {
		name, err := sb.AddNode(t.Context(), role, map[string]string{"made": "late"})
		if err != nil {
			t.Fatal(err)
		}
		if name != map[string]string{RoleWorker: "worker-1", RoleManager: "manager-2", RoleBlank: "blank-1"}[role] {
			t.Errorf("the new %s is called %s", role, name)
		}
	}
	r, err := c.NodeList(t.Context(), client.NodeListOptions{})
	if err != nil || len(r.Items) != 3 {
		t.Fatalf("the swarm has %d nodes, %v", len(r.Items), err)
	}
	for _, n := range r.Items {
		if n.Description.Hostname == "worker-1" && n.Description.Engine.Labels["made"] != "late" {
			t.Errorf("engine labels are %v", n.Description.Engine.Labels)
		}
	}
	if err := sb.RemoveNode("worker-1"); err != nil {
		t.Fatal(err)
	}
	waitNode(t, c, "worker-1", swarm.NodeStateDown)
	if _, err := c.NodeRemove(t.Context(), "worker-1", client.NodeRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if name, err := sb.AddNode(t.Context(), RoleWorker, nil); err != nil || name != "worker-2" {
		t.Errorf("the next worker is %s, %v: names are not given twice", name, err)
	}
	_, err = sb.AddNode(t.Context(), "leader", nil)
	wantError(t, err, `not "leader"`)
}

func TestManagersFailOver(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 3})
	leader := func(c *client.Client) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := c.NodeList(ctx, client.NodeListOptions{})
		if err != nil {
			return "", err
		}
		for _, n := range r.Items {
			if n.ManagerStatus != nil && n.ManagerStatus.Leader {
				return n.Description.Hostname, nil
			}
		}
		return "", errors.New("there is no leader")
	}
	if l, err := leader(connect(t, sb, "manager-2")); err != nil || l != "manager-1" {
		t.Fatalf("the leader is %s, %v", l, err)
	}
	begin := time.Now()
	if err := sb.Kill("manager-1"); err != nil {
		t.Fatal(err)
	}
	c := connect(t, sb, "manager-2")
	eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "x" + fmt.Sprint(time.Now().UnixNano())}, Data: []byte("x")}})
		return err
	})
	t.Logf("first write after the leader was killed: %s", time.Since(begin))
	eventually(t, func() error {
		l, err := leader(c)
		if err == nil && l == "manager-1" {
			return errors.New("the dead one leads")
		}
		return err
	})
	waitNode(t, c, "manager-1", swarm.NodeStateDown)
	if err := sb.StartNode(t.Context(), "manager-1"); err != nil {
		t.Fatal(err)
	}
	waitNode(t, connect(t, sb, "manager-1"), "manager-1", swarm.NodeStateReady)

	// Without a quorum the engine still answers for itself.
	for _, name := range []string{"manager-1", "manager-3"} {
		if err := sb.Kill(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Ping(t.Context(), client.PingOptions{}); err != nil {
		t.Errorf("ping without a quorum: %s", err)
	}
	eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.ServiceList(ctx, client.ServiceListOptions{}); err == nil {
			return errors.New("the list is served without a quorum")
		}
		return nil
	})
}

func TestForceNewCluster(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 2})
	c := connect(t, sb, "manager-1")
	id := create(t, c, serviceSpec("web", "nginx:1", 1))
	before, err := c.SwarmInspect(t.Context(), client.SwarmInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sb.Kill("manager-2"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := c.SwarmInit(t.Context(), client.SwarmInitOptions{ListenAddr: "0.0.0.0:2377", ForceNewCluster: true}); err != nil {
		t.Fatal(err)
	}
	t.Logf("a new cluster was forced in %s", time.Since(begin))
	after, err := c.SwarmInspect(t.Context(), client.SwarmInspectOptions{})
	if err != nil || after.Swarm.ID != before.Swarm.ID {
		t.Errorf("the swarm is %s, was %s, %v", after.Swarm.ID, before.Swarm.ID, err)
	}
	if s := inspect(t, c, id); s.Spec.Name != "web" {
		t.Errorf("the service is %+v", s.Spec)
	}
	waitTasks(t, c, "web", swarm.TaskStateRunning, 1)
}

func TestPromoteAndDemote(t *testing.T) {
	t.Parallel()
	sb := start(t, Options{Managers: 1, Workers: 1})
	c, w := connect(t, sb, "manager-1"), connect(t, sb, "worker-1")
	role := func(to swarm.NodeRole) error {
		n, err := c.NodeInspect(t.Context(), "worker-1", client.NodeInspectOptions{})
		if err != nil {
			return err
		}
		n.Node.Spec.Role = to
		_, err = c.NodeUpdate(t.Context(), n.Node.ID, client.NodeUpdateOptions{Version: n.Node.Version, Spec: n.Node.Spec})
		return err
	}
	eventually(t, func() error { return role(swarm.NodeRoleManager) })
	eventually(t, func() error { _, err := w.ServiceList(t.Context(), client.ServiceListOptions{}); return err })
	n, err := w.NodeInspect(t.Context(), "worker-1", client.NodeInspectOptions{})
	if err != nil || n.Node.ManagerStatus == nil || n.Node.ManagerStatus.Addr[:7] != "127.42." {
		t.Errorf("manager status is %+v, %v", n.Node.ManagerStatus, err)
	}
	_, err = c.NodeRemove(t.Context(), "worker-1", client.NodeRemoveOptions{Force: true})
	wantError(t, err, "is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal")
	eventually(t, func() error { return role(swarm.NodeRoleWorker) })
	eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := w.ServiceList(ctx, client.ServiceListOptions{})
		if err == nil {
			return errors.New("a demoted node still serves lists")
		}
		return nil
	})
	// raft forgets the member a moment after the node has changed.
	eventually(t, func() error {
		me, err := c.NodeInspect(t.Context(), "manager-1", client.NodeInspectOptions{})
		if err != nil {
			return err
		}
		me.Node.Spec.Role = swarm.NodeRoleWorker
		_, err = c.NodeUpdate(t.Context(), me.Node.ID, client.NodeUpdateOptions{Version: me.Node.Version, Spec: me.Node.Spec})
		if err == nil || !strings.Contains(err.Error(), "attempting to demote the last manager of the swarm") {
			return fmt.Errorf("demoting the last manager: %w", err)
		}
		return nil
	})
}
