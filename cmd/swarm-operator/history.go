package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

func newHistory() *cobra.Command {
	var eng engineFlags
	var name, place string
	var out output
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show which revisions were in force, and what became of them",
		Long: `The newest revision comes first; a newer one that was refused stands above it. The outcome is rolled-out, failed, held (something waits
for a person) or refused (the revision has problems and never came into force). A revision without an outcome is still rolling out, or
was overtaken. If the one in force is still rolling out, history says which services are not ready, and why.`,
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
				why := strings.TrimPrefix(unfinished(cmd.Context(), c, source, found.Memory), ": ")
				found.Memory.History = slices.Clone(found.Memory.History)
				found.Memory.History[n].Why = why
			}
			return printHistory(cmd.OutOrStdout(), screenOf(cmd, cmd.OutOrStdout()), out, source, found.Memory)
		},
	}
	eng.register(cmd)
	registerName(cmd, &name)
	registerCheckout(cmd, &place)
	out.register(cmd, "output format; the document has source, inForce and history")
	vocabulary{&place, &eng}.register(cmd)
	return cmd
}

// outcomes are the colours of the outcomes of a revision.
var outcomes = map[string]screen.Ink{
	state.RolledOut: screen.Good, rollingOut: screen.Busy, state.Held: screen.Busy, state.Failed: screen.Bad, state.Refused: screen.Bad,
}

// rollingOut is the word that history has for the revision in force while it has no outcome.
const rollingOut = "rolling out"

func printHistory(w io.Writer, on screen.Screen, out output, source string, m state.Memory) error {
	entries := slices.Clone(m.History)
	slices.Reverse(entries)
	if m.Refused != nil {
		refused := *m.Refused
		refused.Outcome = cmp.Or(refused.Outcome, state.Refused)
		entries = slices.Insert(entries, 0, refused)
	}
	if out.json() {
		if entries == nil {
			entries = []state.Entry{}
		}
		return document(w, struct {
			Source  string         `json:"source"`
			InForce state.Revision `json:"inForce,omitzero"`
			History []state.Entry  `json:"history"`
		}{source, m.InForce, entries})
	}
	if len(entries) == 0 {
		fmt.Fprintf(w, "source %s: no revision was in force yet\n", source)
		return nil
	}
	rows := []screen.Row{screen.Titles("REVISION", "COMMITTED", "IN FORCE SINCE", "OUTCOME", "WHY")}
	inForce := len(entries) - len(m.History)
	for i, e := range entries {
		outcome := e.Outcome
		if outcome == "" && i == inForce && e.Hash == m.InForce.Hash {
			outcome = rollingOut
		}
		row := screen.Texts(short(e.Hash), moment(e.When), moment(e.Since), cmp.Or(outcome, "-"), v1.Scrub(strings.Join(strings.Fields(whyOf(e)), " ")))
		row[3].Ink = outcomes[outcome]
		rows = append(rows, row)
	}
	var b strings.Builder
	on.Columns(&b, rows)
	_, err := io.WriteString(w, b.String())
	return err
}

// whyOf returns why a revision ended as it did, and which commits it took back.
func whyOf(e state.Entry) string {
	if e.Rewrote == nil {
		return e.Why
	}
	return strings.TrimPrefix(e.Why+"; "+e.Rewrote.Text(e.Hash), "; ")
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
