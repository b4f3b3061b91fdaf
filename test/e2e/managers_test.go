package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// The number follows commits while a service runs. One manager comes or goes at a time, the leader last.
func TestTheNumberOfManagersFollowsGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 2})
	w.candidates()
	first := w.byRank()
	own := first[1]
	r := w.repo("managers", nil)
	o := w.operate(w.swarm.Host(own), r, "--repair-after", "0s")
	o.follows(r.commit("three", map[string]string{
		"web.yaml": service("web", "image: app:1", "mode: global", "stopGracePeriod: 1s"), "cluster.yaml": managed(3),
	}))
	w.runs("web", w.nodes())
	m := w.watchMembership()
	become := func(n int, hash string) []string {
		t.Helper()
		o.follows(hash)
		w.comeBack()
		w.runs("web", w.nodes())
		got := managersNow(w.nodesNow())
		if len(got) != n {
			t.Fatalf("managers are %q, want %d", got, n)
		}
		t.Logf("managers are %q; %q left", got, m.leftIn(m.phase))
		return got
	}

	m.begin("three to five")
	become(5, r.commit("five", map[string]string{"cluster.yaml": managed(5)}))

	m.begin("five to three")
	leader := ""
	for _, n := range w.nodesNow() {
		if n.ManagerStatus.Leader && n.Description.Hostname != own {
			leader = n.Description.Hostname
		}
	}
	files := map[string]string{"cluster.yaml": managed(3)}
	if leader != "" {
		files["leader.yaml"] = node(leader, "role: worker")
	}
	three := become(3, r.commit("three, and the leader is to go", files))
	if slices.Contains(three, leader) || !slices.Contains(three, own) {
		t.Errorf("managers are %q, of which %s was to go and %s to stay", three, leader, own)
	}

	m.begin("three to one, which nobody agreed to")
	one := r.commit(harness.Message("one", "Consent: single-manager"), map[string]string{"cluster.yaml": managed(1), "own.yaml": node(own, "role: manager")})
	if f := o.refuses("consent", "swarm-operator approve single-manager --revision "+one[:10]+" --reason TEXT"); f.Hazard != "single-manager" || !strings.Contains(f.Why, "one manager: when it is lost, so is the swarm") {
		t.Errorf("the refusal is %+v", f)
	}
	w.want(1, "diff", "--host", w.swarm.Host(own), "--source", r.Dir).says(t, "swarm-operator approve single-manager --revision "+one[:10]+" --reason TEXT")
	w.holds(2*stable, func() error {
		if got := managersNow(w.nodesNow()); !slices.Equal(got, three) {
			return fmt.Errorf("managers are %q and were %q", got, three)
		}
		return nil
	})

	m.begin("three to one")
	w.want(0, "approve", "single-manager", "--revision", one[:10], "--reason", "tested", "--host", w.swarm.Host(own))
	if got := become(1, one); got[0] != own {
		t.Errorf("the one manager is %s", got[0])
	}

	m.begin("one to three")
	if leader != "" { // it is the first by name, and an engine that joined through it may know no other way into raft
		r.remove("leader.yaml")
	}
	become(3, r.commit("three again", map[string]string{"cluster.yaml": managed(3)}))
	w.runs("web", w.nodes())
	w.want(0, "diff", "--host", w.swarm.Host(own), "--source", r.Dir)
}

// comeBack waits until all nodes are ready. After the leader has left, none is ready for a while. A demoted dockerd
// 20.10 can stay away for good (in one of some fifty runs, on a busy machine). Like any person who runs it, this
// restarts that engine, and logs it.
func (w *world) comeBack() {
	w.Helper()
	since, restarted := map[string]time.Time{}, ""
	w.patiently(func() error {
		for _, n := range w.nodesNow() {
			name := n.Description.Hostname
			if n.Status.State == swarm.NodeStateReady {
				delete(since, name)
				continue
			}
			if since[name].IsZero() {
				since[name] = time.Now()
			}
			if l, real := w.swarm.(*leased); real && restarted == "" && !wanted(n) && !member(n) && n.Status.State == swarm.NodeStateDown && time.Since(since[name]) > time.Minute {
				restarted = name
				w.Logf("%s is down since it was demoted, and is started anew; its engine says:\n%s", name, lastLines(l.Logs(name), 40))
				if err := w.swarm.Kill(name); err != nil {
					return err
				}
				if err := w.swarm.Start(w.Context(), name); err != nil {
					return err
				}
			}
			return fmt.Errorf("%s is %s", name, n.Status.State)
		}
		return nil
	})
}

// lastLines returns the last n lines of a file.
func lastLines(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// Two of five managers die. One is replaced. The other is not, as long as somebody works on it.
func TestADeadManagerIsReplacedUnlessSomebodyWorksOnIt(t *testing.T) {
	t.Parallel()
	const replaceAfter = 30 * time.Second // the least that a manifest may say
	w := newWorld(t, size{5, 2})
	w.candidates()
	ranked := w.byRank()
	own, drained, dead, kept := ranked[1], ranked[2], ranked[3], ranked[4]
	host := w.swarm.Host(own)
	r := w.repo("replacing", nil)
	o := w.operate(host, r, "--repair-after", "0s", "--resync", "2s")
	everywhere := nodeSet("all", "selector: {hostnames: ['*']}", "template: {availability: active}")
	o.follows(r.commit("five", map[string]string{"cluster.yaml": managed(5, fmt.Sprintf("replaceAfter: %s", replaceAfter)), "nodes.yaml": everywhere}))
	m := w.watchMembership()
	w.availability(drained, swarm.NodeAvailabilityDrain)
	w.availability(kept, swarm.NodeAvailabilityDrain)
	w.want(0, "hold", "--host", host, "Node/"+kept, "--reason", "a new disk")
	o.condition("OnHold", true)
	o.reports(func(r harness.Report) error {
		if !slices.ContainsFunc(r.Refused, func(f harness.Refusal) bool { return f.Object == "Node/"+drained }) {
			return fmt.Errorf("what a hand drained is not reported: %s; %+v", brief(r), r.Drift)
		}
		return nil
	})

	m.begin("two die")
	killed := time.Now()
	for _, name := range []string{dead, kept} {
		if err := w.swarm.Kill(name); err != nil {
			t.Fatal(err)
		}
	}
	w.patiently(func() error {
		n, now := w.nodeNow(dead), managersNow(w.nodesNow())
		if wanted(n) || member(n) || len(now) != 4 {
			return fmt.Errorf("%s is not replaced: it is %s with %+v, and managers are %q", dead, n.Spec.Role, n.ManagerStatus, now)
		}
		return nil
	})
	if took := time.Since(killed); took < replaceAfter {
		t.Errorf("it was replaced after %s", took)
	}
	stays := func() error {
		if n := w.nodeNow(kept); !wanted(n) || !member(n) {
			return fmt.Errorf("%s was replaced: it is %s with %+v", kept, n.Spec.Role, n.ManagerStatus)
		}
		return nil
	}
	orphan := func(told bool) {
		t.Helper()
		o.reports(func(r harness.Report) error {
			if got := slices.ContainsFunc(r.Notices, func(n string) bool {
				return strings.Contains(n, "Node/"+dead) && strings.Contains(n, "docker swarm leave --force")
			}); got != told {
				return fmt.Errorf("notices are %q", r.Notices)
			}
			return nil
		})
	}
	orphan(true)
	w.holds(2*stable, stays)

	m.begin("the replaced one comes back")
	started := make(chan error, 1)
	go func() { started <- w.swarm.Start(w.Context(), dead) }() // dockerd takes its time

	m.begin("on hold, and not drained any more")
	w.availability(kept, swarm.NodeAvailabilityActive)
	w.holds(2*stable, stays)

	m.begin("drained, and not on hold any more")
	w.availability(kept, swarm.NodeAvailabilityDrain)
	w.want(0, "resume", "--host", host, "Node/"+kept)
	o.condition("OnHold", false)
	w.holds(2*stable, stays)

	if err := <-started; err != nil {
		t.Fatal(err)
	}
	w.patiently(func() error {
		if n := w.nodeNow(dead); n.Status.State != swarm.NodeStateReady {
			return fmt.Errorf("%s is %+v", dead, n.Status)
		}
		return nil
	})
	orphan(false)
	w.holds(2*stable, func() error { // it knows that it is a worker, and there are enough managers
		if n := w.nodeNow(dead); wanted(n) || member(n) {
			return fmt.Errorf("%s was promoted again", dead)
		}
		return stays()
	})

	m.begin("neither")
	w.availability(kept, swarm.NodeAvailabilityActive)
	w.patiently(func() error {
		n, now := w.nodeNow(kept), managersNow(w.nodesNow())
		if wanted(n) || member(n) || len(now) != 5 {
			return fmt.Errorf("%s is not replaced: it is %s with %+v, and managers are %q", kept, n.Spec.Role, n.ManagerStatus, now)
		}
		return nil
	})
	if n := w.nodeNow(drained); n.Spec.Availability != swarm.NodeAvailabilityDrain || !wanted(n) {
		t.Errorf("%s, which a hand drained, is %s and %s", drained, n.Spec.Availability, n.Spec.Role)
	}
}

// A change of roles by hand is drift.
func TestRolesThatAHandChangedArePutRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 1})
	w.candidates()
	ranked := w.byRank()
	r := w.repo("by-hand", nil)
	o := w.operate(w.swarm.Host(ranked[1]), r, "--repair-after", "0s")
	hash := r.commit("three", map[string]string{"cluster.yaml": strings.Replace(managed(3), "'*'", "'manager-*'", 1)})
	o.follows(hash)
	m := w.watchMembership()
	right := func() {
		t.Helper()
		w.patiently(func() error {
			list := w.nodesNow()
			if now := managersNow(list); !slices.Equal(now, w.swarm.Managers()) || slices.ContainsFunc(list, func(n swarm.Node) bool { return wanted(n) != member(n) }) {
				return fmt.Errorf("managers are %q", now)
			}
			return nil
		})
		o.follows(hash)
	}
	m.begin("a hand promotes")
	w.nodeByHand(w.swarm.Workers()[0], func(s *swarm.NodeSpec) { s.Role = swarm.NodeRoleManager })
	w.eventually(func() error {
		if got := m.leftIn("a hand promotes"); !slices.Equal(got, w.swarm.Workers()) {
			return fmt.Errorf("%q left", got)
		}
		return nil
	})
	right()
	m.begin("a hand demotes")
	w.nodeByHand(ranked[2], func(s *swarm.NodeSpec) { s.Role = swarm.NodeRoleWorker })
	w.eventually(func() error {
		if got := m.leftIn("a hand demotes"); !slices.Equal(got, ranked[2:]) {
			return fmt.Errorf("%q left", got)
		}
		return nil
	})
	right()
}

// acting are two operators of one source, each on a manager of its own. The first one must act first.
type acting struct {
	*world
	repo  *repo
	ops   [2]*operator
	nodes [2]string
	proxy [2]*harness.Proxy
	begun chan struct{} // closed when the first one has done what the test asks of it
}

func (w *world) acting(name string, first, second string, files map[string]string) *acting {
	w.Helper()
	a := &acting{world: w, nodes: [2]string{first, second}, begun: make(chan struct{})}
	w.api = w.connect(second)
	a.repo = w.repo(name, nil)
	hash := a.repo.commit("at first", files)
	for i, node := range a.nodes {
		a.proxy[i] = w.proxyTo(node)
		a.ops[i] = w.operate(a.proxy[i].Host(), a.repo, "--repair-after", "0s", "--instance", node)
	}
	for i := range a.ops {
		a.ops[i].follows(hash)
		a.written(a.proxy[i])
	}
	return a
}

// firstActs delays the writes of the second operator until the first one has made a write to a node that done
// accepts.
func (a *acting) firstActs(done func(harness.Call) bool) {
	a.secondWaits()
	var once sync.Once
	a.proxy[0].After(func(c harness.Call) error {
		if c.Write() && c.Status < 300 && strings.HasPrefix(c.Path, "/nodes/") && done(c) {
			once.Do(func() { close(a.begun) })
		}
		return nil
	})
}

// secondWaits delays the writes of the second operator until begun is closed.
func (a *acting) secondWaits() {
	for i := range a.proxy {
		a.proxy[i].Reset()
	}
	a.proxy[1].Before(func(c harness.Call) error {
		if c.Write() {
			select {
			case <-a.begun:
			case <-time.After(patience):
			}
		}
		return nil
	})
}

// The commit drains and demotes the node of the operator that acts, and leaves more to do after that.
func TestAnotherOperatorFinishesWhenTheActingOnesNodeIsDemoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 1})
	w.candidates()
	manifests := func(image string) map[string]string {
		return map[string]string{
			"cluster.yaml": managed(3),
			"all.yaml":     service("all", "image: app:1", "mode: global", "stopGracePeriod: 1s"),
			// The service "after" follows when "web" has rolled out, which takes longer than everything that is done
			// to nodes.
			"web.yaml": service("web", "image: "+image, "replicas: 2", "placement: {constraints: [node.hostname == "+w.swarm.Workers()[0]+"]}", "stopGracePeriod: 1s",
				"updateConfig: {parallelism: 1, delay: 20s, monitor: 1s, failureAction: continue}"),
			"after.yaml": policy(service("after", "image: "+image, "replicas: 0"), "dependsOn: [Service/web]"),
		}
	}
	ranked := w.byRank()
	a := w.acting("demoted", ranked[0], ranked[1], manifests("app:1"))
	a.runs("web", 2)
	m := w.watchMembership()
	m.begin("the acting one's node goes")
	a.firstActs(func(harness.Call) bool { return true })
	files := manifests("app:2")
	files["node.yaml"] = node(a.nodes[0], "role: worker", "availability: drain")
	hash := a.repo.commit("it goes", files)
	a.patiently(func() error {
		n := w.nodeNow(a.nodes[0])
		if wanted(n) || member(n) || n.Spec.Availability != swarm.NodeAvailabilityDrain {
			return fmt.Errorf("%s is %s and %s with %+v", a.nodes[0], n.Spec.Role, n.Spec.Availability, n.ManagerStatus)
		}
		return nil
	})
	a.ops[1].follows(hash)
	a.image("after", "app:2")
	if now := managersNow(w.nodesNow()); len(now) != 3 || slices.Contains(now, a.nodes[0]) {
		t.Errorf("managers are %q", now)
	}
	demoted := slices.DeleteFunc(accepted(a.proxy[1].Writes()), func(c harness.Call) bool { return !strings.Contains(string(c.Body), `"Role":"worker"`) })
	after := accepted(writesTo(a.proxy[1].Calls(), a.service("after").ID))
	if len(demoted) == 0 || len(after) != 1 { // an operator does last what would end it
		t.Errorf("the other one should have demoted the node and updated what was left:\n%s\nand\n%s", lines(a.proxy[0].Writes()), lines(a.proxy[1].Writes()))
	}
	a.ops[0].reports(func(r harness.Report) error {
		if c, _ := r.Condition("EngineReady"); c.Status || c.Reason != "NotManager" {
			return fmt.Errorf("on a worker it says %+v", c)
		}
		return nil
	})
}

// The node of the operator that acts is cut off from all others between the first and the second of two promotions.
func TestAnotherOperatorFinishesWhenTheActingOnesNodeIsCutOff(t *testing.T) {
	t.Parallel()
	parts := map[string]func(*testing.T){"a follower": func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, size{3, 2})
		// Not the first manager: dockerd 20.10 joins raft only through the node through which it joined the swarm.
		first := w.swarm.Managers()[1]
		if w.byRank()[0] == first {
			first = w.swarm.Managers()[2]
		}
		w.cutsOff(first, w.swarm.Managers()[0])
	}}
	if *swarmKind == onSandbox {
		parts["the leader through whom the others have joined"] = func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, size{3, 2})
			ranked := w.byRank()
			w.cutsOff(ranked[0], ranked[1])
		}
	}
	inTurns(t, parts)
}

// unhurried sets dockerd's own heartbeat. An agent whose manager has fallen silent notices after five seconds, at
// most twice in a row. With this heartbeat, a node has by then been down for long, or not for long yet, whichever
// manager leads. With a faster one it may come back at the very moment when its time is up. SwarmKit then takes it
// for down for good: dispatcher.register waits for a write, and the old timer ends meanwhile. The slower the machine,
// the more often that happens.
const unhurried = "dispatcher: {heartbeatPeriod: 5s}"

// cutsOff cuts off the node of the first operator while it acts, and leaves the rest of the work to the second.
func (w *world) cutsOff(first, second string) {
	w.Helper()
	w.candidates()
	manifests := func(count int) map[string]string {
		return map[string]string{"cluster.yaml": managed(count) + "  " + unhurried + "\n"}
	}
	a := w.acting("cut", first, second, manifests(3))
	m := w.watchMembership()
	m.begin("the acting one's node is cut off")
	m.ignore(first)
	w.changesNodes()
	a.firstActs(func(harness.Call) bool {
		if err := w.swarm.Partition(first); err != nil {
			w.Error(err)
		}
		return true
	})
	hash := a.repo.commit("five", manifests(5))
	a.ops[1].follows(hash)
	want := slices.DeleteFunc(slices.Concat(w.swarm.Managers(), w.swarm.Workers()), func(n string) bool { return n == first })
	a.patiently(func() error {
		if now := managersNow(w.nodesNow()); !slices.Equal(now, want) {
			return fmt.Errorf("managers are %q", now)
		}
		return nil
	})
	a.ops[0].condition("EngineReady", false)
	m.begin("it is back")
	if err := w.swarm.Heal(first); err != nil {
		w.Fatal(err)
	}
	for _, o := range a.ops {
		o.follows(hash)
	}
	a.patiently(func() error {
		if now := managersNow(w.nodesNow()); len(now) != 5 {
			return fmt.Errorf("managers are %q", now)
		}
		return nil
	})
	var promotions []harness.Call
	for _, p := range a.proxy {
		promotions = append(promotions, slices.DeleteFunc(accepted(p.Writes()), func(c harness.Call) bool { return !strings.HasPrefix(c.Path, "/nodes/") })...)
	}
	if len(promotions) != 2 {
		w.Errorf("want two promotions, got\n%s", lines(promotions))
	}
}
