package v1_test

import (
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func TestOneForm(t *testing.T) {
	for _, c := range []struct{ kind, path, want string }{
		{"Service", "spec.user", "spec.user"},
		{"Service", "spec", "spec"},
		{"Service", "metadata.labels", "metadata.labels"},
		{"Service", "metadata.labels.a", "metadata.labels.a"},
		{"Service", `metadata.labels["a"]`, "metadata.labels.a"},
		{"Service", "metadata.labels.a.b/c", `metadata.labels["a.b/c"]`},
		{"Service", `metadata.labels["a.b/c"]`, `metadata.labels["a.b/c"]`},
		{"Service", `metadata.labels["a\"]b"]`, `metadata.labels["a\"]b"]`},
		{"Service", "spec.ulimits.nofile.soft", "spec.ulimits.nofile.soft"},
		{"Service", `spec.ulimits["no.file"].soft`, `spec.ulimits["no.file"].soft`},
		{"Service", "spec.ulimits.no.file", `spec.ulimits["no.file"]`},
		{"Service", "spec.mounts[].volume.driverOpts.a.b", `spec.mounts[].volume.driverOpts["a.b"]`},
		{"Service", "spec.mounts[/data].volume.labels.a.b", `spec.mounts[/data].volume.labels["a.b"]`},
		{"Service", "spec.mounts[0].source", "spec.mounts[0].source"},
		{"Service", "spec.mounts[/data", "spec.mounts[/data"},
		{"Service", "spec.mounts.source", "spec.mounts.source"},
		{"Service", "spec.users.a.b", "spec.users.a.b"},
		{"Service", "spec.sysctls[a.b]", "spec.sysctls[a.b]"},
		{"Service", "spec.sysctls.", "spec.sysctls."},
		{"Service", `spec.sysctls["a`, `spec.sysctls["a`},
		{"Service", "spec.sysctls[", "spec.sysctls["},
		{"Service", "", ""},
		{"Pod", "spec.labels.a.b", "spec.labels.a.b"},
	} {
		if got := v1.OneForm(c.kind, c.path); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.kind, c.path, got, c.want)
		}
	}
}
