// Package session is the body of the loop, for one source on one swarm. Each time the runner calls it, it does one run,
// publishes one report, and says when to run next.
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
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/runner"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Session does the runs of a reconciler that the runner asks for, and reports what came out.
type Session struct {
	*reconciler.Reconciler
	log     logr.Logger
	now     func() time.Time
	metrics *status.Metrics

	// conditions collects what runs find, and publishes it on the board.
	conditions report.Conditions
	// showing makes the status that people ask for between two runs.
	showing      report.Showing
	certificates observe.Certificates

	dirty observe.Dirty
	// waiting is true if there is something to do and another instance holds the lease.
	waiting atomic.Bool
	// whole is the hash of the last revision for which a run read the whole swarm and succeeded.
	whole string
	// moving are the kinds that something waits for. The next run lists them.
	moving []string
	// ready writes one line to the log, after the first run that has read both the source and the swarm.
	ready sync.Once
}

// New returns a session of r. The session tells the board and the metrics what happens.
func New(r *reconciler.Reconciler, board *status.Board, metrics *status.Metrics, log logr.Logger, now func() time.Time) *Session {
	return &Session{
		Reconciler: r, log: log, now: now, metrics: metrics,
		conditions: report.Conditions{Board: board}, showing: report.Showing{Reporter: r.Reporter(), Board: board},
		certificates: observe.Certificates{Log: log, Now: now, Seen: metrics.Certificates},
	}
}

// Reconcile does one run. key is the source's name, for logs.
func (s *Session) Reconcile(ctx context.Context, key string) (result runner.Result, err error) {
	begin, outcome, panicked := s.now(), "ok", true
	defer func() {
		if s.conditions.Ended(panicked); panicked || err != nil {
			outcome = "error"
		}
		s.metrics.Run(outcome, s.now().Sub(begin), s.now())
	}()
	result, err = s.reconcile(ctx)
	panicked = false
	return result, err
}

func (s *Session) reconcile(ctx context.Context) (result runner.Result, err error) {
	scope, done, keep := s.Scope(&s.dirty, s.moving), false, false
	s.waiting.Store(false)
	defer func() {
		// A run that has not come to its end, even by a panic, may have written anything. The next one reads everything.
		if !done {
			s.dirty.Everything()
		}
		if !keep {
			s.Release(ctx, ctx.Err() != nil)
		}
	}()
	run, err := s.Look(ctx, scope) // reads git and the swarm, and decides
	if ctx.Err() != nil {          // nothing was found out, and no condition may say that something is wrong
		return runner.Result{}, ctx.Err()
	}
	if run != nil {
		s.conditions.Source(&run.Decision, run.SourceErr)
	}
	if err != nil {
		s.conditions.Unread(err)
		return runner.Result{}, fmt.Errorf("looking at the swarm: %w", err)
	}
	s.conditions.Looked(&run.Decision, s.Hidden())
	s.moving = run.Moving()
	if !run.Usable() { // no revision is in force, so there is nothing to do until git or the swarm changes
		s.conditions.Written()
		done = true
		return runner.Result{}, nil
	}
	s.decided(ctx, run)
	out, err := s.Apply(ctx, run, s.did) // writes, under the lease: Reconciler.Apply, act.Do, apply.Run
	if ctx.Err() != nil {
		return runner.Result{}, ctx.Err()
	}
	standby, waits := errors.AsType[*act.Standby](err)
	s.conditions.Acting(&run.Decision, s.Lease(), standby)
	if run.Whole {
		undelivered, why := run.Undelivered()
		s.conditions.Delivered(&run.Decision, undelivered, why)
	}
	if waits || err == nil && !out.Stale && run.Waits(decide.Remembering) == 0 {
		s.conditions.Written()
	}
	switch {
	case waits:
		s.waiting.Store(true)
		// What was read stays known. Once the lease changes hands, everything is read again before this instance
		// acts.
		done = true
		return runner.Result{RequeueAfter: standby.Again}, nil
	case err != nil:
		s.conditions.Unwritten(err)
		return runner.Result{RequeueAfter: s.Again(run)}, err
	case out.Stale:
		keep = true
		return runner.Result{RequeueAfter: time.Millisecond}, nil
	case len(out.Errs) > 0:
		s.conditions.Failed(out.Err())
		return runner.Result{RequeueAfter: s.Again(run)}, out.Err()
	}
	done = true
	result, keep, err = s.next(run, out)
	return result, err
}

// decided tells what a run has decided, before anything is done about it.
func (s *Session) decided(ctx context.Context, run *reconciler.Run) {
	s.ready.Do(func() {
		s.log.Info("ready", "source", run.Source, "nameFrom", run.Named, "revision", run.InForce.Short(), "objects", run.Objects, "managers", run.About.Managers, "nodes", run.About.Nodes)
	})
	s.conditions.Decided(&run.Decision, s.Placeless())
	if n := run.Surveyed.Nodes; n != nil { // nil if the nodes were not read
		s.certificates.Look(ctx, n.Seen)
	}
}

// did notes the result of a step, while others may still run.
func (s *Session) did(e apply.Event) {
	s.conditions.Did(e.Step, e.Epoch, e.Err, e.Stale, e.Warnings)
	for _, ref := range e.Objects {
		s.dirty.Object(ref, e.Step.Op == diff.Remove)
	}
}

// next returns when to look again after a run that succeeded. keep is true if the next run goes on with what this one
// began, so that the lease is not given back between them.
func (s *Session) next(run *reconciler.Run, out apply.Outcome) (result runner.Result, keep bool, err error) {
	switch {
	case len(out.Delivered) > 0: // the next run remembers it
		s.dirty.Everything()
		return runner.Result{RequeueAfter: time.Millisecond}, true, nil
	case run.Whole:
		s.whole = run.InForce.Hash
	case s.whole != run.InForce.Hash:
		// This run did what could be done at once for a new revision. Removals need a run that reads everything.
		s.dirty.Everything()
		return runner.Result{RequeueAfter: time.Millisecond}, out.Done > 0, nil
	}
	switch {
	case out.Done > 0: // the next run does what these steps made possible
		return runner.Result{RequeueAfter: 50 * time.Millisecond}, true, nil
	case run.Incomplete() != nil:
		return runner.Result{}, false, run.Incomplete()
	}
	return runner.Result{RequeueAfter: s.ComeBack(run)}, false, nil
}

// Notice notes an event of the engine and reports whether a run is worth it.
func (s *Session) Notice(e engine.Event) bool {
	return s.Reconciler.Notice(&s.dirty, e, s.waiting.Load())
}

// NoticeAll makes the next run read everything.
func (s *Session) NoticeAll() { s.dirty.Everything() }

// StatusNow returns the last report, with the health of the objects now: see report.Showing.
func (s *Session) StatusNow(ctx context.Context) status.Status { return s.showing.Now(ctx) }

// Wait blocks until the work that runs began in the background has ended. Call it after the context of the runs has
// ended.
func (s *Session) Wait() { s.certificates.Wait() }
