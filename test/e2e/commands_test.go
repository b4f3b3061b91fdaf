package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// commanded is an operator that keeps two services of a source, together with the commands for it.
type commanded struct {
	*world
	repo  *repo
	proxy *harness.Proxy // the operator's calls, not those of commands
	op    *operator
	good  string
}

func (w *world) commanded(source string) *commanded {
	w.Helper()
	c := &commanded{world: w, repo: w.repo(source, nil)}
	c.good = c.repo.commit("first", map[string]string{
		"web.yaml":  c.manifest("web", "one"),
		"db.yaml":   c.manifest("db", "one"),
		"conf.yaml": config("conf", "one"),
		"net.yaml":  network("net"),
	})
	c.proxy = w.proxy()
	c.op = w.operate(c.proxy.Host(), c.repo, "--repair-after", "0s")
	c.op.inSync(c.good)
	return c
}

func (c *commanded) manifest(name, value string) string {
	return service(name, "image: app:1", "replicas: 1", "environment: {V: "+value+"}", quickRestart, quick("pause"))
}

// command runs a command directly against the swarm.
func (c *commanded) command(code int, args ...string) result {
	c.Helper()
	return c.want(code, append(args, "--host", c.host())...)
}

// has waits until the variable of a service has a value.
func (c *commanded) has(name, value string) {
	c.Helper()
	c.eventually(func() error {
		if got := env(c.service(name)); len(got) != 1 || got[0] != "V="+value {
			return fmt.Errorf("%s has %q, want V=%s: %s", name, got, value, brief(c.op.report()))
		}
		return nil
	})
}

// keeps checks for a while that the variable of a service keeps its value.
func (c *commanded) keeps(name, value string) {
	c.Helper()
	c.holds(1500*time.Millisecond, func() error {
		if got := env(c.service(name)); len(got) != 1 || got[0] != "V="+value {
			return fmt.Errorf("%s has %q, want V=%s", name, got, value)
		}
		return nil
	})
}

func (r result) says(t *testing.T, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(r.out+r.errs, p) {
			t.Errorf("it does not say %q: %s", p, r)
		}
	}
}

// saysNothingOf fails the test if a text is in the output of a command.
func (r result) saysNothingOf(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(r.out+r.errs, text) {
		t.Errorf("it says %q: %s", text, r)
	}
}

func TestAHoldStopsWritesToWhatItNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := w.commanded("holds")
	c.command(0, "hold", "Service/web", "--reason", "an incident").says(t, "Service/web is on hold: an incident")
	c.repo.commit("both change", map[string]string{"web.yaml": c.manifest("web", "two"), "db.yaml": c.manifest("db", "two")})
	c.has("db", "two")
	c.keeps("web", "one")
	if condition := c.op.condition("OnHold", true); !strings.Contains(condition.Message, "an incident") {
		t.Errorf("the condition is %+v", condition)
	}
	diff := w.want(1, "diff", "--host", w.host(), "--source", c.repo.Dir)
	diff.says(t, "on hold: an incident", "swarm-operator resume Service/web")
	w.byHand("web", func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Env = []string{"V=hand"} })
	c.keeps("web", "hand")
	c.command(0, "resume", "Service/web").says(t, "Service/web: ended the hold")
	c.has("web", "two")
	c.op.condition("OnHold", false)

	t.Log("a source, for some time")
	c.command(0, "hold", "holds", "--reason", "a talk", "--for", "5s")
	c.repo.commit("both change again", map[string]string{"web.yaml": c.manifest("web", "three"), "db.yaml": c.manifest("db", "three")})
	c.keeps("web", "two")
	c.keeps("db", "two")
	c.has("web", "three")
	c.has("db", "three")

	t.Log("by hand, in a form of its own")
	made, err := w.api.ConfigCreate(w.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: "hold-web", Labels: map[string]string{"swarm-operator.io/hold": "service/web"}}, Data: []byte("by hand\n"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.repo.commit("web changes", map[string]string{"web.yaml": c.manifest("web", "four")})
	c.keeps("web", "three")
	if _, err := w.api.ConfigRemove(w.Context(), made.ID, client.ConfigRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	c.has("web", "four")
}

// When the command has returned, no write is under way: neither one decided on before it, nor one already sent.
func TestAfterAHoldNothingIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := w.commanded("at-once")
	c.proxy.After(func(call harness.Call) error {
		if call.Write() && strings.HasPrefix(call.Path, "/services/") {
			time.Sleep(100 * time.Millisecond)
		}
		return nil
	})
	const n = 200
	files := map[string]string{}
	for i := range n {
		files[file(i)] = service(fmt.Sprintf("many-%03d", i), "image: app:1", "replicas: 0")
	}
	hash := c.repo.commit("many", files)
	c.eventually(func() error {
		if len(c.services()) < 10 {
			return errors.New("it has not begun")
		}
		return nil
	})
	c.command(0, "hold", "all", "--reason", "stop")
	at := len(c.services())
	if at == n+2 {
		t.Fatal("the hold came too late to tell")
	}
	c.holds(1500*time.Millisecond, func() error {
		if now := len(c.services()); now != at {
			return fmt.Errorf("when the command returned there were %d services, and now there are %d", at, now)
		}
		return nil
	})
	c.command(0, "resume", "all")
	c.op.inSync(hash)
	if got := len(c.services()); got != n+2 {
		t.Errorf("there are %d services", got)
	}
}

func TestWhatFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	for action, state := range everySecondOf(map[string]swarm.UpdateState{"pause": swarm.UpdateStatePaused, "rollback": swarm.UpdateStateRollbackCompleted}) {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			f := w.in(t).failing("again-"+action, action)
			retry := func(code int, args ...string) result {
				t.Helper()
				return f.want(code, append([]string{"retry", "--host", f.host(), "--name", "s-" + f.name}, args...)...)
			}
			retry(2, "Service/"+f.name).says(t, "no failure of Service/"+f.name+" is on record")
			// With the delay, the update is paused after the first of two tasks.
			bad := strings.Replace(f.manifest("crash:1"), "parallelism: 1, ", "parallelism: 1, delay: 20s, ", 1)
			f.repo.commit("bad", map[string]string{"app.yaml": bad})
			f.status(f.name, state)
			f.reported("")
			f.untouched(time.Second)
			retry(2, "Service/"+f.name+"-other").says(t, "there are failures of Service/"+f.name)
			first := *f.service(f.name).UpdateStatus.StartedAt
			f.proxy.Reset()
			said := retry(0, "Service/"+f.name)
			said.says(t, "may be tried again; it had failed: ")
			f.eventually(func() error {
				u := f.service(f.name).UpdateStatus
				if u == nil || u.State != state || !u.StartedAt.After(first) {
					return fmt.Errorf("it is not tried again: %+v", u)
				}
				return nil
			})
			want := 1 // the want was rolled back, and the operator writes it once more
			if action == "pause" {
				want = 0 // the swarm already has it, and the command makes it go on
				said.says(t, "its paused update goes on")
			}
			if writes := accepted(writesTo(f.proxy.Calls(), f.id)); len(writes) != want {
				t.Errorf("want %d writes of the operator, got\n%s", want, lines(writes))
			}
			f.reported("")
			f.untouched(2 * time.Second)
			f.fixed("app:2")
		})
	}
}

func TestWhatIsReleasedRunsOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := w.commanded("gives-up")
	before := w.tasks("web")
	c.command(0, "unmanage", "Service/web", "Config/conf", "Network/net").says(t,
		"Service/web: unmanaged, its labels are taken off", "unmanaged, its labels are taken off", "Network/net: unmanaged; the engine cannot change a network")
	own := func(labels map[string]string) string {
		for l := range labels {
			if strings.HasPrefix(l, "swarm-operator.io/") {
				return l
			}
		}
		return ""
	}
	if l := own(w.service("web").Spec.Labels); l != "" {
		t.Errorf("web has the label %s", l)
	}
	w.byHand("web", func(s *swarm.ServiceSpec) { s.Labels["hand"] = "x" })
	c.repo.commit("all change", map[string]string{"web.yaml": c.manifest("web", "two"), "db.yaml": c.manifest("db", "two"), "conf.yaml": config("conf", "two")})
	c.has("db", "two")
	c.keeps("web", "one")
	if got := w.configs(); len(ownConfigs(got)) != 1 {
		t.Errorf("the configs are %v", got)
	}
	if after := w.tasks("web"); len(after) != len(before) || after[0].ID != before[0].ID {
		t.Errorf("the tasks of web were %v and are %v", before, after)
	}
	if r := w.want(1, "diff", "--host", w.host(), "--source", c.repo.Dir); !strings.Contains(r.out, "it is unmanaged") {
		t.Errorf("diff does not say so: %s", r)
	}

	t.Log("it is taken back when it equals what git says")
	w.byHand("web", func(s *swarm.ServiceSpec) { delete(s.Labels, "hand") })
	c.repo.commit("web as it was", map[string]string{"web.yaml": c.manifest("web", "one")})
	c.command(0, "resume", "Service/web").says(t, "Service/web: source gives-up has it again")
	id := w.service("web").ID
	w.eventually(func() error { // the record of its ID makes it the source's again
		list, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{Filters: client.Filters{}.Add("label", "swarm-operator.io/state=gives-up")})
		if err != nil {
			return err
		}
		for _, memory := range list.Items {
			if strings.Contains(string(memory.Spec.Data), id) {
				return nil
			}
		}
		return fmt.Errorf("it is not taken back: %s", brief(c.op.report()))
	})
	c.repo.commit("web changes", map[string]string{"web.yaml": c.manifest("web", "three")})
	c.has("web", "three")

	t.Log("with everything, and its manifests removed")
	c.command(0, "unmanage", "--all").says(t, "source gives-up has given up all it had")
	c.repo.remove("db.yaml", "net.yaml")
	c.repo.commit(harness.Message("away", "Consent: removals"), map[string]string{"web.yaml": c.manifest("web", "four")})
	c.keeps("web", "three")
	w.service("db")
	if got := w.networks(); !strings.Contains(strings.Join(got, " "), "net") {
		t.Errorf("the networks are %v", got)
	}
}

// ownConfigs returns the versions of conf.
func ownConfigs(names []string) []string {
	var out []string
	for _, n := range names {
		if strings.HasPrefix(n, "conf-") {
			out = append(out, n)
		}
	}
	return out
}

func TestConsentByCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	s := w.twenty()
	s.repo.remove(files(5, 20)...)
	hash := s.repo.commit("fifteen go", nil)
	s.held(15)
	s.eventually(func() error { // the operator notes the outcome of the revision
		if r := w.cli("wait", "--host", w.host(), "--revision", hash[:8], "--timeout", "5s"); r.code != 1 || !strings.Contains(r.errs, "waits for a person") {
			return fmt.Errorf("wait for what is held: %s", r)
		}
		return nil
	})
	w.want(0, "history", "--host", w.host()).says(t, hash[:10], "held", s.good[:10], "rolled-out")
	w.want(0, "approve", "--host", w.host(), "removals", "Service/"+name(7), "--revision", hash[:10], "--reason", "tested").says(t, "agreed to removals Service/"+name(7))
	s.all(19)
	w.want(0, "approve", "--host", w.host(), "removals", "--for", "4h", "--reason", "tested").says(t, "revision "+hash[:10], "agreed to removals, until ")
	s.all(5)
	s.op.inSync(hash)
	w.want(0, "wait", "--host", w.host(), "--revision", hash).says(t, "is rolled out")

	t.Log("it was for that revision only")
	s.repo.remove(files(1, 5)...)
	s.repo.commit("four go", nil)
	s.held(4)
}

func TestWaitFollowsARevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := w.commanded("followed")
	wait := func(code int, revision string, more ...string) result {
		t.Helper()
		return c.command(code, append([]string{"wait", "--revision", revision}, more...)...)
	}
	wait(0, c.good).says(t, "is rolled out")
	briefly := func(revision string, more ...string) (r result) {
		t.Helper()
		w.eventually(func() error {
			if r = wait(1, revision, append(more, "--timeout", "1s")...); strings.Contains(r.errs, "has not answered yet") {
				return errors.New("a second was over before the engine had answered: the machine is busy")
			}
			return nil
		})
		return r
	}
	briefly("0123456789").says(t, "revision 0123456789 was not seen yet", c.good[:10]+" is in force")
	briefly(c.good, "--name", "folowed").says(t, "did you mean followed?")

	t.Log("it waits for what is still to come")
	ahead := map[string]string{"web.yaml": service("web", "image: slow:1", "replicas: 1", quickRestart, quick("pause"))}
	hash := c.repo.commit("slow", ahead)
	wait(0, hash).says(t, "is rolled out")

	t.Log("what fails")
	hash = c.repo.commit("bad", map[string]string{"web.yaml": service("web", "image: crash:1", "replicas: 1", quickRestart, quick("pause"))})
	wait(1, hash).says(t, "failed: Service/web")

	t.Log("what is refused")
	hash = c.repo.commit("wrong", map[string]string{"web.yaml": "kind: Nonsense\n"})
	wait(1, hash).says(t, "is refused: ")
	r := c.command(0, "history", "-o", "json")
	r.says(t, `"outcome": "refused"`, `"outcome": "failed"`, `"outcome": "rolled-out"`)

	t.Log("what was superseded, and never was in force")
	c.op.finish()
	skipped := c.repo.commit("skipped", map[string]string{"web.yaml": c.manifest("web", "five")})
	last := c.repo.commit("last", map[string]string{"web.yaml": c.manifest("web", "six")})
	c.op = w.operate(c.proxy.Host(), c.repo, "--repair-after", "0s")
	c.op.inSync(last)
	briefly(skipped).says(t, "was not seen yet")
	wait(3, skipped, "--source", c.repo.Dir).says(t, "was superseded")
	wait(0, last, "--source", c.repo.Dir)
}

// If the memory is gone, the operator only looks, until a person confirms that what it finds is right.
func TestConfirmMakesANewMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := w.commanded("forgotten")
	c.op.finish()
	w.forget()
	c.repo.commit("web changes", map[string]string{"web.yaml": c.manifest("web", "two")})
	c.op = w.operate(c.proxy.Host(), c.repo, "--repair-after", "0s")
	if condition := c.op.condition("Paused", true); !strings.Contains(condition.Message, "its memory is gone") {
		t.Errorf("the condition is %+v", condition)
	}
	c.keeps("web", "one")
	c.command(2, "approve", "removals", "--revision", "0123456", "--reason", "tested").says(t, "no source has a memory in this swarm")
	c.command(2, "unmanage", "--all", "--name", "forgotten").says(t, "source forgotten has no memory in this swarm")
	c.command(2, "confirm", "forgoten").says(t, "source forgoten is not known to this swarm")
	c.command(0, "resume", "forgotten").says(t, "nothing to resume", "swarm-operator confirm forgotten")
	c.keeps("web", "one")
	c.command(0, "confirm", "forgotten").says(t, "made a new memory")
	c.command(2, "confirm", "forgoten").says(t, "did you mean forgotten?")
	c.has("web", "two")
	c.op.condition("Paused", false)
}
