package main

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// An engine that restarts is not reported. An engine whose events cannot be read is reported once, and again when
// they can be read.
func TestEventsThatDoNotComeAreTold(t *testing.T) {
	const failed, connected, event = engine.Unconnected, engine.Reconnected, "service"
	type moment struct {
		after time.Duration
		comes string // "" means that nothing comes
	}
	every := func(pause time.Duration, n int, of ...string) (out []moment) {
		for range n {
			for _, one := range of {
				out = append(out, moment{pause, one})
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		before  bool // whether the engine before this one sent no events
		moments []moment
		changes string // changes of the condition, in order
	}{
		"they come":                           {false, []moment{{0, connected}, {time.Second, event}, {time.Hour, event}}, ""},
		"a restart":                           {false, slices.Concat([]moment{{0, connected}}, every(time.Second, 20, failed), []moment{{0, connected}, {time.Minute, ""}}), ""},
		"never":                               {false, every(10*time.Second, 360, failed), "missing"},
		"not any more":                        {false, slices.Concat([]moment{{0, connected}, {time.Hour, event}}, every(10*time.Second, 9, failed)), "missing"},
		"each connection ends at once":        {false, every(5*time.Second, 60, connected, failed), "missing"},
		"again after a while, and silent":     {false, slices.Concat(every(10*time.Second, 9, failed), []moment{{0, connected}, {time.Minute, ""}}), "missing, there"},
		"again, and an event":                 {false, slices.Concat(every(10*time.Second, 9, failed), []moment{{0, connected}, {time.Second, event}}), "missing, there"},
		"now and then, in between it is good": {false, slices.Concat(every(10*time.Second, 2, failed), []moment{{0, connected}, {time.Minute, ""}}, every(10*time.Second, 2, failed)), ""},
		"another engine has them":             {true, []moment{{0, connected}, {time.Minute, ""}}, "there"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				board := status.NewBoard("s", "enforce", status.NewMetrics("v0", func() int { return 0 }), logr.Discard(), time.Now)
				if c.before {
					board.Tell(status.EventsMissing, true, "Unconnected", "of another engine")
				}
				l := &listening{board: board, resync: 5 * time.Minute}
				was, changes := c.before, []string(nil)
				look := func() {
					all := board.Report().Conditions
					i := slices.IndexFunc(all, func(c status.Condition) bool { return c.Type == status.EventsMissing && c.Status })
					if i >= 0 && !c.before && (!strings.Contains(all[i].Message, "GET /events: 403") || !strings.Contains(all[i].Message, "--resync (5m0s)")) {
						t.Errorf("it says %q", all[i].Message)
					}
					if is := i >= 0; is != was {
						was, changes = is, append(changes, map[bool]string{true: "missing", false: "there"}[is])
					}
				}
				for _, m := range c.moments {
					select {
					case <-l.proof:
						l.fine()
						look()
						time.Sleep(m.after) // by the fake clock
					case <-time.After(m.after):
					}
					if m.comes != "" {
						l.hears(engine.Event{Type: m.comes, Name: "GET /events: 403: not through this proxy"})
						look()
					}
				}
				if got := strings.Join(changes, ", "); got != c.changes {
					t.Errorf("the condition went %q, want %q", got, c.changes)
				}
			})
		})
	}
}
