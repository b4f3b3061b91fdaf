package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/act"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/redact"
)

func newApply() *cobra.Command {
	var src sourceFlags
	var eng engineFlags
	var budgets budgetFlags
	var consents []string
	var wait bool
	var timeout time.Duration
	var record auditFlag
	var out output
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make the swarm match the manifests, once",
		Long: `Apply prints the plan, carries it out, and repeats both until only steps are left that wait for a person. It never asks.
It exits with 0 when everything is done; with 1 if something is held or refused or, with --wait, has failed, or if --timeout is
over; and with 2 on errors. An interrupt lets calls that have begun finish, and begins no more. If cluster volumes cannot be
listed, a secret whose manifest is gone stays; apply then does everything else and exits with 1, unless the source has volumes itself.

With -o json it prints one document when it ends, also if it fails after the plan was made: what diff prints, about what is left, with
what was done and the outcome. The text goes to the standard error meanwhile.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkPositive("timeout", timeout); err != nil {
				return err
			}
			audited, err := record.command(cmd, out)
			if err != nil {
				return err
			}
			defer audited()
			r, done, err := open(cmd, &src, &eng, budgets, consents, false)
			if err != nil {
				return err
			}
			defer done()
			defer r.Release(cmd.Context(), true)
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			a := &applying{cmd: cmd, r: r, wait: wait, timeout: timeout, out: cmd.OutOrStdout()}
			if !out.json() {
				return a.run(ctx)
			}
			w, d := behind(cmd.ErrOrStderr())
			a.out = &door{w, d.known, redact.Git}
			err = a.run(ctx)
			return errors.Join(err, document(cmd.OutOrStdout(), a.result(err)))
		},
	}
	src.register(cmd, false)
	src.guarded(cmd)
	src.comparing(cmd)
	eng.register(cmd)
	eng.registerStated(cmd, false)
	budgets.register(cmd)
	record.register(cmd)
	out.register(cmd, "output format")
	cmd.Flags().StringArrayVar(&consents, "consent", nil, "agree to this hazard in this run, for example 'removals Service/a'; may be given again")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until what changed is rolled out")
	cmd.Flags().DurationVar(&timeout, "timeout", 15*time.Minute, "how long to go on before giving up")
	vocabulary{&src.location, &eng}.register(cmd)
	return cmd
}

// applying plans and applies until nothing is left to do.
type applying struct {
	cmd     *cobra.Command
	r       *reconciler.Reconciler
	wait    bool
	timeout time.Duration
	out     io.Writer // where text goes
	printing
	bounded
	stale   error           // error of the last step of the run that found the swarm changed
	last    *reconciler.Run // the run with the plan in hand
	carried map[int]bool    // which steps of that plan are done
	steps   ended           // every step that has ended
	health  []reconciler.Progress
}

// bounded counts what apply does not wait for without end.
type bounded struct {
	errors int  // how many runs in a row failed; a run that waits for another instance neither fails nor succeeds
	behind bool // whether another instance kept the last run waiting
	silent int  // how many runs waited for a node that has joined and not said its name
}

// printing is what the user was told.
type printing struct {
	printed map[string]bool // what was shown of earlier plans: each step that waits is shown once
	first   bool            // whether the plan in hand is the first one
	waited  bool            // whether the user was told that another instance acts
}

var errChanging = errors.New("somebody else changes the objects of the plan faster than apply can write; find out who, and apply again")

// tries is how many runs in a row may fail before apply gives up.
const tries = 5

func (a *applying) run(ctx context.Context) error {
	for {
		run, err := a.r.Plan(ctx)
		switch {
		case ctx.Err() != nil:
			return a.ended(ctx)
		case err != nil && a.printed == nil:
			return err // nothing has begun: report at once what is wrong
		case err != nil:
			if err := a.failed(ctx, err); err != nil {
				return err
			}
			continue
		case !run.Usable():
			a.last = run
			return refused(a.cmd, run)
		}
		a.last, a.carried = run, map[int]bool{}
		a.print(run)
		// Apply even if no step is left: there may be something to remember.
		behind := a.behind
		a.stale, a.behind = nil, false
		out, err := a.r.Apply(ctx, run, a.stepped)
		a.delivered(out.Delivered)
		if err == nil {
			err = out.Err()
		}
		standby, waits := errors.AsType[*act.Standby](err)
		switch {
		case ctx.Err() != nil:
			return a.ended(ctx)
		case waits:
			a.behind = true
			if !a.waited {
				note(a.cmd, "%v", standby)
				a.waited = true
			}
			pause(ctx, standby.Again)
		case err != nil:
			if err := a.failed(ctx, err); err != nil {
				return err
			}
		case out.Stale:
			if err := a.outdated(ctx, behind, out.Done); err != nil {
				return err
			}
		case !run.Plan.Waiting() && onlyCreates(run.Plan) && len(out.Delivered) == 0 && !a.listens(run):
			return a.finish(ctx, run)
		case out.Done > 0:
			a.errors = 0
		case run.Incomplete() != nil: // what it waits for cannot be seen
			if err := a.failed(ctx, run.Incomplete()); err != nil {
				return err
			}
		case a.givesUp(ctx, run.Unsure()):
			return a.finish(ctx, run)
		case run.Unsure() != nil: // it tries again
		default:
			a.errors = 0
			a.r.Release(ctx, false) // others may act until there is something to do
			pause(ctx, decide.Poll/2)
		}
	}
}

// failed counts a run that failed, and waits until the next one. Others may act meanwhile: the next run may hang for as
// long as the engine does not answer. It fails after several in a row.
func (a *applying) failed(ctx context.Context, err error) error {
	if err := a.failedOnce(err); err != nil {
		return err
	}
	a.r.Release(ctx, false)
	a.rest(ctx)
	return nil
}

// outdated counts a run whose plan did not fit the swarm any more. The lease stays, so that no other instance makes the
// next plan useless as well. The run does not count if another instance kept the one before waiting: that instance may
// have acted until after the plan was made. If the run has done some of its steps, apply comes further.
func (a *applying) outdated(ctx context.Context, behind bool, done int) error {
	if done > 0 {
		a.errors = 0
	}
	if behind && a.stale == nil {
		return nil
	}
	if err := a.failedOnce(cmp.Or(a.stale, errChanging)); err != nil {
		return err
	}
	a.rest(ctx)
	return nil
}

// failedOnce counts a run that failed. It fails after several in a row.
func (a *applying) failedOnce(err error) error {
	if a.errors++; a.errors >= tries {
		return fmt.Errorf("giving up after %d runs in a row that failed; what is done stays, and the next apply goes on from here. The last error: %w", tries, err)
	}
	return nil
}

// rest waits before the next run. It waits longer, the more runs have failed.
func (a *applying) rest(ctx context.Context) {
	pause(ctx, time.Duration(a.errors)*200*time.Millisecond)
}

// givesUp reports whether apply leaves undone what waits for a list that failed with this error, which may be nil. It does so at
// once if the engine denies the list, because a filter may do that for good. After any other failure it first tries again.
func (a *applying) givesUp(ctx context.Context, err error) bool {
	return err != nil && (engine.IsPermission(err) || a.failed(ctx, err) != nil)
}

// onlyCreates reports whether every step of the plan creates an object. It is true of a plan without steps. When such
// a plan was carried out without an error, apply need not look again, because nothing can be left to do.
func onlyCreates(p plan.Plan) bool {
	return !slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Op != diff.Create })
}

// mostSilent is how many runs wait for a node that has joined to say its name. That is half a minute.
const mostSilent = 60

// listens reports whether a node has joined that is not on record yet as one whose engine the operator reached. It will
// be as soon as it has said its name, within a second or so. If it says none, the next apply asks its engine.
func (a *applying) listens(run *reconciler.Run) bool {
	if !slices.ContainsFunc(run.Plan.Steps, kinds.Joins) && len(run.Surveyed.Remembered.Joined) == 0 {
		return false
	}
	a.silent++
	return a.silent <= mostSilent
}

// print shows the first plan in full. From later plans it shows only the headings that are new, with their notes. A
// change of a role is always in a later plan, and its notes say which tasks it ends.
func (a *applying) print(run *reconciler.Run) {
	first := a.printed == nil
	a.first = first
	if first {
		a.printed = map[string]bool{}
		printPlan(a.cmd, a.out, run, false)
	}
	for _, block := range told(knownOf(a.cmd), run.Plan).Blocks(nil) {
		heading, _, _ := strings.Cut(block, "\n")
		if !first && !a.printed[heading] {
			fmt.Fprint(a.out, paintPlan(screenOf(a.cmd, a.out), plan.Brief(block)))
		}
		a.printed[heading] = true
	}
}

// ended are steps that have ended. A step is in failed as often as the engine refused it.
type ended struct {
	done, failed []status.Taken
	delivered    []status.Delivery
}

// delivered notes and prints what went to sinks.
func (a *applying) delivered(all []plan.Delivery) {
	on := screenOf(a.cmd, a.out)
	for _, d := range status.DeliveriesOf(all) {
		a.steps.delivered = append(a.steps.delivered, d)
		fmt.Fprintf(a.out, "%s %s to sink %s\n", on.Paint(screen.Good, "delivered:"), d.What, d.To)
	}
}

// stepped notes and prints how a step ended.
func (a *applying) stepped(e apply.Event) {
	on, c := screenOf(a.cmd, a.out), status.TakenOf(e.Step, e.Err, e.Warnings)
	c.Why, c.Warnings = safe(knownOf(a.cmd), c.Why), shown(knownOf(a.cmd), c.Warnings)
	for _, warning := range c.Warnings {
		fmt.Fprintf(a.out, "%s %s: %s\n", on.Paint(screen.Busy, "warning:"), c.Object, warning)
	}
	if e.Stale {
		a.stale = e.Err
		return // it is planned again at once
	}
	if e.Err != nil {
		a.steps.failed = append(a.steps.failed, c)
		fmt.Fprintf(a.out, "%s %s %s: %s\n", on.Paint(screen.Bad, "failed:"), c.Operation, c.Object, c.Why)
		return
	}
	a.carried[e.Step.ID] = true
	a.steps.done = append(a.steps.done, c)
	fmt.Fprintf(a.out, "%s %s %s\n", on.Paint(screen.Good, "done:"), c.Operation, c.Object)
}

// result returns the document for a run that ended with err.
func (a *applying) result(err error) applied {
	out := applied{Plan: status.Plan{Steps: []status.Step{}, Refused: []status.Refusal{}}, Done: append([]status.Taken{}, a.steps.done...), StepsFailed: a.steps.failed, Delivered: a.steps.delivered}
	var left plan.Plan
	foreign := false
	if a.last != nil {
		run := *a.last
		run.Plan.Steps = slices.DeleteFunc(slices.Clone(run.Plan.Steps), func(s plan.Step) bool { return a.carried[s.ID] })
		out.Plan, left, foreign = planOf(&run, knownOf(a.cmd)), run.Plan, run.Foreign
	}
	for _, p := range a.health {
		if p.Failed() {
			failed := status.Failure{Object: p.Key, Why: safe(knownOf(a.cmd), p.Why), Revision: out.Revision}
			if !p.Own {
				failed.Revision = cmp.Or(a.last.FailureOf(p.Key).Revision, p.By)
			}
			out.Failed = append(out.Failed, failed)
		}
	}
	if byOthers(err) {
		out.InSync = false
	}
	switch {
	case err == nil:
		out.Outcome = a.well()
	case len(out.Problems) > 0:
		out.Outcome = state.Refused
	case len(out.Failed) > 0:
		out.Outcome = state.Failed
	case len(left.Steps) == 0 && (left.Held() || foreign):
		out.Outcome = state.Held
	default:
		out.Outcome = status.Unfinished
	}
	return out
}

// well returns the outcome if nothing went wrong.
func (a *applying) well() string {
	if a.wait {
		return state.RolledOut
	}
	return allDone
}

func (a *applying) finish(ctx context.Context, run *reconciler.Run) error {
	if a.wait && !run.Foreign {
		a.r.Release(ctx, false) // others may act meanwhile
		watch := newWatcher(a.out, screenOf(a.cmd, a.out))
		err := a.r.Wait(ctx, run, func(all []reconciler.Progress) { a.health = all; watch(all) })
		if ctx.Err() != nil {
			return a.ended(ctx)
		}
		if err == nil || errors.Is(err, reconciler.ErrFailed) {
			if err := a.r.Conclude(ctx, run, a.health); err != nil {
				note(a.cmd, "the outcome could not be written to the memory of the source, so history does not show it: %v", err)
			}
		}
		if err != nil {
			return err2exit(err)
		}
	}
	switch {
	case len(run.Plan.Steps) > 0:
		tell(a.out, run, a.well())
	case !a.first:
		tell(a.out, run, summary(run))
	}
	if run.Plan.Held() {
		return exit{exitDiffers, errors.New(heldText(held(run.Plan)))}
	}
	if run.Foreign {
		return exit{exitDiffers, errors.New(run.OtherSource())}
	}
	if err := run.Unsure(); err != nil {
		return exit{exitDiffers, fmt.Errorf("%s: %w", unsureText(run.Plan), err)}
	}
	return nil
}

func err2exit(err error) error {
	if errors.Is(err, reconciler.ErrFailed) || byOthers(err) {
		return exit{exitDiffers, err}
	}
	return err
}

// byOthers reports whether a wait ended because somebody else changed or removed what it was waiting for.
func byOthers(err error) bool {
	return errors.Is(err, reconciler.ErrChanged) || errors.Is(err, reconciler.ErrGone)
}

func held(p plan.Plan) int {
	n := 0
	for _, r := range p.Refused {
		if r.Class != plan.Later && !r.Quiet {
			n++
		}
	}
	return n
}

func (a *applying) ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		text := fmt.Sprintf("not done after %s; the next apply goes on from here", a.timeout)
		for _, p := range a.health {
			if !p.Ready() && p.Awaited() {
				text += fmt.Sprintf("\n%s: %s", p.Key, p.Why)
			}
		}
		return exit{exitDiffers, errors.New(text)}
	}
	return exit{exitError, errors.New("interrupted; the calls in hand were finished, and the next apply goes on from here")}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// unsureText says which objects stay because cluster volumes could not be listed, in front of the reason.
func unsureText(p plan.Plan) string {
	n := 0
	for _, r := range p.Refused {
		if r.Unsure() && !r.Quiet {
			n++
		}
	}
	if n == 1 {
		return "a secret whose manifest is gone stays, because a cluster volume may have it, and cluster volumes cannot be listed. If a filter denies GET /volumes, let swarm-operator call it; otherwise mend what the error says. Then apply again. The error"
	}
	return fmt.Sprintf("%d secrets whose manifests are gone stay, because cluster volumes may have them, and cluster volumes cannot be listed. If a filter denies GET /volumes, let swarm-operator call it; otherwise mend what the error says. Then apply again. The error", n)
}

func heldText(n int) string {
	if n == 1 {
		return "1 difference waits for a person; its refusal in the plan says why, and what to do"
	}
	return v1.Count(n, "difference") + " wait for a person; their refusals in the plan say why, and what to do"
}
