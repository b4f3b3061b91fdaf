package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// table collects what was measured, in the order in which it is printed.
type table struct{ rows [][]string }

// add notes a measurement: what, ours, the other, their ratio, and what must be reached.
func (t *table) add(what, ours, against, ratio, target string) {
	t.rows = append(t.rows, []string{what, ours, against, ratio, target})
}

func (t *table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range append([][]string{{"WORK", "OURS", "AGAINST", "RATIO", "TARGET"}}, t.rows...) {
		for i, cell := range r {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, cell)
		}
		fmt.Fprintln(tw)
	}
	_ = tw.Flush()
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

func ms(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	case d < 2*time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
