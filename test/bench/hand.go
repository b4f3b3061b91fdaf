package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// byHand scales services as a person would. It measures until the operator's write has undone the change.
func byHand(ctx context.Context, w *world, t *table) (err error) {
	if err := w.applied(ctx); err != nil {
		return err
	}
	d, err := w.run(ctx, "--repair-after", "0s")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	before, err := d.cpu()
	if err != nil {
		return err
	}
	var took, least []time.Duration
	var slowest []call
	for i := range 2 * w.rounds {
		r, err := w.observed.ServiceInspect(ctx, serviceName(w.nth(i)), client.ServiceInspectOptions{})
		if err != nil {
			return err
		}
		w.traffic.reset()
		if err := scale(ctx, w.observed, r.Service, 1); err != nil {
			return err
		}
		found, err := w.traffic.wait(ctx, 2, update(r.Service.ID)) // the write by hand and the operator's
		if err != nil {
			return fmt.Errorf("%w\n%s", err, &d.log)
		}
		took = append(took, found[1].at.Sub(found[0].at))
		if took[i] == slices.Max(took) {
			all, _ := w.traffic.seen()
			slowest = between(all, found[0].at, found[1].at)
		}
		if err := w.traffic.quiet(ctx, w.span(settled)); err != nil {
			return err
		}
		bare, err := w.rewrite(ctx, w.observed, r.Service.ID)
		if err != nil {
			return err
		}
		least = append(least, bare)
		if err := w.traffic.quiet(ctx, w.span(settled)); err != nil {
			return err
		}
	}
	w.reaction(t, "change by hand → repaired", took, least, 10, 50)
	t.add("  course of the slowest", fmt.Sprint(len(slowest)), course(slowest), "", "")
	if err := d.spentSince(before, len(took), t); err != nil {
		return err
	}
	return w.remembers(d, t, fmt.Sprintf("%d changes by hand", len(took)))
}

func scale(ctx context.Context, c *client.Client, v swarm.Service, replicas uint64) error {
	v.Spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &replicas}
	_, err := c.ServiceUpdate(ctx, v.ID, client.ServiceUpdateOptions{Version: v.Version, Spec: v.Spec})
	return err
}

// rewrite takes the least time that a change can take: it reads the service and writes it back unchanged.
func (w *world) rewrite(ctx context.Context, c *client.Client, service string) (time.Duration, error) {
	begin := time.Now()
	r, err := c.ServiceInspect(ctx, service, client.ServiceInspectOptions{})
	if err != nil {
		return 0, err
	}
	err = scale(ctx, c, r.Service, *r.Service.Spec.Mode.Replicated.Replicas)
	return time.Since(begin), err
}
