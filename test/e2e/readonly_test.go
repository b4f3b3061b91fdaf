package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

func TestValidateAndDiffWriteNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.demo()
	p := w.proxy()
	p.Before(harness.ReadOnly)
	if out := w.want(0, "validate", "--source", r.Dir).out; !strings.Contains(out, "no problem") {
		t.Errorf("validate says %q", out)
	}
	w.cliEnv([]string{"DOCKER_HOST=" + p.Host()}, "validate", "--source", r.Dir)
	if calls := p.Calls(); len(calls) > 0 {
		t.Errorf("validate is offline, and called\n%s", lines(calls))
	}

	fresh := w.want(1, "diff", "--host", p.Host(), "--source", r.Dir)
	for _, want := range []string{"+ Service/web", "+ Service/api", "+ Config/nginx-conf", "+ Secret/api-key", "+ Network/front", "spec.image"} {
		if !strings.Contains(fresh.out, want) {
			t.Errorf("the diff has no %q:\n%s", want, fresh)
		}
	}
	w.readOnly(p)

	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.scale("web", 5)
	changed := w.want(1, "diff", "--host", p.Host(), "--source", r.Dir, "-o", "json")
	var plan struct {
		InSync bool
		Steps  []struct {
			Object, Cause, Effect string
			Fields                []harness.Field
		}
	}
	if err := json.Unmarshal([]byte(changed.out), &plan); err != nil {
		t.Fatalf("%v\n%s", err, changed)
	}
	if len(plan.Steps) != 1 || plan.InSync || plan.Steps[0].Object != "Service/web" || len(plan.Steps[0].Fields) != 1 {
		t.Fatalf("the plan is %+v", plan)
	}
	if f := plan.Steps[0].Fields[0]; f.Path != "spec.replicas" || *f.Have != "5" || *f.Want != "2" {
		t.Errorf("the field is %+v", f)
	}
	text := w.want(1, "diff", "--host", p.Host(), "--source", r.Dir)
	for _, want := range []string{"~ Service/web", "spec.replicas", "5 → 2", "by hand"} {
		if !strings.Contains(text.out, want) {
			t.Errorf("the diff has no %q:\n%s", want, text)
		}
	}
	w.scale("web", 2)
	w.want(0, "diff", "--host", p.Host(), "--source", r.Dir)
	w.readOnly(p)
}

// readOnly checks that nobody tried to write.
func (w *world) readOnly(p *harness.Proxy) {
	w.Helper()
	if writes := p.Writes(); len(writes) > 0 {
		w.Errorf("these calls were tried:\n%s", lines(writes))
	}
	if len(p.Calls()) == 0 {
		w.Error("nothing went through the proxy")
	}
}

// To start on a production swarm, people use --mode observe: it reports everything and tries no write.
func TestObserveReportsAndWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("watched", map[string]string{"a.yaml": service("made", "image: app:1", "replicas: 0")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	r.commit("another", map[string]string{"b.yaml": service("unmade", "image: app:1", "replicas: 0")})
	p := w.proxy()
	p.Before(harness.ReadOnly)
	o := w.operate(p.Host(), r, "--mode", "observe", "--repair-after", "0s", "--resync", "1s")
	o.condition("InSync", false)
	w.scale("made", 2)
	o.reports(func(r harness.Report) error {
		if _, err := scaled(r, "made", "2", "0"); err != nil {
			return err
		}
		for _, d := range r.Drift {
			if d.Object == "Service/unmade" && d.Operation == "create" && d.Open {
				return nil
			}
		}
		return fmt.Errorf("the service that is missing is not reported: %+v", r.Drift)
	})
	w.holds(2*time.Second, func() error {
		if writes := p.Writes(); len(writes) > 0 {
			return fmt.Errorf("it tried to write: %s", lines(writes))
		}
		return nil
	})
	if status := o.answers("/readyz"); status != 200 {
		t.Errorf("/readyz answers %d", status)
	}
}
