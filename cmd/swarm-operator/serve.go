package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/controllers/server"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/redact"
)

// handlers return what answers about health, and what answers everything else. They read only memory, so requests cost
// the swarm nothing. The exception is the status: it looks at the objects, at most once a second.
func handlers(board *status.Board, m *status.Metrics, known *redact.Known, now func(context.Context) status.Status) (health, rest http.Handler) {
	h, r := http.NewServeMux(), http.NewServeMux()
	h.HandleFunc("GET "+server.Healthz, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	h.HandleFunc("GET "+server.Readyz, func(w http.ResponseWriter, req *http.Request) { ready(w, req, board, known) })
	r.Handle("GET /metrics", promhttp.HandlerFor(scraped{m.Registry, known}, promhttp.HandlerOpts{}))
	r.HandleFunc("GET /api/v1/drift", func(w http.ResponseWriter, _ *http.Request) { answer(w, known, board.Report()) })
	r.HandleFunc("GET "+statusPath, func(w http.ResponseWriter, req *http.Request) { answer(w, known, now(req.Context())) })
	return h, r
}

// serverName begins the Server header of every answer. By it a client recognises an operator at an address that
// nobody named.
const serverName = "swarm-operator/"

// statusPath is where an operator serves its status, and where the status command asks for it.
const statusPath = "/api/v1/status"

// httpFlags say where an operator serves, and to whom it answers.
type httpFlags struct {
	listen               string
	hosts                []string
	tokenFile, cert, key string
	limits               server.Limits
}

func (f *httpFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", defaultListen, "address for /healthz, /readyz, /metrics, /api/v1/status and /api/v1/drift; empty for none")
	fl.StringSliceVar(&f.hosts, "http-host", nil, "name by which others ask this operator; may be given again. Addresses, localhost, the name of the machine and the one in --listen always count")
	fl.Var(place{&f.tokenFile, "FILE"}, "http-token-file", "file with the tokens that requests need, one a line, except for /healthz and /readyz; it is read again for each request (default: requests need none)")
	fl.Var(place{&f.cert, "FILE"}, "http-tls-cert", "file with the certificate to serve with. Requests then need TLS, except for /healthz and /readyz; it is read again when it changes (default: no TLS)")
	fl.Var(place{&f.key, "FILE"}, "http-tls-key", "file with the key of that certificate")
	fl.IntVar(&f.limits.Connections, "http-max-connections", server.Connections, "how many connections may be open; one on which nothing is answered is closed to make room for a newer one")
	fl.IntVar(&f.limits.Requests, "http-max-requests", server.Requests, "how many requests may be answered at once, except for /healthz and /readyz, which have a limit of their own")
}

func (f *httpFlags) check() error {
	// Connections on which something is answered are not closed, and there has to be one more for who asks about health.
	least := f.limits.Requests + server.Health + 1
	switch {
	case f.limits.Requests < 1:
		return fmt.Errorf("--http-max-requests: %d is too few; give 1 or more", f.limits.Requests)
	case f.limits.Connections < least:
		return fmt.Errorf("--http-max-connections: %d is too few for --http-max-requests %d and %d for health; give %d or more", f.limits.Connections, f.limits.Requests, server.Health, least)
	case f.cert != "" && f.key == "":
		return errors.New("--http-tls-cert: it needs the key of the certificate; give --http-tls-key, too")
	case f.cert == "" && f.key != "":
		return errors.New("--http-tls-key: it needs the certificate of the key; give --http-tls-cert, too")
	}
	return nil
}

// server returns the server that the flags ask for.
func (f *httpFlags) server(o server.Options) (*server.Server, error) {
	o.Limits.Connections, o.Limits.Requests = f.limits.Connections, f.limits.Requests
	o.Software, o.TokenFile, o.CertFile, o.KeyFile = serverName+version(), f.tokenFile, f.cert, f.key
	o.Hosts = slices.Clone(f.hosts)
	at, _, _ := net.SplitHostPort(f.listen) // listening fails if it is no address
	own, _ := os.Hostname()
	for _, name := range []string{at, own} {
		if server.IsHost(name) {
			o.Hosts = append(o.Hosts, name)
		}
	}
	return server.New(o)
}

// exposed says what other people can see if an operator serves at this address. It returns "" if only this machine
// reaches the address, or if requests need a token that nobody on the way can read.
func (f *httpFlags) exposed(at net.Addr) string {
	tcp, is := at.(*net.TCPAddr)
	switch {
	case is && tcp.IP.IsLoopback():
		return ""
	case f.tokenFile == "":
		return "whoever reaches the address can read what is served, because there is no --http-token-file"
	case f.cert == "":
		return "whoever is on the way can read the token of requests, because there is no --http-tls-cert"
	}
	return ""
}

func answer(w http.ResponseWriter, known *redact.Known, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = public(w, known, v) // it fails if the client has gone away
}

// ready answers 200 if the engine answers and a revision is in force, and 503 with the reason otherwise. Anybody gets the
// reason in one word of the operator's own. Messages name URLs, paths and texts of git and the engine, so they are only
// for requests that may also read the status.
func ready(w http.ResponseWriter, req *http.Request, board *status.Board, known *redact.Known) {
	reason, why := unready(board.Report())
	switch {
	case reason == "":
		fmt.Fprintln(w, "ok")
		return
	case server.MayReadAll(req):
		reason = safe(known, why)
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintf(w, "not ready: %s\n", reason)
}

// unready returns why the operator cannot do its job: in one word, and in full. The word is "" if it can.
func unready(report *status.Report) (word, why string) {
	engine, reached := report.Is(status.EngineReady)
	source, read := report.Is(status.SourceReady)
	switch {
	case !reached && !engine.Since.IsZero():
		return engine.Reason, engine.Reason + " " + engine.Message
	case !reached && source.Message != "": // the engine is asked for the first time when there is something to compare
		return source.Reason, "no revision was read yet: " + source.Message
	case !reached:
		return "Starting", "the first run is not over yet"
	case report.Applied != "":
		return "", ""
	case read:
		return "NoRevision", "no revision in force"
	}
	return cmp.Or(source.Reason, "NoRevision"), strings.TrimSuffix("no revision in force: "+source.Message, ": ")
}
