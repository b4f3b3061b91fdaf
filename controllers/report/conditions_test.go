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
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
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

// An engine that does not list volumes is of use for everything else. Another one would not list them either, so the operator
// must not look for it.
func TestAnEngineThatListsNoVolumesIsReady(t *testing.T) {
	board := status.NewBoard("s", "enforce", status.NewMetrics("v0", func() int { return 0 }), logr.Discard(), func() time.Time { return time.Unix(0, 0) })
	c := &Conditions{Board: board}
	run := &decide.Decision{}
	run.Whole, run.Unlisted = true, map[string]error{v1.KindVolume: errors.New("the filter denies it")}
	run.Memory.Made = map[string]v1.Key{"1": {Kind: v1.KindVolume, Name: "data"}}
	c.Looked(run, nil)
	c.Written()
	c.Ended(false)
	if is, ready := board.Report().Is(status.EngineReady); !ready || run.Incomplete() == nil {
		t.Errorf("it is ready: %t, %+v, and the run lacks %v", ready, is, run.Incomplete())
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

// A node that waits to become a manager is a condition of its own only while no manager may be lost. What is not known
// of the nodes changes nothing.
func TestAPromotionWaits(t *testing.T) {
	board := status.NewBoard("s", "enforce", status.NewMetrics("v0", func() int { return 0 }), logr.Discard(), func() time.Time { return time.Unix(0, 0) })
	c := &Conditions{Board: board}
	waits := func(n int) (out []plan.Refusal) {
		for i := range n {
			key := v1.Key{Kind: v1.KindNode, Name: fmt.Sprintf("mgr-%d", i)}
			out = append(out, plan.Refusal{Op: diff.Update, Key: key, Instance: fmt.Sprintf("id%d", i), Guard: "unproven", Class: plan.Consent, Hazard: plan.PromoteUnproven, Why: "joined a minute ago"})
		}
		return out
	}
	other := plan.Refusal{Key: v1.Key{Kind: v1.KindNode, Name: "b"}, Instance: "idb", Class: plan.Consent, Hazard: plan.ForceNodeRemoval}
	for _, run := range []struct {
		name    string
		nodes   *kinds.Nodes
		refused []plan.Refusal
		want    string
	}{
		{"none may be lost, and nobody waits", &kinds.Nodes{Losses: "none may be lost"}, []plan.Refusal{other}, "false "},
		{"one waits, and one may be lost", &kinds.Nodes{Tolerance: 1, Losses: "1 member may be lost"}, waits(1), "false "},
		{"one waits, and none may be lost", &kinds.Nodes{Losses: "none may be lost"}, append(waits(1), other), "true none may be lost, and these wait for consent to promote-unproven: Node/mgr-0 (id0)"},
		{"the nodes are not known", nil, nil, "true none may be lost, and these wait for consent to promote-unproven: Node/mgr-0 (id0)"},
		{"six wait, and there is no majority", &kinds.Nodes{Tolerance: -1, Losses: "there would be no majority"}, waits(6), "true there would be no majority, and these wait for consent to promote-unproven: Node/mgr-0 (id0), Node/mgr-1 (id1), Node/mgr-2 (id2), Node/mgr-3 (id3), Node/mgr-4 (id4) and 1 more"},
		{"nobody waits any more", &kinds.Nodes{}, nil, "false "},
	} {
		decision := &decide.Decision{}
		decision.Plan.Refused, decision.Surveyed.Nodes = run.refused, run.nodes
		c.Decided(decision, "")
		c.Ended(false)
		is, _ := board.Report().Is(status.PromotionWaits)
		if got := fmt.Sprint(is.Status, " ", is.Message); got != run.want {
			t.Errorf("%s: %q, want %q", run.name, got, run.want)
		}
	}
}

// Secrets that cannot be compared are a condition, which names them once for each reason, and ends when they can be.
func TestSecretsThatCannotBeCompared(t *testing.T) {
	board := status.NewBoard("s", "enforce", status.NewMetrics("v0", func() int { return 0 }), logr.Discard(), func() time.Time { return time.Unix(0, 0) })
	c := &Conditions{Board: board}
	secrets := func(why string, names ...string) (out []kinds.Unknown) {
		for _, name := range names {
			out = append(out, kinds.Unknown{Key: v1.Key{Kind: v1.KindSecret, Name: name}, Why: why})
		}
		return out
	}
	const stay = "true these secrets stay as they are, also if git has changed them: "
	for _, run := range []struct {
		name    string
		unknown []kinds.Unknown
		want    string
	}{
		{"all are compared", nil, "false "},
		{"one is not", secrets("no key", "a"), stay + "Secret/a: no key"},
		{"five are not", secrets("no key", "a", "b", "c", "d", "e"), stay + "Secret/a, Secret/b, Secret/c, Secret/d, Secret/e: no key"},
		{"seven are not", secrets("no key", "a", "b", "c", "d", "e", "f", "g"), stay + "Secret/a, Secret/b, Secret/c, Secret/d, Secret/e and 2 more: no key"},
		{"for two reasons", append(secrets("no key", "a"), append(secrets("a form", "b"), secrets("no key", "c")...)...), stay + "Secret/a, Secret/c: no key; Secret/b: a form"},
		{"all are compared again", nil, "false "},
	} {
		decision := &decide.Decision{}
		decision.Wants.Unknown = run.unknown
		c.Decided(decision, "")
		c.Ended(false)
		is, _ := board.Report().Is(status.SecretsNotCompared)
		if got := fmt.Sprint(is.Status, " ", is.Message); got != run.want {
			t.Errorf("%s: %q, want %q", run.name, got, run.want)
		}
	}
}
