package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// looked returns a run that found the memory m and the live services, and that wants want.
func looked(m state.Memory, want *diff.State, lives ...*kinds.Live) *Decision {
	run := about(indexOf(lives...), m)
	run.Wants.States = []*diff.State{want}
	run.Wanted[want.Key] = want
	return run
}

func TestWhatIsMadeAgainStartsFromWhatWasWrittenDownOrIsAskedAbout(t *testing.T) {
	spec := []byte(`{"spec":{"Name":"web"}}`)
	settings := map[string]state.Settings{"1": {Key: svc("web"), Paths: []string{"spec.tty", "spec.dns"}}}
	removed := map[string]state.Frozen{"1": {Key: svc("web"), Instance: "web", Spec: spec}}
	for _, test := range []struct {
		name  string
		m     state.Memory
		lives []*kinds.Live
		want  *diff.State
		start bool
		lost  string
		// settings and removed are the ids that stay on record.
		settings, removed string
	}{
		{"removed by hand", state.Memory{Unstated: settings}, nil, asks("web", "a"), false, "spec.dns spec.tty", "1", ""},
		{"written down, and removed", state.Memory{Unstated: settings, Removed: removed}, nil, asks("web", "a"), true, "", "1", "1"},
		{"written down, and not removed", state.Memory{Unstated: settings, Removed: removed}, []*kinds.Live{there("1", "web")}, asks("web", "a"), false, "", "", ""},
		{"made again", state.Memory{Unstated: settings, Removed: removed}, []*kinds.Live{there("2", "web")}, asks("web", "a"), false, "", "", ""},
		{"it cannot be read", state.Memory{Unstated: settings, Removed: map[string]state.Frozen{"1": {Key: svc("web"), Instance: "web", Spec: []byte(`[]`)}}}, nil, asks("web", "a"), false, "spec.dns spec.tty", "1", "1"},
		{"another one is wanted", state.Memory{Unstated: settings, Removed: removed}, nil, asks("other", "a"), false, "", "", ""},
		{"nothing is on record", state.Memory{}, nil, asks("web", "a"), false, "", "", ""},
		{"two of one name", state.Memory{Unstated: map[string]state.Settings{"1": settings["1"], "2": {Key: svc("web"), Paths: []string{"spec.dns", "spec.ulimits"}}}}, nil, asks("web", "a"), false, "spec.dns spec.tty spec.ulimits", "1 2", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			run := looked(test.m, test.want, test.lives...)
			r := New(Policy{})
			r.remade(run)
			r.writeDown(run)
			w := run.Wants.States[0]
			if got := strings.Join(w.Lost, " "); got != test.lost || (w.Start != nil) != test.start {
				t.Errorf("it lost %q, and starts from %v", got, w.Start)
			}
			known, kept := settingsOf(run), run.stillRemoved()
			if got := strings.Join(slices.Sorted(maps.Keys(known)), " "); got != test.settings {
				t.Errorf("settings are on record of %q", got)
			}
			if got := strings.Join(slices.Sorted(maps.Keys(kept)), " "); got != test.removed {
				t.Errorf("specs are on record of %q", got)
			}
		})
	}
}

// While the engine refuses a removal, each try would write the spec down and take it out of the memory again. So the
// spec stays there until the memory is written for another reason.
func TestASpecIsWrittenDownOnceForARemovalThatIsRefused(t *testing.T) {
	spec := []byte(`{"spec":{"Name":"web"}}`)
	removed := map[string]state.Frozen{"1": {Key: svc("web"), Instance: "web", Spec: spec}}
	live := there("1", "web")
	live.Raw = &swarm.Service{ID: "1", Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web"}}}
	k, _ := New(Policy{}).kind(v1.KindService)
	as, err := k.Freeze(live, indexOf(live))
	if err != nil {
		t.Fatal(err)
	}
	same := map[string]state.Frozen{"1": {Key: svc("web"), Instance: "web", Spec: as}}
	for _, test := range []struct {
		name  string
		found map[string]state.Frozen
		lives []*kinds.Live
		due   bool // the step is in the plan
		other bool // the memory is written for another reason
		want  string
	}{
		{"the first try", nil, []*kinds.Live{live}, true, false, "written 1"},
		{"it waits for the next try", removed, []*kinds.Live{live}, false, false, "as found 1"},
		{"the next try, of the same spec", same, []*kinds.Live{live}, true, false, "as found 1"},
		{"the next try, of another spec", removed, []*kinds.Live{live}, true, false, "written 1"},
		{"it waits, and something else is written", removed, []*kinds.Live{live}, false, true, "written"},
		{"it was removed and is still to be made", removed, nil, false, false, "as found 1"},
		{"it was made again", removed, []*kinds.Live{there("2", "web")}, false, false, "written"},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory := state.Memory{Nonce: "old", Made: map[string]v1.Key{"1": svc("web")}, Removed: test.found}
			if test.found != nil {
				memory.Replacing = []string{"1"}
			}
			run := looked(memory, asks("web", "a"), test.lives...)
			run.Found = foundAs(t, memory)
			if test.due {
				run.Plan.Steps = []plan.Step{{Op: diff.Replace, Key: svc("web"), Instance: "web", Change: diff.Change{Have: &diff.State{Meta: diff.Meta{ID: "1"}, Value: live}}}}
			}
			if test.other {
				run.Memory.Owned++
			}
			New(Policy{}).writeDown(run)
			record(run, nil)
			got := "as found"
			if run.differs() {
				got = "written"
			}
			for _, id := range slices.Sorted(maps.Keys(run.Memory.Removed)) {
				got += " " + id
			}
			if got != test.want {
				t.Errorf("the memory is %s, want %s", got, test.want)
			}
		})
	}
}

// settingsOf returns the settings to keep on record.
func settingsOf(run *Decision) map[string]state.Settings { return settings(run) }

func TestWhatCannotBeWrittenDownIsNotRemoved(t *testing.T) {
	live := func(env string) *kinds.Live {
		l := there("1", "web")
		spec := swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "web"}, TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Env: []string{env}}}}
		l.Raw = &swarm.Service{ID: "1", Spec: spec}
		return l
	}
	for size, written := range map[int]bool{10: true, mostWritten: false} {
		l, want := live(strings.Repeat("x", size)), asks("web", "a")
		run := looked(state.Memory{}, want, l)
		run.Plan.Steps = []plan.Step{{Op: diff.Replace, Key: want.Key, Instance: "web", Change: diff.Change{Want: want, Have: &diff.State{Value: l}}}}
		r := New(Policy{})
		r.writeDown(run)
		if got := len(run.Plan.Steps) == 1; got != written || len(run.stillRemoved()) == 1 != written || len(run.Plan.Refused) == 0 != written {
			t.Errorf("%d bytes: %d steps, %d specs, refused %v", size, len(run.Plan.Steps), len(run.stillRemoved()), run.Plan.Refused)
		}
	}
}

func TestSettingsOfManyObjectsAreNamedInFewNotices(t *testing.T) {
	var haves []*diff.State
	for i := range mostNamed + 3 {
		haves = append(haves, &diff.State{Key: svc(fmt.Sprintf("s%02d", i)), Meta: diff.Meta{Mine: true, Foreign: diff.Foreign{Unstated: []string{"spec.tty"}}}})
	}
	haves = append(haves, &diff.State{Key: svc("foreign"), Meta: diff.Meta{Foreign: diff.Foreign{Unstated: []string{"spec.tty"}}}}, &diff.State{Key: svc("plain"), Meta: diff.Meta{Mine: true}})
	got := unstated(haves)
	if len(got) != mostNamed+1 || !strings.Contains(got[0], "Service/s00 has settings") || got[mostNamed] != "such settings are also in Service/s10, Service/s11, Service/s12" {
		t.Errorf("%q", got)
	}
}

// A memory may have specs of kinds that this release does not know, or does not make again from them.
func TestASpecThatThisReleaseMakesNothingFrom(t *testing.T) {
	for kind, says := range map[string]string{
		"Volume":       "reading what Volume/x was before it was removed: this release makes no Volume from that",
		v1.KindNode:    "this release makes no Node from that",
		v1.KindService: "reading what Service/x was before it was removed: ",
	} {
		start, err := New(Policy{}).thaw(state.Frozen{Key: v1.Key{Kind: kind, Name: "x"}, Instance: "x", Spec: []byte("[]")})
		if start != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("it starts from %v: %v, want %q", start, err, says)
		}
	}
}

// The stack by which docker knows an object is on record while the object is there, and goes with the want that makes it
// again.
func TestTheStackOfAnObjectStays(t *testing.T) {
	record := func(stack string) state.Memory {
		return state.Memory{Unstated: map[string]state.Settings{"1": {Key: svc("web"), Stack: stack}, "2": {Key: svc("other"), Stack: "no"}}}
	}
	for name, test := range map[string]struct {
		m     state.Memory
		lives []*kinds.Live
		want  string
	}{
		"it was removed": {record("shop"), nil, "shop"},
		"it was in none": {record(""), nil, ""},
		"it is there":    {record("shop"), []*kinds.Live{there("1", "web")}, ""},
		"of two, one":    {state.Memory{Unstated: map[string]state.Settings{"1": {Key: svc("web"), Stack: "a"}, "3": {Key: svc("web"), Stack: "b"}}}, nil, "b"},
		"not on record":  {state.Memory{}, nil, ""},
	} {
		run := looked(test.m, asks("web", "a"), test.lives...)
		New(Policy{}).remade(run)
		if w := run.Wants.States[0]; w.Stack != test.want || len(w.Lost) > 0 {
			t.Errorf("%s: it gets the stack %q, and lost %v", name, w.Stack, w.Lost)
		}
	}
	run := looked(state.Memory{}, asks("web", "a"), there("1", "web"))
	run.Haves = []*diff.State{{Key: svc("web"), Meta: diff.Meta{ID: "1", Mine: true, Stack: "shop"}}, {Key: svc("theirs"), Meta: diff.Meta{ID: "2", Stack: "shop"}}}
	if got := settings(run); len(got) != 1 || got["1"].Stack != "shop" || got["1"].Key != svc("web") {
		t.Errorf("on record is %v", got)
	}
	stated := []diff.Leaf{{Path: `metadata.labels["com.docker.stack.namespace"]`, Type: "metadata.labels.*", Text: "shop", Stated: true}}
	run.Haves[0].Meta.Applied = diff.NewApplied(stated)
	if got := settings(run); len(got) > 0 {
		t.Errorf("its manifest states the stack, and on record is %v", got)
	}
	run.Haves[0].Meta = diff.Meta{ID: "1", Stack: "shop"}
	run.Plan.Adopted = []plan.Adoption{{ID: "1"}}
	for _, leaves := range [][]diff.Leaf{nil, stated} {
		run.Wanted[svc("web")].Leaves = leaves
		if got := settings(run); (got["1"].Stack == "shop") != (leaves == nil) {
			t.Errorf("it is adopted, its manifest states %v, and on record is %v", leaves, got)
		}
	}
}
