// Command demo shows the operator's main job on an embedded swarm of five machines; make demo runs it. On a terminal it
// is a playground that lasts until ^C. Otherwise it is a scripted tour, which checks what it shows and ends by itself.
// It needs only what is built from this module: no git, no docker CLI, no root. It removes everything that it made.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

func main() {
	o := options{examples: "examples/demo"}
	flag.StringVar(&o.bin, "bin", "bin", "directory with the binaries of make build")
	tour := flag.Bool("tour", false, "run the scripted tour on a terminal too")
	flag.Parse()
	o.play = !*tour && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))

	ctx, out, stop := harness.Interruptible(os.Stdout)
	o.out = out
	ctx, cancel := withParent(ctx)
	err := run(ctx, o)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// withParent returns a context that ends with the process that started this one. When go run is told to stop, it does
// not pass that on.
func withParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	parent := os.Getppid()
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for os.Getppid() == parent {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
	return ctx, cancel
}

type options struct {
	bin, examples string
	play          bool
	out           io.Writer
}

// errStopped means that a person or a signal ended the demo.
var errStopped = errors.New("stopped before its end; everything it made was removed")

func run(ctx context.Context, o options) (err error) {
	fmt.Fprintln(o.out, "Starting a swarm of 3 managers and 2 workers: real SwarmKit in one process, without containers.")
	s, err := newStage(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if closed := s.close(); closed != nil {
			err = errors.Join(err, closed)
		}
	}()
	if o.play {
		err = play(ctx, s)
	} else {
		err = tour(ctx, s)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errStopped
	case o.play:
		return err
	}
	fmt.Fprintf(o.out, "\n--- the operator's log ---\n%s--- end of the operator's log ---\n", s.operatorLog())
	return err
}
