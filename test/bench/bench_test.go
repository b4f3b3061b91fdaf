package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/engines"
)

// small runs the bench on a few services. The counts must be right at any size; the times do not matter.
func small(t *testing.T, o options) string {
	t.Helper()
	var out bytes.Buffer
	o.n, o.still, o.out, o.news = 25, time.Second, &out, io.Discard
	if o.format == "" {
		o.format = formatText
	}
	if err := run(t.Context(), o); err != nil {
		t.Fatalf("%s\n%s", err, &out)
	}
	t.Logf("\n%s", &out)
	return out.String()
}

// reached reports a counted line whose value is not as it must be, and a line that is missing.
func reached(t *testing.T, out string, lines ...string) {
	t.Helper()
	for _, what := range lines {
		found := false
		for line := range strings.Lines(out) {
			if strings.Contains(line, what) {
				found = true
				if !strings.Contains(line, ": reached") {
					t.Errorf("not reached: %s", line)
				}
			}
		}
		if !found {
			t.Errorf("there is no line about %q", what)
		}
	}
}

var counted = []string{
	"calls of diff", "writes of diff", "calls of apply", "writes of apply", "service writes", "versions of others that moved",
	"run with nothing to do, for 1s: calls",
}

func TestBench(t *testing.T) {
	out := small(t, options{on: onSandbox, nodes: 2, rounds: 1})
	reached(t, out, append(counted, "calls of one", "writes of all", "nodes change", "operators with nothing to do", "a step that always fails", "writes of apply, with secrets")...)
	for _, line := range []string{"create all", "change one", "ref changed →", "while another service rolls out", "change by hand", "resident memory after", "secrets and --hash-key-file", "without a key: for each secret"} {
		if !strings.Contains(out, line) {
			t.Errorf("there is no line about %q", line)
		}
	}
}

// On a real engine, run only the parts that need no rounds. The same must hold there, and the counting must work.
func TestBenchReal(t *testing.T) {
	engines.Need(t)
	out := small(t, options{on: onEngine, nodes: 1, rounds: 1, format: formatMarkdown, only: "cold,change,still"})
	reached(t, out, counted...)
}

func TestOptions(t *testing.T) {
	good := options{on: onSandbox, n: 2, nodes: 1, rounds: 1, format: formatText, only: "cold,hand"}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*options){
		"one service":  func(o *options) { o.n = 1 },
		"no node":      func(o *options) { o.nodes = 0 },
		"no round":     func(o *options) { o.rounds = 0 },
		"other format": func(o *options) { o.format = "html" },
		"other part":   func(o *options) { o.only = "cold,warm" },
	} {
		bad := good
		if spoil(&bad); bad.check() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestMarkdown(t *testing.T) {
	table := table{heading: "Here."}
	table.add("a", "1 ms", "b 2 ms", "0.50", "≤ 1: reached")
	table.add("  calls", "3", "", "", "")
	var out strings.Builder
	table.print(&out, formatMarkdown)
	const want = `Here.

| work | ours | against | ratio | target |
|---|---|---|---|---|
| a | 1 ms | b 2 ms | 0.50 | ≤ 1: reached |
| · calls | 3 | | | |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func TestTarget(t *testing.T) {
	for _, c := range []struct {
		value, limit float64
		want         string
	}{
		{1, 2, "≤ x: reached"},
		{2, 2, "≤ x: reached"},
		{3, 2, "≤ x: missed by 50 %"},
	} {
		if got := target(c.value, c.limit, "x"); got != c.want {
			t.Errorf("target(%g, %g) is %q, want %q", c.value, c.limit, got, c.want)
		}
	}
	if got := exactly(2, 1, "1"); got != "1: missed, 2" {
		t.Errorf("exactly(2, 1) is %q", got)
	}
}

func TestQuantile(t *testing.T) {
	values := []time.Duration{5, 1, 4, 2, 3}
	if got := median(values); got != 3 {
		t.Errorf("median is %d, want 3", got)
	}
	if got := quantile(values, 0.99); got != 5 {
		t.Errorf("the 99th percentile is %d, want 5", got)
	}
	if values[0] != 5 {
		t.Error("the values were sorted in place")
	}
	if got := ratios([]time.Duration{2, 30, 4}, []time.Duration{1, 10, 1}); got != 3 {
		t.Errorf("ratios is %g, want 3", got)
	}
}
