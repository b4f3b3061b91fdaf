package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// An operator that reads an older checkout does nothing and says so, even if that checkout does not have the newer
// commit.
func TestAnOlderCheckoutDoesNotAct(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	manifest := func(n int) map[string]string {
		return map[string]string{
			"a.yaml": service("a", fmt.Sprintf("image: app:%d", n), "replicas: 0", "configs: [conf]"), "b.yaml": service("b", "image: app:1", "replicas: 0"),
			"conf.yaml": config("conf", fmt.Sprintf("%d\n", n)),
		}
	}
	r := w.repo("older", nil)
	clone := func(name string) *repo {
		t.Helper()
		c, err := r.Clone(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		return &repo{c, w}
	}
	reset := func(r *repo, hash string) {
		t.Helper()
		if err := r.Reset(hash); err != nil {
			t.Fatal(err)
		}
	}
	older := r.commit("older", manifest(1))
	unseen := clone("unseen") // it never fetches what comes later
	between := r.commit("of the same second, and never in force", manifest(2))
	stale := clone("stale")
	r.remove("b.yaml")
	newer := r.commit("newer", manifest(3))
	back := clone("back") // it has the newer commit, and its branch was reset
	reset(back, older)
	p := w.proxy()
	first := w.operate(p.Host(), r, "--repair-after", "0s", "--instance", "first")
	first.inSync(newer)

	t.Log("instances of older checkouts")
	for name, c := range map[string]struct {
		repo *repo
		hash string
	}{"unseen": {unseen, older}, "stale": {stale, between}, "back": {back, older}} {
		p := w.proxy()
		o := w.operate(p.Host(), c.repo, "--repair-after", "0s", "--resync", "1s", "--instance", name)
		if got := o.condition("Outdated", true); !strings.Contains(got.Message, c.hash[:10]) || !strings.Contains(got.Message, newer[:10]) {
			t.Errorf("%s: the condition does not name both revisions: %+v", name, got)
		}
		for _, output := range []string{"text", "json"} {
			if out := w.cli("status", "--host", w.host(), "--source", c.repo.Dir, "-o", output); !strings.Contains(out.out, "older than") {
				t.Errorf("%s: status does not say it:\n%s", name, out)
			}
		}
		for _, command := range []string{"diff", "apply"} {
			if out := w.want(1, command, "--host", p.Host(), "--source", c.repo.Dir); !strings.Contains(out.out, "older than the one in force") {
				t.Errorf("%s: %s does not say why:\n%s", name, command, out)
			}
		}
		w.holds(3*time.Second, func() error {
			for _, c := range p.Calls() {
				if c.Write() {
					return fmt.Errorf("%s wrote: %s", name, c)
				}
			}
			return nil
		})
		w.image("a", "app:3")
		if status := o.answers("/readyz"); status != 200 { // it can do its job, which is to wait
			t.Errorf("%s: /readyz answers %d", name, status)
		}
		if code, err := o.Stop(t.Context()); code != 0 || err != nil {
			t.Errorf("%s: it ends with %d, %v", name, code, err)
		}
	}
	first.inSync(newer)

	t.Log("also where nobody else looks after the swarm")
	first.finish()
	alone := w.proxy()
	o := w.operate(alone.Host(), unseen, "--repair-after", "0s", "--resync", "1s")
	o.condition("Outdated", true)
	w.scale("a", 2)
	w.holds(3*time.Second, func() error {
		if writes := alone.Writes(); len(writes) > 0 || replicas(w.service("a")) != 2 {
			return fmt.Errorf("it wrote:\n%s", lines(writes))
		}
		return nil
	})
	if err := unseen.Pull(r.Repo, newer); err != nil {
		t.Fatal(err)
	}
	o.inSync(newer)
	if n := replicas(w.service("a")); n != 0 {
		t.Errorf("it has the newer commit, and replicas are %d", n)
	}
	o.finish()

	t.Log("back, with consent")
	w.want(0, "apply", "--consent", "rewind", "--host", w.host(), "--source", back.Dir)
	w.image("a", "app:1")
	w.service("b")
	w.want(0, "diff", "--host", w.host(), "--source", back.Dir)
	o = w.operate(w.host(), r) // a commit that is newer than the one in force goes on from there
	o.inSync(newer)
	w.image("a", "app:3")

	two := w.operate(w.host(), r, "--instance", "two")
	reset(r, older)
	for _, o := range []*operator{o, two} {
		o.reports(func(r harness.Report) error {
			for _, f := range r.Refused {
				if f.Guard == "rewind" && f.Class == "consent" && f.Hazard == "rewind" && strings.Contains(f.Why, "swarm-operator approve rewind --revision "+older[:10]+" --reason TEXT") {
					return nil
				}
			}
			return fmt.Errorf("it does not say what it needs: %s", brief(r))
		})
	}
	w.image("a", "app:3")
	w.want(0, "approve", "rewind", "--revision", older[:10], "--reason", "tested", "--host", w.host())
	for _, o := range []*operator{o, two} {
		o.inSync(older)
		o.condition("Outdated", false)
	}
	w.image("a", "app:1")
	w.service("b")
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	again := r.commit("and forward again", map[string]string{"a.yaml": service("a", "image: app:2", "replicas: 0")})
	o.inSync(again)
	two.inSync(again)
	w.image("a", "app:2")
}
