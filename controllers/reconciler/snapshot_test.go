package reconciler

import (
	"fmt"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// What a run found and what the swarm says now come together to one word on sync, one on health, and one on the roll-out.
func TestWhatIsSaidOfAnObject(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	wants := []wanted{{key: web, instance: "web"}}
	failed := []plan.Failure{{Key: web, Digest: "d", Why: "a task said: no", Began: began}}
	change := func(op diff.Op) []diff.Change {
		return []diff.Change{{Op: op, Key: web, Instance: "web", Have: &diff.State{}}}
	}
	refused := func(op diff.Op) plan.Plan {
		return plan.Plan{Refused: []plan.Refusal{{Op: op, Key: web, Why: "not now"}}}
	}
	for name, test := range map[string]struct {
		snapshot
		health  *kinds.Health
		update  string // the engine's word on the last one
		found   bool
		want    string
		rollout string
	}{
		"works":                           {snapshot{wants: wants}, &kinds.Health{Ready: true}, "completed", false, "Synced Healthy", ""},
		"rolls out":                       {snapshot{wants: wants}, &kinds.Health{Why: "1 of 2"}, "updating", false, "Synced Progressing: 1 of 2", "updating"},
		"was just made":                   {snapshot{wants: wants}, &kinds.Health{Why: "1 of 2"}, "", false, "Synced Progressing: 1 of 2", "starting"},
		"runs and is still watched":       {snapshot{wants: wants}, &kinds.Health{Why: "watched"}, "completed", false, "Synced Progressing: watched", "starting"},
		"keeps failing":                   {snapshot{wants: wants}, &kinds.Health{Failed: true, Why: "exit 1"}, "", false, "Synced Degraded: exit 1", ""},
		"is paused":                       {snapshot{wants: wants}, &kinds.Health{Failed: true, Why: "paused"}, "paused", false, "Synced Degraded: paused", "paused"},
		"is stalled":                      {snapshot{wants: wants, failed: failed}, &kinds.Health{Why: "0 of 1"}, "", false, "Synced Degraded: a task said: no", ""},
		"recovers":                        {snapshot{wants: wants, failed: failed}, &kinds.Health{Ready: true}, "", false, "Synced Healthy", ""},
		"was rolled back":                 {snapshot{wants: wants, failed: failed, changes: change(diff.Update), plan: refused(diff.Update)}, &kinds.Health{Ready: true, RolledBack: true}, "rollback_completed", false, "OutOfSync (not now) Degraded: a task said: no", "rollback_completed"},
		"was rolled back to the want":     {snapshot{wants: wants}, &kinds.Health{Ready: true, RolledBack: true}, "rollback_completed", false, "Synced Healthy", ""},
		"differs":                         {snapshot{wants: wants, changes: change(diff.Update), plan: plan.Plan{Steps: []plan.Step{{Op: diff.Update, Key: web, Cause: "changed in git"}}}}, &kinds.Health{Ready: true}, "", false, "OutOfSync (changed in git) Healthy", ""},
		"is not there":                    {snapshot{wants: wants, changes: change(diff.Create)}, nil, "", false, "OutOfSync Missing", ""},
		"came after the run":              {snapshot{wants: wants, changes: change(diff.Create)}, &kinds.Health{Ready: true}, "", false, "OutOfSync Healthy", ""},
		"went after the run":              {snapshot{wants: wants}, nil, "", false, "Synced Missing", ""},
		"has no manifest":                 {snapshot{changes: change(diff.Remove), plan: refused(diff.Remove)}, &kinds.Health{Ready: true}, "", false, "OutOfSync (not now) Healthy", ""},
		"is kept":                         {snapshot{changes: change(diff.Remove), plan: plan.Plan{Kept: []v1.Key{web}}}, &kinds.Health{Ready: true}, "", false, "OutOfSync (its manifest was removed; it stays while something refers to it) Healthy", ""},
		"is suspended":                    {snapshot{wants: []wanted{{web, "web", true}}}, &kinds.Health{Ready: true}, "", false, "Synced (policy.suspend is set) Healthy", ""},
		"is external and missing":         {snapshot{missing: []v1.Key{web}}, nil, "", false, "OutOfSync (external: it must exist, and does not) Missing", ""},
		"no revision":                     {snapshot{}, &kinds.Health{Ready: true}, "completed", true, "Unknown Healthy", ""},
		"no revision, and rolled back":    {snapshot{failed: failed}, &kinds.Health{Ready: true, RolledBack: true}, "rollback_completed", true, "Unknown Degraded: a task said: no", "rollback_completed"},
		"no revision, an older failure":   {snapshot{failed: []plan.Failure{{Key: web, Began: began.Add(-time.Hour)}}}, &kinds.Health{Ready: true, RolledBack: true}, "rollback_completed", true, "Unknown Healthy", ""},
		"no revision, starts once more":   {snapshot{failed: failed}, &kinds.Health{Why: "0 of 1"}, "updating", true, "Unknown Progressing: 0 of 1", "updating"},
		"a hold says why nothing is done": {snapshot{wants: wants, holds: []plan.Hold{{Target: "service/web", Reason: "a dump"}}}, &kinds.Health{Ready: true}, "", false, "Synced (on hold: a dump) Healthy", ""},
	} {
		t.Run(name, func(t *testing.T) {
			now := live{health: map[v1.Key]sight{}, known: true, at: began.Add(time.Minute)}
			if test.health != nil {
				kind := &kinds.Kind{Name: v1.KindService, Observe: func(*kinds.Live, *kinds.Index, *diff.State) plan.Rollout {
					return plan.Rollout{State: test.update, Began: began}
				}}
				now.health[web] = sight{kind, &kinds.Live{Name: "web"}, *test.health}
			}
			test.usable = !test.found
			if test.found {
				now.found = []v1.Key{web}
			}
			s := test.status(now)
			if len(s.Objects) != 1 {
				t.Fatalf("the objects are %+v", s.Objects)
			}
			if got := said(s.Objects[0]); got != test.want {
				t.Errorf("it is %s, want %s", got, test.want)
			}
			rollout := ""
			for _, r := range s.Rollouts {
				rollout += r.State
			}
			if rollout != test.rollout {
				t.Errorf("the roll-out is %q, want %q", rollout, test.rollout)
			}
			now.known = false
			now.health = nil
			if o := test.status(now).Objects[0]; o.Health != status.Unknown || o.Replicas != nil {
				t.Errorf("without an engine it is %s", said(o))
			}
		})
	}
}

func said(o status.Object) string {
	text := o.Sync
	if o.SyncWhy != "" {
		text += fmt.Sprintf(" (%s)", o.SyncWhy)
	}
	if text += " " + o.Health; o.HealthWhy != "" {
		text += ": " + o.HealthWhy
	}
	return text
}

func TestWhichHoldsConcernASource(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	keys := func(yield func(v1.Key) bool) { yield(v1.Key{Kind: v1.KindService, Name: "web"}) }
	for target, want := range map[string]bool{"all": true, "shop": true, "other": false, "Service/web": true, "service/web": true, "Service/db": false} {
		h := plan.Hold{Target: target}
		if got := len(concerning([]plan.Hold{h}, "shop", keys, now)) == 1; got != want {
			t.Errorf("%s: %t, want %t", target, got, want)
		}
		h.Until = now.Add(-time.Second)
		if len(concerning([]plan.Hold{h}, "shop", keys, now)) > 0 {
			t.Errorf("%s is over and concerns it", target)
		}
	}
}
