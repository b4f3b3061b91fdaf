package engine

import (
	"regexp"
	"slices"
	"strings"
)

// versionSegment matches where the engine's own path begins. What comes before it is the base path of a proxy.
var versionSegment = regexp.MustCompile(`/v\d+\.\d+/`)

// routeWords are path segments that the API defines. Any other segment is an id or a name. It would make metrics grow
// without bound, and may say what nobody should read.
var routeWords = map[string][]string{
	"swarm":        {"init", "join", "leave", "unlock", "unlockkey", "update"},
	"services":     {"create"},
	"networks":     {"create", "prune"},
	"configs":      {"create"},
	"secrets":      {"create"},
	"nodes":        {},
	"tasks":        {},
	"volumes":      {"create", "prune"},
	"containers":   {"create", "json", "prune"},
	"images":       {"create", "json", "load", "prune", "search"},
	"plugins":      {"privileges", "pull"},
	"system":       {"df"},
	"distribution": {},
}

var routeActions = []string{"connect", "disconnect", "json", "logs", "stats", "update"}

// route returns the template of a request's path, such as "/services/{id}/update".
func route(path string) string {
	if at := versionSegment.FindStringIndex(path); at != nil {
		path = path[at[1]-1:]
	} else if strings.HasSuffix(path, "/_ping") {
		return "/_ping"
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	words, known := routeWords[parts[0]]
	switch {
	case len(parts) == 1 && (known || slices.Contains([]string{"info", "version", "events", "auth", "_ping"}, parts[0])):
		return "/" + parts[0]
	case !known:
		return "/{other}"
	case len(parts) == 2 && slices.Contains(words, parts[1]):
		return "/" + parts[0] + "/" + parts[1]
	case len(parts) == 2:
		return "/" + parts[0] + "/{id}"
	}
	// An image's name may hold slashes, so the action is the last segment and not the third.
	if last := parts[len(parts)-1]; slices.Contains(routeActions, last) {
		return "/" + parts[0] + "/{id}/" + last
	}
	return "/" + parts[0] + "/{id}/{other}"
}

// streaming reports whether an answer on this route may last for ever.
func streaming(route string) bool {
	return route == "/events" || strings.HasSuffix(route, "/logs") || strings.HasSuffix(route, "/stats")
}
