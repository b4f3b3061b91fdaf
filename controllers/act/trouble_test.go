package act

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func stepOn(op diff.Op, name string, version uint64) plan.Step {
	key := v1.Key{Kind: v1.KindService, Name: name}
	s := plan.Step{Op: op, Key: key, Instance: name}
	if version > 0 {
		s.Change.Have = &diff.State{Key: key, Meta: diff.Meta{Version: version}}
	}
	return s
}

func TestWhatIsNotedAfterARun(t *testing.T) {
	run := &Run{Decision: &decide.Decision{}}
	run.InForce.Hash = "r1"
	run.Facts.Troubles = map[string]plan.Trouble{
		"create Service/again": {Tries: 2, Why: "no"}, "create Service/mended": {Tries: 3, Why: "no"}, "create Service/waits": {Tries: 4, Why: "no"},
		"create Service/skipped": {Tries: 5, Why: "no"}, "create Service/gone": {Tries: 6, Why: "no"}, decide.Delivering: {Tries: 7, Why: "no"},
	}
	run.Plan.Steps = []plan.Step{stepOn(diff.Create, "again", 0), stepOn(diff.Create, "mended", 0), stepOn(diff.Create, "skipped", 0), stepOn(diff.Create, "new", 0)}
	waits := v1.Key{Kind: v1.KindService, Name: "waits"}
	run.Plan.Refused = []plan.Refusal{{Op: diff.Create, Key: waits, Instance: "waits", Guard: "back-off"}}
	got := noted(run, tried{"create Service/again": errors.New("still no"), "create Service/mended": nil, "create Service/new": errors.New("never")})
	slices.SortFunc(got.Steps, func(a, b state.Trouble) int { return cmp.Compare(a.Tries, b.Tries) })
	want := []state.Trouble{
		{Step: "create Service/new", Tries: 1, Why: "never"},
		{Step: "create Service/again", Tries: 3, Why: "still no"},
		{Step: "create Service/waits", Tries: 4, Why: "no"},
		{Step: "create Service/skipped", Tries: 5, Why: "no"},
		{Step: decide.Delivering, Tries: 7, Why: "no"},
	}
	if got.Revision != "r1" || !slices.Equal(got.Steps, want) {
		t.Errorf("noted %+v, want %+v", got, want)
	}
}

// If a fresh read does not explain a refusal, the refusal is the step's own error.
func TestAnErrorIsOutdatedOnce(t *testing.T) {
	taken := errors.New("Error response from daemon: update out of sequence")
	if !engine.IsStale(taken) {
		t.Fatal("that is not what the engine says")
	}
	type run struct {
		step plan.Step
		err  error
		full bool
		want bool // want is true if the step counts as outdated
		// failed is true if any instance has failed at the step before.
		failed bool
	}
	for name, runs := range map[string][]run{
		"twice in the same way":             {{stepOn(diff.Update, "a", 7), taken, true, true, false}, {stepOn(diff.Update, "a", 7), taken, true, false, false}, {stepOn(diff.Update, "a", 7), taken, true, true, false}},
		"somebody wrote in between":         {{stepOn(diff.Update, "a", 7), taken, true, true, false}, {stepOn(diff.Update, "a", 8), taken, true, true, false}, {stepOn(diff.Update, "a", 9), taken, true, true, false}},
		"not everything was read":           {{stepOn(diff.Update, "a", 7), taken, true, true, false}, {stepOn(diff.Update, "a", 7), taken, false, true, false}},
		"another instance has failed at it": {{stepOn(diff.Update, "a", 7), taken, true, false, true}, {stepOn(diff.Update, "a", 7), taken, false, true, true}},
		"another step":                      {{stepOn(diff.Update, "a", 7), taken, true, true, false}, {stepOn(diff.Remove, "a", 7), taken, true, true, false}},
		"another error":                     {{stepOn(diff.Update, "a", 7), taken, true, true, false}, {stepOn(diff.Update, "a", 7), fmt.Errorf("%w, and more", taken), true, true, false}},
		"its own error from the start":      {{stepOn(diff.Update, "a", 7), errors.New("port '80' is already in use"), true, false, false}},
		"the lease is lost, many times":     {{stepOn(diff.Update, "a", 7), engine.ErrFenced, true, true, false}, {stepOn(diff.Update, "a", 7), engine.ErrFenced, true, true, false}, {stepOn(diff.Update, "a", 7), engine.ErrFenced, true, true, false}},
		"a hold that no plan shows":         {{stepOn(diff.Update, "a", 7), apply.ErrNotNow, true, true, false}, {stepOn(diff.Update, "a", 7), apply.ErrNotNow, true, false, false}},
	} {
		r := &Actor{}
		for i, one := range runs {
			run := &Run{Decision: &decide.Decision{}}
			run.Whole = one.full
			if one.failed {
				run.Facts.Troubles = map[string]plan.Trouble{one.step.Name(): {Tries: 1, Why: "no"}}
			}
			if got := r.outdated(run)(one.step, one.err); got != one.want {
				t.Errorf("%s: run %d: outdated %t", name, i+1, got)
			}
		}
	}
}

// The engine may say that a step is done, while it is still to be done. The next success of that step is then looked at,
// or is none: without that, the step would be repeated without a pause. So is a step that has failed before, whichever
// instance tried it.
func TestAStepWithoutEffectIsDoubted(t *testing.T) {
	on := func(s plan.Step, origin plan.Origin, git bool, fields ...string) plan.Step {
		s.Origin = origin
		for _, path := range fields {
			f := plan.TextField(path, "a", "b")
			f.Git, f.Hand = git, !git
			s.Fields, s.Change.Fields = append(s.Fields, f), append(s.Change.Fields, f)
		}
		s.Change.Op = s.Op
		return s
	}
	made := func(name string) plan.Step { return on(stepOn(diff.Create, name, 0), plan.OriginDiffers, true) }
	replaced := func(version uint64, fields ...string) plan.Step {
		return on(stepOn(diff.Replace, "a", version), plan.OriginDiffers, true, fields...)
	}
	byHand := func(version uint64) plan.Step {
		return on(stepOn(diff.Update, "a", version), plan.OriginDiffers, false, "spec.image")
	}
	byGit := func(version uint64) plan.Step {
		return on(stepOn(diff.Update, "a", version), plan.OriginDiffers, true, "spec.image")
	}
	removed := func(id string) plan.Step {
		s := on(stepOn(diff.Remove, "a", 7), plan.OriginDiffers, true)
		s.Change.Have.Meta.ID = id
		return s
	}
	network := func() plan.Step {
		s := removed("1")
		s.Key.Kind = v1.KindNetwork
		return s
	}
	gone := made("a")
	gone.Change.Want = &diff.State{Gone: &diff.Gone{}}
	const no, first, waited = 0, 1, 2 // whether the step has failed before, and has waited since
	for name, test := range map[string]struct {
		before *plan.Step
		times  int
		failed int
		step   plan.Step
		want   apply.Doubt
	}{
		"the first try":                     {step: byGit(7)},
		"done, and still to be done":        {before: new(byGit(7)), step: byGit(7), want: apply.Doubt{Look: true}},
		"done by hand again and again":      {before: new(byHand(7)), step: byHand(8)},
		"changed, and still to be done":     {before: new(byGit(7)), step: byGit(8), want: apply.Doubt{Again: true}},
		"something else is to be done":      {before: new(replaced(7, "spec.driver")), step: replaced(8, "spec.internal")},
		"replaced, and still to be":         {before: new(replaced(7, "spec.driver")), step: replaced(8, "spec.driver"), want: apply.Doubt{Again: true}},
		"replaced, and it has failed since": {before: new(replaced(7, "spec.driver")), step: replaced(8, "spec.driver"), failed: first, want: apply.Doubt{Look: true, Again: true}},
		"replaced, and it has waited since": {before: new(replaced(7, "spec.driver")), step: replaced(8, "spec.driver"), failed: waited, want: apply.Doubt{Look: true, InVain: true}},
		"a role that does not stay":         {before: new(on(stepOn(diff.Update, "a", 7), plan.OriginPromotes, true, "spec.role")), step: on(stepOn(diff.Update, "a", 8), plan.OriginPromotes, true, "spec.role"), want: apply.Doubt{Again: true}},
		"another step":                      {before: new(byGit(7)), step: on(stepOn(diff.Update, "b", 7), plan.OriginDiffers, true, "spec.image")},
		"a removal":                         {step: removed("1"), want: apply.Doubt{Look: true}},
		"a removal, again":                  {before: new(removed("1")), step: removed("1"), want: apply.Doubt{Look: true}},
		"a network is shown a while longer": {before: new(network()), times: mostShown - 1, step: network(), want: apply.Doubt{Look: true}},
		"a network is shown for ever":       {before: new(network()), times: mostShown, step: network(), want: apply.Doubt{Look: true, Again: true}},
		"made, and still to be made":        {before: new(made("a")), step: made("a"), want: apply.Doubt{Look: true, Made: "the object"}},
		"made, and it has failed since":     {before: new(made("a")), step: made("a"), failed: waited, want: apply.Doubt{Look: true, Made: "the object"}},
		"made, and somebody has removed it": {before: new(made("a")), step: gone, want: apply.Doubt{Look: true}},
		"it failed":                         {failed: first, step: byGit(7), want: apply.Doubt{Look: true}},
	} {
		t.Run(name, func(t *testing.T) {
			r, run := &Actor{}, &Run{Decision: &decide.Decision{}}
			run.Plan.Steps = []plan.Step{test.step}
			if test.before != nil {
				for range max(1, test.times) {
					r.tries.did(apply.Event{Step: *test.before, Objects: []kinds.Ref{{Kind: test.step.Key.Kind, ID: "the object"}}})
				}
			}
			if test.failed != no {
				run.Facts.Troubles = map[string]plan.Trouble{test.step.Name(): {Tries: 1, Why: "no"}}
			}
			if test.failed == waited {
				run.Facts.Troubles[test.step.Name()] = plan.Trouble{Tries: 1, Why: "no", Until: time.Unix(1, 0)}
			}
			r.tries.forget(run)
			if got := r.doubts(run)(test.step); got != test.want {
				t.Errorf("the doubt is %+v, want %+v", got, test.want)
			}
		})
	}
}

// A step that was done is forgotten as soon as a plan does not have it again. A step that only waits after a failure is
// still to be done.
func TestWhatIsDoneForGoodIsForgotten(t *testing.T) {
	again, waits, over := stepOn(diff.Create, "again", 0), stepOn(diff.Create, "waits", 0), stepOn(diff.Create, "over", 0)
	r, run := &Actor{}, &Run{Decision: &decide.Decision{}}
	for _, s := range []plan.Step{again, waits, over} {
		r.tries.did(apply.Event{Step: s})
	}
	run.Plan.Steps = []plan.Step{again}
	run.Plan.Refused = []plan.Refusal{{Op: waits.Op, Key: waits.Key, Instance: waits.Instance, Guard: "back-off"}}
	r.tries.forget(run)
	if got, want := slices.Sorted(maps.Keys(r.tries.done)), []string{again.Name(), waits.Name()}; !slices.Equal(got, want) {
		t.Errorf("known are %v, want %v", got, want)
	}
}

// If a memory exists already when it is written, and a fresh read shows none, that is an error like any other.
func TestAConflictIsExplainedOnce(t *testing.T) {
	conflict := fmt.Errorf("writing the state: %w: it exists", state.ErrConflict)
	type run struct {
		sequence uint64
		err      error
		full     bool
		failed   bool // in any instance, before
		want     bool
	}
	for name, runs := range map[string][]run{
		"for ever":                       {{4, conflict, true, false, true}, {4, conflict, true, false, false}, {4, conflict, true, true, false}},
		"of a source without a memory":   {{0, conflict, true, false, true}, {0, conflict, true, false, false}},
		"somebody is faster, many times": {{4, conflict, true, false, true}, {5, conflict, true, false, true}, {6, conflict, true, false, true}},
		"not everything was read":        {{4, conflict, false, false, true}, {4, conflict, false, false, true}, {4, conflict, true, false, false}},
		"another instance has failed":    {{4, conflict, true, true, false}},
		"another error":                  {{4, errors.New("no"), true, false, false}},
	} {
		r := &Actor{}
		for i, one := range runs {
			run := &Run{Decision: &decide.Decision{}}
			run.Whole, run.Found.Sequence = one.full, one.sequence
			if one.failed {
				run.Facts.Troubles = map[string]plan.Trouble{decide.Remembering: {Tries: 1, Why: "no"}}
			}
			if got := r.overtaken(run, one.err); got != one.want {
				t.Errorf("%s: run %d: overtaken %t", name, i+1, got)
			}
		}
	}
}

// An instance may find, when it takes the lease, that another has just failed at the step it is about to do. It then
// waits as well.
func TestStepThatAnotherInstanceHasJustTriedWaits(t *testing.T) {
	view, there := state.ViewLease([]*swarm.Config{{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: state.LeaseName, Labels: map[string]string{
		v1.LabelPrefix + "lease-troubles": `{"shop":{"revision":"r1","steps":[{"step":"create Service/web","tries":2,"why":"no"}]}}`,
	}}}}})
	if !there {
		t.Fatal("there is no lease")
	}
	run := &Run{Decision: &decide.Decision{}}
	run.Source, run.InForce.Hash = "shop", "r1"
	for _, one := range []struct {
		name     string
		steps    []plan.Step
		troubles map[string]plan.Trouble
		revision string
		want     bool
	}{
		{"the same step", []plan.Step{stepOn(diff.Create, "web", 0)}, nil, "r1", true},
		{"another step", []plan.Step{stepOn(diff.Create, "db", 0)}, nil, "r1", false},
		{"another revision", []plan.Step{stepOn(diff.Create, "web", 0)}, nil, "r2", false},
		{"it knows", []plan.Step{stepOn(diff.Create, "web", 0)}, map[string]plan.Trouble{"create Service/web": {Tries: 2}}, "r1", false},
	} {
		run.Plan.Steps, run.Facts.Troubles, run.InForce.Hash = one.steps, one.troubles, one.revision
		if got := run.moved(view); got != one.want {
			t.Errorf("%s: waits %t", one.name, got)
		}
	}
}

// A step that is still to be done after it was written counts as written, and the process has to know that. A step that
// was refused or not begun does not count.
func TestStepThatIsStillToBeDoneCountsAsWritten(t *testing.T) {
	removed := stepOn(diff.Remove, "net", 3)
	removed.Change.Have.Meta.ID = "1"
	for _, test := range []struct {
		name  string
		err   error
		known bool
	}{
		{"done", nil, true},
		{"done, and still to be done", fmt.Errorf("removal of x: %w", apply.ErrStillToDo), true},
		{"not begun, because it is still to be done", fmt.Errorf("removal of x: %w", apply.ErrNotAgain), false},
		{"refused", errors.New("no"), false},
		{"without effect", apply.ErrNoEffect, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &doing{Actor: &Actor{Options: Options{Decider: decide.New(decide.Policy{})}}, done: tried{}}
			before := d.Decider.Copy()
			d.did(apply.Event{Step: removed, Err: test.err, Objects: []kinds.Ref{{Kind: v1.KindNetwork, ID: "1"}}})
			if known := !reflect.DeepEqual(before, d.Decider.Copy()); known != test.known {
				t.Errorf("the process knows of it: %t", known)
			}
		})
	}
}
