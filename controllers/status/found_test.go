package status

import (
	"fmt"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// What a run found and what the swarm says now together give one word on sync, one on health and one on the roll-out.
func TestRunAndSwarmTogetherSayHowAnObjectDoes(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	wants := []Wanted{{Key: web, Instance: "web"}}
	failed := []plan.Failure{{Key: web, Digest: "d", Why: "a task said: no", Began: began}}
	change := func(op diff.Op) []diff.Change {
		return []diff.Change{{Op: op, Key: web, Instance: "web", Have: &diff.State{}}}
	}
	of := func(d Details) Report { return Report{Found: Found{Details: d}} }
	refused := func(op diff.Op) plan.Plan {
		return plan.Plan{Refused: []plan.Refusal{{Op: op, Key: web, Instance: "web", Why: "not now"}}}
	}
	for name, test := range map[string]struct {
		Report
		health  *Look
		update  string // the engine's state of the last update
		found   bool
		want    string
		rollout string
	}{
		"works":                             {of(Details{Wants: wants}), &Look{Ready: true}, "completed", false, "Synced Healthy", ""},
		"rolls out":                         {of(Details{Wants: wants}), &Look{Why: "1 of 2"}, "updating", false, "Synced Progressing: 1 of 2", "updating"},
		"was just made":                     {of(Details{Wants: wants}), &Look{Why: "1 of 2"}, "", false, "Synced Progressing: 1 of 2", "starting"},
		"runs and is still watched":         {of(Details{Wants: wants}), &Look{Why: "watched"}, "completed", false, "Synced Progressing: watched", "starting"},
		"keeps failing":                     {of(Details{Wants: wants}), &Look{Failed: true, Why: "exit 1"}, "", false, "Synced Degraded: exit 1", ""},
		"is paused":                         {of(Details{Wants: wants}), &Look{Failed: true, Why: "paused"}, "paused", false, "Synced Degraded: paused", "paused"},
		"is stalled":                        {of(Details{Wants: wants, Failed: failed}), &Look{Why: "0 of 1"}, "", false, "Synced Degraded: a task said: no", ""},
		"recovers":                          {of(Details{Wants: wants, Failed: failed}), &Look{Ready: true}, "", false, "Synced Healthy", ""},
		"was rolled back":                   {of(Details{Wants: wants, Failed: failed, Changes: change(diff.Update), Plan: refused(diff.Update)}), &Look{Ready: true, RolledBack: true}, "rollback_completed", false, "OutOfSync (not now) Degraded: a task said: no", "rollback_completed"},
		"was rolled back to the want":       {of(Details{Wants: wants}), &Look{Ready: true, RolledBack: true}, "rollback_completed", false, "Synced Healthy", ""},
		"differs":                           {of(Details{Wants: wants, Changes: change(diff.Update), Plan: plan.Plan{Steps: []plan.Step{{Op: diff.Update, Key: web, Cause: "changed in git"}}}}), &Look{Ready: true}, "", false, "OutOfSync (changed in git) Healthy", ""},
		"is not there":                      {of(Details{Wants: wants, Changes: change(diff.Create)}), nil, "", false, "OutOfSync Missing", ""},
		"came after the run":                {of(Details{Wants: wants, Changes: change(diff.Create)}), &Look{Ready: true}, "", false, "OutOfSync Healthy", ""},
		"went after the run":                {of(Details{Wants: wants}), nil, "", false, "Synced Missing", ""},
		"has no manifest":                   {of(Details{Changes: change(diff.Remove), Plan: refused(diff.Remove)}), &Look{Ready: true}, "", false, "OutOfSync (not now) Healthy", ""},
		"is kept":                           {of(Details{Changes: change(diff.Remove), Plan: plan.Plan{Kept: []plan.Target{{Key: web, Instance: "web"}}}}), &Look{Ready: true}, "", false, "OutOfSync (its manifest was removed; it stays while something refers to it) Healthy", ""},
		"is left as it is":                  {of(Details{Wants: wants, Changes: change(diff.Update), Plan: plan.Plan{Refused: []plan.Refusal{{Op: diff.Update, Key: web, Instance: "web", Why: "it would run again", Quiet: true}}}}), &Look{Ready: true}, "", false, "Synced (it would run again) Healthy", ""},
		"is left as it is, and does not go": {of(Details{Wants: wants, Changes: change(diff.Update), Plan: plan.Plan{Refused: []plan.Refusal{{Op: diff.Update, Key: web, Instance: "web", Quiet: true, Why: "as it is"}, {Op: diff.Remove, Key: web, Instance: "web", Why: "it leaves later"}}}}), &Look{Ready: true}, "", false, "OutOfSync (as it is) Healthy", ""},
		"is left as it is, and more":        {of(Details{Wants: wants, Changes: change(diff.Update), Plan: plan.Plan{Refused: []plan.Refusal{{Op: diff.Update, Key: web, Instance: "web", Quiet: true}, {Op: diff.Update, Key: web, Instance: "web", Why: "not now"}}}}), &Look{Ready: true}, "", false, "OutOfSync (not now) Healthy", ""},
		"is suspended":                      {of(Details{Wants: []Wanted{{web, "web", true}}}), &Look{Ready: true}, "", false, "Synced (policy.suspend is set) Healthy", ""},
		"is external and missing":           {of(Details{Missing: []v1.Key{web}}), nil, "", false, "OutOfSync (external: it must exist, and does not) Missing", ""},
		"no revision":                       {of(Details{}), &Look{Ready: true}, "completed", true, "Unknown Healthy", ""},
		"no revision, and rolled back":      {of(Details{Failed: failed}), &Look{Ready: true, RolledBack: true}, "rollback_completed", true, "Unknown Degraded: a task said: no", "rollback_completed"},
		"no revision, an older failure":     {of(Details{Failed: []plan.Failure{{Key: web, Began: began.Add(-time.Hour)}}}), &Look{Ready: true, RolledBack: true}, "rollback_completed", true, "Unknown Healthy", ""},
		"no revision, starts once more":     {of(Details{Failed: failed}), &Look{Why: "0 of 1"}, "updating", true, "Unknown Progressing: 0 of 1", "updating"},
		"a hold says why nothing is done":   {Report{Found: of(Details{Wants: wants}).Found, Holds: []plan.Hold{{Target: "service/web", Reason: "a dump"}}}, &Look{Ready: true}, "", false, "Synced (on hold: a dump) Healthy", ""},
	} {
		t.Run(name, func(t *testing.T) {
			now := Now{Sights: map[v1.Key]Sight{}, Known: true, At: began.Add(time.Minute)}
			if test.health != nil {
				now.Sights[web] = Sight{Look: *test.health, Rollout: plan.Rollout{State: test.update, Began: began}}
			}
			test.Usable = !test.found
			if test.found {
				now.There = []v1.Key{web}
			}
			s := test.Status(now)
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
			now.Known = false
			now.Sights = nil
			if o := test.Status(now).Objects[0]; o.Health != Unknown || o.Replicas != nil {
				t.Errorf("without an engine it is %s", said(o))
			}
		})
	}
}

// A version of an object may go while another one stays. What is said of the object is about the present one.
func TestWhatIsSaidOfOneVersionIsNotSaidOfAnother(t *testing.T) {
	page := v1.Key{Kind: v1.KindConfig, Name: "page"}
	gone := func(instance string, old bool) diff.Change {
		return diff.Change{Op: diff.Remove, Key: page, Instance: instance, Have: &diff.State{Key: page, Meta: diff.Meta{OldVersion: old}}}
	}
	step := func(instance, cause string) plan.Plan {
		return plan.Plan{Steps: []plan.Step{{Op: diff.Remove, Key: page, Instance: instance, Cause: cause}}}
	}
	stays := func(p plan.Plan, instance string) plan.Plan {
		p.Kept = []plan.Target{{Key: page, Instance: instance}}
		return p
	}
	waits := func(p plan.Plan, instance string) plan.Plan {
		p.Refused = []plan.Refusal{{Op: diff.Remove, Key: page, Instance: instance, Why: "not now"}}
		return p
	}
	const kept = "its manifest was removed; it stays while something refers to it"
	for name, test := range map[string]struct {
		plan plan.Plan
		want string
	}{
		"it goes, the old one stays": {stays(step("page-new", "its manifest was removed"), "page-old"), "its manifest was removed"},
		"it stays, the old one goes": {stays(step("page-old", "an old version"), "page-new"), kept},
		"it waits, the old one goes": {waits(step("page-old", "an old version"), "page-new"), "not now"},
		"it goes, the old one waits": {waits(step("page-new", "its manifest was removed"), "page-old"), "its manifest was removed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Report{Found: Found{Usable: true, Details: Details{Changes: []diff.Change{gone("page-new", false), gone("page-old", true)}, Plan: test.plan}}}
			if o := s.Status(Now{Known: true}).Objects[0]; o.SyncWhy != test.want {
				t.Errorf("it is said that %q, want %q", o.SyncWhy, test.want)
			}
		})
	}
}

func said(o Object) string {
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
		if got := len(Concerning([]plan.Hold{h}, "shop", keys, now)) == 1; got != want {
			t.Errorf("%s: %t, want %t", target, got, want)
		}
		h.Until = now.Add(-time.Second)
		if len(Concerning([]plan.Hold{h}, "shop", keys, now)) > 0 {
			t.Errorf("%s is over and concerns it", target)
		}
	}
}
