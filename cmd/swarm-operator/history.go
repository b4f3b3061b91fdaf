package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

func newHistory() *cobra.Command {
	var eng engineFlags
	var name, output string
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show which revisions were in force, and what became of them",
		Long: `The newest comes first, and before it a newer one that was refused. Outcomes are rolled-out, failed, held (something waits for
a person), refused (it has problems and never came into force); what has none is on its way, or was overtaken.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output: %q is not one of text, json", output)
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
			source, err := pickSource(name, state.Sources(own))
			if err != nil {
				return err
			}
			found, err := state.NewStore(source, c).Find(own)
			if err != nil {
				return err
			}
			return printHistory(cmd.OutOrStdout(), output, source, found.Memory)
		},
	}
	eng.register(cmd)
	registerName(cmd, &name)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func printHistory(w io.Writer, output, source string, m state.Memory) error {
	entries := slices.Clone(m.History)
	slices.Reverse(entries)
	if m.Refused != nil {
		refused := *m.Refused
		refused.Outcome = cmp.Or(refused.Outcome, state.Refused)
		entries = slices.Insert(entries, 0, refused)
	}
	if output == "json" {
		if entries == nil {
			entries = []state.Entry{}
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(struct {
			Source  string         `json:"source"`
			InForce state.Revision `json:"inForce,omitzero"`
			History []state.Entry  `json:"history"`
		}{source, m.InForce, entries})
	}
	if len(entries) == 0 {
		fmt.Fprintf(w, "source %s: no revision was in force yet\n", source)
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REVISION\tCOMMITTED\tIN FORCE SINCE\tOUTCOME\tWHY")
	inForce := len(entries) - len(m.History)
	for i, e := range entries {
		outcome := e.Outcome
		if outcome == "" && i == inForce && e.Hash == m.InForce.Hash {
			outcome = "rolling out"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", short(e.Hash), moment(e.When), moment(e.Since), cmp.Or(outcome, "-"), v1.Scrub(e.Why))
	}
	return t.Flush()
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
