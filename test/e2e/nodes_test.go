package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/lag"
)

// node and nodeSet return manifests. spec is their spec as lines of YAML.
func node(hostname string, spec ...string) string {
	return fmt.Sprintf(head, "Node", hostname) + "spec:\n  " + strings.Join(spec, "\n  ") + "\n"
}

func nodeSet(name string, spec ...string) string {
	return fmt.Sprintf(head, "NodeSet", name) + "spec:\n  " + strings.Join(spec, "\n  ") + "\n"
}

// nodeList returns what docker node ls shows.
func (w *world) nodeList() []swarm.Node {
	w.Helper()
	list, err := w.api.NodeList(w.Context(), client.NodeListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	return list.Items
}

// byID returns the node with an ID, or nil.
func (w *world) byID(id string) *swarm.Node {
	w.Helper()
	list := w.nodeList()
	if i := slices.IndexFunc(list, func(n swarm.Node) bool { return n.ID == id }); i >= 0 {
		return &list[i]
	}
	return nil
}

// nodeByHand does what docker node update does.
func (w *world) nodeByHand(hostname string, change func(*swarm.NodeSpec)) {
	w.Helper()
	w.eventually(func() error {
		n := w.node(hostname)
		change(&n.Spec)
		_, err := w.api.NodeUpdate(w.Context(), n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec})
		return err
	})
}

// labelsOf returns a node's labels as k=v, without the operator's own.
func labelsOf(n swarm.Node) string {
	labels := maps.Clone(n.Spec.Labels)
	maps.DeleteFunc(labels, func(k, _ string) bool { return strings.HasPrefix(k, "swarm-operator.io/") })
	var out []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, k+"="+labels[k])
	}
	return strings.Join(out, " ")
}

func (w *world) labelled(hostname, labels string) {
	w.Helper()
	w.eventually(func() error {
		if got := labelsOf(w.node(hostname)); got != labels {
			return fmt.Errorf("%s has the labels %q, want %q", hostname, got, labels)
		}
		return nil
	})
}

// changesNodes notes that this test changes the swarm's nodes, so that no other test gets the swarm.
func (w *world) changesNodes() {
	w.swarm.Spoil()
}

// leave does what docker swarm leave does on a node.
func (w *world) leave(hostname string) {
	w.Helper()
	w.changesNodes()
	if _, err := w.connect(hostname).SwarmLeave(w.Context(), client.SwarmLeaveOptions{}); err != nil {
		w.Fatal(err)
	}
}

// join does what docker swarm join does on a node that has left. It returns the new ID.
func (w *world) join(hostname, addr string, a swarm.NodeAvailability) string {
	w.Helper()
	manager := w.node(w.swarm.Managers()[0])
	c := w.connect(hostname)
	if _, err := c.SwarmJoin(w.Context(), client.SwarmJoinOptions{
		ListenAddr: "0.0.0.0", AdvertiseAddr: addr, RemoteAddrs: []string{manager.ManagerStatus.Addr}, JoinToken: w.clusterNow().JoinTokens.Worker, Availability: a,
	}); err != nil && !strings.Contains(err.Error(), "will continue in the background") { // a busy machine may
		w.Fatal(err)
	}
	id := ""
	w.eventually(func() error {
		info, err := c.Info(w.Context(), client.InfoOptions{})
		if id = info.Info.Swarm.NodeID; err == nil && (id == "" || info.Info.Swarm.LocalNodeState != swarm.LocalNodeStateActive) {
			err = fmt.Errorf("%s is %s", hostname, info.Info.Swarm.LocalNodeState)
		}
		return err
	})
	return id
}

func TestLabelsAndAvailabilityOfNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	one, two := w.swarm.Workers()[0], w.swarm.Workers()[1]
	set := func(lines ...string) string {
		return nodeSet("workers", "selector: {hostnames: ["+one+", "+two+"], role: worker}", "template: {"+strings.Join(lines, ", ")+"}")
	}
	r := w.repo("labels", map[string]string{"set.yaml": set("labels: {zone: a, tier: x}", "availability: active"), "one.yaml": node(one, "labels: {zone: b}")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	w.labelled(one, "tier=x zone=b")
	w.labelled(two, "tier=x zone=a")
	if got := w.node(w.swarm.Managers()[0]).Spec.Labels; len(got) > 0 {
		t.Errorf("nobody states anything of the manager, and it has %v", got)
	}
	m, n := len(w.swarm.Managers()), len(w.swarm.Workers())
	o.has(
		`condition type="ManagersReady" 1`, `condition type="NodesReady" 1`, `condition type="VersionSkew" 0`, `engine_versions 1`, `ca_rotation_in_progress 0`,
		fmt.Sprintf(`managers state="members" %d`, m), fmt.Sprintf(`managers state="reachable" %d`, m), `managers_wanted source="labels" 0`,
		fmt.Sprintf(`manager_tolerance %d`, (m-1)/2), fmt.Sprintf(`nodes role="worker" state="ready" availability="active" %d`, n),
	)
	// The managers of real engines listen on networks of their own, which the operator here cannot reach
	if *swarmKind == onSandbox {
		w.eventually(func() error {
			_, body, err := o.Get(t.Context(), "/metrics")
			if err == nil && !strings.Contains(body, `swarm_operator_node_certificate_expiry_timestamp_seconds{node="`+w.swarm.Managers()[0]+`"} 1.`) {
				err = errors.New("nothing says until when the manager's certificate is valid")
			}
			return err
		})
	}
	w.quiet(p)

	// Labels that others set stay. Labels of ours that somebody changed by hand come back. Labels that the manifest
	// no longer states are removed.
	w.nodeByHand(two, func(s *swarm.NodeSpec) { s.Labels["theirs"], s.Labels["zone"] = "1", "c" })
	w.labelled(two, "theirs=1 tier=x zone=a")
	hash := r.commit("no tier", map[string]string{"set.yaml": set("labels: {zone: a}", "availability: active")})
	o.inSync(hash)
	w.labelled(one, "zone=b")
	w.labelled(two, "theirs=1 zone=a")
	hash = r.commit("exact", map[string]string{"set.yaml": set("labels: {zone: a}", "availability: active", "labelMode: exact")})
	o.inSync(hash)
	w.labelled(two, "zone=a")

	// If a colleague drains a node, that is reported and left alone, even when another field of the node changes.
	w.nodeByHand(two, func(s *swarm.NodeSpec) { s.Availability = swarm.NodeAvailabilityDrain })
	o.reports(func(r harness.Report) error {
		if i := slices.IndexFunc(r.Refused, func(x harness.Refusal) bool { return x.Guard == "intent" && x.Object == "Node/"+two }); i < 0 || !r.Is("InSync", true) {
			return fmt.Errorf("the drain is not reported as meant, or counts: %s", brief(r))
		}
		return nil
	})
	hash = r.commit("a label", map[string]string{"set.yaml": set("labels: {zone: d}", "availability: active", "labelMode: exact")})
	o.inSync(hash)
	w.labelled(two, "zone=d")
	w.quiet(p)
	if a := w.node(two).Spec.Availability; a != swarm.NodeAvailabilityDrain {
		t.Errorf("the drain was undone: %s", a)
	}
	hash = r.commit("git changes it", map[string]string{"set.yaml": set("labels: {zone: d}", "availability: pause", "labelMode: exact")})
	o.inSync(hash)
	if a := w.node(two).Spec.Availability; a != swarm.NodeAvailabilityPause {
		t.Errorf("git said pause, and it is %s", a)
	}

	// Two sets that disagree decide nothing, and both are named.
	hash = r.commit("two sets", map[string]string{"more.yaml": nodeSet("more", "selector: {hostnames: ["+two+"]}", "template: {labels: {zone: e}}")})
	o.reports(func(r harness.Report) error {
		if !slices.ContainsFunc(r.Refused, func(x harness.Refusal) bool {
			return x.Object == "Node/"+two && x.Class == "never" && strings.Contains(x.Why, "NodeSet/more and NodeSet/workers")
		}) || r.Revision != hash {
			return fmt.Errorf("they are not named: %s", brief(r))
		}
		return nil
	})
	w.labelled(two, "zone=d")
	r.remove("more.yaml")
	o.inSync(r.commit("one set", nil))

	// Labels that no manifest covers stay as they were.
	r.remove("set.yaml", "one.yaml")
	o.inSync(r.commit("none", map[string]string{"set.yaml": cluster("taskHistoryLimit: 5")}))
	w.quiet(p)
	w.labelled(one, "zone=b")
	w.labelled(two, "zone=d")
}

func TestANodeThatJoinsHasItsLabelsWithinASecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	w.changesNodes()
	host := w.swarm.Workers()[0]
	r := w.repo("joins", map[string]string{"set.yaml": nodeSet("edge", `selector: {hostnames: ["*"], role: worker}`, `template: {availability: active, labels: {edge: "yes", zone: a}, removeDownAfter: 1m}`)})
	o := w.operate(w.host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	w.labelled(host, "edge=yes zone=a")
	was := w.node(host)

	var ghosts []string
	for range 2 {
		w.leave(host)
		w.eventually(func() error {
			if n := w.byID(was.ID); n != nil && n.Status.State != swarm.NodeStateDown {
				return fmt.Errorf("the node is still %s", n.Status.State)
			}
			return nil
		})
		ghosts = append(ghosts, was.ID)
		id := w.join(host, was.Status.Addr, swarm.NodeAvailabilityDrain)
		var listed, labelled time.Time
		w.eventually(func() error {
			n := w.byID(id)
			switch {
			case n == nil || n.Description.Hostname == "":
				return errors.New("it has not joined yet")
			case listed.IsZero():
				listed = time.Now()
			}
			if got := labelsOf(*n); got != "edge=yes zone=a" {
				if n.Spec.Availability == swarm.NodeAvailabilityActive {
					t.Errorf("tasks may come to it before it has its labels: %q", got)
				}
				return fmt.Errorf("it has %q", got)
			}
			labelled = time.Now()
			if n.Spec.Availability != swarm.NodeAvailabilityActive {
				t.Errorf("the labels came without the availability: %s", n.Spec.Availability)
			}
			return nil
		})
		was = *w.byID(id)
		lag.Within(t, "labelling a node that is listed", listed, labelled, time.Second)
	}
	o.reports(func(r harness.Report) error {
		text := strings.Join(r.Notices, "\n")
		for _, g := range ghosts {
			if !strings.Contains(text, g) {
				return fmt.Errorf("what the host was before, %s, is not named: %s", g, text)
			}
		}
		return nil
	})
	harnessUntil(w, 2*patience, func() error { // removeDownAfter is a minute
		for _, g := range ghosts {
			if w.byID(g) != nil {
				return fmt.Errorf("%s is still there", g)
			}
		}
		return nil
	})
	if n := w.byID(was.ID); n == nil || labelsOf(*n) != "edge=yes zone=a" {
		t.Errorf("the node itself is %v", n)
	}
}

// harnessUntil is eventually for what takes longer.
func harnessUntil(w *world, period time.Duration, check func() error) {
	w.Helper()
	if err := harness.Until(w.Context(), period, check); err != nil {
		w.Fatal(err)
	}
}

func TestLabelsThatEndTheLastTaskNeedConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	host := w.swarm.Workers()[0]
	web := service("web", "image: app:1", "replicas: 2", "placement: {constraints: [node.labels.zone == a]}", "stopGracePeriod: 1s")
	r := w.repo("outage", map[string]string{"n.yaml": node(host, "labels: {zone: a}"), "web.yaml": web})
	o := w.operate(w.host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	w.runs("web", 2)
	hash := r.commit("another zone", map[string]string{"n.yaml": node(host, "labels: {zone: b, other: x}")})
	var why string
	o.reports(func(r harness.Report) error {
		i := slices.IndexFunc(r.Refused, func(x harness.Refusal) bool { return x.Hazard == "outage" })
		if i < 0 || r.Revision != hash {
			return fmt.Errorf("nobody asks: %s", brief(r))
		}
		why = r.Refused[i].Why
		return nil
	})
	for _, text := range []string{"2 tasks of web on " + host, "web.1", "web.2", "0 of 2 stay", "Consent: outage", "swarm-operator approve"} {
		if !strings.Contains(why, text) {
			t.Errorf("the refusal does not say %q: %s", text, why)
		}
	}
	w.labelled(host, "zone=a")
	o.inSync(r.commit("so be it\n\nConsent: outage Node/"+host, nil))
	w.labelled(host, "other=x zone=b")
	w.runs("web", 0)
}

func TestNodesAreDrainedOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	one, two := w.swarm.Workers()[0], w.swarm.Workers()[1]
	files := func(availability string) map[string]string {
		return map[string]string{
			"nodes.yaml": node(one, "availability: "+availability) + "---\n" + node(two, "availability: "+availability),
			"many.yaml":  service("many", "image: app:1", "replicas: 6", "stopGracePeriod: 1s"),
			"one.yaml": service("one", "image: app:1", "replicas: 1", "stopGracePeriod: 1s", "placement: {constraints: [node.role == worker]}",
				"mounts: [{type: volume, source: data, target: /data}]"),
		}
	}
	r := w.repo("drain", files("active"))
	o := w.operate(w.host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	w.runs("many", 6)
	w.runs("one", 1)
	// The operator stands still, so that neither is drained before the plan is made.
	if err := o.Freeze(); err != nil {
		t.Fatal(err)
	}
	hash := r.commit("drain both, which is the end of one\n\nConsent: outage", files("drain"))
	w.contains("the plan", w.want(1, "diff", "--host", w.host(), "--source", r.Dir).out, "Node/"+one, "Node/"+two)
	if err := o.Thaw(); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{w.node(one).ID: one, w.node(two).ID: two}
	busy := func() map[string]int {
		n := map[string]int{}
		list, err := w.api.TaskList(t.Context(), client.TaskListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range list.Items {
			if host := ids[task.NodeID]; host != "" && task.Status.State == swarm.TaskStateRunning {
				n[host]++
			}
		}
		return n
	}
	w.eventually(func() error {
		n := busy() // read before the nodes: tasks on a node that is drained later are no fault
		a, b := w.node(one), w.node(two)
		drained := func(n swarm.Node) bool { return n.Spec.Availability == swarm.NodeAvailabilityDrain }
		if drained(a) && drained(b) && n[one] > 0 && n[two] > 0 {
			// The second node was drained while tasks ran on the first, unless they ended in between.
			if again := busy(); again[one] > 0 && again[two] > 0 {
				t.Errorf("both are drained, and %d and %d tasks run there", again[one], again[two])
			}
		}
		if !drained(a) || !drained(b) || len(busy()) > 0 {
			return fmt.Errorf("%s is %s, %s is %s", one, a.Spec.Availability, two, b.Spec.Availability)
		}
		return nil
	})
	o.inSync(hash)
}

// A person who reads the plan sees what a drain costs.
func TestAPlanSaysWhatADrainCosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	host := w.swarm.Workers()[0]
	files := map[string]string{
		"n.yaml":   node(host, "availability: active"),
		"one.yaml": service("one", "image: app:1", "replicas: 1", "placement: {constraints: [node.role == worker]}", "mounts: [{type: volume, source: data, target: /data}]"),
	}
	r := w.repo("costs", files)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	w.runs("one", 1)
	r.commit("drain", map[string]string{"n.yaml": node(host, "availability: drain")})
	out := w.want(1, "diff", "--host", w.host(), "--source", r.Dir).out
	cost := "ends 1 task of one on " + host + " (one.1); 0 of 1 stay"
	if text := "(outage, consent) it " + cost; !strings.Contains(out, text) {
		t.Errorf("the plan does not say %q:\n%s", text, out)
	}
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	w.runs("one", 1)
	r.commit("so be it\n\nConsent: outage Node/"+host, nil)
	for _, form := range []string{"text", "json"} {
		out = w.want(1, "diff", "--host", w.host(), "--source", r.Dir, "-o", form).out
		for _, text := range []string{cost, "Service/one has the volume data here"} {
			if !strings.Contains(out, text) {
				t.Errorf("the plan does not say %q:\n%s", text, out)
			}
		}
	}
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.eventually(func() error {
		for _, task := range w.tasks("one") {
			if task.Status.State == swarm.TaskStateRunning {
				return errors.New("its task still runs")
			}
		}
		return nil
	})
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

func TestNodesThatAreToBeAbsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	w.changesNodes()
	one, two := w.swarm.Workers()[0], w.swarm.Workers()[1]
	ids := []string{w.node(one).ID, w.node(two).ID}
	r := w.repo("absent", map[string]string{"web.yaml": service("web", "image: app:1", "mode: global", "stopGracePeriod: 1s")})
	o := w.operate(w.host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	w.runs("web", w.nodes())
	hash := r.commit("both go", map[string]string{
		"one.yaml": node(one, "presence: absent", "engine: {host: '"+w.swarm.Host(one)+"'}"), "two.yaml": node(two, "presence: absent"),
	})
	w.eventually(func() error {
		if w.byID(ids[0]) != nil {
			return errors.New("the node whose engine is known is still there")
		}
		return nil
	})
	o.reports(func(r harness.Report) error {
		i := slices.IndexFunc(r.Refused, func(x harness.Refusal) bool { return x.Hazard == "force-node-removal" && x.Object == "Node/"+two })
		if i < 0 || r.Applied != hash || !strings.Contains(r.Refused[i].Why, "docker swarm leave") {
			return fmt.Errorf("nobody asks what to do with the other: %s", brief(r))
		}
		return nil
	})
	if n := w.byID(ids[1]); n == nil || n.Spec.Availability != swarm.NodeAvailabilityDrain {
		t.Errorf("it is not drained: %v", n)
	}
	w.leave(two) // as the refusal says
	w.eventually(func() error {
		if w.byID(ids[1]) != nil {
			return errors.New("the other is still there")
		}
		return nil
	})
	o.inSync(hash)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	info, err := w.connect(one).Info(context.Background(), client.InfoOptions{})
	if err != nil || info.Info.Swarm.LocalNodeState != swarm.LocalNodeStateInactive {
		t.Errorf("its engine is %v in the swarm, %v", info.Info.Swarm.LocalNodeState, err)
	}
}

// An operator that only waits for a node to leave does not take the lease, which costs the swarm two writes each time.
func TestWaitingForANodeThatLeavesTakesNoLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	w.changesNodes()
	worker := w.swarm.Workers()[0]
	id := w.node(worker).ID
	r := w.repo("leaves", map[string]string{"web.yaml": service("web", "image: app:1", "mode: global", "stopGracePeriod: 1s")})
	manager, own := w.proxy(), w.proxyTo(worker)
	o := w.operate(manager.Host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	w.runs("web", w.nodes())
	w.written(manager)
	manager.Reset()
	hash := r.commit("it goes", map[string]string{"one.yaml": node(worker, "presence: absent", "engine: {host: '"+own.Host()+"'}")})
	w.eventually(func() error {
		if w.byID(id) != nil {
			return errors.New("it is still there")
		}
		return nil
	})
	o.inSync(hash)
	w.written(manager)
	w.eventually(func() error {
		if is := w.leaseIs(); is != "free" {
			return fmt.Errorf("the lease is %s", is)
		}
		return nil
	})
	all := append(manager.Calls(), own.Calls()...)
	slices.SortFunc(all, func(a, b harness.Call) int { return a.At.Compare(b.At) })
	turns := turnsOf(t, all)
	for _, turn := range turns {
		if len(turn.writes) == 0 {
			t.Errorf("at epoch %s the lease was taken, and nothing was written", turn.epoch)
		}
	}
	if len(turns) < 3 {
		t.Errorf("it is drained, leaves and is removed within %d turns", len(turns))
	}
}

// leaseTurn is what was written from the time when somebody took the lease to the time when it was given back.
type leaseTurn struct {
	epoch  string
	writes []harness.Call
}

// turnsOf returns the turns in calls that are in the order of their arrival.
func turnsOf(t *testing.T, calls []harness.Call) (out []leaseTurn) {
	t.Helper()
	held := false
	for _, c := range calls {
		switch {
		case !c.Write():
		case !c.Lease() && held:
			out[len(out)-1].writes = append(out[len(out)-1].writes, c)
		case !c.Lease():
			t.Errorf("written without the lease: %s", c)
		case c.Path != "/configs/create":
			var lease struct{ Labels map[string]string }
			if err := json.Unmarshal(c.Body, &lease); err != nil {
				t.Fatal(err)
			}
			was := held
			if held = lease.Labels["swarm-operator.io/lease"] == "held"; held && !was {
				out = append(out, leaseTurn{epoch: lease.Labels["swarm-operator.io/lease-epoch"]})
			}
		}
	}
	for _, turn := range out {
		t.Logf("epoch %s: %s", turn.epoch, lines(turn.writes))
	}
	return out
}

// The engine of a manifest is in the swarm already, and the swarm lists its node under another hostname. Joining
// again would not help. So the step fails, says what differs, and is tried again with a back-off.
func TestANodeThatIsListedWithAnotherNameIsNotJoinedForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	worker := w.swarm.Workers()[0]
	p := w.proxyTo(worker)
	var f refusing
	count := f.of(func(c harness.Call) bool { return c.Path == "/info" }, harness.Answer{})
	p.After(func(c harness.Call) error {
		if count(c) == nil {
			return nil
		}
		return &harness.Answer{Status: c.Status, Body: bytes.ReplaceAll(c.Answer, []byte(strconv.Quote(worker)), []byte(`"renamed"`))}
	})
	r := w.repo("renamed", map[string]string{"n.yaml": node("renamed", "engine: {host: '"+p.Host()+"'}")})
	why := "of this swarm, which lists it as " + worker
	if out := w.want(2, "apply", "--host", w.host(), "--source", r.Dir); !strings.Contains(out.errs, why) {
		t.Errorf("apply does not say why: %s", out)
	}
	f.tries.Store(0)
	o := w.operate(w.host(), r)
	if c := o.condition("StepFailed", true); !strings.Contains(c.Message, "Node/renamed") || !strings.Contains(c.Message, why) {
		t.Errorf("the condition does not say why: %+v", c)
	}
	w.eventually(func() error {
		if n := f.tries.Load(); n < 4 {
			return fmt.Errorf("it was tried %d times", n)
		}
		return nil
	})
	took, most := time.Since(time.Unix(0, f.first.Load())), 3
	for pause, sum := paced(500*time.Millisecond), time.Duration(0); sum < took; pause *= 2 {
		sum += pause
		most++
	}
	if n := int(f.tries.Load()); n > most {
		t.Errorf("it was tried %d times within %s, want at most %d", n, took, most)
	}
}
