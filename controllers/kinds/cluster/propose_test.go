package cluster

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var rotationPaths = map[kinds.Rotated]string{
	kinds.WorkerToken: "spec.joinTokens.worker.rotation", kinds.ManagerToken: "spec.joinTokens.manager.rotation",
	kinds.UnlockKey: "spec.autolock.rotation", kinds.RootCA: "spec.ca.rotation",
}

// Again returns when the next rotation is due by its age, among those that exist.
func TestWhenARotationIsDueByAge(t *testing.T) {
	every := func(of kinds.Rotated, hours int) Rotation {
		return Rotation{Of: of, Every: time.Duration(hours) * time.Hour}
	}
	stated := func(all ...Rotation) []Rotation { return all }
	begun := func(hours int) kinds.RotationRecord {
		return kinds.RotationRecord{Epoch: 1, At: at.Add(-time.Duration(hours) * time.Hour)}
	}
	type records = map[kinds.Rotated]kinds.RotationRecord
	epoch := uint64(1)
	for _, c := range []struct {
		name  string
		given Rotations
		want  time.Duration
	}{
		{"nothing is stated", Rotations{}, 0},
		{"by epoch only", Rotations{Stated: stated(Rotation{Of: kinds.RootCA, Epoch: &epoch}), Records: records{kinds.RootCA: begun(1)}}, 0},
		{"no record", Rotations{Stated: stated(every(kinds.WorkerToken, 10))}, 0},
		{"in time", Rotations{Stated: stated(every(kinds.WorkerToken, 10)), Records: records{kinds.WorkerToken: begun(4)}}, 6 * time.Hour},
		{"due", Rotations{Stated: stated(every(kinds.WorkerToken, 10)), Records: records{kinds.WorkerToken: begun(10)}}, 0},
		{"overdue", Rotations{Stated: stated(every(kinds.WorkerToken, 10)), Records: records{kinds.WorkerToken: begun(11)}}, 0},
		{"a clock that went back", Rotations{Stated: stated(every(kinds.WorkerToken, 10)), Records: records{kinds.WorkerToken: begun(-1)}}, 11 * time.Hour},
		{"the first of two", Rotations{
			Stated:  stated(every(kinds.WorkerToken, 10), every(kinds.ManagerToken, 8)),
			Records: records{kinds.WorkerToken: begun(4), kinds.ManagerToken: begun(7)},
		}, time.Hour},
		{"a key that is not there", Rotations{Stated: stated(every(kinds.UnlockKey, 10)), Records: records{kinds.UnlockKey: begun(4)}}, 0},
		{"a key", Rotations{Locked: true, Stated: stated(every(kinds.UnlockKey, 10)), Records: records{kinds.UnlockKey: begun(4)}}, 6 * time.Hour},
		{"a record that nobody asks for", Rotations{Records: records{kinds.WorkerToken: begun(4)}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.given.Again(at); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// rotating is what a swarm remembers in the laws below.
type rotating struct {
	records  map[kinds.Rotated]kinds.RotationRecord
	locked   bool
	running  bool
	now      time.Time
	replaced map[kinds.Rotated]int
}

func (w *rotating) plan(stated []Rotation) plan.Plan {
	f := plan.Facts{Now: w.now, APIVersion: "1.52"}
	return plan.Build(nil, f, plan.Policy{Source: "s", Budgets: plan.DefaultBudgets()}, given(Rotations{Stated: stated, Records: w.records, Locked: w.locked, Nodes: &kinds.Nodes{Rotating: w.running}}).Part())
}

// given returns the rotations with the two states that they are written by.
func given(r Rotations) Rotations {
	r.Have = &diff.State{Key: theCluster, Instance: theCluster.Name, Meta: diff.Meta{ID: "c", Mine: true}}
	r.Want = &diff.State{Key: theCluster, Instance: theCluster.Name, Partial: true}
	return r
}

// This holds whatever is stated, in whatever order and at whatever time:
//
//   - What has no record is never replaced.
//   - An epoch replaces once.
//   - A root is never replaced while another root is being replaced.
//   - A plan replaces at most one thing.
//   - No age passes without a replacement, unless something holds it.
//   - The epoch on record never falls.
func TestRotationsOnceAndOneByOne(t *testing.T) {
	all := []kinds.Rotated{kinds.WorkerToken, kinds.ManagerToken, kinds.UnlockKey, kinds.RootCA}
	rapid.Check(t, func(t *rapid.T) {
		w := &rotating{records: map[kinds.Rotated]kinds.RotationRecord{}, now: at, replaced: map[kinds.Rotated]int{}}
		raised := map[kinds.Rotated]int{}
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "hours")) * time.Hour)
			w.locked, w.running = rapid.Bool().Draw(t, "locked"), rapid.IntRange(0, 3).Draw(t, "running") == 0
			var stated []Rotation
			for _, of := range all {
				o := Rotation{Of: of, Path: rotationPaths[of]}
				if e := rapid.IntRange(-1, 4).Draw(t, "epoch"); e >= 0 {
					n := uint64(e)
					o.Epoch = &n
				}
				if of != kinds.RootCA {
					o.Every = time.Duration(rapid.IntRange(0, 4).Draw(t, "every")) * time.Hour
				}
				if o.Epoch != nil || o.Every > 0 {
					stated = append(stated, o)
				}
			}
			p := w.plan(stated)
			if len(p.Steps) > 1 {
				t.Fatalf("%d steps", len(p.Steps))
			}
			for _, s := range p.Steps {
				if m := kinds.RenewalOf(s).Makes; m != "" {
					before, known := w.records[m]
					i := slices.IndexFunc(stated, func(o Rotation) bool { return o.Of == m })
					switch o := stated[i]; {
					case !known:
						t.Fatalf("%s is replaced without a record", m)
					case w.running:
						t.Fatalf("%s is replaced while the root is", m)
					case m == kinds.UnlockKey && !w.locked:
						t.Fatal("a key is replaced that is not there")
					case len(kinds.RenewalOf(s).Records) != 1:
						t.Fatalf("it records %v", kinds.RenewalOf(s).Records)
					case o.Epoch != nil && *o.Epoch > before.Epoch:
						raised[m]++
					case o.Every == 0 || w.now.Sub(before.At) < o.Every:
						t.Fatalf("%s is replaced for nothing: %+v, on record %s", m, o, before)
					}
					w.replaced[m]++
				}
				for of, r := range kinds.RenewalOf(s).Records {
					if r.Epoch < w.records[of].Epoch {
						t.Fatalf("the epoch of %s falls from %s to %s", of, w.records[of], r)
					}
					w.records[of] = r
				}
			}
			again := w.plan(stated)
			for _, s := range again.Steps {
				if m := kinds.RenewalOf(s).Makes; m != "" && len(p.Steps) == 1 && m == kinds.RenewalOf(p.Steps[0]).Makes {
					t.Fatalf("%s is replaced twice", m)
				}
			}
			for _, r := range again.Refused {
				if r.Key != theCluster || r.Why == "" || len(r.Fields) != 1 {
					t.Fatalf("a refusal that does not say what and why: %+v", r)
				}
			}
		}
		for of, n := range raised {
			if n > 4 {
				t.Fatalf("%s had 4 epochs and was replaced %d times for them", of, n)
			}
		}
	})
}

// When an epoch is raised, its token or key is replaced exactly once, also if other rotations are due.
func TestEveryEpochIsReplacedInTheEnd(t *testing.T) {
	w := &rotating{records: map[kinds.Rotated]kinds.RotationRecord{}, now: at, replaced: map[kinds.Rotated]int{}, locked: true}
	var log []string
	for epoch := range uint64(3) {
		var stated []Rotation
		for _, of := range []kinds.Rotated{kinds.RootCA, kinds.UnlockKey, kinds.ManagerToken, kinds.WorkerToken} {
			stated = append(stated, Rotation{Of: of, Path: rotationPaths[of], Epoch: &epoch})
		}
		for range 10 {
			for _, s := range w.plan(stated).Steps {
				log = append(log, string(kinds.RenewalOf(s).Makes)+" "+strconv.Itoa(len(kinds.RenewalOf(s).Records)))
				for of, r := range kinds.RenewalOf(s).Records {
					w.records[of] = r
				}
			}
		}
	}
	const each = ", worker-token 1, manager-token 1, unlock-key 1, ca 1"
	if got := strings.Join(log, ", "); got != " 4"+each+each {
		t.Errorf("it went %s", got)
	}
}

func TestTurningAutolockOnRecordsTheKey(t *testing.T) {
	epoch := uint64(3)
	r := given(Rotations{
		Stated:  []Rotation{{Of: kinds.UnlockKey, Path: rotationPaths[kinds.UnlockKey], Epoch: &epoch}},
		Records: map[kinds.Rotated]kinds.RotationRecord{kinds.UnlockKey: {Epoch: 5, At: at.Add(-9 * time.Hour)}},
	})
	turned := func(to string) plan.Plan {
		want := &diff.State{Key: theCluster, Instance: theCluster.Name, Partial: true}
		want.Leaves = []diff.Leaf{{Path: pathEscrow, Type: pathEscrow, Text: "disk", Stated: true}}
		c := diff.Change{Op: diff.Update, Key: theCluster, Instance: theCluster.Name, Effect: diff.InPlace, Have: r.Have, Want: want}
		c.Fields = []diff.Field{plan.TextField(pathAutolock, "", to)}
		return plan.Build([]diff.Change{c}, plan.Facts{Now: at}, plan.Policy{Source: "s", Budgets: plan.DefaultBudgets()}, r.Part(), plan.Part{Guards: Kind().Guards})
	}
	p := turned("true")
	if len(p.Steps) != 1 || p.Steps[0].Rotates() || kinds.RenewalOf(p.Steps[0]).Records[kinds.UnlockKey] != (kinds.RotationRecord{Epoch: 5, At: at}) {
		t.Errorf("%+v", p.Steps)
	}
	p = turned("false")
	if len(p.Steps) != 1 || kinds.RenewalOf(p.Steps[0]) != nil {
		t.Errorf("turning it off records %+v", p.Steps)
	}
	if locks(plan.Step{Key: v1.Key{Kind: v1.KindNode, Name: "default"}, Fields: []diff.Field{plan.TextField(pathAutolock, "false", "true")}}) {
		t.Error("a node is locked")
	}
}

// The engine takes a root only if it is good now and for another year. That a root which the swarm has already expires is
// said only when it has.
func TestWhenTheRootThatAFileHasIsTaken(t *testing.T) {
	const year = 365 * 24 * time.Hour
	const other, ours = "sha256:a", "sha256:b" // of the swarm, where the file has ours
	for name, c := range map[string]struct {
		live        string
		from, until time.Duration // from now
		takes       bool
		class       plan.Class
		says        string // by which it is refused
	}{
		"good from now for a year":              {live: other, until: year, takes: true},
		"good from before for longer":           {live: other, from: -year, until: 3 * year, takes: true},
		"good from the next moment":             {live: other, from: 1, until: 2 * year, class: plan.Never, says: "is not good before"},
		"good for a moment less than a year":    {live: other, until: year - 1, class: plan.Never, says: "takes none that is not good for another year"},
		"good for a moment":                     {live: other, until: 1, class: plan.Never, says: "takes none that is not good for another year"},
		"good until now":                        {live: other, until: 0, class: plan.Never, says: "has expired"},
		"good neither yet nor any more":         {live: other, from: 1, until: 0, class: plan.Never, says: "has expired"},
		"nobody knows which one there is":       {until: year, class: plan.Later, says: "does not know which root the swarm has"},
		"the swarm's":                           {live: ours, until: year},
		"the swarm's, good for a moment":        {live: ours, until: 1},
		"the swarm's, good from the next":       {live: ours, from: 1, until: year},
		"the swarm's, which was good until now": {live: ours, until: 0, class: plan.Never, says: "has expired"},
	} {
		t.Run(name, func(t *testing.T) {
			r := given(Rotations{Nodes: &kinds.Nodes{}, Signing: &Signing{Path: "spec.ca.signing", Wanted: ours, Live: c.live, From: at.Add(c.from), Until: at.Add(c.until)}})
			p := plan.Build(nil, plan.Facts{Now: at, APIVersion: "1.52"}, plan.Policy{Source: "s", Budgets: plan.DefaultBudgets()}, r.Part())
			if (len(p.Steps) == 1) != c.takes || len(p.Refused) > 1 || (len(p.Refused) == 1) != (c.says != "") {
				t.Fatalf("the plan is\n%s", p.Text(nil))
			}
			for _, s := range p.Steps { // the swarm shows which root it has, so nothing is put on record
				if n := kinds.RenewalOf(s); !s.Rotates() || n.Makes != kinds.SignedRoot || n.Root != ours || len(n.Records) > 0 {
					t.Errorf("the step is %+v, and it does %+v", s, n)
				}
			}
			for _, no := range p.Refused {
				if no.Class != c.class || !strings.Contains(no.Why, c.says) {
					t.Errorf("%s: %s, want %s: %s", no.Class, no.Why, c.class, c.says)
				}
			}
		})
	}
}

// A raised epoch comes before an age that is over. An age counts from the record, and a clock that went back makes
// nothing due.
func TestWhatMakesARotationDue(t *testing.T) {
	epoch := func(n uint64) *uint64 { return &n }
	for name, c := range map[string]struct {
		epoch     *uint64
		every     time.Duration
		age       time.Duration
		cause     string
		path      string
		have, due string // what the field says
	}{
		"nothing is stated":         {age: 1000 * time.Hour},
		"the epoch on record":       {epoch: epoch(2), age: 1000 * time.Hour},
		"a lower epoch":             {epoch: epoch(1)},
		"the next epoch":            {epoch: epoch(3), cause: "by epoch", path: "spec.x.epoch", have: "2", due: "3"},
		"an epoch far on":           {epoch: epoch(1 << 63), cause: "by epoch", path: "spec.x.epoch", have: "2", due: "9223372036854775808"},
		"a moment before its time":  {every: time.Hour, age: time.Hour - 1},
		"in time":                   {every: time.Hour, age: time.Hour, cause: "by age: 1h on record", path: "spec.x.every", have: "2026-03-01T11:00:00Z", due: "2026-03-01T12:00:00Z"},
		"late, by less than a look": {every: time.Hour, age: time.Hour + 59*time.Second, cause: "by age: 1h on record", path: "spec.x.every", have: "2026-03-01T10:59:01Z", due: "2026-03-01T12:00:00Z"},
		"a clock that went back":    {every: time.Hour, age: -time.Hour},
		"both":                      {epoch: epoch(3), every: time.Hour, age: time.Hour, cause: "by epoch", path: "spec.x.epoch", have: "2", due: "3"},
		"a lower epoch, and an age": {epoch: epoch(1), every: time.Hour, age: time.Hour, cause: "by age: 1h on record", path: "spec.x.every", have: "2026-03-01T11:00:00Z", due: "2026-03-01T12:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Rotation{Of: kinds.WorkerToken, Path: "spec.x", Epoch: c.epoch, Every: c.every}
			record := kinds.RotationRecord{Epoch: 2, At: at.Add(-c.age)}
			cause, field := o.due(record, at)
			if cause != c.cause || field.Path != c.path || field.Have.Reveal() != c.have || field.Want.Reveal() != c.due {
				t.Errorf("due %q: %s %s → %s, want %q: %s %s → %s", cause, field.Path, field.Have.Reveal(), field.Want.Reveal(), c.cause, c.path, c.have, c.due)
			}
			begun := o.begun(record, at)
			if again, _ := o.due(begun, at); again != "" {
				t.Errorf("it is due again at once, %s, with %s on record", again, begun)
			}
			if begun.Epoch < record.Epoch || !begun.At.Equal(at) {
				t.Errorf("then %s is on record", begun)
			}
		})
	}
}
