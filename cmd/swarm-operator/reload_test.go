package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/swarm-operator/swarm-operator/api/config"
)

// runs returns the command run with its flags, those that all commands have too.
func runs(t *testing.T, args ...string) *cobra.Command {
	t.Helper()
	cmd, _, err := newRoot(io.Discard, io.Discard).Find([]string{"run"})
	if err == nil {
		err = cmd.ParseFlags(args)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd.SetContext(t.Context())
	return cmd
}

// Each flag that the config file can set gets its default again when the file does not state it any more.
func TestEveryFlagOfTheFileCanBeUnset(t *testing.T) {
	cmd, fresh := runs(t), runs(t)
	some := func(f *pflag.Flag) []string {
		if e, is := f.Value.(enum); is {
			return slices.DeleteFunc(slices.Clone(e.words), func(w string) bool { return w == f.DefValue })[:1]
		}
		switch f.Value.Type() {
		case "bool":
			return []string{map[string]string{"false": "true", "true": "false"}[f.DefValue]}
		case "int", "int64", "uint64":
			return []string{"7"}
		case "duration":
			return []string{"7m"}
		case "stringSlice", "stringArray":
			return []string{"/a", "/b"}
		}
		return []string{"x"}
	}
	tried := map[string]bool{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" || f.Name == "help" {
			return
		}
		usual := fresh.Flags().Lookup(f.Name).Value.String()
		for range 2 { // the second time the value has been set before
			for _, text := range some(f) {
				if err := set(cmd.Flags(), f.Name, text, byFile); err != nil {
					t.Errorf("--%s %s: %v", f.Name, text, err)
				}
			}
			if f.Value.String() == usual || !byConfig(f) {
				t.Errorf("--%s is not set: %s", f.Name, f.Value)
			}
			if err := unset(f); err != nil || f.Value.String() != usual || f.Changed || byConfig(f) {
				t.Errorf("--%s is %q, want %q: %v", f.Name, f.Value, usual, err)
			}
		}
		tried[f.Name] = true
	})
	for name, place := range config.Places() {
		if strings.HasPrefix(place, "sources") && !tried[name] {
			t.Errorf("--%s was not tried", name)
		}
	}
	if !tried["engine-sockets"] || !tried["show"] {
		t.Errorf("only %d flags were tried", len(tried))
	}
}

// Patterns of sockets are those that the file has now. A pattern that was taken out of it must not stay.
func TestPatternsOfSocketsChangeWithTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "operator.yaml")
	if err := os.WriteFile(name, []byte("engineSockets: [/a, '/b/*']\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := runs(t, "--config", name)
	if err := configure(cmd); err != nil {
		t.Fatal(err)
	}
	w := &watched{cmd: cmd}
	sockets := func(cmd *cobra.Command) []string {
		return cmd.Flags().Lookup("engine-sockets").Value.(pflag.SliceValue).GetSlice()
	}
	if got := sockets(cmd); !slices.Equal(got, []string{"/a", "/b/*"}) {
		t.Fatalf("at the start: %q", got)
	}
	for _, c := range []struct {
		text string
		want []string
	}{
		{"engineSockets: [/a, '/b/*']\ninstance: x\n", []string{"/a", "/b/*"}},
		{"engineSockets: ['/b/*']\n", []string{"/b/*"}},
		{"instance: z\n", nil},
		{"engineSockets: [/c]\n", []string{"/c"}},
	} {
		f, err := w.trial(name, []byte(c.text))
		if err != nil || !slices.Equal(f.eng.sockets, c.want) {
			t.Errorf("%s is tried with %q: %v", c.text, f.eng.sockets, err)
		}
		w.next = &contents{config: []byte(c.text)}
		if err := w.reconfigure(); err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		if got := sockets(cmd); !slices.Equal(got, c.want) {
			t.Errorf("%s gives %q", c.text, got)
		}
	}
	if _, err := w.trial(name, []byte("engineSockets: [c]\n")); err == nil {
		t.Error("a pattern that matches no path is accepted")
	}
	// What the command line says stays, as several patterns.
	cmd = runs(t, "--engine-sockets", "/a", "--engine-sockets", "/b")
	if f, err := (&watched{cmd: cmd}).trial(name, []byte("engineSockets: [/c]\n")); err != nil || !slices.Equal(f.eng.sockets, []string{"/a", "/b"}) {
		t.Errorf("the command line is tried with %q: %v", f.eng.sockets, err)
	}
}

func TestPatternsOfSocketsAreReplacedWholeOrNotAtAll(t *testing.T) {
	s := socketPatterns{"/a"}
	if err := s.Replace([]string{"/b", "c"}); err == nil || !slices.Equal(s, []string{"/a"}) {
		t.Errorf("%q, %v", s, err)
	}
	if err := s.Replace([]string{"/b", "/c"}); err != nil || !slices.Equal(s, []string{"/b", "/c"}) {
		t.Errorf("%q, %v", s, err)
	}
	if err := s.Append("d"); err == nil || s.Append("/d") != nil || !slices.Equal(s.GetSlice(), []string{"/b", "/c", "/d"}) {
		t.Errorf("%q, %v", s, err)
	}
	if err := s.Replace(nil); err != nil || len(s) != 0 {
		t.Errorf("%q, %v", s, err)
	}
}
