package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// Operator is swarm-operator run as a process.
type Operator struct {
	*Process
	address string
}

// patience is how long an operator may take to begin, or to answer. It only keeps a test from hanging: on a busy machine
// a process of which nothing is in memory yet takes long to begin.
const patience = time.Minute

var listening = regexp.MustCompile(`listening(?: address=|","address":")(127\.0\.0\.1:\d+)`)

// StartOperator starts swarm-operator run with more arguments, and returns when it serves. A value of --repair-after
// also applies to repairs that restart tasks, unless the arguments set --repair-restarts-after.
func StartOperator(ctx context.Context, binary string, env []string, args ...string) (*Operator, error) {
	if i := slices.Index(args, "--repair-after"); i >= 0 && !slices.Contains(args, "--repair-restarts-after") {
		args = append(slices.Clone(args), "--repair-restarts-after", args[i+1])
	}
	p, err := Start(binary, env, append([]string{"run", "--listen", "127.0.0.1:0"}, args...)...)
	if err != nil {
		return nil, err
	}
	o := &Operator{Process: p}
	err = Until(ctx, patience, func() error {
		m := listening.FindStringSubmatch(p.Stderr() + p.Stdout())
		if m == nil {
			return fmt.Errorf("swarm-operator run does not say where it listens:\n%s%s", p.Stdout(), p.Stderr())
		}
		o.address = m[1]
		return nil
	})
	if err != nil {
		p.Kill()
		return nil, err
	}
	return o, nil
}

// Address returns the address at which it serves.
func (o *Operator) Address() string { return o.address }

// Get sends a GET request to its HTTP server.
func (o *Operator) Get(ctx context.Context, path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.address+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("asking the operator: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// Report reads the drift report. It fails if the operator does not answer with one.
func (o *Operator) Report(ctx context.Context) (Report, error) {
	var r Report
	status, body, err := o.Get(ctx, "/api/v1/drift")
	if err != nil {
		return r, err
	}
	if status != http.StatusOK {
		return r, fmt.Errorf("asking for the drift report: status %d: %s", status, body)
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return r, fmt.Errorf("reading the drift report: %w", err)
	}
	return r, nil
}

// Report is the drift report as a client sees it.
type Report struct {
	Mode       string      `json:"mode"`
	Source     string      `json:"source"`
	Revision   string      `json:"revision"` // the newest revision seen
	Applied    string      `json:"inForce"`
	Conditions []Condition `json:"conditions"`
	Problems   []Problem   `json:"problems"`
	Drift      []Drift     `json:"drift"`
	Refused    []Refusal   `json:"refused"`
	Notices    []string    `json:"notices"`
}

// Condition is one statement of the operator about itself.
type Condition struct {
	Type    string `json:"type"`
	Status  bool   `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Problem is one thing that is wrong with a revision.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Message string `json:"message"`
}

// Drift is one object that differs from git, or did.
type Drift struct {
	Object    string  `json:"object"`
	Operation string  `json:"operation"`
	Fields    []Field `json:"fields"`
	By        string  `json:"by"`
	Done      string  `json:"done"`
	Why       string  `json:"why"`
	Open      bool    `json:"open"`
}

// Field is one difference.
type Field struct {
	Path    string  `json:"path"`
	Have    *string `json:"have"`
	Want    *string `json:"want"`
	By      string  `json:"by"`
	Ignored bool    `json:"ignored"`
}

// Refusal is a difference that the operator leaves alone.
type Refusal struct {
	Op     string `json:"operation"`
	Object string `json:"object"`
	Guard  string `json:"guard"`
	Class  string `json:"class"`
	Why    string `json:"why"`
	Hazard string `json:"hazard"`
	Quiet  bool   `json:"quiet"`
}

// Condition returns the condition of that type. The second result is false if there is none.
func (r Report) Condition(kind string) (Condition, bool) {
	for _, c := range r.Conditions {
		if c.Type == kind {
			return c, true
		}
	}
	return Condition{Type: kind}, false
}

// Is reports whether there is a condition with that status.
func (r Report) Is(kind string, status bool) bool {
	c, known := r.Condition(kind)
	return known && c.Status == status
}
