package diff

import (
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func TestNames(t *testing.T) {
	s := NewShape(&v1.Service{})
	for path, want := range map[string]bool{
		"spec.replicas": true, "spec": true, "metadata": true, "metadata.labels": true, "metadata.labels.tier": true, `metadata.labels["a.b/c"]`: true,
		"spec.ports": true, "spec.ports[80/tcp]": true, "spec.ports[80/tcp].published": true, "spec.environment.LOG_LEVEL": true, "spec.healthcheck.test": true,
		"spec.resources.limits": true, "spec.command": true,
		"spec.replica": false, "spec.replicasx": false, "replicas": false, "metadata.name": false, "spec.": false, "spec.ports.published": false, "spec.ports[]": false,
		"spec.ports[80/tcp].nothing": false, "spec.ports[80/tcp": false, "spec.command[0]": false, "spec.environment.": false, "metadata.labelsx": false,
		"spec.healthcheck.testing": false, "": false,
		// No leaf has such a path: a key that is not a plain word stands in quotes, and a plain one does not.
		"metadata.labels.a.b": false, `metadata.labels["tier"]`: false, "metadata.labels[a]": false, "spec.ulimits.nofile.soft": false, `metadata.labels["a.b"].c`: false,
		"spec.ulimits.nofile": true, `spec.sysctls["net.core.somaxconn"]`: true, `metadata.labels[""]`: false,
	} {
		if got := s.Names(path); got != want {
			t.Errorf("%q names a field: %t, want %t", path, got, want)
		}
	}
	for _, typ := range s.Types() { // whatever differs can be ignored, together with all that is like it
		if path := example(typ); !s.Names(path) {
			t.Errorf("%q, of type %q, names no field", path, typ)
		}
	}
}

// example returns a path that a type of leaves can have.
func example(typ string) string {
	return strings.NewReplacer("[]", "[key]", ".*", ".key").Replace(typ)
}
