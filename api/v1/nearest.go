package v1

// Nearest returns the candidate with the smallest edit distance to name, or "" if none is near enough.
func Nearest(name string, candidates []string) string {
	best, bestDistance := "", len(name)/2+1
	if bestDistance > 4 {
		bestDistance = 4
	}
	for _, c := range candidates {
		if d := distance(fold(name), fold(c)); d < bestDistance || (d == bestDistance && best != "" && c < best) {
			best, bestDistance = c, d
		}
	}
	return best
}

// DidYouMean returns a clause to append to an error, or "" if no candidate is near enough.
func DidYouMean(name string, candidates []string) string {
	if n := Nearest(name, candidates); n != "" && n != name {
		return "; did you mean " + n + "?"
	}
	return ""
}

// SameWord reports whether two names differ only in case, - and _.
func SameWord(a, b string) bool { return fold(a) == fold(b) }

// fold makes stop_grace_period, StopGracePeriod and stopGracePeriod equal, because people paste from compose files.
func fold(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c == '_' || c == '-':
		case 'A' <= c && c <= 'Z':
			out = append(out, c+'a'-'A')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// distance returns the Damerau-Levenshtein distance (optimal string alignment). Names are short; inputs are cut at 64
// bytes so that a hostile one costs nothing.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
