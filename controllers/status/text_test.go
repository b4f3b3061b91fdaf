package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/screen"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/golden"
)

const (
	canary = "canary-4711"
	newest = "9a8b7c6d5e4f30219a8b7c6d5e4f30219a8b7c6d"
	old    = "1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c"
)

func at(minute int) time.Time { return time.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC) }

func serviceKey(name string) v1.Key { return v1.Key{Kind: v1.KindService, Name: name} }

// changed returns a service with fields changed by hand and by git, one of them a secret.
func changed() []diff.Change {
	web := serviceKey("web")
	leaf := func(path, key, text string) diff.Leaf {
		return diff.Leaf{Path: path, Type: path, Key: key, Text: text, Stated: true}
	}
	before := []diff.Leaf{leaf("spec.environment.DB_PASSWORD", "DB_PASSWORD", canary), leaf("spec.image", "", "app:1"), leaf("spec.replicas", "", "2")}
	have := &diff.State{Key: web, Instance: "web", Meta: diff.Meta{Mine: true, Applied: diff.NewApplied(before)}, Leaves: []diff.Leaf{
		before[0], before[1], leaf("spec.replicas", "", "5"),
	}}
	want := &diff.State{Key: web, Instance: "web", Leaves: []diff.Leaf{
		leaf("spec.environment.DB_PASSWORD", "DB_PASSWORD", canary+"-new"), leaf("spec.image", "", "https://user:"+canary+"@registry/app:2"), before[2],
	}}
	added := &diff.State{Key: serviceKey("new"), Instance: "new", Leaves: []diff.Leaf{leaf("spec.environment.API_TOKEN", "API_TOKEN", canary)}}
	return diff.Compare([]*diff.State{have}, []*diff.State{want, added}, func(string) diff.Rules {
		return diff.Rules{"spec.environment.DB_PASSWORD": {}, "spec.environment.API_TOKEN": {}, "spec.image": {}, "spec.replicas": {}}
	})
}

func everything() Status {
	web, db := serviceKey("web"), serviceKey("db")
	s := Status{
		Head: Head{Sequence: 7, Source: "shop", Location: "https://git.example.com/shop.git", Mode: "enforce", Revision: newest, Applied: old, At: at(9)},
		Conditions: []Condition{
			{Type: SourceReady, Reason: "Refused", Message: "revision 9a8b7c6d5e has 1 problem", Since: at(5)},
			{Type: EngineReady, Status: true, Reason: "Reached", Since: at(0)},
			{Type: InSync, Reason: "Differs", Since: at(6)},
			{Type: Held, Status: true, Reason: "NeedsAPerson", Message: "Service/web: it restarts", Since: at(6)},
			{Type: OnHold, Since: at(0)},
		},
		Problems: []v1.Problem{{File: "db.yaml", Line: 3, Object: db, Path: "spec.imge", Message: "unknown field; did you mean image?"}},
		Notices:  Notices([]string{"reading https://user:" + canary + "@git.example.com took long"}),
		Limits: Limits{
			Lease:  &Lease{State: "held", Holder: "manager-1/c0ffee", Source: "shop", Epoch: 42, Renewed: at(8)},
			Paused: "the state of source shop is older than last seen",
			Holds:  []plan.Hold{{Target: "Service/db", Reason: "a dump runs", By: "ada", Since: at(1), Until: at(59)}},
		},
		Deliveries: DeliveriesOf([]plan.Delivery{{What: "worker-token", To: "vault", By: "manager-1", Why: "it was not delivered there yet"}, {What: "unlock-key", To: "offline", Why: "made by update of Cluster/default"}}),
		Objects: []Object{
			{Object: v1.Key{Kind: v1.KindConfig, Name: "conf"}, Sync: Synced, Health: Healthy},
			{Object: db, Sync: Synced, SyncWhy: "on hold: a dump runs (ada)", Health: Degraded, HealthWhy: "0 of 1 task running; the last one that failed: task:\n\tnon-zero exit (1)", Replicas: &Replicas{Wanted: 1, Old: 1}},
			{Object: serviceKey("new"), Sync: OutOfSync, SyncWhy: "in git, not in the swarm", Health: Missing},
			{Object: web, Sync: OutOfSync, SyncWhy: "changed in git and by hand", Health: Progressing, HealthWhy: "updating, 1 of 2 tasks running", Replicas: &Replicas{Running: 1, Wanted: 2, Old: 2}},
		},
		Rollouts: []Rollout{{Object: web, State: "updating", Since: at(7), Replicas: Replicas{Running: 1, Wanted: 2, Old: 2}, Why: "updating, 1 of 2 tasks running"}},
		Drift:    Changes(changed(), map[v1.Key]time.Time{web: at(6)}),
		Refused: Refusals([]plan.Refusal{
			{Op: diff.Update, Key: web, Instance: "web", Guard: "restarts", Class: plan.Consent, Hazard: plan.Restarts, Why: "the revision restarts the tasks of 12 of 20 services; more than 10 and more than a tenth need consent; to agree, add to a commit message: Consent: restarts"},
			{Op: diff.Create, Key: serviceKey("new"), Instance: "new", Guard: "depends-on", Class: plan.Later, Why: "Service/db is not ready", Until: at(10), Fields: []diff.Field{{Path: "spec.image", Want: diff.NewValue("app:2"), Git: true}}},
			{Op: diff.Update, Key: serviceKey("job"), Instance: "job", Guard: "job", Class: plan.Never, Why: "any update would run the job again", Quiet: true},
		}),
		Failed:  Failures([]plan.Failure{{Key: db, Digest: "d", Began: at(3), Revision: old, Why: "0 of 1 task running; the last one that failed: cannot reach https://user:" + canary + "@db.example.com"}}),
		History: []Revision{{Hash: old, When: at(0), Since: at(1), Outcome: "failed", Why: "Service/db", At: at(2)}},
	}
	last := &s.Drift[len(s.Drift)-1]
	last.Fields = append(last.Fields, Field{Path: "spec.user", Have: diff.NewValue("1000"), By: "hand", Effect: diff.RestartsTasks.String(), Ignored: true})
	return s
}

func TestTheTextOfAStatusShowsNoSecret(t *testing.T) {
	for name, s := range map[string]Status{
		"everything": everything(),
		"in-order": {
			Head: Head{Source: "shop", Revision: old, Applied: old}, Limits: Limits{Lease: &Lease{State: "free", Holder: "manager-1/c0ffee", Epoch: 42}},
			Conditions: []Condition{{Type: InSync, Status: true}, {Type: Held}, {Type: Standby}},
			Objects:    []Object{{Object: serviceKey("web"), Sync: Synced, Health: Healthy, Replicas: &Replicas{Running: 2, Wanted: 2}}},
		},
		"nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := s.Text(&b, screen.Screen{}); err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, "testdata/"+name+".txt", b.String())
			if strings.Contains(b.String(), canary) {
				t.Errorf("the text shows a secret:\n%s", b.String())
			}
		})
	}
}

// sameShown compares values by what is shown of them. What is hidden cannot be read back.
var sameShown = cmp.Comparer(func(a, b diff.Value) bool {
	return a.String() == b.String() && a.Hidden() == b.Hidden() && a.Set() == b.Set()
})

// The status of a running operator is shown as if the command had computed it itself.
func TestAStatusIsReadBackFromItsJSON(t *testing.T) {
	s := everything()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"notices", "drift", "refused", "failed", "objects", "rollouts"} {
		var all map[string]json.RawMessage
		if err := json.Unmarshal(data, &all); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(all[part]), canary) {
			t.Errorf("%s shows a secret: %s", part, all[part])
		}
	}
	var again Status
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, again, sameShown); d != "" {
		t.Errorf("it is read back as another one (-was +is):\n%s", d)
	}
}

func TestABoardTellsWhatBoundsIt(t *testing.T) {
	m := NewMetrics("v0", func() int { return 0 })
	b := newTestBoard(m)
	b.Context(Lease{State: "held", Holder: "a/1", Epoch: 7}, []plan.Hold{{Target: "all"}}, "see https://u:"+canary+"@x")
	m.Lease("taken", 7)
	m.Lease("lost", 7)
	s := published(b).Status(Now{})
	if s.Lease == nil || s.Lease.Epoch != 7 || len(s.Holds) != 1 || s.Paused == "" || strings.Contains(s.Paused, canary) {
		t.Errorf("the status is %+v", s)
	}
	for name, want := range map[string]float64{"holds": 1, "paused": 1, "lease_held": 0, "lease_epoch": 7, "lease_transitions_total": 2} {
		if got := gather(t, m, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	b.Context(Lease{}, nil, "")
	if published(b); gather(t, m, "holds")+gather(t, m, "paused") != 0 {
		t.Error("holds and pauses do not end")
	}
}

// A healthy operator shows no condition, and every condition that is not as it should be is shown.
func TestOnlyConditionsThatNeedALookAreShown(t *testing.T) {
	for kind, well := range map[string]bool{
		SourceReady: true, EngineReady: true, InSync: true, ManagersReady: true, NodesReady: true, Held: false, RolloutFailed: false, StepFailed: false,
		Standby: false, Paused: false, OnHold: false, Outdated: false, KeyNotEscrowed: false, TokensNotDelivered: false, SecretsNotCompared: false, PromotionWaits: false, VersionSkew: false, CARotating: false, EventsMissing: false, ConfigurationRefused: false, AuditLogFailed: false,
	} {
		if !(Condition{Type: kind, Status: well}).fine() || (Condition{Type: kind, Status: !well}).fine() {
			t.Errorf("%s: %t is what it should be", kind, well)
		}
		if (Condition{Type: kind, Status: well, Reason: Unknown}).fine() {
			t.Errorf("%s: nobody can say, and that is not shown", kind)
		}
	}
}
