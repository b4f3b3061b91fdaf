package manifests

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// chunk is a part of a file between two document separators. line is the number of lines before it.
type chunk struct {
	text []byte
	line int
}

// split cuts a file before each line that starts with ---. Such a line separates documents wherever it stands in YAML.
// It leaves out chunks that state nothing.
func split(data []byte) []chunk {
	var out []chunk
	start, startLine, line := 0, 0, 0
	begun, states := false, false // begun: it has its separator or some text, so that the next separator ends it
	for at := 0; at < len(data); line++ {
		end := bytes.IndexByte(data[at:], '\n') + 1
		if end == 0 {
			end = len(data) - at
		}
		text := data[at : at+end]
		rest, separates := separator(text)
		// Directives and comments belong to the document that follows them.
		if separates && begun {
			if states {
				out = append(out, chunk{data[start:at], startLine})
			}
			start, startLine, states = at, line, false
		}
		blank := aside(rest)
		begun, states = begun || separates || !blank, states || !blank
		at += end
	}
	if states {
		out = append(out, chunk{data[start:], startLine})
	}
	return out
}

// separator reports whether a line separates documents, and returns the rest of the line.
func separator(line []byte) (rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(line, []byte("---"))
	if !ok || (len(rest) > 0 && rest[0] != ' ' && rest[0] != '\t' && rest[0] != '\n' && rest[0] != '\r') {
		return line, false
	}
	return rest, true
}

// aside reports whether a line is blank, a comment or a directive.
func aside(line []byte) bool {
	trimmed := bytes.TrimSpace(line)
	return len(trimmed) == 0 || trimmed[0] == '#' || line[0] == '%'
}

// notText reports bytes that cannot be in a text file, with their line. YAML libraries read such bytes differently.
func notText(data []byte) (v1.Problem, bool) {
	at := func(i int) int { return 1 + bytes.Count(data[:i], []byte{'\n'}) }
	if !utf8.Valid(data) {
		for i := 0; ; {
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				return v1.Problem{Line: at(i), Message: "holds bytes that are not UTF-8"}, true
			}
			i += size
		}
	}
	for i, c := range data {
		if (c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f {
			return v1.Problem{Line: at(i), Message: fmt.Sprintf("holds the control character U+%04X", c)}, true
		}
	}
	return v1.Problem{}, false
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError returns the line of an error, and what is wrong in fixed words. The library's own words may quote the
// file.
func yamlError(err error) (line int, message string) {
	text := err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		line, _ = strconv.Atoi(m[1])
	}
	message = "is not valid YAML"
	for _, known := range yamlErrors {
		if strings.HasPrefix(text, known.says) {
			message += ": " + known.means
			if line > 0 {
				line += known.off
			}
			break
		}
	}
	return max(line, 1), message
}

// yamlErrors are the library's messages that help a reader. Messages of its parser count lines from zero.
var yamlErrors = []struct {
	says, means string
	off         int
}{
	{"did not find expected key", "a key is expected; is a line above or below indented wrongly, or is a quote open?", 1},
	{"did not find expected '-' indicator", "an element of a list (-) is expected; is a line above or below indented wrongly?", 1},
	{"did not find expected ',' or ']'", "a list in brackets is not closed, or a comma is missing", 1},
	{"did not find expected ',' or '}'", "a mapping in braces is not closed, or a comma is missing", 1},
	{"did not find expected node content", "a value is expected", 1},
	{"did not find expected <document start>", "a document has ended here; a line --- is missing, or a line is indented wrongly", 1},
	{"mapping values are not allowed in this context", "a key: value is not possible here; is a line indented wrongly, or a value with a colon not quoted?", 0},
	{"block sequence entries are not allowed in this context", "an element of a list (-) is not possible here", 0},
	{"mapping keys are not allowed in this context", "a key is not possible here", 0},
	{"found character that cannot start any token", "a value begins with a tab, @, ` or %; quote it, and indent with spaces", 0},
	{"found a tab character", "a tab stands where only spaces may indent", 0},
	{"could not find expected ':'", "a colon is missing after a key", 0},
	{"found unexpected end of stream", "a quote is not closed", 0},
	{"found unexpected document indicator", "a quote is not closed", 0},
	{"found unknown escape character", "a backslash in double quotes is followed by a letter that means nothing; use single quotes", 0},
	{"unknown anchor", "an alias (*name) has no anchor (&name) above it in its document", 0},
	{"exceeded max depth", "it is nested too deeply", 0},
	{"control characters are not allowed", "it holds a control character", 0},
	{"found undefined tag handle", "a YAML tag (a word after !) has no meaning here", 1},
}
