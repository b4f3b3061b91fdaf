package act

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// Standby is the error of an instance that has something to do while another instance acts, or goes first.
type Standby struct {
	Holder string
	// Again is how long to wait before asking again.
	Again time.Duration
}

func (s *Standby) Error() string {
	return fmt.Sprintf("%s acts, or goes first: this instance waits for the lease", s.Holder)
}

// take asks for the lease and returns its epoch, or 0 if it was not taken. others is true if another instance has
// acted since the plan was made, so the plan is outdated. It fails with a Standby if another instance acts or goes
// first.
func (a *Actor) take(ctx context.Context, run *Run) (epoch uint64, others bool, err error) {
	taken, err := a.Lease.Take(ctx, run.Source, run.moved)
	switch {
	case err != nil:
		return 0, false, err
	case taken.Epoch == 0 && taken.Others:
		return 0, true, nil
	case taken.Epoch == 0:
		return 0, false, &Standby{Holder: taken.Holder, Again: max(taken.Again, 10*time.Millisecond)}
	}
	return taken.Epoch, taken.Others, nil
}

// Release gives the lease back, so that others may act. leave is true if this process will not act any more.
func (a *Actor) Release(ctx context.Context, leave bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := a.Lease.Release(ctx, leave); err != nil {
		a.Log.Error(err, "the lease could not be given back")
	}
}

// held returns the check that is made before each write. If there are steps, its first look begins now, because it
// takes as long as taking the lease.
func (a *Actor) held(ctx context.Context, run *Run) func(context.Context, v1.Key) error {
	watch := state.NewWatch(a.Engine, run.Source, a.Now)
	if len(run.Plan.Steps) > 0 {
		watch.Ahead(ctx)
	}
	return func(ctx context.Context, key v1.Key) error {
		err := watch.Check(ctx, key)
		switch {
		case errors.Is(err, state.ErrOnHold):
			return fmt.Errorf("%w: %w", apply.ErrNotNow, err)
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("%w: %w", apply.ErrStopped, err)
		}
		return err
	}
}
