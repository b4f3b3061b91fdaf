package engine

import (
	"context"
	"io"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Every method makes the call that its name says, on a route that metrics know.
func TestCalls(t *testing.T) {
	c, got := opened(t, pinged("1.56", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/logs"):
		case slices.Contains([]string{"tasks", "nodes", "configs", "secrets", "networks", "services"}, path.Base(r.URL.Path)):
			_, _ = io.WriteString(w, "[]")
		case strings.HasSuffix(r.URL.Path, "/swarm/init"):
			_, _ = io.WriteString(w, `"node"`)
		default:
			_, _ = io.WriteString(w, "{}")
		}
	}))
	want := map[string]string{
		"TaskList": "GET /tasks", "TaskInspect": "GET /tasks/{id}", "TaskLogs": "GET /tasks/{id}/logs",
		"NodeList": "GET /nodes", "NodeInspect": "GET /nodes/{id}", "NodeUpdate": "POST /nodes/{id}/update", "NodeRemove": "DELETE /nodes/{id}",
		"ConfigList": "GET /configs", "ConfigInspect": "GET /configs/{id}", "ConfigCreate": "POST /configs/create", "ConfigUpdate": "POST /configs/{id}/update", "ConfigRemove": "DELETE /configs/{id}",
		"SecretList": "GET /secrets", "SecretInspect": "GET /secrets/{id}", "SecretCreate": "POST /secrets/create", "SecretUpdate": "POST /secrets/{id}/update", "SecretRemove": "DELETE /secrets/{id}",
		"NetworkList": "GET /networks", "NetworkInspect": "GET /networks/{id}", "NetworkCreate": "POST /networks/create", "NetworkRemove": "DELETE /networks/{id}",
		"VolumeList": "GET /volumes", "VolumeInspect": "GET /volumes/{id}", "VolumeCreate": "POST /volumes/create", "VolumeUpdate": "PUT /volumes/{id}", "VolumeRemove": "DELETE /volumes/{id}",
		"SwarmInspect": "GET /swarm", "SwarmInit": "POST /swarm/init", "SwarmJoin": "POST /swarm/join", "SwarmUpdate": "POST /swarm/update", "SwarmLeave": "POST /swarm/leave",
		"SwarmUnlock": "POST /swarm/unlock", "SwarmGetUnlockKey": "GET /swarm/unlockkey",
		"DistributionInspect": "GET /distribution/{id}/json",
		"ServiceRemove":       "DELETE /services/{id}", "ServiceList": "GET /services", "Service": "GET /services/{id}", "ServiceRaw": "GET /services/{id}",
		"ServiceCreate": "POST /services/create", "ServiceUpdate": "POST /services/{id}/update", "NodesRaw": "GET /nodes", "NodeRaw": "GET /nodes/{id}", "SwarmRaw": "GET /swarm",
		"Describe": "GET /info",
	}
	none := map[string]bool{"API": true, "Auth": true, "Close": true, "Events": true, "Host": true, "Resolve": true, "Version": true}
	v := reflect.ValueOf(c)
	if _, err := c.Version(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range v.NumMethod() {
		name := v.Type().Method(i).Name
		if none[name] {
			continue
		}
		before := len(got.seen())
		out := v.Method(i).Call(arguments(v.Method(i).Type()))
		if err, _ := out[len(out)-1].Interface().(error); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r, ok := out[0].Interface().(io.Closer); ok && r != nil {
			_ = r.Close()
		}
		if seen := got.seen()[before:]; len(seen) != 1 || !strings.HasPrefix(seen[0], want[name]+" ") {
			t.Errorf("%s called %q, want %q", name, seen, want[name])
		}
	}
}

// arguments returns a context, an id for each string, and zero options.
func arguments(f reflect.Type) []reflect.Value {
	var in []reflect.Value
	for i := range f.NumIn() {
		switch v := reflect.New(f.In(i)).Elem(); {
		case i == 0:
			in = append(in, reflect.ValueOf(context.Background()))
		case v.Kind() == reflect.String:
			in = append(in, reflect.ValueOf("abc"))
		default:
			in = append(in, v)
		}
	}
	return in
}
