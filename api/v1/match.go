package v1

import (
	"slices"
	"strings"
)

// MatchPattern reports whether a hostname fits a pattern: * is any text, even an empty one, and ? is any one
// character. The case of ASCII letters does not count, as in DNS. Only the last * is tried again, so the steps are at
// most the product of the two lengths, whatever the pattern.
func MatchPattern(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	i, star, tried := 0, -1, 0 // tried is where in the name the text after the last * was last looked for
	for j := 0; j < len(n); {
		switch {
		case i < len(p) && p[i] == '*':
			star, tried = i, j
			i++
		case i < len(p) && (p[i] == '?' || lowerASCII(p[i]) == lowerASCII(n[j])):
			i++
			j++
		case star >= 0:
			tried++
			i, j = star+1, tried
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// matchAny reports whether one of the patterns fits. An empty list fits every name.
func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if MatchPattern(p, name) {
			return true
		}
	}
	return len(patterns) == 0
}

// Matches reports whether an engine's platform is this one. A part that is not stated matches all.
func (p Platform) Matches(os, arch string) bool {
	return (p.OS == "" || strings.EqualFold(p.OS, os)) && (p.Architecture == "" || normalArch(p.Architecture) == normalArch(arch))
}

// normalArch brings two sets of names into one form: the kernel's, which engines report, and Go's, which images have.
func normalArch(arch string) string {
	switch arch = strings.ToLower(arch); arch {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return arch
}

// Matches reports whether everything that the selector states is true of a node.
func (s NodeSelector) Matches(id, hostname string, engineLabels map[string]string, os, arch, role string) bool {
	if len(s.IDs) > 0 && !slices.Contains(s.IDs, id) {
		return false
	}
	for k, v := range s.EngineLabels {
		if have, ok := engineLabels[k]; !ok || have != v {
			return false
		}
	}
	return matchAny(s.Hostnames, hostname) && (s.Platform == nil || s.Platform.Matches(os, arch)) && (s.Role == "" || s.Role == role)
}

// Matches reports whether a node is one of the candidates. If c is nil, no node is. Nor is any if c states neither labels
// nor IDs, because a hostname selects nothing alone.
func (c *Candidates) Matches(id, hostname string, labels map[string]string) bool {
	if c == nil || len(c.Labels)+len(c.IDs) == 0 || len(c.IDs) > 0 && !slices.Contains(c.IDs, id) {
		return false
	}
	for k, v := range c.Labels {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return matchAny(c.Hostnames, hostname)
}
