package main

import (
	"fmt"
	"io"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/redact"
)

// newWatcher returns a function that shows the progress of roll-outs. On a terminal it redraws in place; otherwise it
// prints one line for each change.
func newWatcher(w io.Writer, on screen.Screen) func([]reconciler.Progress) {
	_, live := terminal(w)
	raw, _ := behind(w) // for the escape sequences
	lines, before := 0, map[string]string{}
	return func(all []reconciler.Progress) {
		if live {
			if lines > 0 {
				fmt.Fprintf(raw, "\x1b[%dA", lines)
			}
			for _, p := range all {
				fmt.Fprint(raw, "\x1b[2K")
				fmt.Fprintln(w, progressLine(p, on))
			}
			lines = len(all)
			return
		}
		for _, p := range all {
			if line := progressLine(p, on); before[p.Key.String()] != line {
				before[p.Key.String()] = line
				fmt.Fprintln(w, line)
			}
		}
	}
}

func progressLine(p reconciler.Progress, on screen.Screen) string {
	bar := ""
	if p.Wanted > 0 && p.Wanted <= 40 {
		bar = " [" + strings.Repeat("=", min(p.Running, p.Wanted)) + strings.Repeat(" ", max(0, p.Wanted-p.Running)) + "]"
	}
	p.Why = redact.OneLine(p.Why)
	state := on.Paint(screen.Good, "ready")
	switch {
	case p.Failed():
		state = on.Paint(screen.Bad, "failed:") + " " + p.Why
	case !p.Ready():
		state = p.Why
	}
	if !p.Ready() && !p.Failed() && !p.Awaited() {
		state += " (not waited for: an earlier revision changed it)"
	}
	return v1.Scrub(fmt.Sprintf("%s%s %d/%d %s", p.Key, bar, p.Running, p.Wanted, state))
}
