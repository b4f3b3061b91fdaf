package decide

import (
	"fmt"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// A write by hand in the middle of a roll-out clears what the engine says about it. The roll-out goes on.
func TestARollOutThatAWriteHides(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	type look struct {
		after  time.Duration
		state  string // as the engine says
		gone   bool   // the manifest is gone
		hidden bool
	}
	for name, looks := range map[string][]look{
		"nothing":                        {{}, {after: time.Second}},
		"a write, until the next word":   {{state: "updating"}, {after: 1, hidden: true}, {after: time.Second, hidden: true}, {after: 2 * time.Second, state: "updating"}, {after: 3 * time.Second, state: "completed"}, {after: time.Minute}},
		"a write, and no word":           {{state: "updating"}, {after: 1, hidden: true}, {after: 29 * time.Second, hidden: true}, {after: hiddenFor + 1}, {after: time.Minute}},
		"it ended before":                {{state: "updating"}, {after: 1, state: "completed"}, {after: 2}},
		"it is not wanted any more":      {{state: "updating"}, {after: 1, gone: true}, {after: 2, gone: true}},
		"a roll-back is a roll-out, too": {{state: "rollback_started"}, {after: 1, hidden: true}},
		"it was paused":                  {{state: "paused"}, {after: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			f := following{hidden: map[v1.Key]time.Time{}}
			for i, l := range looks {
				facts := plan.Facts{Now: begin.Add(l.after), Rollouts: map[v1.Key]plan.Rollout{}}
				if l.state != "" {
					facts.Rollouts[web] = plan.Rollout{State: l.state}
				}
				wants := map[v1.Key]*diff.State{web: {Key: web}}
				if l.gone {
					clear(wants)
				}
				if got := fmt.Sprint(f.hide(wants, &facts)); (got != "[]") != l.hidden {
					t.Errorf("look %d: hidden are %s", i, got)
				}
			}
		})
	}
}

// A service that waits for a place does not fail, however long that takes. After a while it is looked at less often.
// The same is true of a job that runs.
func TestWhatOnlyWaitsForAPlaceDoesNotFail(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	waits, starts, begun := kinds.Health{Waits: true, Why: "no suitable node"}, kinds.Health{Why: "0 of 1"}, kinds.Health{Begun: true, Why: "0 of 1 complete"}
	for name, test := range map[string]struct {
		looks  []kinds.Health // one every four minutes
		failed bool
		again  time.Duration
		says   string
	}{
		"it stalls":                          {[]kinds.Health{starts, starts, starts, starts}, true, Poll, ""},
		"it comes further, slowly":           {[]kinds.Health{{Old: 4}, {Running: 1, Old: 3}, {Running: 2, Old: 2}, {Running: 3, Old: 1}, {Running: 3, Old: 1}}, false, Poll, ""},
		"it waits":                           {[]kinds.Health{waits}, false, Poll, "Service/web: no suitable node"},
		"it waits long":                      {[]kinds.Health{waits, waits, waits, waits, waits}, false, relook, "Service/web: no suitable node"},
		"a job runs long":                    {[]kinds.Health{begun, begun, begun, begun, begun}, false, relook, ""},
		"a job ran long, and fails":          {[]kinds.Health{begun, begun, begun, begun, {Failed: true}}, true, Poll, ""},
		"it waited long, and starts":         {[]kinds.Health{waits, waits, waits, waits, starts}, false, Poll, ""},
		"it waited long, and stalls":         {[]kinds.Health{waits, starts, starts, starts, starts}, true, Poll, ""},
		"it waited long, and is ready":       {[]kinds.Health{waits, waits, {Ready: true}}, false, 0, ""},
		"it waited long, and its tasks fail": {[]kinds.Health{waits, waits, waits, {Failed: true}}, true, Poll, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Policy{Follow: true})
			r.unsettled[web] = begin
			var facts plan.Facts
			for i, h := range test.looks {
				facts = plan.Facts{Now: begin.Add(time.Duration(i) * 4 * time.Minute), Rollouts: map[v1.Key]plan.Rollout{}, NotReady: map[v1.Key]string{}, Failing: map[v1.Key]bool{}, Settled: map[v1.Key]bool{}}
				r.judge(web, h, "", &facts)
			}
			if got := facts.Failing[web]; got != test.failed {
				t.Errorf("failed is %t: %s", got, facts.NotReady[web])
			}
			if got := r.LookAgain(facts.Now); got != test.again {
				t.Errorf("it is looked at again after %s, want %s", got, test.again)
			}
			if got := r.Placeless(); got != test.says {
				t.Errorf("it says %q", got)
			}
		})
	}
}

// A stall is on record, but no event tells when the service runs at last. So it is looked at again, but not each
// second.
func TestWhatStalledIsWatchedOn(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	facts := func() plan.Facts {
		return plan.Facts{Now: now, Rollouts: map[v1.Key]plan.Rollout{}, Failed: map[v1.Key]plan.Failure{}, NotReady: map[v1.Key]string{}, Failing: map[v1.Key]bool{}, Settled: map[v1.Key]bool{}}
	}
	for name, test := range map[string]struct {
		health  kinds.Health
		watched bool
		again   time.Duration
	}{
		"it stalled":       {kinds.Health{Why: "0 of 1"}, true, relook},
		"its tasks failed": {kinds.Health{Failed: true, Why: "exit 1"}, false, relook},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Policy{Follow: true})
			web := svc("web")
			haves, wants := []*diff.State{{Key: web, Meta: diff.Meta{Mine: true, Version: 1}}}, map[v1.Key]*diff.State{web: {Key: web}}
			r.versions.see(web, 1)
			r.looked, r.unsettled[web] = now, now.Add(-time.Hour)
			f := facts()
			r.judge(web, test.health, "", &f)
			r.Settle(f)
			r.seenFailed = []plan.Failure{{Key: web}} // it is on record now
			if _, watched := r.unsettled[web]; watched != test.watched || !f.Failing[web] {
				t.Errorf("watched: %t, failing %t", watched, f.Failing[web])
			}
			if got := r.LookAgain(now); got != test.again {
				t.Errorf("it is looked at again after %s, want %s", got, test.again)
			}
			f = facts()
			f.Failed[web] = r.seenFailed[0]
			r.notice(haves, wants, &f)
			if _, watched := r.unsettled[web]; watched != test.watched {
				t.Errorf("in the next run it is watched: %t", watched)
			}
			// Somebody asked for another try, and the operator has not written it yet.
			f = facts()
			r.notice(haves, wants, &f)
			if since := r.unsettled[web]; !since.Equal(now) {
				t.Errorf("after a retry it is waited for since %s", since)
			}
		})
	}
}

// Only a later update of the very same want, seen to its end, shows that the want has not failed.
func TestWhatWorksByNowHasNotFailed(t *testing.T) {
	web, began := svc("web"), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later := began.Add(time.Minute)
	for name, c := range map[string]struct {
		began   time.Time // of the failed roll-out
		rollout plan.Rollout
		ready   bool
		op      diff.Op
		stays   bool
	}{
		"a later update is completed":      {began, plan.Rollout{State: "completed", Began: later}, true, diff.Same, false},
		"it goes on":                       {began, plan.Rollout{State: "updating", Began: later}, false, diff.Same, true},
		"its tasks do not work":            {began, plan.Rollout{State: "completed", Began: later}, false, diff.Same, true},
		"something else was written":       {began, plan.Rollout{State: "completed", Began: later}, true, diff.Update, true},
		"the failed one itself":            {began, plan.Rollout{State: "completed", Began: began}, true, diff.Same, true},
		"it was rolled back":               {began, plan.Rollout{State: "rollback_completed", Began: later}, true, diff.Same, true},
		"the engine says nothing":          {began, plan.Rollout{}, true, diff.Same, true},
		"a failure of tasks, see failures": {time.Time{}, plan.Rollout{State: "completed", Began: later}, true, diff.Same, true},
	} {
		run := &Decision{}
		run.Memory.Failed = []plan.Failure{{Key: web, Began: c.began}}
		run.Changes = []diff.Change{{Op: c.op, Key: web}, {Op: diff.Update, Key: svc("other")}}
		run.Facts = plan.Facts{Settled: map[v1.Key]bool{web: c.ready}, Rollouts: map[v1.Key]plan.Rollout{web: c.rollout}}
		if stays := len(stillFailed(run)) == 1; stays != c.stays || len(run.Memory.Failed) != 1 {
			t.Errorf("%s: it stays on record: %t", name, stays)
		}
	}
}

// An object that is made again is not the one that failed.
func TestWhatIsMadeAgainHasNotFailed(t *testing.T) {
	failed := []plan.Failure{{Key: svc("made")}, {Key: svc("replaced")}, {Key: svc("updated")}, {Key: svc("other")}}
	steps := []plan.Step{{Op: diff.Create, Key: svc("made")}, {Op: diff.Replace, Key: svc("replaced")}, {Op: diff.Update, Key: svc("updated")}}
	left := madeAgain(failed, steps)
	if len(left) != 2 || left[0].Key != svc("updated") || left[1].Key != svc("other") {
		t.Errorf("on record are %+v", left)
	}
}

// A service that was written to while it rolled out may look ready, because the tasks that are to go still run.
func TestAHiddenRollOutIsNotOverAtOnce(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := New(Policy{Follow: true})
	r.hidden[web], r.unsettled[web] = begin, begin
	for _, look := range []struct {
		after time.Duration
		ready bool
	}{{50 * time.Millisecond, false}, {4 * time.Second, false}, {5 * time.Second, true}} {
		facts := plan.Facts{Now: begin.Add(look.after), Rollouts: map[v1.Key]plan.Rollout{web: {State: "updating"}}, NotReady: map[v1.Key]string{}, Failing: map[v1.Key]bool{}, Settled: map[v1.Key]bool{}}
		r.judge(web, kinds.Health{Ready: true, Running: 1, Wanted: 1}, "", &facts)
		if facts.Settled[web] != look.ready || (facts.NotReady[web] == "") != look.ready || (facts.Rollouts[web].State == "") != look.ready {
			t.Errorf("after %s: ready is %t, not ready because %q, and the roll-out is %+v", look.after, facts.Settled[web], facts.NotReady[web], facts.Rollouts[web])
		}
	}
}

// A task's own spec shows no ports, and none of the constraints by which it is replaced. Until the swarm says that it
// replaces tasks, those from before look like those that are wanted.
func TestWhichRollOutsNoTaskShows(t *testing.T) {
	web, begin := svc("web"), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		path   string
		effect diff.Effect
		hidden bool
	}{
		{"spec.placement.constraints", diff.RestartsTasks, true},
		{"spec.ports[80/tcp].published", diff.RestartsTasks, true},
		{"spec.image", diff.RestartsTasks, false},
		{"spec.replicas", diff.StartsTasks, false},
	} {
		d := New(Policy{Follow: true})
		d.Did(plan.Step{Op: diff.Update, Key: web, Effect: c.effect, Fields: []diff.Field{{Path: c.path, Git: true, Effect: c.effect}}}, begin)
		if since, hidden := d.hidden[web]; hidden != c.hidden || hidden && !since.Equal(begin) {
			t.Errorf("%s: hidden is %t, since %s", c.path, hidden, since)
		}
		w := NewWaited(nil, begin, d.Hidden())
		w.Hide(map[v1.Key]*diff.State{web: {}}, &plan.Facts{Now: begin.Add(time.Second)})
		if _, hidden := w.Hidden()[web]; hidden != c.hidden {
			t.Errorf("%s: for a wait, hidden is %t", c.path, hidden)
		}
	}
}

// SwarmKit pauses an update when a task ends, even if it ends well. A one-shot service that has done its work has not
// failed.
func TestAPausedRollOutThatIsReadyIsForgiven(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := New(Policy{Follow: true})
	facts := plan.Facts{Now: began, Rollouts: map[v1.Key]plan.Rollout{web: {State: "paused", Began: began}}, NotReady: map[v1.Key]string{}, Failing: map[v1.Key]bool{}, Settled: map[v1.Key]bool{}}
	r.judge(web, kinds.Health{Ready: true}, "", &facts)
	if len(facts.Rollouts) > 0 || !r.forgiven[web].Equal(began) {
		t.Errorf("it still counts as paused: %+v", facts.Rollouts)
	}
}

// A pause is forgiven as long as the engine speaks of it. Another pause of the same service is not.
func TestOnlyOnePauseIsForgiven(t *testing.T) {
	web, began := svc("web"), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		rollout          plan.Rollout
		forgiven, counts bool // afterwards; whether the roll-out is a fact
	}{
		"the same pause":           {plan.Rollout{State: "paused", Began: began}, true, false},
		"another pause":            {plan.Rollout{State: "paused", Began: began.Add(time.Second)}, false, true},
		"it goes on":               {plan.Rollout{State: "updating", Began: began}, false, true},
		"it is rolled back":        {plan.Rollout{State: "rollback_completed", Began: began}, false, true},
		"nothing is said any more": {plan.Rollout{}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := New(Policy{Follow: true})
			d.forgiven[web] = began
			f := plan.Facts{Now: began.Add(time.Hour), Rollouts: map[v1.Key]plan.Rollout{}}
			if c.rollout.State != "" {
				f.Rollouts[web] = c.rollout
			}
			if hidden := d.unknown(map[v1.Key]*diff.State{web: {Key: web}}, &f); len(hidden) > 0 {
				t.Errorf("%v count as rolled out unseen", hidden)
			}
			_, forgiven := d.forgiven[web]
			if _, counts := f.Rollouts[web]; forgiven != c.forgiven || counts != c.counts {
				t.Errorf("it is forgiven: %t, and counts: %t", forgiven, counts)
			}
		})
	}
}

// A stalled service stays a failure while the swarm goes on trying. Otherwise what depends on it would be refused and
// wait by turns.
func TestWhatStalledStaysFailedUntilItWorks(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	r := New(Policy{Follow: true})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, look := range []struct {
		health           kinds.Health
		failing, settled bool
	}{{kinds.Health{Why: "0 of 1"}, true, false}, {kinds.Health{Why: "0 of 1"}, true, false}, {kinds.Health{Ready: true}, false, true}} {
		r.unsettled[web] = now // it is looked at again
		facts := plan.Facts{Now: now, Rollouts: map[v1.Key]plan.Rollout{}, NotReady: map[v1.Key]string{}, Failing: map[v1.Key]bool{}, Settled: map[v1.Key]bool{}}
		r.judge(web, look.health, "stalled: 0 of 1", &facts)
		if facts.Failing[web] != look.failing || facts.Settled[web] != look.settled {
			t.Errorf("look %d: failing is %t, settled %t: %q", i, facts.Failing[web], facts.Settled[web], facts.NotReady[web])
		}
		r.Settle(facts)
		if r.seenFailed = nil; look.failing {
			r.seenFailed = []plan.Failure{{Key: web}}
		}
		if again := r.LookAgain(now); again != map[bool]time.Duration{true: relook}[look.failing] {
			t.Errorf("look %d: it is looked at again after %s", i, again)
		}
		now = now.Add(relook)
	}
}

// If only a discarded first thought has looked at a version, the version is new to the next run.
func TestAVersionThatOnlyAFirstThoughtSawIsNew(t *testing.T) {
	d, web := New(Policy{Follow: true}), svc("web")
	want := asks("web", "a")
	run := func(version uint64) *Decision {
		r := about(indexOf(there("1", "web")), state.Memory{})
		r.At = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		r.Wanted = map[v1.Key]*diff.State{web: want}
		r.Haves = []*diff.State{{Key: web, Meta: diff.Meta{Mine: true, Version: version}}}
		return r
	}
	d.Needs(run(1))
	d.Keep()
	clear(d.unsettled) // its roll-out is over

	next := run(2)
	before := d.Clone()
	d.Needs(next)
	d.Again(before) // and the second look fails before anything is thought
	d.Keep()
	if len(d.unsettled) > 0 {
		t.Fatalf("a thought that does not count left %v", d.unsettled)
	}
	d.Needs(next)
	if _, follows := d.unsettled[web]; !follows {
		t.Error("nobody follows the roll-out of the new version")
	}
}
