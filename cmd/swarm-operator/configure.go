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

// configure sets every flag that the command line does not set. It takes the value from the environment, such as
// SWARM_OPERATOR_REPAIR_AFTER for --repair-after, or otherwise from the config file.
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

// anyHas reports whether any command has the flag: one file serves all commands.
func anyHas(cmd *cobra.Command, name string) bool {
	for _, c := range cmd.Commands() {
		if c.Flags().Lookup(name) != nil {
			return true
		}
	}
	return false
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
	if f == nil || f.Changed {
		return nil
	}
	name := "SWARM_OPERATOR_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	value := os.Getenv(name)
	if value == "" { // an empty variable counts as unset, as in the docker CLI
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

// scalar returns a YAML value as it is written on a command line. It fails for anything but a text, a number or a
// boolean.
func scalar(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64: // all numbers are floats; write a million as 1000000, not 1e+06
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case nil:
		return "", errors.New("it has no value")
	}
	return "", errors.New("it takes a text, a number, true or false")
}

// configured annotates flags that a file or the environment has set.
const configured = "configured"

// set sets a flag. Its error is only about the value; the caller adds where the value stands.
func set(flags *pflag.FlagSet, name, value string) error {
	err := cmp.Or(flags.Set(name, value), flags.SetAnnotation(name, configured, []string{"yes"}))
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return invalid.Unwrap()
	}
	return err
}
