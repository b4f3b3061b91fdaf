package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// configured writes the operator's configuration whole.
func (w *world) configured(text string) {
	w.Helper()
	if err := os.WriteFile(w.path("operator.yaml"), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// Leaving observe mode is one line of the configuration, while the operator runs. A mistake in it changes nothing, and is
// said until it is mended.
func TestTheConfigurationChangesWhileTheOperatorRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("observed", map[string]string{"a.yaml": service("web", "image: app:1", "replicas: 0")})
	w.configured("sources: [{mode: observe}]\n")
	o := w.operate(w.host(), r)
	o.condition("InSync", false)
	address := o.Address()
	if _, there := w.find("web"); there {
		t.Fatal("an operator that observes has written")
	}

	for _, c := range []struct{ name, text, why string }{
		{"a word that is none", "sources: [{mode: enforced}]\n", `operator.yaml:1: sources[0].mode: "enforced" is not one of enforce, observe`},
		{"a file that is no YAML", "sources:\n\t- mode: enforce\n", "operator.yaml:2: "},
		{"a field that is none", "sources:\n- mod: enforce\n", "operator.yaml:2: sources[0].mod: unknown field; did you mean mode?"},
		{"a value that makes no sense", "sources: [{mode: enforce, budgets: {removals: 0}}]\n", "--max-removals: 0 is too few"},
	} {
		w.configured(c.text)
		w.eventually(func() error {
			if got := o.condition("ConfigurationRefused", true); !strings.Contains(got.Message, c.why) {
				return fmt.Errorf("%s: the condition says %q, want %q", c.name, got.Message, c.why)
			}
			return nil
		})
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
