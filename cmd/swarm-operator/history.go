package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

func newHistory() *cobra.Command {
	var eng engineFlags
	var name, place string
	var out output
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show which revisions were in force, and what became of them",
		Long: `The newest revision comes first; a newer one that was refused stands above it. The outcome is one of these words:

  rolled-out   everything in it exists and is ready
  rolling-out  it is in force, and not everything in it is ready; history says which services are not, and why
  failed       something in it failed
  held         something in it waits for a person
  superseded   a newer revision took its place before its outcome was known
  refused      it has problems and never came into force`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkPlace(cmd, place); err != nil {
				return err
			}
			c, _, err := eng.openQuiet(cmd)
			if err != nil {
				return err
			}
			defer c.Close()
			own, err := state.Read(cmd.Context(), c)
			if err != nil {
				return err
			}
			dir := openCheckout(cmd.Context(), place)
			defer dir.close()
			source, err := pickSource(cmd, name, state.Sources(own), dir)
			if err != nil {
				return err
			}
			found, err := state.NewStore(source, c).Find(own)
			if err != nil {
				return err
			}
			if n := len(found.Memory.History) - 1; n >= 0 && found.Memory.History[n].Outcome == "" {
				why := strings.TrimPrefix(unfinished(cmd.Context(), c, reconciler.Learner(knownOf(cmd)), source, found.Memory), ": ")
				found.Memory.History = slices.Clone(found.Memory.History)
				found.Memory.History[n].Why = why
			}
			return printHistory(cmd.OutOrStdout(), screenOf(cmd, cmd.OutOrStdout()), out, chronicleOf(source, found.Memory))
		},
	}
	eng.register(cmd)
	registerName(cmd, &name)
	registerCheckout(cmd, &place)
	out.register(cmd, "output format")
	vocabulary{&place, &eng}.register(cmd)
	return cmd
}

// outcomes are the colours of the outcomes of a revision.
var outcomes = map[string]screen.Ink{
	state.RolledOut: screen.Good, status.RollingOut: screen.Busy, state.Held: screen.Busy, state.Failed: screen.Bad, state.Refused: screen.Bad,
}

func printHistory(w io.Writer, on screen.Screen, out output, c chronicle) error {
	if out.json() {
		return document(w, c)
	}
	if len(c.History) == 0 {
		fmt.Fprintf(w, "source %s: no revision was in force yet\n", c.Source)
		return nil
	}
	rows := []screen.Row{screen.Titles("REVISION", "COMMITTED", "IN FORCE SINCE", "OUTCOME", "WHY")}
	for _, r := range c.History {
		row := screen.Texts(short(r.Hash), status.When(r.When), status.When(r.Since), r.Outcome, r.Why)
		row[3].Ink = outcomes[r.Outcome]
		rows = append(rows, row)
	}
	var b strings.Builder
	on.Columns(&b, rows)
	_, err := io.WriteString(w, b.String())
	return err
}
