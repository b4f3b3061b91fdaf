package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// The bench on a few services: what it counts must come out at any size, what it times is not looked at.
func TestBench(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), options{n: 25, rounds: 3, still: 2 * time.Second, out: &out}); err != nil {
		t.Fatalf("%s\n%s", err, &out)
	}
	t.Logf("\n%s", &out)
	for _, what := range []string{
		"calls of diff", "writes of diff", "calls of apply", "writes of apply", "service writes", "versions of others that moved",
		"between looks: calls", "  calls", "  writes",
	} {
		found := false
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, what) && strings.Contains(line, ": reached") {
				found = true
			}
		}
		if !found {
			t.Errorf("%q is not reached", what)
		}
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
