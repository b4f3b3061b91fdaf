package reconciler

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
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

// showing is what the loop shows to who asks while it works.
type showing struct {
	last atomic.Pointer[snapshot]

	mu    sync.Mutex // one look at a time; the others wait and take what it found
	until time.Time
	was   status.Status
}

func (s *showing) note(run *Run, hidden map[v1.Key]time.Time) {
	s.last.Store(snapshotOf(run, s.last.Load(), maps.Clone(hidden)))
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
	board := l.Board.Status()
	last := l.showing.last.Load()
	if last == nil {
		return board, nil
	}
	mine := *last
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	now, err := l.survey(ctx, &mine)
	if err != nil {
		now = live{at: l.Now()}
	}
	s := mine.status(now)
	s.Location, s.Mode, s.Conditions, s.At = board.Location, board.Mode, board.Conditions, now.at
	if !now.known {
		s.Notices = append(s.Notices[:len(s.Notices):len(s.Notices)], "how the objects do is not known: "+v1.Scrub(err.Error()))
		if board.Lease != nil {
			s.Lease, s.Holds = board.Lease, board.Holds
		}
	}
	return s, err
}
