package render

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode"
)

// quoted returns a text as a scalar of YAML on one line: as it is if every reader takes it for this text, and
// otherwise in quotes. within is true inside brackets, where some characters have a meaning of their own.
func quoted(text string, within bool) string {
	switch {
	case isPlain(text) && (!within || !strings.ContainsAny(text, ",[]{}?")):
		return text
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return escaped(text)
	case strings.ContainsAny(text, `"\`):
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return `"` + text + `"`
}

// escaped returns a text in double quotes, with escapes for whatever cannot be seen.
func escaped(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// inLines reports whether a text is written in lines of its own. Characters that cannot be seen, and the ends of lines
// that YAML would change, need quotes.
func inLines(text string) bool {
	return strings.Contains(text, "\n") && strings.Trim(text, "\n") != "" &&
		!strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) })
}

// isPlain reports whether a text needs no quotes.
func isPlain(text string) bool {
	if text == "" || strings.HasPrefix(text, "---") || strings.HasPrefix(text, "...") {
		return false
	}
	if c := text[0]; !letterOrDigit(rune(c)) && !strings.ContainsRune("_/.$(+", rune(c)) && (c != '-' || len(text) == 1 || text[1] == ' ') {
		return false
	}
	if strings.ContainsFunc(text, func(r rune) bool { return (r < ' ' || r > '~') && !unicode.IsLetter(r) }) {
		return false
	}
	if strings.HasSuffix(text, " ") || strings.HasSuffix(text, ":") || strings.Contains(text, ": ") || strings.Contains(text, " #") {
		return false
	}
	return !resembles(text)
}

func letterOrDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

var (
	// number matches every notation of numbers, of YAML 1.1 too: 0o17, 0x1f, 1_000, 1:30, 1e3, .5
	number = regexp.MustCompile(`^[-+]?[0-9.][0-9_.,:+a-fA-FxXoO-]*$`)
	date   = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt\s].*)?$`)
)

// resembles reports whether some reader of YAML takes a plain text for a number, a boolean, nothing or a date.
func resembles(text string) bool {
	switch strings.ToLower(text) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "-.inf", "+.inf", ".nan", "nan", "inf", "+inf", "-inf":
		return true
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
		return false
	}
	return number.MatchString(text) || date.MatchString(text)
}
