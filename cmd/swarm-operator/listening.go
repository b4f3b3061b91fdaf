package main

import (
	"fmt"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

const (
	// deafFor is for how long the engine's events may not come until that is news: an engine that is started again takes some time.
	deafFor = 30 * time.Second
	// provenAfter is how long a connection without an event stands until it counts as a good one.
	provenAfter = 10 * time.Second
)

// listening tells people if the events of the engine cannot be read. The board may know of the engine before this one.
type listening struct {
	board  *status.Board
	resync time.Duration
	// failing is since when connections fail, or end as soon as they stand. The zero time: they do not.
	failing time.Time
	// proof comes when the connection that there is counts as a good one.
	proof <-chan time.Time
}

// hears takes note of an event, or of what came in place of one.
func (l *listening) hears(e engine.Event) {
	_, missing := l.board.Report().Is(status.EventsMissing)
	switch e.Type {
	case engine.Unconnected:
		l.proof = nil
		if l.failing.IsZero() {
			l.failing = time.Now()
		}
		if !missing && time.Since(l.failing) >= scaled(deafFor) {
			l.board.Tell(status.EventsMissing, true, "Unconnected", fmt.Sprintf("what somebody changes is seen each --resync (%s) only: %s", l.resync, e.Name))
		}
	case engine.Reconnected:
		if missing || !l.failing.IsZero() {
			l.proof = time.After(scaled(provenAfter))
		}
	default:
		l.fine()
	}
}

// fine: events come.
func (l *listening) fine() {
	l.failing, l.proof = time.Time{}, nil
	if _, missing := l.board.Report().Is(status.EventsMissing); missing {
		l.board.Tell(status.EventsMissing, false, "Connected", "")
	}
}
