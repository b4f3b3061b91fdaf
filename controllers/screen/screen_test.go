package screen

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func draw(s Screen, rows ...Row) string {
	var b strings.Builder
	s.Columns(&b, rows)
	return b.String()
}

var table = []Row{
	{{"OBJECT", Title}, {"HEALTH", Title}, {"MESSAGE", Title}},
	{{"Service/web", Plain}, {"Degraded", Bad}, {"0 of 2 tasks running; the last one that failed: no such image", Plain}},
	{{"Service/größer", Plain}, {"Healthy", Good}, {"", Plain}},
}

func TestColumnsAreNeitherCutNorWrappedWithoutAWidth(t *testing.T) {
	want := `
OBJECT          HEALTH    MESSAGE
Service/web     Degraded  0 of 2 tasks running; the last one that failed: no such image
Service/größer  Healthy
`
	if d := cmp.Diff(want[1:], draw(Screen{}, table...)); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
}

func TestLastColumnIsWrapped(t *testing.T) {
	want := `
OBJECT          HEALTH    MESSAGE
Service/web     Degraded  0 of 2 tasks running; the
                          last one that failed: no
                          such image
Service/größer  Healthy
`
	if d := cmp.Diff(want[1:], draw(Screen{Width: 52}, table...)); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
}

func TestControlCharactersNeverReachTheTerminal(t *testing.T) {
	rows := []Row{Texts("a\tb", "c\nd\u009b1me"), Texts("f", "\x1b[2Jg\x7f")}
	for width, want := range map[int]string{0: "a b  c d 1me\nf     [2Jg\n", 10: "a b\n    c d\n    1me\nf\n    [2Jg\n"} {
		if d := cmp.Diff(want, draw(Screen{Width: width}, rows...)); d != "" {
			t.Errorf("width %d (-want +got):\n%s", width, d)
		}
	}
}

func TestLastColumnStandsBelowWhereThereIsNoRoom(t *testing.T) {
	want := `
OBJECT          HEALTH    MESSAGE
Service/web     Degraded
    0 of 2 tasks running; the last one
    that failed: no such image
Service/größer  Healthy
`
	if d := cmp.Diff(want[1:], draw(Screen{Width: 40}, table...)); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
}

func TestLineThatStandsAloneKeepsItsIndentation(t *testing.T) {
	want := "  one two\n    three\n    four\n"
	if got := draw(Screen{Width: 12}, Texts("  one two three four")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRowsWithoutAColumnPartItsWidths(t *testing.T) {
	want := "a  b\nalone\nlonger  c\n"
	if got := draw(Screen{}, Texts("a", "b"), Texts("alone"), Texts("longer", "c")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Colour changes no column: without the escape sequences the text is the same.
func TestColourHasNoWidth(t *testing.T) {
	for _, width := range []int{0, 30, 40, 52, 80, 200} {
		plain, painted := draw(Screen{Width: width}, table...), draw(Screen{Width: width, Color: true}, table...)
		if !strings.Contains(painted, "\x1b[31mDegraded\x1b[0m") {
			t.Errorf("width %d: nothing is painted: %q", width, painted)
		}
		if d := cmp.Diff(plain, escape.ReplaceAllString(painted, "")); d != "" {
			t.Errorf("width %d: colour moves text (-plain +painted):\n%s", width, d)
		}
		for line := range strings.Lines(plain) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > 40 && n > width {
				t.Errorf("width %d: a line has %d: %q", width, n, line)
			}
		}
	}
}

func TestPaintLeavesPlainTextAlone(t *testing.T) {
	on := Screen{Color: true}
	for _, got := range []string{on.Paint(Plain, "a"), on.Paint(Bad, ""), Screen{}.Paint(Bad, "a")} {
		if strings.Contains(got, "\x1b") {
			t.Errorf("got %q", got)
		}
	}
}

func TestWrapKeepsEveryWord(t *testing.T) {
	text := "a word-that-is-longer-than-the-width  and more"
	for width := range 60 {
		if got := strings.Join(Wrap(text, width), " "); got != strings.Join(strings.Fields(text), " ") {
			t.Errorf("width %d: %q", width, got)
		}
	}
}
