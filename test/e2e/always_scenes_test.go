package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// scene is what is done while calls fail for ever.
type scene struct {
	// name is part of the combination's name. It is "" in the scene with services and what they need.
	name string
	// node is true if a worker is needed, whose engine the manifests state.
	node bool
	// revisions returns the manifests: those that are in force before calls fail, the newest last, and those that are
	// committed then. worker is where the engine of the worker answers.
	revisions func(w *world, worker string) (before []map[string]string, then map[string]string)
}

// scenes are those in which operators, or an apply, bring a revision into force.
var (
	growing = scene{revisions: func(w *world, _ string) ([]map[string]string, map[string]string) {
		first, second := w.grown()
		return []map[string]string{first}, second
	}}
	// The two join tokens and the unlock key are rotated, one after the other. Labels of all nodes change, by their
	// manifest and by a set. A worker leaves the swarm, and its list of nodes.
	leaving = scene{name: "leaving", node: true, revisions: func(w *world, worker string) ([]map[string]string, map[string]string) {
		return []map[string]string{w.staffed(1, "present", worker)}, w.staffed(2, "absent", worker)
	}}
	// The same worker joins the swarm.
	joining = scene{name: "joining", node: true, revisions: func(w *world, worker string) ([]map[string]string, map[string]string) {
		return []map[string]string{w.staffed(1, "present", worker), w.staffed(2, "absent", worker)}, w.staffed(3, "present", worker)
	}}
)

// staffed returns manifests of the Cluster, a Node of the first manager and one of the worker, and a NodeSet of both.
func (w *world) staffed(epoch int, presence, worker string) map[string]string {
	worker = "engine: {host: '" + worker + "'}"
	second := node(w.swarm.Workers()[0], "presence: "+presence, worker)
	if presence == "present" { // otherwise it has no labels
		second = node(w.swarm.Workers()[0], fmt.Sprintf("labels: {grown: e%d}", epoch), worker)
	}
	return map[string]string{"staff.yaml": docs(
		cluster(
			fmt.Sprintf("joinTokens: {worker: {rotation: {epoch: %d}, sinks: [token]}, manager: {rotation: {epoch: %d}}}", epoch, epoch),
			w.locked(fmt.Sprintf(", rotation: {epoch: %d}", epoch)),
		),
		node(w.swarm.Managers()[0], fmt.Sprintf("labels: {grown: e%d}", epoch)),
		second,
		nodeSet("all", "selector: {hostnames: ['*']}", fmt.Sprintf("template: {labels: {set: e%d}}", epoch)),
	)}
}

// order is a command of a person, which is given while calls fail for ever.
type order struct {
	name string
	// before are commands that make it possible. args is the command; HASH stands for the revision in force.
	before [][]string
	args   []string
	// done reports whether it has been carried out.
	done func(ordersLeft) bool
}

// ordersLeft is what orders leave in the swarm.
type ordersLeft struct {
	memory state.Memory // of the source failing
	holds  []state.Hold
	hash   string // the revision in force
}

var (
	orderWeb  = v1.Key{Kind: v1.KindService, Name: "web"} // the service that orders are about
	holdsWeb  = []string{"hold", "Service/web", "--reason", "an incident"}
	unmanages = []string{"unmanage", "Service/web", "--name", "failing"}
	orders    = []order{
		{name: "hold", args: holdsWeb, done: ordersLeft.held},
		{name: "hold again", before: [][]string{{"hold", "Service/web", "--reason", "a first one"}}, args: holdsWeb, done: ordersLeft.held},
		{name: "resume", before: [][]string{{"hold", "failing", "--reason", "an incident"}}, args: []string{"resume", "failing"}, done: func(l ordersLeft) bool {
			return len(l.holds) == 0
		}},
		{name: "approve", args: []string{"approve", "restarts", "--revision", "HASH", "--reason", "tested", "--name", "failing"}, done: func(l ordersLeft) bool {
			return slices.ContainsFunc(l.memory.Approvals, func(a state.Approval) bool {
				return state.SameRevision(l.hash, a.Revision) && a.Consents.Covers(plan.Restarts, orderWeb)
			})
		}},
		{name: "unmanage", args: unmanages, done: func(l ordersLeft) bool { return l.memory.GaveUp(orderWeb) }},
		{name: "take back", before: [][]string{unmanages}, args: []string{"resume", "Service/web", "--name", "failing"}, done: func(l ordersLeft) bool {
			return !l.memory.GaveUp(orderWeb)
		}},
		{name: "confirm", args: []string{"confirm", "failing"}, done: func(l ordersLeft) bool { return !l.memory.Resumed.IsZero() }},
	}
)

// held reports whether the new hold is the only one.
func (l ordersLeft) held() bool {
	return len(l.holds) == 1 && l.holds[0].Target == orderWeb.String() && l.holds[0].Reason == "an incident"
}

// ordered is the second recording: the calls of each scene beside growing, and of each order, by name.
var ordered = struct {
	sync.Mutex
	patterns map[string][]string
}{}

// recordScenes runs these scenes and orders once in a process, and returns the patterns of their calls.
func recordScenes(t *testing.T) map[string][]string {
	t.Helper()
	ordered.Lock()
	defer ordered.Unlock()
	if ordered.patterns != nil {
		return ordered.patterns
	}
	w := newWorld(t, size{1, 1})
	w.swarm.Spoil()
	k := w.callers()
	manager, worker := w.proxy(), w.proxyTo(w.swarm.Workers()[0])
	for _, p := range []*harness.Proxy{manager, worker} {
		p.After(func(c harness.Call) error {
			k.made(c)
			return nil
		})
	}
	out := map[string][]string{}
	noted := func(name string) {
		seen := map[string]bool{}
		for _, c := range append(manager.Calls(), worker.Calls()...) {
			seen[k.pattern(c)] = true
		}
		out[name] = slices.Sorted(maps.Keys(seen))
		manager.Reset()
		worker.Reset()
	}
	before, then := joining.revisions(w, worker.Host())
	r := w.repo("failing", before[0])
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	worker.Reset()
	o := w.operate(manager.Host(), r, "--repair-after", "0s")
	o.inSync(r.grow(before[1]))
	noted(leaving.name)
	o.inSync(r.grow(then))
	o.finish()
	noted(joining.name)

	first, _ := w.grown()
	r.remove("staff.yaml")
	hash := r.grow(first)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	for _, order := range orders {
		for _, args := range order.before {
			w.want(0, append(slices.Clone(args), "--host", w.host())...)
		}
		w.left(order, hash, false)
		k.knows(w.callers())
		manager.Reset()
		w.want(0, append(order.with(hash), "--host", manager.Host())...)
		noted(order.name)
		w.left(order, hash, true)
		w.want(0, "resume", "Service/web", "--host", w.host(), "--name", "failing") // for the next one
	}

	patient := w.repo("patient", map[string]string{"p.yaml": placeless("patient", "patient")})
	process := patient.waitsForRoom(manager.Host())
	k.knows(w.callers())
	manager.Reset()
	w.makesRoom("patient")
	if said := w.end(process); said.code != 0 {
		t.Fatalf("it says %s", said)
	}
	noted(waiting)
	ordered.patterns = out
	return out
}

// waiting is the recording of the calls that apply --wait makes once it has begun to wait.
const waiting = "apply --wait"

// aWhile is how many calls fail if the error ends by itself: fewer than the looks, and the tries to write, after which an apply
// gives up.
const aWhile = 3

// whileItWaits tries the combination with an apply that waits for a roll-out when calls begin to fail. An error that ends
// after a while makes no difference. Otherwise the apply gives up and says why or, if only the outcome cannot be written, says
// that. It leaves the lease free, unless calls about the lease fail.
func (f *forEver) whileItWaits() {
	f.callers = f.world.callers()
	f.repo = f.world.repo("failing", map[string]string{"a.yaml": placeless("failing-a", "a-while")})
	f.lift()
	f.spoils(f.swarm.Managers()[0])
	process := f.repo.waitsForRoom(f.proxies[0].Host())
	f.fall(aWhile)
	f.makesRoom("a-while")
	// A call whose answer never ends takes all the time that an apply has to write the outcome.
	slow := f.answer.name == "endless"
	if out := f.endWithin(3*patience, process); out.code != 0 || !slow && strings.Contains(out.errs, unrecorded) {
		f.Errorf("the error ends after %d calls, and it says %s", aWhile, out)
	}
	if !slow {
		f.rolledOut(f.head())
	}
	f.free()

	f.repo.commit("another one", map[string]string{"b.yaml": placeless("failing-b", "for-ever")})
	f.lift()
	process = f.repo.waitsForRoom(f.proxies[0].Host())
	f.fall(0)
	f.makesRoom("for-ever")
	out := f.endWithin(3*patience, process)
	most, sum, since := f.tried()
	f.Logf("it made a call %d times, all together %d, and ends with %s", most, sum, out)
	record := strings.Contains(out.errs, unrecorded)
	switch {
	case out.code == 0 && !record: // no such call was made, or its failure made no difference
		f.rolledOut(f.head())
	case sum == 0 || out.code != 0 && out.code != 2:
		f.Errorf("it ends with %s", out)
	case out.code == 2 && !strings.Contains(out.errs, "giving up after 5 looks that failed"):
		f.Errorf("it does not say that it gives up: %s", out)
	case f.spoken() && !f.answer.names(f.calls, out.errs):
		f.Errorf("it does not name the call and the error: %s", out)
	}
	// It looks at the pace of a poll. A try to write the outcome may ask for the lease several times.
	if limit := f.perTry()*30 + int(time.Since(since)/(decide.Poll/2)); most > limit {
		f.Errorf("it made a call %d times, want at most %d", most, limit)
	}
	f.free()
	f.lift()
	f.want(0, "apply", "--host", f.host(), "--source", f.world.other().Dir) // others may act
	f.want(0, "apply", "--wait", "--host", f.proxies[0].Host(), "--source", f.repo.Dir)
	f.rolledOut(f.head())
}

// unrecorded is what an apply says that has seen the outcome and cannot write it.
const unrecorded = "the outcome could not be written to the memory of the source, so history does not show it"

// head returns the newest revision.
func (f *forEver) head() string {
	f.Helper()
	hash, err := f.repo.Head()
	if err != nil {
		f.Fatal(err)
	}
	return hash
}

// rolledOut checks that the memory says so of a revision.
func (f *forEver) rolledOut(hash string) {
	f.Helper()
	out := f.want(0, "history", "--name", "failing", "--host", f.host())
	for line := range strings.Lines(out.out) {
		if strings.HasPrefix(line, hash[:10]) && strings.Contains(line, state.RolledOut) {
			return
		}
	}
	f.Errorf("revision %.10s is not rolled out: %s", hash, out)
}

// free checks that nobody holds the lease. Whoever cannot give it back loses it soon.
func (f *forEver) free() {
	f.Helper()
	if f.is("GET /configs/{id} of the lease") || f.is("POST /configs/{id}/update of the lease") {
		return
	}
	if is := f.leaseIs(); is != "free" && is != "left" {
		f.Errorf("the lease is %s", is)
	}
}

// with returns the command with the revision in force.
func (o order) with(hash string) []string {
	args := slices.Clone(o.args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "HASH", hash)
	}
	return args
}

// gives tries the combination with one command of a person. It ends by itself, and says what failed. When the error
// ends, the same command does what it is for.
func (f *forEver) gives(o order) {
	first, _ := f.grown()
	f.repo = f.world.repo("failing", first)
	hash, err := f.repo.Head()
	if err != nil {
		f.Fatal(err)
	}
	f.want(0, "apply", "--host", f.host(), "--source", f.repo.Dir)
	for _, args := range o.before {
		f.want(0, append(slices.Clone(args), "--host", f.host())...)
	}
	f.left(o, hash, false)
	f.callers = f.world.callers()
	f.spoils(f.swarm.Managers()[0])
	p, err := harness.Start(binary, f.env(), append(o.with(hash), "--host", f.proxies[0].Host())...)
	if err != nil {
		f.Fatal(err)
	}
	out := f.endWithin(3*patience, p)
	most, sum, _ := f.tried()
	f.Logf("it made a call %d times, all together %d, and ends with %s", most, sum, out)
	switch {
	case out.code == 0 && sum > 0 && f.answer.names(f.calls, out.errs): // a note says what is left to do
	case out.code == 0: // no such call was made, or its failure made no difference
		f.left(o, hash, true)
	case out.code != 2 || sum == 0:
		f.Errorf("it ends with %s", out)
	case f.spoken() && !f.answer.names(f.calls, out.errs):
		f.Errorf("it does not name the call and the error: %s", out)
	}
	f.lift()
	f.want(0, append(o.with(hash), "--host", f.host())...)
	f.left(o, hash, true)
	f.want(0, "apply", "--host", f.host(), "--source", f.world.other().Dir)
}

// left checks what is there after an order, or before it if done is false. hash is the revision in force.
func (w *world) left(o order, hash string, done bool) {
	w.Helper()
	list, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	var configs []*swarm.Config
	for i := range list.Items {
		configs = append(configs, &list.Items[i])
	}
	found, err := state.NewStore("failing", nil).Find(configs)
	if err != nil {
		w.Fatal(err)
	}
	l := ordersLeft{found.Memory, state.Holds(configs), hash}
	if o.done(l) != done {
		w.Errorf("%s is carried out: want %t; there are the holds %+v, the approvals %+v, given up is %v, and confirmed was at %s",
			o.name, done, l.holds, l.memory.Approvals, l.memory.Released, l.memory.Resumed)
	}
}
