package status

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Several guards may each leave some of an object alone. The report names them all, and says so once and not in each run.
func TestWhatIsLeftAloneIsSaidOnce(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	refusal := func(guard, why string) plan.Refusal {
		return plan.Refusal{Op: diff.Update, Key: web, Instance: "web", Guard: guard, Why: why}
	}
	for _, test := range []struct {
		name      string
		refused   []plan.Refusal
		done, why string
	}{
		{"one", []plan.Refusal{refusal("repair-after", "soon")}, "held", "soon"},
		{"two of one guard", []plan.Refusal{refusal("repair-after", "soon"), refusal("repair-after", "late")}, "held", "soon; late"},
		{"one held and one reported", []plan.Refusal{refusal("repair-after", "soon"), refusal("contended", "again")}, "held", "soon; again"},
		{"one reported and one held", []plan.Refusal{refusal("enforce", "no"), refusal("hold", "wait")}, "held", "no; wait"},
		{"both reported", []plan.Refusal{refusal("enforce", "no"), refusal("intent", "meant")}, "reported", "no; meant"},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := 0
			log := funcr.New(func(_, args string) { lines++ }, funcr.Options{})
			b := NewBoard("here", "enforce", NewMetrics("test", func() int { return 0 }), log, time.Now)
			change := diff.Change{Op: diff.Update, Key: web, Instance: "web", Fields: []diff.Field{{Path: "spec.image", Git: true}}}
			for range 3 {
				b.Planned([]diff.Change{change}, plan.Plan{Refused: test.refused}, nil)
			}
			d := b.Report().Drift
			if len(d) != 1 || fmt.Sprint(d[0].Done, ": ", d[0].Why) != test.done+": "+test.why {
				t.Errorf("the report says %+v", d)
			}
			if lines != 1 {
				t.Errorf("the log says it %d times", lines)
			}
		})
	}
}

// What a hand removed is a hand's doing, and to make it again is a repair.
func TestARemovalByHandIsReportedAsOne(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	for _, gone := range []*diff.Gone{nil, {}, {Adopted: true}} {
		b := NewBoard("here", "enforce", NewMetrics("test", func() int { return 0 }), funcr.New(func(_, _ string) {}, funcr.Options{}), time.Now)
		c := diff.Change{Op: diff.Create, Key: web, Instance: "web", Want: &diff.State{Key: web, Gone: gone}}
		b.Planned([]diff.Change{c}, plan.Plan{}, nil)
		by, done := "git", "created"
		if gone != nil {
			by, done = "hand", "repaired"
		}
		if d := b.Report().Drift; len(d) != 1 || d[0].By != by {
			t.Errorf("gone %+v: the report says %+v", gone, d)
		}
		b.Did(plan.Step{Op: diff.Create, Key: web, Instance: "web", Change: c}, 0, nil, false, nil)
		if d := b.Report().Drift; len(d) != 1 || d[0].Done != done {
			t.Errorf("gone %+v, and made again: the report says %+v", gone, d)
		}
	}
}

func TestAtStartOnlyConditionsThatNeedALookAreLogged(t *testing.T) {
	var lines []string
	log := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
	b := NewBoard("s", "enforce", NewMetrics("v0", func() int { return 0 }), log, func() time.Time { return time.Unix(0, 0) })
	b.Set(SourceReady, true, "Read", "")
	b.Set(Held, false, "Nothing", "")
	if len(lines) != 0 {
		t.Errorf("what is as it should be is logged at start: %q", lines)
	}
	b.Set(EngineReady, false, "Unavailable", "connection refused")
	b.Set(EngineReady, true, "Reached", "")
	b.Set(Held, true, "NeedsAPerson", "web")
	b.Set(SourceReady, true, "Read", "")
	b.Set(Held, false, "Nothing", "")
	want := []string{"EngineReady", "EngineReady", "Held", "Held"}
	if len(lines) != len(want) {
		t.Fatalf("logged %q, want one line for each of %q", lines, want)
	}
	for i, kind := range want {
		if !strings.Contains(lines[i], strconv.Quote(kind)) {
			t.Errorf("line %d is %s, want one about %s", i, lines[i], kind)
		}
	}
}
