package engine

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func emptyList(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }

func TestVersions(t *testing.T) {
	for _, tt := range []struct{ server, want string }{{"1.40", "1.40"}, {"1.41", "1.41"}, {"1.56", "1.56"}, {"1.99", "1.56"}, {"2.0", "1.56"}} {
		var paths []string
		c, _ := opened(t, pinged(tt.server, func(w http.ResponseWriter, r *http.Request) {
			paths = append(paths, r.URL.Path)
			emptyList(w, r)
		}))
		if err := nodes(c); err != nil {
			t.Fatal(err)
		}
		if err := services(c); err != nil {
			t.Fatal(err)
		}
		if want := []string{"/v" + tt.want + "/nodes", "/v" + tt.want + "/services"}; !slices.Equal(paths, want) {
			t.Errorf("engine %s: called %q, want %q", tt.server, paths, want)
		}
		if v, err := c.Version(context.Background()); v != tt.want || err != nil {
			t.Errorf("engine %s: version %s, %v", tt.server, v, err)
		}
	}
}

func TestEngineThatIsTooOldIsRefused(t *testing.T) {
	c, got := opened(t, pinged("1.39", emptyList))
	for _, call := range []func(*Client) error{nodes, services} {
		err := call(c)
		if !IsUnsupported(err) || !strings.Contains(err.Error(), "speaks API 1.39, and 1.40 (Docker 19.03) is the oldest") {
			t.Errorf("%q is in %q", err, classesOf(err))
		}
	}
	for _, s := range got.seen() {
		if s != "HEAD /_ping 200" {
			t.Errorf("called %s", s)
		}
	}
}

func TestPings(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		h          http.HandlerFunc
	}{
		{"no HEAD", "", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			pinged("1.41", emptyList)(w, r)
		}},
		{"no docker", "the answer names none; is it a docker engine?", emptyList},
		{"broken", "Error response from daemon: out of order", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 500, "out of order") }},
	} {
		c, _ := opened(t, tt.h)
		err := services(c)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestManyFirstCallsPingOnce(t *testing.T) {
	enter := make(chan struct{})
	c, got := opened(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_ping" {
			<-enter
		}
		pinged("1.41", emptyList)(w, r)
	})
	// The first caller gives up; the others still get the answer to its ping.
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error)
	go func() { _, err := c.Version(ctx); first <- err }()
	cancel()
	if err := <-first; err == nil || IsAmbiguous(err) {
		t.Errorf("the cancelled caller got %v", err)
	}
	var wg sync.WaitGroup
	var failed atomic.Int32
	for range 20 {
		wg.Go(func() {
			if services(c) != nil {
				failed.Add(1)
			}
		})
	}
	close(enter)
	wg.Wait()
	pings := 0
	for _, s := range got.seen() {
		if strings.Contains(s, "_ping") {
			pings++
		}
	}
	if failed.Load() > 0 || pings > 2 {
		t.Errorf("%d failed, %d pings", failed.Load(), pings)
	}
}

// The engine behind the socket is replaced, first by a newer one and then by an older one.
func TestTheEngineIsReplaced(t *testing.T) {
	var api atomic.Value
	api.Store("1.41")
	c, _ := opened(t, func(w http.ResponseWriter, r *http.Request) {
		now := api.Load().(string)
		pinged(now, func(w http.ResponseWriter, r *http.Request) {
			if asked := strings.Split(r.URL.Path, "/")[1]; asked > "v"+now {
				refuse(w, 400, "client version "+asked[1:]+" is too new. Maximum supported API version is "+now)
				return
			}
			emptyList(w, r)
		})(w, r)
	})
	step := func(server, want string, calls ...func(error) bool) {
		t.Helper()
		api.Store(server)
		for i, ok := range calls {
			if err := nodes(c); !ok(err) {
				t.Errorf("engine %s, call %d: %v", server, i, err)
			}
		}
		if v, err := c.Version(context.Background()); v != want || err != nil {
			t.Errorf("engine %s: version %s, %v, want %s", server, v, err, want)
		}
	}
	fine := func(err error) bool { return err == nil }
	step("1.41", "1.41", fine)
	step("1.50", "1.50", fine, fine) // the first call still speaks 1.41, and learns of 1.50
	step("1.44", "1.44", IsUnsupported, fine)
}

func TestAFixedVersion(t *testing.T) {
	var path string
	c, _ := opened(t, pinged("1.50", func(w http.ResponseWriter, r *http.Request) { path = r.URL.Path; emptyList(w, r) }),
		func(*Options) { t.Setenv("DOCKER_API_VERSION", "1.44") })
	if err := services(c); err != nil || path != "/v1.44/services" {
		t.Errorf("%s, %v", path, err)
	}
	for _, v := range []string{"1.39", "1.57", "x", "1.44.1", "1", "1.044"} {
		t.Setenv("DOCKER_API_VERSION", v)
		if _, err := Open(Options{}); err == nil || !strings.Contains(err.Error(), "DOCKER_API_VERSION") {
			t.Errorf("%s: %v", v, err)
		}
	}
}

func TestDescribe(t *testing.T) {
	c, got := opened(t, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"Name":"m1","ServerVersion":"20.10.24","OSType":"linux","Architecture":"x86_64",
			"Swarm":{"NodeID":"n1","LocalNodeState":"active","ControlAvailable":true,"Error":"lost","Cluster":{"ID":"c1"}}}`)
	}))
	a, err := c.Describe(context.Background())
	want := About{API: "1.41", Version: "20.10.24", Name: "m1", Platform: "linux/x86_64", NodeID: "n1", State: "active", Manager: true, ClusterID: "c1", Error: "lost"}
	if err != nil || a != want {
		t.Errorf("%+v, %v", a, err)
	}
	if calls := got.seen(); !slices.Equal(calls, []string{"HEAD /_ping 200", "GET /info 200"}) {
		t.Errorf("called %q", calls)
	}
}
