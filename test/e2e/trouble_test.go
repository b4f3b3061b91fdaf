package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	networks "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// refusing is an engine that always gives the same answer to calls about one object.
type refusing struct {
	tries atomic.Int32
	first atomic.Int64 // when the first one came
}

func (f *refusing) of(is func(harness.Call) bool, a harness.Answer) func(harness.Call) error {
	return func(c harness.Call) error {
		if !is(c) {
			return nil
		}
		if f.tries.Add(1) == 1 {
			f.first.Store(time.Now().UnixNano())
		}
		return &a
	}
}

func createsBad(c harness.Call) bool {
	return c.Path == "/services/create" && bytes.Contains(c.Body, []byte(`"Name":"bad"`))
}

func updatesBad(id string) func(harness.Call) bool {
	return func(c harness.Call) bool { return strings.HasPrefix(c.Path, "/services/"+id+"/update") }
}

// triesWithin returns how often operators may try a step within some time. With a back-off that doubles, n tries take at
// least 2^(n-2) times the first pause. Each try may be made twice: the first refusal of each instance only makes it look
// again.
func triesWithin(took time.Duration, operators int) int {
	most := 2 + operators
	for pause, sum := paced(500*time.Millisecond), time.Duration(0); sum < took; pause *= 2 {
		sum += pause
		most++
	}
	return most
}

// The engine always refuses a step, with an error that usually means that another writer was faster. All instances
// together try the step with one back-off. It is shown in the engine's words, and keeps nobody else from acting.
func TestWhatAlwaysFailsIsTriedWithOneBackOff(t *testing.T) {
	t.Parallel()
	for _, answer := range []struct {
		name   string
		update bool
		harness.Answer
	}{
		{"a name that is taken", false, harness.Answer{Status: 409, Message: "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service bad already exists"}},
		{"something that does not exist", false, harness.Answer{Status: 404, Message: "network nonet not found"}},
		{"an outdated version that is not", true, harness.Answer{Status: 500, Message: "rpc error: code = Unknown desc = update out of sequence"}},
		{"an object that is gone and is not", true, harness.Answer{Status: 404, Message: "service bad not found"}},
		{"something wrong", false, harness.Answer{Status: 400, Message: "rpc error: code = InvalidArgument desc = port '80' is already in use"}},
		{"something wrong, at length", false, harness.Answer{Status: 400, Message: "rpc error: code = InvalidArgument desc = it is wrong in many ways, " + strings.Repeat("and in one more, ", 8) + "and that is all"}},
	} {
		for _, operators := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d", answer.name, operators), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, size{operators, 0}).in(t)
				is := createsBad
				good := service("good", "image: app:1", "replicas: 0")
				r := w.repo("failing", map[string]string{"good.yaml": good})
				if answer.update {
					r.commit("there", map[string]string{"bad.yaml": service("bad", "image: app:1", "replicas: 0")})
					w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--name", "failing")
					is = updatesBad(w.service("bad").ID)
				}
				var f refusing
				var all []*operator
				for _, node := range w.swarm.Managers() {
					p := w.proxyTo(node)
					p.Before(f.of(is, answer.Answer))
					all = append(all, w.operate(p.Host(), r, "--name", "failing"))
				}
				hash := r.commit("bad", map[string]string{"bad.yaml": service("bad", "image: app:2", "replicas: 0"), "good.yaml": service("good", "image: app:2", "replicas: 0")})
				w.image("good", "app:2")
				words := strings.TrimSpace(answer.Message[strings.LastIndex(answer.Message, "= ")+1:])
				for _, o := range all {
					if c := o.condition("StepFailed", true); !strings.Contains(c.Message, "bad") || !strings.Contains(c.Message, words) {
						t.Errorf("the condition does not say what failed: %+v", c)
					}
				}
				for _, args := range [][]string{{"wait", "--revision", hash, "--timeout", "1s"}, {"history"}, {"status"}} {
					w.eventually(func() error { // a busy machine needs more than the second that wait has
						out := w.cli(append(args, "--host", w.host(), "--name", "failing")...)
						if text := out.out + out.errs; !strings.Contains(text, "Service/bad failed") || !strings.Contains(text, words) {
							return fmt.Errorf("%s does not say what fails, or not all of it: %s", args[0], out)
						}
						return nil
					})
				}
				other := w.repo("other", map[string]string{"o.yaml": service("other", "image: app:1", "replicas: 0")})
				// The lease is free between tries
				w.want(0, "apply", "--host", w.host(), "--source", other.Dir, "--name", "other")
				w.eventually(func() error {
					if n := f.tries.Load(); n < 4 {
						return fmt.Errorf("it was tried %d times", n)
					}
					return nil
				})
				took := time.Since(time.Unix(0, f.first.Load()))
				most := triesWithin(took, operators)
				if n := int(f.tries.Load()); n > most {
					t.Errorf("%d instances tried it %d times within %s, want at most %d", operators, n, took, most)
				}
				// A new revision is tried at once, and by itself ends the failure.
				r.commit("without it", map[string]string{"bad.yaml": service("bad-2", "image: app:1", "replicas: 0")})
				w.eventually(func() error {
					if _, there := w.find("bad-2"); !there {
						return fmt.Errorf("the next revision is not applied")
					}
					return nil
				})
				for _, o := range all {
					o.condition("StepFailed", false)
				}
			})
		}
	}
}

// apply ends by itself and prints what the engine says.
func TestApplySaysWhatTheEngineAlwaysRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("failing", map[string]string{"bad.yaml": service("bad", "image: app:1", "replicas: 0")})
	p := w.proxy()
	var f refusing
	p.Before(f.of(createsBad, harness.Answer{Status: http.StatusConflict, Message: "network with name bad already exists"}))
	out := w.want(2, "apply", "--host", p.Host(), "--source", r.Dir)
	if !strings.Contains(out.errs, "network with name bad already exists") {
		t.Errorf("it says %s", out)
	}
	if n := f.tries.Load(); n > 8 {
		t.Errorf("it was tried %d times", n)
	}
}

// A node's own network has the name of one to be made, and a service asks for another one of the node's. The engine takes
// neither, and nothing that the operator can read beforehand says so. One that is older than API 1.44 takes the network.
func TestWhatANodesOwnNetworkIsInTheWayOfIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.swarm.Spoil() // the next scenario would find the node's networks
	ids := map[string]string{}
	for _, name := range []string{"own", "apart"} {
		made, err := w.api.NetworkCreate(t.Context(), name, client.NetworkCreateOptions{Driver: "bridge"})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = made.ID
	}
	r := w.repo("nodes-own", map[string]string{
		"own.yaml":   network("own"),
		"apart.yaml": docs(fmt.Sprintf(head, "Network", "apart")+"spec: {external: true}\n", service("apart", "image: app:1", "replicas: 0", "networks: [apart]")),
		"free.yaml":  service("free", "image: app:1", "replicas: 0"),
	})
	var own, apart refusing
	count := func(f *refusing, path, name string) func(harness.Call) {
		return func(c harness.Call) {
			if c.Path == path && nameIn(c.Body) == name && f.tries.Add(1) == 1 {
				f.first.Store(time.Now().UnixNano())
			}
		}
	}
	counts := []func(harness.Call){count(&own, "/networks/create", "own"), count(&apart, "/services/create", "apart")}
	p := w.proxy()
	p.Before(func(c harness.Call) error {
		for _, f := range counts {
			f(c)
		}
		return nil
	})
	o := w.operate(p.Host(), r)
	w.image("free", "app:1")
	words := []string{"The network apart cannot be used with services"}
	refused := map[string]*refusing{"the service": &apart}
	if w.knows("1.44") { // older engines make a network of the swarm beside the node's own one
		words, refused["the network"] = append(words, "network with name own already exists"), &own
	}
	o.reports(func(r harness.Report) error {
		c, _ := r.Condition("StepFailed")
		for _, text := range words {
			if !c.Status || !strings.Contains(c.Message, text) {
				return fmt.Errorf("nothing says %q: %s", text, brief(r))
			}
		}
		return nil
	})
	w.want(0, "apply", "--host", w.host(), "--source", w.repo("other", map[string]string{"o.yaml": service("other", "image: app:1", "replicas: 0")}).Dir)
	w.eventually(func() error {
		for what, f := range refused {
			if n := f.tries.Load(); n < 4 {
				return fmt.Errorf("%s was tried %d times", what, n)
			}
		}
		return nil
	})
	for name, f := range refused {
		took := time.Since(time.Unix(0, f.first.Load()))
		if n, most := int(f.tries.Load()), triesWithin(took, 1); n > most {
			t.Errorf("%s was tried %d times within %s, want at most %d", name, n, took, most)
		}
	}
	w.want(2, "apply", "--host", w.host(), "--source", r.Dir).says(t, words...)
	if _, err := w.api.NetworkRemove(t.Context(), ids["own"], client.NetworkRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	r.remove("apart.yaml")
	o.inSync(r.commit("without the other one", nil))
	if got := w.networks(); !slices.Contains(got, "own") {
		t.Errorf("the networks of the swarm are %q", got)
	}
	o.condition("StepFailed", false)
}

// SwarmKit ignores case when it compares names. A name that differs only in case is found before anything is written.
func TestNamesThatDifferInCaseOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.createService(cliService("web", "app:1"), false)
	w.settled("web")
	p := w.proxy()
	r := w.repo("case", map[string]string{
		"a.yaml": service("Web", "image: app:1", "replicas: 0"), "b.yaml": service("free", "image: app:1", "replicas: 0"),
	})
	o := w.operate(p.Host(), r)
	w.image("free", "app:1")
	o.leaves("Service/Web", "never", "Service/web has this name")
	for _, c := range p.Writes() {
		if c.Path == "/services/create" && bytes.Contains(c.Body, []byte(`"Name":"Web"`)) {
			t.Errorf("it was tried: %s", c)
		}
	}
	// A name in other case is another service. The old one has to go first, which needs consent.
	r.commit("lower", map[string]string{"a.yaml": service("one", "image: app:1", "replicas: 0"), "b.yaml": service("free", "image: app:1", "replicas: 0")})
	w.image("one", "app:1")
	r.commit("upper", map[string]string{"a.yaml": service("ONE", "image: app:1", "replicas: 0")})
	o.leaves("Service/ONE", "consent", "Service/one has this name")
	if _, there := w.find("one"); !there {
		t.Error("the old one is gone, and nobody agreed to it")
	}
	r.commit("agreed\n\nConsent: replace", map[string]string{"readme.txt": "agreed"})
	w.image("ONE", "app:1")
	if s, there := w.find("one"); there && s.Spec.Name == "one" {
		t.Error("the old one is still there")
	}
}

// leaves waits until an object is left as it is, for a reason that contains text.
func (o *operator) leaves(object, class, text string) {
	o.w.Helper()
	o.reports(func(r harness.Report) error {
		for _, f := range r.Refused {
			if f.Object == object && f.Class == class && strings.Contains(f.Why, text) {
				return nil
			}
		}
		return fmt.Errorf("%s is not refused with %q: %s", object, text, brief(r))
	})
}

// Two services swap their ports. When somebody agrees to the gap, one of them is removed and made again, never both.
func TestPortsAreSwappedWithConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	published := func(n string, port int) string {
		return service(n, "image: app:1", "replicas: 1", fmt.Sprintf("ports: [{target: 80, published: %d}]", port), quick("pause"))
	}
	r := w.repo("swap", map[string]string{"a.yaml": published("a", 8081), "b.yaml": published("b", 8082), "c.yaml": published("c", 8083)})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	r.commit("swapped", map[string]string{"a.yaml": published("a", 8082), "b.yaml": published("b", 8081)})
	if out := w.want(1, "apply", "--host", w.host(), "--source", r.Dir); !strings.Contains(out.out, "Consent: replace") {
		t.Errorf("it does not ask: %s", out)
	}
	w.runs("a", 1)
	w.runs("b", 1)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait", "--consent", "replace Service/a")
	ports := func(want map[string]int) {
		t.Helper()
		for n, port := range want {
			w.runs(n, 1)
			if got := w.service(n).Endpoint.Ports; len(got) != 1 || int(got[0].PublishedPort) != port {
				t.Errorf("%s publishes %+v, want %d", n, got, port)
			}
		}
	}
	ports(map[string]int{"a": 8082, "b": 8081, "c": 8083})
	// A chain needs no consent: each service waits for the one before it.
	o := w.operate(w.host(), r)
	hash := r.commit("a chain", map[string]string{"a.yaml": published("a", 8080), "b.yaml": published("b", 8082), "c.yaml": published("c", 8081)})
	o.inSync(hash)
	ports(map[string]int{"a": 8080, "b": 8082, "c": 8081})
	if strings.Contains(o.Stderr(), "already in use") {
		t.Errorf("a round of it failed:\n%s", tail(o.Stderr(), 40))
	}
}

// A service has a new name, and an image that cannot be pulled. The old service stays.
func TestNothingIsRemovedForWhatDoesNotRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("renamed", map[string]string{"a.yaml": service("old", "image: app:1", "replicas: 2", quickRestart, quick("pause")), "b.yaml": service("b", "image: app:1", "replicas: 0")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	o := w.operate(w.host(), r)
	r.commit("renamed", map[string]string{"a.yaml": service("new", "image: nopull:1", "replicas: 2", quickRestart, quick("pause"))})
	o.leaves("Service/old", "never", "the roll-out of Service/new failed")
	w.runs("old", 2)
	r.commit("mended", map[string]string{"a.yaml": service("new", "image: app:2", "replicas: 2", quickRestart, quick("pause"))})
	w.eventually(func() error {
		if _, there := w.find("old"); there {
			if n := w.running("new"); n < 2 {
				return fmt.Errorf("new runs %d", n)
			}
			return fmt.Errorf("old is still there")
		}
		return nil
	})
	w.runs("new", 2)
}

// What a commit drops stays until all that the commit changes runs, whatever keeps that from running: also where the new
// has nothing to do with the old.
func TestNothingIsRemovedWhileItsRevisionDoesNotRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	for name, c := range map[string]struct{ before, bad string }{
		"paused":   {"image: app:1", "image: crash:1\n  updateConfig: {parallelism: 1, monitor: 1s, failureAction: pause}"},
		"returned": {"image: app:1", "image: crash:1\n  updateConfig: {parallelism: 1, monitor: 1s, failureAction: rollback}"},
		"waiting":  {"", "image: app:1\n  placement: {constraints: [node.labels.none == x]}"},
		"crashing": {"", "image: crash:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := w.in(t)
			changed := func(spec string) string {
				return service(name+"-new", spec, "replicas: 2", quickRestart, "stopGracePeriod: 1s")
			}
			files := map[string]string{"gone.yaml": service(name+"-gone", "image: app:1", "replicas: 1"), "beside.yaml": service(name+"-beside", "image: app:1", "replicas: 0")}
			if c.before != "" {
				files["new.yaml"] = changed(c.before)
			}
			r := w.repo("dropped-"+name, files)
			w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
			id := w.service(name + "-gone").ID
			r.remove("gone.yaml")
			r.commit("one changes, another goes", map[string]string{"new.yaml": changed(c.bad)})
			out := w.want(1, "apply", "--host", w.host(), "--source", r.Dir, "--wait", "--timeout", "15s")
			if s, there := w.find(name + "-gone"); !there || s.ID != id {
				t.Fatalf("it is gone, although %s-new does not run: %s", name, out)
			}
			w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, "- Service/"+name+"-gone", "Service/"+name+"-new")
			w.runs(name+"-gone", 1)
			r.commit("mended", map[string]string{"new.yaml": changed("image: app:2")})
			w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
			if _, there := w.find(name + "-gone"); there {
				t.Error("the new one runs, and the old one is still there")
			}
		})
	}
}

// A subnet that overlaps is found before anything is made. No service is put on a network that the swarm cannot
// allocate.
func TestNetworksThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	overlay := func(name, subnet string) {
		t.Helper()
		o := client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm", IPAM: &networks.IPAM{Driver: "default", Config: []networks.IPAMConfig{{Subnet: netip.MustParsePrefix(subnet)}}}}
		if _, err := w.api.NetworkCreate(t.Context(), name, o); err != nil {
			t.Fatal(err)
		}
	}
	overlay("handnet", "10.66.0.0/16")
	overlay("late", "10.66.7.0/24") // the swarm accepts it, and cannot allocate it
	net := func(name, subnet string) string {
		return fmt.Sprintf(head, "Network", name) + "spec: {ipam: {config: [{subnet: " + subnet + "}]}}\n"
	}
	p := w.proxy()
	r := w.repo("networks", map[string]string{
		"n.yaml": docs(net("inside", "10.66.1.0/24"), net("late", "10.66.7.0/24"), net("free", "10.68.0.0/24")),
		"s.yaml": docs(
			service("a", "image: app:1", "replicas: 1", "networks: [inside]"), service("b", "image: app:1", "replicas: 1", "networks: [late]"),
			service("c", "image: app:1", "replicas: 1", "networks: [free]"),
		),
	})
	o := w.operate(p.Host(), r)
	w.image("c", "app:1")
	w.runs("c", 1)
	o.leaves("Network/inside", "never", "Network/handnet has")
	o.leaves("Service/a", "never", "Network/handnet has")
	o.leaves("Network/late", "never", "cannot allocate it")
	o.leaves("Service/b", "never", "cannot allocate it")
	for _, c := range p.Writes() {
		if c.Path == "/networks/create" && bytes.Contains(c.Body, []byte("inside")) {
			t.Errorf("the network was made: %s", c)
		}
	}
	if out := w.cli("diff", "--host", w.host(), "--source", r.Dir); out.code != 1 || !strings.Contains(out.out, "Network/handnet") {
		t.Errorf("diff says %s", out)
	}
}

// taken returns a function that makes an overlay network once, as somebody else does, and waits until the swarm has
// allocated it.
func (w *world) taken(name string, o client.NetworkCreateOptions) func() {
	return sync.OnceFunc(func() {
		o.Driver, o.Scope = "overlay", "swarm"
		made, err := w.api.NetworkCreate(w.Context(), name, o)
		if err == nil {
			err = harness.Until(w.Context(), patience, func() error {
				n, err := w.api.NetworkInspect(w.Context(), made.ID, client.NetworkInspectOptions{})
				if err == nil && len(n.Network.IPAM.Config) == 0 {
					err = fmt.Errorf("network %s is not allocated", name)
				}
				return err
			})
		}
		if err != nil {
			w.Error(err)
		}
	})
}

// Somebody takes the subnet of a network, or its VXLAN ID, at the last moment. The swarm makes the network all the same
// and cannot allocate it, so that tasks on it would wait for ever. No service is put on it until it can be used.
func TestNoServiceIsPutOnANetworkThatIsNotAllocated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	const subnet, id = "10.67.1.0/24", "com.docker.network.driver.overlay.vxlanid_list"
	net := func(name, spec string) string { return fmt.Sprintf(head, "Network", name) + "spec: {" + spec + "}\n" }
	on := func(name, network string) string {
		return service(name, "image: app:1", "replicas: 1", "networks: ["+network+"]", "stopGracePeriod: 1s", quickRestart, quick("pause"))
	}
	r := w.repo("late", map[string]string{
		"nets.yaml": docs(net("before", ""), net("kept", "ipam: {config: [{subnet: 10.68.0.0/24}]}")), "a.yaml": on("a", "before"), "k.yaml": on("k", "kept"),
	})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	before := w.service("a")
	late := map[string]func(){
		"by-subnet": w.taken("their-subnet", client.NetworkCreateOptions{IPAM: &networks.IPAM{Driver: "default", Config: []networks.IPAMConfig{{Subnet: netip.MustParsePrefix("10.67.0.0/16")}}}}),
		"by-id":     w.taken("their-id", client.NetworkCreateOptions{Options: map[string]string{id: "7777"}}),
	}
	p := w.proxy()
	p.Before(func(c harness.Call) error {
		if take := late[nameIn(c.Body)]; c.Path == "/networks/create" && take != nil {
			take()
		}
		return nil
	})
	o := w.operate(p.Host(), r, "--resync", "1s")
	hash := r.commit("other networks", map[string]string{
		"more.yaml": docs(net("by-subnet", "ipam: {config: [{subnet: "+subnet+"}]}"), net("by-id", "driverOpts: {"+id+": '7777'}"), net("free", "")),
		"a.yaml":    on("a", "by-subnet"), "b.yaml": on("b", "by-id"), "c.yaml": on("c", "free"),
	})
	w.image("c", "app:1")
	w.runs("c", 1)
	for _, object := range []string{"Network/by-subnet", "Service/a", "Network/by-id", "Service/b"} {
		o.leaves(object, "never", "cannot allocate it")
	}
	w.runs("a", 1)
	if writes := writesTo(p.Calls(), before.ID); len(writes) > 0 {
		t.Errorf("a was written:\n%s", lines(writes))
	}
	if err := w.absent("b"); err != nil {
		t.Error(err)
	}

	t.Log("it can be used once nothing is in its way")
	for _, name := range []string{"their-subnet", "their-id"} {
		if _, err := w.api.NetworkRemove(t.Context(), name, client.NetworkRemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	o.inSync(hash)
	w.runs("a", 1)
	w.runs("b", 1)

	t.Log("a network under another name with its subnet: the plan names both, and lists the one that goes")
	r.commit("renamed", map[string]string{
		"nets.yaml": docs(net("before", ""), net("renamed", "ipam: {config: [{subnet: 10.68.0.0/24}]}")), "k.yaml": on("k", "renamed"),
	})
	o.leaves("Network/renamed", "never", "subnet 10.68.0.0/24, which Network/kept has")
	o.leaves("Service/k", "never", "Network/kept")
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir).says(t, "which Network/kept has", "! - Network/kept  (in-use, later) it is used by Service/k")
	w.runs("k", 1)
}

// A network that the swarm could not allocate follows git: no task can have joined it, so nobody is asked. What others
// made stays, and the reason says how it goes.
func TestANetworkThatIsNotAllocatedFollowsGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	net := func(name, spec string) string { return fmt.Sprintf(head, "Network", name) + "spec: {" + spec + "}\n" }
	subnet := func(at string) string { return "ipam: {config: [{subnet: " + at + "}]}" }
	on := func(name, network string) string {
		return service(name, "image: app:1", "replicas: 1", "networks: ["+network+"]")
	}
	overlay := func(at string) client.NetworkCreateOptions {
		return client.NetworkCreateOptions{IPAM: &networks.IPAM{Driver: "default", Config: []networks.IPAMConfig{{Subnet: netip.MustParsePrefix(at)}}}}
	}
	theirs := overlay("10.67.9.0/24")
	theirs.Driver, theirs.Scope = "overlay", "swarm"
	take := w.taken("in-the-way", overlay("10.67.0.0/16"))
	p := w.proxy()
	p.Before(func(c harness.Call) error {
		if c.Path == "/networks/create" {
			take()
		}
		return nil
	})
	r := w.repo("unallocated", map[string]string{
		"moved.yaml": docs(net("moved", subnet("10.67.1.0/24")), on("a", "moved")), "freed.yaml": docs(net("freed", subnet("10.67.2.0/24")), on("b", "freed")),
		"gone.yaml": docs(net("gone", subnet("10.67.3.0/24")), on("c", "gone")), "used.yaml": net("used", subnet("10.67.4.0/24")),
	})
	o := w.operate(p.Host(), r)
	for _, object := range []string{"Network/moved", "Network/freed", "Network/gone", "Network/used", "Service/a", "Service/b", "Service/c"} {
		o.leaves(object, "never", "cannot allocate it")
	}
	o.leaves("Network/moved", "never", "which Network/in-the-way has; mend it in git")
	if _, err := w.api.NetworkCreate(t.Context(), "theirs", theirs); err != nil {
		t.Fatal(err)
	}
	w.createService(swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "by-hand"}, TaskTemplate: swarm.TaskSpec{
		ContainerSpec: &swarm.ContainerSpec{Image: "app:1"}, Networks: []swarm.NetworkAttachmentConfig{{Target: "used"}},
	}}, false)

	t.Log("git states another subnet, no subnet, or no network")
	hash := r.commit("others", map[string]string{
		"moved.yaml": docs(net("moved", subnet("10.68.1.0/24")), on("a", "moved")), "freed.yaml": docs(net("freed", ""), on("b", "freed")), "gone.yaml": "",
		"used.yaml": net("used", ""), "theirs.yaml": policy(net("theirs", ""), "adopt: takeover"),
	})
	o.leaves("Network/used", "never", "Service/by-hand refers to it")
	o.leaves("Network/theirs", "never", "docker network rm theirs")
	w.runs("a", 1)
	w.runs("b", 1)
	w.eventually(func() error {
		if got := w.networks(); slices.Contains(got, "gone") {
			return fmt.Errorf("the network without a manifest is still there: %v", got)
		}
		return nil
	})

	t.Log("what kept the others is gone")
	w.remove("by-hand")
	if _, err := w.api.NetworkRemove(t.Context(), "theirs", client.NetworkRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	o.inSync(hash)
}

// A service of a new name needs the node's port that the old one has, so each would wait for the other. The old one
// goes only after somebody has agreed to the gap.
func TestAPortOfANodeChangesHandsWithConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	on := func(n, image string, port int) string {
		return service(n, "image: "+image, "replicas: 1", fmt.Sprintf("ports: [{target: 80, published: %d, mode: host}]", port))
	}
	r := w.repo("hostport", map[string]string{"old.yaml": on("old", "app:1", 8080), "third.yaml": on("third", "app:1", 8081), "web.yaml": service("web", "image: app:1", "replicas: 1")})
	o := w.operate(w.host(), r)
	o.condition("InSync", true)
	w.eventually(func() error {
		if n := w.running("old"); n != 1 {
			return fmt.Errorf("old runs %d tasks", n)
		}
		return nil
	})
	r.remove("old.yaml")
	r.commit("renamed", map[string]string{"new.yaml": on("new", "app:2", 8080)})
	o.leaves("Service/old", "consent", "Service/new finds no place")
	w.holds(time.Second, func() error {
		if n := w.running("old"); n != 1 {
			return fmt.Errorf("the old one runs %d tasks, and nobody agreed to that", n)
		}
		return nil
	})
	o.inSync(r.commit("agreed\n\nConsent: replace Service/new", map[string]string{"readme.txt": "agreed"}))
	w.eventually(func() error {
		if _, there := w.find("old"); there || w.running("new") != 1 || w.running("third") != 1 {
			return fmt.Errorf("old is there: %t, new runs %d, third %d", there, w.running("new"), w.running("third"))
		}
		return nil
	})
}
