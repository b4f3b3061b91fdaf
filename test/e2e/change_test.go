package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/lag"
)

func TestACommitThatChangesOneOf200ServicesWritesThatOneOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("s/%03d.yaml", i)] = service(fmt.Sprintf("s-%03d", i), "image: app:1", "replicas: 0", "environment: {V: one}")
	}
	r := w.repo("many", files)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	if n := len(w.services()); n != 200 {
		t.Fatalf("there are %d services", n)
	}
	p := w.proxy()
	o := w.operate(p.Host(), r)
	o.condition("InSync", true)
	w.quiet(p)
	p.Reset()
	before := w.versions()
	target := w.service("s-117")
	hash := r.commit("change one", map[string]string{"s/117.yaml": service("s-117", "image: app:1", "replicas: 0", "environment: {V: two}")})
	o.inSync(hash)
	w.quiet(p)
	if writes := accepted(serviceWrites(p.Calls())); len(writes) != 1 || len(writesTo(writes, target.ID)) != 1 {
		t.Errorf("want one write of one service, got\n%s", lines(writes))
	}
	after := w.versions()
	if got := env(w.service("s-117")); !slices.Equal(got, []string{"V=two"}) {
		t.Errorf("the environment is %q", got)
	}
	delete(before, "s-117")
	delete(after, "s-117")
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Error("the versions of other services moved")
	}
}

// drifting makes a repository with services that treat changes by hand in each possible way.
func (w *world) drifting(name string) (*repo, string) {
	r := w.repo(name, nil)
	return r, r.commit("services", map[string]string{
		"all.yaml": docs(
			service(name+"-enforced", "image: app:1", "replicas: 0"),
			policy(service(name+"-reported", "image: app:1", "replicas: 0"), "enforce: false"),
			policy(service(name+"-ignored", "image: app:1", "replicas: 0"), "ignoreDifferences: [spec.replicas]"),
			service(name+"-free", "image: app:1"),
		),
	})
}

// scaled finds the report of a scaling by hand, and checks what it says about the field.
func scaled(r harness.Report, service, have, want string) (harness.Drift, error) {
	for _, d := range r.Drift {
		if d.Object != "Service/"+service {
			continue
		}
		for _, f := range d.Fields {
			if f.Path == "spec.replicas" && f.Have != nil && *f.Have == have && f.Want != nil && *f.Want == want && f.By == "hand" && d.By == "hand" {
				return d, nil
			}
		}
		return d, fmt.Errorf("the report says of %s: %+v", service, d)
	}
	return harness.Drift{}, fmt.Errorf("%s is not in the drift report: %+v", service, r.Drift)
}

func TestAScaleByHandIsReportedAndRepairedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r, hash := w.drifting("a")
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.inSync(hash)
	id := w.service("a-enforced").ID
	var starts, ends []time.Time
	for n := range uint64(3) {
		w.quiet(p)
		p.Reset()
		w.scale("a-enforced", n+3)
		start := time.Now()
		w.eventually(func() error {
			if got := replicas(w.service("a-enforced")); got != 0 {
				return fmt.Errorf("replicas are %d", got)
			}
			return nil
		})
		starts, ends = append(starts, start), append(ends, time.Now())
		o.reports(func(r harness.Report) error {
			d, err := scaled(r, "a-enforced", fmt.Sprint(n+3), "0")
			if err == nil && d.Done != "repaired" {
				err = fmt.Errorf("what was done is %q: %+v", d.Done, d)
			}
			return err
		})
		w.quiet(p)
		if writes := accepted(writesTo(p.Calls(), id)); len(writes) != 1 {
			t.Errorf("want one write, got\n%s", lines(writes))
		}
		w.askedOnly(p, id)
	}
	for i := range starts {
		lag.Within(t, "repairing", starts[i], ends[i], time.Second)
	}

	w.scale("a-reported", 5)
	w.scale("a-ignored", 6)
	w.scale("a-free", 7)
	o.reports(func(r harness.Report) error {
		d, err := scaled(r, "a-reported", "5", "0")
		if err == nil && (!d.Open || d.Done != "reported") {
			err = fmt.Errorf("policy.enforce is false, and the report says %+v", d)
		}
		return err
	})
	w.quiet(p)
	for name, want := range map[string]uint64{"a-reported": 5, "a-ignored": 6, "a-free": 7} {
		if got := replicas(w.service(name)); got != want {
			t.Errorf("%s was scaled to %d by hand and is at %d", name, want, got)
		}
	}
	for _, d := range o.report().Drift {
		if d.Open && d.Object == "Service/a-free" {
			t.Errorf("replicas are not stated, and are reported: %+v", d)
		}
		if d.Open && d.Object == "Service/a-ignored" && slices.ContainsFunc(d.Fields, func(f harness.Field) bool { return !f.Ignored }) {
			t.Errorf("replicas are ignored, and are reported as if not: %+v", d)
		}
	}
}

// askedOnly checks that the operator asked for no object except one service. A run must cost only what changed.
func (w *world) askedOnly(p *harness.Proxy, id string) {
	w.Helper()
	for _, c := range p.Calls() {
		if !strings.HasPrefix(c.Path, "/services/"+id) && c.Path != "/tasks" && !c.Lease() && !c.Holds() {
			w.Errorf("one service changed, and this was asked for as well: %s", c)
		}
	}
}

func TestAScaleByHandIsAnnouncedFirstAndRepairedInItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r, hash := w.drifting("b")

	p := w.proxy()
	o := w.operate(p.Host(), r) // --repair-after is 1m
	o.inSync(hash)
	w.quiet(p)
	p.Reset()
	w.scale("b-enforced", 4)
	o.reports(func(r harness.Report) error {
		d, err := scaled(r, "b-enforced", "4", "0")
		if err == nil && (!d.Open || d.Done == "repaired") {
			err = fmt.Errorf("it says %+v", d)
		}
		return err
	})
	w.holds(3*time.Second, func() error {
		if writes := p.Writes(); len(writes) > 0 {
			return fmt.Errorf("within seconds of the change:\n%s", lines(writes))
		}
		return nil
	})
	o.finish()

	const after = 3 * time.Second
	p2 := w.proxy()
	began := time.Now() // it sees the change at some time between this one and the next
	o2 := w.operate(p2.Host(), r, "--repair-after", after.String())
	seen := time.Now()
	o2.reports(func(r harness.Report) error {
		_, err := scaled(r, "b-enforced", "4", "0")
		return err
	})
	o2.inSync(hash)
	writes := accepted(serviceWrites(p2.Calls()))
	if len(writes) != 1 || replicas(w.service("b-enforced")) != 0 {
		t.Fatalf("want one write that repairs, got\n%s", lines(writes))
	}
	if waited := writes[0].At.Sub(began); waited < after-time.Second {
		t.Errorf("--repair-after is %s, and it was repaired after %s", after, waited)
	}
	lag.Within(t, fmt.Sprintf("repairing with --repair-after %s", after), seen, writes[0].At, after+time.Second)
}

// Replicas that no manifest states belong to the person who sets them by hand. They survive the next update.
func TestReplicasThatAreNotStatedStayWithTheHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("free", map[string]string{"a.yaml": service("free", "image: app:1", "environment: {V: one}", quick("pause"))})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	if n := replicas(w.service("free")); n != 1 {
		t.Errorf("it was made with %d replicas", n)
	}
	w.scale("free", 3)
	if r := w.want(0, "diff", "--host", w.host(), "--source", r.Dir); !strings.Contains(r.out, "in sync") {
		t.Errorf("diff says %s", r)
	}
	r.commit("another environment", map[string]string{"a.yaml": service("free", "image: app:1", "environment: {V: two}", quick("pause"))})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	s := w.service("free")
	if replicas(s) != 3 || !slices.Equal(env(s), []string{"V=two"}) {
		t.Errorf("replicas %d, environment %q", replicas(s), env(s))
	}
}

// Labels of other tools are no difference. A label that git takes back is removed.
func TestLabelsAreMergedAndTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	manifest := func(labels string) map[string]string {
		return map[string]string{"a.yaml": fmt.Sprintf(head, "Service", "labelled, labels: {"+labels+"}") + "spec: {image: app:1, replicas: 0}\n"}
	}
	r := w.repo("labels", manifest("a: one, b: two"))
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.byHand("labelled", func(s *swarm.ServiceSpec) { s.Labels["com.docker.tool"] = "theirs" })
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	r.commit("b goes", manifest("a: one"))
	w.want(1, "diff", "--host", w.host(), "--source", r.Dir)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	labels := w.service("labelled").Spec.Labels
	if _, still := labels["b"]; still || labels["a"] != "one" || labels["com.docker.tool"] != "theirs" {
		t.Errorf("labels are %v", labels)
	}
}

// A commit adds elements of which it states a part, such as a port without a protocol. What the engine fills in belongs to
// the commit: nothing of it is called a change by hand, and an object whose changes by hand are only reported is in the
// plan once.
func TestWhatACommitAddsIsNoChangeByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	added := map[string]string{
		"port":        "ports: [{target: 80, published: 7300}]",
		"port-of-all": "ports: [{target: 80, published: 7301, mode: host}, {target: 53, published: 7302, protocol: udp}]",
		"config":      "configs: [{source: conf, target: /conf}]",
		"secret":      "secrets: [{source: key, target: key}]",
		"volume":      "mounts: [{type: volume, source: data, target: /data}]",
		"health":      "healthcheck: {test: [CMD, 'true']}",
		"update":      "updateConfig: {parallelism: 2}",
	}
	manifest := func(name string, more ...string) string {
		text := service(name, append([]string{"image: app:1", "replicas: 0", "command: [serve]", "environment: {LOG_LEVEL: info}"}, more...)...)
		if strings.HasPrefix(name, "reported-") {
			text = policy(text, "enforce: false")
		}
		return text
	}
	files := map[string]string{"beside.yaml": docs(config("conf", "content\n"), secret("key", "content\n"))}
	var names []string
	for what := range added {
		taken := "adopted-" + what
		spec, none := cliService(taken, "app:1"), uint64(0)
		spec.Mode.Replicated.Replicas, spec.EndpointSpec.Ports = &none, nil
		w.createService(spec, true)
		names = append(names, "made-"+what, "reported-"+what, taken)
	}
	slices.Sort(names)
	for _, name := range names {
		files[name+".yaml"] = manifest(name)
	}
	r := w.repo("adds", files)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	for i, name := range names {
		_, what, _ := strings.Cut(name, "-")
		// Each service has ports of its own.
		files[name+".yaml"] = manifest(name, strings.ReplaceAll(added[what], "published: 73", fmt.Sprintf("published: %d", 74+i)))
	}
	r.commit("each gets more", files)
	out := w.want(1, "diff", "--host", w.host(), "--source", r.Dir).out
	if strings.Contains(out, "by hand") {
		t.Errorf("nobody has changed anything by hand:\n%s", out)
	}
	for _, name := range names {
		if n := strings.Count(out, "Service/"+name+"  ("); n != 1 {
			t.Errorf("Service/%s is in the plan %d times:\n%s", name, n, out)
		}
	}
	o := w.operate(w.host(), r, "--repair-after", "1h", "--max-restarts", "100")
	head, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	o.inSync(head)
	for _, d := range o.report().Drift {
		if d.By != "git" {
			t.Errorf("the report says that %s was changed by %s: %+v", d.Object, d.By, d.Fields)
		}
	}
	_, metrics, err := o.Get(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "swarm_operator_drift_objects") && !strings.HasSuffix(strings.TrimSpace(line), " 0") {
			t.Errorf("a metric counts drift: %s", line)
		}
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}
