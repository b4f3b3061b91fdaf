package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/lag"
)

// patience limits each wait for a state, and each command. On a busy machine both take long.
const patience = 2 * time.Minute

// world is a swarm with everything that a test needs around it.
type world struct {
	*testing.T
	swarm Swarm
	api   *client.Client // connected to the first manager, past every proxy
	home  string
}

func newWorld(t *testing.T, n size) *world {
	t.Helper()
	lag.Explain(t)
	s, err := newSwarm(t.Context(), n)
	if err != nil {
		t.Fatalf("starting a swarm: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the swarm: %v", err)
		}
	})
	return worldOf(t, s, s.Managers()[0])
}

// worldOf returns a world around a swarm, with a configuration for its operators. api is the node that the test asks.
func worldOf(t *testing.T, s Swarm, api string) *world {
	t.Helper()
	w := &world{T: t, swarm: s, home: t.TempDir()}
	w.api = w.connect(api)
	w.defines("key: {file: '"+w.path("unlock.key")+"', volatile: true}", "token: {file: '"+w.path("worker-token")+"', volatile: true}")
	t.Cleanup(w.keepSwarm)
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.home, name) }

// defines writes the operator's configuration, with these sinks and a root of its own for the CA.
func (w *world) defines(sinks ...string) {
	w.Helper()
	text := "sinks:\n  " + strings.Join(sinks, "\n  ") + "\nauthorities: {own: {certFile: '" + w.path("ca.pem") + "', keyFile: '" + w.path("ca.key") + "'}}\n"
	if err := os.WriteFile(w.path("operator.yaml"), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// in returns the same world for a subtest.
func (w *world) in(t *testing.T) *world {
	c := *w
	c.T = t
	return &c
}

func (w *world) connect(node string) *client.Client {
	w.Helper()
	c, err := client.New(client.WithHost(w.swarm.Host(node)))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = c.Close() })
	return c
}

// nodes returns how many nodes there are, and so how many tasks a global service has.
func (w *world) nodes() int { return len(w.swarm.Managers()) + len(w.swarm.Workers()) }

// host returns the address of the first manager's engine.
func (w *world) host() string { return w.swarm.Host(w.swarm.Managers()[0]) }

// proxy puts a proxy before the first manager's engine.
func (w *world) proxy() *harness.Proxy {
	w.Helper()
	return w.proxyTo(w.swarm.Managers()[0])
}

func (w *world) proxyTo(node string) *harness.Proxy {
	w.Helper()
	p, err := harness.NewProxy(w.swarm.Host(node))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		var lines strings.Builder
		calls := p.Calls()
		for _, c := range calls {
			fmt.Fprintln(&lines, c.At.Format("15:04:05.000"), c)
		}
		w.keep("calls", lines.String())
		if w.Failed() {
			w.Logf("last calls of %d:\n%s", len(calls), tail(lines.String(), 30))
		}
		if err := p.Close(); err != nil {
			w.Errorf("closing a proxy: %v", err)
		}
	})
	return p
}

// env returns the environment of every process. It takes nothing from the person who runs the tests. Manifests may name any
// socket, because engines of tests have no other address. The home, where
// it keeps temporary files, is removed with the test, even if the process was killed.
func (w *world) env(more ...string) []string {
	return append([]string{"HOME=" + w.home, "DOCKER_CONFIG=" + filepath.Join(w.home, ".docker"), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + w.home, "SWARM_OPERATOR_CONFIG=" + w.path("operator.yaml"), "SWARM_OPERATOR_ENGINE_SOCKETS=/*", fmt.Sprintf("SWARM_OPERATOR_TEST_PACE=%d", pace())}, more...)
}

// result is how a command ended.
type result struct {
	code      int
	out, errs string
}

func (r result) String() string {
	return fmt.Sprintf("exit %d\n--- stdout\n%s--- stderr\n%s", r.code, r.out, r.errs)
}

// cli runs the operator's binary.
func (w *world) cli(args ...string) result { return w.cliEnv(nil, args...) }

func (w *world) cliEnv(env []string, args ...string) result {
	w.Helper()
	p, err := harness.Start(binary, w.env(env...), args...)
	if err != nil {
		w.Fatal(err)
	}
	return w.end(p)
}

// end waits until a process has ended.
func (w *world) end(p *harness.Process) result {
	w.Helper()
	return w.endWithin(patience, p)
}

func (w *world) endWithin(d time.Duration, p *harness.Process) result {
	w.Helper()
	if err := harness.Until(w.Context(), d, func() error {
		if p.Running() {
			return errors.New("the command has not ended")
		}
		return nil
	}); err != nil {
		p.Kill()
		w.Fatalf("%v\n%s%s", err, p.Stdout(), p.Stderr())
	}
	code, err := p.Wait(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return result{code, p.Stdout(), p.Stderr()}
}

// want runs a command and fails the test if its exit code is not code.
func (w *world) want(code int, args ...string) result {
	w.Helper()
	r := w.cli(args...)
	if r.code != code {
		w.Fatalf("swarm-operator %s: want exit %d, got %s", strings.Join(args, " "), code, r)
	}
	return r
}

// eventually waits until check returns no error.
func (w *world) eventually(check func() error) {
	w.Helper()
	if err := harness.Until(w.Context(), patience, check); err != nil {
		w.Fatal(err)
	}
}

// holds checks for a while that check returns no error.
func (w *world) holds(period time.Duration, check func() error) {
	w.Helper()
	for end := time.Now().Add(period); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err := check(); err != nil {
			w.Fatal(err)
		}
	}
}

// passes waits for a while, in machine time, for what arrives within that time and cannot be seen from outside.
func (w *world) passes(period time.Duration) {
	_ = harness.Until(w.Context(), period, func() error { return errors.New("it is not over") })
}

// quiet waits until no call has come for a while.
func (w *world) quiet(p *harness.Proxy) {
	w.Helper()
	const still = 2 * time.Second
	w.eventually(func() error {
		if since := p.Since(); lag.Since(time.Now().Add(-since)).Machine < still {
			return fmt.Errorf("the last call was %s ago: %s", since, last(p.Calls()))
		}
		return nil
	})
}

// written waits until nothing has been written for a while. The outcome of a revision is noted after the revision.
func (w *world) written(p *harness.Proxy) {
	w.Helper()
	const still = 2 * time.Second
	w.eventually(func() error {
		writes := p.Writes()
		if n := len(writes); n > 0 && lag.Since(writes[n-1].At).Machine < still {
			return fmt.Errorf("it still writes: %s", last(writes))
		}
		return nil
	})
}

func tail(text string, n int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// artifacts returns the directory for what explains a failure. It returns "" if the test has not failed and ARTIFACTS
// is not set.
func (w *world) artifacts() string {
	if !w.Failed() && os.Getenv("ARTIFACTS") == "" {
		return ""
	}
	dir, err := harness.Artifacts(context.Background(), "e2e-"+*swarmKind, w.Name())
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		w.Log(err)
	}
	return dir
}

// keep keeps an artifact at the end of the test, when it is known whether the test failed.
func (w *world) keep(name, content string) {
	w.Cleanup(func() {
		dir := w.artifacts()
		if dir == "" || content == "" {
			return
		}
		path := filepath.Join(dir, name)
		for n := 2; exists(path); n++ {
			path = filepath.Join(dir, fmt.Sprintf("%d-%s", n, name))
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			w.Log(err)
		}
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// keepSwarm keeps what the swarm has at the end and what its nodes print, and logs where.
func (w *world) keepSwarm() {
	dir := w.artifacts()
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	services, err := w.api.ServiceList(ctx, client.ServiceListOptions{Status: true})
	if err != nil {
		w.Log(err)
	}
	tasks, err := w.api.TaskList(ctx, client.TaskListOptions{})
	if err != nil {
		w.Log(err)
	}
	for name, list := range map[string]any{"services.json": services.Items, "tasks.json": tasks.Items} {
		text, err := json.MarshalIndent(list, "", "  ")
		if err != nil {
			w.Log(err)
		}
		w.keep(name, string(text))
	}
	if err := w.swarm.Save(ctx, dir); err != nil {
		w.Log(err)
	}
	w.Logf("what explains it is in %s", dir)
}
