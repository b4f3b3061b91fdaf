package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/runner"
)

const (
	// restBefore is how long nothing must have happened before memory is given back: it costs some milliseconds of a
	// processor, and nobody should wait for them.
	restBefore = 200 * time.Millisecond
	// untidy is how much may be left lying about, in bytes.
	untidy = 2 << 20
)

// tidying gives memory back to the system when there is time for it. A daemon that lives long and mostly sleeps is measured
// by what it holds then; reading all of the swarm, or a new revision, takes several times that.
func tidying(do runner.Func) runner.Func {
	var mu sync.Mutex
	tidied := heap()
	rest := time.AfterFunc(restBefore, func() {
		mu.Lock()
		defer mu.Unlock()
		if heap() < tidied+untidy {
			return
		}
		runtime.GC() // what pools hold goes with the second one
		debug.FreeOSMemory()
		tidied = heap()
	})
	return func(ctx context.Context, key string) (runner.Result, error) {
		rest.Stop()
		defer rest.Reset(restBefore)
		return do(ctx, key)
	}
}

// heap is the memory that objects have, in bytes, those included that nobody has any more.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
