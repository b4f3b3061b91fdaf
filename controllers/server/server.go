// Package server decides who gets an answer over HTTP, and how much is answered at once. It knows which hosts a request
// may name, which tokens count, and how many connections and requests there may be. It does not know what the answers
// say: its caller brings them.
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

// The paths of health. Whoever restarts an operator that does not work asks there. They need no token and no TLS and may
// name any host, and no other request can take their turn.
const (
	Healthz = "/healthz"
	Readyz  = "/readyz"
)

// Reasons why a request or a connection got no answer.
const (
	WhyClear = "clear" // it came without TLS, which it needs
	WhyHost  = "host"  // it names a host that is not the operator's own
	WhyToken = "token" // it has no token, or a wrong one
	WhyBusy  = "busy"  // too many requests were being answered
	WhyCrowd = "crowd" // its connection was closed to make room for a newer one
)

// Options say what a server answers, and to whom. Errors and refusals name the flags of swarm-operator run that set
// them.
type Options struct {
	// Health answers requests for the paths of health, and Rest all others. Health gets requests of everybody: MayReadAll
	// says which of them may be told more than whether the operator works.
	Health, Rest http.Handler
	// Software is the Server header of every answer.
	Software string
	// Hosts are the names under which others reach this machine. Addresses and localhost always count.
	Hosts []string
	// TokenFile is a file with the tokens that count, one a line. "" means that no request needs a token.
	TokenFile string
	// CertFile and KeyFile are the certificate and its key. Requests then need TLS, except those for health. "" means that
	// the server speaks no TLS.
	CertFile, KeyFile string
	// Limits bound what is done at once. A zero counts as the default.
	Limits Limits
	// Refused is called with the reason whenever something gets no answer.
	Refused func(why string)
	Log     logr.Logger
}

// Limits bound what a server does at once.
type Limits struct {
	// Connections is how many connections may be open. The default is 256.
	Connections int
	// Requests is how many requests may be answered at once, except those for health. The default is 16.
	Requests int
	// Health is how many requests for health may be answered at once. The default is 8.
	Health int
	// Patience is how long a request waits for its turn. The default is one second.
	Patience time.Duration
	// Ending is how long a server that ends waits for the answers that it has begun. The default is one second.
	Ending time.Duration
}

// These are the limits if nobody states others.
const (
	Connections = 256
	Requests    = 16
	Health      = 8
)

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		value *int
		usual int
	}{{&l.Connections, Connections}, {&l.Requests, Requests}, {&l.Health, Health}} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	l.Patience, l.Ending = cmp.Or(l.Patience, time.Second), cmp.Or(l.Ending, time.Second)
	return l
}

// Server answers requests.
type Server struct {
	o           Options
	hosts       hosts
	tokens      *tokenFile   // nil if no request needs a token
	certificate *certificate // nil if it speaks no TLS
}

// New returns a server. It fails if a name or a file of the options cannot be used.
func New(o Options) (*Server, error) {
	o.Limits = o.Limits.withDefaults()
	if o.Refused == nil {
		o.Refused = func(string) {}
	}
	if o.Log.GetSink() == nil {
		o.Log = logr.Discard()
	}
	s := &Server{o: o, hosts: hosts{}}
	for _, name := range o.Hosts {
		if !IsHost(name) {
			return nil, fmt.Errorf("--http-host: %q is not the name of a host, such as operator.example.com; leave out the scheme and the port", name)
		}
		s.hosts[plain(name)] = true
	}
	if o.TokenFile != "" {
		s.tokens = &tokenFile{path: o.TokenFile, log: o.Log}
		if _, err := Tokens(o.TokenFile); err != nil {
			return nil, fmt.Errorf("--http-token-file: reading %s: %w", o.TokenFile, err)
		}
	}
	if o.CertFile != "" {
		s.certificate = &certificate{certFile: o.CertFile, keyFile: o.KeyFile, log: o.Log}
		if err := s.certificate.load(); err != nil {
			return nil, fmt.Errorf("--http-tls-cert: using %s with the key in %s: %w", o.CertFile, o.KeyFile, err)
		}
	}
	return s, nil
}

// Serve answers requests until ctx ends, and finishes the answers that it has begun. It closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) {
	crowd := &crowd{Listener: l, most: s.o.Limits.Connections, closed: func() { s.o.Refused(WhyCrowd) }}
	if s.certificate != nil {
		crowd.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate.get}
	}
	server := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ConnContext: withGuest,
		// What clients do wrong is theirs to know, unless somebody looks for it
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(s.o.Log.V(1)), slog.LevelInfo),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, rescue.Clean(func() {
		defer close(ended)
		patience, done := context.WithTimeout(context.WithoutCancel(ctx), s.o.Limits.Ending)
		defer done()
		if server.Shutdown(patience) != nil { // somebody reads too slowly
			crowd.end()
			_ = server.Close()
		}
	}))
	if err := server.Serve(crowd); !errors.Is(err, http.ErrServerClosed) {
		s.o.Log.Error(err, "the operator has stopped serving")
	}
	if !stop() {
		<-ended
	}
}

// handler returns what a request goes through, from the outside to the inside.
func (s *Server) handler() http.Handler {
	health := s.limited(make(slots, s.o.Limits.Health), s.judged(s.o.Health))
	rest := s.byTLS(s.ofHost(s.withToken(s.limited(make(slots, s.o.Limits.Requests), s.o.Rest))))
	mux := http.NewServeMux()
	mux.Handle(Healthz, health)
	mux.Handle(Readyz, health)
	mux.Handle("/", rest)
	return s.named(s.rescued(mux))
}

// named sets the headers of every answer.
func (s *Server) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Server", s.o.Software)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, req)
	})
}

// rescued answers 500 if next panics, and logs where. net/http would log the value of the panic, which may have a
// secret in it.
func (s *Server) rescued(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		err := rescue.Do(func() error { next.ServeHTTP(w, req); return nil })
		if fault, is := errors.AsType[*rescue.Panic](err); is {
			s.o.Log.Error(fault, "request failed", "path", req.URL.Path, "stack", fault.Stack)
			http.Error(w, fault.Error(), http.StatusInternalServerError)
		}
	})
}

// MayReadAll reports whether the server would answer the request if it asked for something other than health. It is
// false for a request that no server has passed on.
func MayReadAll(req *http.Request) bool {
	judge, is := req.Context().Value(judgeKey{}).(func() bool)
	return is && judge()
}

// judgeKey is the key of the function behind MayReadAll in the context of a request.
type judgeKey struct{}

// judged lets next ask MayReadAll. Nothing is looked at before it asks: a flood of requests for health reads no tokens.
func (s *Server) judged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		judge := func() bool {
			if s.inClear(req) || !s.hosts.allow(req.Host) {
				return false
			}
			admitted, err := s.admits(req)
			return err == nil && admitted
		}
		next.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), judgeKey{}, judge)))
	})
}

// inClear reports whether a request came without TLS, although the server has a certificate.
func (s *Server) inClear(req *http.Request) bool {
	if s.certificate == nil {
		return false
	}
	g := guestOf(req.Context())
	return g == nil || g.tls.Load() == nil
}

// admits reports whether a request has a token that counts, or needs none. It fails if the tokens cannot be read.
func (s *Server) admits(req *http.Request) (bool, error) {
	if s.tokens == nil {
		return true, nil
	}
	return s.tokens.admit(req.Header.Get("Authorization"))
}

// byTLS refuses requests in clear if the server has a certificate.
func (s *Server) byTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if s.inClear(req) {
			s.refuse(w, http.StatusBadRequest, WhyClear, "this operator answers this by TLS only: ask by https://; swarm-operator status does so with --http-ca or --http-tls-cert")
			return
		}
		next.ServeHTTP(w, req)
	})
}

// ofHost refuses requests that name a foreign host. A page can let a name of its own point to this machine, and a
// browser that shows the page would then let it read the answers (DNS rebinding).
func (s *Server) ofHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !s.hosts.allow(req.Host) {
			what := "the request names no host"
			if req.Host != "" {
				what = fmt.Sprintf("%.100q is no name of this operator", req.Host)
			}
			s.refuse(w, http.StatusMisdirectedRequest, WhyHost, what+", so it does not answer: ask by an IP address, by localhost, by the name of its machine, or by a name that its --http-host has")
			return
		}
		next.ServeHTTP(w, req)
	})
}

// withToken refuses requests without a token that counts.
func (s *Server) withToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		admitted, err := s.admits(req)
		switch {
		case err != nil:
			s.refuse(w, http.StatusServiceUnavailable, WhyToken, "this operator cannot read its --http-token-file, so it answers nobody; its log says why")
		case !admitted:
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.refuse(w, http.StatusUnauthorized, WhyToken, "the request has no token, or a wrong one: send the header Authorization: Bearer TOKEN; swarm-operator status takes the token from --http-token-file")
		default:
			next.ServeHTTP(w, req)
		}
	})
}

// limited answers at most as many requests at once as there are slots.
func (s *Server) limited(pool slots, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !pool.take(req.Context(), s.o.Limits.Patience) {
			w.Header().Set("Retry-After", "1")
			s.refuse(w, http.StatusServiceUnavailable, WhyBusy, "the operator answers as many requests as it may answer at once: ask again later")
			return
		}
		defer pool.give()
		defer guestOf(req.Context()).answered()()
		next.ServeHTTP(w, req)
	})
}

// refuse answers with a sentence, and ends the connection.
func (s *Server) refuse(w http.ResponseWriter, code int, why, text string) {
	s.o.Refused(why)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Connection", "close")
	w.WriteHeader(code)
	fmt.Fprintln(w, text)
}
