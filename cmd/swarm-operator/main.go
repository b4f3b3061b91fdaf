// Command swarm-operator makes a Docker Swarm match the manifests of a git repository, and keeps it matching.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/redact"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exit is an error with an exit code. If err is nil nothing is printed, because the command has already said
// everything.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// These are the exit codes other than 0.
const (
	// exitDiffers says that something would change (diff), or that something is held, refused or failed or --timeout is
	// over (apply, wait).
	exitDiffers = 1
	// exitError says that the command could not do its work, or that the manifests have a problem (validate).
	exitError = 2
	// exitSuperseded says that a newer revision took the place of the one that wait was given.
	exitSuperseded = 3
)

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	return execute(ctx, newRoot(out, errs), args, errs)
}

// execute runs a command line and returns its exit code. It says on errs how the command failed. A panic is an error
// like others.
func execute(ctx context.Context, root *cobra.Command, args []string, errs io.Writer) int {
	root.SetArgs(args)
	err := rescue.Do(func() error { return root.ExecuteContext(ctx) })
	if err == nil {
		return 0
	}
	err = cmp.Or(unknownCommand(root, args), err)
	if fault, is := errors.AsType[*rescue.Panic](err); is { // a command has no log that could have the stack
		fmt.Fprint(errs, fault.Stack)
	}
	var e exit
	if !errors.As(err, &e) {
		e = exit{exitError, err}
	}
	if e.err != nil {
		fmt.Fprintln(errs, screenOf(root, errs).Paint(screen.Bad, "error:"), toError(knownOf(root), e.err))
	}
	return e.code
}

func newRoot(out, errs io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "swarm-operator",
		Short: "A declarative reconciler for Docker Swarm",
		Long: `swarm-operator makes a Docker Swarm match YAML manifests in a git repository.

  validate  checks the manifests, offline
  diff      shows what would change, and writes nothing
  apply     changes it, once
  run       keeps it so
  export    writes what runs as manifests

  status, history, wait      how things are, and what became of revisions
  hold, resume, confirm      stop it, let it go on, and go on after lost memory
  approve, retry, unmanage   agree to what can do harm; try again what failed; forget objects and leave them running
  unlock                     opens a manager that is locked, and keeps the keys for that

Commands write for people or, with -o json, one document in JSON for scripts to the standard output; notes and errors go to the
standard error either way, and the exit code says how it went.`,
		SilenceUsage: true, SilenceErrors: true, Version: aboutThis().String(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			// A shell asks for completions: nothing may fail or be printed
			if strings.HasPrefix(cmd.Name(), cobra.ShellCompRequestCmd) {
				return nil
			}
			if err := configure(cmd); err != nil {
				return err
			}
			return allow(cmd)
		},
	}
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp())
	known := redact.NewKnown()
	root.SetOut(&door{out, known, redact.Git})
	root.SetErr(&door{errs, known, redact.Anybody})
	root.PersistentFlags().Var(place{new(string), "FILE"}, "config", "the operator's configuration, a file in YAML with sources, sinks, values of flags and more")
	root.PersistentFlags().StringSlice("show", nil, "name of a variable, option, label or flag whose value everybody may see, as in APP_MODE or acme.*; may be given again. What has the shape of a secret stays hidden")
	var color string
	enumFlag(root, root.PersistentFlags(), &color, "color", "", "whether to colour text; auto does on a terminal, unless NO_COLOR is set or TERM is dumb", "auto", "auto", "always", "never")
	root.AddCommand(newValidate(), newDiff(), newApply(), newRun(), newExport(), newStatus(), newHealth(), newVersion(),
		newHold(), newResume(), newConfirm(), newApprove(), newRetry(), newUnmanage(), newHistory(), newWait(), newUnlock(), newCompletion())
	for _, cmd := range root.Commands() {
		if cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
	return root
}
