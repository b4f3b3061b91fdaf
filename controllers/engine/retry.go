package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// retry says how long to wait between connections of a stream.
type retry struct {
	first, most time.Duration
	lasted      time.Duration // after a stream that lived this long, the next failure counts as the first
	jitter      func() float64
}

func defaultRetry() retry {
	return retry{first: 100 * time.Millisecond, most: 15 * time.Second, lasted: 10 * time.Second, jitter: rand.Float64}
}

// run calls attempt until ctx ends. An engine that restarts is found again at once; an engine that has gone costs one
// call in 7.5 to 15 s. Jitter keeps many operators from coming back at the same instant.
func (r retry) run(ctx context.Context, attempt func(context.Context) error, tell func(err error, wait time.Duration)) {
	failures := 0
	for ctx.Err() == nil {
		began := time.Now()
		err := attempt(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it ended")
		}
		if time.Since(began) >= r.lasted {
			failures = 0
		}
		wait := r.delay(failures)
		failures++
		tell(err, wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// delay doubles with each failure, up to most, and is then shortened by up to half at random.
func (r retry) delay(failures int) time.Duration {
	d := r.first
	for range failures {
		if d *= 2; d >= r.most {
			d = r.most
			break
		}
	}
	return d - time.Duration(r.jitter()*float64(d)/2)
}
