package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// running counts the running tasks of a service. It returns 0 if there is no such service.
func (w *world) running(service string) int {
	w.Helper()
	if _, there := w.find(service); !there {
		return 0
	}
	n := 0
	for _, t := range w.tasks(service) {
		if t.Status.State == swarm.TaskStateRunning && t.DesiredState == swarm.TaskStateRunning {
			n++
		}
	}
	return n
}

// z-db takes seconds to start. The job comes after it, and a-web after the job, whatever their names and files say.
func TestDependsOnWaitsForReadyServicesAndCompleteJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	r := w.repo("ordered", map[string]string{"all.yaml": docs(
		policy(service("a-web", "image: app:1", "replicas: 2"), "dependsOn: [Service/b-migrate]"),
		policy(service("b-migrate", "image: finish:1", "mode: replicated-job"), "dependsOn: [Service/z-db]"),
		service("z-db", "image: slow:1", "replicas: 2"),
	)})
	p := w.proxy()
	var order []string
	p.Before(func(c harness.Call) error { // creations come one at a time here
		if c.Path != "/services/create" {
			return nil
		}
		switch {
		case strings.Contains(string(c.Body), `"Name":"b-migrate"`):
			order = append(order, fmt.Sprintf("b-migrate with %d of z-db", w.running("z-db")))
		case strings.Contains(string(c.Body), `"Name":"a-web"`):
			order = append(order, fmt.Sprintf("a-web with %d complete", w.complete("b-migrate")))
		default:
			order = append(order, "z-db")
		}
		return nil
	})
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir, "--wait")
	if want := []string{"z-db", "b-migrate with 2 of z-db", "a-web with 1 complete"}; !slices.Equal(order, want) {
		t.Errorf("the order was %q, want %q", order, want)
	}
	if n := w.running("a-web"); n != 2 {
		t.Errorf("after apply --wait %d tasks of a-web run", n)
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)

	// dependsOn orders what changes together. A hotfix does not wait for an unchanged dependency that is broken.
	w.byHand("z-db", func(s *swarm.ServiceSpec) {
		s.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.labels.none == none"}}
	})
	w.eventually(func() error {
		if n := w.running("z-db"); n > 1 {
			return fmt.Errorf("%d tasks of z-db run", n)
		}
		return nil
	})
	r.commit("a hotfix", map[string]string{"all.yaml": docs(
		policy(service("a-web", "image: app:2", "replicas: 2"), "dependsOn: [Service/b-migrate]"),
		policy(service("b-migrate", "image: finish:1", "mode: replicated-job"), "dependsOn: [Service/z-db]"),
		policy(service("z-db", "image: slow:1", "replicas: 2"), "enforce: false"),
	)})
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir) // z-db is left to a person
	if image := w.service("a-web").Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, "app:2") {
		t.Errorf("the hotfix waits: the image is %s", image)
	}
}

func (w *world) complete(service string) int {
	w.Helper()
	n := 0
	for _, t := range w.tasks(service) {
		if t.Status.State == swarm.TaskStateComplete {
			n++
		}
	}
	return n
}

func TestAtMostFiveRollOutsRunAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	manifests := func(image string) map[string]string {
		files := map[string]string{}
		for i := range 8 {
			files[file(i)] = service(name(i), "image: "+image, "replicas: 1", quick("pause"), "stopGracePeriod: 1s")
		}
		return files
	}
	r := w.repo("rolling", manifests("app:1"))
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	r.commit("all of them", manifests("app:2"))
	p := w.proxy()
	var mu sync.Mutex
	rolling, most := map[string]bool{}, 0
	p.Before(func(c harness.Call) error {
		if !strings.HasPrefix(c.Path, "/services/") || !strings.HasSuffix(c.Path, "/update") {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		for _, s := range w.services() {
			if rolling[s.ID] && s.UpdateStatus != nil && s.UpdateStatus.State == swarm.UpdateStateCompleted {
				delete(rolling, s.ID)
			}
		}
		rolling[strings.Split(c.Path, "/")[2]] = true
		most = max(most, len(rolling))
		return nil
	})
	w.want(0, "apply", "--host", p.Host(), "--source", r.Dir, "--wait")
	if most > 5 || most < 2 { // on a busy machine the first may end before the fifth begins
		t.Errorf("at the most, %d services rolled out at the same time; want more than one, and no more than five", most)
	}
	if writes := accepted(serviceWrites(p.Calls())); len(writes) != 8 {
		t.Errorf("want each service written once, got\n%s", lines(writes))
	}
	for i := range 8 {
		if image := w.service(name(i)).Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, "app:2") {
			t.Errorf("%s has %s", name(i), image)
		}
	}
}

// A revision that restarts many services waits for consent. Two failed roll-outs hold the rest.
func TestBlastRadius(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	manifests := func(image string) map[string]string {
		files := map[string]string{}
		for i := range 12 {
			files[file(i)] = service(name(i), "image: "+image, "replicas: 0")
		}
		return files
	}
	r := w.repo("blast", manifests("app:1"))
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	before := w.versions()
	r.commit("all of them", manifests("app:2"))
	refused := w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	if !strings.Contains(refused.out, "Consent: restarts") || fmt.Sprint(w.versions()) != fmt.Sprint(before) {
		t.Errorf("apply says %s", refused)
	}
	r.commit(harness.Message("yes", "Consent: restarts"), nil)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

func TestTwoFailedRollOutsHoldTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 2})
	// On a busy machine a task may run longer than a short monitor before it crashes, and its roll-out would be
	// completed.
	const pausing = "updateConfig: {failureAction: pause, monitor: 15s, parallelism: 1}"
	manifests := func(image string) map[string]string {
		files := map[string]string{}
		for i := range 6 {
			files[file(i)] = service(name(i), "image: "+image, "replicas: 1", quickRestart, pausing, "stopGracePeriod: 1s")
		}
		return files
	}
	r := w.repo("stopping", manifests("app:1"))
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--wait")
	hash := r.commit("all of them are bad", manifests("crash:1"))
	p := w.proxy()
	o := w.operate(p.Host(), r, "--max-rollouts", "2", "--resync", "1s")
	o.reports(func(r harness.Report) error {
		held := 0
		for _, f := range r.Refused {
			if f.Guard == "failed-rollouts" {
				held++
			}
		}
		if held < 3 || r.Applied != hash {
			return fmt.Errorf("%d are held: %s", held, brief(r))
		}
		return nil
	})
	w.holds(2*time.Second, func() error {
		// A third may begin while only one of the two has failed
		if writes := serviceWrites(p.Calls()); len(writes) > 3 {
			return fmt.Errorf("want two or three roll-outs, got\n%s", lines(writes))
		}
		return nil
	})
}

func TestAJobRunsAgainOnlyWhenItsTaskChangesInGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	manifest := func(labels, value string) map[string]string {
		return map[string]string{"job.yaml": fmt.Sprintf(head, "Service", "job, labels: {"+labels+"}") +
			"spec: {image: finish:1, mode: replicated-job, replicas: 2, environment: {V: " + value + "}}\n"}
	}
	iteration := func() uint64 { return w.service("job").JobStatus.JobIteration.Index }
	r := w.repo("jobs", manifest("a: one", "first"))
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s")
	o.condition("InSync", true)
	w.eventually(func() error {
		if n := w.complete("job"); n != 2 {
			return fmt.Errorf("%d tasks are complete", n)
		}
		return nil
	})
	id, first := w.service("job").ID, iteration()
	hash := r.commit("a label", manifest("a: two", "first"))
	o.inSync(hash)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
	p.Reset()
	// The engine runs the job again after any change
	w.byHand("job", func(s *swarm.ServiceSpec) { s.Labels["by"] = "hand" })
	byHand := iteration()
	w.quiet(p)
	if writes := writesTo(p.Calls(), id); len(writes) > 0 || byHand <= first || iteration() != byHand {
		t.Errorf("drift on a job is not repaired; iterations %d, %d, %d\n%s", first, byHand, iteration(), lines(writes))
	}
	hash = r.commit("its task", manifest("a: two", "second"))
	o.inSync(hash)
	w.quiet(p)
	if writes := accepted(writesTo(p.Calls(), id)); len(writes) != 1 || iteration() != byHand+1 {
		t.Errorf("want it run once more; iterations %d, %d\n%s", byHand, iteration(), lines(writes))
	}
	if labels := w.service("job").Spec.Labels; labels["a"] != "two" || labels["by"] != "" {
		t.Errorf("what waited travels with it: labels are %v", labels)
	}
}

func TestContentThatChangesRollsItsServiceOnceAndKeepsWhatARollbackNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	manifest := func(content string) map[string]string {
		return map[string]string{"all.yaml": docs(
			service("app", "image: app:1", "replicas: 1", "configs: [{source: conf, target: /etc/app.conf}]", "secrets: [key]", "networks: [net]", quick("pause"), "rollbackConfig: {monitor: 500ms}"),
			config("conf", "conf "+content), secret("key", "key "+content), network("net"),
		)}
	}
	r := w.repo("content", nil)
	p := w.proxy()
	o := w.operate(p.Host(), r)
	var seen [][]string
	for n, content := range []string{"one", "two", "three"} {
		p.Reset()
		o.inSync(r.commit(content, manifest(content)))
		w.runs("app", 1)
		if n > 0 {
			w.status("app", swarm.UpdateStateCompleted)
		}
		w.quiet(p)
		if writes := accepted(serviceWrites(p.Calls())); len(writes) != 1 {
			t.Errorf("content %s: want one write of the service, got\n%s", content, lines(writes))
		}
		configs, secrets := w.configs(), w.secrets()
		if len(configs) != min(n+1, 2) || len(secrets) != len(configs) { // the one in force, and the one before it
			t.Errorf("content %s: configs are %q, secrets %q", content, configs, secrets)
		}
		for _, name := range slices.Concat(configs, secrets) {
			if !version.MatchString(name) {
				t.Errorf("%q is not named as a version", name)
			}
		}
		c := w.service("app").Spec.TaskTemplate.ContainerSpec
		seen = append(seen, []string{c.Configs[0].ConfigName, c.Secrets[0].SecretName})
		if !slices.Contains(configs, c.Configs[0].ConfigName) || !slices.Contains(secrets, c.Secrets[0].SecretName) {
			t.Errorf("content %s: the service has %q of configs %q and secrets %q", content, seen[n], configs, secrets)
		}
	}
	if slices.Contains(w.configs(), seen[0][0]) || slices.Contains(w.secrets(), seen[0][1]) {
		t.Errorf("the oldest version %q is still there: %q %q", seen[0], w.configs(), w.secrets())
	}

	t.Log("a rollback by hand finds what it needs")
	w.rollback("app")
	w.status("app", swarm.UpdateStateRollbackCompleted)
	w.runs("app", 1)
	o.condition("RolloutFailed", true)
	w.quiet(p)
	if c := w.service("app").Spec.TaskTemplate.ContainerSpec; c.Configs[0].ConfigName != seen[1][0] {
		t.Errorf("after the rollback it has %s, want %s", c.Configs[0].ConfigName, seen[1][0])
	}
	o.inSync(r.commit("four", manifest("four")))
	w.runs("app", 1)
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}
