package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// image waits until a service has an image.
func (w *world) image(service, image string) {
	w.Helper()
	w.eventually(func() error {
		s, there := w.find(service)
		if !there {
			return fmt.Errorf("there is no service %s", service)
		}
		if got := s.Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(got, image) {
			return fmt.Errorf("the image of %s is %s, want %s", service, got, image)
		}
		return nil
	})
}

func TestRunFollowsABareRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("bare", nil)
	work := *r.Repo
	bare := &repo{&work, w}
	bare.Dir = filepath.Join(r.Dir, ".git") // a repository that people push to looks the same
	o := w.operate(w.host(), bare)
	hash := r.commit("one", map[string]string{"a.yaml": service("a", "image: app:1", "replicas: 0")})
	o.inSync(hash)
	hash = r.commit("two", map[string]string{"a.yaml": service("a", "image: app:2", "replicas: 0")})
	o.inSync(hash)
	w.image("a", "app:2")
}

// A directory without git is read as it is, so that people can try things out.
func TestAPlainDirectoryIsASourceToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.yaml", service("a", "image: app:1", "replicas: 0"))
	write("b.yaml", service("b", "image: app:1", "replicas: 0"))
	w.want(0, "validate", "--source", dir)
	w.want(1, "diff", "--source", dir, "--host", w.host())
	w.want(0, "apply", "--source", dir, "--host", w.host())
	w.want(0, "diff", "--source", dir, "--host", w.host())
	write("a.yaml", service("a", "image: app:2", "replicas: 0"))
	write("b.yaml", "broken: [\n")
	w.want(2, "apply", "--source", dir, "--host", w.host())
	w.image("a", "app:1")
	write("b.yaml", service("b", "image: app:1", "replicas: 0"))
	w.want(0, "apply", "--source", dir, "--host", w.host())
	w.image("a", "app:2")
}

// Uncommitted changes are not read, and the command says so. With --worktree they are.
func TestACheckoutIsReadAtHead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("head", map[string]string{"sub/a.yaml": service("a", "image: app:1", "replicas: 0"), "other/b.yaml": service("b", "image: app:1", "replicas: 0")})
	w.want(0, "apply", "--source", r.Dir, "--host", w.host())
	r.write(map[string]string{"sub/a.yaml": service("a", "image: app:2", "replicas: 0"), "sub/new.yaml": service("new", "image: app:1", "replicas: 0")})
	for _, command := range []string{"diff", "apply"} {
		out := w.want(0, command, "--source", r.Dir, "--host", w.host())
		for _, name := range []string{"sub/a.yaml", "sub/new.yaml"} {
			if !strings.Contains(out.errs, name) {
				t.Errorf("%s does not say that %s is not read:\n%s", command, name, out)
			}
		}
	}
	w.image("a", "app:1")
	if out := w.want(1, "diff", "--worktree", "--source", r.Dir, "--host", w.host()); !strings.Contains(out.out, "~ Service/a") || !strings.Contains(out.out, "+ Service/new") {
		t.Errorf("the files as they are differ otherwise:\n%s", out)
	}
	r.write(map[string]string{"sub/new.yaml": "broken: [\n"})
	w.want(0, "validate", "--source", r.Dir)
	w.want(2, "validate", "--worktree", "--source", r.Dir)

	r.remove("sub/new.yaml")
	r.commit("app:2", nil)
	w.want(1, "diff", "--source", r.Dir, "--path", "sub", "--host", w.host(), "--name", "part") // another source
	o := w.operate(w.host(), r, "--path", "sub", "--name", "part")
	o.condition("Held", true) // both belong to the source named head
	w.holds(time.Second, func() error {
		if _, there := w.find("b"); !there {
			return fmt.Errorf("a part of the repository under another name removed what is not its own")
		}
		return nil
	})
	w.image("a", "app:1")
}
