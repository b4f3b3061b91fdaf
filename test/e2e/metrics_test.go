package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// has waits until /metrics has each of these. A metric here is a name, some of its labels, and a value.
func (o *operator) has(metrics ...string) {
	o.w.Helper()
	o.w.eventually(func() error {
		_, body, err := o.Get(o.w.Context(), "/metrics")
		if err != nil {
			return err
		}
		for _, m := range metrics {
			if !slices.ContainsFunc(strings.Split(body, "\n"), func(line string) bool { return isMetric(line, strings.Fields(m)) }) {
				return fmt.Errorf("/metrics has no %s\n%s", m, ours(body))
			}
		}
		return nil
	})
}

func isMetric(line string, words []string) bool {
	name, labels, value := "swarm_operator_"+words[0], words[1:len(words)-1], words[len(words)-1]
	if rest, ok := strings.CutPrefix(line, name); !ok || rest[0] != '{' && rest[0] != ' ' || !strings.HasSuffix(line, " "+value) {
		return false
	}
	return !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(line, l) })
}

func ours(metrics string) string {
	var b strings.Builder
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "swarm_operator_") && !strings.Contains(line, "duration_seconds") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestMetricsAndConditionsTellWhatGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("measured", nil)
	good := r.commit("good", map[string]string{
		"a.yaml": service("a", "image: app:1", "replicas: 0"), "b.yaml": service("b", "image: app:1", "replicas: 0"), "c.yaml": config("c", "one\n"),
	})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "1h", "--resync", "1h") // so that it makes no call by itself, however long this takes
	o.inSync(good)
	o.has(
		fmt.Sprintf(`revision_info source="measured" revision="%s" state="applied" 1`, good),
		fmt.Sprintf(`revision_info source="measured" revision="%s" state="attempted" 1`, good),
		`steps_total source="measured" kind="Service" operation="create" result="ok" 2`,
		`objects source="measured" kind="Service" 2`,
		`condition source="measured" type="InSync" 1`,
		`api_calls_total code="201" method="POST" route="/services/create" 2`,
		`queue_length 0`,
	)
	bad := r.commit("bad", map[string]string{"bad.yaml": "kind: Service\n"})
	o.has(
		fmt.Sprintf(`revision_info source="measured" revision="%s" state="applied" 1`, good),
		fmt.Sprintf(`revision_info source="measured" revision="%s" state="attempted" 1`, bad),
		`condition source="measured" type="SourceReady" 0`,
	)
	r.remove("bad.yaml", "b.yaml", "c.yaml")
	two := r.commit("two of three go", nil)
	o.reports(func(r harness.Report) error {
		if r.Applied != two || !r.Is("Held", true) {
			return fmt.Errorf("it is %s", brief(r))
		}
		return nil
	})
	w.scale("a", 3)
	o.has(
		`drift_objects source="measured" by="hand" kind="Service" 1`,
		`drift_objects source="measured" by="git" kind="Service" 1`,
		`drift_objects source="measured" by="git" kind="Config" 1`,
		`refusals source="measured" class="consent" guard="removal-budget" 2`,
		`refusals source="measured" class="later" guard="repair-after" 1`,
		`condition source="measured" type="Held" 1`,
	)
	w.quiet(p)
	p.Reset()
	for range 20 {
		o.answers("/metrics")
		o.answers("/readyz")
		o.report()
	}
	if calls := p.Calls(); len(calls) > 0 {
		t.Errorf("asking the operator cost the engine\n%s", lines(calls))
	}
}
