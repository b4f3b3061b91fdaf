// Package screen lays out what people read: columns, long texts that are wrapped, and colour. The zero Screen has no
// width and no colour: it cuts and wraps nothing, so that a pipe always gets the same bytes. Nothing here looks at a
// terminal.
package screen

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Screen is what texts are laid out for.
type Screen struct {
	// Width is the number of columns. 0 means that nothing is wrapped.
	Width int
	// Color says whether texts are painted.
	Color bool
}

// Ink says what a text means. Only this package decides what that looks like.
type Ink uint8

// These are the inks.
const (
	Plain Ink = iota
	Title     // a heading
	Faint     // few people need it
	Good      // all is well, or something is added
	Busy      // it changes, or somebody should look
	Bad       // it failed, or something is removed
)

var codes = [...]string{Title: "1", Faint: "2", Good: "32", Busy: "33", Bad: "31"}

// Paint returns the text in an ink. Pad the result, not the text, because escape sequences have no width.
func (s Screen) Paint(ink Ink, text string) string {
	if !s.Color || ink == Plain || text == "" {
		return text
	}
	return "\x1b[" + codes[ink] + "m" + text + "\x1b[0m"
}

// Cell is a text of one line. Columns writes line breaks and other control characters in it as spaces, because the
// text may come from anybody.
type Cell struct {
	Text string
	Ink  Ink
}

// Row is one line. Its last cell may be long; it is then wrapped.
type Row []Cell

// Texts returns a row of plain texts.
func Texts(texts ...string) Row {
	row := make(Row, len(texts))
	for i, t := range texts {
		row[i].Text = t
	}
	return row
}

// Titles returns a row of headings.
func Titles(texts ...string) Row {
	row := Texts(texts...)
	for i := range row {
		row[i].Ink = Title
	}
	return row
}

const (
	gap = 2 // between columns
	// narrow is the width below which a text is wrapped below the other columns, and not beside them.
	narrow = 24
	// below is how far the text is indented there.
	below = 4
)

// Columns writes rows under each other. Neighbouring rows that both have a column after this one share its width.
func (s Screen) Columns(out *strings.Builder, rows []Row) {
	widths := columns(rows)
	for i, row := range rows {
		var line strings.Builder
		at := 0
		for c, cell := range row[:max(0, len(row)-1)] {
			pad := widths[i][c] - utf8.RuneCountInString(cell.Text)
			line.WriteString(s.Paint(cell.Ink, OneLine(cell.Text)) + strings.Repeat(" ", pad))
			at += widths[i][c]
		}
		if len(row) > 0 {
			s.last(&line, row[len(row)-1], at)
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// last writes the last cell of a row. at is the column where it begins.
func (s Screen) last(line *strings.Builder, cell Cell, at int) {
	cell.Text = OneLine(cell.Text)
	if s.Width == 0 || at+utf8.RuneCountInString(cell.Text) <= s.Width {
		line.WriteString(s.Paint(cell.Ink, cell.Text))
		return
	}
	room := s.Width - at
	if at == 0 { // a line with one cell keeps its own indentation
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

// OneLine returns a text with spaces for line breaks and other control characters.
func OneLine(text string) string {
	if !strings.ContainsFunc(text, unicode.IsControl) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// columns returns, for each row, the widths of all columns except the last, each including the gap after it.
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

// Wrap breaks a text between words into lines of at most width characters. A longer word has a line of its own.
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
