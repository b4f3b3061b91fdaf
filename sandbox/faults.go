package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault makes calls of the Engine API go wrong. The first three fields say which calls; empty means any. The other
// fields say how. A fault without Status and Drop is a delay.
type Fault struct {
	Node   string `json:"node,omitempty"`   // the machine that is called, such as "manager-1"
	Method string `json:"method,omitempty"` // such as "POST"
	// A regular expression for the whole path without the version, such as "/services/.*/update".
	Path string `json:"path,omitempty"`

	Skip  int `json:"skip,omitempty"`  // how many matching calls pass first
	Count int `json:"count,omitempty"` // how many calls are hit; 0 means all

	Latency Duration `json:"latency,omitempty"` // such as "200ms", before anything else; it ends with the fault
	Status  int      `json:"status,omitempty"`  // the status of the answer
	Message string   `json:"message,omitempty"` // the text of the answer; use dockerd's if a client matches it
	Drop    bool     `json:"drop,omitempty"`    // close the connection without an answer
	// AfterCommit is true if the call is carried out and only the answer is spoiled, as when a connection dies at the
	// worst moment.
	AfterCommit bool `json:"afterCommit,omitempty"`
}

// Duration is a time.Duration that reads and writes "200ms" in JSON.
type Duration time.Duration

func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

func (d *Duration) UnmarshalJSON(raw []byte) error {
	s, err := strconv.Unquote(string(raw))
	if err != nil {
		return fmt.Errorf("a duration is a string such as \"200ms\", not %s", raw)
	}
	parsed, err := time.ParseDuration(s)
	*d = Duration(parsed)
	return err
}

func (f Fault) check() error {
	switch {
	case f.Status != 0 && (f.Status < 100 || f.Status > 599):
		return fmt.Errorf("status: %d is not an HTTP status; give a number from 100 to 599", f.Status)
	case f.Status == 0 && !f.Drop && f.Latency <= 0:
		return fmt.Errorf("a fault does nothing without latency, status or drop; give at least one of them")
	case f.AfterCommit && f.Status == 0 && !f.Drop:
		return fmt.Errorf("afterCommit: it spoils the answer, so it needs status or drop, too")
	case f.Skip < 0 || f.Count < 0 || f.Latency < 0:
		return fmt.Errorf("skip, count or latency is negative; give 0 or more")
	}
	return nil
}

type activeFault struct {
	Fault
	id   int
	path *regexp.Regexp
	seen int
	gone chan struct{} // closed when somebody removes the fault, so that waiting calls go on
}

// wait waits for the fault's delay. It returns false if the client went away first.
func (f *activeFault) wait(ctx context.Context) bool {
	if f.Latency <= 0 {
		return true
	}
	t := time.NewTimer(time.Duration(f.Latency))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-f.gone:
		return true
	case <-ctx.Done():
		return false
	}
}

// faultTable holds the faults in force. The oldest one that matches a call hits it.
type faultTable struct {
	mu   sync.Mutex
	next int
	list []*activeFault
}

func (t *faultTable) add(f Fault) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	a := &activeFault{Fault: f, gone: make(chan struct{})}
	if f.Path != "" {
		re, err := regexp.Compile("^(?:" + f.Path + ")$")
		if err != nil {
			return 0, fmt.Errorf("reading path of a fault: %w", err)
		}
		a.path = re
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next++
	a.id = t.next
	t.list = append(t.list, a)
	return a.id, nil
}

func (t *faultTable) remove(id int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, f := range t.list {
		if f.id == id {
			t.list = append(t.list[:i], t.list[i+1:]...)
			close(f.gone)
			return true
		}
	}
	return false
}

func (t *faultTable) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.list {
		close(f.gone)
	}
	t.list = nil
}

// hit returns the fault that this call meets, and counts it. It returns false if there is none.
func (t *faultTable) hit(node, method, path string) (*activeFault, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, f := range t.list {
		if f.Node != "" && f.Node != node ||
			f.Method != "" && !strings.EqualFold(f.Method, method) ||
			f.path != nil && !f.path.MatchString(path) {
			continue
		}
		f.seen++
		if f.seen <= f.Skip {
			continue
		}
		if f.Count > 0 && f.seen == f.Skip+f.Count {
			t.list = append(t.list[:i:i], t.list[i+1:]...)
		}
		return f, true
	}
	return nil, false
}

// faultState is a fault as the control API shows it.
type faultState struct {
	ID int `json:"id"`
	Fault
	Seen int `json:"seen"` // number of matching calls so far
}

func (t *faultTable) state() []faultState {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]faultState, 0, len(t.list))
	for _, f := range t.list {
		out = append(out, faultState{f.id, f.Fault, f.seen})
	}
	return out
}

// nowhere drops the answer of a call whose client gets another answer.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Flush()                      {}
