// Command run runs every test that this machine can, says first what it cannot, and then names each test that was
// skipped, with why: make test. With NO_SKIP=1, as CI sets it, whatever is missing or skipped is a failure.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:], os.Getenv("NO_SKIP") != "", os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run tests the packages, all where none are named, and returns the exit code of go test.
func run(ctx context.Context, patterns []string, noSkip bool, out io.Writer) (int, error) {
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	fmt.Fprintf(out, "Tests on %s/%s with %s, %d CPUs:\n", runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU())
	all := abilities(ctx)
	for _, a := range all {
		fmt.Fprintln(out, a)
	}
	if lacks := missing(all); noSkip && len(lacks) > 0 {
		return 1, fmt.Errorf("NO_SKIP is set, and this machine lacks: %s", strings.Join(lacks, ", "))
	}
	groups, err := split(ctx, patterns, has(all, race), has(all, engine))
	if err != nil {
		return 1, err
	}
	return tested(ctx, groups, noSkip, newSummary(out))
}

func tested(ctx context.Context, groups []group, noSkip bool, s *summary) (int, error) {
	code := 0
	for _, g := range groups {
		fmt.Fprintf(s.out, "\ngo test %s, %d packages%s\n", strings.Join(g.flags, " "), len(g.packages), g.why)
		c, err := g.test(ctx, noSkip, s)
		if err != nil {
			return 1, err
		}
		code = cmp.Or(code, c)
	}
	if noSkip && code == 0 && s.skipped > 0 {
		code = 1
		fmt.Fprintln(s.out, "NO_SKIP is set, and tests were skipped")
	}
	s.end(noSkip)
	return code, nil
}

// group is a go test of its own.
type group struct {
	flags    []string
	env      []string
	packages []string
	why      string
}

// Packages whose tests are about processes that they start, not about code of their own: the race detector would watch
// the wrong one. They mostly wait, so that they run side by side.
var processes = []string{"/test/e2e", "/test/engines", "/test/demo", "/test/bench", "/test/image"}

// raceFlags leaves SwarmKit and etcd's raft uninstrumented: SwarmKit has races of its own, which are not ours to mend and
// would fail any package that links the sandbox now and then; with SwarmKit alone left out, raft gives false alarms.
func raceFlags() []string {
	return []string{"-race", "-gcflags=github.com/moby/swarmkit/v2/...=-race=false", "-gcflags=go.etcd.io/...=-race=false"}
}

func split(ctx context.Context, patterns []string, withRace, withEngines bool) ([]group, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list"}, patterns...)...)
	cmd.Stderr = os.Stderr
	list, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	// A test that hangs should say so before CI gives up on all of them.
	common := []string{"-shuffle=on", "-timeout=8m"}
	code := group{flags: common, env: []string{"CGO_ENABLED=0"}}
	if withRace {
		code = group{flags: append(raceFlags(), common...), env: []string{"CGO_ENABLED=1"}}
	}
	whole := group{flags: []string{"-shuffle=on", "-timeout=12m"}, env: []string{"CGO_ENABLED=0"}}
	if withRace {
		whole.why = "; without -race: they test processes that they start"
	}
	// To start and end swarms takes longer.
	real := group{
		flags: []string{"-shuffle=on", "-timeout=20m"}, env: []string{"CGO_ENABLED=0", "E2E_SWARM=engines"},
		why: "; on real engines",
	}
	for _, p := range strings.Fields(string(list)) {
		is := func(suffix string) bool { return strings.HasSuffix(p, suffix) }
		g := &code
		switch {
		case withEngines && (is("/test/engines") || is("/test/image")):
			g = &real
		case slices.ContainsFunc(processes, is):
			g = &whole
		}
		g.packages = append(g.packages, p)
		if is("/test/e2e") && withEngines { // the same scenarios once more
			real.packages = append(real.packages, p)
		}
	}
	var out []group
	for _, g := range []group{code, whole, real} {
		if len(g.packages) > 0 {
			out = append(out, g)
		}
	}
	return out, nil
}

// test runs go test and shows what matters of what it says, while it says it.
func (g group) test(ctx context.Context, noSkip bool, s *summary) (int, error) {
	args := append(append([]string{"test", "-json"}, g.flags...), g.packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), g.env...)
	if noSkip {
		cmd.Env = append(cmd.Env, "NO_SKIP=1", "CI_NO_SKIP=1")
	}
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	for r := bufio.NewReader(stdout); ; {
		line, err := r.ReadBytes('\n')
		var e event
		if json.Unmarshal(line, &e) == nil {
			s.add(e)
		} else {
			_, _ = s.out.Write(line) // not from a test
		}
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 1, errors.New("stopped")
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}
