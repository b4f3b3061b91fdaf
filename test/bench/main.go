// Command bench measures the operator against the least that the same work costs, and against the docker CLI, as
// ratios within one run on one machine: make bench. The swarm is the sandbox in this process, with one manager and
// services of 0 replicas, so that only API, raft and client count. Absolute numbers are beside the ratios for
// information: the machine is shared with the swarm and with whoever else is on it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

type options struct {
	n      int           // services
	rounds int           // of what is cheap; what is not runs fewer times
	still  time.Duration // how long a daemon is watched that has nothing to do
	bin    string        // directory with swarm-operator; "" builds it
	only   string        // names of the parts to run; "" all
	out    io.Writer
}

func main() {
	o := options{out: os.Stdout}
	flag.IntVar(&o.n, "n", 1000, "services")
	flag.IntVar(&o.rounds, "rounds", 15, "repetitions of each measurement; the slow ones are repeated a third as often, changes by hand twice as often")
	flag.DurationVar(&o.still, "still", 10*time.Second, "how long to watch a daemon that has nothing to do")
	flag.StringVar(&o.bin, "bin", "", "directory with swarm-operator (default: build it)")
	flag.StringVar(&o.only, "only", "", "parts to run, as in cold,create,change,hand,idle (default: all)")
	flag.Parse()
	// SIGPIPE too: who stops reading, as head does, ends it as well, and it still removes what it made.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	begin := time.Now()
	w, err := newWorld(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	fmt.Fprintf(o.out, "%d services of 0 replicas, one manager; %d CPUs, %s, shared with the swarm. Medians of interleaved rounds; a ratio is the median of the rounds' ratios.\n\n",
		o.n, runtime.NumCPU(), runtime.Version())
	var t table
	for _, part := range []struct {
		name string
		do   func(context.Context, *world, *table) error
	}{{"create", createAll}, {"cold", cold}, {"change", changeOne}, {"hand", byHand}, {"idle", idle}} {
		if !w.wants(part.name) {
			continue
		}
		if err := part.do(ctx, w, &t); err != nil {
			return fmt.Errorf("measuring %s: %w", part.name, err)
		}
	}
	t.print(o.out)
	fmt.Fprintf(o.out, "\ntook %s\n", time.Since(begin).Round(time.Second))
	return nil
}
