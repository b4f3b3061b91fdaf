package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/redact"
)

func newValidate() *cobra.Command {
	var src sourceFlags
	var insecure bool
	var sockets socketPatterns
	var out output
	var consents consentsFlag
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the manifests, offline",
		Long: `Validate reports every problem at once, with file and line. It exits with 0 if there is none, and with 2 if there is one.
Notes point at things that are valid but probably a mistake; they do not change the exit code. With --config, that is also a
sink, a root of a CA or a file for TLS that the configuration does not define.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			source, err := src.open(cmd)
			if err != nil {
				return err
			}
			defer source.Close()
			commit, err := source.Head(cmd.Context())
			if err != nil {
				return err
			}
			guards, err := src.guards()
			if err != nil {
				return err
			}
			set, problems := revisions.NewLoader(guards).Load(commit.Tree, src.root())
			redact.AllowInGit(set.Show)
			stated := make([]v1.Object, 0, len(set.Entries))
			for _, e := range set.Entries {
				stated = append(stated, e.Object)
			}
			reconciler.Teach(knownOf(cmd), stated)
			said := decide.Policy{Agreeing: decide.Agreeing{CommandsOnly: consents.commandsOnly()}}.SaidBy(commit, commit, false)
			for _, text := range said.Wrong {
				problems = append(problems, v1.Problem{Message: text})
			}
			set.Notices = append(set.Notices, unusedEngines(set, insecure, sockets)...)
			if is := configurationOf(cmd); is.data != nil {
				set.Notices = append(set.Notices, undefined(set, is.file)...)
			}
			for _, text := range said.InVain {
				set.Notices = append(set.Notices, v1.Problem{Message: text})
			}
			if cut, err := source.Shallow(cmd.Context()); err == nil && cut {
				set.Notices = append(set.Notices, v1.Problem{Message: "the history is cut off (a shallow clone): apply and run may not find the source's root commit in it, and wait for consent then; for them, fetch the rest of it (git fetch --unshallow)"})
			}
			return printValidation(cmd, out, validation(cmp.Or(src.name, set.Name, revisions.DefaultName), commit, set, problems))
		},
	}
	src.register(cmd, true)
	src.guarded(cmd)
	registerAllowed(cmd, &insecure, &sockets)
	consents.register(cmd)
	out.register(cmd, "output format")
	vocabulary{source: &src.location}.register(cmd)
	return cmd
}

// unusedEngines returns a notice for each engine that an operator uses only with --insecure-engines or --engine-sockets.
func unusedEngines(set manifests.Set, insecure bool, sockets []string) (out []v1.Problem) {
	const path = "spec.engine.host"
	for _, e := range set.Entries {
		n, is := e.Object.(*v1.Node)
		if !is || n.Spec.Engine == nil || set.Held[e.Key()] != "" {
			continue
		}
		var why string
		switch {
		case n.Spec.Engine.InClear() && !insecure:
			why = "has no TLS, so an operator uses this engine only with --insecure-engines; state spec.engine.tls, or reach the engine by ssh://"
		case !n.Spec.Engine.MayUse(sockets):
			why = "is a socket of the operator's host, so an operator uses this engine only if --engine-sockets allows it; or reach the engine by ssh:// or tcp://"
		default:
			continue
		}
		at := e.Position(path)
		out = append(out, v1.Problem{File: at.File, Line: at.Line, Object: e.Key(), Path: path, Message: why})
	}
	return out
}

func printValidation(cmd *cobra.Command, out output, v validated) error {
	w := cmd.OutOrStdout()
	if out.json() {
		if err := document(w, v); err != nil {
			return err
		}
	} else {
		printProblems(w, screenOf(cmd, w), v.Problems)
		for _, n := range v.Notices {
			note(cmd, "%s", n)
		}
	}
	if n := len(v.Problems); n > 0 {
		return exit{exitError, fmt.Errorf("found %s in source %s", v1.Count(n, "problem"), v.Source)}
	}
	if !out.json() {
		fmt.Fprintf(w, "%s, no problem\n", v1.Count(len(v.Objects), "object"))
	}
	return nil
}
