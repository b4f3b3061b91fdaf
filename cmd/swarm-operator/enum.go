package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// enum is the value of a flag that takes one of a few words, in upper or lower case.
type enum struct {
	value *string
	words []string
}

func (e enum) String() string {
	if e.value == nil {
		return ""
	}
	return *e.value
}

// Set refuses any other word.
func (e enum) Set(text string) error {
	i := slices.IndexFunc(e.words, func(w string) bool { return strings.EqualFold(w, text) })
	if i < 0 {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(e.words, ", "))
	}
	*e.value = e.words[i]
	return nil
}

// Type returns what help shows behind the flag.
func (e enum) Type() string { return strings.Join(e.words, "|") }

// enumFlag adds a flag that takes one of the words.
func enumFlag(cmd *cobra.Command, flags *pflag.FlagSet, to *string, name, short, usage, usual string, words ...string) {
	*to = usual
	flags.VarP(enum{to, words}, name, short, usage)
	// It fails only for a flag that does not exist
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}
