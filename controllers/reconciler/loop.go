package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/act"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/runner"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Loop is the reconciler with its board. The runner calls it.
type Loop struct {
	*Reconciler
	Board   *status.Board
	Metrics *status.Metrics

	dirty observe.Dirty
	// waiting is true if there is something to do and another instance holds the lease.
	waiting atomic.Bool
	// whole is the last revision for which a run read the whole swarm.
	whole string
	// managers is how many managers the swarm had when it was last read whole.
	managers int
	// unread is true if the last run could not see how services do.
	unread bool
	// moving are the kinds that something waits for. The next run lists them.
	moving []string

	certificates certificates

	showing showing
	// ready is done once both the source and the swarm have been read.
	ready sync.Once
}

// Reconcile does one run. key is the source's name, for logs.
func (l *Loop) Reconcile(ctx context.Context, key string) (runner.Result, error) {
	begin, panicked := l.Now(), true
	defer func() { // the runner logs a panic, and the status has to show it
		if panicked {
			l.Board.Set(status.StepFailed, true, "Panicked", "the last run ended with a panic: see the log")
			l.Board.Publish()
		}
	}()
	result, err := l.reconcile(ctx)
	l.Board.Publish()
	panicked = false
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	l.Metrics.Run(outcome, l.Now().Sub(begin), l.Now())
	return result, err
}

func (l *Loop) reconcile(ctx context.Context) (result runner.Result, err error) {
	scope, done, goesOn := l.scope(), false, false
	l.waiting.Store(false)
	defer func() {
		// This also happens after a panic. The scope is lost, and nobody knows what was written.
		if !done {
			l.dirty.Everything()
		}
		if !goesOn { // no run follows at once, so others may act
			l.Release(ctx, ctx.Err() != nil)
		}
	}()
	run, err := l.plan(ctx, scope)
	if run != nil {
		l.sourceCondition(run)
	}
	if err != nil {
		l.engineCondition(err)
		l.nodesUnknown(err)
		return runner.Result{}, fmt.Errorf("looking at the swarm: %w", err)
	}
	l.looked(run)
	if !run.Usable() {
		l.Board.Set(status.InSync, false, "NoRevision", "there is no revision without a problem to go by")
		done = true
		return runner.Result{}, nil
	}
	l.decided(ctx, run)
	out, err := l.Apply(ctx, run, func(e apply.Event) {
		l.Board.Did(e.Step, e.Epoch, e.Err, e.Stale, e.Warnings)
		for _, ref := range e.Objects {
			l.dirty.Object(ref, e.Step.Op == diff.Remove)
		}
	})
	standby, waits := errors.AsType[*act.Standby](err)
	l.actorConditions(run, standby)
	if run.Whole {
		l.deliveryConditions(run)
	}
	switch {
	case waits:
		l.waiting.Store(true)
		// What was read stays known. Once the lease changes hands, everything is read again before this instance
		// acts.
		done = true
		return runner.Result{RequeueAfter: standby.Again}, nil
	case err != nil:
		l.engineCondition(err)
		return l.again(run), err
	case out.Stale:
		goesOn = true
		return runner.Result{RequeueAfter: time.Millisecond}, nil
	case len(out.Errs) > 0:
		l.Board.Set(status.StepFailed, true, "StepFailed", out.Err().Error())
		return l.again(run), out.Err()
	}
	done = true
	result, goesOn, err = l.next(run, out)
	return result, err
}

// next returns when to look again after a run that succeeded. goesOn is true if the next run follows at once.
func (l *Loop) next(run *Run, out apply.Outcome) (result runner.Result, goesOn bool, err error) {
	switch {
	case out.Delivered > 0: // the next run remembers it
		l.dirty.Everything()
		return runner.Result{RequeueAfter: time.Millisecond}, true, nil
	case run.Whole:
		l.whole = run.InForce.Hash
	case l.whole != run.InForce.Hash: // the run did at once what a new revision changes; removals need a run that reads everything
		l.dirty.Everything()
		return runner.Result{RequeueAfter: time.Millisecond}, out.Done > 0, nil
	}
	switch {
	case out.Done > 0: // the next run does what these steps made possible
		return runner.Result{RequeueAfter: 50 * time.Millisecond}, true, nil
	case run.Unread != nil:
		return runner.Result{}, false, run.Unread
	}
	return runner.Result{RequeueAfter: l.comeBack(run)}, false, nil
}

// looked shows what a run has read, and keeps what the next one needs of it.
func (l *Loop) looked(run *Run) {
	if run.Whole {
		l.managers = run.About.Managers
	}
	if run.Whole || run.Unread != nil || l.unread {
		l.engineCondition(run.Unread)
	}
	l.unread = run.Unread != nil
	l.Board.Found(found(run, l.Board.Report().Found, l.decider.Hidden()))
	l.moving = run.Moving()
}

// decided shows what a run has decided, before anything is done about it.
func (l *Loop) decided(ctx context.Context, run *Run) {
	l.ready.Do(func() {
		l.Log.Info("ready", "source", run.Source, "revision", run.InForce.Short(), "objects", run.Objects, "managers", run.About.Managers, "nodes", run.About.Nodes)
	})
	l.planConditions(run)
	objects := map[string]int{}
	for i := range run.Wants.States {
		objects[run.Wants.States[i].Key.Kind]++
	}
	l.Board.Planned(run.Changes, run.Plan, objects)
	var seen []kinds.Sighting
	if n := run.Surveyed.Nodes; n != nil { // what is not known is no news
		l.Board.Nodes(board(n))
		seen = n.Seen
	}
	l.lookAtCertificates(ctx, seen)
	l.Board.Rotations(run.Rotating.Last)
	if troubled := run.Troubled(); troubled != "" {
		l.Board.Set(status.StepFailed, true, "StepFailed", troubled)
	} else if len(run.Plan.Steps) == 0 {
		l.Board.Set(status.StepFailed, false, "NothingToDo", "")
	}
}

// scope returns what may have changed, and what has to be looked at because no event tells of it.
func (l *Loop) scope() observe.Scope {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.dirty.Take(l.world)
	if s.All {
		return s
	}
	s.Kinds = l.moving
	for _, key := range l.decider.Watched() {
		if live := l.world.Index.ByName(key.Kind, key.Name); live != nil {
			if ref := (kinds.Ref{Kind: key.Kind, ID: live.ID}); !slices.Contains(s.Objects, ref) {
				s.Objects = append(s.Objects, ref)
			}
		}
		if len(s.Objects) > observe.MostObjects {
			return observe.Everything
		}
	}
	return s
}

// Notice notes an event of the engine and reports whether a run is worth it.
func (l *Loop) Notice(e engine.Event) bool { return l.observer.Notice(&l.dirty, e, l.waiting.Load()) }

// NoticeAll makes the next run read everything.
func (l *Loop) NoticeAll() { l.dirty.Everything() }

// comeBack returns how long until something may have changed that no event tells of. It returns 0 if nothing will.
func (l *Loop) comeBack(run *Run) time.Duration {
	var after time.Duration
	sooner := func(d time.Duration) {
		if d = max(d, 10*time.Millisecond); after == 0 || d < after {
			after = d
		}
	}
	if again := l.decider.LookAgain(run.Facts.Now); again > 0 {
		sooner(again)
	}
	if run.Demoted() {
		sooner(decide.Poll)
	}
	if l.Observe {
		return after
	}
	for _, h := range run.Facts.Holds {
		if !h.Until.IsZero() {
			sooner(h.Until.Sub(run.Facts.Now))
		}
	}
	if again := run.Surveyed.Again; again > 0 {
		sooner(again)
	}
	for _, t := range run.Facts.Troubles {
		if left := t.Until.Sub(run.Facts.Now); left > 0 {
			sooner(left)
		}
	}
	if again := run.Rotating.Again; again > 0 {
		sooner(again)
	}
	for _, r := range run.Plan.Refused {
		switch {
		case r.Class != plan.Later || r.Quiet:
		case !r.Until.IsZero():
			sooner(r.Until.Sub(run.Facts.Now))
		default:
			sooner(decide.Poll)
		}
	}
	return after
}

// again says when to look again after a run in which something failed: when the first failed step may be tried again.
// Nothing is known if this instance did not hold the lease. Each instance then paces itself.
func (l *Loop) again(run *Run) runner.Result {
	var soonest time.Duration
	for _, t := range l.actor.Troubles(run.Source, run.InForce.Hash) {
		if left := t.Until.Sub(l.Now()); soonest == 0 || left < soonest {
			soonest = max(left, 10*time.Millisecond)
		}
	}
	return runner.Result{RequeueAfter: soonest}
}
