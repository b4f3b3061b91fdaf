package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
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
	if name, _ := flags.GetString("config"); name != "" {
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("reading the config file: %w", err)
		}
		if err := yaml.UnmarshalStrict(data, &file); err != nil {
			return fmt.Errorf("reading the config file %s: %w", name, err)
		}
		for key := range file {
			if cmd.Root().PersistentFlags().Lookup(key) == nil && !anyHas(cmd.Root(), key) {
				return fmt.Errorf("reading the config file %s: there is no flag --%s", name, key)
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
				failed = fmt.Errorf("reading the config file: --%s: %w", f.Name, err)
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
	if list, ok := value.([]any); ok {
		for _, v := range list {
			if err := set(flags, f.Name, fmt.Sprint(v)); err != nil {
				return err
			}
		}
		return nil
	}
	return set(flags, f.Name, fmt.Sprint(value))
}

// set sets a flag. Its error is about the value alone: where that stands, the caller says.
func set(flags *pflag.FlagSet, name, value string) error {
	err := flags.Set(name, value)
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return invalid.Unwrap()
	}
	return err
}
