package engine

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
)

// Write is a call that could change something, and that reached the engine or may have.
type Write struct {
	Method string
	// Path is the path without the API version, such as /services/abc/update. It has ids and names, and no values.
	Path string
	// Host is the engine that was called, without credentials.
	Host string
	// Object is the object that the call is about, such as Service/web, as far as the call itself tells: it has the
	// id in place of the name if the call has only the id.
	Object string
	// Epoch is the epoch of the lease that the call was made under. It is 0 for calls about the lease itself, and for
	// calls that need none.
	Epoch uint64
	// Status is the status of the answer. It is 0 if no answer came: then nobody knows what became of the call.
	Status int
}

type recordKey struct{}

// Recorded returns a context under which every client tells record of each write, with the context of the call. Clients
// call record from any goroutine, when they know the status of the answer and before the caller knows it. A call that
// was not sent is no write.
func Recorded(ctx context.Context, record func(context.Context, Write)) context.Context {
	return context.WithValue(ctx, recordKey{}, record)
}

// EpochOf returns the epoch of the lease that the context's calls are made under, or 0.
func EpochOf(ctx context.Context) uint64 {
	f, _ := ctx.Value(fenceKey{}).(Fence)
	return f.Epoch
}

// recorder returns a function to call with the status of a request, or nil if nobody keeps a record of it.
func recorder(req *http.Request, host string) func(status int) {
	record, is := req.Context().Value(recordKey{}).(func(context.Context, Write))
	if !is || !changes(req.Method) {
		return nil
	}
	w := Write{Method: req.Method, Path: withoutVersion(req.URL.Path), Host: host, Epoch: EpochOf(req.Context())}
	w.Object = objectOf(w.Path, nameIn(req))
	return func(status int) {
		w.Status = status
		record(req.Context(), w)
	}
}

// withoutVersion returns a request's path from behind the API version.
func withoutVersion(p string) string {
	if at := versionSegment.FindStringIndex(p); at != nil {
		p = p[at[1]-1:]
	}
	return path.Clean(p)
}

// collections are the kinds of the objects below a path.
var collections = map[string]string{"services": "Service", "configs": "Config", "secrets": "Secret", "networks": "Network", "nodes": "Node", "volumes": "Volume"}

// objectOf returns the object that a path is about. name is the name that the call gives the object, or "".
func objectOf(p, name string) string {
	parts := strings.Split(strings.Trim(p, "/"), "/")
	kind := collections[parts[0]]
	switch {
	case parts[0] == "swarm":
		return "Cluster/default"
	case kind == "" || len(parts) < 2:
		return ""
	case name != "":
		return kind + "/" + name
	case slices.Contains(routeWords[parts[0]], parts[1]):
		return kind
	}
	return kind + "/" + parts[1]
}

// nameIn returns the name that the body of a request states. Nothing else is taken from the body, which may hold a
// secret.
func nameIn(req *http.Request) string {
	if req.GetBody == nil {
		return ""
	}
	body, err := req.GetBody()
	if err != nil {
		return ""
	}
	defer body.Close()
	var named struct{ Name string }
	if json.NewDecoder(body).Decode(&named) != nil {
		return ""
	}
	return named.Name
}
