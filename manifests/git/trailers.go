package git

import "strings"

// Trailers returns the values of a message's trailers of that key, in order. Trailers are lines Key: value in the last
// paragraph, as git log --format=%(trailers) reads them: the key's case means nothing, a line that begins with white space
// continues the one before it, and a paragraph with other lines holds trailers only if at least a quarter of them are.
func Trailers(message, key string) []string {
	var values []string
	for _, t := range lastTrailers(message) {
		if strings.EqualFold(t.key, key) {
			values = append(values, t.value)
		}
	}
	return values
}

type trailer struct{ key, value string }

func lastTrailers(message string) []trailer {
	var found []trailer
	trailers, others, ours := 0, 0, false
	for _, line := range lastParagraph(message) {
		key, value, ok := cutTrailer(line)
		switch {
		case (line[0] == ' ' || line[0] == '\t') && len(found) > 0:
			last := &found[len(found)-1]
			last.value = strings.TrimSpace(last.value + " " + strings.TrimSpace(line))
		case ok:
			trailers++
			ours = ours || byGit(key)
			found = append(found, trailer{key, value})
		case strings.HasPrefix(line, "(cherry picked from commit "):
			trailers++
			ours = true
		default:
			others++
		}
	}
	if others == 0 || (ours && trailers*3 >= others) {
		return found
	}
	return nil
}

// byGit says that git writes such trailers itself: only beside one of them does git allow lines that are no trailers.
func byGit(key string) bool { return strings.EqualFold(key, "Signed-off-by") }

// lastParagraph returns the lines of the last paragraph, unless that is the first one, which is the subject.
func lastParagraph(message string) []string {
	lines := strings.Split(strings.ReplaceAll(message, "\r\n", "\n"), "\n")
	end := len(lines)
	for end > 0 && ignorable(lines[end-1]) {
		end--
	}
	start := end
	for start > 0 && strings.TrimSpace(lines[start-1]) != "" {
		start--
	}
	if strings.TrimSpace(strings.Join(lines[:start], "")) == "" {
		return nil
	}
	var out []string
	for _, line := range lines[start:end] {
		if !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

func ignorable(line string) bool {
	return strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#")
}

// cutTrailer splits a line Key: value. A key is letters, digits and hyphens; spaces may follow it.
func cutTrailer(line string) (key, value string, ok bool) {
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
