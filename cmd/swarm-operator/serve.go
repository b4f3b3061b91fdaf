package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// serve answers until ctx ends. It reads from memory only: asking it costs the swarm nothing.
func serve(ctx context.Context, l net.Listener, board *status.Board, m *status.Metrics) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, board) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /api/v1/drift", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		_ = e.Encode(board.Report()) // the client went away
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	_ = server.Serve(l) // ErrServerClosed
}

// ready: the engine answers and there is a revision to go by.
func ready(w http.ResponseWriter, board *status.Board) {
	report := board.Report()
	engine, reached := board.Is(status.EngineReady)
	switch {
	case !reached:
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "not ready: %s %s\n", engine.Reason, engine.Message)
	case report.Applied == "":
		source, _ := board.Is(status.SourceReady)
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "not ready: no revision in force: %s\n", source.Message)
	default:
		fmt.Fprintln(w, "ok")
	}
}
