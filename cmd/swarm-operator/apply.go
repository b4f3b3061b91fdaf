package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func newApply() *cobra.Command {
	var src sourceFlags
	var eng engineFlags
	var budgets budgetFlags
	var consents []string
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make the swarm match the manifests, once",
		Long: `Prints the plan and carries it out, and repeats that until only steps are left that wait for a person. It never asks.
Exits 0 when done, 1 where something is held, refused or (with --wait) failed, and 2 on errors.
An interrupt lets the calls in hand finish and begins no more.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, done, err := open(cmd, &src, &eng, budgets.Budgets, consents, false)
			if err != nil {
				return err
			}
			defer done()
			defer r.Release(cmd.Context(), true)
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return (&applying{cmd: cmd, r: r, wait: wait, timeout: timeout}).run(ctx)
		},
	}
	src.register(cmd, false)
	eng.register(cmd)
	budgets.register(cmd)
	cmd.Flags().StringArrayVar(&consents, "consent", nil, "hazard to agree to, as in a commit's Consent trailer: --consent 'removals Service/a'")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until what changed is rolled out")
	cmd.Flags().DurationVar(&timeout, "timeout", 15*time.Minute, "how long to go on")
	return cmd
}

// applying repeats plan and do.
type applying struct {
	cmd     *cobra.Command
	r       *reconciler.Reconciler
	wait    bool
	timeout time.Duration
	printed map[string]bool // what was shown of plans before: while something waits it would be shown again and again
	first   bool            // the plan in hand is the first one
	errors  int             // runs in a row that failed
	waited  bool            // it was said that somebody else acts
}

// tries is how many runs in a row may fail before apply gives up.
const tries = 5

func (a *applying) run(ctx context.Context) error {
	for {
		run, err := a.r.Plan(ctx)
		switch {
		case ctx.Err() != nil:
			return a.ended(ctx)
		case err != nil && a.printed == nil:
			return err // nothing has begun: say at once what is wrong
		case err != nil:
			if a.errors++; a.errors >= tries {
				return fmt.Errorf("giving up after %d runs that failed: %w", tries, err)
			}
			pause(ctx, time.Duration(a.errors)*200*time.Millisecond)
			continue
		case !run.Usable():
			return refused(a.cmd.ErrOrStderr(), run)
		}
		a.print(run)
		// Also where no step is left there may be something to remember.
		out, err := a.r.Apply(ctx, run, func(e apply.Event) { progress(a.cmd.OutOrStdout(), e) })
		if err == nil {
			err = out.Err()
		}
		standby, waits := errors.AsType[*reconciler.Standby](err)
		switch {
		case ctx.Err() != nil:
			return a.ended(ctx)
		case waits:
			if !a.waited {
				fmt.Fprintln(a.cmd.ErrOrStderr(), "note:", standby)
				a.waited = true
			}
			pause(ctx, standby.Again)
		case err != nil || out.Stale:
			if a.errors++; a.errors >= tries {
				return errors.Join(fmt.Errorf("giving up after %d runs that failed", tries), err)
			}
			pause(ctx, time.Duration(a.errors)*200*time.Millisecond)
		case !run.Plan.Waiting() && onlyCreates(run.Plan) && out.Delivered == 0:
			return a.finish(ctx, run)
		case out.Done > 0:
			a.errors = 0
		default:
			pause(ctx, reconciler.Poll/2)
		}
	}
}

// onlyCreates says that nothing can follow from a plan that was carried out without an error: looking again would find
// nothing. So it is with a plan that has no steps.
func onlyCreates(p plan.Plan) bool {
	return !slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Op != diff.Create })
}

// print shows the plan, and of the next ones the headings of what is new.
func (a *applying) print(run *reconciler.Run) {
	first := a.printed == nil
	a.first = first
	if first {
		a.printed = map[string]bool{}
		printPlan(a.cmd, run, false)
	}
	for _, block := range run.Plan.Blocks(nil) {
		heading, _, _ := strings.Cut(block, "\n")
		if !first && !a.printed[heading] {
			fmt.Fprintln(a.cmd.OutOrStdout(), heading)
		}
		a.printed[heading] = true
	}
}

func progress(w io.Writer, e apply.Event) {
	for _, warning := range e.Warnings {
		fmt.Fprintf(w, "warning: %s: %s\n", e.Step.Key, v1.Scrub(warning))
	}
	if e.Stale {
		return // planned again at once
	}
	if e.Err != nil {
		fmt.Fprintf(w, "failed: %s %s: %s\n", e.Step.Op.Word(), e.Step.Key, v1.Scrub(e.Err.Error()))
		return
	}
	fmt.Fprintf(w, "done: %s %s\n", e.Step.Op.Word(), e.Step.Key)
}

func (a *applying) finish(ctx context.Context, run *reconciler.Run) error {
	if a.wait {
		if err := a.r.Wait(ctx, run, newWatcher(a.cmd.OutOrStdout())); err != nil {
			if ctx.Err() != nil {
				return a.ended(ctx)
			}
			return err2exit(err)
		}
	}
	switch {
	case len(run.Plan.Steps) > 0:
		fmt.Fprintf(a.cmd.OutOrStdout(), "revision %s, source %s: done\n", run.InForce.Short(), run.Source)
	case !a.first:
		fmt.Fprintf(a.cmd.OutOrStdout(), "revision %s, source %s: %s\n", run.InForce.Short(), run.Source, run.Plan.Summary())
	}
	if run.Plan.Held() {
		return exit{exitDiffers, errors.New(heldText(held(run.Plan)))}
	}
	return nil
}

func err2exit(err error) error {
	if errors.Is(err, reconciler.ErrFailed) {
		return exit{exitDiffers, err}
	}
	return err
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
		return exit{exitDiffers, fmt.Errorf("not done after %s", a.timeout)}
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

func heldText(n int) string {
	if n == 1 {
		return "1 difference waits for a person"
	}
	return v1.Count(n, "difference") + " wait for a person"
}
