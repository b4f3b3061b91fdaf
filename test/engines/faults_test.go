package engines

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

func TestASwarmOfFiveAndItsFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Managers: 3, Workers: 2, Faults: true, Labels: map[string]map[string]string{"worker-2": {"disk": "ssd"}}})
	t.Logf("memory: %d MB", memory(w.run)>>20)
	list, err := w.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(n swarm.Node) bool { return n.Description.Hostname == "worker-2" })
	if labels := list[i].Description.Engine.Labels; labels["disk"] != "ssd" {
		t.Errorf("engine labels are %v", labels)
	}
	w.create("everywhere", "app:1", 0, func(o *client.ServiceCreateOptions) {
		o.Spec.Mode = swarm.ServiceMode{Global: &swarm.GlobalService{}}
	})
	w.reaches("everywhere", swarm.TaskStateRunning, 5)
	for _, test := range []struct {
		name string
		run  func(*world)
	}{
		{"container", aContainerHangsAndCrashes},
		{"crash", aCrashIsSeen},
		{"hang", aHangIsSeen},
		{"stop", aStopIsSeen},
		{"partition", aPartitionIsSeen},
		{"power", aPowerCutIsSeen},
		{"calls", callsGoWrong},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(w.in(t)) })
	}
	for _, node := range []string{"manager-2", "worker-1"} { // as a test that fails may leave it
		if err := errors.Join(w.Hang(node), w.Partition(node)); err != nil {
			t.Error(err)
		}
	}
}

// containers returns how many processes the containers of a node have.
func (w *world) containers(node string) int {
	n := 0
	for _, pid := range pids() {
		if _, alive := processOf(pid); alive && slices.ContainsFunc(cgroupsOf(pid), func(path string) bool {
			return strings.HasPrefix(path, "/"+w.run+"/"+node+"/")
		}) {
			n++
		}
	}
	return n
}

func (w *world) start(node string) {
	w.Helper()
	begin := time.Now()
	if err := w.Swarm.Start(w.Context(), node); err != nil {
		w.Fatal(err)
	}
	answers := time.Since(begin)
	if err := w.Ready(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.Logf("%s answered after %s, and all were ready after %s", node, answers.Round(10*time.Millisecond), time.Since(begin).Round(10*time.Millisecond))
}

// down waits until a manager sees that a node is gone.
func (w *world) down(by, node string) {
	w.Helper()
	begin := time.Now()
	w.state(by, node, swarm.NodeStateDown)
	w.Logf("%s was down after %s", node, time.Since(begin).Round(10*time.Millisecond))
}

func (w *world) silent(node string) {
	w.Helper()
	c, err := client.New(client.WithHost(w.Host(node)))
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Ping(w.Context(), client.PingOptions{}); err == nil {
		w.Errorf("%s answers", node)
	}
}

func aCrashIsSeen(w *world) {
	if err := w.Crash("worker-1"); err != nil {
		w.Fatal(err)
	}
	w.silent("worker-1")
	w.down("manager-1", "worker-1")
	if w.containers("worker-1") == 0 {
		w.Error("its containers have ended with dockerd")
	}
	if err := w.Crash("worker-1"); err == nil {
		w.Error("what has crashed crashes again")
	}
	w.start("worker-1")
	w.reaches("everywhere", swarm.TaskStateRunning, 5)
}

func aHangIsSeen(w *world) {
	if err := w.Hang("worker-2"); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := w.Client("worker-2").Ping(ctx, client.PingOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		w.Errorf("a hanging engine says %v", err)
	}
	w.down("manager-1", "worker-2")
	if err := w.Continue("worker-2"); err != nil {
		w.Fatal(err)
	}
	if err := w.Ready(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func aStopIsSeen(w *world) {
	if err := w.Stop(w.Context(), "worker-1"); err != nil {
		w.Fatal(err)
	}
	if n := w.containers("worker-1"); n > 0 {
		w.Errorf("%d processes of containers go on", n)
	}
	w.silent("worker-1")
	w.down("manager-1", "worker-1")
	w.start("worker-1")
}

func aPartitionIsSeen(w *world) {
	if err := w.Partition("manager-3"); err != nil {
		w.Fatal(err)
	}
	w.down("manager-1", "manager-3")
	w.eventually(func() error {
		ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
		defer cancel()
		if _, err := w.Client("manager-3").NodeList(ctx, client.NodeListOptions{}); err == nil {
			return errors.New("a manager without a quorum answers")
		}
		return nil
	})
	begin := time.Now()
	if err := w.Heal("manager-3"); err != nil {
		w.Fatal(err)
	}
	if err := w.Ready(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.Logf("healed after %s", time.Since(begin).Round(10*time.Millisecond))
}

func aPowerCutIsSeen(w *world) {
	before, err := w.api.Info(w.Context(), client.InfoOptions{})
	if err != nil {
		w.Fatal(err)
	}
	if err := w.Kill("manager-1"); err != nil {
		w.Fatal(err)
	}
	if n := w.containers("manager-1"); n > 0 {
		w.Errorf("%d processes of containers go on", n)
	}
	w.silent("manager-1")
	w.down("manager-2", "manager-1")
	w.start("manager-1")
	w.eventually(func() error {
		after, err := w.api.Info(w.Context(), client.InfoOptions{})
		if err == nil && (after.Info.ID != before.Info.ID || after.Info.Swarm.NodeID != before.Info.Swarm.NodeID) {
			err = fmt.Errorf("engine %s with node %s is %s with %s now", before.Info.ID, before.Info.Swarm.NodeID, after.Info.ID, after.Info.Swarm.NodeID)
		}
		return err
	})
	w.reaches("everywhere", swarm.TaskStateRunning, 5)
}

func callsGoWrong(w *world) {
	c, err := client.New(client.WithHost(w.Host("manager-1")))
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	defer w.Inject(Fault{Method: "GET", Path: "/services", Status: 500, Message: "no", Skip: 1, Count: 1})()
	var got []string
	for range 3 {
		_, err := c.ServiceList(w.Context(), client.ServiceListOptions{})
		got = append(got, fmt.Sprint(err))
	}
	if got[0] != "<nil>" || !strings.Contains(got[1], "no") || got[2] != "<nil>" {
		w.Errorf("calls say %q", got)
	}
	remove := w.Inject(Fault{Node: "manager-1", Method: "POST", Path: "/networks/create", Drop: true, AfterCommit: true})
	if _, err := c.NetworkCreate(w.Context(), "made", client.NetworkCreateOptions{Driver: "overlay"}); err == nil {
		w.Error("a dropped call has an answer")
	}
	if _, err := c.NetworkInspect(w.Context(), "made", client.NetworkInspectOptions{}); err != nil {
		w.Errorf("a call that was carried out did nothing: %v", err)
	}
	remove()
	if _, err := c.NetworkCreate(w.Context(), "more", client.NetworkCreateOptions{Driver: "overlay"}); err != nil {
		w.Errorf("a fault that was removed is in force: %v", err)
	}
}

func aContainerHangsAndCrashes(w *world) {
	of := client.Filters{}.Add("label", "com.docker.swarm.service.name=everywhere")
	running := func() (string, error) {
		list, err := w.Client("worker-1").ContainerList(w.Context(), client.ContainerListOptions{Filters: of})
		if err == nil && len(list.Items) != 1 {
			err = fmt.Errorf("there are %d containers", len(list.Items))
		}
		if err != nil {
			return "", err
		}
		return list.Items[0].ID, nil
	}
	id, err := running()
	if err != nil {
		w.Fatal(err)
	}
	if err := w.HangContainer("worker-1", id); err != nil {
		w.Fatal(err)
	}
	w.eventually(func() error {
		for _, pid := range pids() {
			if s, ok := statOf(pid); ok && s.state != "T" && slices.Contains(cgroupsOf(pid), "/"+w.run+"/worker-1/"+id) {
				return fmt.Errorf("process %d is in state %s", pid, s.state)
			}
		}
		return nil
	})
	if err := errors.Join(w.ContinueContainer("worker-1", id), w.CrashContainer("worker-1", id)); err != nil {
		w.Fatal(err)
	}
	w.eventually(func() error { // the swarm makes another one
		next, err := running()
		if err == nil && next == id {
			err = errors.New("it still runs")
		}
		return err
	})
	w.reaches("everywhere", swarm.TaskStateRunning, 5)
	if err := w.CrashContainer("worker-1", id); err == nil {
		w.Error("a container that has ended can be killed")
	}
}
