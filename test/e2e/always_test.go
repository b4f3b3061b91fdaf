package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

// unspoken are calls whose failure needs no condition, with the reason.
var unspoken = map[string]string{
	"GET /distribution/{id}/json":      "the image is deployed by its tag, as docker service create does",
	"DELETE /configs/{id} of a memory": "a memory that was replaced is out of use, and is removed after the next one",
	"GET /configs of the lease":        "only who asks for the status reads it so",
	"any /distribution":                "the same as for its only call",
}

// doomed is a combination: who calls and what for, which calls fail, and how they fail.
type doomed struct {
	scene     scene
	order     *order // nil if no command of a person is tried
	waits     bool   // whether an apply waits for a roll-out when calls begin to fail
	operators int    // 0 means apply, or the order
	calls     string
	answer    always
}

func (d doomed) name() string {
	who := "apply"
	switch {
	case d.waits:
		who = waiting
	case d.order != nil:
		who = d.order.name
	case d.operators > 0:
		who = fmt.Sprintf("%d operators", d.operators)
	}
	if d.scene.name != "" {
		who += ", " + d.scene.name
	}
	return fmt.Sprintf("%s/%s/%s", who, strings.NewReplacer("/", "|", " ", "_").Replace(d.calls), d.answer.name)
}

// is reports whether a call with that pattern is among those that fail. calls is the pattern itself, or a group such
// as "any", "any GET" or "any /services".
func (d doomed) is(pattern string) bool {
	group, isGroup := strings.CutPrefix(d.calls, "any")
	method, path, _ := strings.Cut(pattern, " ")
	switch group = strings.TrimSpace(group); {
	case !isGroup:
		return pattern == d.calls
	case group == "":
		return true
	case group == "write":
		return method != http.MethodGet && method != http.MethodHead
	}
	return method == group || path == group || strings.HasPrefix(path, group+"/") || strings.HasPrefix(path, group+" ")
}

// groups returns the groups of calls that fail together.
func groups(patterns []string) []string {
	out := []string{"any", "any GET", "any write", "any POST", "any DELETE"}
	for _, p := range patterns {
		_, path, _ := strings.Cut(p, " /")
		first, _, _ := strings.Cut(strings.Fields(path)[0], "/")
		if g := "any /" + first; !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// combinations returns all combinations, in an order that has nothing to do with their content. patterns are the calls of
// the scene growing, and others those of the other scenes and of orders.
func combinations(patterns []string, others map[string][]string) []doomed {
	out := growing.combinations(patterns)
	for _, s := range []scene{leaving, joining} {
		out = append(out, s.combinations(slices.DeleteFunc(slices.Clone(others[s.name]), func(calls string) bool {
			return !ofNodes(calls) && slices.Contains(patterns, calls) // that is tried already
		}))...)
	}
	for i := range orders {
		for _, calls := range others[orders[i].name] {
			for _, a := range everlasting {
				out = append(out, doomed{order: &orders[i], calls: calls, answer: a})
			}
		}
	}
	if made := others[waiting]; len(made) > 0 {
		for _, calls := range append(groups(made), made...) {
			for _, a := range everlasting {
				out = append(out, doomed{waits: true, calls: calls, answer: a})
			}
		}
	}
	sum := func(d doomed) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(d.name()))
		return h.Sum64()
	}
	slices.SortFunc(out, func(a, b doomed) int {
		if sum(a) < sum(b) {
			return -1
		}
		return 1
	})
	return out
}

// ofNodes reports whether calls with that pattern are about nodes or the swarm itself.
func ofNodes(calls string) bool {
	_, path, _ := strings.Cut(calls, " ")
	return slices.ContainsFunc([]string{"/nodes", "/swarm", "/info", "/tasks"}, func(of string) bool { return strings.HasPrefix(path, of) })
}

// combinations returns the combinations of a scene. patterns are its calls.
func (s scene) combinations(patterns []string) []doomed {
	var out []doomed
	add := func(calls string, a always, operators ...int) {
		for _, n := range operators {
			out = append(out, doomed{scene: s, operators: n, calls: calls, answer: a})
		}
	}
	together := groups(patterns)
	for _, calls := range append(together, patterns...) {
		for _, a := range everlasting {
			if add(calls, a, 0, 1); s.name == "" || slices.Contains(together, calls) {
				add(calls, a, 3)
			}
		}
	}
	for _, calls := range patterns {
		if strings.Contains(calls, " of ") || strings.HasPrefix(calls, "POST /swarm") && !strings.HasSuffix(calls, "/update") {
			continue // the operator's own records are read back by others; joining needs an answer
		}
		if strings.HasSuffix(calls, "/update") {
			add(calls, noEffect, 0, 1)
			if s.name == "" {
				add(calls, noEffect, 3)
			}
		}
		if strings.HasPrefix(calls, http.MethodDelete) { // a long-running operator believes it until it reads everything again
			add(calls, noEffect, 0)
		}
	}
	return out
}

var everyCall = flag.Bool("forever", false, "let every call fail for ever in every way, which takes hours; -full takes a part of that, another one each time")

// atOnce is how many combinations a run takes without -full. Each commit takes the next ones.
const atOnce = 1

// found are combinations that have found a fault before. A third of them is tried each time.
var found = []string{
	"apply/DELETE_|secrets|{id}/404",
	"apply/DELETE_|services|{id}/no effect",
	"apply/GET_|tasks_by_service/500",
	"1 operators/POST_|services|{id}|update/no effect",
	"1 operators/POST_|configs|create_of_a_memory/409",
	"3 operators/POST_|configs|{id}|update_of_the_lease/out of sequence",
	"3 operators/any_POST/endless",
}

// staffFound are those of the other scenes, which are played on the sandbox only: the operator reacts in the same way on
// engines.
var staffFound = []string{
	"1 operators, joining/GET_|nodes|{id}/503",
	"1 operators, leaving/GET_|tasks_by_node/out of sequence",
	"1 operators, leaving/GET_|nodes|{id}/404",
	"3 operators, joining/any_POST/500 after",
	"apply --wait/POST_|configs|{id}|update_of_the_lease/503",
}

// An engine answers some call, or all of a kind, with the same error for ever. Operators that meet it back off
// together. The lease is free in between, so another source can act. The status tells what fails, in the engine's
// words. Nothing ends and nothing is lost. When the error ends, the wanted state comes about without anybody's help.
// An apply ends by itself and says what failed, also if calls fail only after it has begun to wait for a roll-out. The
// calls are recorded from a run, not listed here.
func TestWhateverFailsForEver(t *testing.T) {
	t.Parallel()
	patterns := recordCalls(t) // meanwhile the next test makes the other recording
	found := slices.Clone(found)
	var others map[string][]string
	if *swarmKind == onSandbox {
		found, others = append(found, staffFound...), recordScenes(t)
	}
	all := combinations(patterns, others)
	for _, name := range found {
		if !slices.ContainsFunc(all, func(d doomed) bool { return d.name() == name }) {
			t.Errorf("no combination is called %s", name)
		}
	}
	again := turn.Part(3, found)
	chosen := func(i int, d doomed) bool { // thousands of combinations take hours of a processor
		n, begin := len(all), turn.Commits()%len(all)*atOnce
		switch {
		case *everyCall, slices.Contains(again, d.name()):
			return true
		case *swarmKind == onEngines: // the operator reacts in the same way there
			return false
		case *full: // as many as a twenty-fourth of those that there are in the scene growing
			share := turn.Samples * max(1, n/2000)
			return ((i-turn.Commits())%share+share)%share == 0
		}
		return ((i-begin)%n+n)%n < atOnce
	}
	for i, d := range all {
		if !chosen(i, d) {
			continue
		}
		t.Run(d.name(), func(t *testing.T) {
			t.Parallel()
			workers := 0
			if d.scene.node || d.waits {
				workers = 1
			}
			f := &forEver{doomed: d, world: newWorld(t, size{max(1, d.operators), workers}), hits: map[string]int{}}
			f.swarm.Spoil()
			switch {
			case d.order != nil:
				f.gives(*d.order)
			case d.waits:
				f.whileItWaits()
			case d.operators == 0:
				f.onceOnly()
			default:
				f.forEver()
			}
		})
	}
}

// forEver is one combination of an error and a call. The calls fail with that error until the test lifts it.
type forEver struct {
	*world
	doomed
	callers *callers
	repo    *repo
	proxies []*harness.Proxy

	mu     sync.Mutex
	lifted bool
	limit  int            // how many more calls fail before the error ends by itself; 0 means that it does not
	hits   map[string]int // by what the calls were about
	first  time.Time      // when the first call came
}

// begin applies the first revisions, commits the last one, and lets calls fail.
func (f *forEver) begin() (hash string) {
	f.Helper()
	host, worker := "", (*harness.Proxy)(nil)
	if f.scene.node {
		worker = f.proxyTo(f.swarm.Workers()[0])
		host = worker.Host()
	}
	before, then := f.scene.revisions(f.world, host)
	f.repo = f.world.repo("failing", before[0])
	for i, files := range before {
		if i > 0 {
			f.repo.grow(files)
		}
		f.want(0, "apply", "--host", f.host(), "--source", f.repo.Dir)
	}
	f.callers = f.world.callers()
	if worker != nil {
		f.spoil(worker)
	}
	f.spoils(f.swarm.Managers()[:max(1, f.operators)]...)
	return f.repo.grow(then)
}

// spoils puts proxies before the engines of nodes, through which calls fail.
func (f *forEver) spoils(nodes ...string) {
	f.Helper()
	for _, node := range nodes {
		p := f.proxyTo(node)
		f.spoil(p)
		f.proxies = append(f.proxies, p)
	}
}

// spoil lets the calls that go through a proxy fail.
func (f *forEver) spoil(p *harness.Proxy) {
	p.Before(func(c harness.Call) error { return f.answers(c, f.answer.before, f.answer.before != nil) })
	p.After(func(c harness.Call) error {
		f.callers.made(c)
		return f.answers(c, f.answer.after, f.answer.before == nil)
	})
}

// answers returns what the proxy answers to a call. nil lets the call through.
func (f *forEver) answers(c harness.Call, answer func(harness.Call) error, counts bool) error {
	if !counts || !f.is(f.callers.pattern(c)) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lifted {
		return nil
	}
	if len(f.hits) == 0 {
		f.first = time.Now()
	}
	f.hits[object(c)]++
	if f.limit--; f.limit == 0 {
		f.lifted = true
	}
	return answer(c)
}

func (f *forEver) lift() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lifted = true
}

// fall lets the next calls fail, as many as limit says, or all of them if it is 0.
func (f *forEver) fall(limit int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lifted, f.limit, f.hits = false, limit, map[string]int{}
}

// tried returns how often the most frequent call was made, how many calls were made in all, and when the first one
// came.
func (f *forEver) tried() (most, sum int, since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.hits {
		most, sum = max(most, n), sum+n
	}
	return most, sum, f.first
}

// spoken reports whether the failure has to be told.
func (f *forEver) spoken() bool { return unspoken[f.calls] == "" }

// onceOnly tries the combination with one apply.
func (f *forEver) onceOnly() {
	f.begin()
	args := []string{"apply", "--host", f.proxies[0].Host(), "--source", f.repo.Dir}
	p, err := harness.Start(binary, f.env(), args...)
	if err != nil {
		f.Fatal(err)
	}
	// An engine that never ends its answers takes half a minute of each of five tries, and of what is asked before.
	out := f.endWithin(3*patience, p)
	most, sum, since := f.tried()
	switch {
	case sum == 0:
		f.Logf("apply made no such call")
		if out.code != 0 {
			f.Errorf("nothing failed, and it says %s", out)
		}
	case out.code == 0: // the error was told in another way, or made no difference
		f.inSync()
	case out.code != 2:
		f.Errorf("it ends with %s", out)
	case f.spoken() && !f.answer.names(f.calls, out.errs):
		f.Errorf("it does not name the call and the error: %s", out)
	}
	// An apply that waits for a node that leaves, or for a roll-out while it cannot list volumes, looks at everything at the
	// pace of a poll.
	polls := 0
	if (f.scene.node || strings.Contains(f.calls, "/volumes")) && (strings.HasPrefix(f.calls, http.MethodGet) || strings.HasPrefix(f.calls, "any")) {
		polls = int(time.Since(since) / (decide.Poll / 2))
	}
	if most > f.perTry()*12+polls {
		f.Errorf("it made a call %d times, all together %d", most, sum)
	}
	f.lift()
	f.want(0, "apply", "--host", f.host(), "--source", f.world.other().Dir)
	f.want(0, args...)
	f.inSync()
}

func (f *forEver) inSync() {
	f.Helper()
	f.want(0, "diff", "--host", f.host(), "--source", f.repo.Dir)
}

// enough is how many tries are watched.
const enough = 4

// forEver tries the combination with one or more operators.
func (f *forEver) forEver() {
	hash := f.begin()
	var all []*operator
	for _, p := range f.proxies {
		all = append(all, f.operate(p.Host(), f.repo, "--repair-after", "0s"))
	}
	f.watch(all, hash)
	f.want(0, "apply", "--host", f.host(), "--source", f.world.other().Dir) // the lease is free between tries
	f.backedOff()
	f.told(all, hash)
	for _, o := range all {
		if health := o.answers("/healthz"); health != http.StatusOK {
			f.Errorf("/healthz answers %d", health)
		}
	}
	f.lift()
	for _, o := range all {
		o.inSync(hash)
	}
	f.inSync()
}

// watch waits for enough tries, or until the revision is in force in spite of the error.
func (f *forEver) watch(all []*operator, hash string) {
	f.Helper()
	f.eventually(func() error {
		done := true
		for _, o := range all {
			if !o.Running() {
				f.Fatalf("an operator has ended: %s", tail(o.Stderr(), 20))
			}
			done = done && f.there(o, hash) == nil
		}
		most, sum, since := f.tried()
		if done || most >= enough || sum > 0 && time.Since(since) > watched {
			return nil
		}
		return fmt.Errorf("it was tried %d times, %d all together", most, sum)
	})
}

// watched is how long it takes to see that an operator does not back off. Fewer than one try in that time is good
// too.
const watched = 10 * time.Second

// there returns an error if an operator has not brought the revision into force and in sync.
func (f *forEver) there(o *operator, hash string) error {
	r, err := o.Report(f.Context())
	switch {
	case err != nil:
		return err
	case r.Applied != hash || !r.Is("InSync", true) || trouble(r.Conditions) != "":
		return fmt.Errorf("revision %s is not in force and in sync: %s", hash, brief(r))
	}
	return nil
}

// perTry returns how often one try makes a call. If a connection is cut off, net/http repeats a GET on each
// connection that it has kept.
func (f *forEver) perTry() int {
	if strings.HasPrefix(f.answer.name, "cut off") {
		return 8
	}
	return 1
}

// backedOff compares the number of tries with the back-off. Each operator may try twice at first, because the first
// refusal only makes it look again. Requests for the status, and changes by others, make it look as well.
func (f *forEver) backedOff() {
	f.Helper()
	most, sum, since := f.tried()
	if sum == 0 {
		f.Logf("no such call was made")
		return
	}
	took := time.Since(since)
	n := 1
	for pause := time.Duration(0); pause < took; n++ {
		pause += paced(plan.BackOff(n))
	}
	limit := f.operators * (2*n + 6) * f.perTry()
	// An operator that waits for the lease looks once a second
	if !strings.HasPrefix(f.calls, "POST") && !strings.HasPrefix(f.calls, "DELETE") {
		limit += f.operators * int(took/paced(state.LeaseLook))
	}
	calls := 0
	for _, p := range f.proxies {
		calls += len(p.Calls())
	}
	f.Logf("a call was tried %d times, all of them %d times, within %s; at most %d", most, sum, took.Round(time.Second/10), limit)
	if most > limit {
		f.Errorf("a call was tried %d times within %s, want at most %d", most, took, limit)
	}
	if limit := f.operators * (40*n + 120 + 15*int(took/paced(state.LeaseLook))); calls > limit {
		f.Errorf("%d calls were made within %s, want at most %d", calls, took, limit)
	}
}

// trouble returns what conditions say about the engine, or "" if they say nothing.
func trouble(all []harness.Condition) string {
	var out strings.Builder
	for _, c := range all {
		if c.Type == "EngineReady" && !c.Status || (c.Type == "StepFailed" || c.Type == "EventsMissing") && c.Status {
			fmt.Fprintf(&out, "%s %s: %s\n", c.Type, c.Reason, c.Message)
		}
	}
	return out.String()
}

// told waits until each operator names the call and the error in its status and its report, or has succeeded in spite
// of it.
func (f *forEver) told(all []*operator, hash string) {
	f.Helper()
	if !f.spoken() {
		return
	}
	for _, o := range all {
		f.eventually(func() error {
			if f.there(o, hash) == nil {
				return nil
			}
			_, body, err := o.Get(f.Context(), "/api/v1/status")
			if err != nil {
				return err
			}
			var s struct {
				Conditions []harness.Condition
				Refused    []harness.Refusal
			}
			if err := json.Unmarshal([]byte(body), &s); err != nil {
				return err
			}
			text := trouble(s.Conditions)
			for _, r := range s.Refused { // the engine is of use without the list of volumes, so only the plan says what waits for it
				if r.Guard == "unseen" {
					text += r.Why + "\n"
				}
			}
			if !f.answer.names(f.calls, text) {
				return fmt.Errorf("the status does not name the call and the error: %s", text)
			}
			return nil
		})
	}
}
