package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/swarm-operator/swarm-operator/test/lag"
)

// event is a line of go test -json.
type event struct {
	Group                                     string `json:"-"`
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
	Time                                      time.Time
}

// key identifies a test in a group. An empty name stands for the package itself.
type key struct{ group, pkg, test string }

// failure is a test that failed.
type failure struct {
	key
	busy bool     // true if it failed because the machine was far too busy
	said []string // lines to repeat at the end
}

// summary shows lines about packages, failures with their output, and skips with their reasons. It only counts tests
// that pass. Groups write to it side by side.
type summary struct {
	mu                      sync.Mutex
	out                     io.Writer
	each                    bool // say of each test that it passed: a run of hours is watched
	passed, failed, skipped int
	tests                   map[key]*strings.Builder // output of running tests; "" stands for a package
	failures                []packageLine
	failedTests             []failure
	skips                   []skip
	times                   []timed
}

// packageLine is go test's line about a package that failed.
type packageLine struct {
	group, line string
	build       bool
}

func newSummary(out io.Writer) *summary {
	lag.Start()
	return &summary{out: out, tests: map[key]*strings.Builder{}}
}

// print prints a text in one piece.
func (s *summary) print(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format, args...)
}

// raw prints a line that does not come from a test.
func (s *summary) raw(line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.out.Write(line)
}

func (s *summary) add(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{e.Group, e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		if e.Test == "" && s.packageLine(e) {
			return
		}
		if s.tests[k] == nil {
			s.tests[k] = &strings.Builder{}
		}
		s.tests[k].WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.packageEnd(e)
			return
		}
		text := ""
		if b := s.tests[k]; b != nil {
			text = b.String()
		}
		delete(s.tests, k)
		s.ended(e, k, text)
	}
}

// ended counts a test and shows what matters.
func (s *summary) ended(e event, k key, text string) {
	if e.Action != "skip" {
		s.times = append(s.times, timed{e.Group, e.Package, e.Test, e.Elapsed})
	}
	switch e.Action {
	case "pass":
		s.passed++
		if s.each && e.Test == top(e.Test) {
			fmt.Fprintf(s.out, "pass\t%s after %.0f s (%s)\n", e.Test, e.Elapsed, e.Group)
		}
		if strings.Contains(text, lag.NotJudged) {
			fmt.Fprintf(s.out, "not judged\t%s.%s: %s\n", e.Package, e.Test, reason(text))
		}
	case "fail":
		s.failed++
		fmt.Fprint(s.out, text)
		ran := lag.Between(e.Time.Add(-time.Duration(e.Elapsed*float64(time.Second))), e.Time)
		s.failedTests = append(s.failedTests, failure{k, ran.Busy() || strings.Contains(text, lag.Marker), said(e.Test, text)})
	case "skip":
		s.skipped++
		s.skips = append(s.skips, skip{e.Group, e.Package, e.Test, reason(text)})
		fmt.Fprintf(s.out, "skip\t%s.%s: %s\n", e.Package, e.Test, reason(text))
	}
}

// top returns the name of the test that a subtest belongs to.
func top(test string) string {
	name, _, _ := strings.Cut(test, "/")
	return name
}

// busy returns the tests of a group that failed because the machine was far too busy. A subtest counts as its test.
func (s *summary) busy(group string) []timed {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []timed
	for _, f := range s.failedTests {
		t := timed{Group: group, Package: f.pkg, Test: top(f.test)}
		if f.group == group && f.busy && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// failedOtherwise reports whether something in a group failed for another reason: a test, a build, or a package as a
// whole.
func (s *summary) failedOtherwise(group string) bool {
	busy := s.busy(group)
	s.mu.Lock()
	defer s.mu.Unlock()
	in := func(f failure) bool {
		return slices.ContainsFunc(busy, func(t timed) bool { return t.Package == f.pkg && t.Test == top(f.test) })
	}
	for _, f := range s.failedTests {
		if f.group == group && !in(f) {
			return true
		}
	}
	for _, line := range s.failures {
		if line.group == group && (line.build || !slices.ContainsFunc(busy, func(t timed) bool { return strings.Contains(line.line, "\t"+t.Package+"\t") })) {
			return true
		}
	}
	return false
}

// forget removes a failed test from the counts, because it runs again.
func (s *summary) forget(group, pkg, test string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failedTests = slices.DeleteFunc(s.failedTests, func(f failure) bool {
		out := f.group == group && f.pkg == pkg && top(f.test) == test
		if out {
			s.failed--
		}
		return out
	})
}

// forgiven removes the lines about packages whose failed tests have passed alone.
func (s *summary) forgiven(group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = slices.DeleteFunc(s.failures, func(l packageLine) bool { return l.group == group })
}

// report returns the results of the groups so far.
func (s *summary) report(groups []result) *report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &report{
		Groups: slices.Clone(groups), Passed: s.passed, Failed: s.failed,
		Skipped: slices.Clone(s.skips), Tests: slices.Clone(s.times),
	}
}

// packageLine reports whether the output is go test's own line about a package. It shows the line if it says
// something.
func (s *summary) packageLine(e event) bool {
	switch line := e.Output; {
	case strings.HasPrefix(line, "ok  \t"):
		fmt.Fprint(s.out, line)
	case strings.HasPrefix(line, "FAIL\t"):
		s.flush(e.Group, e.Package)
		fmt.Fprint(s.out, line)
		s.failures = append(s.failures, packageLine{e.Group, line, strings.Contains(line, "[build failed]")})
	case strings.HasPrefix(line, "?   \t"), strings.HasPrefix(line, "\t"+e.Package), line == "PASS\n", line == "FAIL\n":
		// no test files; nothing new
	default:
		return false
	}
	return true
}

// packageEnd forgets a package. If it failed without a failed test, the reason is in the output that is left, which
// is shown.
func (s *summary) packageEnd(e event) {
	if e.Action == "fail" {
		s.flush(e.Group, e.Package)
	}
	for k := range s.tests {
		if k.group == e.Group && k.pkg == e.Package {
			delete(s.tests, k)
		}
	}
}

// flush shows what a package printed outside of its tests, and what unfinished tests printed: a panic, a time-out, a
// race.
func (s *summary) flush(group, pkg string) {
	var keys []key
	for k := range s.tests {
		if k.group == group && k.pkg == pkg {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.test, b.test) })
	for _, k := range keys {
		fmt.Fprint(s.out, s.tests[k])
		delete(s.tests, k)
	}
}

// reason returns what a test said when it skipped itself.
func reason(output string) string {
	var out []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			out = append(out, line)
		}
	}
	if len(out) == 0 {
		return "it gives no reason"
	}
	return strings.Join(out, " ")
}

// mostSaid is how many lines of a test are repeated at the end, and longestSaid how much of a line.
const mostSaid, longestSaid = 4, 400

// said returns what a failed test said first. So a log that lost its beginning has it too.
func said(test, output string) []string {
	var out []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		file, rest, _ := strings.Cut(line, ":")
		number, _, _ := strings.Cut(rest, ":")
		if _, err := strconv.Atoi(number); err != nil || !strings.HasSuffix(file, "_test.go") {
			continue
		}
		if len(line) > longestSaid {
			line = line[:longestSaid] + "…"
		}
		if out = append(out, "  "+test+": "+line); len(out) == mostSaid {
			break
		}
	}
	return out
}

// end repeats go test's own lines about failures, because later lines may have pushed them out of sight.
func (s *summary) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) > 0 {
		fmt.Fprintln(s.out)
		for _, l := range s.failures {
			fmt.Fprint(s.out, l.line)
		}
		fmt.Fprintln(s.out, "FAIL")
	}
	for _, f := range s.failedTests {
		for _, line := range f.said {
			fmt.Fprintln(s.out, line)
		}
	}
}

// counted returns a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
