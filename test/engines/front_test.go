package engines

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// frontOf returns a front before an engine that answers every call with its path, and a record of what the engine was
// asked.
func frontOf(t *testing.T) (f *front, ask func(method, path string) (string, error), asked func() []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "fr") // short, because the paths of sockets are limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "e.sock"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var calls []string
	engine := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		calls = append(calls, r.Method+" "+r.URL.Path)
		mu.Unlock()
		_, _ = io.WriteString(w, "the engine was asked for "+r.URL.Path)
	})}
	go func() { _ = engine.Serve(l) }()
	t.Cleanup(func() { _ = engine.Close() })
	f = newFront("manager-1", filepath.Join(dir, "f.sock"), filepath.Join(dir, "e.sock"), &faults{})
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", f.socket)
	}}}
	ask = func(method, path string) (string, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://engine"+path, nil)
		if err != nil {
			return "", err
		}
		resp, err := c.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return resp.Status + " " + string(text), err
	}
	return f, ask, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(calls)
	}
}

func TestAFaultHitsTheCallsThatItNames(t *testing.T) {
	f, ask, asked := frontOf(t)
	remove := f.faults.add(Fault{Node: "manager-1", Method: "post", Path: "/services/.*/update", Skip: 1, Count: 2, Status: 503, Message: "not \"now\""})
	f.faults.add(Fault{Node: "manager-2", Drop: true})
	for _, call := range []struct{ method, path, want string }{
		{"POST", "/v1.41/services/a/update", "200 OK the engine was asked for /v1.41/services/a/update"}, // skipped
		{"GET", "/v1.41/services/a/update", "200 OK"},
		{"POST", "/v1.41/services/create", "200 OK"},
		{"POST", "/services/a/update", "503 Service Unavailable {\"message\":\"not \\\"now\\\"\"}"},
		{"POST", "/v1.41/services/a/update", "503"},
		{"POST", "/v1.41/services/a/update", "200 OK"}, // used up
	} {
		if got, err := ask(call.method, call.path); err != nil || !strings.HasPrefix(got, call.want) {
			t.Errorf("%s %s says %q, %v; want %q", call.method, call.path, got, err, call.want)
		}
	}
	if n := len(asked()); n != 4 {
		t.Errorf("the engine was asked %q", asked())
	}
	remove()
	defer f.faults.add(Fault{Path: "/secrets", Drop: true, AfterCommit: true})()
	if got, err := ask("DELETE", "/secrets"); err == nil {
		t.Errorf("a call whose connection is dropped says %q", got)
	}
	if got := asked(); got[len(got)-1] != "DELETE /secrets" {
		t.Errorf("the call was not carried out: %q", got)
	}
}

func TestAFrontGoesAndComesWithItsEngine(t *testing.T) {
	f, ask, _ := frontOf(t)
	f.close()
	if _, err := ask("GET", "/_ping"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without an engine, a call says %v", err)
	}
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	if _, err := ask("GET", "/_ping"); err != nil {
		t.Error(err)
	}
}
