package decide

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

func TestAnOlderRevisionRewinds(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		past   Past
		when   time.Time
		shares bool
		before bool // the revision was in force before
		led    bool // it is known to lead to the one in force
		want   bool
		notes  int
	}{
		"an ancestor":                            {past: Past{Older: true}, when: at, want: true},
		"a descendant":                           {when: at.Add(-time.Hour)},
		"gone, and newer":                        {past: Past{OlderErr: git.ErrGone}, when: at.Add(1)},
		"gone, and older by date":                {past: Past{OlderErr: git.ErrGone}, when: at.Add(-time.Second), want: true},
		"gone, newer, and in force before":       {past: Past{OlderErr: git.ErrGone}, when: at.Add(time.Hour), before: true, want: true},
		"gone, of the same second":               {past: Past{OlderErr: git.ErrGone}, when: at},
		"gone, of the same second, same objects": {past: Past{OlderErr: git.ErrGone}, when: at, shares: true, want: true},
		"files":                                  {past: Past{OlderErr: git.ErrNoHistory}, when: at.Add(-time.Hour)},
		"gone, newer, and led to it":             {past: Past{OlderErr: git.ErrGone}, when: at.Add(time.Hour), led: true, want: true},
		"a repository that cannot be read":       {past: Past{OlderErr: errors.New("broken")}, when: at.Add(time.Hour), notes: 1},
		"which has an older date":                {past: Past{OlderErr: errors.New("broken")}, when: at.Add(-time.Hour), want: true},
		"or was in force before":                 {past: Past{OlderErr: errors.New("broken")}, when: at.Add(time.Hour), before: true, want: true},
		"a history that is cut off":              {past: Past{OlderErr: git.ErrShallow, Taken: Compared{Unsaid: git.ErrShallow}}, when: at.Add(1), notes: 1},
		"cut off, and older by date":             {past: Past{OlderErr: git.ErrShallow, Taken: Compared{Unsaid: git.ErrShallow}}, when: at.Add(-1), want: true},
		"cut off, and the one in force is gone":  {past: Past{OlderErr: git.ErrGone, Taken: Compared{Unsaid: git.ErrShallow}}, when: at.Add(1), notes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			run := from("old", "new")
			run.Past = test.past
			run.Memory.InForce.When, run.InForce.When = at, test.when
			if test.before {
				run.Memory.History = []state.Entry{{Hash: "new"}}
			}
			if test.led {
				run.Memory.InForce.Behind = []string{"new"}
			}
			if got := rewinds(run, test.shares); got != test.want || len(run.Notices) != test.notes {
				t.Errorf("rewinds: %t, notices %q", got, run.Notices)
			}
		})
	}
	for old, next := range map[string]string{"": "new", "same": "same"} {
		run := from(old, next)
		run.Past.Older = true
		if rewinds(run, true) {
			t.Errorf("%q rewinds %q", next, old)
		}
	}
}

// needing is a run in which the engine may have to be asked something.
type needing struct {
	d   *Decider
	run *Decision
}

// newNeeding returns a run with three services that exist and are wanted: a, b and c.
func newNeeding() *needing {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	observe := func(l *kinds.Live, _ *kinds.Index, _ *diff.State) plan.Rollout {
		rollout, _ := l.Raw.(plan.Rollout)
		return rollout
	}
	n := &needing{d: New(Policy{}), run: from("1", "1")}
	n.run.Facts = plan.Facts{
		Now: now, Rollouts: map[v1.Key]plan.Rollout{}, Failed: map[v1.Key]plan.Failure{}, NotReady: map[v1.Key]string{}, Failing: map[v1.Key]bool{},
		Settled: map[v1.Key]bool{}, Begun: map[v1.Key]string{}, Placeless: map[v1.Key]string{}, Superseded: plan.Superseded{NotReady: map[v1.Key]string{}},
	}
	health, _ := n.d.kind(v1.KindService)
	n.d.kinds = []kinds.Kind{{Model: kinds.Model{Name: v1.KindService}, Rolling: kinds.Rolling{Observe: observe, Health: health.Health, Trace: health.Trace}}}
	var lives []*kinds.Live
	n.run.Wanted = map[v1.Key]*diff.State{}
	for i, name := range []string{"a", "b", "c"} {
		l := there(fmt.Sprint(i), name)
		lives = append(lives, l)
		want := asks(name, "x")
		n.run.Wanted[want.Key] = want
		n.run.Haves = append(n.run.Haves, &diff.State{Key: want.Key, Value: l, Meta: diff.Meta{ID: l.ID, Mine: true, Standing: diff.Standing{Updated: true}, Version: 1}})
	}
	n.run.Index = indexOf(lives...)
	return n
}

// rolls sets the last update of a service, as the engine reports it. distrust is its Meta.Distrust.
func (n *needing) rolls(name string, rollout plan.Rollout, distrust bool) {
	for _, h := range n.run.Haves {
		if h.Key == svc(name) {
			h.Value.(*kinds.Live).Raw, h.Meta.Distrust = rollout, distrust
		}
	}
}

// changes adds a change of a service, and sets what the service depends on.
func (n *needing) changes(op diff.Op, name string, dependsOn ...v1.Key) {
	c := diff.Change{Op: op, Key: svc(name)}
	if op == diff.Remove {
		c.Have = &diff.State{Key: c.Key}
	} else {
		c.Want = n.run.Wanted[c.Key]
		c.Want.DependsOn = dependsOn
	}
	n.run.Changes = append(n.run.Changes, c)
}

// The engine is asked only about what something waits for. So an idle run makes no call.
func TestNeedsAreWhatSomethingWaitsFor(t *testing.T) {
	began := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		given  func(*needing)
		lives  string
		traces string
	}{
		"nothing":                     {given: func(*needing) {}},
		"a roll-out nobody waits for": {given: func(n *needing) { n.rolls("a", plan.Rollout{State: "updating"}, false) }},
		"a dependency that rolls out": {given: func(n *needing) {
			n.rolls("a", plan.Rollout{State: "updating"}, false)
			n.changes(diff.Update, "b", svc("a"))
		}, lives: "a"},
		"a dependency that was changed": {given: func(n *needing) { n.d.force = "1"; n.d.touched[svc("c")] = true; n.changes(diff.Update, "b", svc("c")) }, lives: "c"},
		"a dependency that another process changed": {given: func(n *needing) {
			n.run.InForce.Hash = "2"
			n.run.Memory.History = []state.Entry{{Hash: "1", Changing: []v1.Key{svc("a")}}, {Hash: "2", Outcome: state.Failed, Changing: []v1.Key{svc("c")}}}
			n.changes(diff.Update, "b", svc("a"), svc("c"))
		}, lives: "c"},
		"a dependency at rest":           {given: func(n *needing) { n.changes(diff.Update, "b", svc("a")) }},
		"a removal, and what was begun":  {given: func(n *needing) { n.run.Memory.Begun = []v1.Key{svc("b"), svc("a")}; n.changes(diff.Remove, "c") }, lives: "a b"},
		"what was begun, and no removal": {given: func(n *needing) { n.run.Memory.Begun = []v1.Key{svc("a")} }},
		"a write that hides a roll-out":  {given: func(n *needing) { n.d.rolling[svc("b")] = n.run.Facts.Now }, lives: "b"},
		"a pause that may be none":       {given: func(n *needing) { n.rolls("a", plan.Rollout{State: "paused", Began: began}, false) }, lives: "a"},
		"a pause that was forgiven": {given: func(n *needing) {
			n.d.forgiven[svc("a")] = began
			n.rolls("a", plan.Rollout{State: "paused", Began: began}, false)
		}},
		"a pause on record": {given: func(n *needing) {
			n.run.Facts.Failed[svc("a")] = plan.Failure{Began: began}
			n.rolls("a", plan.Rollout{State: "paused", Began: began}, true)
		}},
		"a rollback without a trace": {given: func(n *needing) { n.rolls("c", plan.Rollout{State: "rollback_completed", Began: began}, true) }, traces: "c"},
		"a rollback on record": {given: func(n *needing) {
			n.run.Facts.Failed[svc("c")] = plan.Failure{Began: began}
			n.rolls("c", plan.Rollout{State: "rollback_completed", Began: began}, true)
		}},
		"somebody else's rollback": {given: func(n *needing) {
			n.run.Haves[2].Meta.Mine = false
			n.rolls("c", plan.Rollout{State: "rollback_completed", Began: began}, true)
		}},
		"a follower, which knows nothing yet": {given: func(n *needing) { n.d.Follow = true }, lives: "a b c"},
		"a follower, whose run will write":    {given: func(n *needing) { n.d.Follow = true; n.changes(diff.Update, "b") }, lives: "a c"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNeeding()
			test.given(n)
			got := n.d.asks(n.run)
			var lives, traces []string
			for _, l := range got.Lives[v1.KindService] {
				lives = append(lives, l.Name)
			}
			for _, tr := range got.Traces {
				traces = append(traces, tr.Want.Key.Name)
			}
			if l, tr := strings.Join(lives, " "), strings.Join(traces, " "); l != test.lives || tr != test.traces {
				t.Errorf("asked for: %q and the tasks of %q, want %q and %q", l, tr, test.lives, test.traces)
			}
		})
	}
}

// If something waits for a service that could not be asked about, the service counts as not ready. If nothing waits,
// there is no fact.
func TestAnswersBecomeFacts(t *testing.T) {
	began := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	given := func() *needing {
		n := newNeeding()
		n.run.Memory.Begun = []v1.Key{svc("a"), svc("b")}
		n.changes(diff.Remove, "gone")
		n.rolls("c", plan.Rollout{State: "paused", Began: began}, false)
		return n
	}
	for name, test := range map[string]struct {
		healths  map[string]kinds.Health
		err      error
		notReady string
		begun    string
		settled  string
		rollouts int
	}{
		"all are ready":     {healths: map[string]kinds.Health{"a": {Ready: true}, "b": {Ready: true}, "c": {Ready: true}}, settled: "a b c"},
		"one is not":        {healths: map[string]kinds.Health{"a": {Ready: true}, "b": {Why: "0/1"}, "c": {Ready: true}}, settled: "a c", notReady: "b", begun: "b"},
		"one has no place":  {healths: map[string]kinds.Health{"a": {Waits: true, Why: "no suitable node"}, "b": {Ready: true}, "c": {Why: "1/2"}}, settled: "b", notReady: "a", begun: "a", rollouts: 1},
		"a job has begun":   {healths: map[string]kinds.Health{"a": {Begun: true, Why: "runs"}, "b": {Ready: true}, "c": {}}, settled: "b", notReady: "a", rollouts: 1},
		"nobody knows":      {err: errors.New("gone away"), notReady: "a b", begun: "a b", rollouts: 1},
		"it does not exist": {healths: map[string]kinds.Health{}, notReady: "a b", begun: "a b", rollouts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			n := given()
			needs := n.d.asks(n.run)
			a := Answers{Healths: map[string]map[string]kinds.Health{v1.KindService: test.healths}, Unread: map[string]error{}}
			if test.err != nil {
				a.Unread[v1.KindService] = test.err
			}
			n.d.Learn(n.run, needs, a)
			names := func(of map[v1.Key]string) string {
				var out []string
				for _, k := range slices.SortedFunc(maps.Keys(of), v1.Key.Compare) {
					out = append(out, k.Name)
				}
				return strings.Join(out, " ")
			}
			settled := map[v1.Key]string{}
			for k := range n.run.Facts.Settled {
				settled[k] = ""
			}
			if got := names(n.run.Facts.NotReady); got != test.notReady {
				t.Errorf("not ready: %q, want %q", got, test.notReady)
			}
			if got := names(n.run.Facts.Begun); got != test.begun {
				t.Errorf("removals wait for %q, want %q", got, test.begun)
			}
			if got := names(settled); got != test.settled {
				t.Errorf("settled: %q, want %q", got, test.settled)
			}
			if len(n.run.Facts.Rollouts) != test.rollouts || !errors.Is(n.run.Unread, test.err) {
				t.Errorf("roll-outs %+v, unread %v", n.run.Facts.Rollouts, n.run.Unread)
			}
		})
	}
}

// What the tasks tell about a roll-out that was undone replaces what the service tells about it.
func TestTracesBecomeFacts(t *testing.T) {
	n := newNeeding()
	n.rolls("c", plan.Rollout{State: "rollback_completed"}, true)
	needs := n.d.asks(n.run)
	n.d.Learn(n.run, needs, Answers{Rollouts: map[v1.Key]plan.Rollout{
		svc("c"): {State: "rollback_completed", Left: plan.Matches, TaskError: "exit 1"}, svc("a"): {State: "updating"},
	}})
	if got := n.run.Facts.Rollouts[svc("c")]; got.TaskError != "exit 1" || got.Left != plan.Matches {
		t.Errorf("the roll-out is %+v", got)
	}
	if _, is := n.run.Facts.Rollouts[svc("a")]; is {
		t.Error("what was not asked for is a fact")
	}
}

// from returns a decision about the revision next while old is in force.
func from(old, next string) *Decision {
	run := about(nil, state.Memory{InForce: state.Revision{Hash: old}})
	run.InForce.Hash = next
	return run
}

// Only objects that are gone, or whose labels do not tell what was applied, make a run ask what the revision in force asked
// for. It works out these, and what they refer to, however many others there are.
func TestOfTheRevisionInForceOnlyWhatIsAskedIsWorkedOut(t *testing.T) {
	header := func(kind, name string) v1.Header { return v1.Header{Kind: kind, Metadata: v1.Metadata{Name: name}} }
	service := func(name string, configs ...string) kinds.Entry {
		s := &v1.Service{Header: header(v1.KindService, name)}
		for _, c := range configs {
			s.Spec.Configs = append(s.Spec.Configs, v1.ConfigMount{Source: c})
		}
		return kinds.Entry{Object: s}
	}
	config := func(name string) kinds.Entry {
		c := &v1.Config{Header: header(v1.KindConfig, name)}
		c.Spec.Data = v1.NewContent([]byte(name))
		return kinds.Entry{Object: c}
	}
	node := kinds.Entry{Object: &v1.Node{Header: header(v1.KindNode, "n")}}
	volume := kinds.Entry{Object: &v1.Volume{Header: header(v1.KindVolume, "data")}}
	entries := []kinds.Entry{config("conf"), config("unused"), volume, node, service("other", "unused"), service("web", "conf")}
	for _, test := range []struct {
		name  string
		made  map[string]v1.Key
		haves []*diff.State
		want  string
	}{
		{name: "all is there, and labels tell", haves: []*diff.State{{Key: svc("web"), Meta: diff.Meta{Mine: true}}}},
		{name: "a service is gone", made: map[string]v1.Key{"1": svc("web")}, want: "Config/conf Service/web"},
		{name: "a service has lost its labels", haves: []*diff.State{{Key: svc("web"), Meta: diff.Meta{Mine: true, Lost: true}}}, want: "Config/conf Service/web"},
		{name: "labels of a volume never tell", haves: []*diff.State{{Key: volume.Object.Key(), Meta: diff.Meta{Mine: true}}}, want: "Volume/data"},
		{name: "the volume is another's", haves: []*diff.State{{Key: volume.Object.Key()}}},
	} {
		run := about(indexOf(), state.Memory{Made: test.made})
		run.Haves = test.haves
		var got []string
		for _, w := range New(Policy{}).AskedBy(run, entries, nil).States {
			got = append(got, w.Key.String())
		}
		slices.Sort(got)
		if all := strings.Join(got, " "); all != test.want {
			t.Errorf("%s: it works out %q, want %q", test.name, all, test.want)
		}
	}
}
