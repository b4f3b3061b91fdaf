package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// twenty is a source with twenty services, each in a file of its own, and an operator that keeps them.
type twenty struct {
	*world
	repo  *repo
	proxy *harness.Proxy
	op    *operator
	good  string // the revision that all of them come from
}

func (w *world) twenty() *twenty {
	w.Helper()
	s := &twenty{world: w, repo: w.repo("twenty", nil)}
	s.good = s.repo.commit("twenty", numbered(20))
	s.proxy = w.proxy()
	s.start()
	s.op.inSync(s.good)
	s.all(20)
	return s
}

func name(i int) string { return fmt.Sprintf("s-%02d", i) }
func file(i int) string { return "s/" + name(i) + ".yaml" }

// numbered returns the manifests of n services without tasks, each in a file of its own.
func numbered(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[file(i)] = service(name(i), "image: app:1", "replicas: 0")
	}
	return out
}

// files returns the names of the files from a up to but not including b.
func files(a, b int) []string {
	var out []string
	for i := a; i < b; i++ {
		out = append(out, file(i))
	}
	return out
}

func (s *twenty) start() {
	s.Helper()
	s.op = s.operate(s.proxy.Host(), s.repo, "--repair-after", "0s")
}

func (s *twenty) restart() {
	s.Helper()
	s.op.Kill()
	s.start()
}

// all waits until there are n services.
func (s *twenty) all(n int) {
	s.Helper()
	s.eventually(func() error {
		if got := len(s.services()); got != n {
			return fmt.Errorf("there are %d services, want %d", got, n)
		}
		return nil
	})
}

// nothingGoes checks that the services stay, that the operator lives, and that the revision in force still is: a
// change by hand is repaired.
func (s *twenty) nothingGoes(n int) {
	s.Helper()
	s.inForce()
	s.holds(time.Second, func() error {
		if got := len(s.services()); got != n {
			return fmt.Errorf("there are %d services, want %d", got, n)
		}
		if !s.op.Running() {
			return fmt.Errorf("the operator has ended: %s", s.op.Stderr())
		}
		return nil
	})
	for _, c := range s.proxy.Writes() {
		if c.Method == http.MethodDelete && !strings.HasPrefix(c.Path, "/configs/") { // its memory is a config
			s.Errorf("it removed: %s", c)
		}
	}
	if status := s.op.answers("/healthz"); status != 200 {
		s.Errorf("/healthz answers %d", status)
	}
	s.want(0, "health", "--listen", s.op.Address())
}

// inForce checks that a change by hand is repaired.
func (s *twenty) inForce() {
	s.Helper()
	s.scale(name(0), 3)
	s.eventually(func() error {
		if n := replicas(s.service(name(0))); n != 0 {
			return fmt.Errorf("the change by hand stays: %d replicas", n)
		}
		return nil
	})
}

// refused waits until the operator says why it does not use the newest revision.
func (s *twenty) refused(why string) {
	s.Helper()
	var c harness.Condition
	s.op.reports(func(r harness.Report) error {
		if c, _ = r.Condition("SourceReady"); c.Status || !strings.Contains(c.Message, why) {
			return fmt.Errorf("the condition does not say %q: %s", why, brief(r))
		}
		return nil
	})
	if applied := s.op.report().Applied; applied != s.good {
		s.Errorf("in force is %q, want %s", applied, s.good)
	}
	s.op.says(c.Reason)
	if status := s.op.answers("/readyz"); status != 200 { // there is a revision to go by, and a swarm
		s.Errorf("/readyz answers %d", status)
	}
}

func TestABadCommitDeletesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	s := w.twenty()

	t.Log("an empty commit")
	s.proxy.Reset()
	s.good = s.repo.commit("nothing", nil)
	s.op.inSync(s.good)
	if writes := serviceWrites(s.proxy.Calls()); len(writes) > 0 {
		t.Errorf("an empty commit wrote\n%s", lines(writes))
	}
	s.nothingGoes(20)

	t.Log("a file that does not parse")
	s.repo.commit("broken", map[string]string{"broken.yaml": "apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: {name: x\n"})
	s.refused("broken.yaml")
	if p := s.op.report().Problems; len(p) == 0 || p[0].File != "broken.yaml" || p[0].Line == 0 {
		t.Errorf("the problems are %+v", p)
	}
	s.nothingGoes(20)
	s.restart()
	s.refused("broken.yaml")
	s.nothingGoes(20)

	t.Log("a commit that empties the tree")
	if err := s.repo.Empty(); err != nil {
		t.Fatal(err)
	}
	s.repo.commit("empty", nil)
	s.refused("no manifests")
	s.nothingGoes(20)
	s.restart()
	s.refused("no manifests")
	s.nothingGoes(20)

	t.Log("back to the good one, in a new commit")
	restored := map[string]string{".swarm-operator.yaml": "name: twenty\n"}
	for i := range 20 {
		restored[file(i)] = service(name(i), "image: app:1", "replicas: 0")
	}
	s.proxy.Reset()
	s.good = s.repo.commit("restored", restored)
	s.op.inSync(s.good)
	s.op.condition("SourceReady", true)
	if writes := serviceWrites(s.proxy.Calls()); len(writes) > 0 {
		t.Errorf("nothing had changed, and it wrote\n%s", lines(writes))
	}
}

func TestAVanishedDirectoryDeletesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	s := w.twenty()
	away := s.repo.Dir + ".away"
	if err := os.Rename(s.repo.Dir, away); err != nil {
		t.Fatal(err)
	}
	s.refused(s.repo.Dir)
	s.nothingGoes(20)
	if err := os.Mkdir(s.repo.Dir, 0o755); err != nil { // as a volume that is not mounted yet
		t.Fatal(err)
	}
	s.nothingGoes(20)
	if err := os.Remove(s.repo.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(away, s.repo.Dir); err != nil {
		t.Fatal(err)
	}
	s.op.condition("SourceReady", true)
	s.good = s.repo.commit("after it came back", map[string]string{file(7): service(name(7), "image: app:2", "replicas: 0")})
	s.op.inSync(s.good)
	s.nothingGoes(20)
}

// At start there is nothing to read. run waits for it, and neither ends nor deletes.
func TestRunStartsBeforeItsDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	s := w.twenty()
	s.op.finish()
	away := s.repo.Dir + ".away"
	if err := os.Rename(s.repo.Dir, away); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.op.condition("SourceReady", false)
	if health, ready := s.op.answers("/healthz"), s.op.answers("/readyz"); health != 200 || ready != 503 {
		t.Errorf("/healthz answers %d, /readyz %d", health, ready)
	}
	s.all(20)
	if err := os.Rename(away, s.repo.Dir); err != nil {
		t.Fatal(err)
	}
	hash := s.repo.commit("after it came", map[string]string{file(7): service(name(7), "image: app:2", "replicas: 0")})
	s.op.inSync(hash)
	s.image(name(7), "app:2")
	s.all(20)
}
