package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// resync is how often the daemon looks, here: long enough for it to be quiet in between, however slow the machine.
const resync = 3 * time.Second

// idle measures a daemon with nothing to do: what a look costs when its time has come, and that there is none before.
func idle(ctx context.Context, w *world, t *table) error {
	if err := w.applied(ctx); err != nil {
		return err
	}
	if err := still(ctx, w, t); err != nil {
		return err
	}
	d, err := w.run(ctx, "--resync", resync.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	before, err := d.cpu()
	if err != nil {
		return err
	}
	looks := max(w.rounds*2/3, 3)
	w.traffic.reset()
	if _, err := w.traffic.wait(ctx, looks, func(c call) bool { return c.Path == "/services" }); err != nil {
		return err
	}
	if err := w.traffic.quiet(ctx, resync/4); err != nil {
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
	t.add("  calls", fmt.Sprintf("%.1f", perLook), routes(calls)+" in all", "", target(perLook, 7, "7"))
	t.add("  writes", fmt.Sprint(len(writes(calls))), "", "", exactly(len(writes(calls)), 0, "0"))
	return nil
}

// still watches a daemon between two looks, and how much memory it holds then.
func still(ctx context.Context, w *world, t *table) (err error) {
	d, err := w.run(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	w.traffic.reset()
	select {
	case <-time.After(w.still): // there is nothing to wait for: that nothing comes is what is measured
	case <-ctx.Done():
		return ctx.Err()
	}
	calls, _ := w.traffic.seen()
	t.add(fmt.Sprintf("run with nothing to do, %s between looks: calls", w.still), fmt.Sprint(len(calls)), routes(calls), "", exactly(len(calls), 0, "0"))
	rss, err := d.memory("VmRSS")
	if err != nil {
		return err
	}
	peak, err := d.memory("VmHWM")
	if err != nil {
		return err
	}
	limit := 40.0
	if w.n > 1000 {
		limit = 250
	}
	t.add("  resident memory", fmt.Sprintf("%.0f MB", rss), fmt.Sprintf("peak %.0f MB", peak), "", target(rss, limit, fmt.Sprintf("%.0f MB", limit)))
	return nil
}
