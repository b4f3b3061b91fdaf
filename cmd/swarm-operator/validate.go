package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func newValidate() *cobra.Command {
	var src sourceFlags
	var output string
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the manifests, offline",
		Long:  "Reports every problem at once, with file and line. Exits 0 where there is none and 2 where there is one.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			source, err := src.open(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer source.Close()
			commit, err := source.Head(cmd.Context())
			if err != nil {
				return err
			}
			set, problems := reconciler.NewLoader().Load(commit.Tree, src.root())
			for _, text := range commit.Trailers(plan.Trailer) {
				if _, err := plan.ParseConsent(text); err != nil {
					problems = append(problems, v1.Problem{Message: fmt.Sprintf("commit %s: %s: %v", commit.Short(), plan.Trailer, err)})
				}
			}
			switch output {
			case "json":
				if problems == nil {
					problems = []v1.Problem{}
				}
				if err := json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"objects": len(set.Entries), "problems": problems}); err != nil {
					return err
				}
			case "text":
				printProblems(cmd.OutOrStdout(), problems)
			default:
				return fmt.Errorf("--output: %q is not one of text, json", output)
			}
			if len(problems) > 0 {
				return exit{exitError, errors.New(v1.Count(len(problems), "problem"))}
			}
			if output == "text" {
				fmt.Fprintf(cmd.OutOrStdout(), "%s, no problem\n", v1.Count(len(set.Entries), "object"))
			}
			return nil
		},
	}
	src.register(cmd, true)
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}
