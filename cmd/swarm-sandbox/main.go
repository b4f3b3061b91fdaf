// Command swarm-sandbox runs a Docker Swarm in one process, which a docker CLI can talk to. Package sandbox says what
// it is and what it is not.
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
