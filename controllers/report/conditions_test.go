package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
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

// A run says once which steps fail, however much it finds out about that. What fails again in the same way is no news, and
// has failed since the first time.
func TestARunSaysOnceWhichStepsFail(t *testing.T) {
	now := time.Unix(0, 0)
	var lines []string
	log := funcr.New(func(_, line string) {
		if strings.Contains(line, `"type"="StepFailed"`) {
			lines = append(lines, line)
		}
	}, funcr.Options{})
	board := status.NewBoard("s", "enforce", status.NewMetrics("v0", func() int { return 0 }), log, func() time.Time { return now })
	c := &Conditions{Board: board}
	key := v1.Key{Kind: v1.KindService, Name: "a"}
	waits := plan.Refusal{Op: diff.Update, Key: key, Instance: key.Name, Guard: "back-off", Class: plan.Later, Why: "it failed before"}
	step, delivery := errors.New("update of Service/b: no"), errors.New("unlock key not delivered: no")
	for _, run := range []struct {
		name     string
		refused  []plan.Refusal
		err      error
		panicked bool
		logged   int
		want     string
		since    int64
	}{
		{"a step waits, and another one fails", []plan.Refusal{waits}, step, false, 1, "true StepFailed " + step.Error(), 1},
		{"so it does again", []plan.Refusal{waits}, step, false, 0, "true StepFailed " + step.Error(), 1},
		{"the step only waits", []plan.Refusal{waits}, nil, false, 1, "true StepFailed Service/a: it failed before", 1},
		{"there is nothing to do", nil, nil, false, 1, "false NothingToDo ", 4},
		{"there is no step, and a delivery fails", nil, delivery, false, 1, "true StepFailed " + delivery.Error(), 5},
		{"so it does again", nil, delivery, false, 0, "true StepFailed " + delivery.Error(), 5},
		{"a panic", nil, nil, true, 1, "true Panicked the last run ended with a panic: see the log", 5},
		{"there is nothing to do any more", nil, nil, false, 1, "false NothingToDo ", 8},
	} {
		now, lines = now.Add(time.Second), nil
		decision := &decide.Decision{}
		decision.Plan.Refused = run.refused
		c.Decided(decision, "")
		if run.err != nil {
			c.Failed(run.err)
		}
		c.Ended(run.panicked)
		is, _ := board.Report().Is(status.StepFailed)
		if got := fmt.Sprint(is.Status, " ", is.Reason, " ", is.Message); got != run.want || is.Since.Unix() != run.since {
			t.Errorf("%s: StepFailed is %q since %d, want %q since %d", run.name, got, is.Since.Unix(), run.want, run.since)
		}
		if len(lines) != run.logged {
			t.Errorf("%s: logged is %q, want %d lines", run.name, lines, run.logged)
		}
	}
}
