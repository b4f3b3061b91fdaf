package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

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
	o.waits("prune", "swarm-operator approve removals Service/goes --revision "+hash[:10]+" --reason TEXT")
	diff := []string{"diff", "--host", w.host(), "--source", r.Dir}
	w.want(1, diff...).says(t, "approve removals Service/goes --revision "+hash[:10]+" --reason TEXT", "unmanage Service/goes", "unmanage Service/stays", "2 held")
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir, "--consent", "removals") // this consent names no object
	w.service("goes")
	w.service("stays")

	w.want(0, "approve", "--host", w.host(), "removals", "Service/goes", "--revision", hash[:10], "--reason", "tested")
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

// An object that differs is taken over with a write, and is on record from then on: changes by hand are put back, even
// if they took the labels off. Others made it, so its removal needs the same consent as that of an adopted object.
func TestWhatIsTakenOverIsOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	files := map[string]string{"other.yaml": idle("other")}
	for name, p := range map[string]string{"goes": "adopt: takeover, prune: true", "stays": "adopt: takeover", "back": "adopt: takeover"} {
		spec, one := cliService(name, "app:1"), uint64(1)
		spec.Mode.Replicated.Replicas, spec.EndpointSpec.Ports = &one, nil
		w.createService(spec, true)
		files[name+".yaml"] = policy(idle(name), p)
	}
	r := w.repo("takes", files)
	o := w.operate(w.host(), r, "--repair-after", "0s", "--repair-restarts-after", "0s")
	o.condition("InSync", true)
	w.byHand("goes", func(s *swarm.ServiceSpec) { s.Labels = map[string]string{"com.docker.stack.namespace": "shop"} })
	w.scale("goes", 3)
	w.eventually(func() error {
		if n := replicas(w.service("goes")); n != 0 {
			return fmt.Errorf("what a hand changed is not put back: %d replicas", n)
		}
		return nil
	})
	before := w.service("back").ID
	if _, err := w.api.ServiceRemove(t.Context(), before, client.ServiceRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error {
		if s, there := w.find("back"); !there || s.ID == before {
			return errors.New("it is not made again")
		}
		return nil
	})

	r.remove("goes.yaml", "stays.yaml")
	hash := r.commit("two manifests go", nil)
	w.goes("goes")
	o.waits("prune", "swarm-operator approve removals Service/stays --revision "+hash[:10]+" --reason TEXT")
	w.service("stays")
}

// The engine rolls a take-over back to a spec without a label of the source. It is not tried again all the same.
func TestATakeOverThatIsRolledBackIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	spec := cliService("app", "app:1")
	spec.EndpointSpec.Ports = nil
	w.createService(spec, true)
	w.settled("app")
	manifest := func(image string) map[string]string {
		return map[string]string{"app.yaml": policy(service("app", "image: "+image, "replicas: 2", quickRestart, quick("rollback"), "rollbackConfig: {parallelism: 2, monitor: 500ms}"), "adopt: takeover")}
	}
	r := w.repo("takes-badly", manifest("crash:1"))
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s", "--repair-restarts-after", "0s")
	o.waits("failed-want", "rolled back")
	w.image("app", "app:1")
	if l := w.service("app").Spec.Labels["swarm-operator.io/owner"]; l != "" {
		t.Errorf("the rollback has left the label %s", l)
	}
	if writes := accepted(serviceWrites(p.Calls())); len(writes) != 1 {
		t.Errorf("want one write, got\n%s", lines(writes))
	}
	o.Kill()
	o = w.operate(p.Host(), r, "--repair-after", "0s", "--repair-restarts-after", "0s")
	o.waits("failed-want", "rolled back")
	hash := r.commit("mend it", manifest("app:2"))
	o.inSync(hash)
	w.image("app", "app:2")
	if writes := accepted(serviceWrites(p.Calls())); len(writes) != 2 {
		t.Errorf("want two writes, got\n%s", lines(writes))
	}
}

// Another source may adopt what a source has given up. The first one does not get it back then, and so does not remove
// it when its own manifest goes. What is gone by then is made as anything new.
func TestWhatAnotherSourceHasIsNotTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	first := w.repo("gives", map[string]string{"shared.yaml": idle("shared"), "own.yaml": idle("own"), "lost.yaml": idle("lost"), "stays.yaml": idle("stays")})
	apply := func(r *repo, more ...string) result {
		return w.cli(append([]string{"apply", "--host", w.host(), "--source", r.Dir}, more...)...)
	}
	if out := apply(first); out.code != 0 {
		t.Fatal(out)
	}
	w.want(0, "unmanage", "--host", w.host(), "--name", "gives", "--all")
	if out := apply(w.repo("takes", map[string]string{"shared.yaml": idle("shared"), "other.yaml": idle("other")})); out.code != 0 {
		t.Fatal(out)
	}
	gone := w.service("lost").ID
	if _, err := w.api.ServiceRemove(t.Context(), gone, client.ServiceRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	own := w.service("own").ID
	w.want(0, "resume", "--host", w.host(), "gives")
	w.want(1, "diff", "--host", w.host(), "--source", first.Dir).says(t, "+ Service/lost  (in git, not in the swarm)", "Service/shared", "source takes")
	first.remove("shared.yaml", "own.yaml")
	first.commit("two go", nil)
	if out := apply(first, "--consent", "removals"); out.code != 0 {
		t.Fatal(out)
	}
	w.service("lost")
	w.service("shared")
	if s, there := w.find("own"); there && s.ID == own {
		t.Error("what it has taken back is not removed with its manifest")
	}
	w.want(0, "diff", "--host", w.host(), "--source", first.Dir)
}
