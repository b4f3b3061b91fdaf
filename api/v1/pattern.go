package v1

import "strings"

// MatchText reports whether a pattern matches a text whole: * is any text, a / too, and ? is any character. No other character
// has a meaning.
func MatchText(pattern, text string) bool {
	p, t := 0, 0
	star, from := -1, 0 // the last *, and where the text that it stands for ends
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
