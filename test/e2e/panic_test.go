package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// poison is a source file that panics with a text where another file says so.
const poison = `package main

import (
	"errors"
	"os"
	"strings"
)

func poison(place string) {
	text, _ := os.ReadFile(os.Getenv("POISON"))
	if at, secret, _ := strings.Cut(string(text), " "); at == place {
		if place == "answer" {
			panic(errors.New(secret))
		}
		panic(secret)
	}
}
`

// poisoned are the places that call poison, by file: the code that comes after the call.
var poisoned = map[string][2]string{
	"validate.go": {"command", "			source, err := src.open(cmd)\n"},
	"tidy.go":     {"run", "		return do(ctx, key)\n"},
	"serve.go":    {"answer", `	w.Header().Set("Content-Type", "application/json")` + "\n"},
	"run.go":      {"wake", "			queue.Wake(key)\n		case <-timer.C:\n"},
}

// faulty builds an operator that panics where a file says so. The operator itself has no such thing: the compiler is
// given other files in place of some of its own.
func (w *world) faulty() (binary string) {
	w.Helper()
	root, err := harness.Root(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	dir, replace := w.TempDir(), map[string]string{}
	put := func(name, text string) {
		w.Helper()
		replace[filepath.Join(root, "cmd", "swarm-operator", name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	put("poison.go", poison)
	for name, at := range poisoned {
		text, err := os.ReadFile(filepath.Join(root, "cmd", "swarm-operator", name))
		if err != nil {
			w.Fatal(err)
		}
		if strings.Count(string(text), at[1]) != 1 {
			w.Fatalf("%s does not have this line once: %s", name, at[1])
		}
		put(name, strings.Replace(string(text), at[1], fmt.Sprintf("poison(%q)\n", at[0])+at[1], 1))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		w.Fatal(err)
	}
	put("overlay.json", string(overlay))
	binary = filepath.Join(dir, "operator")
	build := exec.CommandContext(w.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./cmd/swarm-operator")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		w.Fatalf("building an operator that panics: %v\n%s", err, out)
	}
	return binary
}

// A panic shows where it happened and nothing of its value: in a command, in a run, in an answer, and in a goroutine in
// which it ends the process.
func TestAPanicShowsNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	c := newCanaries(w)
	value := "https://ada:" + c.put("the panic's value") + "@h/ and " + c.word("the panic's value, too")
	r := w.repo("panics", map[string]string{"web.yaml": service("web", "image: app:1", "replicas: 0", "environment: {PASSWORD: \""+c.put("a variable")+"\"}")})
	panics := func(place string) {
		t.Helper()
		if err := os.WriteFile(w.path("poison"), []byte(place+" "+value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	panics("nowhere")
	faulty, env := w.faulty(), w.env("POISON="+w.path("poison"))
	started, err := harness.StartOperator(t.Context(), faulty, env, "--host", w.host(), "--source", r.Dir, "--log-level", "debug")
	if err != nil {
		t.Fatal(err)
	}
	o := &operator{started, w}
	t.Cleanup(o.finish)
	o.condition("InSync", true)

	panics("command")
	p, err := harness.Start(faulty, env, "validate", "--source", r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	out := w.end(p)
	if out.code != 2 || !strings.Contains(out.errs, "error: a fault in swarm-operator (string)") || !strings.Contains(out.errs, "validate.go:") {
		t.Errorf("a command ends with %s", out)
	}
	c.silent("a command that panics", out.String())

	panics("answer")
	if code, body, err := o.Get(t.Context(), "/api/v1/drift"); err != nil || code != http.StatusInternalServerError || !strings.Contains(body, "a fault in swarm-operator (*errors.errorString)") {
		t.Errorf("it answers %d %q, %v", code, body, err)
	}
	c.served(o)

	panics("run")
	r.commit("another", map[string]string{"web.yaml": service("web", "image: app:2", "replicas: 0")})
	o.says("panic in a run")
	o.says("tidy.go:")
	c.served(o)
	panics("nowhere")
	w.image("web", "app:2")

	panics("wake")
	r.commit("and another", map[string]string{"web.yaml": service("web", "image: app:3", "replicas: 0")})
	w.eventually(func() error {
		if o.Running() {
			return errors.New("the process goes on")
		}
		return nil
	})
	if said := o.Stderr(); !strings.Contains(said, "panic: a fault in swarm-operator (string)") || !strings.Contains(said, "run.go:") {
		t.Errorf("it ends with\n%s", tail(said, 40))
	}
	c.silent("an operator that ends", o.Stdout()+o.Stderr())
}
