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
		return missingArg(cmd)
	case len(args) > 1:
		return fmt.Errorf("%q are %[2]d arguments, and one is taken; usage: %[3]s %[4]s", strings.Join(args, " "), len(args), cmd.Root().Name(), cmd.Use)
	}
	return nil
}

func missingArg(cmd *cobra.Command) error {
	return fmt.Errorf("an argument is missing; usage: %s %s", cmd.Root().Name(), cmd.Use)
}

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

// flagError words a mistake in a flag as other mistakes are worded: first the flag, then why.
func flagError(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, invalid.Unwrap())
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
		name := unknown.GetSpecifiedName()
		return fmt.Errorf("%s has no flag --%s%s; its flags: %s --help", cmd.CommandPath(), name, v1.DidYouMean("--"+name, flagNames(cmd.Flags())), cmd.CommandPath())
	}
	return err
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
