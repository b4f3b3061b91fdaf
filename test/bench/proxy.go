package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// proxy stands before an engine and notes each call when its answer begins, as the sandbox does. It passes bodies on as
// they come and keeps none: the one of package harness keeps all of them, which a list of thousands would feel.
type proxy struct {
	dir    string
	server *http.Server
	engine *http.Transport
}

var apiVersion = regexp.MustCompile(`^/v\d+\.\d+`)

func newProxy(host string, t *traffic) (*proxy, error) {
	dir, err := os.MkdirTemp("", "bp") // short: a socket's path has at most 107 bytes
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
	p.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "engine"}) },
		Transport:     p.engine,
		FlushInterval: -1, // events are news
		ModifyResponse: func(r *http.Response) error {
			t.note(call{method: r.Request.Method, path: apiVersion.ReplaceAllString(r.Request.URL.Path, ""), status: r.StatusCode})
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	go func() { _ = p.server.Serve(listener) }() // ErrServerClosed
	return p, nil
}

func (p *proxy) host() string { return "unix://" + filepath.Join(p.dir, "p.sock") }

func (p *proxy) close() error {
	err := p.server.Close()
	p.engine.CloseIdleConnections()
	return errors.Join(err, os.RemoveAll(p.dir))
}
