package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Call is one call of the Engine API.
type Call struct {
	Index  int // from 1, in the order of arrival
	At     time.Time
	Method string
	Path   string // without the version, such as /services/create
	Query  url.Values
	Header http.Header // of the request
	Body   []byte      // of the request
	Status int         // of the answer; 0 if there is none yet
	Answer []byte      // nil for a stream
	Done   time.Time   // when the answer was complete; zero if there is none yet
}

// Write reports whether the call could change something.
func (c Call) Write() bool { return c.Method != http.MethodGet && c.Method != http.MethodHead }

// Lease reports whether the call is about the lease. The operator writes the lease whenever it begins or ends to act.
func (c Call) Lease() bool {
	return strings.HasPrefix(c.Path, "/configs/") && (strings.HasSuffix(c.Path, "/swarm-operator-lease") || bytes.Contains(c.Body, []byte(`"swarm-operator-lease"`)))
}

// Holds reports whether the call only asks what is on hold, as the operator does before each write.
func (c Call) Holds() bool {
	return c.Path == "/configs" && strings.Contains(c.Query.Get("filters"), "swarm-operator.io/hold")
}

// String describes the call without its body.
func (c Call) String() string {
	q := ""
	if len(c.Query) > 0 {
		q = "?" + c.Query.Encode()
	}
	return fmt.Sprintf("%d %s %s%s → %d", c.Index, c.Method, c.Path, q, c.Status)
}

// ErrCut closes the connection without an answer.
var ErrCut = errors.New("connection cut")

// Answer is an answer of the proxy itself.
type Answer struct {
	Status  int
	Message string      // in the engine's form; used if Body is nil
	Body    []byte      // used as it is
	Header  http.Header // in addition
	// Endless is true if the answer never ends: the body is sent repeatedly until the client hangs up.
	Endless bool
	// Padding is how many spaces come before the body. JSON allows any number of them, so the answer stays well-formed.
	Padding int
}

func (a *Answer) Error() string { return fmt.Sprintf("%d %s%s", a.Status, a.Message, a.Body) }

func (a *Answer) body() []byte {
	if a.Body != nil {
		return a.Body
	}
	return fmt.Appendf(nil, "{\"message\":%q}\n", a.Message)
}

// ReadOnly refuses every call except GET and HEAD.
func ReadOnly(c Call) error {
	if c.Write() {
		return &Answer{Status: http.StatusForbidden, Message: "this proxy passes GET and HEAD only"}
	}
	return nil
}

// Proxy stands between a client and an engine, on a unix socket of its own, and records every call.
type Proxy struct {
	dir     string
	server  *http.Server
	streams *httputil.ReverseProxy
	engine  *http.Transport

	mu            sync.Mutex
	calls         []Call
	last          int
	before, after func(Call) error
	cut           context.CancelFunc // ends the streams
	streaming     context.Context
}

// NewProxy starts a proxy that passes calls on to an engine such as unix:///var/run/docker.sock.
func NewProxy(host string) (*Proxy, error) {
	socket, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return nil, fmt.Errorf("starting a proxy to %s: not a unix socket", host)
	}
	dir, err := os.MkdirTemp("", "px") // short, because a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "p.sock"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	p := &Proxy{dir: dir, engine: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: 32, DisableCompression: true,
	}}
	p.streams = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "engine"}) },
		Transport:     p.engine,
		FlushInterval: -1,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.streaming, p.cut = context.WithCancel(context.Background())
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(listener) }() // ErrServerClosed
	return p, nil
}

// Host returns the proxy's address for clients.
func (p *Proxy) Host() string { return "unix://" + filepath.Join(p.dir, "p.sock") }

// Close ends every connection.
func (p *Proxy) Close() error {
	err := p.server.Close()
	p.engine.CloseIdleConnections()
	return errors.Join(err, os.RemoveAll(p.dir))
}

// Before sets a function that sees each call before the engine does. If it returns an error, [ErrCut] or an
// [*Answer], the call ends there. A nil function passes all calls.
func (p *Proxy) Before(f func(Call) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before = f
}

// After sets a function that sees each call after the engine has answered and before the client knows. If it returns
// an error, the error replaces the answer.
func (p *Proxy) After(f func(Call) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after = f
}

// CutStreams ends the streams that are open now.
func (p *Proxy) CutStreams() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
	p.streaming, p.cut = context.WithCancel(context.Background())
}

// Calls returns the calls since the start or the last Reset.
func (p *Proxy) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Writes returns those calls that could change something, except calls about the lease.
func (p *Proxy) Writes() []Call {
	return slices.DeleteFunc(p.Calls(), func(c Call) bool { return !c.Write() || c.Lease() })
}

// Reset forgets the calls so far, and numbers new ones from 1.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls, p.last = nil, 0
}

// Since returns how long ago the last call came.
func (p *Proxy) Since() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.calls) == 0 {
		return time.Hour
	}
	return time.Since(p.calls[len(p.calls)-1].At)
}

var version = regexp.MustCompile(`^/v\d+\.\d+`)

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	c := Call{At: time.Now(), Method: r.Method, Path: version.ReplaceAllString(r.URL.Path, ""), Query: r.URL.Query(), Header: r.Header.Clone(), Body: body}
	p.mu.Lock()
	p.last++
	c.Index = p.last
	p.calls = append(p.calls, c)
	before, after, streaming := p.before, p.after, p.streaming
	p.mu.Unlock()
	if before != nil {
		if err := before(c); err != nil {
			p.answer(w, c, err)
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if c.Path == "/events" || strings.HasSuffix(c.Path, "/logs") {
		ctx, cancel := context.WithCancel(r.Context())
		defer context.AfterFunc(streaming, cancel)()
		p.streams.ServeHTTP(w, r.WithContext(ctx))
		return
	}
	p.pass(w, r, c, after)
}

// pass completes a call even if the client has gone, because only so does the test know what a killed client did.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, c Call, after func(Call) error) {
	out := r.Clone(context.WithoutCancel(r.Context()))
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", "engine", ""
	resp, err := p.engine.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler) // the engine gave no answer, so the proxy gives none
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	c.Status, c.Answer = resp.StatusCode, data
	p.note(c)
	if after != nil {
		if err := after(c); err != nil {
			p.answer(w, c, err)
			return
		}
	}
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(data) // the client may have gone
}

func (p *Proxy) answer(w http.ResponseWriter, c Call, err error) {
	a, ok := errors.AsType[*Answer](err)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	c.Status = a.Status
	p.note(c)
	w.Header().Set("Content-Type", "application/json")
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	err = pad(w, a.Padding)
	if err == nil {
		_, err = w.Write(a.body())
	}
	flush := http.NewResponseController(w)
	for a.Endless && err == nil { // an error means that the client has gone
		time.Sleep(drip)
		if _, err = w.Write(a.body()); err == nil {
			err = flush.Flush()
		}
	}
}

// pad writes so many spaces. It fails if the client does not take them.
func pad(w io.Writer, n int) error {
	part := bytes.Repeat([]byte(" "), min(n, 1<<20))
	for ; n > 0; n -= len(part) {
		if _, err := w.Write(part[:min(n, len(part))]); err != nil {
			return err
		}
	}
	return nil
}

// drip is the time between two pieces of an endless answer.
const drip = 100 * time.Millisecond

// note records what became of a call.
func (p *Proxy) note(c Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.Done = time.Now()
	for i := range p.calls {
		if p.calls[i].Index == c.Index && p.calls[i].At.Equal(c.At) {
			p.calls[i] = c
		}
	}
}
