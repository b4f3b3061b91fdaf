package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/controllers/runner"
)

const (
	// restBefore is how long nothing must have happened before memory is given back. Giving it back takes some
	// milliseconds of a processor, and nobody should wait for that.
	restBefore = 200 * time.Millisecond
	// untidy is how many bytes of unused memory are tolerated.
	untidy = 2 << 20
	// thrifty is by how many percent the heap of a daemon may grow before garbage is collected. Reading everything
	// takes several times what stays, and that peak counts: a machine must have the memory. Runs that read little
	// make little garbage, so collecting it more often costs next to nothing.
	thrifty = 30
	// hasty is the same for a command that soon ends. Some memory buys a third of the time.
	hasty = 400
)

// collectAfter sets by how many percent the heap may grow before garbage is collected, unless GOGC sets it.
func collectAfter(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// tidying gives memory back to the system after do, when there is time. A daemon that lives long and mostly sleeps is
// judged by the memory that it holds while it sleeps. Reading the whole swarm, or a new revision, takes several times
// that.
func tidying(do runner.Func) runner.Func {
	var mu sync.Mutex
	tidied := heap()
	rest := time.AfterFunc(restBefore, rescue.Clean(func() {
		mu.Lock()
		defer mu.Unlock()
		if heap() < tidied+untidy {
			return
		}
		debug.FreeOSMemory() // it collects garbage first; what pools hold is small, and leaves in the next collection
		tidied = heap()
	}))
	return func(ctx context.Context, key string) (runner.Result, error) {
		rest.Stop()
		defer rest.Reset(restBefore)
		return do(ctx, key)
	}
}

// heap returns how many bytes of memory the heap holds: objects, including those that nothing refers to any more, and
// what was not given back after objects went.
func heap() (held uint64) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(samples)
	for _, s := range samples {
		held += s.Value.Uint64()
	}
	return held
}
