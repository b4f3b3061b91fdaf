package status

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Several guards may each leave part of an object alone. The report names them all, and the log says so once, not in
// each run.
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
			d := published(b).Drift
			if len(d) != 1 || fmt.Sprint(d[0].Done, ": ", d[0].Why) != test.done+": "+test.why {
				t.Errorf("the report says %+v", d)
			}
			if lines != 1 {
				t.Errorf("the log says it %d times", lines)
			}
		})
	}
}

// If somebody removes an object by hand, the report says so, and making the object again counts as a repair.
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
		if d := published(b).Drift; len(d) != 1 || d[0].By != by {
			t.Errorf("gone %+v: the report says %+v", gone, d)
		}
		b.Did(plan.Step{Op: diff.Create, Key: web, Instance: "web", Change: c}, 0, nil, false, nil)
		if d := published(b).Drift; len(d) != 1 || d[0].Done != done {
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

// Readers ask while runs go on and others set conditions beside them. Each reader sees one whole run, never parts of
// two.
func TestReadersSeeWholeReportsOnly(t *testing.T) {
	m := NewMetrics("test", func() int { return 0 })
	b := NewBoard("here", "enforce", m, logr.Discard(), time.Now)
	const runs = 100
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		defer close(done)
		for i := 1; i <= runs; i++ {
			key := v1.Key{Kind: v1.KindService, Name: fmt.Sprint(i)}
			c := diff.Change{Op: diff.Update, Key: key, Instance: key.Name, Fields: []diff.Field{{Path: "spec.image", Git: true}}}
			b.Set(Held, i%2 == 0, "Run", key.Name)
			b.Found(Found{Source: "shop", Revision: key.Name, Applied: key.Name})
			p := plan.Plan{}
			for range i % 3 {
				p.Refused = append(p.Refused, plan.Refusal{Op: diff.Update, Key: key, Instance: key.Name, Guard: "hold", Why: key.Name})
			}
			b.Planned([]diff.Change{c}, p, map[string]int{v1.KindService: i})
			b.Context(Lease{Epoch: uint64(i)}, nil, "")
			b.Publish()
		}
	})
	all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				b.Tell(EventsMissing, i%2 == 0, "Told", "")
			}
		}
	})
	read := func(look func(last *Report) *Report) {
		all.Go(func() {
			for last := b.Report(); ; {
				next := look(last)
				if next == nil {
					return
				}
				if next.Sequence < last.Sequence || next.Sequence == last.Sequence && next != last {
					t.Errorf("the sequence goes from %d to %d", last.Sequence, next.Sequence)
					return
				}
				if last = next; next.Applied == fmt.Sprint(runs) {
					return
				}
			}
		})
	}
	for range 4 {
		read(func(*Report) *Report {
			r := b.Report()
			if r.Applied == "" {
				return r
			}
			held, _ := r.Is(Held)
			if open := slices.IndexFunc(r.Drift, func(d Drift) bool { return d.Object.Name == r.Applied && d.Open }); held.Message != r.Applied || open != 0 || fmt.Sprint(r.Lease.Epoch) != r.Applied {
				t.Errorf("of run %s: %+v, lease %+v, drift %+v", r.Applied, held, r.Lease, r.Drift[:min(2, len(r.Drift))])
				return nil
			}
			if s := r.Status(Now{}); s.Sequence != r.Sequence || s.Applied != r.Applied || s.Lease.Epoch != r.Lease.Epoch {
				t.Errorf("of run %s the status says %+v", r.Applied, s)
				return nil
			}
			return r
		})
	}
	read(func(last *Report) *Report {
		text := gathered(t, m)
		if revision := regexp.MustCompile(`revision_info\{revision="(\d+)"`).FindStringSubmatch(text); revision != nil {
			if line := fmt.Sprintf("swarm_operator_objects{kind=%q,source=%q} %s\n", v1.KindService, "shop", revision[1]); !strings.Contains(text, line) {
				t.Errorf("no %sin\n%s", line, text)
				return nil
			}
		}
		return b.Report()
	})
	all.Wait()
	if r := b.Report(); r.Sequence < runs {
		t.Errorf("after %d runs the sequence is %d", runs, r.Sequence)
	}
}

// A condition set during a run shows nothing of that run, and stays when the run ends.
func TestWhatIsToldBesideARunShowsNothingOfIt(t *testing.T) {
	b := newTestBoard(NewMetrics("test", func() int { return 0 }))
	b.Found(Found{Source: "shop", Applied: "one"})
	b.Set(InSync, true, "InSync", "")
	first := published(b)
	b.Found(Found{Source: "shop", Applied: "two"})
	b.Set(InSync, false, "Differs", "")
	b.Tell(EventsMissing, true, "Unconnected", "no")
	second := b.Report()
	if _, synced := second.Is(InSync); second.Sequence != first.Sequence+1 || second.Applied != "one" || !synced {
		t.Errorf("it is %+v", second)
	}
	if _, told := second.Is(EventsMissing); !told {
		t.Error("what was told is not published")
	}
	b.Tell(EventsMissing, true, "Unconnected", "no")
	if b.Report() != second {
		t.Error("what is no news is published")
	}
	third := published(b)
	if _, told := third.Is(EventsMissing); !told || third.Applied != "two" || third.Sequence != second.Sequence+1 {
		t.Errorf("after the run it is %+v", third)
	}
	if len(first.Conditions) != 1 || len(second.Conditions) != 2 {
		t.Error("what was published has changed")
	}
}
