package report

import (
	"context"
	"slices"
	"sync"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

const (
	// lookEvery is the least time between two looks at the engine for somebody who asks for the status.
	lookEvery = time.Second
	// lookTime limits how long somebody who asks waits for the engine.
	lookTime = 5 * time.Second
)

// Showing gives the status while runs go on. It may be used by several goroutines.
type Showing struct {
	*Reporter
	Board *status.Board

	mu    sync.Mutex // mu allows one look at a time; the others wait and get its result
	until time.Time
	was   status.Status
}

// Now returns what the last run found, with the health of the objects, which is at most lookEvery old. If the engine
// does not answer, it returns what is known without their health. It may be called at any time, also by many callers at
// once.
func (s *Showing) Now(ctx context.Context) status.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Before(s.until) {
		return s.was
	}
	now, err := s.look(ctx)
	if err != nil && ctx.Err() != nil { // the caller went away, which is not the engine's fault
		return now
	}
	s.was, s.until = now, s.now().Add(lookEvery)
	return now
}

func (s *Showing) look(ctx context.Context) (status.Status, error) {
	report := *s.Board.Report() // a copy, because what was remembered since may be filled in
	if !report.Ran {
		return report.Status(status.Now{At: report.At}), nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	now, err := s.survey(ctx, &report.Found)
	if err != nil {
		now = status.Now{At: s.now()}
		report.Notices = append(slices.Clip(report.Notices), "how the objects do is not known: "+v1.Scrub(err.Error()))
	}
	return report.Status(now), err
}
