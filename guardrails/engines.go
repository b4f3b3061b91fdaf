package guardrails

import (
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
)

// engine is the address of an engine in its parts.
type engine struct{ scheme, user, host, port, path string }

// engineOf reads an address as whoever connects to it does. ok is false if it cannot be read, or if its path is not in the
// shortest form.
func engineOf(text string) (e engine, ok bool) {
	scheme, rest, ok := strings.Cut(text, "://")
	if scheme == "unix" {
		return engine{scheme: scheme, path: rest}, ok && path.Clean(rest) == rest
	}
	u, err := url.Parse(text)
	if err != nil || !ok || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" {
		return engine{}, false
	}
	below := strings.TrimSuffix(u.Path, "/")
	return engine{u.Scheme, u.User.Username(), u.Hostname(), u.Port(), below}, below == "" || path.Clean(below) == below
}

// enginePattern reads a pattern. It is no URL, because ? stands for a character.
func enginePattern(text string) engine {
	scheme, rest, _ := strings.Cut(text, "://")
	e := engine{scheme: scheme}
	if scheme == "unix" {
		e.path = rest
		return e
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		rest, e.path = rest[:i], strings.TrimSuffix(rest[i:], "/")
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		e.user, rest = rest[:i], rest[i+1:]
	}
	if e.host = rest; !strings.HasSuffix(rest, "]") {
		if i := strings.LastIndexByte(rest, ':'); i >= 0 {
			e.host, e.port = rest[:i], rest[i+1:]
		}
	}
	return e
}

// matchesEngine reports whether one of the patterns matches an address, part by part: a * in the host stands for nothing
// of the user or the port. A part that the pattern leaves out has to be left out.
func matchesEngine(patterns []string, text string) bool {
	e, ok := engineOf(text)
	return ok && e.matches(patterns)
}

func (e engine) matches(patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		p := enginePattern(pattern)
		return p.scheme == e.scheme && match(p.user, e.user) && matchHost(p.host, e.host) && match(p.port, e.port) && match(p.path, e.path)
	})
}

// matchesURL reports whether one of the patterns matches a URL, part by part. A URL without a path is one with the path /.
func matchesURL(patterns []string, text string) bool {
	u, ok := engineOf(text)
	if !ok {
		return false
	}
	root := u
	root.path = "/"
	return u.matches(patterns) || u.path == "" && root.matches(patterns)
}

// matchHost reports whether a pattern matches a host. One of digits matches addresses only: 10.0.* is not meant to match
// the name 10.0.example.com. So does one in brackets.
func matchHost(pattern, host string) bool {
	pattern, host = strings.ToLower(pattern), strings.ToLower(host)
	address, err := netip.ParseAddr(host)
	if inner, ok := strings.CutPrefix(pattern, "["); ok {
		return err == nil && address.Is6() && match(strings.TrimSuffix(inner, "]"), host)
	}
	if strings.ContainsAny(pattern, "0123456789") && strings.Trim(pattern, "0123456789.*?") == "" && err != nil {
		return false
	}
	return match(pattern, host)
}
