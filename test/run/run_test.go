package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

// module is a module whose tests end in every way there is.
var module = map[string]string{
	"go.mod": "module example.com/m\n\ngo 1.26\n",
	"good/good_test.go": `package good
import "testing"
func TestGood(t *testing.T) { t.Log("not shown") }
func TestSub(t *testing.T) { t.Run("one", func(t *testing.T) {}) }
`,
	"skips/skips_test.go": `package skips
import ("os"; "testing")
func TestSkips(t *testing.T) {
	if os.Getenv("CI_NO_SKIP") == "1" { t.Log("it knows") }
	t.Skip("there is no moon")
}
`,
	"bad/bad_test.go": `package bad
import "testing"
func TestBad(t *testing.T) { t.Error("two is not three") }
func TestFine(t *testing.T) { t.Log("not shown") }
`,
	"panics/panics_test.go": `package panics
import "testing"
func TestPanics(t *testing.T) { panic("oh no") }
`,
	"broken/broken_test.go": `package broken
func undefined() { nothing() }
`,
	"dies/dies_test.go": `package dies
import ("fmt"; "os"; "testing")
func TestMain(m *testing.M) { fmt.Println("could not begin"); os.Exit(3) }
`,
	"none/none.go": "package none\n",
	"able/able_test.go": `package able
import ("os"; "testing")
func TestAble(t *testing.T) { if os.Getenv("WINGS") == "" { t.Skip("needs wings") } }
func TestUnable(t *testing.T) {}
func TestParts(t *testing.T) {
	t.Run("a/walks", func(t *testing.T) {})
	t.Run("b/flies", func(t *testing.T) { if os.Getenv("WINGS") == "" { t.Skip("needs wings") } })
}
`,
	"busy/busy_test.go": `package busy
import ("os"; "testing")
func TestBusy(t *testing.T) {
	t.Run("sub", func(t *testing.T) {
		if os.Getenv("TEST_ALONE") == "" { t.Error("too late [busy machine: run this test alone]") }
	})
}
func TestQuiet(t *testing.T) {}
`,
	"slow/slow_test.go": `package slow
import "testing"
func TestSlow(t *testing.T) { t.Error("too late [busy machine: run this test alone]") }
`,
	"both/both_test.go": `package both
import ("os"; "testing")
func TestBusy(t *testing.T) {
	if os.Getenv("TEST_ALONE") == "" { t.Error("too late [busy machine: run this test alone]") }
}
func TestBad(t *testing.T) { t.Error("two is not three") }
`,
	"unjudged/unjudged_test.go": `package unjudged
import "testing"
func TestUnjudged(t *testing.T) { t.Log("it took long [busy machine: not judged]") }
`,
}

func here(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range module {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("NO_SKIP", "")
	t.Setenv("CI_NO_SKIP", "")
	t.Setenv("TEST_ALONE", "")
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name     string
		patterns []string
		noSkip   bool
		code     int
		shows    []string
		hides    []string
	}{
		{
			"passes",
			[]string{"./good", "./none"},
			false, 0,
			[]string{"ok  \texample.com/m/good"},
			[]string{"not shown", "no test files", "passed,"},
		},
		{
			"skips",
			[]string{"./good", "./skips"},
			false, 0,
			[]string{"skip\texample.com/m/skips.TestSkips: skips_test.go:5: there is no moon", "ok  \texample.com/m/skips"},
			nil,
		},
		{
			"must not skip",
			[]string{"./good", "./skips"},
			true, 1,
			[]string{"there is no moon", "it knows", "NO_SKIP is set, and tests were skipped", "3 passed, 0 failed, 1 skipped\n"},
			nil,
		},
		{
			"fails",
			[]string{"./good", "./bad"},
			true, 1,
			[]string{"--- FAIL: TestBad", "two is not three", "  TestBad: ", "FAIL\texample.com/m/bad", "ok  \texample.com/m/good", "4 passed, 1 failed, 0 skipped\n"},
			[]string{"not shown"},
		},
		{"panics", []string{"./panics"}, false, 1, []string{"panic: oh no", "TestPanics", "FAIL\texample.com/m/panics"}, nil},
		{"does not build", []string{"./broken", "./good"}, false, 1, []string{"undefined: nothing", "FAIL\texample.com/m/broken [build failed]", "ok  \texample.com/m/good"}, nil},
		{
			"a busy machine",
			[]string{"./busy", "./good"},
			true, 0,
			[]string{"busy.TestBusy failed while the machine was far too busy: once more, alone", "6 passed, 0 failed, 0 skipped\n"},
			[]string{"\nFAIL\n"},
		},
		{"too slow alone, too", []string{"./slow"}, true, 1, []string{"once more, alone", "0 passed, 1 failed, 0 skipped\n"}, nil},
		{
			"a busy machine is no excuse for another failure",
			[]string{"./both"},
			true, 1,
			[]string{"once more, alone", "two is not three", "FAIL\texample.com/m/both", "1 passed, 1 failed, 0 skipped\n"},
			nil,
		},
		{"a bound that is not judged", []string{"./unjudged"}, true, 0, []string{"not judged\texample.com/m/unjudged.TestUnjudged", "1 passed, 0 failed"}, nil},
		{"does not begin", []string{"./dies"}, false, 1, []string{"could not begin", "FAIL\texample.com/m/dies"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			here(t)
			var out bytes.Buffer
			groups, err := split(t.Context(), options{args: c.patterns}, false, false)
			if err != nil || len(groups) != 1 {
				t.Fatalf("groups are %v (%v), want one", groups, err)
			}
			_, code, err := tested(t.Context(), groups, options{noSkip: c.noSkip}, newSummary(&out))
			if err != nil || code != c.code {
				t.Errorf("exit code is %d (%v), want %d", code, err, c.code)
			}
			for _, want := range c.shows {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the output does not show %q", want)
				}
			}
			for _, hidden := range c.hides {
				if strings.Contains(out.String(), hidden) {
					t.Errorf("the output shows %q", hidden)
				}
			}
			if t.Failed() {
				t.Logf("output:\n%s", &out)
			}
		})
	}
}

// what returns which packages the groups have.
func what(groups []group) string {
	var out []string
	for _, g := range groups {
		for _, p := range g.packages {
			out = append(out, g.name+":"+filepath.Base(p))
		}
	}
	return strings.Join(out, " ")
}

func TestPackagesAreInTheGroupThatTheyNeed(t *testing.T) {
	few := []string{"../e2e", "../engines", "../../diff", "../../controllers/state", "../../controllers/kinds", "../../controllers/kinds/node"}
	for _, c := range []struct {
		o             options
		race, engines bool
		want          string
	}{
		{options{args: few}, true, false, "scenarios:e2e processes:engines code:diff code:node concurrent code:state concurrent code:kinds"},
		{options{args: few}, false, true, "scenarios:e2e code:diff code:node concurrent code:state concurrent code:kinds scenarios on real engines:e2e scenarios on real engines:engines"},
		{options{args: few, engines: true}, true, true, "scenarios on real engines:e2e"},
		{options{args: few, full: true}, true, true, "scenarios:e2e scenarios on real engines:e2e scenarios on real engines:engines"},
	} {
		groups, err := split(t.Context(), c.o, c.race, c.engines)
		if err != nil {
			t.Fatal(err)
		}
		if got := what(groups); got != c.want {
			t.Errorf("%+v: packages are\n%s, want\n%s", c.o, got, c.want)
		}
		for _, g := range groups {
			if raced := strings.Contains(strings.Join(g.flags, " "), "-race"); raced != (c.race && g.name == "concurrent code") {
				t.Errorf("group %s: the race detector is on: %t", g.name, raced)
			}
			if on := slices.Contains(g.env, "E2E_SWARM=engines"); on != strings.Contains(g.name, "real") {
				t.Errorf("group %s: its environment is %q", g.name, g.env)
			}
			if all := slices.Contains(g.env, "E2E_FULL=1"); all != c.o.full {
				t.Errorf("group %s: its environment is %q", g.name, g.env)
			}
		}
	}
	if _, err := split(t.Context(), options{full: true}, true, false); err == nil {
		t.Error("everything on real engines is tested, where there are none")
	}
}

// If another run completes a run, nothing counts as skipped. Tests that neither has run are named.
func TestWhatOneRunSkipsAnotherOneRuns(t *testing.T) {
	here(t)
	dir := t.TempDir()
	run := func(patterns []string) string {
		file := filepath.Join(dir, "first")
		groups, err := split(t.Context(), options{args: patterns}, false, false)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = tested(t.Context(), groups, options{report: file}, newSummary(&bytes.Buffer{}))
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	first := run([]string{"./able", "./good"})
	var out bytes.Buffer
	if code, err := sum(options{args: []string{first}, noSkip: true}, &out); err != nil || code != 1 || !strings.Contains(out.String(), "no run has run example.com/m/able.TestAble: able_test.go:3: needs wings") {
		t.Errorf("code %d, %v:\n%s", code, err, &out)
	}
	t.Setenv("WINGS", "two")
	out.Reset()
	second := filepath.Join(dir, "second")
	r, code, err := tested(t.Context(), nil, options{noSkip: true, rest: first, report: second}, newSummary(&out))
	if err != nil || code != 0 || r.Passed != 3 { // TestAble, TestParts/b/flies and its parent
		t.Fatalf("code %d, %v:\n%s", code, err, &out)
	}
	out.Reset()
	if code, err := sum(options{args: []string{first, second}, noSkip: true}, &out); err != nil || code != 0 || !strings.HasSuffix(out.String(), "\n9 passed, 0 failed, 0 skipped\n") {
		t.Errorf("code %d, %v:\n%s", code, err, &out)
	}
}

// If the other run has ended, a skipped test of a group that does not exist is somebody's mistake.
func TestTheRestNamesGroupsThatExist(t *testing.T) {
	file := filepath.Join(t.TempDir(), "other")
	if err := (&report{Skipped: []skip{{"birds", "./able", "TestAble", "needs wings"}}, Ended: true}).write(file); err != nil {
		t.Fatal(err)
	}
	_, _, err := tested(t.Context(), nil, options{rest: file}, newSummary(&bytes.Buffer{}))
	if err == nil || !strings.Contains(err.Error(), `./able.TestAble is of a group that there is not: "birds"`) {
		t.Errorf("it says %v", err)
	}
}

// Nobody waits for a run once it is known to have died, and its report is never taken for a whole one.
func TestARunThatDiedIsNotWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		before func(t *testing.T, file string)
		says   string
	}{
		"its end is known":    {func(t *testing.T, file string) { touch(t, file+over) }, "died before it was done"},
		"its folder has gone": {func(t *testing.T, file string) { removeAll(t, filepath.Dir(file)) }, "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "reports", "other")
			if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			c.before(t, file)
			_, code, err := tested(t.Context(), nil, options{rest: file}, newSummary(&bytes.Buffer{}))
			if err == nil || code == 0 || !strings.Contains(err.Error(), c.says) {
				t.Errorf("code %d, %v", code, err)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "report")
	if err := (&report{Passed: 3}).write(file); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code, err := sum(options{args: []string{file}}, &out); err != nil || code == 0 || !strings.Contains(out.String(), "its run has not ended") {
		t.Errorf("code %d, %v:\n%s", code, err, &out)
	}
}

func touch(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func removeAll(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// What a group has skipped begins while the other run goes on with other groups.
func TestTheRestBeginsBeforeTheOtherRunEnds(t *testing.T) {
	here(t)
	t.Setenv("WINGS", "two")
	file := filepath.Join(t.TempDir(), "other")
	other := &report{Groups: []result{{Name: "birds"}}, Skipped: []skip{{"birds", "./able", "TestAble", "needs wings"}, {"planes", "./able", "TestParts/b/flies", "needs wings"}}}
	seen := &harness.Output{}
	ended := make(chan error)
	var r *report
	go func() {
		var err error
		r, _, err = tested(t.Context(), nil, options{noSkip: true, rest: file}, newSummary(seen))
		ended <- err
	}()
	says(t, seen, file+" is not there yet: waiting for it")
	if err := other.write(file); err != nil {
		t.Fatal(err)
	}
	says(t, seen, "ok  \texample.com/m/able")
	// It went on until now, and had skipped something before.
	other.Groups = append([]result{{Name: "planes"}}, other.Groups...)
	other.Ended = true
	if err := other.write(file); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || r.Passed != 3 || !r.Ended {
		t.Errorf("%v, %+v:\n%s", err, r, seen)
	}
}

// says waits until an output has a text.
func says(t *testing.T, out *harness.Output, text string) {
	t.Helper()
	if err := harness.Until(t.Context(), time.Minute, func() error {
		if !strings.Contains(out.String(), text) {
			return fmt.Errorf("it does not say %q:\n%s", text, out)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestTheBudgetIsOfProcessorTime(t *testing.T) {
	r := &report{Groups: []result{{Wall: 4000, CPU: 700}, {Wall: 1, CPU: 500}}}
	for _, c := range []struct {
		minutes   float64
		over, far bool
	}{{0, false, false}, {20, false, false}, {10, false, false}, {9.9, true, false}, {6.7, true, false}, {6.6, true, true}} {
		if got, far := r.overspent(c.minutes); (got != "") != c.over || far != c.far {
			t.Errorf("%g minutes: %q, a failure: %t", c.minutes, got, far)
		}
	}
}

func TestAbilities(t *testing.T) {
	t.Setenv("PATH", filepath.Dir(t.TempDir()))
	a := program(t.Context(), "docker CLI", "nothing is tested", "docker", "--version")
	if text := a.String(); !strings.Contains(text, "no, ") || !strings.Contains(text, "nothing is tested") {
		t.Errorf("a missing ability reads %q", text)
	}
	all := []ability{a, {name: "git", is: "yes", without: "x"}}
	if got := strings.Join(missing(all), " "); got != "docker CLI" {
		t.Errorf("missing is %q", got)
	}
	if has(all, "docker CLI") || !has(all, "git") {
		t.Error("has does not tell what is there")
	}
}

// A name in the table that no test has would silently leave its test to every commit.
func TestTurnsNameTestsThatExist(t *testing.T) {
	var all strings.Builder
	for _, dir := range []string{"../engines", "../image", "../bench"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	for _, h := range turns {
		if !strings.Contains(all.String(), "\nfunc "+h.test+"(t *testing.T) {\n") {
			t.Errorf("there is no test %s", h.test)
		}
		if name := strings.ReplaceAll(h.part, "_", " "); !strings.Contains(all.String(), `"`+name+`"`) {
			t.Errorf("%s has no part %s", h.test, name)
		}
	}
}

// A test that is left to another commit neither runs nor counts as skipped. A test that has its turn runs beside the
// scenarios on engines. A test that is not in the table runs with the rest.
func TestATestWithoutItsTurnIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	skipped := &report{Groups: []result{{Name: "scenarios"}}, Skipped: []skip{{"scenarios", "m/always", "TestAlways", "no wings"}}}
	all := group{name: "scenarios on real engines", lane: 2, flags: []string{"-x"}, packages: []string{"m/test/e2e"}}
	for _, h := range turns {
		if one := (skip{"scenarios", "m" + h.in, h.test, "no engines"}); !slices.Contains(skipped.Skipped, one) {
			skipped.Skipped = append(skipped.Skipped, one)
		}
		if !slices.Contains(all.packages, "m"+h.in) {
			all.packages = append(all.packages, "m"+h.in)
		}
	}
	had := map[heavy]int{}
	for n := range turn.Turns {
		now := heavyAt(n)
		had[now]++
		g := onEnginesWith(all, now)
		if now == (heavy{}) {
			if g.name != all.name || !slices.Equal(g.packages, []string{"m/test/e2e"}) || !slices.Equal(g.flags, all.flags) {
				t.Errorf("in turn %d runs %+v, want the scenarios", n, g)
			}
			continue
		}
		if g.name != now.test || !slices.Equal(g.packages, []string{"m" + now.in}) || !slices.Equal(g.flags, []string{"-x", "-run=" + exactly(now.name())}) {
			t.Errorf("in turn %d runs %+v, want %+v", n, g, now)
		}
	}
	for _, h := range turns {
		if had[h] != 1 {
			t.Errorf("%s has %s, want one", h.name(), counted(had[h], "turn"))
		}
	}
	skipped.Ended = true
	first := filepath.Join(dir, "skipped.json")
	if err := skipped.write(first); err != nil {
		t.Fatal(err)
	}
	rest, err := restOf(skipped, skipped.Groups)
	if err != nil || len(rest) != 1 || !slices.Equal(rest[0].packages, []string{"m/always"}) {
		t.Errorf("the rest is %+v, %v", rest, err)
	}
	var out bytes.Buffer
	if code, err := sum(options{noSkip: true, args: []string{first}}, &out); err != nil || code == 0 {
		t.Errorf("that tests did not run is no failure: %d, %v\n%s", code, err, &out)
	}
	now := heavyAt(turn.Now())
	wants := []string{"no run has run m/always.TestAlways", "4 tests on real engines left to other commits"}
	if now.test != "" {
		wants = append(wants[:1], "no run has run m"+now.in+"."+now.test, "3 tests on real engines left to other commits")
	}
	for _, want := range wants {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the sum does not say %q:\n%s", want, &out)
		}
	}
	ran, second := &report{Ended: true, Tests: []timed{{Package: "m/always", Test: "TestAlways"}, {Package: "m" + now.in, Test: now.test}}}, filepath.Join(dir, "ran.json")
	if err := ran.write(second); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if code, err := sum(options{noSkip: true, args: []string{first, second}}, &out); err != nil || code != 0 {
		t.Errorf("all that had its turn has run: %d, %v\n%s", code, err, &out)
	}
}

// A run of hours says of each test that it is over, with its time, and of parts of tests only what failed.
func TestEachTestThatPassesIsShownWhereSomebodyWatches(t *testing.T) {
	for _, each := range []bool{false, true} {
		var out bytes.Buffer
		s := newSummary(&out)
		s.each = each
		for _, name := range []string{"TestA/part", "TestA"} {
			s.add(event{Group: "scenarios", Action: "pass", Package: "p", Test: name, Elapsed: 61})
		}
		want := ""
		if each {
			want = "pass\tTestA after 61 s (scenarios)\n"
		}
		if got := out.String(); got != want {
			t.Errorf("each %t: %q, want %q", each, got, want)
		}
	}
}
