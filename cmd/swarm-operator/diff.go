package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/bootstrap"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func newDiff() *cobra.Command {
	var src sourceFlags
	var eng engineFlags
	var budgets budgetFlags
	var output string
	var consents []string
	var show bool
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show what would change, and write nothing",
		Long: `Compares the specs that the manifests ask for with those of the swarm. Roll-outs are not looked at.
Exits 0 where nothing differs, 1 where something does, and above 1 on errors.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output: %q is not one of text, json", output)
			}
			if show && !term.IsTerminal(int(os.Stdout.Fd())) {
				return errors.New("--show-values works on a terminal only")
			}
			run, err := plannedOnce(cmd, &src, &eng, budgets.Budgets, consents)
			if err != nil {
				return err
			}
			if output == "json" {
				err = printJSON(cmd, run)
			} else {
				printPlan(cmd, run, show)
			}
			if err == nil && !run.Plan.InSync() {
				err = exit{code: exitDiffers}
			}
			return err
		},
	}
	src.register(cmd, true)
	eng.register(cmd)
	budgets.register(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().StringArrayVar(&consents, "consent", nil, "hazard to take as agreed to, as in a commit's Consent trailer")
	cmd.Flags().BoolVar(&show, "show-values", false, "show environment values that look like secrets; on a terminal only, and never the content of secrets")
	return cmd
}

func plannedOnce(cmd *cobra.Command, src *sourceFlags, eng *engineFlags, budgets plan.Budgets, consents []string) (*reconciler.Run, error) {
	r, done, err := open(cmd, src, eng, budgets, consents, true)
	if errors.Is(err, bootstrap.ErrNone) {
		return nil, exit{exitDiffers, err}
	}
	if err != nil {
		return nil, err
	}
	defer done()
	run, err := r.Plan(cmd.Context())
	if err != nil {
		return nil, err
	}
	if !run.Usable() {
		return nil, refused(cmd.ErrOrStderr(), run)
	}
	return run, nil
}

// open makes a reconciler for a command that runs once.
func open(cmd *cobra.Command, src *sourceFlags, eng *engineFlags, budgets plan.Budgets, texts []string, observe bool) (*reconciler.Reconciler, func(), error) {
	consents, err := parseConsents(texts)
	if err != nil {
		return nil, nil, err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // a process that soon ends need not tidy up often; some memory buys a third of the time
	}
	log, err := eng.quiet(cmd)
	if err != nil {
		return nil, nil, err
	}
	source, err := src.open(cmd.Context(), cmd.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}
	loader := reconciler.NewLoader()
	client, err := eng.find(cmd.Context(), source, src.root(), loader, eng.options(cmd, log, nil), !observe, func(text string) { fmt.Fprintln(cmd.OutOrStdout(), text) })
	if err != nil {
		source.Close()
		return nil, nil, err
	}
	r := reconciler.New(reconciler.Options{
		Engine: client, Source: source, Path: src.root(), Name: src.name, Consents: consents, Budgets: budgets, Observe: observe, Log: log, Loader: loader,
		Lease: state.NewLease(state.LeaseOptions{Engine: client, Instance: fmt.Sprintf("%s (%s)", hostname(), cmd.Name()), Eager: true, Log: log, Pace: pace()}),
	})
	return r, func() { source.Close(); client.Close() }, nil
}

func printPlan(cmd *cobra.Command, run *reconciler.Run, showValues bool) {
	show := diff.Value.String
	if showValues {
		show = func(v diff.Value) string {
			if v.Hidden() && v.Set() && v.Reveal() != "" {
				return v.Reveal()
			}
			return v.String()
		}
	}
	fmt.Fprint(cmd.OutOrStdout(), run.Plan.Text(show))
	for _, n := range run.Notices {
		fmt.Fprintln(cmd.ErrOrStderr(), "note:", v1.Scrub(n))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "revision %s, source %s: %s\n", run.InForce.Short(), run.Source, run.Plan.Summary())
}

func printJSON(cmd *cobra.Command, run *reconciler.Run) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Source   string   `json:"source"`
		Revision string   `json:"revision"`
		InSync   bool     `json:"inSync"`
		Notices  []string `json:"notices,omitempty"`
		plan.Plan
	}{run.Source, run.InForce.Hash, run.Plan.InSync(), run.Notices, run.Plan})
}
