package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// ErrFailed says that something that was waited for failed.
var ErrFailed = errors.New("roll-out failed")

// Progress is how far an object is.
type Progress struct {
	Key v1.Key
	kinds.Health
}

// Wait looks until everything that the run wants is ready, or something failed, or ctx ends. report sees each look.
func (r *Reconciler) Wait(ctx context.Context, run *Run, report func([]Progress)) error {
	for {
		all, err := r.look(ctx, run)
		if err != nil {
			return err
		}
		report(all)
		waiting := false
		var failed []error
		for _, p := range all {
			waiting = waiting || !p.Ready
			if p.Failed {
				failed = append(failed, fmt.Errorf("%s: %s", p.Key, p.Why))
			}
		}
		switch {
		case len(failed) > 0:
			return fmt.Errorf("%w: %w", ErrFailed, errors.Join(failed...))
		case !waiting:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(Poll / 2):
		}
	}
}

// undone says whether a live object is no longer what the run wanted.
func (r *Reconciler) undone(k kinds.Kind, l *kinds.Live, run *Run) bool {
	i := slices.IndexFunc(run.Wants.States, func(w diff.State) bool { return w.Key.Kind == k.Name && w.Instance == l.Name })
	have := diff.State{Leaves: k.Shape.Flatten(k.Normalise(l, run.Index))}
	return i >= 0 && diff.Differs(&have, &run.Wants.States[i], k.Rules)
}

func (r *Reconciler) look(ctx context.Context, run *Run) ([]Progress, error) {
	sights, err := r.sightsOf(ctx, wantsOf(run.Wants.States, nil))
	if err != nil {
		return nil, err
	}
	out := make([]Progress, 0, len(sights))
	for _, s := range sights {
		h := s.Health
		if h.RolledBack && r.undone(*s.kind, s.live, run) {
			h.Ready, h.Failed, h.Why = false, true, "rolled back"
			if rollout := s.kind.Trace(ctx, r.Engine, s.live, run.Index, nil, plan.Rollout{Left: plan.Differs}); rollout.TaskError != "" {
				h.Why += "; a task said: " + rollout.TaskError
			}
		}
		out = append(out, Progress{v1.Key{Kind: s.kind.Name, Name: s.live.Name}, h})
	}
	slices.SortFunc(out, func(a, b Progress) int { return a.Key.Compare(b.Key) })
	return out, nil
}
