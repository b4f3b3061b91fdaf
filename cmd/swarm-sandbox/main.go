// Command swarm-sandbox runs a Docker Swarm in one process, for a docker CLI to
// talk to. See the package sandbox for what it is and is not.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "swarm-sandbox:", err)
		return 1
	}
	return 0
}
