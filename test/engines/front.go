package engines

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Fault makes calls of the Engine API go wrong, as that of package sandbox does. The first fields say which calls, where
// empty means any; the rest say how. Without Status and Drop a fault is a delay.
type Fault struct {
	Node   string // the machine asked, "manager-1"
	Method string // "POST"
	Path   string // a regular expression that the whole path matches, without the version
	Skip   int    // so many matching calls pass first
	Count  int    // and so many are hit; 0 is all

	Latency time.Duration // before anything else
	Status  int           // answered with Message
	Message string
	Drop    bool // the connection is closed without an answer
	// AfterCommit carries the call out and spoils only the answer.
	AfterCommit bool
}

// faults are those in force; the oldest that matches a call hits it.
type faults struct {
	mu   sync.Mutex
	list []*activeFault
}

type activeFault struct {
	Fault
	path *regexp.Regexp
	seen int
}

func (f *faults) add(fault Fault) (remove func()) {
	a := &activeFault{Fault: fault, path: regexp.MustCompile("^(?:" + fault.Path + ")$")}
	if fault.Path == "" {
		a.path = regexp.MustCompile("")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, a)
	return func() { f.remove(func(x *activeFault) bool { return x == a }) }
}

func (f *faults) remove(which func(*activeFault) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var kept []*activeFault // another list: hit may have just returned one of the old
	for _, a := range f.list {
		if !which(a) {
			kept = append(kept, a)
		}
	}
	f.list = kept
}

// hit returns the fault that a call meets, if any, and counts it.
func (f *faults) hit(node, method, path string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.list {
		if a.Node != "" && a.Node != node || a.Method != "" && !strings.EqualFold(a.Method, method) || !a.path.MatchString(path) {
			continue
		}
		if a.Count > 0 && a.seen == a.Skip+a.Count {
			continue // it is used up
		}
		if a.seen++; a.seen > a.Skip {
			return a.Fault, true
		}
	}
	return Fault{}, false
}

// front stands before a dockerd and lets calls fail. It passes everything else on as it is, streams and upgrades too.
type front struct {
	node, socket string
	faults       *faults
	proxy        *httputil.ReverseProxy
	listener     net.Listener // nil while dockerd is away
	server       *http.Server
}

func newFront(node, socket, engine string, f *faults) *front {
	return &front{node: node, socket: socket, faults: f, proxy: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "engine"}) },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", engine)
			},
			MaxIdleConnsPerHost: 32, DisableCompression: true,
		},
		FlushInterval: -1,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // no answer is passed on as none
	}}
}

// open listens. As with dockerd, what a killed one left behind is replaced.
func (f *front) open() error {
	if err := os.Remove(f.socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	l, err := net.Listen("unix", f.socket)
	if err != nil {
		return fmt.Errorf("listening before %s: %w", f.node, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // the socket of a killed dockerd stays, and refuses connections
	s := &http.Server{Handler: f, ReadHeaderTimeout: time.Minute}
	f.listener, f.server = l, s
	go func() { _ = s.Serve(l) }() // ErrServerClosed
	return nil
}

// close refuses connections and ends those there are.
func (f *front) close() {
	if f.listener != nil {
		_ = f.listener.Close() // ourselves: a server that has not begun to serve does not know of it
		_ = f.server.Close()   // it closes what can be closed
		f.listener, f.server = nil, nil
	}
	f.proxy.Transport.(*http.Transport).CloseIdleConnections()
}

var version = regexp.MustCompile(`^/v\d+\.\d+`)

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault, hit := f.faults.hit(f.node, r.Method, version.ReplaceAllString(r.URL.Path, ""))
	if !hit {
		f.proxy.ServeHTTP(w, r)
		return
	}
	select {
	case <-time.After(fault.Latency):
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
	if fault.Status == 0 && !fault.Drop {
		f.proxy.ServeHTTP(w, r)
		return
	}
	if fault.AfterCommit {
		f.proxy.ServeHTTP(unheard{http.Header{}}, r)
	}
	if fault.Drop {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(fault.Status)
	fmt.Fprintf(w, "{\"message\":%q}\n", fault.Message)
}

// unheard takes an answer that the client will not see.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header         { return u.header }
func (u unheard) Write(b []byte) (int, error) { return len(b), nil }
func (u unheard) WriteHeader(int)             {}
func (u unheard) Flush()                      {}
