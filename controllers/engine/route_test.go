package engine

import "testing"

func TestRoute(t *testing.T) {
	for path, want := range map[string]string{
		"/_ping":                                     "/_ping",
		"/base/_ping":                                "/_ping",
		"/v1.41/services":                            "/services",
		"/v1.41/services/create":                     "/services/create",
		"/v1.41/services/abc123":                     "/services/{id}",
		"/v1.41/services/abc123/update":              "/services/{id}/update",
		"/v1.41/services/abc123/logs":                "/services/{id}/logs",
		"/v1.41/services/abc123/secret-word":         "/services/{id}/{other}",
		"/base/v1.41/nodes/abc123/update":            "/nodes/{id}/update",
		"/v1.41/swarm":                               "/swarm",
		"/v1.41/swarm/unlockkey":                     "/swarm/unlockkey",
		"/v1.41/swarm/my-token":                      "/swarm/{id}",
		"/v1.41/distribution/nginx:latest/json":      "/distribution/{id}/json",
		"/v1.41/distribution/r.io/a/b@sha256:1/json": "/distribution/{id}/json",
		"/v1.41/info":                                "/info",
		"/v1.41/events":                              "/events",
		"/v1.41/networks/prune":                      "/networks/prune",
		"/v1.41/what/is/this":                        "/{other}",
		"/v1.41/":                                    "/{other}",
		"":                                           "/{other}",
	} {
		if got := route(path); got != want {
			t.Errorf("route(%q) = %q, want %q", path, got, want)
		}
	}
}

// A metric must not grow with the number of objects: any path gives one of a few routes.
func FuzzRouteIsClosed(f *testing.F) {
	f.Add("/v1.41/services/abc/update")
	f.Add("/v1.41/services/abc/v1.41/secrets/x")
	seen := map[string]bool{}
	f.Fuzz(func(t *testing.T, path string) {
		seen[route(path)] = true
		if len(seen) > 200 {
			t.Fatalf("%d routes, the last of %q", len(seen), path)
		}
	})
}
