// Package session is one source on one swarm: the loop. Whatever wakes it, a run reads what may have changed, decides,
// acts and publishes one report.
package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/act"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/runner"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Session runs a reconciler for as long as there is something to do, and says how things are. The runner calls it.
type Session struct {
	*reconciler.Reconciler
	log     logr.Logger
	now     func() time.Time
	metrics *status.Metrics

	tells        report.Conditions
	shows        report.Showing
	certificates observe.Certificates

	dirty observe.Dirty
	// waiting is true if there is something to do and another instance holds the lease.
	waiting atomic.Bool
	// whole is the last revision for which a run read the whole swarm.
	whole string
	// moving are the kinds that something waits for. The next run lists them.
	moving []string
	// ready is done once both the source and the swarm have been read.
	ready sync.Once
}

// New returns a session of a reconciler, which tells the board and the metrics what happens.
func New(r *reconciler.Reconciler, board *status.Board, metrics *status.Metrics, log logr.Logger, now func() time.Time) *Session {
	return &Session{
		Reconciler: r, log: log, now: now, metrics: metrics,
		tells: report.Conditions{Board: board}, shows: report.Showing{Reporter: r.Reporter(), Board: board},
		certificates: observe.Certificates{Log: log, Now: now, Seen: metrics.Certificates},
	}
}

// Reconcile does one run. key is the source's name, for logs.
func (s *Session) Reconcile(ctx context.Context, key string) (runner.Result, error) {
	begin, panicked := s.now(), true
	defer func() {
		if panicked {
			s.tells.Panicked()
			s.tells.Publish()
		}
	}()
	result, err := s.reconcile(ctx)
	s.tells.Publish()
	panicked = false
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	s.metrics.Run(outcome, s.now().Sub(begin), s.now())
	return result, err
}

func (s *Session) reconcile(ctx context.Context) (result runner.Result, err error) {
	scope, done, goesOn := s.Scope(&s.dirty, s.moving), false, false
	s.waiting.Store(false)
	defer func() {
		// This also happens after a panic. The scope is lost, and nobody knows what was written.
		if !done {
			s.dirty.Everything()
		}
		if !goesOn { // no run follows at once, so others may act
			s.Release(ctx, ctx.Err() != nil)
		}
	}()
	run, err := s.Look(ctx, scope)
	if run != nil {
		s.tells.Source(&run.Decision, run.SourceErr)
	}
	if err != nil {
		s.tells.Unread(err)
		return runner.Result{}, fmt.Errorf("looking at the swarm: %w", err)
	}
	s.tells.Looked(&run.Decision, s.Hidden())
	s.moving = run.Moving()
	if !run.Usable() {
		done = true
		return runner.Result{}, nil
	}
	s.decided(ctx, run)
	out, err := s.Apply(ctx, run, s.did)
	standby, waits := errors.AsType[*act.Standby](err)
	s.tells.Acting(&run.Decision, s.Lease(), standby)
	if run.Whole {
		undelivered, why := run.Undelivered()
		s.tells.Delivered(&run.Decision, undelivered, why)
	}
	switch {
	case waits:
		s.waiting.Store(true)
		// What was read stays known. Once the lease changes hands, everything is read again before this instance
		// acts.
		done = true
		return runner.Result{RequeueAfter: standby.Again}, nil
	case err != nil:
		s.tells.Engine(err)
		return runner.Result{RequeueAfter: s.Again(run)}, err
	case out.Stale:
		goesOn = true
		return runner.Result{RequeueAfter: time.Millisecond}, nil
	case len(out.Errs) > 0:
		s.tells.Failed(out.Err())
		return runner.Result{RequeueAfter: s.Again(run)}, out.Err()
	}
	done = true
	result, goesOn, err = s.next(run, out)
	return result, err
}

// decided tells what a run has decided, before anything is done about it.
func (s *Session) decided(ctx context.Context, run *reconciler.Run) {
	s.ready.Do(func() {
		s.log.Info("ready", "source", run.Source, "revision", run.InForce.Short(), "objects", run.Objects, "managers", run.About.Managers, "nodes", run.About.Nodes)
	})
	s.tells.Decided(&run.Decision, s.Placeless())
	if n := run.Surveyed.Nodes; n != nil { // what is not known is no news
		s.certificates.Look(ctx, n.Seen)
	}
}

// did notes a step while the others go on.
func (s *Session) did(e apply.Event) {
	s.tells.Did(e.Step, e.Epoch, e.Err, e.Stale, e.Warnings)
	for _, ref := range e.Objects {
		s.dirty.Object(ref, e.Step.Op == diff.Remove)
	}
}

// next returns when to look again after a run that succeeded. goesOn is true if the next run follows at once.
func (s *Session) next(run *reconciler.Run, out apply.Outcome) (result runner.Result, goesOn bool, err error) {
	switch {
	case out.Delivered > 0: // the next run remembers it
		s.dirty.Everything()
		return runner.Result{RequeueAfter: time.Millisecond}, true, nil
	case run.Whole:
		s.whole = run.InForce.Hash
	case s.whole != run.InForce.Hash: // the run did at once what a new revision changes; removals need a run that reads everything
		s.dirty.Everything()
		return runner.Result{RequeueAfter: time.Millisecond}, out.Done > 0, nil
	}
	switch {
	case out.Done > 0: // the next run does what these steps made possible
		return runner.Result{RequeueAfter: 50 * time.Millisecond}, true, nil
	case run.Unread != nil:
		return runner.Result{}, false, run.Unread
	}
	return runner.Result{RequeueAfter: s.ComeBack(run)}, false, nil
}

// Notice notes an event of the engine and reports whether a run is worth it.
func (s *Session) Notice(e engine.Event) bool {
	return s.Reconciler.Notice(&s.dirty, e, s.waiting.Load())
}

// NoticeAll makes the next run read everything.
func (s *Session) NoticeAll() { s.dirty.Everything() }

// StatusNow returns how things are, now: see report.Showing.
func (s *Session) StatusNow(ctx context.Context) status.Status { return s.shows.Now(ctx) }

// Wait returns when nothing that a run began beside itself is still at work. Call it after the context of the runs has
// ended.
func (s *Session) Wait() { s.certificates.Wait() }
