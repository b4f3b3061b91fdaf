package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// forget removes by hand all of the operator's own configs, and every other config that is not in use.
func (w *world) forget() {
	w.Helper()
	isOwn := func(c swarm.Config) bool { return strings.HasPrefix(c.Spec.Name, "swarm-operator") }
	own := 0
	for again := true; again; {
		again = false
		list, err := w.api.ConfigList(w.Context(), client.ConfigListOptions{})
		if err != nil {
			w.Fatal(err)
		}
		// its own first: until they are gone, the operator makes the others again, as it should
		slices.SortStableFunc(list.Items, func(a, b swarm.Config) int {
			return strings.Compare(fmt.Sprint(isOwn(b)), fmt.Sprint(isOwn(a)))
		})
		for _, c := range list.Items {
			_, err := w.api.ConfigRemove(w.Context(), c.ID, client.ConfigRemoveOptions{})
			switch {
			case err == nil && isOwn(c):
				own++
			case cerrdefs.IsNotFound(err):
				again = true // the operator has replaced it in the meantime: the new one has to go as well
			case err != nil && !strings.Contains(err.Error(), "in use"):
				w.Fatal(err)
			}
		}
	}
	if own < 2 {
		w.Errorf("%d configs were the operator's own, want a memory and the lease", own)
	}
}

// Somebody removes by hand everything that the operator remembers. The operator then does nothing and says so, until
// somebody has looked.
func TestALostMemoryIsSafe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	files := map[string]string{"conf.yaml": config("conf", "one\n"), "key.yaml": secret("key", "one\n"), "unused.yaml": config("unused", "one\n")}
	for i := range 8 {
		files[file(i)] = service(name(i), "image: app:1", "replicas: 1", quickRestart, "configs: [conf]", "secrets: [key]")
	}
	r := w.repo("amnesia", files)
	ops := []*operator{}
	p := w.proxy()
	for i := range 2 {
		ops = append(ops, w.operate(p.Host(), r, "--repair-after", "0s", "--resync", "2s", "--instance", fmt.Sprint("op-", i)))
	}
	for _, o := range ops {
		o.condition("InSync", true)
	}
	for i := range 8 {
		w.runs(name(i), 1)
	}
	// The outcome of the roll-outs is written as well, some seconds later.
	w.want(0, "wait", "--host", w.host(), "--source", r.Dir, "--revision", "HEAD")
	w.written(p)
	before, tasks, configs, secrets := w.versions(), w.taskIDs(), w.configs(), w.secrets()
	p.Reset()
	w.forget()
	untouched := func() error {
		for _, c := range p.Calls() {
			if c.Write() {
				return fmt.Errorf("it wrote: %s", c)
			}
		}
		if now := w.versions(); fmt.Sprint(now) != fmt.Sprint(before) {
			return fmt.Errorf("versions were %v and are %v", before, now)
		}
		if now := w.taskIDs(); !slices.Equal(now, tasks) {
			return fmt.Errorf("tasks were %q and are %q", tasks, now)
		}
		return nil
	}
	for _, o := range ops {
		if c := o.condition("Paused", true); !strings.Contains(c.Message, "amnesia") {
			t.Errorf("the condition does not say what is lost: %+v", c)
		}
	}
	w.holds(3*time.Second, untouched)

	t.Log("a commit meanwhile")
	r.remove(file(7))
	hash := r.commit("one goes, one changes, and a config", map[string]string{
		"conf.yaml": config("conf", "two\n"), file(0): service(name(0), "image: app:2", "replicas: 1", quickRestart, "configs: [conf]", "secrets: [key]"),
	})
	for _, o := range ops {
		o.reports(func(r harness.Report) error {
			for _, f := range r.Refused {
				if f.Object == "Service/"+name(0) && f.Guard == "paused" && strings.Contains(f.Why, "swarm-operator confirm amnesia") {
					return nil
				}
			}
			return fmt.Errorf("it does not say what ends it: %s", brief(r))
		})
	}
	for _, args := range [][]string{{"diff"}, {"apply"}} {
		if out := w.want(1, append(args, "--host", p.Host(), "--source", r.Dir)...); !strings.Contains(out.out, "swarm-operator confirm amnesia") {
			t.Errorf("%s does not say what ends it:\n%s", args, out)
		}
	}
	if out := w.cli("status", "--host", w.host(), "--source", r.Dir); !strings.Contains(out.out, "confirm") {
		t.Errorf("status does not say it:\n%s", out)
	}
	w.holds(5*time.Second, untouched)
	if got := w.own(); len(got) > 0 {
		t.Errorf("it has written what it remembers: %q", got)
	}

	t.Log("somebody has looked")
	if out := w.want(0, "confirm", "amnesia", "--host", w.host()); !strings.Contains(out.out, "new memory") {
		t.Errorf("confirm does not say what it did:\n%s", out)
	}
	for _, o := range ops {
		o.inSync(hash)
		o.condition("Paused", false)
	}
	w.image(name(0), "app:2")
	w.eventually(func() error {
		if _, there := w.find(name(7)); there {
			return fmt.Errorf("the service is still there: %s", brief(ops[0].report()))
		}
		return nil
	})
	// Without the key that named it, its content cannot be compared
	if got := w.secrets(); !slices.Equal(got, secrets) {
		t.Errorf("secrets %q are %q", secrets, got)
	}
	for i := 1; i < 7; i++ {
		w.service(name(i))
	}
	t.Logf("configs were %q and are %q", configs, w.configs())
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}
