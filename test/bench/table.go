package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table collects what was measured, in the order in which it is printed.
type table struct {
	heading string
	rows    [][]string
}

const (
	formatText     = "text"
	formatMarkdown = "markdown"
)

var columns = []string{"WORK", "OURS", "AGAINST", "RATIO", "TARGET"}

// add adds a measurement: what was measured, our value, the other value, their ratio, and the target. If what begins
// with two spaces, it belongs to the line above. If what is empty, the line compares the same value with another one.
func (t *table) add(what, ours, against, ratio, target string) {
	t.rows = append(t.rows, []string{what, ours, against, ratio, target})
}

func (t *table) print(out io.Writer, format string) {
	if format == formatMarkdown {
		t.markdown(out)
		return
	}
	fmt.Fprintf(out, "%s\n\n", t.heading)
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range append([][]string{columns}, t.rows...) {
		fmt.Fprintln(tw, strings.Join(r, "\t"))
	}
	_ = tw.Flush()
}

func (t *table) markdown(out io.Writer) {
	fmt.Fprintf(out, "%s\n\n| %s |\n|%s\n", t.heading, strings.ToLower(strings.Join(columns, " | ")), strings.Repeat("---|", len(columns)))
	for _, r := range t.rows {
		fmt.Fprint(out, "|")
		for i, cell := range r {
			if sub, is := strings.CutPrefix(cell, "  "); is && i == 0 {
				cell = "· " + sub
			}
			if cell != "" {
				fmt.Fprint(out, " ", cell)
			}
			fmt.Fprint(out, " |")
		}
		fmt.Fprintln(out)
	}
}

// target says whether a value is within its limit and, if not, by how much it misses.
func target(value, limit float64, text string) string {
	if value <= limit {
		return "≤ " + text + ": reached"
	}
	return fmt.Sprintf("≤ %s: missed by %.0f %%", text, 100*(value-limit)/limit)
}

// exactly is target for counts.
func exactly(value, want int, text string) string {
	if value == want {
		return text + ": reached"
	}
	return fmt.Sprintf("%s: missed, %d", text, value)
}

func median[T cmp.Ordered](values []T) T { return quantile(values, 0.5) }

// quantile returns the value at the nearest rank. If there are few values, the 99th percentile is the largest.
func quantile[T cmp.Ordered](values []T, q float64) T {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	i := int(q * float64(len(sorted)))
	return sorted[min(i, len(sorted)-1)]
}

// ratios returns the median of the ratios of each round: what disturbs a round disturbs both of its sides.
func ratios(ours, theirs []time.Duration) float64 {
	var out []float64
	for i := range ours {
		out = append(out, float64(ours[i])/float64(theirs[i]))
	}
	return median(out)
}

func ratio2(ratio float64) string { return fmt.Sprintf("%.2f", ratio) }

func ms(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	case d < 2*time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
