package git

import "strings"

// Lines returns the values of a message's lines Key: value, in order. The key's case does not matter, and a line that
// begins with white space continues the one before it. A line Key: value counts anywhere below the subject, because
// forges put lines of their own after a trailer (GitHub Co-authored-by, GitLab See merge request). git then no longer
// reads it as a trailer.
//
// Lines below a squash's list of commits ("* subject") were written for other commits, and are returned separately as
// below.
func Lines(message, key string) (values, below []string) {
	into := &values
	open := false // whether the next line may continue the last value
	for i, line := range strings.Split(strings.ReplaceAll(message, "\r\n", "\n"), "\n") {
		switch name, value, ok := cutLine(line); {
		case i == 0 || strings.HasPrefix(line, "#"):
			open = false
		case strings.HasPrefix(line, "* "):
			into, open = &below, false
		case ok && strings.EqualFold(name, key):
			*into, open = append(*into, value), true
		case open && strings.TrimSpace(line) != "" && (line[0] == ' ' || line[0] == '\t'):
			last := &(*into)[len(*into)-1]
			*last = strings.TrimSpace(*last + " " + strings.TrimSpace(line))
		default:
			open = false
		}
	}
	return values, below
}

// cutLine splits a line Key: value. A key consists of letters, digits and hyphens; spaces may follow it.
func cutLine(line string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(line, ":")
	key = strings.TrimRight(key, " \t")
	if !ok || key == "" {
		return "", "", false
	}
	for _, c := range []byte(key) {
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "", "", false
		}
	}
	return key, strings.TrimSpace(value), true
}
