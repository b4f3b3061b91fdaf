package laws

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mostFields is how many fields a struct may have outside api/v1. A struct with more knows too much, or is several
// things.
const mostFields = 12

// wide are the structs that have more, with their number of fields and the reason. The list may only shrink: if you make
// a struct smaller, remove it or lower its number.
var wide = map[string]int{
	// One field for each answer about a node that a rule of membership asks for. The rules read them in combinations, so
	// no part of them stands alone.
	"controllers/kinds/node/Leaving": 15,
	"controllers/kinds/node/Node":    18,
	// What was found out about the nodes for one plan; each proposer and guard reads another part.
	"controllers/kinds/node/Swarm": 13,
	// Numbers of one pass over a service's tasks.
	"controllers/kinds/service/counts": 13,
	// Documents: their fields are the keys of a JSON object, which readers have to find at one level.
	"controllers/state/Memory":  28,
	"controllers/status/Report": 13,
	// One field for each metric that is not of a source.
	"controllers/status/Metrics": 15,
	// An object in normal form, and what its live object is besides. Every kind fills them in, and every guard may ask
	// for any of them.
	"diff/Meta":  13,
	"diff/State": 22,
	// All that one leaf of one kind may need to be compared. The tables of the kinds name the few that a leaf does need.
	"diff/Rule": 13,
	// Everything besides the differences that a guard may ask for. A guard states in its signature that it gets all of
	// it, so that none can depend on another.
	"diff/plan/Facts": 31,
	// What the text and the JSON of a plan show of a step or refusal.
	"diff/plan/Refusal": 13,
	"diff/plan/Step":    13,
	// The state of a simulated container, host or node, most of it below one lock.
	"sandbox/controller": 13,
	"sandbox/machine":    16,
	"sandbox/runner":     14,
}

func TestStructsAreSmall(t *testing.T) {
	found := map[string]int{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == "api" || rel == "test" || rel == "tools" || rel != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, is := n.(*ast.TypeSpec)
			if !is {
				return true
			}
			if s, is := spec.Type.(*ast.StructType); is {
				name := strings.TrimSuffix(rel, filepath.Base(rel)) + spec.Name.Name
				for _, f := range s.Fields.List {
					found[name] += max(1, len(f.Names))
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 100 {
		t.Fatalf("found %d structs only", len(found))
	}
	for name, n := range found {
		if most := max(mostFields, wide[name]); n > most {
			t.Errorf("%s has %d fields, and may have %d: make it several things", name, n, most)
		}
	}
	for name, n := range wide {
		if found[name] < n {
			t.Errorf("%s has %d fields: take it off the list of wide structs or, if it still has more than %d, take its number down", name, found[name], mostFields)
		}
	}
}

// tested says how many lines of tests a package has at least for each line of its code. What its testdata has counts:
// a case of a golden, a story or a script is a test. What decides must be tested best, because it decides what is
// removed.
var tested = map[string]float64{
	"cmd/swarm-open":     0.5,
	"cmd/swarm-operator": 0.5,
	"cmd/swarm-sandbox":  0.5,
	"controllers/decide": 3.5,
	"diff/plan":          3,
}

// testsOfProposals has, for each kind that proposes steps, the tests of its propose.go that lie elsewhere. The plan's
// own tests make plans with these proposals, so they count for the plan as well.
var testsOfProposals = map[string][]string{
	"cluster": {"diff/plan/kinds_test.go", "diff/plan/testdata/rotation.txtar"},
	"node":    {"diff/plan/nodes_test.go", "diff/plan/testdata/nodes.txtar"},
}

// mostlyTests is how many lines of tests there are at least for each line of a propose.go.
const mostlyTests = 3

func TestWhatDecidesHasMoreTestsThanCode(t *testing.T) {
	for dir, least := range tested {
		code, tests := filesOf(t, dir)
		enoughTests(t, dir, least, code, tests)
	}
	proposers := globbed(t, "controllers/kinds/*/propose.go")
	if len(proposers) < len(testsOfProposals) {
		t.Errorf("found %d propose.go, and tests of %d", len(proposers), len(testsOfProposals))
	}
	for _, file := range proposers {
		tests := globbed(t, filepath.Dir(file)+"/propose_test.go")
		for _, name := range testsOfProposals[filepath.Base(filepath.Dir(file))] {
			more := globbed(t, name)
			if len(more) == 0 {
				t.Errorf("%s is not there: it is listed as a test of %s", name, file)
			}
			tests = append(tests, more...)
		}
		enoughTests(t, file, mostlyTests, []string{file}, tests)
	}
}

// enoughTests fails the test if there are fewer lines of tests for a line of code than least.
func enoughTests(t *testing.T, what string, least float64, code, tests []string) {
	t.Helper()
	of := func(files []string) (n int) {
		for _, name := range files {
			n += lines(t, name)
		}
		return n
	}
	has, needs := of(tests), of(code)
	if needs == 0 {
		t.Errorf("%s has no code", what)
		return
	}
	if ratio := float64(has) / float64(needs); ratio < least {
		t.Errorf("%s has %.2f lines of tests for a line of code (%d for %d), and needs %.1f: test what is not tested yet", what, ratio, has, needs, least)
	}
}

// filesOf returns the files of a package that are code, and those that are tests.
func filesOf(t *testing.T, dir string) (code, tests []string) {
	t.Helper()
	for _, name := range globbed(t, dir+"/*.go") {
		if strings.HasSuffix(name, "_test.go") {
			tests = append(tests, name)
		} else {
			code = append(code, name)
		}
	}
	return code, slices.Concat(tests, globbed(t, dir+"/testdata/*.*"), globbed(t, dir+"/testdata/*/*.*"))
}

// globbed returns the files that match a pattern, which begins at the root of the repository.
func globbed(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pattern)))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		rel, err := filepath.Rel(filepath.Join("..", ".."), name)
		if err != nil {
			t.Fatal(err)
		}
		names[i] = filepath.ToSlash(rel)
	}
	return names
}

// lines returns how many lines of a file are not blank. In Go, lines that have nothing but a comment do not count.
func lines(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".go") {
		return linesOfCode(t, name, text)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

// linesOfCode counts the lines on which there is a token. A string of several lines is on all of them.
func linesOfCode(t *testing.T, name string, text []byte) int {
	t.Helper()
	file := token.NewFileSet().AddFile(name, -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, func(at token.Position, why string) { t.Fatalf("%s: %s", at, why) }, 0)
	n, last := 0, 0
	for {
		at, tok, literal := s.Scan()
		switch {
		case tok == token.EOF:
			return n
		case tok == token.SEMICOLON && literal == "\n": // the scanner has put it there
			continue
		}
		first := file.Line(at)
		end := first + strings.Count(literal, "\n")
		n += max(0, end-max(first-1, last))
		last = max(last, end)
	}
}

func TestLinesOfCode(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"nothing":               {"", 0},
		"a package":             {"package a", 1},
		"comments and blanks":   {"// A\n\npackage a\n\n/* b\nc */\n\t// d\n", 1},
		"a comment after code":  {"package a // b\n", 1},
		"code after a comment":  {"/* b\n*/ package a\n", 1},
		"two on a line":         {"package a; var b int\n", 1},
		"a call of three lines": {"package a\n\nvar b = f(\n\t1, // one\n)\n", 4},
		"a raw string":          {"package a\n\nvar b = `c\n\n// d` + f(\n\t1)\n", 5},
		"what looks like one":   {"package a\n\nvar b = \"// c\"\n", 2},
	} {
		if got := linesOfCode(t, "a.go", []byte(c.text)); got != c.want {
			t.Errorf("%s: %d lines, want %d", name, got, c.want)
		}
	}
}
