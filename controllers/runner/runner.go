// Package runner is the queue in front of a reconciler. It runs one key at a time, merges wake-ups, and backs off
// after errors. A panic costs one run, and not the process. It knows nothing about what is reconciled.
package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/util/workqueue"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

// Result says when to run again without a wake-up. Together with an error, RequeueAfter replaces the runner's own
// back-off.
type Result struct{ RequeueAfter time.Duration }

// Func reconciles one key.
type Func func(ctx context.Context, key string) (Result, error)

// These are the bounds of the back-off after errors.
const (
	FirstRetry = 500 * time.Millisecond
	LastRetry  = time.Minute
)

// Runner calls a Func for the keys that were woken.
type Runner struct {
	queue workqueue.TypedRateLimitingInterface[string]
	do    Func
	log   logr.Logger
}

// New returns a runner.
func New(do Func, log logr.Logger) *Runner {
	return &Runner{
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](FirstRetry, LastRetry)),
		do:    do, log: log,
	}
}

// Wake asks for a run of the key. A key that already waits is not queued twice. A key whose run is under way runs
// once more.
func (r *Runner) Wake(key string) { r.queue.Add(key) }

// Len returns the number of keys that wait.
func (r *Runner) Len() int { return r.queue.Len() }

// Run works until ctx ends and the current run is over.
func (r *Runner) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, r.queue.ShutDown)
	defer stop()
	for {
		key, down := r.queue.Get()
		if down {
			return
		}
		result, err := r.one(ctx, key)
		switch {
		case err != nil && result.RequeueAfter > 0:
			r.queue.Forget(key)
			r.queue.AddAfter(key, result.RequeueAfter)
		case err != nil:
			r.queue.AddRateLimited(key)
		default:
			r.queue.Forget(key)
			if result.RequeueAfter > 0 {
				r.queue.AddAfter(key, result.RequeueAfter)
			}
		}
		r.queue.Done(key)
	}
}

func (r *Runner) one(ctx context.Context, key string) (result Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			fault := rescue.Of(p)
			r.log.Error(nil, "panic in a run; the next one starts afresh", "key", key, "type", fault.Type, "stack", fault.Stack)
			err = fmt.Errorf("reconciling %s: %w", key, fault)
		}
	}()
	return r.do(ctx, key)
}
