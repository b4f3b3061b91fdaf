package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// A source owns what it states about a node, and owns nothing once its manifest is gone. Another source may have the
// node then.
func TestANodeIsAnothersOnceItsManifestIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	name := w.swarm.Managers()[0]
	zone := func(value string) string {
		return fmt.Sprintf(head, "Node", name) + "spec: {labels: {zone: " + value + "}}\n"
	}
	a := w.repo("a", map[string]string{"node.yaml": zone("east"), "conf.yaml": config("conf", "one\n")})
	b := w.repo("b", map[string]string{"node.yaml": zone("east")})
	w.want(0, "apply", "--host", w.host(), "--source", a.Dir)
	for _, z := range []string{"east", "west"} { // equal, and different
		b.commit("b's "+z, map[string]string{"node.yaml": zone(z), "note.yaml": config("note", z)})
		refused := w.want(1, "apply", "--host", w.host(), "--source", b.Dir)
		if !strings.Contains(refused.out, "belongs to source a") || !strings.Contains(refused.out, "remove its manifest there") {
			t.Errorf("the refusal does not say whose it is and what ends that:\n%s", refused)
		}
	}
	a.remove("node.yaml")
	a.commit("a's goes", nil)
	w.want(0, "apply", "--host", w.host(), "--source", a.Dir)
	if got := w.node(name).Spec.Labels["zone"]; got != "east" {
		t.Errorf("what a stated is gone with its manifest: zone is %q", got)
	}
	w.want(0, "apply", "--host", w.host(), "--source", b.Dir)
	if labels := w.node(name).Spec.Labels; labels["zone"] != "west" || labels["swarm-operator.io/owner"] != "b/Node/"+name {
		t.Errorf("b has not taken it: %v", labels)
	}
	a.commit("a's again", map[string]string{"node.yaml": zone("north")})
	refused := w.want(1, "apply", "--host", w.host(), "--source", a.Dir)
	if !strings.Contains(refused.out, "belongs to source b") {
		t.Errorf("now it is b's:\n%s", refused)
	}
}
