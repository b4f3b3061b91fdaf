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
	// lookEvery bounds how often asking for the status costs the engine something.
	lookEvery = time.Second
	// lookTime bounds how long who asks waits for the engine.
	lookTime = 5 * time.Second
)

// showing is what was last shown to who asks while the loop works.
type showing struct {
	mu    sync.Mutex // one look at a time; the others wait and take what it found
	until time.Time
	was   status.Status
}

// StatusNow is what the last run found, with how the objects do now, or lately did. Without an engine it is what is known,
// and no word on their health. It may be asked for at any time, also by many at once.
func (l *Loop) StatusNow(ctx context.Context) status.Status {
	l.showing.mu.Lock()
	defer l.showing.mu.Unlock()
	if l.Now().Before(l.showing.until) {
		return l.showing.was
	}
	s, err := l.status(ctx)
	if err != nil && ctx.Err() != nil { // who asked went away, which is not the engine's fault
		return s
	}
	l.showing.was, l.showing.until = s, l.Now().Add(lookEvery)
	return s
}

func (l *Loop) status(ctx context.Context) (status.Status, error) {
	report := *l.Board.Report() // what was remembered since may be filled in
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
