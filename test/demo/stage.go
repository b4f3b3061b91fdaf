package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// stage is what the demo plays on: a swarm, a repository, and an operator between them.
type stage struct {
	options
	dir        string
	host       string // of the first manager
	repository *repository
	revision   string // of the last commit
	engine     *client.Client
	sandbox    *process
	operator   *process
	logs       []*lines // of all operators, in the order in which they ran
	address    string   // where the operator serves
}

// newStage makes a directory and starts a swarm in it. The operator is started later.
func newStage(ctx context.Context, o options) (*stage, error) {
	for _, name := range []string{"swarm-operator", "swarm-sandbox"} {
		if _, err := os.Stat(filepath.Join(o.bin, name)); err != nil {
			return nil, fmt.Errorf("finding the binaries (make build makes them): %w", err)
		}
	}
	dir, err := shortTemp()
	if err != nil {
		return nil, err
	}
	s := &stage{options: o, dir: dir}
	if err := s.raise(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// shortTemp makes a directory so short that the path of a unix socket in it fits the 104 bytes that every system
// allows.
func shortTemp() (string, error) {
	base := os.TempDir()
	if len(base) > 50 {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "swarm-demo-")
	if err != nil {
		return "", fmt.Errorf("making a directory for the demo: %w", err)
	}
	return dir, nil
}

func (s *stage) raise(ctx context.Context) error {
	var hash fmt.Stringer
	var err error
	if s.repository, hash, err = newRepository(filepath.Join(s.dir, "repository"), s.examples); err != nil {
		return err
	}
	s.revision = hash.String()
	swarm := filepath.Join(s.dir, "swarm")
	s.host = "unix://" + filepath.Join(swarm, "manager-1.sock")
	if s.sandbox, err = start(filepath.Join(s.bin, "swarm-sandbox"), "up", "--managers", "3", "--workers", "2", "--dir", swarm); err != nil {
		return err
	}
	if s.engine, err = client.New(client.WithHost(s.host)); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	return s.await(ctx, "the swarm to be ready", 30*time.Second, func() (string, bool, error) {
		return s.sandbox.log.last(), strings.HasPrefix(s.sandbox.log.last(), "ready in "), nil
	})
}

var listening = regexp.MustCompile(`"msg":"listening","address":"([^"]+)"`)

// operate starts the operator and waits until it serves.
func (s *stage) operate(ctx context.Context, repairAfter time.Duration) error {
	var err error
	s.operator, err = start(filepath.Join(s.bin, "swarm-operator"), "run", "--source", s.repository.dir, "--host", s.host,
		"--listen", "127.0.0.1:0", "--repair-after", repairAfter.String(), "--log-format", "json")
	if err != nil {
		return err
	}
	s.logs = append(s.logs, s.operator.log)
	return s.await(ctx, "the operator to listen", 10*time.Second, func() (string, bool, error) {
		for _, line := range s.operator.log.copy() {
			if m := listening.FindStringSubmatch(line); m != nil {
				s.address = m[1]
				return "", true, nil
			}
		}
		return s.operator.log.last(), false, nil
	})
}

// operatorLog returns what all operators have printed.
func (s *stage) operatorLog() string {
	var b strings.Builder
	for _, l := range s.logs {
		for _, line := range l.copy() {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// close stops what was started, the last first, and removes what was made.
func (s *stage) close() error {
	var errs []error
	if s.engine != nil {
		errs = append(errs, s.engine.Close())
	}
	for _, p := range []*process{s.operator, s.sandbox} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// await looks every few milliseconds until check returns true. It gives up after limit, or if a process has ended.
// check also says what it saw, for the reader of the error.
func (s *stage) await(ctx context.Context, what string, limit time.Duration, check func() (string, bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		seen, ok, err := check()
		if ok && err == nil {
			return nil
		}
		for _, p := range []*process{s.sandbox, s.operator} {
			if p != nil && p.ended() != nil {
				return fmt.Errorf("waiting for %s: %w", what, p.ended())
			}
		}
		if err != nil {
			seen = err.Error()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w after %s; last seen: %s", what, ctx.Err(), limit, seen)
		}
	}
}

// report asks the operator for its drift report, as anybody can.
func (s *stage) report(ctx context.Context) (report, error) {
	var r report
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/api/v1/drift", nil)
	if err != nil {
		return r, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, fmt.Errorf("asking for the drift report: %w", err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		return r, fmt.Errorf("reading the drift report: %w", err)
	}
	return r, nil
}
