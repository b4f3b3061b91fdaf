package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// resync is how often the daemon looks in this measurement. It is long enough for quiet in between, however slow
	// the machine.
	resync = 5 * time.Second
	// following is longer than the daemon waits before it looks again at what it has just begun to follow.
	following = 2 * time.Second
)

// resynced measures what a resync costs a daemon with nothing to do.
func resynced(ctx context.Context, w *world, t *table) (err error) {
	if err := w.applied(ctx); err != nil {
		return err
	}
	every := w.span(resync)
	d, err := w.run(ctx, "--resync", every.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	// Until then a look may ask for the tasks of what it still follows.
	if err := w.traffic.quiet(ctx, w.span(following)); err != nil {
		return err
	}
	before, err := d.cpu()
	if err != nil {
		return err
	}
	looks := max(w.rounds*2/3, 1)
	w.traffic.reset()
	if _, err := w.traffic.wait(ctx, looks, func(c call) bool { return c.path == "/services" }); err != nil {
		return err
	}
	if err := w.traffic.quiet(ctx, every/4); err != nil {
		return err
	}
	after, err := d.cpu()
	if err != nil {
		return err
	}
	calls, _ := w.traffic.seen()
	each := (after - before) / time.Duration(looks)
	perLook := float64(len(calls)) / float64(looks)
	t.add("a resync of run, nothing to do: CPU", ms(each), fmt.Sprintf("mean of %d passes", looks), "", target(each.Seconds(), 0.1, "100 ms"))
	t.add("  calls of one", fmt.Sprintf("%.1f", perLook), routes(calls)+" in all", "", target(perLook, 7, "7"))
	t.add("  writes of all", fmt.Sprint(len(writes(calls))), "", "", exactly(len(writes(calls)), 0, "0"))
	return w.remembers(d, t, fmt.Sprintf("%d passes", looks))
}

// still watches a daemon between two resyncs, and measures the memory that it holds.
func still(ctx context.Context, w *world, t *table) (err error) {
	if err := w.applied(ctx); err != nil {
		return err
	}
	d, err := w.run(ctx, "--resync", "24h")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := w.traffic.quiet(ctx, w.span(following)); err != nil {
		return err
	}
	before, err := d.cpu()
	if err != nil {
		return err
	}
	w.traffic.reset()
	select {
	case <-time.After(w.still): // there is nothing to wait for: it is measured that no call comes
	case <-ctx.Done():
		return ctx.Err()
	}
	calls, _ := w.traffic.seen()
	after, err := d.cpu()
	if err != nil {
		return err
	}
	t.add(fmt.Sprintf("run with nothing to do, for %s: calls", w.still), fmt.Sprint(len(calls)), routes(calls), "", exactly(len(calls), 0, "0"))
	share := 100 * (after - before).Seconds() / w.still.Seconds()
	t.add("  of a core", fmt.Sprintf("%.2f %%", share), "", "", target(share, 0.5, "0.5 %"))
	return w.remembers(d, t, "a start")
}

// remembers reports the memory that a daemon holds after work.
func (w *world) remembers(d *daemon, t *table, work string) error {
	m, err := d.memory()
	if err != nil {
		return err
	}
	limit := 40.0
	if w.n > 1000 {
		limit = 250
	}
	t.add("  resident memory after "+work, fmt.Sprintf("%.0f MB", m.resident),
		fmt.Sprintf("of it its own %.0f MB, the rest is the program's file; peak %.0f MB", m.own, m.peak), "", target(m.resident, limit, fmt.Sprintf("%.0f MB", limit)))
	return nil
}
