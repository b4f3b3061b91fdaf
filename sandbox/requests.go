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
	Path    string    `json:"path"` // without the version: /services/create
	Query   string    `json:"query,omitempty"`
	Version string    `json:"version,omitempty"` // as asked for, "1.50"
	Status  int       `json:"status"`            // 0 where a fault dropped the connection
	Fault   bool      `json:"fault,omitempty"`   // a fault touched it
}

// Write tells whether the call could change something.
func (r Request) Write() bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// requestLog keeps what was asked for. A call is in it before its client has
// the answer; one that streams, from the first byte.
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
