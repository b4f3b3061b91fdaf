package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/swarm-operator/swarm-operator/test/lag"
)

// together is how many operators of one source run, one on each manager as in production.
const together = 3

// clash is an engine's answer about a port that another service publishes.
const clash = "rpc error: code = InvalidArgument desc = port '80' is already in use by service 'another' (1) as an ingress port"

// atRest measures what three operators of one source cost when they have nothing to do.
func atRest(ctx context.Context, w *world, t *table) (err error) {
	stop, err := w.operators(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	calls, err := w.watched(ctx)
	if err != nil {
		return err
	}
	t.add(fmt.Sprintf("%d operators with nothing to do, for %s: calls", together, w.still), fmt.Sprint(len(calls)), routes(calls), "", exactly(len(calls), 0, "0"))
	raft := succeeded(writes(calls))
	t.add("  writes through raft", fmt.Sprint(len(raft)), routes(raft), "", exactly(len(raft), 0, "0"))
	return nil
}

// failing measures what three operators of one source cost when the engine always refuses one step.
func failing(ctx context.Context, w *world, t *table) (err error) {
	stop, err := w.operators(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	id, err := w.id(ctx, serviceName(0))
	if err != nil {
		return err
	}
	undo := w.refuse("/services/"+id+"/update", clash)
	defer undo()
	w.traffic.reset()
	if err := w.repository.commit(0, "LOG_LEVEL: info", "LOG_LEVEL: debug"); err != nil {
		return err
	}
	refused := func(c call) bool { return c.status >= 400 && strings.HasPrefix(c.path, "/services/"+id) && c.write() }
	if _, err := w.traffic.wait(ctx, 1, refused); err != nil {
		return err
	}
	calls, err := w.lasting(ctx) // the first try is among them
	if err != nil {
		return err
	}
	tries := 0
	for _, c := range calls {
		if refused(c) {
			tries++
		}
	}
	within := ""
	if w.still <= fewWithin {
		within = target(float64(tries), mostTries, fmt.Sprint(mostTries))
	}
	t.add(fmt.Sprintf("%d operators and a step that always fails, for %s: tries", together, w.still), fmt.Sprint(tries), "", "", within)
	t.add("  calls", fmt.Sprint(len(calls)), routes(calls), "", "")
	raft := succeeded(writes(calls))
	t.add("  writes through raft", fmt.Sprint(len(raft)), routes(raft), "", "")
	undo()
	// This is what the swarm already has
	if err := w.repository.commit(0, "LOG_LEVEL: debug", "LOG_LEVEL: info"); err != nil {
		return err
	}
	return w.traffic.calm(ctx, w.span(following))
}

// All operators together may try a failing step at most mostTries times within fewWithin.
const (
	mostTries = 8
	fewWithin = 2 * time.Minute
)

// operators starts the operators of one source, and waits until they have nothing to do.
func (w *world) operators(ctx context.Context) (stop func() error, err error) {
	lag.Start()
	if err := w.applied(ctx); err != nil {
		return nil, err
	}
	var all []*daemon
	stop = func() error {
		var errs []error
		for _, d := range all {
			errs = append(errs, d.stop())
		}
		return errors.Join(errs...)
	}
	for i := range together {
		d, err := w.run(ctx, "--resync", "24h", "--instance", fmt.Sprintf("operator-%d", i+1))
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		all = append(all, d)
	}
	if err := w.traffic.calm(ctx, w.span(following)); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}

// calm is quiet in machine time. What several operators do a moment later comes much later on a busy machine.
func (t *traffic) calm(ctx context.Context, d time.Duration) error {
	begin := time.Now()
	for {
		_, news := t.seen()
		for since := time.Now(); ; {
			select {
			case <-news:
			case <-time.After(50 * time.Millisecond):
				if lag.Since(since).Machine >= d {
					return nil
				}
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
			break
		}
		if lag.Since(begin).Machine > patience {
			return errors.New("the swarm's API is never quiet")
		}
	}
}

// watched resets the traffic, waits for a while, and returns the calls that came.
func (w *world) watched(ctx context.Context) ([]call, error) {
	w.traffic.reset()
	return w.lasting(ctx)
}

// lasting waits for a while, and returns the calls since the last reset.
func (w *world) lasting(ctx context.Context) ([]call, error) {
	select {
	case <-time.After(w.still): // there is nothing to wait for: what comes by itself is measured
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	calls, _ := w.traffic.seen()
	return calls, nil
}

// succeeded returns the calls that the engine carried out.
func succeeded(calls []call) []call {
	var out []call
	for _, c := range calls {
		if c.status < 300 {
			out = append(out, c)
		}
	}
	return out
}
