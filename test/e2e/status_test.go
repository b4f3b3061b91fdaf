package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// seen is the part of a status that these tests read, declared here as a user's program would do it.
type seen struct {
	Source, Mode, Revision string
	Applied                string `json:"inForce"`
	Lease                  *struct{ State string }
	Objects                []struct {
		Object, Sync, SyncWhy, Health, HealthWhy string
		Replicas                                 *struct{ Running, Wanted int }
	}
	Rollouts []rolling
	Drift    []struct {
		Object, Operation, By string
		Fields                []harness.Field
	}
	Refused []struct{ Object, Guard, Class, Why string }
	Failed  []struct{ Object, Why string }
	Holds   []struct{ Target, Reason string }
}

type rolling struct {
	Object, State string
	Since         time.Time
	Replicas      struct{ Running, Wanted int }
}

// seeStatus runs the status command, which must exit with 0.
func (w *world) seeStatus(args ...string) seen {
	w.Helper()
	out := w.want(0, append([]string{"status", "-o", "json"}, args...)...)
	var s seen
	if err := json.Unmarshal([]byte(out.out), &s); err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	return s
}

// is returns an error if the object is not as in want, which is "SYNC HEALTH RUNNING/WANTED".
func (s seen) is(object, want string) error {
	for _, o := range s.Objects {
		if o.Object != object {
			continue
		}
		got := o.Sync + " " + o.Health
		if o.Replicas != nil {
			got += fmt.Sprintf(" %d/%d", o.Replicas.Running, o.Replicas.Wanted)
		}
		if got != want {
			return fmt.Errorf("%s is %s (%s; %s), want %s", object, got, o.SyncWhy, o.HealthWhy, want)
		}
		return nil
	}
	return fmt.Errorf("there is no %s among %+v", object, s.Objects)
}

// statusOf returns the flags for the three ways to ask.
func (w *world) statusOf(o *operator, r *repo) map[string][]string {
	return map[string][]string{
		"operator": {"--operator", o.Address()}, "source": {"--host", w.host(), "--source", r.Dir}, "swarm": {"--host", w.host()},
	}
}

func TestStatusShowsObjectsRolloutsAndDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	if out := w.want(0, "status", "--host", w.host()); !strings.Contains(out.errs, "no source") || out.out != "" {
		t.Errorf("of a swarm that nobody manages it says %s", out)
	}
	web := func(image string) string {
		return service("web", "image: "+image, "replicas: 2", "environment: {DB_PASSWORD: canary-4711}", quick("pause"))
	}
	r := w.repo("shop", nil)
	good := r.commit("good", map[string]string{"web.yaml": web("app:1"), "conf.yaml": config("conf", "one\n")})
	p := w.proxy()
	p.Before(harness.ReadOnly)
	fresh := w.seeStatus("--host", p.Host(), "--source", r.Dir)
	for object, want := range map[string]string{"Service/web": "OutOfSync Missing", "Config/conf": "OutOfSync Missing"} {
		if err := fresh.is(object, want); err != nil {
			t.Error(err)
		}
	}
	if fresh.Source != "shop" || fresh.Revision != good || fresh.Applied != "" {
		t.Errorf("before it is applied it is %+v", fresh)
	}
	w.readOnly(p)

	o := w.operate(w.host(), r, "--repair-after", "10m")
	o.inSync(good)
	for name, args := range w.statusOf(o, r) {
		sync := "Synced"
		if name == "swarm" {
			sync = "Unknown"
		}
		w.eventually(func() error {
			s := w.seeStatus(args...)
			if s.Source != "shop" || s.Applied != good || s.Lease == nil {
				return fmt.Errorf("%s says %+v", name, s)
			}
			return s.is("Service/web", sync+" Healthy 2/2")
		})
	}

	// A roll-out that takes time shows how far it is.
	r.commit("slow", map[string]string{"web.yaml": web("slow:1")})
	for name, args := range w.statusOf(o, r) {
		w.eventually(func() error {
			s := w.seeStatus(args...)
			i := slices.IndexFunc(s.Rollouts, func(r rolling) bool { return r.Object == "Service/web" })
			if i < 0 || s.Rollouts[i].State != "updating" || s.Rollouts[i].Since.IsZero() || s.Rollouts[i].Replicas.Wanted != 2 {
				return fmt.Errorf("%s shows no roll-out in progress: %+v", name, s)
			}
			return nil
		})
	}
	w.eventually(func() error { return w.seeStatus("--operator", o.Address()).is("Service/web", "Synced Healthy 2/2") })

	w.scale("web", 1)
	for _, name := range []string{"operator", "source"} {
		args := w.statusOf(o, r)[name]
		w.eventually(func() error {
			s := w.seeStatus(args...)
			for _, d := range s.Drift {
				if d.Object == "Service/web" && d.By == "hand" && len(d.Fields) == 1 && d.Fields[0].Path == "spec.replicas" && *d.Fields[0].Have == "1" && *d.Fields[0].Want == "2" {
					return s.is("Service/web", "OutOfSync Healthy 1/1")
				}
			}
			return fmt.Errorf("%s does not show the drift: %+v", name, s)
		})
		text := w.want(0, append([]string{"status"}, args...)...)
		for _, want := range []string{"OBJECT", "SYNC", "HEALTH", "Changed by hand", "1 → 2"} {
			if !strings.Contains(text.out, want) {
				t.Errorf("%s prints no %q:\n%s", name, want, text)
			}
		}
		if strings.Contains(text.out+text.errs, "canary") {
			t.Errorf("it shows a secret:\n%s", text)
		}
	}
}

func TestStatusShowsWhatFailsAndWhatIsOnHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("failing", map[string]string{"bad.yaml": service("bad", "image: crash:1", "replicas: 1", quickRestart), "net.yaml": network("net")})
	o := w.operate(w.host(), r)
	o.condition("RolloutFailed", true)
	holder := w.createConfigLabelled("hold-net", "we move\n", map[string]string{"swarm-operator.io/hold": "Network/net"})
	for name, args := range w.statusOf(o, r) {
		sync := "Synced"
		if name == "swarm" {
			sync = "Unknown"
		}
		w.eventually(func() error {
			s := w.seeStatus(args...)
			if err := s.is("Service/bad", sync+" Degraded 0/1"); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if len(s.Holds) != 1 || s.Holds[0].Reason != "we move" {
				return fmt.Errorf("%s: the holds are %+v", name, s.Holds)
			}
			i := slices.IndexFunc(s.Failed, func(f struct{ Object, Why string }) bool { return f.Object == "Service/bad" })
			if i < 0 || !strings.Contains(s.Failed[i].Why, "the last one that failed: ") {
				return fmt.Errorf("%s: what failed is %+v", name, s.Failed)
			}
			return nil
		})
		text := w.want(0, append([]string{"status"}, args...)...).out
		for _, want := range []string{"the last one that failed: ", "on hold: we move", "Holds", "Failed"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s prints no %q:\n%s", name, want, text)
			}
		}
	}
	w.removeConfig(holder)
	w.eventually(func() error {
		if s := w.seeStatus("--operator", o.Address()); len(s.Holds) > 0 {
			return fmt.Errorf("the holds are %+v", s.Holds)
		}
		return nil
	})
}

func TestStatusIsWatched(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("watched-status", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	p := w.proxy()
	watch, err := harness.Start(binary, w.env(), "status", "--watch", "--host", p.Host())
	if err != nil {
		t.Fatal(err)
	}
	prints := func(n int) func() error {
		return func() error {
			if got := strings.Count(watch.Stdout(), "OBJECT"); got != n {
				return fmt.Errorf("it has printed %d times, want %d:\n%s%s", got, n, watch.Stdout(), watch.Stderr())
			}
			return nil
		}
	}
	w.eventually(prints(1))
	w.holds(3*time.Second, prints(1))
	w.scale("a", 1)
	w.eventually(func() error {
		if !strings.Contains(watch.Stdout(), "/1") {
			return fmt.Errorf("it has not shown the change:\n%s%s", watch.Stdout(), watch.Stderr())
		}
		return nil
	})
	if err := watch.Interrupt(); err != nil {
		t.Fatal(err)
	}
	if ended := w.end(watch); ended.code != 0 || strings.Contains(ended.errs, "error") {
		t.Errorf("interrupted, it ends with %s", ended)
	}
	w.readOnly(p)
}
