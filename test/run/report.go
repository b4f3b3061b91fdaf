package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// mostSlow is how many of the slowest tests are shown.
const mostSlow = 20

// report holds the results of a run.
type report struct {
	Groups         []result
	Passed, Failed int
	Skipped        []skip
	Tests          []timed
	Ended          bool // true if nothing more comes
}

// result is the result of a group. Times are in seconds; the processor time is that of all processes that were waited
// for.
type result struct {
	Name       string
	Flags, Env []string
	Wall, CPU  float64
	code       int
}

// skip is a test that was skipped, with the reason.
type skip struct{ Group, Package, Test, Why string }

// timed is a test with its duration in seconds.
type timed struct {
	Group, Package, Test string
	Seconds              float64
}

func (r *report) write(file string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	whole := file + ".new" // for readers in the meantime
	if err := os.WriteFile(whole, data, 0o644); err != nil {
		return err
	}
	return os.Rename(whole, file)
}

func readReport(file string) (*report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return &r, nil
}

// show prints where the time went.
func (r *report) show(out io.Writer) {
	slices.SortFunc(r.Tests, func(a, b timed) int {
		switch {
		case a.Seconds != b.Seconds:
			return map[bool]int{true: -1, false: 1}[a.Seconds > b.Seconds]
		default:
			return strings.Compare(a.Test, b.Test)
		}
	})
	fmt.Fprintf(out, "\nThe slowest tests:\n")
	for _, t := range r.Tests[:min(len(r.Tests), mostSlow)] {
		fmt.Fprintf(out, "%8.1f s  %s  (%s)\n", t.Seconds, t.Test, t.Group)
	}
	fmt.Fprintf(out, "\n%10s %12s  group\n", "clock", "processors")
	for _, g := range r.Groups {
		fmt.Fprintf(out, "%8.0f s %10.0f s  %s\n", g.Wall, g.CPU, g.Name)
	}
}

func (r *report) closing() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", r.Passed, r.Failed, len(r.Skipped))
}

// sum adds up reports. A test that one run skipped and another ran does not count as skipped.
func sum(o options, out io.Writer) (int, error) {
	all, ran, code := &report{}, map[string]bool{}, 0
	for _, file := range o.args {
		r, err := readReport(file)
		if err != nil {
			return 1, err
		}
		if !r.Ended {
			fmt.Fprintf(out, "%s: its run has not ended\n", file)
			code = 1
		}
		all.Groups = append(all.Groups, r.Groups...)
		all.Tests = append(all.Tests, r.Tests...)
		all.Skipped = append(all.Skipped, r.Skipped...)
		all.Passed += r.Passed
		all.Failed += r.Failed
		for _, t := range r.Tests {
			ran[t.Package+"."+t.Test] = true
		}
	}
	all.Skipped = slices.DeleteFunc(all.Skipped, func(s skip) bool { return ran[s.Package+"."+s.Test] })
	left := 0
	all.Skipped = slices.DeleteFunc(all.Skipped, func(s skip) bool {
		out := waits(s.Test)
		if out {
			left++
		}
		return out
	})
	all.show(out)
	if left > 0 {
		fmt.Fprintf(out, "\n%s on real engines left to other commits, as most scenarios there; make e2e-full runs all\n", counted(left, "test"))
	}
	for _, s := range all.Skipped {
		fmt.Fprintf(out, "no run has run %s.%s: %s\n", s.Package, s.Test, s.Why)
	}
	if all.Failed > 0 || o.noSkip && len(all.Skipped) > 0 {
		code = 1
	}
	spent, far := all.overspent(o.budget)
	if spent != "" {
		fmt.Fprintln(out, spent)
	}
	if far {
		code = 1
	}
	fmt.Fprintln(out, all.closing())
	return code, nil
}

// overspent says whether the tests took more processor time than the budget. Processor time depends less than the
// clock on what else the processors do. The same tests may take a third more or less from run to run, so far is true
// only if half as much again was used.
func (r *report) overspent(minutes float64) (spent string, far bool) {
	var cpu float64
	for _, g := range r.Groups {
		cpu += g.CPU
	}
	const processors = 2 // of the machine that the budget is meant for
	budget := minutes * 60 * processors
	if budget == 0 || cpu <= budget {
		return "", false
	}
	took := time.Duration(cpu * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("the tests took %s of the processors, and the budget is %g minutes of %d of them: make the slowest ones cheaper, or move what need not be in every run to make e2e-full", took, minutes, processors), cpu > budget*3/2
}
