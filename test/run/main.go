// Command run runs every test that this machine can run (make test). First it says what the machine cannot run. In
// the end it names each test that was skipped, with the reason. Groups of packages run side by side, each as a go
// test of its own.
//
//	run                      the tests of this machine and user
//	run -engines             only the scenarios on real dockerds, which needs root
//	run -full                every scenario on the sandbox and on real engines, each call disturbed, at the times of production
//	run -report FILE         keeps the results for the next two forms: after each group, and at the end
//	run -rest FILE           the tests that another run skips, as a user who may do more, while that run goes on; with -engines both
//	run -sum FILE…           the results of several runs as one
//
// With NO_SKIP=1, as CI sets it, anything missing or skipped is a failure. A test that failed because the machine was
// far too busy (see package lag) runs once more, alone, and the second result counts.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

// options are what the command line states.
type options struct {
	engines, full, sum bool
	report, rest       string
	noSkip             bool
	budget             float64 // minutes of the clock for all groups together; 0 means no limit
	args               []string
}

func main() {
	var o options
	flag.BoolVar(&o.engines, "engines", false, "only the scenarios on real engines")
	flag.BoolVar(&o.full, "full", false, "every scenario on every kind of swarm, at the times of production")
	flag.BoolVar(&o.sum, "sum", false, "add up the reports that are named")
	flag.StringVar(&o.report, "report", "", "keep what came out in this `file`")
	flag.StringVar(&o.rest, "rest", "", "run what is skipped in the run whose report is this `file`, and wait for its end")
	flag.Float64Var(&o.budget, "budget", 0, "with -sum: complain where the tests kept the processors busy for more than so many `minutes` of the clock, and fail at half as much again; 0 is no budget")
	flag.Parse()
	o.noSkip, o.args = os.Getenv("NO_SKIP") != "", flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run tests the packages, or all packages if none are named. It returns the exit code of go test.
func run(ctx context.Context, o options, out io.Writer) (int, error) {
	if o.sum {
		return sum(o, out)
	}
	fmt.Fprintf(out, "Tests on %s/%s with %s, %d CPUs:\n", runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU())
	all := abilities(ctx, o.full)
	for _, a := range all {
		fmt.Fprintln(out, a)
	}
	if lacks := missing(all); o.noSkip && len(lacks) > 0 {
		return 1, fmt.Errorf("NO_SKIP is set, and this machine lacks: %s", strings.Join(lacks, ", "))
	}
	var groups []group
	var err error
	if o.rest == "" || o.engines {
		if groups, err = split(ctx, o, has(all, race), has(all, engine)); err != nil {
			return 1, err
		}
	}
	s := newSummary(out)
	s.each = o.full
	_, code, err := tested(ctx, groups, o, s)
	return code, err
}
