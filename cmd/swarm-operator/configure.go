package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// configure gives flags that the command line does not state the values of the environment, SWARM_OPERATOR_REPAIR_AFTER
// for --repair-after, and after that of the config file.
func configure(cmd *cobra.Command) error {
	if _, err := readPace(); err != nil {
		return err
	}
	file := map[string]any{}
	flags := cmd.Flags()
	if err := fromEnvironment(flags.Lookup("config"), flags); err != nil {
		return err
	}
	if name := flags.Lookup("config").Value.String(); name != "" {
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("reading the config file: %w", err)
		}
		if err := yaml.UnmarshalStrict(data, &file); err != nil {
			return fmt.Errorf("reading the config file %s: %w", name, err)
		}
		for key := range file {
			if cmd.Root().PersistentFlags().Lookup(key) == nil && !anyHas(cmd.Root(), key) {
				return fmt.Errorf("reading the config file %s: there is no flag --%s%s", name, key, v1.DidYouMean(key, anyNames(cmd.Root())))
			}
		}
	}
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		if failed != nil || f.Changed {
			return
		}
		if failed = fromEnvironment(f, flags); failed != nil || f.Changed {
			return
		}
		if value, ok := file[f.Name]; ok {
			if err := setAny(f, value, flags); err != nil {
				failed = fmt.Errorf("reading the config file %s: --%s: %w", flags.Lookup("config").Value, f.Name, err)
			}
		}
	})
	return failed
}

// anyHas says whether one of the commands has the flag: one file serves them all.
func anyHas(cmd *cobra.Command, name string) bool {
	for _, c := range cmd.Commands() {
		if c.Flags().Lookup(name) != nil {
			return true
		}
	}
	return false
}

// anyNames are the flags of all commands.
func anyNames(root *cobra.Command) (names []string) {
	add := func(f *pflag.Flag) { names = append(names, f.Name) }
	root.PersistentFlags().VisitAll(add)
	for _, c := range root.Commands() {
		c.Flags().VisitAll(add)
	}
	return names
}

func fromEnvironment(f *pflag.Flag, flags *pflag.FlagSet) error {
	if f == nil || f.Changed {
		return nil
	}
	name := "SWARM_OPERATOR_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	value := os.Getenv(name)
	if value == "" { // as the docker CLI takes its variables
		return nil
	}
	if err := set(flags, f.Name, value); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

func setAny(f *pflag.Flag, value any, flags *pflag.FlagSet) error {
	list, is := value.([]any)
	if _, several := f.Value.(pflag.SliceValue); is && !several {
		return errors.New("it takes one value, not a list")
	}
	if !is {
		list = []any{value}
	}
	for _, v := range list {
		text, err := scalar(v)
		if err == nil {
			err = set(flags, f.Name, text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scalar is a value of YAML as it is written on a command line.
func scalar(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64: // every number is one: no 1e+06 for a million
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case nil:
		return "", errors.New("it has no value")
	}
	return "", errors.New("it takes a text, a number, true or false")
}

// configured is on flags that a file or the environment has set.
const configured = "configured"

// set sets a flag. Its error is about the value alone: where that stands, the caller says.
func set(flags *pflag.FlagSet, name, value string) error {
	err := cmp.Or(flags.Set(name, value), flags.SetAnnotation(name, configured, []string{"yes"}))
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return invalid.Unwrap()
	}
	return err
}
