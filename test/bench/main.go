// Command bench measures the operator against the least that the same work can cost, and against the docker CLI. The
// results are ratios within one run on one machine. The swarm is the sandbox in this process (make bench) or a Docker
// Engine (make bench-real). It has one manager and services with 0 replicas, so that only API, raft and client count.
// Absolute numbers stand beside the ratios for information only, because the swarm and other programs use the same
// machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

type options struct {
	on     string        // which swarm: onSandbox or onEngine
	n      int           // number of services
	nodes  int           // number of machines, including the manager
	rounds int           // rounds of what is cheap; expensive parts run fewer times
	still  time.Duration // how long a daemon with nothing to do is watched
	bin    string        // directory with swarm-operator; if empty, it is built
	only   string        // names of the parts to run; if empty, all of them
	format string        // of the table: text or markdown
	out    io.Writer
	news   io.Writer // where to say what is being measured
}

func main() {
	o := options{news: os.Stderr}
	flag.StringVar(&o.on, "on", onSandbox, "swarm to measure on: sandbox, or engine, which needs root and Debian's docker.io (see test/engines)")
	flag.IntVar(&o.n, "n", 1000, "services")
	flag.IntVar(&o.nodes, "nodes", 1, "machines of the swarm, one of them its manager")
	flag.IntVar(&o.rounds, "rounds", 15, "repetitions of each measurement; the slow ones are repeated less often, changes by hand twice as often")
	flag.DurationVar(&o.still, "still", 10*time.Second, "how long to watch a daemon that has nothing to do, and three of them, also with a step that always fails")
	flag.StringVar(&o.bin, "bin", "", "directory with swarm-operator (default: build it)")
	flag.StringVar(&o.only, "only", "", "parts to run, as in "+strings.Join(partNames(), ",")+" (default: all)")
	flag.StringVar(&o.format, "o", formatText, "output: text or markdown")
	flag.Parse()
	ctx, out, stop := harness.Interruptible(os.Stdout)
	o.out = out
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// part is a group of measurements that can be run alone.
type part struct {
	name string
	do   func(context.Context, *world, *table) error
}

var parts = []part{
	{"create", createAll},
	{"cold", cold},
	{"change", changeOne},
	{"commit", byCommit},
	{"rollout", besideRollout},
	{"hand", byHand},
	{"still", still},
	{"rest", atRest},
	{"failing", failing},
	{"resync", resynced},
	{"nodes", nodeEvents},
	{"secrets", secrets}, // last, because it adds to the source
}

func partNames() []string {
	var out []string
	for _, p := range parts {
		out = append(out, p.name)
	}
	return out
}

func run(ctx context.Context, o options) (err error) {
	begin := time.Now()
	if err := o.check(); err != nil {
		return err
	}
	w, err := newWorld(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	t := &table{heading: w.heading()}
	for _, p := range parts {
		if !w.wants(p.name) {
			continue
		}
		fmt.Fprintf(o.news, "%s measuring %s\n", time.Now().Format(time.TimeOnly), p.name)
		if err := p.do(ctx, w, t); err != nil {
			if len(t.rows) > 0 {
				t.print(o.out, o.format) // so that what was measured before is not lost
			}
			return fmt.Errorf("measuring %s: %w", p.name, err)
		}
	}
	t.print(o.out, o.format)
	fmt.Fprintf(o.out, "\nThis took %s.\n", time.Since(begin).Round(time.Second))
	return nil
}

func (o options) check() error {
	switch {
	case o.n < 2 || o.nodes < 1 || o.rounds < 1:
		return errors.New("-n is at least 2, -nodes and -rounds at least 1")
	case o.format != formatText && o.format != formatMarkdown:
		return fmt.Errorf("-o: %q is not one of %s, %s", o.format, formatText, formatMarkdown)
	}
	for name := range strings.SplitSeq(o.only, ",") {
		if name != "" && !slices.Contains(partNames(), name) {
			return fmt.Errorf("-only: there is no part %q; there are %s", name, strings.Join(partNames(), ", "))
		}
	}
	return nil
}

func (w *world) heading() string {
	text := fmt.Sprintf("%d services of 0 replicas on %s, 1 manager", w.n, w.name)
	if w.nodes > 1 {
		text += fmt.Sprintf(" and %d workers", w.nodes-1)
	}
	text += fmt.Sprintf("; %d CPUs shared with the swarm, %s", runtime.NumCPU(), runtime.Version())
	if w.docker != "" {
		text += ", " + w.dockerVersion()
	}
	return text + ". Medians of interleaved rounds; a ratio is the median of the rounds' ratios."
}
