package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// byCommit commits changes of one service each. It measures from the change of the branch until the service is
// written.
func byCommit(ctx context.Context, w *world, t *table) (err error) {
	if err := w.applied(ctx); err != nil {
		return err
	}
	d, err := w.run(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	before, err := d.cpu()
	if err != nil {
		return err
	}
	var took, least []time.Duration
	var m moves
	for i := range w.rounds {
		versions, err := w.versions(ctx)
		if err != nil {
			return err
		}
		one, err := w.written(ctx, d, i, "COMMITTED")
		if err != nil {
			return err
		}
		took = append(took, one)
		if err := w.traffic.quiet(ctx, w.span(time.Second)); err != nil {
			return err
		}
		calls, _ := w.traffic.seen()
		after, err := w.versions(ctx)
		if err != nil {
			return err
		}
		m.count(calls, versions, after)
		bare, err := w.rewrite(ctx, w.observed, serviceName(w.nth(i)))
		if err != nil {
			return err
		}
		least = append(least, bare)
		if err := w.traffic.quiet(ctx, w.span(settled)); err != nil {
			return err
		}
	}
	w.reaction(t, "ref changed → service written", took, least, 20, 0)
	if err := d.spentSince(before, w.rounds, t); err != nil {
		return err
	}
	m.report(t)
	return w.remembers(d, t, fmt.Sprintf("%d commits", w.rounds))
}

// settled is how long the API must be quiet before the operator counts as done with what happened.
const settled = 300 * time.Millisecond

// written returns the time from the change of the branch until the round's service is written.
func (w *world) written(ctx context.Context, d *daemon, round int, name string) (time.Duration, error) {
	inForce, err := w.repository.prepare(w.nth(round), w.edit(name, round)...)
	if err != nil {
		return 0, err
	}
	id, err := w.id(ctx, serviceName(w.nth(round)))
	if err != nil {
		return 0, err
	}
	w.traffic.reset()
	begin := time.Now()
	if err := inForce(); err != nil {
		return 0, err
	}
	found, err := w.traffic.wait(ctx, 1, update(id))
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, &d.log)
	}
	return found[0].at.Sub(begin), nil
}

// reaction reports how fast the daemon was, in milliseconds. A limit of 0 means that there is none.
func (w *world) reaction(t *table, what string, took, least []time.Duration, p50, p99 float64) {
	within := func(d time.Duration, limit float64) string {
		if limit == 0 {
			return ""
		}
		return target(d.Seconds()*1000, limit, fmt.Sprintf("%g ms", limit))
	}
	against, ratio := "", ""
	if len(least) > 0 {
		against, ratio = "bare read and write of one "+ms(median(least)), ratio2(ratios(took, least))
	}
	middle, most := median(took), quantile(took, 0.99)
	t.add(what+", p50", ms(middle), against, ratio, within(middle, p50))
	t.add(fmt.Sprintf("  p99 of %d rounds", len(took)), ms(most), "", "", within(most, p99))
}
