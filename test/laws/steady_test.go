package laws

import (
	"slices"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/model"
)

// inForce returns a swarm that is as everyday asks for, with an operator that has seen that.
func inForce(t *testing.T, n int) (*deciding, *decide.Decider) {
	t.Helper()
	found := state.Found{Memory: state.Memory{Source: "src", Salt: []byte("key")}}
	s := &deciding{world: newWorld(true), found: found, now: model.Noon, healths: map[string]kinds.Health{}}
	s.commits(everyday(n))
	for _, e := range s.entries {
		s.healths[e.Object.Key().Name] = kinds.Health{Ready: true}
	}
	d := decide.New(decide.Policy{Digests: byKey, Budgets: plan.DefaultBudgets(), Follow: true})
	for range enough {
		run := s.decides(d, s.observed())
		d.Keep()
		if state.Differs("src", s.found, run.Memory) {
			found, err := state.FoundAs(run.Memory, s.found.Sequence+1)
			if err != nil {
				t.Fatal(err)
			}
			s.found = found
		} else if len(run.Plan.Steps) == 0 {
			return s, d
		}
		src := run.Ours()
		src.Nonce = s.found.Memory.Nonce
		for _, step := range run.Plan.Steps {
			if err := s.Do(step, run.Index, src); err != nil {
				t.Fatal(err)
			}
			d.Did(step, s.now)
		}
		d.Saved(s.found.Sequence, s.found.Memory.Resumed)
		d.Settle(run.Facts)
	}
	t.Fatal("plans do not come to an end")
	return nil, nil
}

// A run with nothing to do, and one that changes one service, make no more allocations if there are ten
// times as many services.
func TestARunAllocatesForWhatChanged(t *testing.T) {
	allocations := func(n int, differs bool) float64 {
		s, d := inForce(t, n)
		run := s.observed()
		ix := run.Index
		if differs {
			changed := s.entries[len(s.entries)-1].Object.Copy().(*v1.Service)
			changed.Spec.Environment["REGION"] = "eu-2"
			s.entries = slices.Clone(s.entries)
			s.entries[len(s.entries)-1].Object = changed
		}
		return testing.AllocsPerRun(3, func() {
			again := &decide.Decision{Revision: run.Revision, World: run.World, Memory: s.found.Memory}
			again.Index, again.Entries = ix, s.entries
			_ = d.Clone() // as reconciler.Look does around each short run, with Keep
			if s.decides(d, again); (len(again.Plan.Steps) > 0) != differs {
				t.Errorf("there are %d steps", len(again.Plan.Steps))
			}
			d.Keep()
		})
	}
	for _, differs := range []bool{false, true} {
		few, many := allocations(100, differs), allocations(1000, differs)
		if many > few+100 {
			t.Errorf("one differs %t: a run makes %.0f allocations with 100 services, and %.0f with 1,000", differs, few, many)
		}
	}
}
