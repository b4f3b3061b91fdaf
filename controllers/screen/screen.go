// Package screen lays out what people read: columns, long texts that are wrapped, and colour. The zero Screen knows no width and
// has no colour: it cuts and wraps nothing, so that a pipe always gets the same bytes. Nothing here looks at a terminal.
package screen

import (
	"strings"
	"unicode/utf8"
)

// Screen is what is written on.
type Screen struct {
	// Width is the number of columns that there are. 0 means that nothing is wrapped.
	Width int
	// Color says whether texts are painted.
	Color bool
}

// Ink says what a text means. What that looks like is decided here alone.
type Ink uint8

// The inks.
const (
	Plain Ink = iota
	Title     // a heading
	Faint     // what few people need
	Good      // all is well, or something is added
	Busy      // it changes, or somebody should look
	Bad       // it failed, or something is removed
)

var codes = [...]string{Title: "1", Faint: "2", Good: "32", Busy: "33", Bad: "31"}

// Paint returns the text in an ink. What it is padded with goes around it, not into it: escape sequences have no width.
func (s Screen) Paint(ink Ink, text string) string {
	if !s.Color || ink == Plain || text == "" {
		return text
	}
	return "\x1b[" + codes[ink] + "m" + text + "\x1b[0m"
}

// Cell is a text of one line.
type Cell struct {
	Text string
	Ink  Ink
}

// Row is one line. Its last cell may be long, and is wrapped.
type Row []Cell

// Texts makes a row of plain texts.
func Texts(texts ...string) Row {
	row := make(Row, len(texts))
	for i, t := range texts {
		row[i].Text = t
	}
	return row
}

// Titles makes a row of headings.
func Titles(texts ...string) Row {
	row := Texts(texts...)
	for i := range row {
		row[i].Ink = Title
	}
	return row
}

const (
	gap = 2 // between columns
	// narrow is the width below which a text is not wrapped beside other columns but below them.
	narrow = 24
	// below is how far it is indented there.
	below = 4
)

// Columns writes rows under each other. Neighbouring rows that go on behind a column share its width.
func (s Screen) Columns(out *strings.Builder, rows []Row) {
	widths := columns(rows)
	for i, row := range rows {
		var line strings.Builder
		at := 0
		for c, cell := range row[:max(0, len(row)-1)] {
			pad := widths[i][c] - utf8.RuneCountInString(cell.Text)
			line.WriteString(s.Paint(cell.Ink, cell.Text) + strings.Repeat(" ", pad))
			at += widths[i][c]
		}
		if len(row) > 0 {
			s.last(&line, row[len(row)-1], at)
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// last writes the last cell of a row, which begins at a column.
func (s Screen) last(line *strings.Builder, cell Cell, at int) {
	if s.Width == 0 || at+utf8.RuneCountInString(cell.Text) <= s.Width {
		line.WriteString(s.Paint(cell.Ink, cell.Text))
		return
	}
	room := s.Width - at
	if at == 0 { // a line that stands alone keeps its own indentation
		indent := len(cell.Text) - len(strings.TrimLeft(cell.Text, " "))
		at, room = indent+gap, s.Width-indent-gap
		line.WriteString(strings.Repeat(" ", indent))
	} else if room < narrow {
		text := strings.TrimRight(line.String(), " ")
		line.Reset()
		line.WriteString(text + "\n" + strings.Repeat(" ", below))
		at, room = below, s.Width-below
	}
	for i, part := range Wrap(cell.Text, room) {
		if i > 0 {
			line.WriteString("\n" + strings.Repeat(" ", at))
		}
		line.WriteString(s.Paint(cell.Ink, part))
	}
}

// columns returns, for each row, the widths of all its columns except the last, each with the gap behind it.
func columns(rows []Row) [][]int {
	widths := make([][]int, len(rows))
	for i, row := range rows {
		widths[i] = make([]int, max(0, len(row)-1))
	}
	for i := range rows {
		for c := range widths[i] {
			if widths[i][c] > 0 {
				continue // it shares the width of the row before
			}
			end, width := i, 0
			for ; end < len(rows) && len(widths[end]) > c; end++ {
				width = max(width, utf8.RuneCountInString(rows[end][c].Text))
			}
			for j := i; j < end; j++ {
				widths[j][c] = width + gap
			}
		}
	}
	return widths
}

// Wrap breaks a text between words into lines of at most width characters. A word that is longer has a line of its own.
func Wrap(text string, width int) []string {
	var lines []string
	line, length := "", 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		if length > 0 && length+1+n > width {
			lines = append(lines, line)
			line, length = "", 0
		}
		if length > 0 {
			line += " "
			length++
		}
		line += word
		length += n
	}
	if length > 0 {
		lines = append(lines, line)
	}
	return lines
}
