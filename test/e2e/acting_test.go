package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/lag"
)

// The product's promises. inFlight is how many writes may be under way at once, including the last one of the memory.
// leaseHolds is how long a lease that cannot be renewed stays valid for its holder.
const (
	inFlight   = 16 + 1
	leaseHolds = 9 * time.Second
)

// slowWrite is how long each service write of the disturbed instance takes. It makes sure that this instance holds the
// lease when the test disturbs it.
const slowWrite = time.Second

// actors are three operators of one source, each on a manager of its own.
type actors struct {
	*world
	repo    *repo
	lags    bool // each operator reads a clone of its own, which gets commits later
	rand    *rand.Rand
	now     []*actor
	past    []*actor // processes that have ended
	caught  atomic.Pointer[actor]
	begun   chan *actor
	release func()
	let     atomic.Pointer[chan struct{}] // when this is closed, writes are no longer slowed down

	pulls   sync.WaitGroup
	pulling sync.Mutex
	// revision, hash and services say what the last commit wants. services has, for each service, the commit that
	// changed it last.
	revision int
	hash     string
	services map[string]int
	ids      map[string]string // of services that must stay the same object
}

// actor is one process, with a proxy that no other process uses.
type actor struct {
	*operator
	all   *actors
	node  string
	index int
	proxy *harness.Proxy
	clone *harness.Repo // nil if it reads the shared repository
	cut   atomic.Int32
	froze bool
	hung  []period // when its engine hung
}

type period struct{ from, to time.Time }

// How an actor is cut off from its engine.
const (
	connected = iota
	noCalls   // no call gets through
	noAnswers // calls under way are carried out, and no answer gets through
)

func (w *world) actors(name string, seed uint64, lags bool) *actors {
	w.Helper()
	a := &actors{
		world: w, lags: lags, rand: rand.New(rand.NewPCG(seed, 1)), begun: make(chan *actor, 1), services: map[string]int{}, ids: map[string]string{},
	}
	a.repo = w.repo(name, nil)
	a.commit(false)
	for i, node := range w.swarm.Managers() {
		a.now = append(a.now, a.start(i, node, nil))
	}
	a.settle()
	return a
}

// start starts an operator on a manager.
func (a *actors) start(index int, node string, clone *harness.Repo) *actor {
	a.Helper()
	x := &actor{all: a, node: node, index: index, proxy: a.proxyTo(node), clone: clone}
	r := a.repo
	if a.lags && clone == nil {
		var err error
		if x.clone, err = a.repo.Clone(filepath.Join(a.TempDir(), "clone")); err != nil {
			a.Fatal(err)
		}
	}
	if x.clone != nil {
		r = &repo{x.clone, a.world}
	}
	x.proxy.Before(x.before)
	x.proxy.After(x.after)
	x.operator = a.operate(x.proxy.Host(), r, "--instance", node, "--repair-after", "0s", "--log-level", "debug")
	return x
}

// before slows down the actor that is to be caught while it acts.
func (x *actor) before(c harness.Call) error {
	if x.cut.Load() != connected {
		return harness.ErrCut
	}
	if !c.Write() || !strings.HasPrefix(c.Path, "/services/") {
		return nil
	}
	if x.all.caught.Load() == armed && x.all.caught.CompareAndSwap(armed, x) {
		x.all.begun <- x
	}
	if x.all.caught.Load() == x {
		select {
		case <-time.After(slowWrite):
		case <-*x.all.let.Load():
		}
	}
	if x.cut.Load() == noCalls {
		return harness.ErrCut
	}
	return nil
}

func (x *actor) after(harness.Call) error {
	if x.cut.Load() != connected {
		return harness.ErrCut
	}
	return nil
}

// armed stands for the actor that writes a service next.
var armed = &actor{}

// catch waits until an actor acts on the last commit, and returns it. From then on that actor is slow.
func (a *actors) catch() *actor {
	a.Helper()
	select {
	case x := <-a.begun:
		return x
	case <-time.After(patience):
		a.Fatalf("nobody acts: %s", a.conditions())
	}
	return nil
}

// arm makes the next actor that acts be caught, and its writes slow until release is called.
func (a *actors) arm() (release func()) {
	let := make(chan struct{})
	a.let.Store(&let)
	a.caught.Store(armed)
	return sync.OnceFunc(func() { close(let) })
}

// others returns the actors that were not caught.
func (a *actors) others(x *actor) []*actor {
	return slices.DeleteFunc(slices.Clone(a.now), func(y *actor) bool { return y == x })
}

// again starts a new process for an actor that has ended.
func (a *actors) again(x *actor) {
	a.Helper()
	a.past = append(a.past, x)
	i := slices.Index(a.now, x)
	a.now[i] = a.start(x.index, x.node, x.clone)
}

// commit makes the next revision. It changes a chain of services that wait for each other, two services with a config
// that gets new content, and some others. It adds one service and removes one.
func (a *actors) commit(removes bool) {
	a.Helper()
	a.revision++
	n := a.revision
	for _, name := range []string{"chain-0", "chain-1", "chain-2", "reads-0", "reads-1"} {
		a.services[name] = n
	}
	var plain []string
	for name := range a.services {
		if strings.HasPrefix(name, "plain-") {
			plain = append(plain, name)
		}
	}
	slices.Sort(plain)
	a.rand.Shuffle(len(plain), func(i, j int) { plain[i], plain[j] = plain[j], plain[i] })
	if removes && len(plain) > 3 {
		delete(a.services, plain[0])
		delete(a.ids, plain[0])
		a.repo.remove(plain[0] + ".yaml")
		plain = plain[1:]
	}
	for _, name := range plain[:min(2, len(plain))] {
		a.services[name] = n
	}
	if len(plain) < 4 {
		a.services[fmt.Sprintf("plain-%03d", n)] = n
	}
	files := map[string]string{"conf.yaml": config("conf", fmt.Sprintf("%d\n", n))}
	for name, v := range a.services {
		if v == n {
			files[name+".yaml"] = a.manifest(name, v)
		}
	}
	a.hash = a.repo.commit(fmt.Sprint(n), files)
	if a.lags {
		for _, x := range a.now {
			if x.clone != nil {
				a.pull(x)
			}
		}
	}
}

// pull gives the last commit to a clone after a random time.
func (a *actors) pull(x *actor) {
	hash, from, clone := a.hash, a.repo.Repo, x.clone
	lag := time.Duration(a.rand.IntN(2000)) * time.Millisecond
	a.pulls.Go(func() {
		time.Sleep(lag)
		a.pulling.Lock()
		defer a.pulling.Unlock()
		if err := clone.Pull(from, hash); err != nil {
			a.Error(err)
		}
	})
}

func (a *actors) manifest(name string, v int) string {
	spec := []string{"image: app:1", "replicas: 0", fmt.Sprintf("environment: {V: \"%d\"}", v)}
	if strings.HasPrefix(name, "reads-") {
		spec = append(spec, "configs: [conf]")
	}
	text := service(name, spec...)
	if n, is := strings.CutPrefix(name, "chain-"); is && n != "0" {
		before, _ := strconv.Atoi(n)
		text = policy(text, fmt.Sprintf("dependsOn: [Service/chain-%d]", before-1))
	}
	return text
}

// conditions returns what each actor says of itself.
func (a *actors) conditions() string {
	var b strings.Builder
	for _, x := range a.now {
		if r, err := x.Report(a.Context()); err != nil {
			fmt.Fprintf(&b, "\n%s: %v", x.node, err)
		} else {
			fmt.Fprintf(&b, "\n%s: %s", x.node, brief(r))
		}
	}
	return b.String()
}

// settle waits until no actor has anything left to do for the last commit, and checks that nothing of it is lost.
func (a *actors) settle() {
	a.Helper()
	a.pulls.Wait()
	for _, x := range a.now {
		x.inSync(a.hash)
	}
	a.want(0, "diff", "--host", a.host(), "--source", a.repo.Dir)
	is, want := map[string]int{}, a.services
	for _, s := range a.world.services() {
		is[s.Spec.Name] = versionOf(s.Spec)
		if id, known := a.ids[s.Spec.Name]; known && id != s.ID {
			a.Errorf("%s was made anew", s.Spec.Name)
		}
		a.ids[s.Spec.Name] = s.ID
	}
	if !maps.Equal(is, want) {
		a.Errorf("services are %v, want %v", is, want)
	}
}

// versionOf returns the commit that a service's spec comes from, or 0 if the service is not ours.
func versionOf(s swarm.ServiceSpec) int {
	for _, e := range s.TaskTemplate.ContainerSpec.Env {
		if v, is := strings.CutPrefix(e, "V="); is {
			n, _ := strconv.Atoi(v)
			return n
		}
	}
	return 0
}

// write is a call that changes something other than the lease.
type write struct {
	harness.Call
	by    *actor
	epoch uint64
}

func (w write) refused() bool { return w.Status >= http.StatusBadRequest }

// lay reports whether the call waited in an engine that hung, and was carried out when the engine went on.
func (w write) lay() bool {
	return slices.ContainsFunc(w.by.hung, func(p period) bool {
		return w.At.Before(p.from.Add(paced(leaseHolds))) && w.Done.After(p.from) && (w.Done.Before(p.to) || lag.Between(p.to, w.Done).Machine < time.Second)
	})
}

func (w write) String() string {
	return fmt.Sprintf("%s %s, epoch %d: %s", w.At.Format("15:04:05.000"), w.by.node, w.epoch, w.Call)
}

// writes returns the writes of all actors, in the order in which they reached the proxies.
func (a *actors) writes() []write {
	var out []write
	for _, x := range slices.Concat(a.past, a.now) {
		for _, c := range x.proxy.Writes() {
			epoch, _ := strconv.ParseUint(c.Header.Get(engine.EpochHeader), 10, 64)
			out = append(out, write{c, x, epoch})
		}
	}
	slices.SortStableFunc(out, func(x, y write) int { return x.At.Compare(y.At) })
	return out
}

// inTurn checks that only one process acted at a time. Each epoch belongs to one process, and a write that arrives is
// of the newest epoch that has written.
//
// There are two gaps that no client can close, because the engine knows nothing of epochs. The version or the name in
// the call closes them.
//
// First, a process may be frozen between the last look at its lease and the first byte of the call. Such a call comes
// too late, and the engine must have refused it.
//
// Second, calls that were sent in time may wait in an engine that hangs until another process has acted. Nobody can
// know that when they are sent. Nothing that waits for an answer follows them, so there are no more of them than may
// be in flight at once. All of them were sent while the lease was valid by its holder's own clock. The other process
// then finds what they did, or is refused because of it. That nothing was done twice or undone because of this is
// checked by onceOnly.
func (a *actors) inTurn(writes []write) {
	a.Helper()
	of, newest := map[uint64]*actor{}, write{}
	var first []write // of each epoch
	for _, w := range writes {
		if w.epoch == 0 {
			a.Errorf("a write that stands under no lease: %s", w)
			continue
		}
		if of[w.epoch] == nil {
			of[w.epoch] = w.by
			first = append(first, w)
		}
		if of[w.epoch] != w.by {
			a.Errorf("two instances wrote under epoch %d: %s and %s", w.epoch, of[w.epoch].node, w)
		}
		switch {
		case w.epoch >= newest.epoch:
			newest = w
		case !w.by.froze || !w.refused():
			a.Errorf("an older epoch wrote\n%s\nafter\n%s", w, newest)
		}
	}
	late := map[uint64]int{}
	for _, w := range writes { // writes that waited somewhere until another process had acted
		i := slices.IndexFunc(first, func(f write) bool { return f.epoch > w.epoch })
		if i < 0 || w.refused() || !w.Done.After(first[i].At) {
			continue
		}
		if late[w.epoch]++; !w.lay() || late[w.epoch] > inFlight {
			a.Errorf("a write of an older epoch was carried out\n%s at %s, after the first one of the next\n%s", w, w.Done.Format("15:04:05.000"), first[i])
		}
	}
}

// onceOnly checks that nothing was done twice. For each service, each spec was accepted once, the newer after the
// older. The spec before the last is what a rollback would bring back.
func (a *actors) onceOnly(writes []write) {
	a.Helper()
	type done struct {
		write
		version int
		config  string
	}
	names, by := map[string]string{}, map[string][]done{}
	for _, w := range writes {
		if w.Status < 200 || w.Status > 299 || !strings.HasPrefix(w.Path, "/services/") || w.Method != http.MethodPost {
			continue
		}
		var spec swarm.ServiceSpec
		if err := json.Unmarshal(w.Body, &spec); err != nil {
			a.Fatal(err)
		}
		id := strings.TrimSuffix(strings.TrimPrefix(w.Path, "/services/"), "/update")
		if id == "create" {
			var made struct{ ID string }
			if err := json.Unmarshal(w.Answer, &made); err != nil {
				a.Fatal(err)
			}
			id = made.ID
		}
		names[id] = spec.Name
		d := done{write: w, version: versionOf(spec)}
		if configs := spec.TaskTemplate.ContainerSpec.Configs; len(configs) > 0 {
			d.config = configs[0].ConfigName
		}
		by[id] = append(by[id], d)
	}
	for id, all := range by {
		slices.SortStableFunc(all, func(x, y done) int { return x.Done.Compare(y.Done) }) // a call may wait on its way
		for i, d := range all {
			if i > 0 && (all[i-1].version > d.version || all[i-1].version == d.version && all[i-1].config == d.config) {
				a.Errorf("%s was written again\n%s\nafter\n%s", names[id], d, all[i-1])
			}
		}
		s, err := a.api.ServiceInspect(a.Context(), id, client.ServiceInspectOptions{})
		if err != nil {
			continue // it was removed, as settle knows
		}
		last := all[len(all)-1]
		if got := versionOf(s.Service.Spec); got != last.version {
			a.Errorf("%s is of commit %d, and the last write of it is %s", names[id], got, last)
		}
		if p := s.Service.PreviousSpec; len(all) > 1 && (p == nil || versionOf(*p) != all[len(all)-2].version) {
			a.Errorf("a rollback of %s would not bring back %s", names[id], all[len(all)-2])
		}
	}
	seen := map[string]bool{}
	for id, name := range names {
		if seen[name] {
			a.Errorf("%s was made twice, the second time as %s", name, id)
		}
		seen[name] = true
	}
}
