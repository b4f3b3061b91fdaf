package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// noArgs refuses arguments. Without it cobra says that they are unknown commands.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no arguments, and was given %q; its flags: %s --help", cmd.CommandPath(), strings.Join(args, " "), cmd.CommandPath())
}

// oneArg requires exactly one argument, which the command's Use names.
func oneArg(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return missingArg(cmd, args)
	case len(args) > 1:
		return fmt.Errorf("%s takes one argument, and was given %d: %q; usage: %s", cmd.CommandPath(), len(args), strings.Join(args, " "), usageOf(cmd))
	}
	return nil
}

// missingArg is the error of a command that was given args only. It names the argument that comes next in the usage.
func missingArg(cmd *cobra.Command, args []string) error {
	return fmt.Errorf("%s: %s is missing; usage: %s", cmd.CommandPath(), strings.Fields(cmd.Use)[len(args)+1], usageOf(cmd))
}

// usageOf returns how to call a command, without its flags.
func usageOf(cmd *cobra.Command) string { return cmd.Root().Name() + " " + cmd.Use }

// checkPositive refuses a duration that would be over before it begins.
func checkPositive(flag string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("--%s: %s is too short; give more than 0s", flag, d)
	}
	return nil
}

// checkPlace refuses a --source that is not a directory: the command would silently take from elsewhere what the
// source should tell. It leaves a URL alone, and also a value from a file or the environment. Those serve all
// commands, and hold must work without a checkout.
func checkPlace(cmd *cobra.Command, location string) error {
	f := cmd.Flags().Lookup("source")
	if !f.Changed || len(f.Annotations[configured]) > 0 || strings.Contains(location, ":") {
		return nil
	}
	if info, err := os.Stat(location); err != nil || !info.IsDir() {
		return fmt.Errorf("--source: opening %s: %w", location, git.ErrNotFound)
	}
	return nil
}

// place is the value of a flag that takes any text. kind is what help shows behind the flag.
type place struct {
	to   *string
	kind string
}

func (p place) String() string {
	if p.to == nil {
		return ""
	}
	return *p.to
}

// Set takes any text.
func (p place) Set(text string) error {
	*p.to = text
	return nil
}

// Type returns what help shows behind the flag.
func (p place) Type() string { return p.kind }

// unknownCommand returns what is wrong with a command line that names no command of this program. It returns nil if it
// names one.
func unknownCommand(root *cobra.Command, args []string) error {
	_, rest, err := root.Find(args)
	if err == nil {
		return nil
	}
	root.FParseErrWhitelist.UnknownFlags = true // they are those of the command that was meant
	if err := root.ParseFlags(rest); err != nil {
		return flagError(root, err)
	}
	name := root.Flags().Arg(0)
	var names []string
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return fmt.Errorf("%s has no command %q%s; its commands: %[1]s --help", root.Name(), name, v1.DidYouMean(name, names))
}

// newHelp makes the command help. Unlike the one that cobra brings, it fails if there is no such command.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command does, and its flags",
		// Help works even if the configuration has a mistake.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, args []string) error {
			about, _, err := cmd.Root().Find(args)
			if err != nil {
				return unknownCommand(cmd.Root(), args)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			for _, c := range cmd.Root().Commands() {
				if len(args) == 0 && c.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// flagError words a mistake in a flag as other mistakes are worded: first the flag, then why.
func flagError(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, badValue(invalid))
	}
	if required, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return fmt.Errorf("--%s: its value is missing; usage: --%[1]s %s; see %s --help", required.GetFlag().Name, placeholder(required.GetFlag()), cmd.CommandPath())
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return fmt.Errorf("%s has no flag -%s; its flags: %[1]s --help", cmd.CommandPath(), name)
		}
		return fmt.Errorf("%s has no flag --%s%s; its flags: %s --help", cmd.CommandPath(), name, v1.DidYouMean("--"+name, flagNames(cmd.Flags())), cmd.CommandPath())
	}
	return err
}

// badValue returns what is wrong with the value of a flag: what was found, and what is allowed.
func badValue(e *pflag.InvalidValueError) error {
	var allowed string
	switch e.GetFlag().Value.Type() {
	case "duration":
		allowed = "a duration, such as 30s, 5m or 1h30m"
	case "int":
		allowed = "a whole number, such as 5"
	case "bool":
		allowed = "true or false"
	default: // the flag is of a type of ours, whose error says both
		return e.Unwrap()
	}
	return fmt.Errorf("%q is not %s", e.GetValue(), allowed)
}

// placeholder is what help shows for the value of a flag.
func placeholder(f *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(f)
	return name
}

// flagNames returns the flags of a set as people write them.
func flagNames(flags *pflag.FlagSet) (names []string) {
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return names
}

// plainNetError removes from a request's error what the caller's text already says: the method and the URL.
func plainNetError(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return cmp.Or(e.Err, err)
	}
	return err
}
