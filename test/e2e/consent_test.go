package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// held waits until the operator says that n removals wait for a person.
func (s *twenty) held(n int) {
	s.Helper()
	s.op.reports(func(r harness.Report) error {
		count := 0
		for _, f := range r.Refused {
			if f.Op == "remove" && f.Class == "consent" && f.Hazard == "removals" && strings.Contains(f.Why, "Consent: removals") {
				count++
			}
		}
		if count != n || !r.Is("Held", true) {
			return fmt.Errorf("%d removals are held, want %d: %s", count, n, brief(r))
		}
		return nil
	})
}

func TestRemovalsBeyondTheBudgetWaitForConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	s := w.twenty()
	s.repo.remove(files(5, 20)...)
	hash := s.repo.commit("fifteen go, and one changes", map[string]string{file(1): service(name(1), "image: app:2", "replicas: 0")})
	s.held(15)
	s.nothingGoes(20)
	if image := s.service(name(1)).Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, "app:2") {
		t.Errorf("the revision's other steps run: the image is %s", image)
	}
	if r := s.op.report(); r.Applied != hash {
		t.Errorf("in force is %s", r.Applied)
	}
	s.restart()
	s.held(15)
	s.nothingGoes(20)
	refused := w.want(1, "apply", "--host", w.host(), "--source", s.repo.Dir)
	if !strings.Contains(refused.out, "Consent: removals") {
		t.Errorf("apply does not print the line to add:\n%s", refused)
	}

	t.Log("one of the twenty goes without asking")
	back := map[string]string{}
	for i := 6; i < 20; i++ {
		back[file(i)] = service(name(i), "image: app:1", "replicas: 0")
	}
	hash = s.repo.commit("fourteen come back", back)
	s.op.inSync(hash)
	s.all(19)
	if _, there := s.find(name(5)); there {
		t.Error("the one whose manifest was removed is still there")
	}

	t.Log("and fourteen with the trailer in the commit")
	s.repo.remove(files(6, 20)...)
	hash = s.repo.commit(harness.Message("fourteen go", "Consent: removals"), nil)
	s.op.inSync(hash)
	s.all(5)
	for i := range 5 {
		s.service(name(i))
	}
}

func TestAConsentMayComeInALaterCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	s := w.twenty()
	s.repo.remove(files(5, 20)...)
	s.repo.commit("fifteen go", nil)
	s.held(15)
	s.repo.commit(harness.Message("for two of them", "Consent: removals Service/s-05 Service/s-06"), nil)
	s.held(13)
	s.all(18)
	hash := s.repo.commit(harness.Message("for all", "Consent: removals"), nil)
	s.op.inSync(hash)
	s.all(5)

	// The consent was for that revision, and is used up.
	s.repo.remove(files(2, 5)...)
	s.repo.commit("three of five go", nil)
	s.held(3)
	s.all(5)
	w.want(0, "apply", "--host", w.host(), "--source", s.repo.Dir, "--consent", "removals")
	s.all(2)
}

// A branch brings a consent of its own. Whoever merges it agrees to nothing by that; the message of the merge does.
func TestABranchAgreesToNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	s := w.twenty()
	// branch commits on a branch in another checkout, because the operator takes what is checked out.
	branch := func(name, message string, removed ...string) (*repo, string) {
		t.Helper()
		c, err := s.repo.Clone(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		out := &repo{c, w}
		out.remove(removed...)
		return out, out.commit(message, nil)
	}
	// merge merges branches, of which r has the files, and lets the operator see it. diff names n consents that do not
	// count.
	merge := func(r *repo, n int, message string, parents ...string) string {
		t.Helper()
		hash, err := r.Merge(message, parents...)
		if err != nil {
			t.Fatal(err)
		}
		out := w.want(1, "diff", "--host", w.host(), "--source", r.Dir)
		if got := strings.Count(out.errs, "does not count: the commit came with a merge"); got != n {
			t.Errorf("diff names %d consents that do not count, want %d:\n%s", got, n, out)
		}
		if err := s.repo.Pull(r.Repo, hash); err != nil {
			t.Fatal(err)
		}
		return hash
	}

	forged, tip := branch("forged", harness.Message("tidy up", "Consent: removals"), files(5, 20)...)
	merged := merge(forged, 1, "Merge branch 'tidy'", s.good, tip)
	s.held(15)
	s.nothingGoes(20)
	if r := s.op.report(); r.Applied != merged {
		t.Errorf("in force is %s, want the merge %s", r.Applied, merged)
	}
	w.want(1, "apply", "--host", w.host(), "--source", s.repo.Dir)
	s.all(20)

	t.Log("nor do two branches at once")
	var named []string
	for i := 5; i < 20; i++ {
		named = append(named, "Service/"+name(i))
	}
	one, first := branch("one", harness.Message("one", "Consent: removals"))
	two, second := branch("two", harness.Message("two", "Consent: removals "+strings.Join(named, " ")))
	if err := two.Pull(one.Repo, second); err != nil {
		t.Fatal(err)
	}
	merged = merge(two, 2, "Merge branches 'one' and 'two'", merged, first, second)
	s.held(15)
	s.restart()
	s.held(15)
	s.nothingGoes(20)

	t.Log("the message of a merge does")
	last, tip := branch("last", harness.Message("tidy up again", "Consent: replace"))
	s.op.inSync(merge(last, 1, harness.Message("Merge branch 'again'", "Consent: removals"), merged, tip))
	s.all(5)
}

func TestTheLastObjectsOfASourceAreNotRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("last", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	r.remove("a.yaml")
	r.commit("another instead", map[string]string{"b.yaml": service("b", "image: app:1", "replicas: 0")})
	refused := w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	w.service("a")
	if !strings.Contains(refused.out, "swarm-operator approve ") {
		t.Errorf("apply does not print the command that agrees:\n%s", refused)
	}
}

func TestAServiceGoesWithAllThatItUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 1})
	files := map[string]string{"stays.yaml": service("stays", "image: app:1", "replicas: 1", "networks: [shared]"), "shared.yaml": network("shared")}
	for i := range 20 {
		files[fmt.Sprintf("c-%d.yaml", i)] = config(fmt.Sprintf("c-%d", i), "content\n")
	}
	files["goes.yaml"] = docs(
		service("goes", "image: app:1", "replicas: 1", "networks: [own, shared]", "configs: [conf]", "secrets: [key]"),
		network("own"), config("conf", "content\n"), secret("key", "content\n"))
	r := w.repo("together", files)
	p := w.proxy()
	o := w.operate(p.Host(), r)
	o.condition("InSync", true)
	w.runs("goes", 1)
	p.Reset()
	r.remove("goes.yaml")
	hash := r.commit("it goes", nil)
	o.inSync(hash)
	if _, there := w.find("goes"); there {
		t.Error("the service is still there")
	}
	if got := w.networks(); !slices.Equal(got, []string{"shared"}) {
		t.Errorf("networks are %q", got)
	}
	if got := w.secrets(); len(got) > 0 {
		t.Errorf("secrets are %q", got)
	}
	if got := len(w.configs()); got != 20 {
		t.Errorf("there are %d configs", got)
	}
	for _, c := range p.Calls() {
		if c.Write() && c.Status >= 400 {
			t.Errorf("users go before what they use, so nothing is refused: %s", c)
		}
	}
	w.service("stays")
}

// If an object's last manifest protected it, the object stays when the manifest is removed.
func TestPruneAndProtectOutliveTheManifest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	files := map[string]string{
		"kept.yaml":      policy(service("kept", "image: app:1", "replicas: 0"), "prune: false"),
		"protected.yaml": policy(service("protected", "image: app:1", "replicas: 0"), "protect: true"),
		"config.yaml":    policy(config("kept-config", "a"), "protect: true"),
		"secret.yaml":    policy(secret("kept-secret", "b"), "prune: false"),
	}
	maps.Copy(files, numbered(10))
	r := w.repo("keeping", files)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	r.remove("kept.yaml", "protected.yaml", "config.yaml", "secret.yaml", file(0))
	r.commit(harness.Message("five go", "Consent: removals"), nil)
	for range 3 { // nor in a later run, when their manifests have long been removed
		w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	}
	if configs, secrets := strings.Join(w.configs(), " "), strings.Join(w.secrets(), " "); !strings.Contains(configs, "kept-config-") || !strings.Contains(secrets, "kept-secret-") {
		t.Errorf("kept content went; configs: %s; secrets: %s", configs, secrets)
	}
	w.service("kept")
	w.service("protected")
	if _, there := w.find(name(0)); there {
		t.Error("the unprotected one is still there")
	}
}

// Checking out an older commit is a rewind, and needs consent.
func TestARewindWaitsForConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("rewound", nil)
	old := r.commit("one", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	hash := r.commit("two", map[string]string{"a.yaml": service("a", "image: app:2", "replicas: 0")})
	p := w.proxy()
	o := w.operate(p.Host(), r)
	o.inSync(hash)
	p.Reset()
	if err := r.Reset(old); err != nil {
		t.Fatal(err)
	}
	o.reports(func(r harness.Report) error {
		if !slices.ContainsFunc(r.Refused, func(f harness.Refusal) bool { return f.Hazard == "rewind" && f.Class == "consent" }) {
			return fmt.Errorf("no refusal for the rewind: %s", brief(r))
		}
		return nil
	})
	w.holds(time.Second, func() error {
		if writes := serviceWrites(p.Calls()); len(writes) > 0 {
			return fmt.Errorf("an older revision was applied:\n%s", lines(writes))
		}
		return nil
	})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir, "--consent", "rewind")
	if image := w.service("a").Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, "app:1") {
		t.Errorf("the image is %s", image)
	}
}

// If a field cannot change in place, the running service is not removed for it unless somebody agreed.
func TestAReplacementWaitsForConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("replaced", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	id := w.service("a").ID
	r.commit("global", map[string]string{"a.yaml": service("a", "image: app:1", "mode: global")})
	refused := w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	if !strings.Contains(refused.out, "Consent: replace") || w.service("a").ID != id {
		t.Errorf("apply says %s", refused)
	}
	r.commit(harness.Message("yes", "Consent: replace Service/a"), nil)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	if s := w.service("a"); s.ID == id || s.Spec.Mode.Global == nil {
		t.Errorf("the service is %s in mode %+v", s.ID, s.Spec.Mode)
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)
}

// Objects of others have no part in any of this.
func TestObjectsOfOthersAreNeverRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("mine", map[string]string{
		"a.yaml": service("a", "image: app:1", "replicas: 0"), "b.yaml": service("b", "image: app:1", "replicas: 0"),
	})
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	copied := w.service("a").Spec
	copied.Name = "copied" // it has our labels, which name another object
	w.createService(copied, false)
	foreign := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "foreign"}, Mode: copied.Mode, TaskTemplate: copied.TaskTemplate}
	w.createService(foreign, false)
	w.createConfig("b-0123456789", "not a version of anything")
	r.remove("b.yaml")
	r.commit("b goes", nil)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	for _, n := range []string{"a", "copied", "foreign"} {
		w.service(n)
	}
	if _, there := w.find("b"); there {
		t.Error("b is still there")
	}
	if got := w.configs(); !slices.Equal(got, []string{"b-0123456789"}) {
		t.Errorf("configs are %q", got)
	}
}
