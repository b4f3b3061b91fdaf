package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
)

// newWatcher shows how roll-outs go on: on a terminal in place, elsewhere a line for each change.
func newWatcher(w io.Writer) func([]reconciler.Progress) {
	f, ok := w.(*os.File)
	live := ok && term.IsTerminal(int(f.Fd()))
	lines, before := 0, map[string]string{}
	return func(all []reconciler.Progress) {
		if live {
			if lines > 0 {
				fmt.Fprintf(w, "\x1b[%dA", lines)
			}
			for _, p := range all {
				fmt.Fprintf(w, "\x1b[2K%s\n", progressLine(p))
			}
			lines = len(all)
			return
		}
		for _, p := range all {
			if line := progressLine(p); before[p.Key.String()] != line {
				before[p.Key.String()] = line
				fmt.Fprintln(w, line)
			}
		}
	}
}

func progressLine(p reconciler.Progress) string {
	bar := ""
	if p.Wanted > 0 && p.Wanted <= 40 {
		bar = " [" + strings.Repeat("=", min(p.Running, p.Wanted)) + strings.Repeat(" ", max(0, p.Wanted-p.Running)) + "]"
	}
	state := "ready"
	switch {
	case p.Failed:
		state = "failed: " + p.Why
	case !p.Ready:
		state = p.Why
	}
	return v1.Scrub(fmt.Sprintf("%s%s %d/%d %s", p.Key, bar, p.Running, p.Wanted, state))
}
