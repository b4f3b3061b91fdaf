package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/swarm-operator/swarm-operator/test/lag"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

// group is a go test of its own. Groups in different lanes run side by side, and groups in one lane run one after the
// other. A group that waits and a group that computes together keep the processors busy. More groups would only make
// everything late.
type group struct {
	name     string
	lane     int
	flags    []string
	env      []string
	packages []string
	why      string
}

// raced lists packages whose code runs in several goroutines. The race detector watches them. Elsewhere it takes five
// to ten times as long and finds nothing, because code that decides has no goroutines.
var raced = []string{
	"/controllers/act", "/controllers/apply", "/controllers/engine", "/controllers/kinds", "/controllers/observe", "/controllers/reconciler",
	"/controllers/report", "/controllers/runner", "/controllers/session", "/controllers/sinks", "/controllers/state", "/controllers/status", "/controllers/unlock", "/manifests/git", "/test/harness",
}

// processes lists packages whose tests are about processes that they start, and not about code of their own. So are
// the scenarios (test/e2e), but they take as long as all the rest, and have a group and a lane of their own.
var processes = []string{"/test/engines", "/test/demo", "/test/bench", "/test/image", "/test/docs"}

// checked matches what make check runs and make test does not repeat: import rules, and whether generated docs are up
// to date.
const checked = "^(TestWhoImportsWhom|TestThePureFiles|TestWhatTheOperatorLinks|Test.*Reference.*)$"

// longest is how long a package may take before go test ends it and says where it hangs. It is far longer than any
// package takes on a loaded machine, and shorter than CI allows. The full run takes an hour by itself.
const longest, longestFull = "-timeout=50m", "-timeout=4h"

// garbage makes the small processes that tests start collect garbage less often, unless the environment says
// otherwise. Collecting took a tenth of all processor time.
var garbage = []string{"GOGC=400", "GOMEMLIMIT=2GiB"}

// raceFlags leaves SwarmKit and etcd's raft uninstrumented. SwarmKit has data races that this project cannot repair.
// They would now and then fail any package that links the sandbox. If only SwarmKit is left out, raft gives false
// alarms.
func raceFlags() []string {
	return []string{"-race", "-gcflags=github.com/moby/swarmkit/v2/...=-race=false", "-gcflags=go.etcd.io/...=-race=false"}
}

// split sorts packages into groups by how they are tested. It fails if real engines are asked for and missing.
func split(ctx context.Context, o options, withRace, withEngines bool) ([]group, error) {
	if (o.engines || o.full) && !withEngines {
		return nil, errors.New("there can be no real engines here: see above")
	}
	patterns := o.args
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"list"}, patterns...)...)
	cmd.Stderr = os.Stderr
	list, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	// Trimmed paths let a clone elsewhere find in the build cache what this clone has compiled. Linking symbols for a
	// debugger takes half of the linking time, and make check has vetted everything.
	common := []string{"-trimpath", "-ldflags=-s -w", "-vet=off", "-shuffle=on", longest}
	if o.full {
		common[len(common)-1] = longestFull
	}
	// More lanes would make the sandbox's raft lose its leaders if there are few processors.
	const together, computes, onEngines = 0, 1, 2
	// Tests that wait for a clock leave processors idle, so one package more than there are processors is under test.
	atOnce := fmt.Sprintf("-p=%d", runtime.NumCPU()+1)
	with := func(more ...string) []string { return append(slices.Clone(common), append(more, atOnce)...) }
	plain := group{name: "code", lane: computes, flags: with("-skip=" + checked), env: []string{"CGO_ENABLED=0"}}
	races := plain
	races.name, races.flags, races.why = "concurrent code", with("-skip="+checked), "; the race detector is missing"
	if withRace {
		races.flags, races.env, races.why = append(raceFlags(), races.flags...), []string{"CGO_ENABLED=1"}, ""
	}
	scenarios := group{name: "scenarios", lane: together, flags: common, env: []string{"CGO_ENABLED=0"}}
	if !o.full {
		scenarios.why = "; half of them is left to the next commit, and make e2e-full runs all"
	}
	started := group{name: "processes", lane: computes, flags: with(), env: []string{"CGO_ENABLED=0"}}
	real := group{name: "scenarios on real engines", lane: onEngines, flags: common, env: []string{"CGO_ENABLED=0", "E2E_SWARM=engines"}}
	if o.full {
		for _, g := range []*group{&scenarios, &started, &real} {
			g.env = append(g.env, "E2E_FULL=1")
		}
	}
	for _, p := range strings.Fields(string(list)) {
		is := func(suffix string) bool { return strings.HasSuffix(p, suffix) }
		whole := is("/test/engines") || is("/test/image") || is("/test/bench")
		switch {
		case withEngines && whole:
			real.packages = append(real.packages, p)
		case is("/test/e2e"):
			scenarios.packages = append(scenarios.packages, p)
		case slices.ContainsFunc(processes, is):
			started.packages = append(started.packages, p)
		case slices.ContainsFunc(raced, is):
			races.packages = append(races.packages, p)
		default:
			plain.packages = append(plain.packages, p)
		}
		if is("/test/e2e") && withEngines {
			real.packages = append(real.packages, p)
		}
	}
	// Groups that another run may have to complete (-rest) come first.
	groups := []group{scenarios, started, plain, races, real}
	switch {
	case o.engines:
		h := heavyAt(turn.Now())
		if len(o.args) > 0 { // somebody asks for particular packages
			h = heavy{}
		}
		groups = []group{onEnginesWith(real, h)}
	case o.full:
		groups = []group{scenarios, started, real}
	}
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.packages) == 0 }), nil
}

// turns lists tests on real engines that take minutes, about things that a commit seldom changes: the deployed image,
// the benchmark, the engines of the tests themselves. Each test, or a part of it, has a turn of its own (package turn),
// in which no scenario runs on engines.
var turns = [turn.Heavies]heavy{
	{"/test/image", "TestOnRealEngines", "a_plain_container,_as_compose.yaml_has_it"},
	{"/test/engines", "TestASwarmOfFiveAndItsFaults", ""},
	{"/test/image", "TestOnRealEngines", "a_container_without_the_socket's_group"},
	{"/test/engines", "TestASwarmOfTwo", ""},
	{"/test/image", "TestOnRealEngines", "a_plain_container_on_every_manager"},
	{"/test/bench", "TestBenchReal", ""},
	{"/test/image", "TestOnRealEngines", "a_service_on_every_manager,_as_swarm-operator.yaml_has_it"},
	{"/test/image", "TestOnRealEngines", "a_helper_that_opens_locked_managers,_as_unlock.yaml_has_it"},
}

// heavy is such a test or one of its subtests.
type heavy struct{ in, test, part string }

func (h heavy) name() string {
	if h.part == "" {
		return h.test
	}
	return h.test + "/" + h.part
}

// isHeavy reports whether a test has turns. waits reports whether it is left to another commit.
func isHeavy(test string) bool {
	return slices.ContainsFunc(turns[:], func(h heavy) bool { return h.test == test })
}

func waits(test string) bool { return isHeavy(test) && heavyAt(turn.Now()).test != test }

// heavyAt returns the test that has a turn. It is empty if a sample of the scenarios has the turn.
func heavyAt(now int) heavy {
	n, is := turn.Heavy(now)
	if !is {
		return heavy{}
	}
	return turns[n]
}

// onEnginesWith returns what has a turn of a group with all that runs on engines: a heavy test, or without one the
// scenarios, which choose their own sample.
func onEnginesWith(of group, h heavy) group {
	in := "/test/e2e"
	if h.test != "" {
		in = h.in
		of.name, of.flags = h.test, append(slices.Clone(of.flags), "-run="+exactly(h.name()))
	}
	of.packages = slices.DeleteFunc(slices.Clone(of.packages), func(p string) bool { return !strings.HasSuffix(p, in) })
	return of
}

// exactly returns the pattern that matches one test or subtest.
func exactly(test string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// again runs each test alone that failed because the machine was busy. If nothing else in the group failed, and all
// of them pass, the group passes.
func (g group) again(ctx context.Context, noSkip bool, s *summary, r *result) error {
	busy := s.busy(g.name)
	if r.code == 0 || len(busy) == 0 {
		return nil
	}
	only := !s.failedOtherwise(g.name)
	for _, t := range busy {
		name, _, _ := strings.Cut(t.Test, "/")
		fmt.Fprintf(s.out, "\n%s.%s failed while the machine was far too busy: once more, alone\n", t.Package, name)
		alone := g
		alone.packages = []string{t.Package}
		alone.env = append(slices.Clone(g.env), lag.AloneVariable+"=1")
		alone.flags = append(slices.DeleteFunc(slices.Clone(g.flags), func(f string) bool { return strings.HasPrefix(f, "-run=") }), "-run="+exactly(name))
		s.forget(g.name, t.Package, name)
		second, err := alone.test(ctx, noSkip, s)
		if err != nil {
			return err
		}
		only = only && second.code == 0
		r.CPU += second.CPU
		r.Wall += second.Wall
	}
	if only {
		r.code = 0
		s.forgiven(g.name)
	}
	return nil
}

// test runs go test, and shows the important parts of its output at once.
func (g group) test(ctx context.Context, noSkip bool, s *summary) (result, error) {
	r := result{Name: g.name, Flags: g.flags, Env: g.env}
	args := append(append([]string{"test", "-json"}, g.flags...), g.packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(append(slices.Clone(garbage), os.Environ()...), g.env...)
	if noSkip {
		cmd.Env = append(cmd.Env, "NO_SKIP=1", "CI_NO_SKIP=1")
	}
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return r, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return r, err
	}
	for in := bufio.NewReader(stdout); ; {
		line, err := in.ReadBytes('\n')
		e := event{Group: g.name}
		if json.Unmarshal(line, &e) == nil {
			s.add(e)
		} else {
			s.raw(line) // not from a test
		}
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	r.Wall = time.Since(began).Seconds()
	r.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return r, errors.New("stopped")
	case errors.As(err, &exit):
		r.code = max(exit.ExitCode(), 1)
		return r, nil
	}
	return r, err
}
