package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/files"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/redact"
)

// configure sets every flag that the command line does not set. It takes the value from the environment, such as
// SWARM_OPERATOR_REPAIR_AFTER for --repair-after, or otherwise from the config file. What the file defines besides flags
// goes into the command's context: see named.
func configure(cmd *cobra.Command) error {
	if _, err := readPace(); err != nil {
		return err
	}
	var failed error
	flags := cmd.Flags()
	flags.VisitAll(func(f *pflag.Flag) { failed = cmp.Or(failed, fromEnvironment(f, flags)) })
	if failed != nil {
		return failed
	}
	name := flags.Lookup("config").Value.String()
	if name == "" {
		return nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading the config file: %s: %w", name, files.Cause(err))
	}
	return configureFrom(cmd, name, data)
}

// configureFrom sets the flags that the config file has values for, and that nothing else has set.
func configureFrom(cmd *cobra.Command, name string, data []byte) error {
	file, err := parseConfiguration(cmd.Root(), cmd.Flags(), name, data)
	if err != nil {
		return err
	}
	cmd.SetContext(context.WithValue(contextOf(cmd), configuration{}, read{file, data}))
	return nil
}

// configuration is the key of the config file in the context of a command.
type configuration struct{}

// read is the config file as it was read.
type read struct {
	file *config.Configuration
	data []byte
}

// configurationOf returns the config file of a command. It is empty if none is named.
func configurationOf(cmd *cobra.Command) read {
	if r, is := contextOf(cmd).Value(configuration{}).(read); is {
		return r
	}
	return read{file: &config.Configuration{}}
}

// outside returns what manifests may name of the operator's configuration.
func outside(cmd *cobra.Command) config.Named { return configurationOf(cmd).file.Named() }

// contextOf returns the context of a command. Nobody has set one while a shell asks for completions.
func contextOf(cmd *cobra.Command) context.Context {
	return cmp.Or(cmd.Context(), context.Background())
}

// parseConfiguration reads the config file, and gives flags the values that the file states, except flags that are set
// already. root has all commands, whose flags the file may have values for.
func parseConfiguration(root *cobra.Command, flags *pflag.FlagSet, name string, data []byte) (*config.Configuration, error) {
	file := &config.Configuration{}
	problems := manifests.Into(name, data, file, func() []v1.Problem { return append(file.Validate(), setFlags(root, flags, file)...) })
	if len(problems) > 0 {
		return nil, problemsOf("reading the config file", problems)
	}
	return file, nil
}

// problemsOf returns an error that lists problems, one on a line if there are several.
func problemsOf(what string, problems []v1.Problem) error {
	if len(problems) == 1 {
		return fmt.Errorf("%s: %s", what, problems[0])
	}
	slices.SortStableFunc(problems, v1.Problem.Compare)
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = "  " + p.String()
	}
	return fmt.Errorf("%s:\n%s", what, strings.Join(lines, "\n"))
}

// setFlags gives flags the values of the file, except those that are set. It returns what is wrong with the
// values of those flags, and names under flags: that no command has.
func setFlags(root *cobra.Command, flags *pflag.FlagSet, file *config.Configuration) (problems []v1.Problem) {
	places := config.Places()
	add := func(v config.Value, format string, args ...any) {
		problems = append(problems, v1.Problem{Path: v.Path, Message: fmt.Sprintf(format, args...)})
	}
	for _, v := range file.Values() {
		f, place := flags.Lookup(v.Flag), places[v.Flag]
		switch of := strings.HasPrefix(v.Path, "flags"); {
		case of && place != "":
			add(v, "has a place of its own: state it as %s", place)
		case of && (v.Flag == "config" || !anyHas(root, v.Flag)):
			add(v, "is no flag of a command%s", v1.DidYouMean(v.Flag, anyNames(root)))
		case f == nil || f.Changed: // it is another command's, or the command line or the environment has set it
		default:
			for _, text := range v.Texts {
				if err := set(flags, v.Flag, text, byFile); err != nil {
					add(v, "%s", err)
					break
				}
			}
		}
	}
	return problems
}

// anyHas reports whether any command has the flag: one file serves all commands.
func anyHas(root *cobra.Command, name string) bool {
	return slices.Contains(anyNames(root), name)
}

// anyNames returns the names of all commands' flags.
func anyNames(root *cobra.Command) (names []string) {
	add := func(f *pflag.Flag) { names = append(names, f.Name) }
	root.PersistentFlags().VisitAll(add)
	for _, c := range root.Commands() {
		c.Flags().VisitAll(add)
	}
	return names
}

func fromEnvironment(f *pflag.Flag, flags *pflag.FlagSet) error {
	if f.Changed {
		return nil
	}
	name := "SWARM_OPERATOR_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	value := os.Getenv(name)
	if value == "" { // an empty variable counts as unset, as in the docker CLI
		return nil
	}
	if err := set(flags, f.Name, value, byEnvironment); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

// allow lets everybody see the values that --show names.
func allow(cmd *cobra.Command) error {
	names, err := cmd.Flags().GetStringSlice("show")
	if err != nil {
		return err
	}
	for _, name := range names {
		if wrong := redact.CheckPattern(name); wrong != "" {
			return fmt.Errorf("--show: %q %s", name, wrong)
		}
	}
	redact.Allow(names)
	return nil
}

// configured annotates flags that the environment or the file has set, with which of them.
const (
	configured    = "configured"
	byEnvironment = "environment"
	byFile        = "file"
)

// set sets a flag. Its error is only about the value; the caller adds where the value stands.
func set(flags *pflag.FlagSet, name, value, by string) error {
	err := cmp.Or(flags.Set(name, value), flags.SetAnnotation(name, configured, []string{by}))
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return badValue(invalid)
	}
	return err
}
