// Command leftovers lists what test runs on real engines have left on this machine: processes, mounts, links, cgroups
// or directories of runs whose process is dead. It exits with 1 if there is anything. With -sweep it removes them.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/swarm-operator/swarm-operator/test/engines"
)

func main() {
	sweep := flag.Bool("sweep", false, "end and remove it")
	flag.Parse()
	left := engines.Leftovers()
	for _, l := range left {
		fmt.Println(l)
	}
	if *sweep {
		if err := engines.Sweep(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		left = engines.Leftovers()
	}
	if len(left) > 0 {
		os.Exit(1)
	}
}
