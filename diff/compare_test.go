package diff

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

func TestCompareOneObject(t *testing.T) {
	digest := "@" + generate.Digest
	tests := []struct {
		name   string
		have   *State
		want   *State
		ignore []string
		op     Op // 0 means no change at all
		effect Effect
		fields string
	}{
		{name: "equal and ours", have: ptr(live("a", "spec.image=bb:1")), want: ptr(wanted("a", "spec.image=bb:1"))},
		{name: "equal and not ours yet", have: ptr(wanted("a", "spec.image=bb:1")), want: ptr(wanted("a", "spec.image=bb:1")), op: Same},
		{name: "not ours and not asked for", have: ptr(wanted("a", "spec.image=bb:1"))},
		{name: "new", want: ptr(wanted("a", "spec.image=bb:1", "!spec.mode=replicated")), op: Create, effect: InPlace, fields: "spec.image: (none) → bb:1 (git, in place)"},
		{name: "gone from git", have: ptr(live("a", "spec.image=bb:1")), op: Remove, effect: Recreate},
		{
			name: "one leaf", have: ptr(live("a", "spec.image=bb:1", "spec.hostname=h")), want: ptr(wanted("a", "spec.image=bb:2", "spec.hostname=h")), op: Update, effect: RestartsTasks,
			fields: "spec.image: bb:1 → bb:2 (git, restarts tasks)",
		},
		{
			name: "a leaf that is only wanted", have: ptr(live("a")), want: ptr(wanted("a", "metadata.labels.x=1")), op: Update, effect: InPlace,
			fields: "metadata.labels.x: (none) → 1 (git, in place)",
		},
		{
			name: "a leaf that is only there", have: ptr(live("a", "metadata.labels.x=1")), want: ptr(wanted("a")), op: Update, effect: InPlace,
			fields: "metadata.labels.x: 1 → (none) (git, in place)",
		},
		{
			name: "the worst effect counts", have: ptr(live("a", "spec.mode=global", "metadata.labels.x=1")), want: ptr(wanted("a", "spec.mode=replicated")), op: Replace, effect: Recreate,
			fields: "metadata.labels.x: 1 → (none) (git, in place)\nspec.mode: global → replicated (git, recreates)",
		},
		{
			name: "what the engine refuses is no replacement", have: ptr(live("a", "spec.user=x")), want: ptr(wanted("a", "spec.user=y")), op: Update, effect: Forbidden,
			fields: "spec.user: x → y (git, forbidden)",
		},
		{name: "allocated and not stated", have: ptr(live("a", "spec.replicas=7")), want: ptr(wanted("a"))},
		{name: "allocated and a default", have: ptr(live("a", "spec.replicas=7")), want: ptr(wanted("a", "!spec.replicas=1"))},
		{
			name: "allocated and stated", have: ptr(live("a", "spec.replicas=7")), want: ptr(wanted("a", "spec.replicas=1")), op: Update, effect: InPlace,
			fields: "spec.replicas: 7 → 1 (git, in place)",
		},
		{
			name: "allocated, stated and not there", have: ptr(live("a")), want: ptr(wanted("a", "spec.replicas=1")), op: Update, effect: StartsTasks,
			fields: "spec.replicas: (none) → 1 (git, in place)",
		},
		{name: "allocated, and never stated", have: ptr(live("a", "spec.placement.platforms=x").after("spec.hostname=h")), want: ptr(wanted("a"))},
		{
			name: "allocated, and git took it away", have: ptr(live("a", "spec.placement.platforms=x").after("spec.placement.platforms=x")), want: ptr(wanted("a")), op: Update, effect: RestartsTasks,
			fields: "spec.placement.platforms: x → (none) (git, restarts tasks)",
		},
		{name: "allocated, and git took it away before", have: ptr(live("a", "spec.replicas=7").after("spec.replicas=7")), want: ptr(wanted("a"))},
		{name: "nobody's labels", have: ptr(live("a", "metadata.labels.com.docker.stack.namespace=s", "metadata.labels.swarm-operator.io/owner=x")), want: ptr(wanted("a"))},
		{
			name: "nobody's label, stated", have: ptr(live("a", "metadata.labels.com.docker.x=s")), want: ptr(wanted("a", "metadata.labels.com.docker.x=t")), op: Update, effect: InPlace,
			fields: "metadata.labels.com.docker.x: s → t (git, in place)",
		},
		{
			name: "nobody's label, which we wrote", have: ptr(live("a", "metadata.labels.com.docker.x=s").after("metadata.labels.com.docker.x=s")), want: ptr(wanted("a")), op: Update, effect: InPlace,
			fields: "metadata.labels.com.docker.x: s → (none) (git, in place)",
		},
		{name: "image pinned by a client", have: ptr(live("a", "spec.image=bb:1"+digest)), want: ptr(wanted("a", "spec.image=bb:1"))},
		{
			name: "image pinned in git", have: ptr(live("a", "spec.image=bb:1")), want: ptr(wanted("a", "spec.image=bb:1"+digest)), op: Update, effect: RestartsTasks,
			fields: "spec.image: bb:1 → bb:1" + digest + " (git, restarts tasks)",
		},
		{
			name: "ignored", have: ptr(live("a", "spec.replicas=7")), want: ptr(wanted("a", "spec.replicas=1")), ignore: []string{"spec.replicas"}, op: Same,
			fields: "spec.replicas: 7 → 1 (git, ignored, in place)",
		},
		{
			name: "one of two ignored", have: ptr(live("a", "spec.mode=global", "spec.hostname=x")), want: ptr(wanted("a", "spec.mode=replicated", "spec.hostname=y")), ignore: []string{"spec.mode"}, op: Update, effect: RestartsTasks,
			fields: "spec.hostname: x → y (git, restarts tasks)\nspec.mode: global → replicated (git, ignored, recreates)",
		},
		{
			name: "ignored with all below", have: ptr(live("a", "spec.environment.A=1", "spec.environment.B=1")), want: ptr(wanted("a", "spec.environment.A=2")), ignore: []string{"spec.environment"}, op: Same,
			fields: "spec.environment.A: 1 → 2 (git, ignored, restarts tasks)\nspec.environment.B: 1 → (none) (git, ignored, restarts tasks)",
		},
		{
			name: "what only begins alike is not ignored", have: ptr(live("a", "spec.environment.AB=1")), want: ptr(wanted("a", "spec.environment.AB=2")), ignore: []string{"spec.environment.A", "spec.env"}, op: Update, effect: RestartsTasks,
			fields: "spec.environment.AB: 1 → 2 (git, restarts tasks)",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var have, want []*State
			if test.have != nil {
				have = []*State{test.have}
			}
			if test.want != nil {
				test.want.Policy.IgnoreDifferences = test.ignore
				want = []*State{test.want}
			}
			got := Compare(have, want, ofKind)
			if test.op == 0 {
				if len(got) > 0 {
					t.Fatalf("got %s %s", got[0].Op, brief(got[0].Fields))
				}
				return
			}
			if len(got) != 1 || got[0].Op != test.op || got[0].Effect != test.effect {
				t.Fatalf("got %+v", got)
			}
			if d := cmp.Diff(test.fields, brief(got[0].Fields)); d != "" {
				t.Errorf("fields (-want +got):\n%s", d)
			}
		})
	}
}

// More tasks may take over from what goes. Fewer tasks take over from nothing, and they run already.
func TestMoreTasksStart(t *testing.T) {
	for _, test := range []struct {
		have, want string
		starts     bool
	}{
		{"spec.replicas=0", "spec.replicas=3", true},
		{"spec.replicas=9", "spec.replicas=10", true}, // as numbers, not as texts
		{"spec.replicas=10", "spec.replicas=9", false},
		{"spec.replicas=3", "spec.replicas=0", false},
		{"spec.hostname=h", "spec.replicas=1", true},
		{"spec.hostname=1", "spec.hostname=2", false},
	} {
		for _, f := range DifferingFields(ptr(live("a", test.have)), ptr(wanted("a", test.want)), rules) {
			if is := f.Effect == StartsTasks; is != (test.starts && f.Path == "spec.replicas") {
				t.Errorf("%s → %s: %s starts tasks: %t", test.have, test.want, f.Path, is)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestObjectsMatchByKindAndLiveName(t *testing.T) {
	have := []*State{ptr(live("conf-0123456789", "spec.image=bb:1")), ptr(live("other", "spec.image=bb:1"))}
	have[0].Key.Name, have[1].Key.Kind = "conf", v1.KindConfig
	want := []*State{ptr(wanted("conf-aaaaaaaaaa", "spec.image=bb:1")), ptr(wanted("other", "spec.image=bb:1"))}
	want[0].Key.Name = "conf"
	var got []string
	for _, c := range Compare(have, want, ofKind) {
		got = append(got, c.Op.String()+c.Key.String()+" "+c.Instance)
	}
	if d := cmp.Diff([]string{"-Config/other other", "-Service/conf conf-0123456789", "+Service/conf conf-aaaaaaaaaa", "+Service/other other"}, got); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}

func TestSinceAPIIsOnlyOfWhatIsWanted(t *testing.T) {
	path := "spec.healthcheck.startInterval="
	for name, test := range map[string]struct {
		have, want State
		since      string
	}{
		"wanted":        {live("a"), wanted("a", path+"1s"), "1.44"},
		"no longer":     {live("a", path+"1s"), wanted("a"), ""},
		"another value": {live("a", path+"1s"), wanted("a", path+"2s"), "1.44"},
	} {
		fields := DifferingFields(&test.have, &test.want, rules)
		if len(fields) != 1 || fields[0].SinceAPI != test.since {
			t.Errorf("%s: got %+v", name, fields)
		}
	}
}

// Some values need a newer API than their field.
func TestSinceAPIOfAValue(t *testing.T) {
	gated := Rules{"spec.mode": {Effect: Recreate, Values: Values{SinceOf: map[string]string{"global-job": "1.41"}}}}
	for value, since := range map[string]string{"global-job": "1.41", "global": ""} {
		have, want := live("a", "spec.mode=replicated"), wanted("a", "spec.mode="+value)
		want.Leaves[0].Stated = true
		made := Compare(nil, []*State{&want}, func(string) Rules { return gated })
		for _, f := range append(DifferingFields(&have, &want, gated), made[0].Fields...) {
			if f.SinceAPI != since || f.SinceValue != (since != "") {
				t.Errorf("%s: got %+v", value, f)
			}
		}
	}
}

// A change of an object says which of its settings need a newer API, whatever becomes of them.
func TestNewerIsWhatAnObjectHas(t *testing.T) {
	ignored := wanted("a", "spec.image=bb:2")
	ignored.Policy.IgnoreDifferences = []string{"spec.healthcheck"}
	for name, test := range map[string]struct {
		want State
		op   Op
	}{
		"it stays":       {wanted("a", "spec.image=bb:2", "spec.healthcheck.startInterval=1s"), Update},
		"it goes":        {wanted("a", "spec.image=bb:2"), Update},
		"it changes":     {wanted("a", "spec.image=bb:2", "spec.healthcheck.startInterval=2s"), Update},
		"it is ignored":  {ignored, Update},
		"it is replaced": {wanted("a", "spec.image=bb:1", "spec.healthcheck.startInterval=1s", "spec.mode=global"), Replace},
	} {
		for path, newer := range map[string]string{"spec.healthcheck.startInterval": "[{spec.healthcheck.startInterval 1.44}]", "spec.healthcheck.interval": "[]"} {
			have := live("a", path+"=1s", "spec.image=bb:1")
			changes := Compare([]*State{&have}, []*State{&test.want}, func(string) Rules { return rules })
			if len(changes) != 1 || changes[0].Op != test.op || fmt.Sprint(changes[0].Newer) != newer {
				t.Errorf("%s, %s: got %+v", name, path, changes)
			}
		}
	}
}

func TestDiffersLeavesOutWhatIsIgnored(t *testing.T) {
	have, want := live("a", "spec.replicas=7"), wanted("a", "spec.replicas=1")
	if !Differs(&have, &want, rules) {
		t.Error("it differs")
	}
	want.Policy.IgnoreDifferences = []string{"spec.replicas"}
	if Differs(&have, &want, rules) {
		t.Error("what differs is ignored")
	}
}

// states returns what a source asks for, or what a swarm has, under a few names.
func states(t *rapid.T, label string, isLive bool) []*State {
	var out []*State
	for _, name := range []string{"a", "b", "c", "d"} {
		if !rapid.Bool().Draw(t, label+" "+name) {
			continue
		}
		s := generate.Service(t, name)
		stated := serviceShape.Flatten(s)
		s.Default()
		state := &State{Key: s.Key(), Instance: name, Leaves: MarkStated(serviceShape.Flatten(s), stated)}
		if isLive {
			state.Meta = Meta{ID: name, Mine: rapid.Bool().Draw(t, "mine")}
			if rapid.Bool().Draw(t, "applied") {
				state.Meta.Applied = NewApplied(state.Leaves)
			}
		}
		out = append(out, state)
	}
	return out
}

func equalToItself(t *rapid.T) {
	for _, s := range states(t, "have", true) {
		s.Meta.Mine = true
		if got := Compare([]*State{s}, []*State{s}, ofKind); len(got) > 0 {
			t.Fatalf("differs from itself: %s", brief(got[0].Fields))
		}
	}
}

func TestEqualToItself(t *testing.T) { rapid.Check(t, equalToItself) }

// The same inputs in another order give the same changes, sorted, with each object once.
func deterministic(t *rapid.T) {
	have, want := states(t, "have", true), states(t, "want", false)
	first := Compare(have, want, ofKind)
	again := Compare(rapid.Permutation(slices.Clone(have)).Draw(t, "order"), rapid.Permutation(slices.Clone(want)).Draw(t, "order"), ofKind)
	if d := cmp.Diff(rendered(first), rendered(again)); d != "" {
		t.Fatalf("the order of the inputs shows:\n%s", d)
	}
	if !slices.IsSortedFunc(first, Change.Compare) {
		t.Fatalf("not sorted: %v", rendered(first))
	}
	seen := map[v1.Key]bool{}
	for _, c := range first {
		if seen[c.Key] {
			t.Fatalf("%s changes twice", c.Key)
		}
		seen[c.Key] = true
		if c.Op == Remove && !c.Have.Meta.Mine {
			t.Fatalf("%s is removed and not ours", c.Key)
		}
		for _, f := range c.Fields {
			if f.Git == f.Hand && !f.Git {
				t.Fatalf("%s is nobody's doing", f.Path)
			}
			if f.Effect > c.Effect && !f.Ignored {
				t.Fatalf("%s has more effect than the change", f.Path)
			}
		}
		if c.Op == Update && len(c.Counted()) == 0 {
			t.Fatalf("%s is an update of nothing", c.Key)
		}
	}
}

func TestDeterministic(t *testing.T) { rapid.Check(t, deterministic) }
func FuzzCompare(f *testing.F)       { generate.Fuzz(f, deterministic) }

func rendered(changes []Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, c.Op.String()+" "+c.Key.String()+" "+c.Effect.String()+"\n"+brief(c.Fields))
	}
	return out
}

func TestPaths(t *testing.T) {
	p := NewPaths([]Field{{Path: "spec.ports[80/tcp].mode"}, {Path: "spec.environment.A"}, {Path: "spec.environmentX"}, {Path: "metadata.labels[\"a.b/c\"]"}})
	for path, want := range map[string][2]bool{ // has, any
		"spec.ports[80/tcp].mode":     {true, true},
		"spec.ports[80/tcp]":          {false, true},
		"spec.ports[8":                {false, false},
		"spec.ports":                  {false, true},
		"spec.port":                   {false, false},
		"spec.environment":            {false, true},
		"spec.environment.A":          {true, true},
		"spec.environment.AB":         {false, false},
		"spec.environmentX":           {true, true},
		"metadata.labels":             {false, true},
		"metadata.labels[\"a.b/c\"]":  {true, true},
		"metadata.labels[\"a.b/cd\"]": {false, false},
		"spec":                        {false, true},
		"zzz":                         {false, false},
	} {
		if got := [2]bool{p.Has(path), p.Any(path)}; got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	if all := AllPaths(); !all.Has("anything") || !all.Any("anything") {
		t.Error("AllPaths lacks something")
	}
	if none := NewPaths(nil); none.Has("spec") || none.Any("spec") {
		t.Error("no paths have something")
	}
}

// A pair that was seen to be equal is not compared again. That never shows, because whatever changes gets another
// generation.
func TestSeenDoesNotShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var seen Seen
		rules := func(string) Rules { return Rules{"spec.a": {Effect: InPlace}} }
		side := func(which string, mine bool) []*State {
			var out []*State
			for _, name := range []string{"x", "y"} {
				if rapid.IntRange(0, 3).Draw(t, which+" has no "+name) == 0 {
					continue
				}
				value := rapid.IntRange(1, 2).Draw(t, which+" "+name)
				s := &State{Key: v1.Key{Kind: "K", Name: name}, Instance: name, Meta: Meta{Mine: mine, ID: name}, Gen: uint64(value)}
				if rapid.IntRange(0, 3).Draw(t, "unknown") == 0 {
					s.Gen = 0
				}
				s.Leaves = []Leaf{{Path: "spec.a", Type: "spec.a", Text: strconv.Itoa(value), Stated: true}}
				out = append(out, s)
			}
			return out
		}
		for range rapid.IntRange(1, 6).Draw(t, "runs") {
			have, want := side("have", true), side("want", false)
			if d := cmp.Diff(fmt.Sprint(Compare(have, want, rules)), fmt.Sprint(seen.Compare(have, want, rules))); d != "" {
				t.Fatalf("changes (-without +with):\n%s", d)
			}
		}
	})
}

// A pair that did not differ is not looked at again.
func TestSeenSpares(t *testing.T) {
	var seen Seen
	asked := 0
	rules := func(string) Rules {
		asked++
		return Rules{"spec.a": {Effect: InPlace}}
	}
	one := State{Key: v1.Key{Kind: "K", Name: "x"}, Instance: "x", Meta: Meta{Mine: true}, Leaves: []Leaf{{Path: "spec.a", Type: "spec.a", Text: "1", Stated: true}}, Gen: 1}
	other := one
	other.Gen = 2
	for range 3 {
		if changes := seen.Compare([]*State{&one}, []*State{&other}, rules); len(changes) > 0 {
			t.Fatalf("changes are %v", changes)
		}
	}
	if asked != 1 {
		t.Errorf("an equal pair was compared %d times, want 1", asked)
	}
	other.Gen = 3
	seen.Compare([]*State{&one}, []*State{&other}, rules)
	if asked != 2 {
		t.Errorf("after a change it was compared %d times in all, want 2", asked)
	}
}

// nodeRules are like the rules of nodes: a manifest states some of the labels, and a mode that somebody sets by hand stays.
var nodeRules = Rules{
	"metadata.labels.*": {Effect: InPlace, Merges: true, Nobody: NobodysLabel},
	"spec.mode":         {Effect: InPlace, Stays: true, Intent: true},
	"spec.user":         {Effect: InPlace, Unseen: true},
}

// exactly returns the want with exact maps. The leaf at that path asks for it.
func (s State) exactly(path string) State {
	s.Exact = path
	return s
}

// A value that others set stays under merge. Under exact it is removed. That is git's doing if git has just asked for
// exact, and a hand's if the other value came afterwards.
func TestExactAndMerged(t *testing.T) {
	const theirs, ours, switched = "metadata.labels.theirs=1", "metadata.labels.ours=1", "spec.user=exact"
	tests := []struct {
		name, fields string
		have, want   State
	}{
		{name: "merged, others' stay", have: live("a", ours, theirs), want: wanted("a", ours)},
		{name: "merged, others' stay whoever applied", have: live("a", ours, theirs).after(ours), want: wanted("a", ours)},
		{
			name: "merged, ours goes with its line", have: live("a", ours, theirs).after(ours), want: wanted("a"),
			fields: "metadata.labels.ours: 1 → (none) (git, in place)",
		},
		{
			name: "merged, ours goes with its line though a hand changed it", have: live("a", "metadata.labels.ours=2", theirs).after(ours), want: wanted("a"),
			fields: "metadata.labels.ours: 2 → (none) (git, hand, in place)",
		},
		{name: "merged, ours is gone already", have: live("a", theirs).after(ours), want: wanted("a")},
		{
			name: "exact, nothing was applied yet", have: live("a", ours, theirs), want: wanted("a", ours, switched).exactly("spec.user"),
			fields: "metadata.labels.theirs: 1 → (none) (git, in place)",
		},
		{
			name: "exact, git says so now", have: live("a", ours, theirs).after(ours), want: wanted("a", ours, switched).exactly("spec.user"),
			fields: "metadata.labels.theirs: 1 → (none) (git, in place)",
		},
		{
			name: "exact, and a hand added it afterwards", have: live("a", ours, theirs).after(ours, switched), want: wanted("a", ours, switched).exactly("spec.user"),
			fields: "metadata.labels.theirs: 1 → (none) (hand, in place)",
		},
		{
			name: "exact, and a line went", have: live("a", ours).after(ours, switched), want: wanted("a", switched).exactly("spec.user"),
			fields: "metadata.labels.ours: 1 → (none) (git, in place)",
		},
		{
			name: "exact, a hand changed ours", have: live("a", "metadata.labels.ours=2").after(ours, switched), want: wanted("a", ours, switched).exactly("spec.user"),
			fields: "metadata.labels.ours: 2 → 1 (hand, in place)",
		},
		{
			name: "exact, and nobody's stay",
			have: live("a", ours, "metadata.labels.com.docker.x=1", "metadata.labels.swarm-operator.io/owner=o").after(ours, switched),
			want: wanted("a", ours, switched).exactly("spec.user"),
		},
		{
			name: "exact, and one of nobody's was ours", have: live("a", "metadata.labels.com.docker.x=1").after("metadata.labels.com.docker.x=1", switched), want: wanted("a", switched).exactly("spec.user"),
			fields: "metadata.labels.com.docker.x: 1 → (none) (git, in place)",
		},
		{name: "exact says nothing of what has no key", have: live("a", ours, "spec.mode=drain").after(ours, switched), want: wanted("a", ours, switched).exactly("spec.user")},
		{name: "what says so is itself no difference", have: live("a").after(), want: wanted("a", switched).exactly("spec.user")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(test.fields, brief(DifferingFields(&test.have, &test.want, nodeRules))); d != "" {
				t.Errorf("fields (-want +got):\n%s", d)
			}
		})
	}
}

// Intent comes from the rule, whoever changed the field. The planner asks for it only if a hand changed the field.
func TestIntent(t *testing.T) {
	for _, test := range []struct {
		name       string
		have, want State
		fields     string
		intent     []string
	}{
		{name: "not stated", have: live("a", "spec.mode=drain"), want: wanted("a")},
		{name: "not stated any more", have: live("a", "spec.mode=drain").after("spec.mode=drain"), want: wanted("a")},
		{name: "as stated", have: live("a", "spec.mode=drain").after("spec.mode=active"), want: wanted("a", "spec.mode=drain")},
		{
			name: "never applied", have: live("a", "spec.mode=drain"), want: wanted("a", "spec.mode=active"),
			fields: "spec.mode: drain → active (git, in place)", intent: []string{"spec.mode"},
		},
		{
			name: "a hand's", have: live("a", "spec.mode=drain").after("spec.mode=active"), want: wanted("a", "spec.mode=active"),
			fields: "spec.mode: drain → active (hand, in place)", intent: []string{"spec.mode"},
		},
		{
			name: "git's", have: live("a", "spec.mode=active").after("spec.mode=active"), want: wanted("a", "spec.mode=drain"),
			fields: "spec.mode: active → drain (git, in place)", intent: []string{"spec.mode"},
		},
		{
			name: "both", have: live("a", "spec.mode=pause").after("spec.mode=active"), want: wanted("a", "spec.mode=drain"),
			fields: "spec.mode: pause → drain (git, hand, in place)", intent: []string{"spec.mode"},
		},
		{
			name: "stated for the first time, beside what was applied", have: live("a", "spec.mode=active", "metadata.labels.x=1").after("metadata.labels.x=1"), want: wanted("a", "spec.mode=drain", "metadata.labels.x=1"),
			fields: "spec.mode: active → drain (git, in place)", intent: []string{"spec.mode"},
		},
		{
			name: "beside a label, which is none", have: live("a", "spec.mode=drain", "metadata.labels.x=2").after("spec.mode=active", "metadata.labels.x=1"), want: wanted("a", "spec.mode=active", "metadata.labels.x=1"),
			fields: "metadata.labels.x: 2 → 1 (hand, in place)\nspec.mode: drain → active (hand, in place)", intent: []string{"spec.mode"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			fields := DifferingFields(&test.have, &test.want, nodeRules)
			if d := cmp.Diff(test.fields, brief(fields)); d != "" {
				t.Errorf("fields (-want +got):\n%s", d)
			}
			var intent []string
			for _, f := range fields {
				if f.Intent {
					intent = append(intent, f.Path)
				}
			}
			if d := cmp.Diff(test.intent, intent); d != "" {
				t.Errorf("what is meant (-want +got):\n%s", d)
			}
		})
	}
}

// Two objects that are remembered as equal under merge are compared again when git says exact.
func TestWhatIsRememberedEndsWithExact(t *testing.T) {
	have, want := live("a", "metadata.labels.theirs=1"), wanted("a", "spec.user=exact")
	have.Gen, want.Gen = 1, 2
	var seen Seen
	look := func() int {
		return len(seen.Compare([]*State{&have}, []*State{&want}, func(string) Rules { return nodeRules }))
	}
	for range 2 {
		if look() != 0 {
			t.Error("what others set is a difference under merge")
		}
	}
	want = want.exactly("spec.user")
	want.Gen = 3
	for range 2 {
		if look() != 1 {
			t.Error("what others set is none under exact")
		}
	}
}

// The paths of stated leaves are those of fields with the same paths.
func TestStatedPaths(t *testing.T) {
	leaves := []Leaf{{Path: "spec.a", Stated: true}, {Path: "spec.b"}, {Path: "spec.c.d", Stated: true}}
	p := StatedPaths(leaves)
	for path, want := range map[string]bool{"spec.a": true, "spec.b": false, "spec.c.d": true, "spec.c": false} {
		if p.Has(path) != want {
			t.Errorf("%s is in it: %t, want %t", path, !want, want)
		}
	}
	if !p.Any("spec.c") || p.Any("spec.b") {
		t.Error("what is below a path is not found, or found where nothing is")
	}
}
