package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

// besideRollout commits changes while another service, which has tasks, is in the middle of an update.
func besideRollout(ctx context.Context, w *world, t *table) (err error) {
	if err := w.applied(ctx); err != nil {
		return err
	}
	d, err := w.run(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	back, err := w.beginRollout(ctx)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, &d.log)
	}
	var took []time.Duration
	for i := range w.rounds {
		one, err := w.written(ctx, d, i, "MEANWHILE")
		if err != nil {
			return err
		}
		took = append(took, one)
		select { // a commit may come at any moment while something rolls out
		case <-time.After(settled):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := w.rolls(ctx); err != nil {
		return fmt.Errorf("the roll-out ended too early: %w", err)
	}
	w.reaction(t, "ref changed while another service rolls out → written", took, nil, 20, 0)
	return back()
}

// slowly makes the update pause so long between tasks that it lasts until the measurement has ended.
var slowly = []string{"delay: 5s", "delay: 1h"}

// beginRollout gives tasks to the first service and then changes them. back takes them away again.
func (w *world) beginRollout(ctx context.Context) (back func() error, err error) {
	if err := w.repository.commit(0, append([]string{"replicas: 0", "replicas: 2"}, slowly...)...); err != nil {
		return nil, err
	}
	if err := harness.Until(ctx, patience, func() error { return w.runs(ctx, 2) }); err != nil {
		return nil, err
	}
	if err := w.repository.commit(0, "REGION: eu-1", "REGION: eu-2"); err != nil {
		return nil, err
	}
	if err := harness.Until(ctx, patience, func() error { return w.rolls(ctx) }); err != nil {
		return nil, err
	}
	return func() error {
		err := w.repository.commit(0, "replicas: 2", "replicas: 0", "REGION: eu-2", "REGION: eu-1", slowly[1], slowly[0])
		if err != nil {
			return err
		}
		return harness.Until(ctx, patience, func() error { return w.runs(ctx, 0) })
	}, nil
}

func (w *world) runs(ctx context.Context, n int) error {
	list, err := w.engine.TaskList(ctx, client.TaskListOptions{Filters: client.Filters{}.Add("service", serviceName(0))})
	if err != nil {
		return err
	}
	running := 0
	for _, task := range list.Items {
		if task.Status.State == swarm.TaskStateRunning {
			running++
		}
	}
	if running != n {
		return fmt.Errorf("%d of %d tasks of %s run", running, n, serviceName(0))
	}
	return nil
}

func (w *world) rolls(ctx context.Context) error {
	r, err := w.engine.ServiceInspect(ctx, serviceName(0), client.ServiceInspectOptions{})
	if err != nil {
		return err
	}
	if s := r.Service.UpdateStatus; s == nil || s.State != swarm.UpdateStateUpdating {
		return fmt.Errorf("%s is not in the middle of an update: %+v", serviceName(0), s)
	}
	return nil
}

func (w *world) id(ctx context.Context, name string) (string, error) {
	r, err := w.engine.ServiceInspect(ctx, name, client.ServiceInspectOptions{})
	return r.Service.ID, err
}
