package sandbox

import (
	"net/http"
	"sync"
	"time"
)

// requestsKept bounds the log of a sandbox that runs for long.
const requestsKept = 100_000

// Request is one call of the Engine API, as the sandbox saw it.
type Request struct {
	Time    time.Time `json:"time"`
	Node    string    `json:"node"`
	Method  string    `json:"method"`
	Path    string    `json:"path"` // without the version, such as /services/create
	Query   string    `json:"query,omitempty"`
	Version string    `json:"version,omitempty"` // the version of the request, such as "1.50"
	Status  int       `json:"status"`            // 0 if a fault dropped the connection
	Fault   bool      `json:"fault,omitempty"`   // true if a fault hit the call
}

// Write reports whether the call could change something.
func (r Request) Write() bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// requestLog keeps the calls. It has a call before the client has the answer, and a streaming call from its first
// byte.
type requestLog struct {
	hook func(Request)

	mu   sync.Mutex
	list []Request
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	if len(l.list) >= requestsKept {
		l.list = append(l.list[:0], l.list[requestsKept/2:]...)
	}
	l.list = append(l.list, r)
	l.mu.Unlock()
	if l.hook != nil {
		l.hook(r)
	}
}

func (l *requestLog) all() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Request(nil), l.list...)
}

func (l *requestLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}
