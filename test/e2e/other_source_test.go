package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// Another repository has the name of a source. Whatever its manifests say, and whenever they were committed, nothing is
// done for it until somebody agrees by command.
func TestAnotherRepositoryUnderTheSameNameDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	files := numbered(4)
	r := w.repo("mistaken", files)
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)
	history := w.want(0, "history", "--host", w.host(), "--name", "mistaken").out
	token := filepath.Join(w.home, "token")
	w.defines("disk: {file: '" + token + "', volatile: true}")
	same := map[string]string{file(0): service(name(0), "image: app:2", "replicas: 0"), file(1): files[file(1)]}
	for what, c := range map[string]struct {
		files map[string]string
		when  time.Time
	}{
		"other objects":               {files: map[string]string{"x.yaml": service("x", "image: app:1", "replicas: 0")}},
		"other objects, a year later": {files: map[string]string{"x.yaml": service("x", "image: app:1", "replicas: 0")}, when: time.Now().AddDate(1, 0, 0)},
		"the same objects":            {files: same},
		"the same objects, long ago":  {files: same, when: time.Now().AddDate(-1, 0, 0)},
		"what is there already":       {files: files, when: time.Now().Add(time.Hour)},
		"a consent of its own":        {files: map[string]string{"x.yaml": service("x", "image: app:1", "replicas: 0")}},
		"a place for a token":         {files: map[string]string{"c.yaml": cluster("joinTokens: {worker: {rotation: {epoch: 1}, sinks: [disk]}}")}},
	} {
		other, err := harness.NewRepo(filepath.Join(t.TempDir(), "repo"))
		if err != nil {
			t.Fatal(err)
		}
		other.When = c.when
		stranger := &repo{other, w}
		stranger.write(map[string]string{".swarm-operator.yaml": "name: mistaken\n"})
		stranger.commit(harness.Message("first", "Consent: other-source, removals"), c.files)
		p := w.proxy()
		for _, command := range []string{"diff", "apply"} {
			out := w.want(1, command, "--host", p.Host(), "--source", other.Dir)
			for _, part := range []string{"and source mistaken is read from a repository that begins with commit ", "swarm-operator approve other-source --revision "} {
				if !strings.Contains(out.out+out.errs, part) {
					t.Errorf("%s: %s does not say %q:\n%s", what, command, part, out)
				}
			}
		}
		o := w.operate(p.Host(), stranger, "--repair-after", "0s", "--resync", "1s", "--instance", "stranger")
		if c := o.condition("Held", true); !strings.Contains(c.Message, "source mistaken is read from a repository that begins with") {
			t.Errorf("%s: the condition says %q", what, c.Message)
		}
		o.condition("InSync", false)
		w.holds(time.Second, func() error {
			for _, c := range p.Calls() {
				if c.Write() {
					return fmt.Errorf("%s: it wrote %s", what, c)
				}
			}
			return nil
		})
		o.finish()
		for i := range 4 {
			w.image(name(i), "app:1")
		}
		if _, err := os.Stat(token); err == nil {
			t.Errorf("%s: a token was delivered", what)
		}
		if now := w.want(0, "history", "--host", w.host(), "--name", "mistaken").out; now != history {
			t.Errorf("%s: the history has become\n%s", what, now)
		}
	}
	w.want(0, "diff", "--host", w.host(), "--source", r.Dir)

	t.Log("with consent, it is the source")
	next := w.repo("mistaken", map[string]string{file(0): service(name(0), "image: app:3", "replicas: 0")})
	w.want(1, "apply", "--host", w.host(), "--source", next.Dir)
	head, err := next.Head()
	if err != nil {
		t.Fatal(err)
	}
	w.want(0, "approve", "other-source", "--revision", head[:10], "--reason", "tested", "--host", w.host(), "--name", "mistaken")
	refused := w.want(1, "apply", "--host", w.host(), "--source", next.Dir) // the removals are more than the budget
	if strings.Contains(refused.out, "other-source") || !strings.Contains(refused.out, "removal-budget") {
		t.Errorf("apply says %s", refused)
	}
	w.image(name(0), "app:3")
	next.commit(harness.Message("and the others go", "Consent: removals"), nil)
	w.want(0, "apply", "--host", w.host(), "--source", next.Dir)
	w.want(1, "apply", "--host", w.host(), "--source", r.Dir)
	w.image(name(0), "app:3")
}

// One repository is one source, wherever it is read: by its URL, from checkouts, and from checkouts that have only the
// newest commit, as those of CI have.
func TestOneRepositoryAtManyPlacesIsOneSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	manifest := func(n int) map[string]string {
		return map[string]string{"a.yaml": service("a", fmt.Sprintf("image: app:%d", n), "replicas: 0")}
	}
	r, remote, _ := w.hosted("places", manifest(1))
	o := w.operate(w.host(), remote, "--resync", "1s")
	first, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	o.inSync(first)
	if log := o.Stderr(); !strings.Contains(log, `nameFrom="name in .swarm-operator.yaml"`) {
		t.Errorf("run does not say where the name comes from:\n%s", log)
	}
	copied := func(how func(string) (*harness.Repo, error)) string {
		t.Helper()
		c, err := how(filepath.Join(t.TempDir(), "copy"))
		if err != nil {
			t.Fatal(err)
		}
		return c.Dir
	}
	r.commit("2", manifest(2))
	w.want(0, "apply", "--host", w.host(), "--source", copied(r.Clone))
	w.image("a", "app:2")
	second, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	o.inSync(second)
	o.finish()

	t.Log("a checkout of the newest commit alone")
	r.When = time.Now().Add(time.Hour) // of two commits in the same second, a shallow clone does not know the order
	r.commit("3", manifest(3))
	shallow := copied(r.Shallow)
	if out := w.want(0, "validate", "--source", shallow); !strings.Contains(out.errs, "shallow clone") {
		t.Errorf("validate does not say it: %s", out)
	}
	w.want(1, "diff", "--host", w.host(), "--source", shallow)
	w.want(0, "apply", "--host", w.host(), "--source", shallow) // its commit names the one in force
	w.image("a", "app:3")
	w.want(0, "apply", "--host", w.host(), "--source", r.Dir)

	t.Log("two commits at once: the newest does not name the one in force")
	r.When = r.When.Add(time.Hour)
	r.commit("4", manifest(1))
	r.commit("5", manifest(4))
	shallow = copied(r.Shallow)
	if out := w.want(1, "diff", "--host", w.host(), "--source", shallow); !strings.Contains(out.errs, "it is not known whether these manifests are those of source places") || !strings.Contains(out.out, "app:4") {
		t.Errorf("diff says %s", out)
	}
	if out := w.want(1, "apply", "--host", w.host(), "--source", shallow); !strings.Contains(out.out, "git fetch --unshallow") || !strings.Contains(out.out, "other-source") {
		t.Errorf("apply says %s", out)
	}
	w.image("a", "app:3")
	held := w.operate(w.host(), &repo{&harness.Repo{Dir: shallow}, w}, "--resync", "1s")
	held.condition("Held", true)
	held.finish()
	w.image("a", "app:3")
	w.want(0, "apply", "--host", w.host(), "--source", shallow, "--consent", "other-source")
	w.image("a", "app:4")
	again := w.operate(w.host(), remote, "--resync", "1s")
	fifth, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	again.inSync(fifth)
}

// A directory without history is known by its place. What is there later is the source's, and so is the repository that is
// made of it.
func TestADirectoryIsASourceByItsPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	directory := func(n int) string {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(service("a", fmt.Sprintf("image: app:%d", n), "replicas: 0")), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	apply := func(code int, dir string) result {
		t.Helper()
		return w.want(code, "apply", "--host", w.host(), "--source", dir, "--name", "plain")
	}
	dir := directory(1)
	apply(0, dir)
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(service("a", "image: app:2", "replicas: 0")), 0o600); err != nil {
		t.Fatal(err)
	}
	apply(0, dir)
	w.image("a", "app:2")
	other := directory(3)
	if out := apply(1, other); !strings.Contains(out.out, "from the directory "+other+", and source plain is read from the directory "+dir) || !strings.Contains(out.out, "swarm-operator apply --consent other-source") {
		t.Errorf("apply says %s", out)
	}
	stranger := w.repo("plain", map[string]string{"a.yaml": service("a", "image: app:3", "replicas: 0")})
	apply(1, stranger.Dir)
	w.image("a", "app:2")

	t.Log("it becomes a repository")
	r, err := harness.NewRepo(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.When = time.Now().Add(time.Hour) // it is newer than the files
	made := &repo{r, w}
	made.commit("first", map[string]string{"a.yaml": service("a", "image: app:4", "replicas: 0")})
	apply(0, dir)
	w.image("a", "app:4")
	moved, err := r.Clone(filepath.Join(t.TempDir(), "moved"))
	if err != nil {
		t.Fatal(err)
	}
	apply(0, moved.Dir)
	apply(1, other)
	w.image("a", "app:4")
}
