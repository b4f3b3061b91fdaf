package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// changeOne commits a change of one service and measures from the change of the branch until the service is written.
func changeOne(ctx context.Context, w *world, t *table) (err error) {
	if err := w.applied(ctx); err != nil {
		return err
	}
	d, err := w.run(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	var took []time.Duration
	var most, state, moved, calls int
	for i := range w.rounds {
		service := (i*37 + 5) % w.n
		before, err := w.versions(ctx)
		if err != nil {
			return err
		}
		commit, err := w.repository.prepare(service, "REGION: eu-1", fmt.Sprintf("REGION: eu-1\n    ROUND: %q", fmt.Sprint(i)))
		if err != nil {
			return err
		}
		w.traffic.reset()
		begin := time.Now()
		if err := commit(); err != nil {
			return err
		}
		found, err := w.traffic.wait(ctx, 1, update(""))
		if err != nil {
			return fmt.Errorf("%w\n%s", err, &d.log)
		}
		took = append(took, found[0].at.Sub(begin))
		if err := w.traffic.quiet(ctx, time.Second); err != nil {
			return err
		}
		all, _ := w.traffic.seen()
		wrote := 0
		for _, c := range writes(all) {
			if update("")(c) {
				wrote++
			} else {
				state++
			}
		}
		most, calls = max(most, wrote), max(calls, len(all))
		after, err := w.versions(ctx)
		if err != nil {
			return err
		}
		for id, version := range before {
			if after[id] != version && "/services/"+id+"/update" != found[0].Path {
				moved++
			}
		}
	}
	p50, p99 := median(took), quantile(took, 0.99)
	t.add("ref changed → service written", ms(p50), "largest of "+fmt.Sprint(len(took))+" rounds "+ms(p99), "", target(p50.Seconds()*1000, 20, "20 ms"))
	t.add("  service writes", fmt.Sprint(most), fmt.Sprintf("writes of the operator's memory a round %.1f, calls until quiet %d", float64(state)/float64(len(took)), calls), "", exactly(most, 1, "1"))
	t.add("  versions of others that moved", fmt.Sprint(moved), "", "", exactly(moved, 0, "0"))
	return nil
}

func (w *world) versions(ctx context.Context) (map[string]uint64, error) {
	list, err := w.engine.ServiceList(ctx, client.ServiceListOptions{})
	out := map[string]uint64{}
	for _, v := range list.Items {
		out[v.ID] = v.Version.Index
	}
	return out, err
}

// byHand scales services as a person would and measures until the operator's write has undone it.
func byHand(ctx context.Context, w *world, t *table) (err error) {
	if err := w.applied(ctx); err != nil {
		return err
	}
	d, err := w.run(ctx, "--repair-after", "0s")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	var took, least []time.Duration
	for i := range 2 * w.rounds {
		name := serviceName((i*53 + 11) % w.n)
		r, err := w.engine.ServiceInspect(ctx, name, client.ServiceInspectOptions{})
		if err != nil {
			return err
		}
		w.traffic.reset()
		if err := w.scale(ctx, r.Service, 1); err != nil {
			return err
		}
		found, err := w.traffic.wait(ctx, 2, update(r.Service.ID)) // the hand's and the operator's
		if err != nil {
			return fmt.Errorf("%w\n%s", err, &d.log)
		}
		took = append(took, found[1].at.Sub(found[0].at))
		if err := w.traffic.quiet(ctx, 300*time.Millisecond); err != nil {
			return err
		}
		bare, err := w.repairBare(ctx, r.Service.ID)
		if err != nil {
			return err
		}
		least = append(least, bare)
		if err := w.traffic.quiet(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
	p50, p99 := median(took), quantile(took, 0.99)
	t.add("change by hand → repaired, p50", ms(p50), "bare read and write "+ms(median(least)), fmt.Sprintf("%.2f", ratios(took, least)), target(p50.Seconds()*1000, 10, "10 ms"))
	t.add(fmt.Sprintf("  p99 of %d rounds", len(took)), ms(p99), "", "", target(p99.Seconds()*1000, 50, "50 ms"))
	return nil
}

func (w *world) scale(ctx context.Context, v swarm.Service, replicas uint64) error {
	v.Spec.Mode.Replicated = &swarm.ReplicatedService{Replicas: &replicas}
	_, err := w.engine.ServiceUpdate(ctx, v.ID, client.ServiceUpdateOptions{Version: v.Version, Spec: v.Spec})
	return err
}

// repairBare is the least that a repair takes: reading the service and writing it back, here as it is.
func (w *world) repairBare(ctx context.Context, id string) (time.Duration, error) {
	begin := time.Now()
	r, err := w.engine.ServiceInspect(ctx, id, client.ServiceInspectOptions{})
	if err != nil {
		return 0, err
	}
	err = w.scale(ctx, r.Service, *r.Service.Spec.Mode.Replicated.Replicas)
	return time.Since(begin), err
}
