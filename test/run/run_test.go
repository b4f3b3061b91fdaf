package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is a module of its own with tests that end in every way there is.
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
			[]string{"not shown", "no test files", "passed"},
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
		{"does not begin", []string{"./dies"}, false, 1, []string{"could not begin", "FAIL\texample.com/m/dies"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			here(t)
			var out bytes.Buffer
			groups, err := split(t.Context(), c.patterns, false, false)
			if err != nil || len(groups) != 1 {
				t.Fatalf("groups are %v (%v), want one", groups, err)
			}
			s := newSummary(&out)
			code, err := tested(t.Context(), groups, c.noSkip, s)
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

func TestSplit(t *testing.T) {
	groups, err := split(t.Context(), []string{"../demo", "../../diff", "."}, true, true)
	if err != nil || len(groups) != 2 {
		t.Fatalf("groups are %v (%v), want two", groups, err)
	}
	if g := groups[0]; g.flags[0] != "-race" || g.env[0] != "CGO_ENABLED=1" || len(g.packages) != 2 {
		t.Errorf("the first group is %+v, want two packages with -race", g)
	}
	if g := groups[1]; strings.Contains(strings.Join(g.flags, " "), "-race") || len(g.packages) != 1 || !strings.HasSuffix(g.packages[0], "/test/demo") {
		t.Errorf("the second group is %+v, want test/demo without -race", g)
	}
}

func TestScenariosRunOnceMoreWhereThereAreEngines(t *testing.T) {
	for with, want := range map[bool]string{true: "whole:e2e real:e2e real:engines", false: "whole:e2e whole:engines"} {
		groups, err := split(t.Context(), []string{"../e2e", "../engines"}, false, with)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range groups {
			name := "whole:"
			if slices.Contains(g.env, "E2E_SWARM=engines") {
				name = "real:"
			}
			for _, p := range g.packages {
				got = append(got, name+filepath.Base(p))
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("with engines: %t: packages are %q, want %q", with, text, want)
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
