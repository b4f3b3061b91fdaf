package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// proxy stands before an engine and notes each call when its answer begins, as the sandbox does. It passes bodies on
// as they come and keeps none. The proxy of package harness keeps them all, which would slow down a list of
// thousands.
type proxy struct {
	dir    string
	server *http.Server
	engine *http.Transport
	no     atomic.Pointer[refusal]
}

// refusal is the answer to each POST to a path.
type refusal struct{ path, message string }

// refuse makes each POST to a path be answered with 400 and a message, until undo is called.
func (p *proxy) refuse(path, message string) (undo func()) {
	p.no.Store(&refusal{path, message})
	return func() { p.no.Store(nil) }
}

// refusing answers and notes the calls that are to be refused, and passes the others to next.
func (p *proxy) refusing(next http.Handler, t *traffic) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := apiVersion.ReplaceAllString(r.URL.Path, "")
		no := p.no.Load()
		if no == nil || r.Method != http.MethodPost || path != no.path {
			next.ServeHTTP(w, r)
			return
		}
		t.note(call{method: r.Method, path: path, status: http.StatusBadRequest})
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": no.message}) // the client may be gone
	})
}

var apiVersion = regexp.MustCompile(`^/v\d+\.\d+`)

func newProxy(host string, t *traffic) (*proxy, error) {
	dir, err := os.MkdirTemp("", "bp") // short, because a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "p.sock"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	p := &proxy{dir: dir, engine: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(host, "unix://"))
		},
		MaxIdleConnsPerHost: 2 * inFlight, DisableCompression: true,
	}}
	p.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: p.refusing(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "engine"}) },
		Transport:     p.engine,
		FlushInterval: -1, // events have to get through at once
		ModifyResponse: func(r *http.Response) error {
			t.note(call{method: r.Request.Method, path: apiVersion.ReplaceAllString(r.Request.URL.Path, ""), status: r.StatusCode})
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}, t)}
	go func() { _ = p.server.Serve(listener) }() // it always returns ErrServerClosed
	return p, nil
}

func (p *proxy) host() string { return "unix://" + filepath.Join(p.dir, "p.sock") }

func (p *proxy) close() error {
	err := p.server.Close()
	p.engine.CloseIdleConnections()
	return errors.Join(err, os.RemoveAll(p.dir))
}
