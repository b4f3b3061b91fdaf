package decide

import (
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func TestWhatBecameOfARevision(t *testing.T) {
	web, db := v1.Key{Kind: v1.KindService, Name: "web"}, v1.Key{Kind: v1.KindService, Name: "db"}
	failed := []plan.Failure{{Key: web, Why: "exit 1"}, {Key: db, Why: "exit 2"}}
	asks, waits, quiet := plan.Refusal{Key: db, Class: plan.Consent, Why: "ask"}, plan.Refusal{Key: db, Class: plan.Later}, plan.Refusal{Key: db, Class: plan.Never, Quiet: true}
	for name, test := range map[string]struct {
		failed       []plan.Failure
		refused      []plan.Refusal
		moves        bool
		outcome, why string
	}{
		"all is there":                     {nil, nil, false, state.RolledOut, ""},
		"something moves":                  {nil, nil, true, "", ""},
		"something failed":                 {failed, nil, false, state.Failed, "Service/web: exit 1"},
		"something failed, others move":    {failed, nil, true, state.Failed, "Service/web: exit 1"},
		"somebody is asked":                {nil, []plan.Refusal{quiet, waits, asks}, false, state.Held, "Service/db: ask"},
		"somebody is asked, others move":   {nil, []plan.Refusal{asks}, true, "", ""},
		"it failed, and somebody is asked": {failed, []plan.Refusal{asks}, false, state.Failed, "Service/web: exit 1"},
		"something is left as it is":       {nil, []plan.Refusal{quiet}, false, state.RolledOut, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if outcome, why := Became(test.failed, test.refused, test.moves); outcome != test.outcome || why != test.why {
				t.Errorf("it is %q: %q, want %q: %q", outcome, why, test.outcome, test.why)
			}
		})
	}
}

// The record of another want only serves to tell an old failure from the next.
func TestOnlyTheFailureOfTheWantInForceCounts(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	want := &diff.State{Key: web, Leaves: []diff.Leaf{{Path: "spec.image", Text: "app:2", Stated: true}}}
	before := diff.State{Key: web, Leaves: []diff.Leaf{{Path: "spec.image", Text: "app:1", Stated: true}}}
	for name, test := range map[string]struct {
		digest string
		wants  map[v1.Key]*diff.State
		counts bool
	}{
		"it failed":          {want.Digest(), map[v1.Key]*diff.State{web: want}, true},
		"the one before did": {before.Digest(), map[v1.Key]*diff.State{web: want}, false},
		"it was pardoned":    {"", map[v1.Key]*diff.State{web: want}, false},
		"nothing is wanted":  {want.Digest(), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			run := &Decision{}
			run.Wanted = test.wants
			run.Memory.Failed = []plan.Failure{{Key: web, Digest: test.digest, Why: "exit 1"}}
			if got := len(run.FailedWants()) == 1; got != test.counts || (run.FailureOf(web).Why != "") != test.counts {
				t.Errorf("it counts: %t, %+v", got, run.FailureOf(web))
			}
		})
	}
}

// Time counts from the beginning of the wait. It begins again when the tasks find a place. A job takes its own time.
func TestSinceWhenSomethingIsWaitedFor(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	starts, waits, begun := kinds.Health{}, kinds.Health{Waits: true}, kinds.Health{Begun: true}
	for name, test := range map[string]struct {
		looks   []kinds.Health // one every four minutes
		stalled bool
	}{
		"it starts":              {[]kinds.Health{starts, starts, starts}, false},
		"it starts for too long": {[]kinds.Health{starts, starts, starts, starts}, true},
		"it waits":               {[]kinds.Health{waits, waits, waits, waits}, false},
		"it waited, and starts":  {[]kinds.Health{waits, waits, starts, starts}, false},
		"a job runs":             {[]kinds.Health{starts, begun, begun, begun, begun}, false},
		"one task after another": {[]kinds.Health{{Old: 4}, {Running: 1, Old: 3}, {Running: 1, Old: 3}, {Running: 2, Old: 2}, {Running: 2, Old: 2}, {Running: 3, Old: 1}}, false},
		"old ones stop":          {[]kinds.Health{{Old: 4}, {Old: 4}, {Old: 3}, {Old: 3}, {Old: 2}}, false},
		"up and down":            {[]kinds.Health{{Running: 1}, {}, {Running: 1}, {}, {Running: 1}}, true},
		"it stops half way":      {[]kinds.Health{{Old: 4}, {Running: 1, Old: 3}, {Running: 1, Old: 3}, {Running: 1, Old: 3}, {Running: 1, Old: 3}}, true},
		"its spec has it wait":   {[]kinds.Health{{Pause: time.Hour}, {Pause: time.Hour}, {Pause: time.Hour}, {Pause: time.Hour}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, v := NewWaited(nil, begin, nil), status.Verdict{}
			for i, h := range test.looks {
				now := begin.Add(time.Duration(i) * 4 * time.Minute)
				v = status.Evidence{Look: status.Look(h), Since: w.Since(web, 1, h, now), Now: now}.Verdict()
			}
			if v.Failed() != test.stalled {
				t.Errorf("it is %+v", v)
			}
		})
	}
}
