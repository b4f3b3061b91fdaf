package decide

import (
	"slices"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// The operator comes back when the first of all that no event tells of is due. An operator that only observes takes no
// steps, so it waits for none.
func TestComesBackWhenTheFirstThingIsDue(t *testing.T) {
	type given = func(*Decider, *Decision)
	in := noon.Add
	refused := func(class plan.Class, until time.Time, quiet bool) given {
		return func(_ *Decider, r *Decision) {
			r.Plan.Refused = append(r.Plan.Refused, plan.Refusal{Class: class, Until: until, Quiet: quiet})
		}
	}
	unsure := func(quiet bool) given {
		return func(_ *Decider, r *Decision) {
			secret := v1.Key{Kind: v1.KindSecret, Name: "key"}
			change := diff.Change{Op: diff.Remove, Key: secret, Instance: "key", Have: &diff.State{Key: secret, Meta: diff.Meta{Mine: true, OldVersion: quiet}}}
			r.Plan = plan.Build([]diff.Change{change}, plan.Facts{Shares: true, Owned: 100, Unseen: "denied"}, plan.Policy{Budgets: plan.DefaultBudgets()})
		}
	}
	held := func(until time.Time) given {
		return func(_ *Decider, r *Decision) { r.Facts.Holds = append(r.Facts.Holds, plan.Hold{Until: until}) }
	}
	failed := func(until time.Time) given {
		return func(_ *Decider, r *Decision) {
			r.Facts.Troubles = map[string]plan.Trouble{"update Service/web": {Until: until}}
		}
	}
	follows := func(d *Decider, _ *Decision) { d.unsettled[svc("web")] = noon }
	surveyed := func(again time.Duration) given { return func(_ *Decider, r *Decision) { r.Surveyed.Again = again } }
	rotates := func(again time.Duration) given { return func(_ *Decider, r *Decision) { r.Rotating.Again = again } }
	const soonest = 10 * time.Millisecond
	for name, c := range map[string]struct {
		given             []given
		want, ifObserving time.Duration
	}{
		"nothing is due":                          {},
		"a roll-out is followed":                  {[]given{follows}, Poll, Poll},
		"its node becomes a worker":               {[]given{func(_ *Decider, r *Decision) { r.Surveyed.Nodes = &kinds.Nodes{Demoted: true} }}, Poll, Poll},
		"a hold ends":                             {[]given{held(in(time.Hour))}, time.Hour, 0},
		"a hold ends in a moment":                 {[]given{held(in(1))}, soonest, 0},
		"a hold that somebody has to end":         {[]given{held(time.Time{})}, 0, 0},
		"two holds":                               {[]given{held(in(time.Hour)), held(time.Time{}), held(in(time.Minute))}, time.Minute, 0},
		"a node may be given up":                  {[]given{surveyed(5 * time.Minute)}, 5 * time.Minute, 0},
		"a token is to be replaced":               {[]given{rotates(2 * time.Hour)}, 2 * time.Hour, 0},
		"a step is tried again":                   {[]given{failed(in(3 * time.Second))}, 3 * time.Second, 0},
		"a step is tried again in a moment":       {[]given{failed(in(1))}, soonest, 0},
		"a step may be tried now":                 {[]given{failed(noon)}, 0, 0},
		"a refusal ends at a time":                {[]given{refused(plan.Later, in(time.Minute), false)}, time.Minute, 0},
		"a refusal should have ended":             {[]given{refused(plan.Later, in(-time.Minute), false)}, soonest, 0},
		"a refusal ends by itself":                {[]given{refused(plan.Later, time.Time{}, false)}, Poll, 0},
		"a refusal is only reported":              {[]given{refused(plan.Later, in(time.Minute), true)}, 0, 0},
		"a refusal waits for a person":            {[]given{refused(plan.Consent, time.Time{}, false), refused(plan.Never, time.Time{}, false)}, 0, 0},
		"nobody knows what refers to a secret":    {[]given{unsure(false)}, relistGone, relist},
		"so it is with an old version":            {[]given{unsure(true)}, relist, relist},
		"the first of several, which is a step":   {[]given{held(in(time.Hour)), refused(plan.Later, in(time.Minute), false), failed(in(3 * time.Second)), rotates(time.Hour), surveyed(time.Minute)}, 3 * time.Second, 0},
		"the first of several, which is a look":   {[]given{surveyed(time.Minute), follows, failed(in(3 * time.Second))}, Poll, Poll},
		"the first of several, which is a survey": {[]given{rotates(time.Hour), surveyed(2 * time.Second), refused(plan.Later, in(time.Minute), false)}, 2 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for observes, want := range map[bool]time.Duration{false: c.want, true: c.ifObserving} {
				d, run := New(Policy{Observe: observes, Follow: true}), &Decision{}
				run.Facts.Now = noon
				for _, give := range c.given {
					give(d, run)
				}
				if got := d.ComeBack(run); got != want {
					t.Errorf("observes %t: it comes back after %s, want %s", observes, got, want)
				}
			}
		})
	}
}

// When an engine is no longer a manager, its events end without a word. An operator that waits for one would say for
// minutes that all is well.
func TestDemotedNodeIsPolledUntilEngineNotices(t *testing.T) {
	run := func(demoted bool) *Decision {
		r := &Decision{}
		r.Surveyed.Nodes = &kinds.Nodes{Demoted: demoted}
		return r
	}
	demoted, manager := run(true), run(false)
	d := New(Policy{Observe: true})
	if got := demoted.Moving(); !slices.Equal(got, []string{v1.KindNode}) || d.ComeBack(demoted) != Poll {
		t.Errorf("it looks at %q after %s", got, d.ComeBack(demoted))
	}
	if got := manager.Moving(); len(got) > 0 || d.ComeBack(manager) != 0 {
		t.Errorf("a manager's looks at %q after %s", got, d.ComeBack(manager))
	}
}
