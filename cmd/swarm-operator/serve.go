package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// serve answers requests until ctx ends. It reads only memory, so requests cost the swarm nothing. The exception is
// the status: it looks at the objects, at most once a second.
func serve(ctx context.Context, l net.Listener, board *status.Board, m *status.Metrics, log logr.Logger, now func(context.Context) status.Status) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, board) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /api/v1/drift", func(w http.ResponseWriter, _ *http.Request) { answer(w, board.Report()) })
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, req *http.Request) { answer(w, now(req.Context())) })
	server := &http.Server{Handler: named(rescued(mux, log)), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	_ = server.Serve(l) // it always returns ErrServerClosed
}

// serverName begins the Server header of every answer. By it a client recognises an operator at an address that
// nobody named.
const serverName = "swarm-operator/"

func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Server", serverName+version())
		next.ServeHTTP(w, req)
	})
}

// rescued answers 500 if next panics, and logs where. The server itself would log the value of the panic, which may have
// a secret in it.
func rescued(next http.Handler, log logr.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		err := rescue.Do(func() error { next.ServeHTTP(w, req); return nil })
		if fault, is := errors.AsType[*rescue.Panic](err); is {
			log.Error(fault, "request failed", "path", req.URL.Path, "stack", fault.Stack)
			http.Error(w, fault.Error(), http.StatusInternalServerError)
		}
	})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // it fails if the client has gone away
}

// ready answers 200 if the engine answers and a revision is in force, and 503 with the reason otherwise.
func ready(w http.ResponseWriter, board *status.Board) {
	report := board.Report()
	engine, reached := report.Is(status.EngineReady)
	switch {
	case !reached && engine.Since.IsZero(): // the engine is asked for the first time when there is something to compare
		source, _ := report.Is(status.SourceReady)
		w.WriteHeader(http.StatusServiceUnavailable)
		why := "the first run is not over yet"
		if source.Message != "" {
			why = "no revision was read yet: " + source.Message
		}
		fmt.Fprintf(w, "not ready: %s\n", why)
	case !reached:
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "not ready: %s %s\n", engine.Reason, engine.Message)
	case report.Applied == "":
		source, _ := report.Is(status.SourceReady)
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "not ready: no revision in force: %s\n", source.Message)
	default:
		fmt.Fprintln(w, "ok")
	}
}
