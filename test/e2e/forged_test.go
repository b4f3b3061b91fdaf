package e2e

import (
	"strings"
	"testing"

	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Somebody's text under the name of a newer memory does not stop the source for good, and is not believed. The operator does
// nothing, names the config, and goes on when a person has removed it or has confirmed.
func TestAForgedMemoryPausesAndHasAName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	for _, c := range []struct{ name, data string }{
		{"text", "server { listen 80; }"},
		{"of another source", `{"format":3,"source":"other","hashKey":"AAAA","made":{}}`},
		{"cut off", `{"format":3,"source":"forged","hashKey":`},
	} {
		r := w.repo("forged", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
		w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
		id := w.createConfigLabelled("swarm-operator.forged.4711", c.data, map[string]string{v1.LabelState: "forged"})
		r.commit("Two", map[string]string{"b.yaml": service("b", "image: app:1", "replicas: 0")})
		if got := w.want(1, "apply", "--host", w.host(), "--source", r.Dir); !strings.Contains(got.out, "swarm-operator.forged.4711 (") || !strings.Contains(got.out, "swarm-operator confirm forged") {
			t.Errorf("%s: apply says %s", c.name, got)
		}
		if _, there := w.find("b"); there {
			t.Fatalf("%s: something was made while the memory cannot be read", c.name)
		}
		if c.name == "text" {
			w.removeConfig(id)
		} else {
			w.want(0, "confirm", "forged", "--host", w.host())
		}
		w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
		if _, there := w.find("b"); !there {
			t.Errorf("%s: the source does not go on", c.name)
		}
		if _, err := w.api.ConfigInspect(w.Context(), id, client.ConfigInspectOptions{}); err == nil {
			t.Errorf("%s: what was forged is still there after a write", c.name)
		}
		for _, name := range []string{"a", "b"} {
			if _, err := w.api.ServiceRemove(w.Context(), name, client.ServiceRemoveOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		w.forget()
	}
}
