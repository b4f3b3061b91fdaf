package redact

import (
	"fmt"
	"strings"
	"unicode"
)

// visible reports whether a character may be printed as it is. Formats of Unicode are not, because some of them change
// the order in which a terminal shows a line.
func visible(r rune) bool {
	return !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) && r != '\u2028' && r != '\u2029'
}

// OneLine returns a text in which control characters, line breaks and terminal escapes are visible, as \n or \x1b.
func OneLine(text string) string {
	return seen(text, visible)
}

// Lines does the same, and keeps line breaks and tabs.
func Lines(text string) string {
	return seen(text, func(r rune) bool { return r == '\n' || r == '\t' || visible(r) })
}

func seen(text string, as func(rune) bool) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !as(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case as(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
