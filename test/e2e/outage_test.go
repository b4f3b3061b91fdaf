package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// asks waits until an outage on one of the nodes waits for consent, for a reason that contains text. It returns the
// node and the reason.
func (o *operator) asks(revision, text string, nodes ...string) (node, why string) {
	o.w.Helper()
	o.w.patiently(func() error {
		r, err := o.Report(o.w.Context())
		if err != nil {
			return err
		}
		i := slices.IndexFunc(r.Refused, func(x harness.Refusal) bool {
			return x.Hazard == "outage" && x.Class == "consent" && strings.Contains(x.Why, text) && slices.Contains(nodes, strings.TrimPrefix(x.Object, "Node/"))
		})
		if i < 0 || r.Revision != revision {
			return fmt.Errorf("nobody asks for %q: %s", nodes, brief(r))
		}
		node, why = strings.TrimPrefix(r.Refused[i].Object, "Node/"), r.Refused[i].Why
		return nil
	})
	return node, why
}

// keepsServing checks that a service always has a running task, until stop is called.
func (w *world) keepsServing(service string) (stop func()) {
	w.Helper()
	end, ended := make(chan struct{}), make(chan error)
	api := w.connect(w.swarm.Managers()[0])
	go func() {
		var gone error
		unseen := fmt.Errorf("nobody has looked at %s", service)
		for {
			select {
			case <-end:
				ended <- errors.Join(gone, unseen)
				return
			case <-w.Context().Done():
				ended <- errors.Join(gone, w.Context().Err())
				return
			case <-time.After(20 * time.Millisecond):
			}
			list, err := api.TaskList(w.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", service)})
			if err != nil {
				continue
			}
			unseen = nil
			if !slices.ContainsFunc(list.Items, func(t swarm.Task) bool { return t.Status.State == swarm.TaskStateRunning }) {
				gone = fmt.Errorf("%s had no running task at %s", service, time.Now().Format(time.TimeOnly))
			}
		}
	}()
	return func() {
		w.Helper()
		close(end)
		if err := <-ended; err != nil {
			w.Error(err)
		}
	}
}

// One manager becomes four, while workers serve. A worker that costs nothing is promoted first, then one whose task
// others can stand in for. The last one waits for consent. So does the demotion of a manager that serves.
func TestNoRoleEndsAServiceWithoutConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 3})
	w.candidates()
	workers := w.swarm.Workers()
	spare := workers[2]
	r := w.repo("roles", map[string]string{
		"nodes.yaml":   node(spare, "labels: {spare: 'yes'}"),
		"cluster.yaml": managed(1),
		"web.yaml":     service("web", "image: app:1", "replicas: 2", "placement: {constraints: [node.role == worker, node.labels.spare != yes]}", "stopGracePeriod: 1s"),
		"db.yaml":      service("db", "image: app:1", "replicas: 1", fmt.Sprintf("placement: {constraints: [node.role == manager, node.hostname == %s]}", spare), "stopGracePeriod: 1s"),
		"agent.yaml":   service("agent", "image: app:1", "mode: global", "placement: {constraints: [node.role == worker]}", "stopGracePeriod: 1s"),
	})
	o := w.operate(w.host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	w.runs("web", 2)
	w.runs("agent", 3)
	stop := w.keepsServing("web")

	// The worker without a task of web is promoted before the others. Its task of agent is named, but needs no
	// consent.
	r.commit("two\n\nConsent: single-manager, even-managers", map[string]string{"cluster.yaml": managed(2)})
	w.becomesManager(spare)
	w.runs("agent", 2)
	w.runs("db", 1)

	// One of the two others may be promoted, because the other one serves. Then the last one waits for consent.
	hash := r.commit("four\n\nConsent: even-managers", map[string]string{"cluster.yaml": managed(4)})
	o.asks(hash, "0 of", workers[:2]...)
	stop()
	w.runs("web", 2) // both on the last worker
	last, why := o.asks(hash, "0 of 2 stay", workers[:2]...)
	for _, text := range []string{"2 tasks of web on " + last, "agent", "Consent: outage"} {
		if !strings.Contains(why, text) {
			t.Errorf("the refusal does not say %q: %s", text, why)
		}
	}
	if n := w.nodeNow(last); wanted(n) {
		t.Errorf("%s is promoted although nobody agreed", last)
	}
	o.follows(r.commit("so be it\n\nConsent: even-managers, outage Node/"+last, nil))
	w.becomesManager(last)
	w.runs("web", 0)

	// And back: pinning a node to the role worker ends what runs on managers.
	hash = r.commit("the spare one is a worker again\n\nConsent: even-managers", map[string]string{
		"nodes.yaml": node(spare, "labels: {spare: 'yes'}", "role: worker"), "cluster.yaml": managed(3),
	})
	stop = w.keepsServing("db")
	o.asks(hash, "1 task of db on "+spare, spare)
	w.holds(2*stable, func() error {
		if n := w.nodeNow(spare); !wanted(n) {
			return fmt.Errorf("%s is demoted although nobody agreed", spare)
		}
		return nil
	})
	stop()
	o.follows(r.commit("so be it\n\nConsent: outage", nil))
	w.runs("db", 0)
}

// becomesManager waits until a node is a manager that can be reached.
func (w *world) becomesManager(hostname string) {
	w.Helper()
	w.patiently(func() error {
		if n := w.nodeNow(hostname); !wanted(n) || !member(n) || n.ManagerStatus.Reachability != swarm.ReachabilityReachable {
			return fmt.Errorf("%s is %s with %+v", hostname, n.Spec.Role, n.ManagerStatus)
		}
		return nil
	})
}

// A set that drains by role or platform takes one node after the other. The second drain waits until what ran on the
// first node runs elsewhere. The service never has an outage.
func TestASetIsDrainedWithoutAnOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 3})
	workers := w.swarm.Workers()
	files := func(availability string) map[string]string {
		return map[string]string{
			"keep.yaml": node(workers[2], "availability: active"),
			"set.yaml":  nodeSet("set", "selector: {hostnames: ['"+workers[0]+"', '"+workers[1]+"'], role: worker}", "template: {availability: "+availability+"}"),
			"web.yaml":  service("web", "image: app:1", "replicas: 2", "placement: {constraints: [node.role == worker, node.platform.os == linux]}", "stopGracePeriod: 1s", "restartPolicy: {delay: 1s}"),
		}
	}
	r := w.repo("set", files("active"))
	o := w.operate(w.host(), r, "--repair-after", "0s", "--max-drains", "2")
	o.condition("InSync", true)
	w.runs("web", 2)
	// Move both tasks to the nodes of the set.
	w.nodeByHand(workers[2], func(s *swarm.NodeSpec) { s.Availability = swarm.NodeAvailabilityDrain })
	w.eventually(func() error {
		for _, t := range w.tasks("web") {
			if t.NodeID == w.node(workers[2]).ID && t.Status.State == swarm.TaskStateRunning {
				return errors.New("a task is still on the node that is kept")
			}
		}
		return nil
	})
	w.runs("web", 2)
	w.nodeByHand(workers[2], func(s *swarm.NodeSpec) { s.Availability = swarm.NodeAvailabilityActive })
	stop := w.keepsServing("web")
	o.inSync(r.commit("drain the set", files("drain")))
	stop()
	w.runs("web", 2)
	for _, host := range workers[:2] {
		if n := w.node(host); n.Spec.Availability != swarm.NodeAvailabilityDrain {
			t.Errorf("%s is %s", host, n.Spec.Availability)
		}
	}
}

// A change of a role that leaves every service with a task needs no consent. Its step says all the same what it ends:
// a task whose fellows serve, and one that goes with its node. It does so in the output of apply, which first waits for
// the managers to stay as they are, in the plan, and in the log of run.
func TestAChangeOfARoleSaysWhatItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	w.candidates()
	workers := w.swarm.Workers()
	r := w.repo("tells", map[string]string{
		"cluster.yaml": managed(1),
		"web.yaml":     service("web", "image: app:1", "replicas: 2", "placement: {constraints: [node.role == worker], maxReplicasPerNode: 1}", "stopGracePeriod: 1s"),
		"agent.yaml":   service("agent", "image: app:1", "mode: global", "placement: {constraints: [node.role == worker]}", "stopGracePeriod: 1s"),
	})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	costs := func(host string) []string {
		return []string{"ends 1 task of web on " + host + " (web.", "1 of 2 stay", "ends the task of agent on " + host + ", which is global"}
	}

	t.Log("a promotion, by apply")
	r.commit("two\n\nConsent: even-managers", map[string]string{"cluster.yaml": managed(2)})
	out := w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	promoted := workers[0]
	if strings.Contains(out.out, "promoting "+workers[1]+":") {
		promoted = workers[1]
	}
	out.says(t, append(costs(promoted), "promoting "+promoted+": ")...)
	if n := strings.Count(out.out, "note: ends "); n != 2 {
		t.Errorf("it says %d times what ends, want twice:\n%s", n, out)
	}
	w.becomesManager(promoted)

	t.Log("a demotion, by run")
	files := map[string]string{
		"web.yaml":   service("web", "image: app:1", "replicas: 2", "placement: {constraints: [node.role == manager], maxReplicasPerNode: 1}", "stopGracePeriod: 1s"),
		"agent.yaml": service("agent", "image: app:1", "mode: global", "placement: {constraints: [node.role == manager]}", "stopGracePeriod: 1s"),
	}
	r.commit("on managers", files)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	o := w.operate(w.host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	hash := r.commit("one again", map[string]string{"cluster.yaml": managed(1)})
	w.want(0, "approve", "single-manager", "--revision", hash, "--reason", "tested", "--name", "tells", "--host", w.host())
	for _, text := range costs(promoted) {
		o.says(text)
	}
}

// One commit drains the node of one of two tasks, and replaces both. Each alone is no outage. Together they would be one:
// the swarm's updater stops one task while the drain ends the other one.
func TestADrainWaitsForARollOutOfTheSameService(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	host := w.swarm.Workers()[1]
	files := func(availability, image string) map[string]string {
		return map[string]string{
			"node.yaml": node(host, "availability: "+availability),
			"web.yaml":  service("web", "image: "+image, "replicas: 2", "placement: {constraints: [node.role == worker]}", "stopGracePeriod: 1s", "updateConfig: {monitor: 500ms}"),
		}
	}
	r := w.repo("both", files("active", "app:1"))
	o := w.operate(w.host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	w.runs("web", 2)
	stop := w.keepsServing("web")
	o.inSync(r.commit("drain, and another image", files("drain", "slow:1")))
	stop()
	w.image("web", "slow:1")
	w.runs("web", 2)
	if n := w.node(host); n.Spec.Availability != swarm.NodeAvailabilityDrain {
		t.Errorf("%s is %s", host, n.Spec.Availability)
	}
}
