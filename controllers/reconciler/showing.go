package reconciler

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

// showing is the status that was last shown while the loop works.
type showing struct {
	mu    sync.Mutex // mu allows one look at a time; the others wait and get its result
	until time.Time
	was   status.Status
}

// StatusNow returns what the last run found, with how the objects do now or did within lookEvery. If the engine does
// not answer, it returns what is known without their health. It may be called at any time, also by many callers at
// once.
func (l *Loop) StatusNow(ctx context.Context) status.Status {
	l.showing.mu.Lock()
	defer l.showing.mu.Unlock()
	if l.Now().Before(l.showing.until) {
		return l.showing.was
	}
	s, err := l.status(ctx)
	if err != nil && ctx.Err() != nil { // the caller went away, which is not the engine's fault
		return s
	}
	l.showing.was, l.showing.until = s, l.Now().Add(lookEvery)
	return s
}

func (l *Loop) status(ctx context.Context) (status.Status, error) {
	report := *l.Board.Report() // a copy, because what was remembered since may be filled in
	if !report.Ran {
		return report.Status(status.Now{At: report.At}), nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	now, err := l.survey(ctx, &report.Found)
	if err != nil {
		now = status.Now{At: l.Now()}
		report.Notices = append(slices.Clip(report.Notices), "how the objects do is not known: "+v1.Scrub(err.Error()))
	}
	return report.Status(now), err
}
