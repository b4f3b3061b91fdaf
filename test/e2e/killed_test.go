package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// ending is a way to disturb an apply at one of its calls.
type ending struct {
	name string
	// before runs before the call goes on, and after when the engine has carried it out. Either may be nil.
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

// mostCalls is far more than these applies need. If one makes more calls, it is in a loop.
const mostCalls = 100

// interrupted is a source whose apply is disturbed. Its objects have names that no other run uses.
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

// first is made from nothing. second is a revision that makes, changes and removes objects.
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

// disturb runs an apply that is disturbed at a call. It returns false if the apply makes no such call.
func (i *interrupted) disturb(e ending, at point) bool {
	i.Helper()
	started := make(chan *harness.Process, 1)
	var hit atomic.Int64 // the index of the call
	when := func(do func(*harness.Process) error) func(harness.Call) error {
		return func(c harness.Call) error {
			if !at.is(c) || !hit.CompareAndSwap(0, int64(c.Index)) && hit.Load() != int64(c.Index) || do == nil {
				return nil
			}
			p := <-started
			return do(p)
		}
	}
	i.proxy.Reset()
	i.proxy.Before(when(e.before))
	i.proxy.After(when(e.after))
	p, err := harness.Start(binary, i.env(), i.args()...)
	if err != nil {
		i.Fatal(err)
	}
	started <- p
	r := i.end(p)
	i.proxy.Before(nil)
	i.proxy.After(nil)
	reached := hit.Load() != 0
	switch {
	case !reached && r.code != 0:
		i.Fatalf("undisturbed, apply says %s", r)
	case reached && !e.kills && r.code != 0 && r.code != 2:
		i.Errorf("disturbed at %s, apply says %s", at.name, r)
	}
	return reached
}

// converges applies again, and checks the result.
func (i *interrupted) converges(at string, disturbed []harness.Call, services, networks []string, versions int) {
	i.Helper()
	i.freeLease() // nobody acts, so there is no need to wait until that is clear by itself
	i.proxy.Reset()
	calls := lines(disturbed)
	if r := i.cli(i.args()...); r.code != 0 {
		i.Fatalf("after %s, the next apply says %s\nthe calls before:\n%s", at, r, calls)
	}
	if r := i.cli("diff", "--host", i.host(), "--source", i.repo.Dir); r.code != 0 {
		i.Fatalf("after %s and another apply, diff says %s\nthe calls before:\n%s", at, r, calls)
	}
	mine := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, i.prefix+"-") })
	}
	if got := mine(slices.Sorted(maps.Keys(i.versions()))); !slices.Equal(got, prefixed(i.prefix, services)) {
		i.Errorf("after %s services are %q", at, got)
	}
	if got := mine(i.networks()); !slices.Equal(got, prefixed(i.prefix, networks)) {
		i.Errorf("after %s networks are %q", at, got)
	}
	if got := mine(i.configs()); len(got) != versions {
		i.Errorf("after %s configs are %q, want %d\n%s%s", at, got, versions, calls, lines(i.proxy.Calls()))
	}
	if got := mine(i.secrets()); len(got) != versions {
		i.Errorf("after %s secrets are %q, want %d\n%s%s", at, got, versions, calls, lines(i.proxy.Calls()))
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
			i.Errorf("after %s: %s was done %d times\n%s", at, path, n, calls)
		}
	}
}

// freeLease notes in the lease that its holder has gone, so that nobody has to wait until that is clear by itself. It
// tries again, because a call of the killed process may still be on its way.
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

// once checks that a service was updated exactly once. A second update would have made the new spec the target of a
// rollback.
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

func TestAnApplyThatIsKilledAtAnyCallConvergesLater(t *testing.T) {
	t.Parallel()
	for n, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, size{1, 0})
			foreign := cliService("foreign", "app:1")
			foreign.Mode.Replicated.Replicas = new(uint64)
			w.createService(foreign, true)
			before := w.settled("foreign")
			proxy, prefix := w.proxy(), ""
			run := func(kind string, last func(harness.Call) bool, one func(i *interrupted, at point) bool) {
				calls, k := 0, 0
				for at := range points(n, last) {
					k++
					prefix = fmt.Sprintf("%s%02d", kind, k)
					if !one(&interrupted{world: w, proxy: proxy, prefix: prefix}, at) {
						break
					}
					calls = k
				}
				w.reached(n, kind, calls, 15)
			}
			run("a", func(c harness.Call) bool { return creates(prefix + "-web")(c) }, func(i *interrupted, at point) bool {
				i.repo = w.repo(i.prefix, i.first())
				if !i.disturb(e, at) {
					return false
				}
				i.converges(at.name, proxy.Calls(), []string{"api", "old", "web"}, []string{"net"}, 1)
				i.clear()
				return true
			})
			run("b", removesService, func(i *interrupted, at point) bool {
				i.repo = w.repo(i.prefix, i.first())
				i.want(0, i.args()...)
				i.repo.remove("old.yaml")
				i.repo.commit("second", i.second())
				if !i.disturb(e, at) {
					return false
				}
				i.converges(at.name, proxy.Calls(), []string{"api", "new", "web"}, []string{"more", "net"}, 2)
				i.clear()
				return true
			})
			w.untouched(before)
		})
	}
}

// reached checks that a loop over the points of the n-th ending has disturbed as much as it must. On engines that is
// one call. If the loop goes on to the end, it is all of its calls; such an apply makes at least `least` calls.
func (w *world) reached(n int, what string, disturbed, least int) {
	w.Helper()
	w.Logf("%s: disturbed at %d calls", what, disturbed)
	from, to := 1, 1
	if endless() {
		from, to = reached(n, least), reached(n, mostCalls)
	}
	if disturbed < from || disturbed > to {
		w.Errorf("%s: disturbed at %d calls, want %d to %d", what, disturbed, from, to)
	}
}
