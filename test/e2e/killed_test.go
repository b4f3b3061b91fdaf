package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// ending is how an apply is disturbed at one of its calls.
type ending struct {
	name string
	// before the call goes on, or after the engine has carried it out.
	before, after func(*harness.Process) error
	kills         bool
}

func kill(p *harness.Process) error {
	p.Kill()
	return harness.ErrCut
}

var endings = []ending{
	{name: "killed before the call", before: kill, kills: true},
	{name: "killed before the answer", after: kill, kills: true},
	{name: "cut before the answer", after: func(*harness.Process) error { return harness.ErrCut }},
	{name: "refused", before: func(*harness.Process) error {
		return &harness.Answer{Status: http.StatusInternalServerError, Message: "an error of the engine's own"}
	}},
}

// mostCalls is far above what these applies need: more would be a loop.
const mostCalls = 100

// interrupted is a source whose apply is disturbed, with objects that no other run has.
type interrupted struct {
	*world
	proxy  *harness.Proxy
	repo   *repo
	prefix string
}

func (i *interrupted) object(name string) string { return i.prefix + "-" + name }

func (i *interrupted) args() []string {
	return []string{"apply", "--host", i.proxy.Host(), "--source", i.repo.Dir}
}

// first is what is made from nothing, second a revision that makes, changes and removes.
func (i *interrupted) first() map[string]string {
	o := i.object
	return map[string]string{
		"net.yaml": network(o("net")), "conf.yaml": config(o("conf"), "one\n"), "key.yaml": secret(o("key"), "one\n"),
		"api.yaml": service(o("api"), "image: app:1", "replicas: 0", "environment: {V: one}", "networks: ["+o("net")+"]"),
		"web.yaml": policy(service(o("web"), "image: app:1", "replicas: 0", "configs: ["+o("conf")+"]", "secrets: ["+o("key")+"]"), "dependsOn: [Service/"+o("api")+"]"),
		"old.yaml": service(o("old"), "image: app:1", "replicas: 0"),
	}
}

func (i *interrupted) second() map[string]string {
	o := i.object
	return map[string]string{
		"conf.yaml": config(o("conf"), "two\n"), "key.yaml": secret(o("key"), "two\n"),
		"api.yaml":  service(o("api"), "image: app:2", "replicas: 0", "environment: {V: two}", "networks: ["+o("net")+"]"),
		"new.yaml":  service(o("new"), "image: app:1", "replicas: 0", "networks: ["+o("more")+"]"),
		"more.yaml": network(o("more")),
	}
}

// disturb starts an apply that is disturbed at its k-th call; false when it has fewer.
func (i *interrupted) disturb(e ending, k int) bool {
	i.Helper()
	started := make(chan *harness.Process, 1)
	at := func(do func(*harness.Process) error) func(harness.Call) error {
		return func(c harness.Call) error {
			if do == nil || c.Index != k {
				return nil
			}
			p := <-started
			return do(p)
		}
	}
	i.proxy.Reset()
	i.proxy.Before(at(e.before))
	i.proxy.After(at(e.after))
	p, err := harness.Start(binary, i.env(), i.args()...)
	if err != nil {
		i.Fatal(err)
	}
	started <- p
	r := i.end(p)
	i.proxy.Before(nil)
	i.proxy.After(nil)
	reached := len(i.proxy.Calls()) >= k
	switch {
	case !reached && r.code != 0:
		i.Fatalf("undisturbed, apply says %s", r)
	case reached && !e.kills && r.code != 0 && r.code != 2:
		i.Errorf("disturbed at call %d, apply says %s", k, r)
	}
	return reached
}

// converges applies again, and checks what is there then.
func (i *interrupted) converges(k int, disturbed []harness.Call, services, networks []string, versions int) {
	i.Helper()
	i.freeLease() // nobody acts: need not wait until that is clear by itself
	i.proxy.Reset()
	calls := lines(disturbed)
	if r := i.cli(i.args()...); r.code != 0 {
		i.Fatalf("after call %d, the next apply says %s\nthe calls before:\n%s", k, r, calls)
	}
	if r := i.cli("diff", "--host", i.host(), "--source", i.repo.Dir); r.code != 0 {
		i.Fatalf("after call %d and another apply, diff says %s\nthe calls before:\n%s", k, r, calls)
	}
	mine := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, i.prefix+"-") })
	}
	if got := mine(slices.Sorted(maps.Keys(i.versions()))); !slices.Equal(got, prefixed(i.prefix, services)) {
		i.Errorf("after call %d services are %q", k, got)
	}
	if got := mine(i.networks()); !slices.Equal(got, prefixed(i.prefix, networks)) {
		i.Errorf("after call %d networks are %q", k, got)
	}
	if got := mine(i.configs()); len(got) != versions {
		i.Errorf("after call %d configs are %q, want %d\n%s%s", k, got, versions, calls, lines(i.proxy.Calls()))
	}
	if got := mine(i.secrets()); len(got) != versions {
		i.Errorf("after call %d secrets are %q, want %d\n%s%s", k, got, versions, calls, lines(i.proxy.Calls()))
	}
	if versions == 2 {
		i.once("api", func(s *swarm.ServiceSpec) string { return s.TaskTemplate.ContainerSpec.Image })
		i.once("web", func(s *swarm.ServiceSpec) string { return s.TaskTemplate.ContainerSpec.Configs[0].ConfigName })
	}
	done := map[string]int{}
	for _, c := range serviceWrites(append(disturbed, i.proxy.Calls()...)) {
		if c.Status >= 200 && c.Status < 300 {
			done[c.Path]++
		}
	}
	for path, n := range done {
		if n > 1 && path != "/services/create" {
			i.Errorf("after call %d: %s was done %d times\n%s", k, path, n, calls)
		}
	}
}

// freeLease writes into the lease that its holder is gone, so that nobody has to wait until that is clear by itself. A call of
// the one that was killed may still be on its way.
func (w *world) freeLease() {
	w.Helper()
	w.eventually(func() error {
		r, err := w.api.ConfigInspect(w.Context(), "swarm-operator-lease", client.ConfigInspectOptions{})
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		spec := r.Config.Spec
		spec.Labels["swarm-operator.io/lease"] = "left"
		_, err = w.api.ConfigUpdate(w.Context(), r.Config.ID, client.ConfigUpdateOptions{Version: r.Config.Version, Spec: spec})
		return err
	})
}

// once checks that a service was updated once: a second time would have made the new spec the one that a rollback brings back.
func (i *interrupted) once(service string, of func(*swarm.ServiceSpec) string) {
	i.Helper()
	s := i.service(i.object(service))
	if s.PreviousSpec == nil || of(s.PreviousSpec) == of(&s.Spec) {
		i.Errorf("%s was not updated exactly once: the rollback target of %s is lost", s.Spec.Name, of(&s.Spec))
	}
}

func prefixed(prefix string, names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, prefix+"-"+n)
	}
	return out
}

// clear removes what a round made, so that lists stay short.
func (i *interrupted) clear() {
	i.Helper()
	for _, s := range i.services() {
		if strings.HasPrefix(s.Spec.Name, i.prefix+"-") {
			if _, err := i.api.ServiceRemove(i.Context(), s.ID, client.ServiceRemoveOptions{}); err != nil {
				i.Fatal(err)
			}
		}
	}
}

// strides are which calls each of the endings disturbs: every one from the first, or on real engines, where what the operator
// does about it is the same, each call in one of these ways (-every: in all).
func strides() (step, offset int) {
	if *swarmKind == onEngines && !*every {
		return len(endings), 1
	}
	return 1, 0
}

func TestAnApplyThatIsKilledAtAnyCallConvergesLater(t *testing.T) {
	t.Parallel()
	step, offset := strides()
	for n, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, size{1, 0})
			foreign := cliService("foreign", "app:1")
			foreign.Mode.Replicated.Replicas = new(uint64)
			w.createService(foreign, true)
			before := w.settled("foreign")
			proxy := w.proxy()
			first, second := 0, 0
			for k := 1 + n*offset; ; k += step {
				i := &interrupted{world: w, proxy: proxy, prefix: fmt.Sprintf("a%02d", k)}
				i.repo = w.repo(i.prefix, i.first())
				if !i.disturb(e, k) {
					break
				}
				first = k
				i.converges(k, proxy.Calls(), []string{"api", "old", "web"}, []string{"net"}, 1)
				i.clear()
			}
			for k := 1 + n*offset; ; k += step {
				i := &interrupted{world: w, proxy: proxy, prefix: fmt.Sprintf("b%02d", k)}
				i.repo = w.repo(i.prefix, i.first())
				i.want(0, i.args()...)
				i.repo.remove("old.yaml")
				i.repo.commit("second", i.second())
				if !i.disturb(e, k) {
					break
				}
				second = k
				i.converges(k, proxy.Calls(), []string{"api", "new", "web"}, []string{"more", "net"}, 2)
				i.clear()
			}
			t.Logf("%d calls from nothing, %d for a change", first, second)
			if first < 15 || second < 15 || first > mostCalls || second > mostCalls {
				t.Errorf("that is not what these applies take")
			}
			w.untouched(before)
		})
	}
}
