package git

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// scpLike matches git@host:path, git's short form of an ssh URL.
var scpLike = regexp.MustCompile(`^[A-Za-z0-9._-]+@[A-Za-z0-9._-]+:[^\\]`)

// isURL reports whether a location names a remote and not a directory.
func isURL(location string) bool {
	return strings.Contains(location, "://") || (scpLike.MatchString(location) && !strings.HasPrefix(location, "/"))
}

// noRef returns an error if # or ? follows in a URL. People mean a branch, tag or commit by it, and the operator does
// not read that. The error does not show what follows, because it may hold a token.
func noRef(location string) error {
	i := strings.IndexAny(location, "#?")
	if i < 0 {
		return nil
	}
	if _, err := url.Parse(location); err == nil || !strings.Contains(location, "://") {
		return errRef(redactURL(location[:i]), location[i])
	}
	return nil // it is malformed, and whatever opens it reports that
}

func errRef(location string, mark byte) error {
	return fmt.Errorf("opening %s: what follows the %c is not read: no branch, tag or commit can be chosen yet, and a remote is read at its HEAD, the default branch; leave it out, or check that branch out and name the directory", location, mark)
}

// localPath returns the directory that a file URL names.
func localPath(location string) (string, bool) {
	const scheme = "file://"
	if len(location) < len(scheme) || !strings.EqualFold(location[:len(scheme)], scheme) {
		return "", false
	}
	u, err := url.Parse(location)
	if err != nil || (u.Host != "" && u.Host != "localhost") {
		return "", false
	}
	return u.Path, true
}

var anyURL = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>]*`)

// redactURL removes user names, passwords and queries from the URLs in a text, because any of them may be a token.
func redactURL(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	return anyURL.ReplaceAllStringFunc(text, func(found string) string {
		scheme, rest, _ := strings.Cut(found, "://")
		authority, path, slash := strings.Cut(rest, "/")
		// A password may hold a slash, against the rules. In any case, nothing before the last @ is shown.
		if _, err := url.Parse(found); err != nil || !strings.Contains(authority, "@") {
			if i := strings.LastIndex(rest, "@"); i >= 0 {
				authority, path, slash = strings.Cut(rest[i+1:], "/")
			}
		}
		authority = authority[strings.LastIndex(authority, "@")+1:]
		if slash {
			path = "/" + path
		}
		shown := authority + path
		if i := strings.IndexAny(shown, "?#"); i >= 0 {
			shown = shown[:i]
		}
		return scheme + "://" + shown
	})
}

// redactError returns an error's text without the credentials of a URL, in whatever form the text holds them. Some of
// the text comes from the server, so it is reduced to one short line.
func redactError(err error, location string) string {
	text := redactURL(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r <= ' ' || r == 0x7f || r == utf8.RuneError }), " "))
	u, parseErr := url.Parse(location)
	if parseErr != nil || u.User == nil {
		return oneLine(text)
	}
	password, _ := u.User.Password()
	for _, secret := range []string{password, url.QueryEscape(password), url.PathEscape(password)} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "(hidden)")
		}
	}
	if name := u.User.Username(); len(name) >= 12 { // a token in place of a name
		text = strings.ReplaceAll(text, name, "(hidden)")
	}
	return oneLine(text)
}

func oneLine(text string) string {
	const limit = 300
	text = strings.TrimRight(text, ": ")
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
