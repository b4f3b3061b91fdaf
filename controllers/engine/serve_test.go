package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
)

// These servers answer recorded texts to test transport and error classes. They are no engine; tests against the
// sandbox cover what the engine does.

// quiet keeps a server's own complaints out of the tests' output.
var quiet = log.New(io.Discard, "", 0)

// clean removes docker's settings of the machine from a test.
func clean(t *testing.T) {
	t.Helper()
	for _, k := range []string{
		"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH",
		"DOCKER_API_VERSION", "DOCKER_AUTH_CONFIG", "DOCKER_CUSTOM_HEADERS", "HTTP_PROXY", "HTTPS_PROXY",
	} {
		t.Setenv(k, "")
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
}

// socketPath returns a path that is short enough for a unix socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// listen serves h on a unix socket.
func listen(t testing.TB, path string, h http.Handler) *httptest.Server {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return listenOn(t, l, h)
}

func listenOn(t testing.TB, l net.Listener, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	s.Listener, s.Config.ErrorLog = l, quiet
	s.Start()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// pinged answers pings as an engine of this API does, and passes the other calls to h.
func pinged(api string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", api)
		if r.URL.Path == "/_ping" {
			return
		}
		h(w, r)
	}
}

// refuse answers as the engine does.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// opened returns a client of a server that answers with h, and a record of what it observed and logged.
func opened(t *testing.T, h http.HandlerFunc, change ...func(*Options)) (*Client, *record) {
	t.Helper()
	clean(t)
	path := socketPath(t)
	listen(t, path, h)
	return open(t, append([]func(*Options){func(o *Options) { o.Host = "unix://" + path }}, change...)...)
}

func open(t *testing.T, change ...func(*Options)) (*Client, *record) {
	t.Helper()
	r := &record{}
	o := Options{Logger: r.logger(), Observe: r.call, UserAgent: "swarm-operator/test"}
	for _, f := range change {
		f(&o)
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, r
}

// record holds what came out of a client.
type record struct {
	mu    sync.Mutex
	calls []Call
	log   []string
}

func (r *record) call(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

// logger returns a logger that keeps everything, at every level.
func (r *record) logger() logr.Logger {
	return funcr.New(func(prefix, args string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.log = append(r.log, prefix+args)
	}, funcr.Options{Verbosity: 100})
}

// seen returns the calls as "METHOD route status".
func (r *record) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, c := range r.calls {
		out = append(out, fmt.Sprintf("%s %s %d", c.Method, c.Route, c.Status))
	}
	return out
}

func (r *record) logged() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.log...)
}

func nodes(c *Client) error {
	_, err := c.NodeList(context.Background(), nodeList)
	return err
}

func services(c *Client) error {
	_, err := c.ServiceList(context.Background())
	return err
}
