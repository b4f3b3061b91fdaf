package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// A worker says of itself what manifests select: its hostname, its platform. Whichever manifest selects it, it gets no
// role and no label that candidates have. The refusal names it, and one command, which names its id, makes it a manager.
func TestANodeThatLiesGetsNoRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	w.changesNodes()
	liar := w.swarm.Workers()[0]
	n := w.node(liar)
	const candidates = "managers: {count: 1, candidates: {labels: {may-manage: 'yes'}}, stableFor: 1s}"
	r := w.repo("liar", map[string]string{"cluster.yaml": cluster(candidates)})
	o := w.operate(w.host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	byName, byPlatform := "selector: {hostnames: ['"+liar+"']}", "selector: {platform: {os: linux, architecture: "+n.Description.Platform.Architecture+"}, role: worker}"
	last := ""
	for _, lie := range []struct{ name, manifest string }{
		{"a set gives the candidates' label by hostname", nodeSet("liars", byName, "template: {labels: {may-manage: 'yes'}}")},
		{"a set gives it by platform", nodeSet("liars", byPlatform, "template: {labels: {may-manage: 'yes', zone: a}}")},
		{"a manifest of the node gives it", node(liar, "labels: {may-manage: 'yes'}")},
		{"a set states the role by hostname", nodeSet("liars", byName, "template: {role: manager}")},
		{"a set states the role by platform", nodeSet("liars", byPlatform, "template: {role: manager}")},
		{"a manifest of the node states the role", node(liar, "role: manager")},
	} {
		last = r.commit(lie.name+"\n\nConsent: even-managers", map[string]string{"liars.yaml": lie.manifest, "cluster.yaml": cluster(strings.Replace(candidates, "count: 1", "count: 2", 1))})
		o.reports(func(report harness.Report) error {
			i := slices.IndexFunc(report.Refused, func(x harness.Refusal) bool { return x.Hazard == "promote-unproven" && x.Object == "Node/"+liar })
			if report.Applied != last || i < 0 {
				return fmt.Errorf("%s: nobody is asked about %s: %s", lie.name, liar, brief(report))
			}
			for _, text := range []string{"it is node " + n.ID + ", joined ", n.Status.Addr, "swarm-operator approve promote-unproven Node/" + n.ID + " --revision " + last[:10]} {
				if !strings.Contains(report.Refused[i].Why, text) {
					return fmt.Errorf("%s: the refusal does not say %q: %s", lie.name, text, report.Refused[i].Why)
				}
			}
			return nil
		})
		o.condition("PromotionWaits", true) // there is one manager, so none may be lost
		if now := w.node(liar); wanted(now) || labelsOf(now) != labelsOf(n) {
			t.Errorf("%s: it has the role %s and the labels %s", lie.name, now.Spec.Role, labelsOf(now))
		}
	}
	w.want(0, "approve", "--host", w.host(), "promote-unproven", "Node/"+n.ID, "--revision", last[:10], "--reason", "tested").says(t, "agreed to promote-unproven Node/"+n.ID)
	w.becomesManager(liar)
	o.condition("PromotionWaits", false)
}
