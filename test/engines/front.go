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

// Fault makes calls of the Engine API fail, as Fault of package sandbox does. The first fields say which calls; empty
// means any. The other fields say what happens to them. Without Status and Drop, a fault only delays the call.
type Fault struct {
	Node   string // the machine that is asked, such as "manager-1"
	Method string // such as "POST"
	Path   string // a regular expression that the whole path matches, without the version
	Skip   int    // how many matching calls pass first
	Count  int    // how many are hit after that; 0 means all

	Latency time.Duration // before anything else
	Status  int           // the status of the answer, which has Message
	Message string
	Drop    bool // the connection is closed without an answer
	// AfterCommit is true if the call is carried out and only its answer is replaced or dropped.
	AfterCommit bool
}

// faults are the faults in force. If several match a call, the oldest hits it.
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
	var kept []*activeFault // a new list, because hit may just have returned a fault of the old one
	for _, a := range f.list {
		if !which(a) {
			kept = append(kept, a)
		}
	}
	f.list = kept
}

// hit returns the fault that hits a call, and counts the call. It returns false if none does.
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

// front is a proxy before a dockerd that makes calls fail. It passes all other calls on unchanged, including streams
// and upgrades.
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
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // without an answer of the engine, the client gets none
	}}
}

// open begins to listen. It replaces the socket that a killed front has left behind, as dockerd does.
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

// close refuses new connections and ends the present ones.
func (f *front) close() {
	if f.listener != nil {
		_ = f.listener.Close() // a server that has not begun to serve does not close it
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

// unheard swallows an answer that the client must not see.
type unheard struct{ header http.Header }

func (u unheard) Header() http.Header         { return u.header }
func (u unheard) Write(b []byte) (int, error) { return len(b), nil }
func (u unheard) WriteHeader(int)             {}
func (u unheard) Flush()                      {}
