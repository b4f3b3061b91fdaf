package decide

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// fight is what happens to a service, one word at a time. A hand writes (hand=PATH:VALUE) or removes the service, git
// writes (git=PATH:VALUE), another operator has written what git wants now (elsewhere=PATH:VALUE), or time passes. After
// each word the operator runs.
type fight struct {
	now    time.Time
	rounds contention
	wants  map[string]string
	haves  map[string]string
	gone   bool
	byGit  map[string]bool
}

func (f *fight) change() []diff.Change {
	key := v1.Key{Kind: v1.KindService, Name: "web"}
	if f.gone {
		return []diff.Change{{Op: diff.Create, Key: key, Want: &diff.State{Key: key, Gone: &diff.Gone{}}}}
	}
	c := diff.Change{Op: diff.Update, Key: key, Want: &diff.State{Key: key}, Have: &diff.State{Key: key}}
	for path, want := range f.wants {
		if have := f.haves[path]; have != want {
			c.Fields = append(c.Fields, diff.Field{Path: path, Have: diff.NewValue(have), Want: diff.NewValue(want), Git: f.byGit[path], Hand: !f.byGit[path]})
		}
	}
	if len(c.Fields) == 0 {
		return nil
	}
	slices.SortFunc(c.Fields, func(a, b diff.Field) int { return strings.Compare(a.Path, b.Path) })
	return []diff.Change{c}
}

// run is a run of the operator: it looks, and writes what it may. It returns what it leaves alone.
func (f *fight) run() (left string) {
	changes := f.change()
	contended := f.rounds.look(changes, f.now)
	var texts []string
	leave := map[string]bool{}
	for key, of := range contended {
		for _, c := range of {
			leave[c.Path] = true
			texts = append(texts, fmt.Sprintf("%s.%s %d %s", key.Name, c.Path, c.Times, c.Until.Sub(f.now)))
		}
	}
	for _, c := range changes {
		step := plan.Step{Op: c.Op, Key: c.Key, Change: c}
		if c.Op == diff.Create && !leave[""] {
			f.gone = false
			f.rounds.repaired(step, f.now)
		}
		for _, field := range c.Fields {
			if !leave[field.Path] || field.Git {
				step.Fields = append(step.Fields, field)
				f.haves[field.Path] = f.wants[field.Path]
				delete(f.byGit, field.Path)
			}
		}
		if len(step.Fields) > 0 {
			f.rounds.repaired(step, f.now)
		}
	}
	return strings.Join(texts, ", ")
}

func (f *fight) word(t *testing.T, word string) {
	t.Helper()
	what, value, _ := strings.Cut(word, "=")
	path, text, _ := strings.Cut(value, ":")
	switch what {
	case "hand":
		f.haves[path] = text
	case "git":
		f.wants[path], f.byGit[path] = text, true
	case "elsewhere":
		f.wants[path], f.haves[path] = text, text
	case "removed":
		f.gone = true
	default:
		d, err := time.ParseDuration(word)
		if err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(d)
	}
}

func TestWhatIsWrittenAgainAndAgainIsLeftAlone(t *testing.T) {
	round := "hand=replicas:5 1s " // the run in between puts it back
	for _, test := range []struct {
		name, story string
		left        string // left is what the operator leaves alone after the last word
	}{
		{"written once", round, ""},
		{"written again three times", strings.Repeat(round, 4), "web.replicas 3 14m59s"},
		{"written again twice", strings.Repeat(round, 3), ""},
		{"left alone, and quiet", strings.Repeat(round, 4) + "10m", "web.replicas 3 4m59s"},
		{"written once more meanwhile", strings.Repeat(round, 4) + "10m hand=replicas:6 1s", "web.replicas 3 14m59s"},
		{"quiet for long enough", strings.Repeat(round, 4) + "15m", ""},
		{"put back once more, and written again at once", strings.Repeat(round, 4) + "15m " + round, "web.replicas 4 14m59s"},
		{"put back once more, and quiet after that", strings.Repeat(round, 4) + "15m 15m " + round, ""},
		{"the hand gave in", strings.Repeat(round, 4) + "hand=replicas:2 1s", ""},
		{"the hand gave in, and began again soon", strings.Repeat(round, 4) + "hand=replicas:2 1s hand=replicas:5 1s", "web.replicas 3 14m59s"},
		{"seldom", strings.Repeat("hand=replicas:5 1s 16m ", 6), ""},
		{"as seldom as repairs that restart tasks", strings.Repeat("hand=replicas:5 1s 14m ", 4), "web.replicas 3 59s"},
		{"each time another value", "hand=replicas:5 1s hand=replicas:6 1s hand=replicas:7 1s hand=replicas:8 1s", "web.replicas 3 14m59s"},
		{"each time another field", "hand=replicas:5 1s hand=image:a 1s hand=replicas:5 1s hand=image:a 1s", ""},
		{"two fields, and one of them is left alone", strings.Repeat(round, 4) + "hand=image:a 1s", "web.replicas 3 14m58s"},
		{"git wants something else", strings.Repeat(round, 4) + "git=replicas:3 1s", ""},
		{"git wants something else, and the fight goes on", strings.Repeat(round, 4) + "git=replicas:3 1s " + strings.Repeat(round, 3), ""},
		{"git wants another field otherwise", strings.Repeat(round, 4) + "git=image:b 1s", "web.replicas 3 14m58s"},
		{"git wants something else, and another operator wrote it", strings.Repeat(round, 4) + "elsewhere=replicas:3 1s " + strings.Repeat(round, 3), ""},
		{"git wants it as before, and another operator wrote it", strings.Repeat(round, 4) + "elsewhere=replicas:2 1s " + round, "web.replicas 3 14m59s"},
		{"two fields each time", strings.Repeat(round+"hand=image:a 1s ", 4), "web.image 3 14m59s, web.replicas 3 14m58s"},
		{"removed again each time", strings.Repeat("removed 1s ", 4), "web. 3 14m59s"},
		{"removed once", "removed 1s", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := fight{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), rounds: contention{}, wants: map[string]string{"replicas": "2", "image": "bb"}, haves: map[string]string{"replicas": "2", "image": "bb"}, byGit: map[string]bool{}}
			left := ""
			for word := range strings.FieldsSeq(test.story) {
				f.word(t, word)
				left = f.run()
			}
			if left != test.left {
				t.Errorf("left alone is %q, want %q", left, test.left)
			}
		})
	}
}

// A round that is over is forgotten. Otherwise a process that lives long would fill its memory.
func TestRoundsThatAreOverAreForgotten(t *testing.T) {
	f := fight{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), rounds: contention{}, wants: map[string]string{"replicas": "2"}, haves: map[string]string{"replicas": "5"}}
	f.run()
	if len(f.rounds) != 1 {
		t.Fatalf("known are %d rounds", len(f.rounds))
	}
	f.now = f.now.Add(quiet)
	f.run()
	if len(f.rounds) != 0 {
		t.Errorf("known are %d rounds", len(f.rounds))
	}
}
