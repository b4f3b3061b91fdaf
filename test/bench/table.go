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

// add notes a measurement: what, ours, the other, their ratio, and what must be reached. Two spaces before what say that
// it is about the line above; an empty one that it is the same with another other.
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

// target says whether a value is within its limit, and else by how much not.
func target(value, limit float64, text string) string {
	if value <= limit {
		return "≤ " + text + ": reached"
	}
	return fmt.Sprintf("≤ %s: missed by %.0f %%", text, 100*(value-limit)/limit)
}

// exactly is for counts.
func exactly(value, want int, text string) string {
	if value == want {
		return text + ": reached"
	}
	return fmt.Sprintf("%s: missed, %d", text, value)
}

func median[T cmp.Ordered](values []T) T { return quantile(values, 0.5) }

// quantile returns the nearest rank; of few values the 99th percentile is the largest.
func quantile[T cmp.Ordered](values []T, q float64) T {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	i := int(q * float64(len(sorted)))
	return sorted[min(i, len(sorted)-1)]
}

// ratios divides round by round: what disturbs a round disturbs both of its sides.
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
