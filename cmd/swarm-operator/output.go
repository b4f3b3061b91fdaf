package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/diff"
)

// output is the value of -o.
type output string

const asJSON = "json"

func (o *output) register(cmd *cobra.Command, usage string) {
	enumFlag(cmd, cmd.Flags(), (*string)(o), "output", "o", usage, "text", "text", asJSON)
}

func (o output) json() bool { return o == asJSON }

// terminal returns the file behind w, and whether it is a terminal.
func terminal(w io.Writer) (*os.File, bool) {
	w, _ = behind(w)
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// screenOf returns the screen that a command writes to. A terminal has a width. It has colour unless --color or the
// environment says otherwise.
func screenOf(cmd *cobra.Command, w io.Writer) (s screen.Screen) {
	f, is := terminal(w)
	if is {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			s.Width = width
		}
	}
	mode := ""
	if flag := cmd.Flag("color"); flag != nil {
		mode = flag.Value.String()
	}
	s.Color = colored(mode, is, os.Getenv)
	return s
}

// colored decides about colour. An explicit --color outranks NO_COLOR, as no-color.org asks.
func colored(mode string, terminal bool, env func(string) string) bool {
	switch mode {
	case "always":
		return true
	case "never":
		return false
	}
	return terminal && env("NO_COLOR") == "" && env("TERM") != "dumb"
}

// marks are the marks that begin each part of a plan's text, with their colours.
var marks = map[string]screen.Ink{
	diff.Create.String(): screen.Good, diff.Update.String(): screen.Busy, diff.Replace.String(): screen.Bad, diff.Remove.String(): screen.Bad,
	"=": screen.Faint, "→": screen.Busy, "!": screen.Busy,
}

// paintPlan colours a part of a plan's text: its heading, and the fields that cost most.
func paintPlan(s screen.Screen, block string) string {
	if !s.Color {
		return block
	}
	var b strings.Builder
	first := true
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		mark, _, _ := strings.Cut(line, " ")
		switch at := strings.Index(line, "  ("); {
		case first && at >= 0:
			line = s.Paint(marks[mark], line[:at]) + line[at:]
		case first:
			line = s.Paint(marks[mark], line)
		default:
			line = paintCost(s, line)
		}
		first = false
		b.WriteString(line + "\n")
	}
	return b.String()
}

func paintCost(s screen.Screen, line string) string {
	for effect, ink := range map[diff.Effect]screen.Ink{diff.RestartsTasks: screen.Busy, diff.RunsAgain: screen.Busy, diff.Recreate: screen.Bad} {
		if rest, ok := strings.CutSuffix(line, effect.String()+")"); ok {
			return rest + s.Paint(ink, effect.String()) + ")"
		}
	}
	return line
}

// note writes a line to the standard error. It is for what is not an error.
func note(cmd *cobra.Command, format string, args ...any) {
	w := cmd.ErrOrStderr()
	fmt.Fprintln(w, screenOf(cmd, w).Paint(screen.Faint, "note:"), safe(knownOf(cmd), fmt.Sprintf(format, args...)))
}
