package main

import (
	"slices"
	"testing"

	"github.com/spf13/pflag"
)

// When a configuration changes, each flag that the old one has set gets its default back first. None may refuse that, or
// keep what the old configuration has stated.
func TestEachFlagOfTheConfigurationCanBeUnset(t *testing.T) {
	values := map[string]string{"bool": "true", "int": "7", "duration": "7s", "stringArray": "/run/engines/*"}
	var f runFlags
	tried := 0
	f.command().Flags().VisitAll(func(flag *pflag.Flag) {
		value, known := values[flag.Value.Type()]
		if !known {
			return
		}
		before := flag.Value.String()
		if flag.Value.Set(value) != nil || flag.Value.String() == before {
			return
		}
		tried++
		if err := unset(flag); err != nil || flag.Value.String() != before {
			t.Errorf("--%s: %v, and it is %q, want %q", flag.Name, err, flag.Value, before)
		}
	})
	if tried < 10 {
		t.Errorf("only %d flags were tried", tried)
	}
}

func TestPatternsOfSockets(t *testing.T) {
	var s socketPatterns
	if err := s.Set("/a/*"); err != nil {
		t.Fatal(err)
	}
	if err := s.Append("/b"); err != nil || !slices.Equal(s.GetSlice(), []string{"/a/*", "/b"}) {
		t.Errorf("got %q, %v", s, err)
	}
	if err := s.Replace([]string{"/c", "c"}); err == nil || len(s) != 2 {
		t.Errorf("a pattern that matches no path: %v, and there is %q", err, s)
	}
	if err := s.Replace(nil); err != nil || len(s) != 0 {
		t.Errorf("got %q, %v", s, err)
	}
}
