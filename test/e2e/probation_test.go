package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// idle returns the manifest of a service that docker service create makes, without tasks.
func idle(name string) string {
	return service(name, "image: app:1", "replicas: 0", "command: [serve]", "environment: {LOG_LEVEL: info}")
}

// adopted makes services as the docker CLI does, and a source that has taken them over as they are.
func (w *world) adopted(source string, names ...string) *repo {
	w.Helper()
	files := map[string]string{"made.yaml": service("made", "image: app:1", "replicas: 0"), "too.yaml": service("made-too", "image: app:1", "replicas: 0")}
	for _, name := range names {
		spec, none := cliService(name, "app:1"), uint64(0)
		spec.Mode.Replicated.Replicas, spec.EndpointSpec.Ports = &none, nil
		w.createService(spec, true)
		files[name+".yaml"] = idle(name)
	}
	r := w.repo(source, files)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	return r
}

// goes waits until a service is gone.
func (w *world) goes(name string) {
	w.Helper()
	w.eventually(func() error {
		if _, there := w.find(name); there {
			return fmt.Errorf("service %s is still there", name)
		}
		return nil
	})
}

// waits waits until the report has a refusal of a guard, with a reason that contains text.
func (o *operator) waits(guard, text string) {
	o.w.Helper()
	o.reports(func(r harness.Report) error {
		for _, f := range r.Refused {
			if f.Guard == guard && strings.Contains(f.Why, text) {
				return nil
			}
		}
		return fmt.Errorf("%s does not say %q: %s", guard, text, brief(r))
	})
}

// An adopted object does not go when its manifest goes. It is a difference until somebody decides what becomes of it.
func TestAnAdoptedObjectWithoutAManifestIsADifference(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.adopted("probation", "goes", "stays", "third")
	o := w.operate(w.host(), r)
	r.remove("goes.yaml", "stays.yaml")
	hash := r.commit("two manifests go", nil)
	o.waits("prune", "swarm-operator approve "+hash[:10]+" removals Service/goes")
	diff := []string{"diff", "--host", w.host(), "--source", r.Dir}
	w.want(1, diff...).says(t, "approve "+hash[:10]+" removals Service/goes", "unmanage Service/goes", "unmanage Service/stays", "2 held")
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir, "--consent", "removals") // this consent names no object
	w.service("goes")
	w.service("stays")

	w.want(0, "approve", "--host", w.host(), hash[:10], "removals", "Service/goes")
	w.goes("goes")
	w.service("stays")
	w.want(1, diff...).says(t, "unmanage Service/stays", "1 held")
	w.want(0, "unmanage", "--host", w.host(), "Service/stays")
	o.inSync(hash)
	w.want(0, diff...).saysNothingOf(t, "stays")
	w.service("stays")
}

// The source's defaults end the probation of all objects, even of one that lost its manifest before.
func TestTheSourcesDefaultsEndTheProbation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.adopted("defaults", "early", "late", "kept", "hands")
	o := w.operate(w.host(), r, "--repair-after", "0s", "--repair-restarts-after", "0s")
	w.scale("hands", 3)
	o.waits("enforce", "policy.enforce: true would repair it")
	r.remove("early.yaml")
	r.commit("one goes before", nil)
	o.waits("prune", "removals Service/early")

	hash := r.commit("defaults", map[string]string{
		".swarm-operator.yaml": "name: defaults\ndefaults: {policy: {enforce: true, prune: true}}\n", "kept.yaml": policy(idle("kept"), "prune: false"),
	})
	w.goes("early")
	o.inSync(hash)
	if n := replicas(w.service("hands")); n != 0 {
		t.Errorf("what a hand changed is not repaired: %d replicas", n)
	}
	r.remove("late.yaml", "kept.yaml")
	hash = r.commit("and two after\n\nConsent: removals", nil)
	w.goes("late")
	o.inSync(hash)
	w.service("kept")
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}
