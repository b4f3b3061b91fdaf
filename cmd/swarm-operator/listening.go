package main

import (
	"fmt"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

const (
	// deafFor is how long the engine's events may be missing before that is reported: an engine takes some time to
	// restart.
	deafFor = 30 * time.Second
	// provenAfter is how long a connection without an event must stand before it counts as good.
	provenAfter = 10 * time.Second
)

// listening reports whether the engine's events can be read. The board may still show what was true of the engine
// before this one.
type listening struct {
	board  *status.Board
	resync time.Duration
	// failing is since when connections fail, or end as soon as they stand. It is zero if they do not.
	failing time.Time
	// proof receives when the present connection counts as good. It is nil if nothing is to be proven.
	proof <-chan time.Time
}

// hears takes note of an event, or of a message about the connection.
func (l *listening) hears(e engine.Event) {
	_, missing := l.board.Report().Is(status.EventsMissing)
	switch e.Type {
	case engine.Unconnected:
		l.proof = nil
		if l.failing.IsZero() {
			l.failing = time.Now()
		}
		if !missing && time.Since(l.failing) >= scaled(deafFor) {
			l.board.Tell(status.EventsMissing, true, "Unconnected", fmt.Sprintf("the operator sees changes by hand at each --resync (%s) only, because the events of the engine do not arrive: %s", l.resync, e.Name))
		}
	case engine.Reconnected:
		if missing || !l.failing.IsZero() {
			l.proof = time.After(scaled(provenAfter))
		}
	default:
		l.fine()
	}
}

// fine notes that events arrive.
func (l *listening) fine() {
	l.failing, l.proof = time.Time{}, nil
	if _, missing := l.board.Report().Is(status.EventsMissing); missing {
		l.board.Tell(status.EventsMissing, false, "Connected", "")
	}
}
