package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Looks of a daemon that has nothing to do: how many are measured, and how far apart they are.
const (
	looks     = 10
	lookEvery = time.Second
	stillFor  = 10 * time.Second
)

// idle measures a daemon with nothing to do: what a look costs when its time has come, and that there is none before.
func idle(ctx context.Context, w *world, t *table) error {
	if err := w.applied(ctx); err != nil {
		return err
	}
	if err := still(ctx, w, t); err != nil {
		return err
	}
	d, err := w.resyncing(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	w.traffic.reset()
	look := func(c call) bool { return c.Path == "/services" }
	if _, err := w.traffic.wait(ctx, 1, look); err != nil {
		return err
	}
	before, err := d.cpu()
	if err != nil {
		return err
	}
	w.traffic.reset()
	if _, err := w.traffic.wait(ctx, looks, look); err != nil {
		return err
	}
	after, err := d.cpu()
	if err != nil {
		return err
	}
	calls, _ := w.traffic.seen()
	each := (after - before) / looks
	perLook := float64(len(calls)) / looks
	t.add("a resync of run, nothing to do: CPU", ms(each), fmt.Sprintf("mean of %d", looks), "", target(each.Seconds(), 0.1, "100 ms"))
	t.add("  calls", fmt.Sprintf("%.1f", perLook), routes(calls)+" in all", "", target(perLook, 7, "7"))
	t.add("  writes", fmt.Sprint(len(writes(calls))), "", "", exactly(len(writes(calls)), 0, "0"))
	return nil
}

// resyncing starts a daemon that looks often. It is never quiet, so that only its first look is waited for.
func (w *world) resyncing(ctx context.Context) (*daemon, error) {
	return w.run(ctx, "--resync", (2 * lookEvery).String())
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
	case <-time.After(stillFor): // there is nothing to wait for: that nothing comes is what is measured
	case <-ctx.Done():
		return ctx.Err()
	}
	calls, _ := w.traffic.seen()
	t.add(fmt.Sprintf("run with nothing to do, %s between looks: calls", stillFor), fmt.Sprint(len(calls)), routes(calls), "", exactly(len(calls), 0, "0"))
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
