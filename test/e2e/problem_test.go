package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// wrong returns a manifest with an invalid value.
func wrong(name string) string { return service(name, "image: app:2", "replicas: three") }

// A problem in an object's values holds that object, and nothing else of the revision.
func TestAProblemHoldsItsObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	s := w.twenty()

	t.Log("of three that change, one has a problem, and another one is to be removed")
	s.repo.remove(file(5))
	bad := s.repo.commit("one is wrong", map[string]string{
		file(3): wrong(name(3)), file(4): service(name(4), "image: app:2", "replicas: 0"),
		file(6): service(name(6), "image: app:1", "replicas: 0") + "policy: {dependsOn: [Service/" + name(3) + "]}\n",
	})
	s.image(name(4), "app:2")
	s.image(name(3), "app:1")
	s.op.leaves("Service/"+name(5), "never", "Service/s-03 is held")
	held := func() {
		s.Helper()
		s.op.leaves("Service/"+name(3), "never", "s/s-03.yaml:6: spec.replicas")
		s.op.leaves("Service/"+name(6), "never", "it depends on Service/s-03, which is held: s/s-03.yaml:6")
		s.op.condition("Held", true)
		s.op.condition("SourceReady", true)
		if applied := s.op.report().Applied; applied != bad {
			s.Errorf("in force is %q, want %s", applied, bad)
		}
	}
	held()
	s.inForce()
	t.Log("what it should be nobody knows: it stays as it is, also by hand and after a restart")
	s.scale(name(3), 2)
	s.restart()
	held()
	s.inForce()
	s.holds(time.Second, func() error {
		if n := replicas(s.service(name(3))); n != 2 {
			return fmt.Errorf("it has %d replicas, want 2", n)
		}
		return nil
	})

	t.Log("every command says so")
	for _, c := range []struct {
		code int
		args []string
		says string
	}{
		{2, []string{"validate", "--source", s.repo.Dir}, "s/s-03.yaml:6: Service/s-03: spec.replicas: three is not a whole number"},
		{1, []string{"diff", "--host", s.host(), "--source", s.repo.Dir}, "mend it in git"},
		{2, []string{"diff", "--host", s.host(), "--source", s.repo.Dir, "--on-problem", "revision"}, "refused whole"},
		{1, []string{"apply", "--host", s.host(), "--source", s.repo.Dir}, "mend it in git"},
		{0, []string{"status", "--host", s.host(), "--source", s.repo.Dir}, "s/s-03.yaml:6: spec.replicas"},
		{1, []string{"wait", "--host", s.host(), "--source", s.repo.Dir, "--revision", bad}, "Service/s-03"},
	} {
		if r := s.want(c.code, c.args...); !strings.Contains(r.out+r.errs, c.says) {
			t.Errorf("%v does not say %q:\n%s%s", c.args, c.says, r.out, r.errs)
		}
	}

	t.Log("a service of a new name that cannot be made, and the one that it replaces")
	s.repo.remove(file(7))
	s.repo.commit("renamed", map[string]string{"s/new.yaml": wrong("new"), file(8): service(name(8), "image: app:2", "replicas: 0")})
	s.image(name(8), "app:2")
	s.op.leaves("Service/"+name(7), "never", "is held, and may replace what goes")
	s.all(20)

	t.Log("mended")
	good := s.repo.commit("mended", map[string]string{"s/new.yaml": service("new", "image: app:2", "replicas: 0"), file(3): service(name(3), "image: app:2", "replicas: 0")})
	s.op.inSync(good)
	s.image(name(3), "app:2")
	s.all(19) // one more and two less
	if n := replicas(s.service(name(3))); n != 0 {
		t.Errorf("it has %d replicas", n)
	}
}
