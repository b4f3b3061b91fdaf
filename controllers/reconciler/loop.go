package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
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

	dirty dirty
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
			l.dirty.everything()
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
	if run.Whole {
		l.managers = run.About.Managers
	}
	if run.Whole || run.Unread != nil || l.unread {
		l.engineCondition(run.Unread)
	}
	l.unread = run.Unread != nil
	l.Board.Found(found(run, l.Board.Report().Found, l.decider.Hidden()))
	l.moving = run.Moving()
	if !run.Usable() {
		l.Board.Set(status.InSync, false, "NoRevision", "there is no revision without a problem to go by")
		done = true
		return runner.Result{}, nil
	}
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
	out, err := l.Apply(ctx, run, func(e apply.Event) {
		l.Board.Did(e.Step, e.Epoch, e.Err, e.Stale, e.Warnings)
		for _, ref := range e.Objects {
			l.dirty.add(ref, e.Step.Op == diff.Remove)
		}
	})
	standby, waits := errors.AsType[*Standby](err)
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
	if out.Delivered > 0 { // the next run remembers it
		l.dirty.everything()
		goesOn = true
		return runner.Result{RequeueAfter: time.Millisecond}, nil
	}
	switch {
	case run.Whole:
		l.whole = run.InForce.Hash
	// The run did at once what a new revision changes. Removals need a run that reads everything.
	case l.whole != run.InForce.Hash:
		l.dirty.everything()
		goesOn = out.Done > 0
		return runner.Result{RequeueAfter: time.Millisecond}, nil
	}
	if out.Done > 0 {
		goesOn = true
		// The next run does what these steps made possible.
		return runner.Result{RequeueAfter: 50 * time.Millisecond}, nil
	}
	if run.Unread != nil {
		return runner.Result{}, run.Unread
	}
	return runner.Result{RequeueAfter: l.comeBack(run)}, nil
}

// scope returns what may have changed, and what has to be looked at because no event tells of it.
func (l *Loop) scope() Scope {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.dirty.take(l.world)
	if s.All {
		return s
	}
	s.Kinds = l.moving
	for _, key := range l.decider.Watched() {
		if live := l.world.index.ByName(key.Kind, key.Name); live != nil {
			if ref := (kinds.Ref{Kind: key.Kind, ID: live.ID}); !slices.Contains(s.Objects, ref) {
				s.Objects = append(s.Objects, ref)
			}
		}
		if len(s.Objects) > mostObjects {
			return everything
		}
	}
	return s
}

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

func (l *Loop) sourceCondition(run *Run) {
	switch {
	case run.SourceErr != nil:
		l.Board.Set(status.SourceReady, false, "SourceUnavailable", run.SourceErr.Error())
	case len(run.Problems) > 0:
		l.Board.Set(status.SourceReady, false, "Refused", fmt.Sprintf("revision %s has %s, the first: %s", run.Attempted.Short(), v1.Count(len(run.Problems), "problem"), run.Problems[0]))
	default:
		l.Board.Set(status.SourceReady, true, "Read", "")
	}
}

// actorConditions set whether this instance acts, and what keeps it from acting.
func (l *Loop) actorConditions(run *Run, standby *Standby) {
	f := run.Facts
	lease := l.Lease.View()
	holds := status.Concerning(f.Holds, run.Source, run.Keys(), f.Now)
	l.Board.Context(leaseOf(lease), holds, f.Paused)
	if standby != nil {
		l.Board.Set(status.Standby, true, "LeaseHeld", "there is something to do: "+standby.Error())
	} else {
		l.Board.Set(status.Standby, false, "NotWaiting", "")
	}
	l.Board.Set(status.Paused, f.Paused != "", map[bool]string{true: "NeedsConfirm", false: "Acting"}[f.Paused != ""], f.Paused)
	held := make([]string, 0, len(holds))
	for _, h := range holds {
		held = append(held, h.Target+": "+h.Text())
	}
	l.Board.Set(status.OnHold, len(held) > 0, map[bool]string{true: "Held", false: "Nothing"}[len(held) > 0], strings.Join(held, "; "))
	outdated := ""
	if run.Outdated {
		outdated = fmt.Sprintf("revision %s is older than %.10s, which is in force: this instance does not act", run.InForce.Short(), run.Found.Memory.InForce.Hash)
	}
	l.rewrittenCondition(run)
	l.Board.Set(status.Outdated, run.Outdated, map[bool]string{true: "OlderRevision", false: "Current"}[run.Outdated], outdated)
}

// noQuorum says how many managers are needed, if that is known. An engine without a leader does not know how many
// there are.
func noQuorum(managers int, err error) string {
	if managers == 0 {
		return err.Error()
	}
	return fmt.Sprintf("nothing is written: %d of the swarm's %d managers have to reach each other, and fewer do; start those that are down, or bring the network between them back: %v", managers/2+1, managers, err)
}

func (l *Loop) engineCondition(err error) {
	switch {
	case err == nil:
		l.Board.Set(status.EngineReady, true, "Reached", "")
	case engine.IsNoQuorum(err):
		l.Board.Set(status.EngineReady, false, "NoQuorum", noQuorum(l.managers, err))
	case engine.IsNotManager(err):
		l.Board.Set(status.EngineReady, false, "NotManager", err.Error())
	case engine.IsLocked(err):
		l.Board.Set(status.EngineReady, false, "Locked", err.Error())
	default:
		l.Board.Set(status.EngineReady, false, "Unavailable", err.Error())
	}
}

func (l *Loop) planConditions(run *Run) {
	p := run.Plan
	l.Board.Set(status.InSync, p.InSync(), map[bool]string{true: "InSync", false: "Differs"}[p.InSync()], "")
	held := ""
	for _, r := range p.Refused {
		if r.Class != plan.Later && !r.Quiet {
			held = fmt.Sprintf("%s: %s", r.Key, r.Why)
			break
		}
	}
	l.Board.Set(status.Held, held != "", map[bool]string{true: "NeedsAPerson", false: "Nothing"}[held != ""], held)
	contended := ""
	for _, r := range p.Refused {
		if r.Contended() {
			contended = fmt.Sprintf("%s: %s", r.Key, r.Why)
			break
		}
	}
	l.Board.Set(status.Contended, contended != "", map[bool]string{true: "WrittenAgainAndAgain", false: "Nothing"}[contended != ""], contended)
	failed := ""
	if all := run.FailedWants(); len(all) > 0 {
		failed = fmt.Sprintf("%s: %s", all[0].Key, all[0].Why)
	}
	waits := l.decider.Placeless()
	l.Board.Set(status.TasksWaiting, waits != "", map[bool]string{true: "NoPlace", false: "None"}[waits != ""], waits)
	l.Board.Set(status.RolloutFailed, failed != "", map[bool]string{true: "WantFailed", false: "None"}[failed != ""], failed)
}

// rewrittenCondition sets whether the history of the source was rewritten.
func (l *Loop) rewrittenCondition(run *Run) {
	reason, text := run.Rewritten()
	if text == "" {
		l.Board.Set(status.HistoryRewritten, false, "Nothing", "")
		return
	}
	l.Board.Set(status.HistoryRewritten, true, reason, text)
}
