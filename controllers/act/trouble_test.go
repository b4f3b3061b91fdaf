package act

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
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

// The engine may say that a step is done, while it is still to be done to the same version. The next success of that
// step is then looked at. So is that of a step that has failed before, whichever instance tried it.
func TestAStepWithoutEffectIsDoubted(t *testing.T) {
	for name, test := range map[string]struct {
		done   map[string]uint64
		failed bool
		step   plan.Step
		want   bool
	}{
		"the first try":                 {step: stepOn(diff.Update, "a", 7)},
		"done, and still to be done":    {done: map[string]uint64{"update Service/a": 7}, step: stepOn(diff.Update, "a", 7), want: true},
		"done, and changed again since": {done: map[string]uint64{"update Service/a": 7}, step: stepOn(diff.Update, "a", 8)},
		"another step":                  {done: map[string]uint64{"update Service/a": 7}, step: stepOn(diff.Update, "b", 7)},
		"a removal":                     {step: stepOn(diff.Remove, "a", 7), want: true},
		"made, and still to be made":    {done: map[string]uint64{"create Service/a": 0}, step: stepOn(diff.Create, "a", 0), want: true},
		"it failed":                     {failed: true, step: stepOn(diff.Update, "a", 7), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			r, run := &Actor{tries: tries{done: test.done}}, &Run{Decision: &decide.Decision{}}
			if test.failed {
				run.Facts.Troubles = map[string]plan.Trouble{test.step.Name(): {Tries: 1, Why: "no"}}
			}
			if got := r.doubtful(run)(test.step); got != test.want {
				t.Errorf("it is doubted: %t", got)
			}
			if len(r.tries.done) > 0 {
				t.Error("what was done in the run before is known to the next one, too")
			}
		})
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
func TestWhatSomebodyHasJustTriedIsNotTriedAgain(t *testing.T) {
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
