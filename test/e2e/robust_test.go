package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// An answer is cut off, empty, or not an engine's at all. Nothing is removed because of it.
func TestABrokenReadRemovesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	answers := map[string][]byte{"cut": nil, "empty": []byte("[]\n"), "null": []byte("null\n"), "html": []byte("<html>Bad gateway</html>")}
	for n, path := range everySecond([]string{"/services", "/networks", "/configs", "/secrets", "/info"}) {
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			t.Parallel()
			w := w.in(t)
			i := &interrupted{world: w, proxy: w.proxy(), prefix: fmt.Sprintf("r%d", n)}
			i.repo = w.repo(i.prefix, i.first())
			w.want(0, i.args()...)
			i.repo.remove("old.yaml")
			i.repo.commit("second", i.second())
			for name, body := range answers {
				i.proxy.Reset()
				i.proxy.After(func(c harness.Call) error {
					switch {
					case c.Path != path || c.Method != http.MethodGet:
						return nil
					case body == nil:
						return &harness.Answer{Status: http.StatusOK, Body: c.Answer[:len(c.Answer)*2/3]}
					}
					return &harness.Answer{Status: http.StatusOK, Body: body}
				})
				r := i.cli(append(i.args(), "--timeout", "3s")...)
				i.proxy.After(nil)
				for _, c := range i.proxy.Writes() {
					// its memory is a config
					if path != "/info" && c.Method == http.MethodDelete && !strings.HasPrefix(c.Path, "/configs/") {
						t.Errorf("%s %s: it removed: %s\n%s", name, path, c, r)
					}
				}
				if name != "empty" && name != "null" && (r.code != 2 || len(i.proxy.Writes()) > 0) {
					t.Errorf("%s %s: %s\n%s", name, path, r, lines(i.proxy.Writes()))
				}
			}
			i.proxy.Reset()
			w.want(0, i.args()...)
			w.want(0, "diff", "--host", w.host(), "--source", i.repo.Dir)
			w.service(i.object("new"))
			if _, there := w.find(i.object("old")); there {
				t.Error("the service whose manifest was removed is still there")
			}
		})
	}
}

// If a newer engine has a field that this release does not know, no write drops the field.
func TestAnUnknownFieldOfTheLiveSpecRefusesTheWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("future", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0"), "b.yaml": service("b", "image: app:1", "replicas: 0")})
	p := w.proxy()
	p.After(func(c harness.Call) error {
		if c.Path != "/services" && !strings.HasPrefix(c.Path, "/services/") || c.Method != http.MethodGet {
			return nil
		}
		body := bytes.ReplaceAll(c.Answer, []byte(`"Name":"a"`), []byte(`"Name":"a","Mood":"good"`))
		return &harness.Answer{Status: http.StatusOK, Body: body}
	})
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir)
	w.want(0, "diff", "--host", p.Host(), "--source", r.Dir)
	before := w.service("a")
	r.commit("both change", map[string]string{"a.yaml": service("a", "image: app:2", "replicas: 0"), "b.yaml": service("b", "image: app:2", "replicas: 0")})
	if out := w.want(1, "apply", "--host", p.Host(), "--source", r.Dir).out; !strings.Contains(out, "Mood") {
		t.Errorf("the refusal does not name the field:\n%s", out)
	}
	if w.service("a").Version != before.Version {
		t.Error("the service was written")
	}
	w.image("b", "app:2")
}

// An engine lists texts where the types of its newest API have addresses: the name of a host as a name server, and the
// gateway of a node's own IPv6 network with the length of its subnet (moby#52991). One of them hides no other object. A write
// would drop the name of the host, unless git states the name servers itself.
func TestATextThatIsNoAddressHidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	both := func(image string, more ...string) map[string]string {
		return map[string]string{"a.yaml": service("a", append(more, "image: "+image)...), "b.yaml": service("b", "image: "+image)}
	}
	r := w.repo("odd", both("app:1", "dns: [10.0.0.53]"))
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	const bridge = `[{"Name":"b46","Id":"b46","Scope":"local","Driver":"bridge","IPAM":{"Config":[{"Subnet":"fd05:d0ca:2::/112","Gateway":"fd05:d0ca:2::1/112"}]}},{`
	p := w.proxy()
	p.After(func(c harness.Call) error {
		if c.Method != http.MethodGet || c.Answer == nil {
			return nil
		}
		body := bytes.ReplaceAll(c.Answer, []byte(`"10.0.0.53"`), []byte(`"pihole"`))
		if rest, full := bytes.CutPrefix(body, []byte("[{")); full && c.Path == "/networks" {
			body = append([]byte(bridge), rest...)
		}
		if bytes.Equal(body, c.Answer) {
			return nil
		}
		return &harness.Answer{Status: c.Status, Body: body}
	})
	before := w.service("a")
	r.commit("both change", both("app:2"))
	if out := w.want(1, "apply", "--host", p.Host(), "--source", r.Dir, "--wait").out; !strings.Contains(out, `spec.dns has "pihole", which is no address`) {
		t.Errorf("the refusal does not name the field and the value:\n%s", out)
	}
	if w.service("a").Version != before.Version {
		t.Error("the service was written")
	}
	w.image("b", "app:2")
	if out := w.want(0, "export", "--host", p.Host()).out; !strings.Contains(out, "image: app:2") || strings.Contains(out, "invalid") {
		t.Errorf("the export is\n%s", out)
	}
	r.commit("a has name servers of its own", both("app:2", "dns: [10.0.0.54]"))
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir, "--wait")
	w.image("a", "app:2")
}

// newer are the fields and values that some engines are too old for, with the oldest version of the API that knows them.
var newer = []struct {
	api, says string
	fields    []string
}{
	{"1.41", "spec.mode: global-job needs", []string{"mode: global-job", "placement: {constraints: [node.labels.no == node]}"}},
	{"1.41", "spec.mode: replicated-job needs", []string{"mode: replicated-job", "replicas: 1", "placement: {constraints: [node.labels.no == node]}"}},
	{"1.41", "spec.maxConcurrent, spec.mode: replicated-job need", []string{"mode: replicated-job", "replicas: 1", "maxConcurrent: 1", "placement: {constraints: [node.labels.no == node]}"}},
	{"1.41", "spec.resources.limits.pids needs", []string{"replicas: 0", "resources: {limits: {pids: 5}}"}},
	{"1.41", "spec.capAdd needs", []string{"replicas: 0", "capAdd: [NET_RAW]"}},
	{"1.41", "spec.capDrop needs", []string{"replicas: 0", "capDrop: [ALL]"}},
	{"1.41", "spec.ulimits.nofile needs", []string{"replicas: 0", "ulimits: {nofile: 5}"}},
	{"1.41", "spec.mounts[/a].bind.recursive needs", []string{"replicas: 0", "mounts: [{type: bind, source: /a, target: /a, bind: {recursive: disabled}}]"}},
	{"1.44", "spec.healthcheck.startInterval needs", []string{"replicas: 0", "healthcheck: {test: [CMD, ok], startInterval: 2s}"}},
	{"1.44", "spec.privileges.noNewPrivileges needs", []string{"replicas: 0", "privileges: {noNewPrivileges: true}"}},
	{"1.44", "spec.privileges.appArmor needs", []string{"replicas: 0", "privileges: {appArmor: disabled}"}},
	{"1.44", "spec.privileges.seccomp.mode needs", []string{"replicas: 0", "privileges: {seccomp: {mode: unconfined}}"}},
	{"1.45", "spec.mounts[/a].volume.subpath needs", []string{"replicas: 0", "mounts: [{type: volume, source: data, target: /a, volume: {subpath: b}}]"}},
	{"1.46", "spec.mounts[/a].tmpfs.options needs", []string{"replicas: 0", "mounts: [{type: tmpfs, target: /a, tmpfs: {options: [noexec]}}]"}},
	{"1.46", "spec.oomScoreAdj needs", []string{"replicas: 0", "oomScoreAdj: 5"}},
	{"1.52", "spec.resources.memorySwap needs", []string{"replicas: 0", "resources: {limits: {memory: 8MiB}, memorySwap: 0}"}},
}

// speaks makes a proxy's engine speak an older version of the API.
func speaks(p *harness.Proxy, api string) {
	p.After(func(c harness.Call) error {
		switch c.Path {
		case "/_ping":
			return &harness.Answer{Status: http.StatusOK, Body: []byte("OK"), Header: http.Header{"Api-Version": {api}, "Ostype": {"linux"}, "Docker-Experimental": {"false"}}}
		case "/version":
			return &harness.Answer{Status: http.StatusOK, Body: bytes.ReplaceAll(c.Answer, []byte(`"ApiVersion":"1.`), []byte(`"ApiVersion":"`+api+`","Was":"1.`))}
		}
		return nil
	})
}

// An engine that is too old for a field or a value would silently drop it. The operator refuses what has it, and everything
// else goes on. What was written differs in nothing afterwards, whatever version of the API is spoken. Nor does the
// operator update what has such a setting already.
func TestAFieldThatNeedsANewerAPIIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	w.swarm.Spoil() // an old engine keeps the tasks of a job that were never assigned, even if the job is removed
	files := map[string]string{}
	name := func(i int) string { return fmt.Sprintf("new-%02d", i) }
	manifest := func(i int, image string) string {
		return service(name(i), append([]string{image}, newer[i].fields...)...)
	}
	for i := range newer {
		files[name(i)+".yaml"] = manifest(i, "image: app:1")
	}
	files["volume.yaml"] = docs(volume("data", "nobodys"), service("mounts", "image: app:1", "replicas: 0", "mounts: [{type: cluster, source: data, target: /a}]"))
	r := w.repo("old", files)
	p := w.proxy()
	for _, api := range []string{"1.40", "1.41", "1.44"} {
		if !w.knows(api) {
			break
		}
		speaks(p, api)
		old := "old-" + strings.ReplaceAll(api, ".", "-")
		r.commit("a service for API "+api, map[string]string{old + ".yaml": service(old, "image: app:1", "replicas: 0", "dns: 10.0.0.1")})
		out := w.want(1, "apply", "--host", p.Host(), "--source", r.Dir).out
		w.service(old)
		for i, f := range newer {
			refused := versions.LessThan(api, f.api)
			if says := strings.Contains(out, f.says+" engine API "+f.api); says != refused {
				t.Errorf("API %s refuses what %s %s: %t, want %t:\n%s", api, f.says, f.api, says, refused, out)
			}
			if _, there := w.find(name(i)); there == refused {
				t.Errorf("API %s: the service with %s is there: %t", api, f.fields, there)
			}
		}
		refused := versions.LessThan(api, "1.42")
		if says := strings.Contains(out, "! + Volume/data  (api-version, never) spec.accessMode.type, spec.driver need engine API 1.42, and this engine has "); says != refused {
			t.Errorf("API %s refuses a volume: %t, want %t:\n%s", api, says, refused, out)
		}
		if _, there := w.find("mounts"); there == refused {
			t.Errorf("API %s: the service that mounts a volume is there: %t", api, there)
		}
		if out := w.want(1, "diff", "--host", p.Host(), "--source", r.Dir).out; strings.Contains(out, "Service/"+old) {
			t.Errorf("API %s: what was written differs:\n%s", api, out)
		}
	}
	if !w.knows("1.52") {
		return
	}
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	i := len(newer) - 2
	before := w.service(name(i))
	r.commit("another image", map[string]string{name(i) + ".yaml": manifest(i, "image: app:2")})
	out := w.want(1, "apply", "--host", p.Host(), "--source", r.Dir).out
	if now := w.service(name(i)); !strings.Contains(out, "it in any write") || now.Version != before.Version || now.Spec.TaskTemplate.ContainerSpec.OomScoreAdj != 5 {
		t.Errorf("an update that would drop oomScoreAdj is made: %s\n%s", now.Spec.TaskTemplate.ContainerSpec.Image, out)
	}
}

// Events are only hints. An operator that missed some looks again when the stream is back.
func TestAChangeWhileTheEventStreamWasAwayIsSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("streams", nil)
	hash := r.commit("one", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s", "--resync", "1h")
	o.inSync(hash)
	w.quiet(p)
	p.Before(func(c harness.Call) error {
		if c.Path == "/events" {
			return harness.ErrCut
		}
		return nil
	})
	p.CutStreams()
	w.scale("a", 3)
	w.holds(500*time.Millisecond, func() error {
		if n := replicas(w.service("a")); n != 3 {
			return fmt.Errorf("without events the change was seen: this test tests nothing")
		}
		return nil
	})
	p.Before(nil)
	w.eventually(func() error {
		if n := replicas(w.service("a")); n != 0 {
			return fmt.Errorf("replicas are %d", n)
		}
		return nil
	})
}

// If the engine refuses one service, the others are not held up. When the reason is gone, that service is applied
// without a commit.
func TestAnErrorOfOneServiceHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	foreign := cliService("foreign", "app:1") // it has port 8080
	w.createService(foreign, false)
	w.settled("foreign")
	r := w.repo("ports", nil)
	p := w.proxy()
	o := w.operate(p.Host(), r)
	hash := r.commit("two", map[string]string{
		"blocked.yaml": service("blocked", "image: app:1", "replicas: 0", "ports: [{target: 80, published: 8080}]"),
		"free.yaml":    service("free", "image: app:1", "replicas: 0"),
	})
	w.image("free", "app:1")
	o.leaves("Service/blocked", "never", "it needs port 8080/tcp, which Service/foreign has")
	r.commit("free changes", map[string]string{"free.yaml": service("free", "image: app:2", "replicas: 0")})
	w.image("free", "app:2")
	if c := o.condition("Held", true); !strings.Contains(c.Message, "8080") {
		t.Errorf("the condition does not say why: %+v", c)
	}
	// It does its job for the other services
	if health, ready := o.answers("/healthz"), o.answers("/readyz"); health != 200 || ready != 200 {
		t.Errorf("/healthz answers %d, /readyz %d", health, ready)
	}
	if _, err := w.api.ServiceRemove(t.Context(), "foreign", client.ServiceRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	w.image("blocked", "app:1")
	o.condition("InSync", true)
	o.condition("Held", false)
	if r := o.report(); r.Applied == hash {
		t.Errorf("in force is still %s", r.Applied)
	}
}

// A service under a new name takes the old one's port only when somebody agrees to the gap, or after the port was
// freed.
func TestARenamedServiceKeepsItsPortUntilItIsFreed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	spec := []string{"image: app:1", "replicas: 1", "ports: [{target: 80, published: 8088}]", quick("pause")}
	r := w.repo("renamed", map[string]string{"a.yaml": service("before", spec...), "b.yaml": service("b", "image: app:1", "replicas: 0")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.runs("before", 1)
	r.commit("another name", map[string]string{"a.yaml": service("after", spec...)})
	if out := w.want(1, "apply", "--host", w.host(), "--source", r.Dir); !strings.Contains(out.out, "8088") || !strings.Contains(out.out, "Consent: replace") {
		t.Errorf("apply says %s", out)
	}
	w.runs("before", 1)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--consent", "replace Service/after", "--wait")
	w.runs("after", 1)
	if _, there := w.find("before"); there {
		t.Error("the service of the old name is still there")
	}
	r.commit("without the port first", map[string]string{"a.yaml": service("after", spec[:2]...)})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	r.commit("another name", map[string]string{"a.yaml": service("last", spec...)})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.service("last")
	if _, there := w.find("after"); there {
		t.Error("the service of the old name is still there")
	}
}

// When run is told to stop, it finishes its calls in hand, as apply does.
func TestAStoppedRunFinishesItsCallsAndGoesOnLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	files := numbered(40)
	r := w.repo("stopped", nil)
	p := w.proxy()
	inHand, release := make(chan struct{}, len(files)), make(chan struct{})
	p.Before(func(c harness.Call) error {
		if c.Path == "/services/create" {
			inHand <- struct{}{}
			<-release
		}
		return nil
	})
	o := w.operate(p.Host(), r)
	hash := r.commit("forty", files)
	<-inHand
	go func() {
		w.passes(time.Second) // gives the signal time to arrive, which cannot be seen from outside
		close(release)
	}()
	o.finish() // it must end with 0
	begun := serviceWrites(p.Calls())
	for _, c := range begun {
		if c.Status != http.StatusCreated {
			t.Errorf("a call in hand was not finished: %s", c)
		}
	}
	if n := len(w.services()); n != len(begun) || n == 40 {
		t.Errorf("%d calls were in hand, and there are %d services", len(begun), n)
	}
	w.operate(p.Host(), r).inSync(hash)
	if n := len(w.services()); n != 40 {
		t.Errorf("there are %d services", n)
	}
}

// A person rolls back and forward again. The want stays in force, and git goes on from there.
func TestARollbackOfARollbackIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	f := w.failing("forth-and-back", "pause")
	f.op.inSync(f.repo.commit("an update", map[string]string{"app.yaml": f.manifest("app:2")}))
	f.status(f.name, swarm.UpdateStateCompleted)
	for range 2 {
		f.rollback(f.name)
		f.status(f.name, swarm.UpdateStateRollbackCompleted)
		f.runs(f.name, 2)
	}
	f.image(f.name, "app:2")
	f.op.condition("InSync", true)
	f.untouched(time.Second)
	f.fixed("app:3")
}

// Reverting the commit that failed is a change in git like any other.
func TestARevertOfAFailedCommitGoesThrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	for action, state := range everySecondOf(map[string]swarm.UpdateState{"pause": swarm.UpdateStatePaused, "rollback": swarm.UpdateStateRollbackCompleted}) {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			f := w.in(t).failing("reverted-"+action, action)
			f.repo.commit("bad", map[string]string{"app.yaml": f.manifest("crash:1")})
			f.status(f.name, state)
			f.op.condition("RolloutFailed", true)
			hash := f.repo.commit("revert", map[string]string{"app.yaml": f.manifest("app:1")})
			f.op.inSync(hash)
			f.runs(f.name, 2)
			f.op.condition("RolloutFailed", false)
			f.want(0, "diff", "--host", f.host(), "--source", f.repo.Dir)
			f.fixed("app:2")
		})
	}
}

func TestRunWaitsForAFirstGoodRevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("first", map[string]string{"a.yaml": "broken: [\n"})
	o := w.operate(w.host(), r)
	o.condition("SourceReady", false)
	if health, ready := o.answers("/healthz"), o.answers("/readyz"); health != 200 || ready != 503 {
		t.Errorf("/healthz answers %d, /readyz %d", health, ready)
	}
	w.want(1, "health", "--ready", "--listen", o.Address())
	hash := r.commit("mended", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	o.inSync(hash)
	w.want(0, "health", "--ready", "--listen", o.Address())
	w.service("a")
}

func TestPolicyOfWhatWasAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	for _, n := range []string{"kept", "pruned", "enforced", "suspended"} {
		spec := cliService(n, "app:1")
		spec.EndpointSpec.Ports, spec.Mode.Replicated.Replicas = nil, new(uint64)
		w.createService(spec, true)
	}
	manifest := func(name, p string) string {
		return policy(service(name, "image: app:1", "replicas: 0", "command: [serve]", "environment: {LOG_LEVEL: info}"), p)
	}
	r := w.repo("policies", map[string]string{
		"kept.yaml": manifest("kept", "adopt: ifIdentical"), "pruned.yaml": manifest("pruned", "prune: true"),
		"enforced.yaml": manifest("enforced", "enforce: true"), "suspended.yaml": manifest("suspended", "adopt: ifIdentical"),
		"more.yaml": docs(service("m1", "image: app:1", "replicas: 0"), service("m2", "image: app:1", "replicas: 0"), service("m3", "image: app:1", "replicas: 0"), service("m4", "image: app:1", "replicas: 0")),
	})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.scale("enforced", 2)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	if n := replicas(w.service("enforced")); n != 0 {
		t.Errorf("enforce is true, and replicas are %d", n)
	}
	r.remove("kept.yaml", "pruned.yaml")
	r.commit("two go, one is suspended", map[string]string{
		"suspended.yaml": policy(service("suspended", "image: app:2", "replicas: 0"), "suspend: true"),
	})
	suspended := w.service("suspended")
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	w.untouched(suspended)
	w.service("kept")
	if _, there := w.find("pruned"); there {
		t.Error("prune is true, and the adopted service is still there")
	}
}

// The name of a source is part of labels and of the names of configs.
func TestNamesOfSourcesAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("fine", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	for _, bad := range []string{"a/b", "UPPER", "with space", strings.Repeat("long", 20), "-dash", "a..b/../c"} {
		for _, command := range []string{"diff", "apply"} {
			if out := w.cli(command, "--host", w.host(), "--source", r.Dir, "--name", bad); out.code != 2 {
				t.Errorf("%s --name %q: %s", command, bad, out)
			}
		}
	}
	longest := strings.Repeat("n", 40)
	r = w.repo(longest, map[string]string{"other.yaml": service("other", "image: app:1", "replicas: 0")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--name", longest)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir, "--name", longest)
}

// A network cannot change in place. While services use it the change is refused, and nothing else is held up.
func TestANetworkInUseIsNotReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("nets", map[string]string{"net.yaml": network("net"), "a.yaml": service("a", "image: app:1", "replicas: 0", "networks: [net]")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	r.commit(harness.Message("internal", "Consent: replace"), map[string]string{
		"net.yaml": strings.Replace(network("net"), "spec: {}", "spec: {internal: true}", 1), "b.yaml": service("b", "image: app:1", "replicas: 0"),
	})
	refused := w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	if !strings.Contains(refused.out, "Service/a") {
		t.Errorf("the refusal does not say who uses it:\n%s", refused)
	}
	w.service("b")
	if got := w.networks(); !slices.Equal(got, []string{"net"}) {
		t.Errorf("networks are %q", got)
	}
}

// The swarm itself reacts when nodes come and go: tasks move, and no spec differs.
func TestNodesComeAndGoWithoutAWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	r := w.repo("nodes", nil)
	hash := r.commit("one", map[string]string{
		"a.yaml": service("spread", "image: app:1", "replicas: 4"), "b.yaml": service("everywhere", "image: app:1", "mode: global"),
	})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(hash)
	w.runs("spread", 4)
	w.runs("everywhere", w.nodes())
	w.quiet(p) // until the operator has noted that it rolled out
	p.Reset()
	node := w.swarm.Workers()[0]
	w.availability(node, swarm.NodeAvailabilityDrain)
	w.runs("everywhere", w.nodes()-1)
	w.runs("spread", 4)
	w.availability(node, swarm.NodeAvailabilityActive)
	w.runs("everywhere", w.nodes())
	other := w.swarm.Workers()[1]
	if err := w.swarm.Kill(other); err != nil {
		t.Fatal(err)
	}
	w.nodeIs(other, swarm.NodeStateDown)
	if err := w.swarm.Start(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.runs("everywhere", w.nodes())
	w.quiet(p)
	if writes := p.Writes(); len(writes) > 0 {
		t.Errorf("the operator wrote:\n%s", lines(writes))
	}
	o.inSync(hash)
	o.condition("RolloutFailed", false)
}

// A roll-out is written once and comes to its end, even if one of its nodes is drained and another one dies. SwarmKit
// may wait for a task on the dead node until that is back.
func TestARollOutGoesOnWhileNodesGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{3, 2})
	manifest := func(image string) map[string]string {
		return map[string]string{"a.yaml": service("spread", "image: "+image, "replicas: 5", "stopGracePeriod: 1s",
			"updateConfig: {parallelism: 1, delay: 1s, monitor: 1s, failureAction: continue}")}
	}
	r := w.repo("going", nil)
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(r.commit("one", manifest("app:1")))
	w.runs("spread", 5)
	p.Reset()
	hash := r.commit("two", manifest("app:2"))
	w.status("spread", swarm.UpdateStateUpdating)
	w.availability(w.swarm.Workers()[0], swarm.NodeAvailabilityDrain)
	killed := w.swarm.Workers()[1]
	if err := w.swarm.Kill(killed); err != nil {
		t.Fatal(err)
	}
	w.nodeIs(killed, swarm.NodeStateDown)
	if err := w.swarm.Start(t.Context(), killed); err != nil {
		t.Fatal(err)
	}
	w.status("spread", swarm.UpdateStateCompleted)
	w.runs("spread", 5)
	drained := w.node(w.swarm.Workers()[0]).ID
	for _, task := range w.tasks("spread") {
		if task.DesiredState == swarm.TaskStateRunning && task.NodeID == drained {
			t.Error("a task should run on a node that is drained")
		}
	}
	o.inSync(hash)
	o.condition("RolloutFailed", false)
	if writes := accepted(serviceWrites(p.Calls())); len(writes) != 1 {
		t.Errorf("want one write, got\n%s", lines(writes))
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

func (w *world) nodeIs(hostname string, state swarm.NodeState) {
	w.Helper()
	w.eventually(func() error {
		if s := w.node(hostname).Status.State; s != state {
			return fmt.Errorf("%s is %s", hostname, s)
		}
		return nil
	})
}

func (w *world) node(hostname string) swarm.Node {
	w.Helper()
	list, err := w.api.NodeList(w.Context(), client.NodeListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	for _, n := range list.Items {
		if n.Description.Hostname == hostname {
			return n
		}
	}
	w.Fatalf("there is no node %s", hostname)
	return swarm.Node{}
}

func (w *world) availability(hostname string, a swarm.NodeAvailability) {
	w.Helper()
	w.eventually(func() error {
		n := w.node(hostname)
		n.Spec.Availability = a
		_, err := w.api.NodeUpdate(w.Context(), n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec})
		return err
	})
}

func TestAServiceRemovedByHandComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("back", nil)
	hash := r.commit("one", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0"), "b.yaml": service("b", "image: app:1", "replicas: 0")})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(hash)
	id := w.service("a").ID
	p.Reset()
	if _, err := w.api.ServiceRemove(t.Context(), id, client.ServiceRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	w.image("a", "app:1")
	o.inSync(hash)
	if writes := serviceWrites(p.Calls()); len(writes) != 1 || w.service("a").ID == id {
		t.Errorf("want it made once, got\n%s", lines(writes))
	}
}

// The swarm itself rolled a service back before the service was adopted, and left no trace of what it undid. The
// first commit updates the service as usual.
func TestAServiceThatWasRolledBackBeforeIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	one, second := uint64(1), time.Second
	// A busy machine needs more than a moment to see a task fail
	update := &swarm.UpdateConfig{Parallelism: 1, FailureAction: "rollback", Monitor: 5 * second}
	w.createService(swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "old"}, Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "app:1"}, RestartPolicy: &swarm.RestartPolicy{Delay: &second}},
		UpdateConfig: update, RollbackConfig: &swarm.UpdateConfig{Parallelism: 1, Monitor: second},
	}, true)
	w.runs("old", 1)
	w.byHand("old", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "crash:1" })
	w.eventually(func() error {
		if s := w.service("old"); s.UpdateStatus == nil || s.UpdateStatus.State != swarm.UpdateStateRollbackCompleted || s.PreviousSpec != nil {
			return fmt.Errorf("the update of %s stands at %+v", s.Spec.Name, s.UpdateStatus)
		}
		return nil
	})
	manifest := func(image string) map[string]string {
		return map[string]string{"old.yaml": service("old", "image: "+image, "replicas: 1", "restartPolicy: {delay: 1s}",
			"updateConfig: {parallelism: 1, failureAction: rollback, monitor: 5s}", "rollbackConfig: {parallelism: 1, monitor: 1s}")}
	}
	r := w.repo("adopting", manifest("app:1"))
	o := w.operate(w.host(), r)
	o.condition("InSync", true)
	hash := r.commit("go on", manifest("app:2"))
	o.inSync(hash)
	w.image("old", "app:2")
}

// Somebody has tried what a manifest asks for, and rolled it back. The operator that takes the service over is killed
// after that is on record, and before it writes. The next one writes: nobody has tried it for the source.
func TestATakeoverThatIsKilledBeforeItsWriteIsTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	one := uint64(1)
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: "web"}, Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "app:1"}},
		UpdateConfig: &swarm.UpdateConfig{Parallelism: 1, Monitor: time.Second}, RollbackConfig: &swarm.UpdateConfig{Parallelism: 1, Monitor: time.Second},
	}
	w.createService(spec, true)
	w.runs("web", 1)
	w.byHand("web", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Image = "app:2" })
	w.rollback("web")
	w.eventually(func() error {
		if s := w.service("web"); s.UpdateStatus == nil || s.UpdateStatus.State != swarm.UpdateStateRollbackCompleted {
			return fmt.Errorf("the update stands at %+v", s.UpdateStatus)
		}
		return nil
	})
	w.image("web", "app:1")
	r := w.repo("killed", map[string]string{"web.yaml": policy(service("web", "image: app:2", "replicas: 1", "updateConfig: {parallelism: 1, monitor: 1s}", "rollbackConfig: {parallelism: 1, monitor: 1s}"), "adopt: takeover")})
	p, started := w.proxy(), make(chan *harness.Process, 1)
	p.Before(func(c harness.Call) error {
		if !strings.HasPrefix(c.Path, "/services/") || !c.Write() {
			return nil
		}
		return kill(<-started)
	})
	args := []string{"apply", "--source", r.Dir, "--wait", "--host"}
	process, err := harness.Start(binary, w.env(), append(args, p.Host())...)
	if err != nil {
		t.Fatal(err)
	}
	started <- process
	w.end(process)
	w.image("web", "app:1") // it was killed before that changed
	w.freeLease()
	w.want(0, append(args, w.host())...)
	w.image("web", "app:2")
}
