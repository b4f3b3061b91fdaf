package git

import (
	"net/url"
	"regexp"
	"strings"
)

// scpLike matches git@host:path, git's short form of an ssh URL.
var scpLike = regexp.MustCompile(`^(?:[A-Za-z0-9._-]+@)[A-Za-z0-9._-]+:[^/\\].*$`)

// isURL says whether a location names a remote.
func isURL(location string) bool {
	for _, scheme := range []string{"https://", "http://", "ssh://", "git://", "file://", "git+ssh://"} {
		if len(location) > len(scheme) && strings.EqualFold(location[:len(scheme)], scheme) {
			return true
		}
	}
	return scpLike.MatchString(location) && !strings.HasPrefix(location, ".") && !strings.HasPrefix(location, "/")
}

var userInfo = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*://)[^\s/?#@]*(?:@[^\s/?#@]*)*@`)

// redactURL takes user names, passwords and queries out of the URLs in a text.
func redactURL(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	if u, err := url.Parse(text); err == nil && u.RawQuery != "" {
		u.RawQuery, u.Fragment = "", ""
		text = u.String()
	}
	return userInfo.ReplaceAllString(text, "${1}")
}
