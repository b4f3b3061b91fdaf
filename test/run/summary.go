package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output, ImportPath string
}

// summary shows package lines, failures with their output, and skips with their reasons; what passes is counted.
type summary struct {
	out                     io.Writer
	passed, failed, skipped int
	tests                   map[[2]string]*strings.Builder // output of tests that are under way; of a package under the empty name
	failures                []string                       // lines of packages
	said                    []string                       // what tests that failed said, for the end
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, tests: map[[2]string]*strings.Builder{}}
}

func (s *summary) add(e event) {
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		if e.Test == "" && s.packageLine(e) {
			return
		}
		if s.tests[key] == nil {
			s.tests[key] = &strings.Builder{}
		}
		s.tests[key].WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.packageEnd(e)
			return
		}
		text := ""
		if b := s.tests[key]; b != nil {
			text = b.String()
		}
		delete(s.tests, key)
		switch e.Action {
		case "pass":
			s.passed++
		case "fail":
			s.failed++
			fmt.Fprint(s.out, text)
			s.said = append(s.said, said(e.Test, text)...)
		case "skip":
			s.skipped++
			fmt.Fprintf(s.out, "skip\t%s.%s: %s\n", e.Package, e.Test, reason(text))
		}
	}
}

// packageLine says whether the output is go test's own line about a package, and shows it where it tells something.
func (s *summary) packageLine(e event) bool {
	switch line := e.Output; {
	case strings.HasPrefix(line, "ok  \t"):
		fmt.Fprint(s.out, line)
	case strings.HasPrefix(line, "FAIL\t"):
		s.flush(e.Package)
		fmt.Fprint(s.out, line)
		s.failures = append(s.failures, line)
	case strings.HasPrefix(line, "?   \t"), strings.HasPrefix(line, "\t"+e.Package), line == "PASS\n", line == "FAIL\n":
		// no test files; nothing new
	default:
		return false
	}
	return true
}

// packageEnd forgets a package. One that failed without a failed test has its reason in what is left.
func (s *summary) packageEnd(e event) {
	if e.Action == "fail" {
		s.flush(e.Package)
	}
	for key := range s.tests {
		if key[0] == e.Package {
			delete(s.tests, key)
		}
	}
}

// flush shows what a package printed outside of its tests, and what tests printed that never ended: a panic, a
// time-out, a race.
func (s *summary) flush(pkg string) {
	var keys [][2]string
	for key := range s.tests {
		if key[0] == pkg {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return strings.Compare(a[1], b[1]) })
	for _, key := range keys {
		fmt.Fprint(s.out, s.tests[key])
		delete(s.tests, key)
	}
}

// reason is what a test said when it skipped itself.
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

// mostSaid is how much of what one test said is repeated at the end, and longestSaid how much of a line.
const mostSaid, longestSaid = 4, 400

// said is what a test that failed said first: a log that is cut off at its beginning has it too.
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

// end closes with go test's own lines, where a later group has pushed a failure up, and with the counts for CI.
func (s *summary) end(counts bool) {
	if len(s.failures) > 0 {
		fmt.Fprintf(s.out, "\n%sFAIL\n", strings.Join(s.failures, ""))
	}
	for _, line := range s.said {
		fmt.Fprintln(s.out, line)
	}
	if counts {
		fmt.Fprintf(s.out, "%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	}
}
