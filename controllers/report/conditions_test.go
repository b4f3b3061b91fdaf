package report

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// An engine that takes no writes is not ready, although it answers questions, until a run could write or had nothing to
// write. What cannot be read is the reason in any case.
func TestWhenAnEngineIsReady(t *testing.T) {
	refused, away := errors.New("it takes no writes"), errors.New("tasks cannot be read")
	for _, test := range []struct {
		name string
		does func(c *Conditions, look func(error))
		want string
	}{
		{"read", func(_ *Conditions, look func(error)) { look(nil) }, "true "},
		{"not written", func(c *Conditions, look func(error)) { look(nil); c.Unwritten(refused) }, "false it takes no writes"},
		{"not written, and read again", func(c *Conditions, look func(error)) { look(nil); c.Unwritten(refused); look(nil) }, "false it takes no writes"},
		{"written at last", func(c *Conditions, look func(error)) { look(nil); c.Unwritten(refused); look(nil); c.Written() }, "true "},
		{"not read either", func(c *Conditions, look func(error)) { look(nil); c.Unwritten(refused); look(away) }, "false tasks cannot be read"},
		{"not read, and nothing to write", func(c *Conditions, look func(error)) { look(nil); c.Unwritten(refused); look(away); c.Written() }, "false tasks cannot be read"},
		{"read again after that", func(c *Conditions, look func(error)) {
			c.Unwritten(refused)
			look(away)
			c.Written()
			look(nil)
		}, "true "},
	} {
		t.Run(test.name, func(t *testing.T) {
			board := status.NewBoard("s", "enforce", status.NewMetrics("v0", func() int { return 0 }), logr.Discard(), func() time.Time { return time.Unix(0, 0) })
			c := &Conditions{Board: board}
			test.does(c, func(unread error) {
				run := &decide.Decision{}
				run.Whole, run.Unread = true, unread
				c.Looked(run, nil)
			})
			c.Ended(false)
			is, ready := board.Report().Is(status.EngineReady)
			if got := fmt.Sprint(ready, " ", is.Message); got != test.want {
				t.Errorf("EngineReady is %q, want %q", got, test.want)
			}
		})
	}
}
