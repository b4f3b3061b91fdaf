package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// configured writes the operator's configuration whole.
func (w *world) configured(text string) {
	w.Helper()
	if err := os.WriteFile(w.path("operator.yaml"), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// answersTo returns the status code of the operator's answer to a request that calls it by a name.
func (o *operator) answersTo(name string) int {
	o.w.Helper()
	request, err := http.NewRequestWithContext(o.w.Context(), http.MethodGet, "http://"+o.Address()+"/api/v1/drift", nil)
	if err != nil {
		o.w.Fatal(err)
	}
	request.Host = name
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		o.w.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// Leaving observe mode is one line of the configuration, while the operator runs. A mistake in it changes nothing, and is
// said until it is mended. So does a file that is emptied: mode, guardrails and what HTTP answers to stay.
func TestTheConfigurationChangesWhileTheOperatorRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("observed", map[string]string{
		"a.yaml": service("web", "image: app:1", "replicas: 0"), "b.yaml": service("armed", "image: app:1", "replicas: 0", "capAdd: [NET_ADMIN]"),
	})
	rules := w.path("rules.yaml")
	if err := os.WriteFile(rules, []byte("containers: {capabilities: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.configured("sources: [{mode: observe, guardrails: " + rules + "}]\nhttp: {hosts: [operator.example]}\n")
	o := w.operate(w.host(), r)
	o.condition("InSync", false)
	address := o.Address()
	asBefore := func(after string) {
		t.Helper()
		o.reports(func(report harness.Report) error {
			held := slices.ContainsFunc(report.Refused, func(x harness.Refusal) bool {
				return x.Object == "Service/armed" && strings.Contains(x.Why, "guardrail containers.capabilities: ")
			})
			if report.Mode != "observe" || !held {
				return fmt.Errorf("after %s the mode is %s, and held by the guardrails is %t: %s", after, report.Mode, held, brief(report))
			}
			return nil
		})
		if status := o.answersTo("operator.example"); status != http.StatusOK {
			t.Errorf("after %s it answers to its name with %d", after, status)
		}
	}
	asBefore("the start")
	if _, there := w.find("web"); there {
		t.Fatal("an operator that observes has written")
	}

	for _, c := range []struct{ name, text, why string }{
		{"a word that is none", "sources: [{mode: enforced}]\n", `operator.yaml:1: sources[0].mode: "enforced" is not one of enforce, observe`},
		{"a file that is no YAML", "sources:\n\t- mode: enforce\n", "operator.yaml:2: "},
		{"a field that is none", "sources:\n- mod: enforce\n", "operator.yaml:2: sources[0].mod: unknown field; did you mean mode?"},
		{"an empty file", "", "operator.yaml:1: states nothing, so that the operator would enforce, without guardrails"},
		{"a file without sources in their list", "sources: []\nhttp: {hosts: [operator.example]}\n", "operator.yaml:1: sources: states no source"},
		{"a file of comments", "# sources: [{mode: observe}]\n", "operator.yaml:1: states nothing"},
		{"a list of comments", "sources:\n# - mode: observe\n", "operator.yaml:1: sources: states no source"},
		{"a file that lost its sources", "http: {hosts: [operator.example]}\n", "operator.yaml: states no source any more, so that mode and guardrails would be those of flags alone"},
		{"a file with a line of a document", "---\n", "operator.yaml:1: states nothing"},
		{"a value that makes no sense", "sources: [{mode: enforce, budgets: {removals: 0}}]\n", "--max-removals: 0 is too few"},
	} {
		w.configured(c.text)
		w.eventually(func() error {
			if got := o.condition("ConfigurationRefused", true); !strings.Contains(got.Message, c.why) {
				return fmt.Errorf("%s: the condition says %q, want %q", c.name, got.Message, c.why)
			}
			return nil
		})
		asBefore(c.name)
	}
	if _, there := w.find("web"); there {
		t.Fatal("a configuration with a mistake has changed the mode")
	}

	w.configured("sources: [{mode: enforce}]\n")
	o.condition("InSync", true)
	if _, there := w.find("web"); !there {
		t.Error("the operator enforces, and the service is not there")
	}
	if o.Address() != address {
		t.Errorf("it listens at %s, and listened at %s", o.Address(), address)
	}

	w.configured("sources: [{mode: observe}]\n")
	w.eventually(func() error {
		if mode := o.report().Mode; mode != "observe" {
			return fmt.Errorf("the mode is %s", mode)
		}
		return nil
	})
	r.commit("another image", map[string]string{"a.yaml": service("web", "image: app:2", "replicas: 0")})
	o.condition("InSync", false)
	if image := w.service("web").Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, "app:1") {
		t.Errorf("an operator that observes has written %s", image)
	}
}

// New guardrails count while the operator runs, by a new configuration or by a new content of their file. A mistake in them
// leaves the old ones in force, and is said with file and line. A key that is the wrong one is a condition of its own.
func TestGuardrailsAndKeysChangeWhileTheOperatorRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	web := func(more ...string) string {
		return service("web", append([]string{"image: app:1", "replicas: 0"}, more...)...)
	}
	r := w.repo("ruled", map[string]string{"a.yaml": web(), "key.yaml": secret("key", "one")})
	rules, key, other := w.path("rules.yaml"), w.path("hash.key"), w.path("other.key")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(key, strings.Repeat("0123456789abcdef", 4))
	write(other, strings.Repeat("fedcba9876543210", 4))
	write(rules, "containers: {capabilities: []}\n")
	w.configured("hashKeyFile: " + key + "\nsources: [{}]\n")
	o := w.operate(w.host(), r, "--repair-after", "0s")
	head, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	o.inSync(head)
	refusedFor := func(why string) {
		t.Helper()
		w.eventually(func() error {
			if got := o.condition("ConfigurationRefused", true); !strings.Contains(got.Message, why) {
				return fmt.Errorf("the condition says %q, want %q", got.Message, why)
			}
			return nil
		})
	}

	// Whatever is wrong with a file that a configuration names, the operator goes on as before.
	config := "hashKeyFile: " + key + "\nsources: [{guardrails: " + rules + "}]\n"
	write(rules, "containers:\n  capability: []\n")
	w.configured(config)
	refusedFor(rules + ":2: containers.capability: unknown field; did you mean capabilities?")
	write(rules, "containers: {capabilities: []}\n")
	forbidden := r.commit("a capability", map[string]string{"a.yaml": web("capAdd: [NET_ADMIN]")})
	held := func() {
		t.Helper()
		o.reports(func(report harness.Report) error {
			for _, x := range report.Refused {
				if report.Applied == forbidden && x.Object == "Service/web" && strings.Contains(x.Why, "guardrail containers.capabilities: NET_ADMIN is not allowed") {
					return nil
				}
			}
			return fmt.Errorf("the guardrails do not hold it: %s", brief(report))
		})
	}
	held()

	// The file itself changes. While it has a mistake, or is gone, what it said before counts.
	write(rules, "containers: {capabilities: [NET_ADMIN}\n")
	refusedFor(rules + ":1: ")
	forbidden = r.commit("and another image", map[string]string{"a.yaml": service("web", "image: app:2", "replicas: 0", "capAdd: [NET_ADMIN]")})
	held()
	write(rules, "containers:\n  capabilities:\n  # - NET_ADMIN\n")
	refusedFor(rules + ":2: containers.capabilities: states nothing")
	write(rules, "# containers: {capabilities: []}\n")
	refusedFor(rules + ":1: states no rule")
	if err := os.Remove(rules); err != nil {
		t.Fatal(err)
	}
	refusedFor("no such file or directory")
	held()
	write(rules, "containers: {capabilities: [NET_ADMIN]}\n")
	o.inSync(forbidden)

	// With the wrong key the secret cannot be compared. The revision that changes it is not said to be rolled out.
	w.configured(strings.Replace(config, key, other, 1))
	c := o.condition("SecretsNotCompared", true)
	for _, text := range []string{"Secret/key: its digest was made with another key than the one in " + other, "--hash-key-file"} {
		if !strings.Contains(c.Message, text) {
			t.Errorf("the condition does not say %q: %s", text, c.Message)
		}
	}
	o.has(`condition type="SecretsNotCompared" 1`)
	hash := r.commit("another content", map[string]string{"key.yaml": secret("key", "two")})
	o.inSync(hash) // as far as anybody can tell
	w.want(1, "wait", "--host", w.host(), "--name", "ruled", "--revision", hash).says(t, "Secret/key cannot be compared")
	w.configured(config)
	o.condition("SecretsNotCompared", false)
	o.inSync(hash)
	w.want(0, "wait", "--host", w.host(), "--name", "ruled", "--revision", hash)
}
