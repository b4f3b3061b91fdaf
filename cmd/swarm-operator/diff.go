package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/swarm-operator/swarm-operator/controllers/bootstrap"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
)

func newDiff() *cobra.Command {
	var src sourceFlags
	var eng engineFlags
	var budgets budgetFlags
	var out output
	var consents []string
	var show bool
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show what would change, and write nothing",
		Long: `Diff compares the specs that the manifests ask for with those of the swarm. It does not look at roll-outs.
It exits with 0 if nothing differs, with 1 if something does, and with more than 1 on errors.
If only the manifests name engines, diff connects to none of them unless you give --probe-engines.
With -o json it prints one document with the same. For a revision that is refused whole, the document has its problems.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if show && !term.IsTerminal(int(os.Stdout.Fd())) {
				return errors.New("--show-values: the output is no terminal, and hidden values are shown on a terminal only")
			}
			run, err := plannedOnce(cmd, &src, &eng, budgets, consents)
			if err != nil {
				return err
			}
			if out.json() {
				err = document(cmd.OutOrStdout(), planOf(run, knownOf(cmd)))
			} else if run.Usable() {
				printPlan(cmd, cmd.OutOrStdout(), run, show)
			}
			if err == nil && !run.Usable() {
				return refused(cmd, run)
			}
			if err == nil && !run.InSync() {
				err = exit{code: exitDiffers}
			}
			return err
		},
	}
	src.register(cmd, true)
	src.guarded(cmd)
	src.comparing(cmd)
	eng.register(cmd)
	eng.registerStated(cmd, true)
	budgets.register(cmd)
	out.register(cmd, "output format")
	cmd.Flags().StringArrayVar(&consents, "consent", nil, "plan as if somebody had agreed to this hazard, for example 'removals Service/a'; may be given again")
	cmd.Flags().BoolVar(&show, "show-values", false, "show values that are otherwise hidden; on a terminal only, and never the content of configs and secrets")
	vocabulary{&src.location, &eng}.register(cmd)
	return cmd
}

func plannedOnce(cmd *cobra.Command, src *sourceFlags, eng *engineFlags, budgets budgetFlags, consents []string) (*reconciler.Run, error) {
	r, done, err := open(cmd, src, eng, budgets, consents, true)
	if errors.Is(err, bootstrap.ErrNone) {
		return nil, exit{exitDiffers, err}
	}
	if err != nil {
		return nil, err
	}
	defer done()
	return r.Plan(cmd.Context())
}

// open returns a reconciler for a command that runs once.
func open(cmd *cobra.Command, src *sourceFlags, eng *engineFlags, budgets budgetFlags, texts []string, observe bool) (*reconciler.Reconciler, func(), error) {
	if err := budgets.check(); err != nil {
		return nil, nil, err
	}
	consents, err := parseConsents(texts)
	if err != nil {
		return nil, nil, err
	}
	collectAfter(hasty)
	log, err := eng.quiet(cmd)
	if err != nil {
		return nil, nil, err
	}
	known, err := src.digests()
	if err != nil {
		return nil, nil, err
	}
	source, err := src.open(cmd)
	if err != nil {
		return nil, nil, err
	}
	guards, err := src.guards()
	if err != nil {
		source.Close()
		return nil, nil, err
	}
	loader := revisions.NewLoader(guards)
	client, err := eng.find(cmd.Context(), source, src.root(), loader, outside(cmd), eng.options(cmd, log, nil), !observe, func(text string) { fmt.Fprintln(cmd.OutOrStdout(), text) })
	if err != nil {
		source.Close()
		return nil, nil, err
	}
	r := reconciler.New(reconciler.Options{
		Engine: client, Log: log, Named: outside(cmd), Known: knownOf(cmd),
		Revisions: revisions.New(revisions.Options{Git: source, Path: src.root(), Name: src.name, OnProblem: budgets.onProblem, Observe: observe, Guards: guards, Loader: loader, Log: log}),
		Policy:    decide.Policy{Consents: consents, Agreeing: decide.Agreeing{CommandsOnly: budgets.consents.commandsOnly(), Worktree: src.worktree}, Budgets: budgets.Budgets, AskRewritten: budgets.asks(), Observe: observe, Digests: known, Engines: eng.allowed(), Placing: guards.Placing()},
		Lease:     state.NewLease(state.LeaseOptions{Engine: client, Instance: holderName(cmd), Eager: true, Log: log, Pace: pace()}),
	})
	return r, func() { source.Close(); client.Close() }, nil
}

func printPlan(cmd *cobra.Command, w io.Writer, run *reconciler.Run, showValues bool) {
	show := func(v diff.Value) string { return v.InGit().String() }
	if showValues {
		show = func(v diff.Value) string {
			if v = v.InGit(); v.Hidden() && v.Reveal() != "" {
				return v.Reveal()
			}
			return v.String()
		}
	}
	on := screenOf(cmd, w)
	if showValues {
		w, _ = behind(w)
	}
	for _, block := range told(knownOf(cmd), run.Plan).Blocks(show) {
		fmt.Fprint(w, paintPlan(on, block))
	}
	for _, n := range run.Notices {
		note(cmd, "%s", n)
	}
	tell(w, run, summary(run))
}

// summary says in one line what would happen.
func summary(run *reconciler.Run) string {
	if run.Foreign && run.Plan.InSync() {
		return "held, although nothing differs: it may be of another source"
	}
	return run.Plan.Summary()
}

// tell prints what became of a revision.
func tell(w io.Writer, run *reconciler.Run, what string) {
	fmt.Fprintf(w, "revision %s, source %s: %s\n", run.InForce.Short(), run.Source, what)
}
