package act

import (
	"errors"
	"slices"

	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Troubles returns the steps of a revision that failed and wait for their next try, by name. It does not matter which instance
// tried last.
func (a *Actor) Troubles(source, revision string) map[string]plan.Trouble {
	out := map[string]plan.Trouble{}
	for _, t := range a.Lease.Troubles(source, revision) {
		next := plan.Trouble{Tries: t.Tries, Why: t.Why}
		if !a.Lease.Eager { // a person waits, and has seen the error
			next.Until = t.Since.Add(a.Lease.Paced(plan.BackOff(t.Tries)))
		}
		out[t.Step] = next
	}
	return out
}

// moved reports whether another instance has tried a step of this plan since the plan was made, and failed. The step
// then waits here as well.
func (r *Run) moved(v state.View) bool {
	return slices.ContainsFunc(v.Troubles(r.Source).Of(r.InForce.Hash), func(t state.Trouble) bool {
		return t.Tries > r.Facts.Troubles[t.Step].Tries && slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool { return s.Name() == t.Step })
	})
}

// tried is the result of what a run has tried, by name. nil means that it succeeded.
type tried map[string]error

// noted returns the troubles of the source after a run.
func noted(run *Run, done tried) state.Troubles {
	out := state.Troubles{Revision: run.InForce.Hash}
	for what, err := range done {
		if err != nil {
			out.Steps = append(out.Steps, state.Trouble{Step: what, Tries: run.Facts.Troubles[what].Tries + 1, Why: err.Error()})
		}
	}
	stays := func(what string) bool { // true if it was not tried and is still to be done
		if what == decide.Remembering || what == decide.Delivering {
			return true
		}
		return slices.ContainsFunc(run.Plan.Steps, func(s plan.Step) bool { return s.Name() == what }) ||
			slices.ContainsFunc(run.Plan.Troubled(), func(r plan.Refusal) bool {
				return plan.Step{Op: r.Op, Key: r.Key, Instance: r.Instance}.Name() == what
			})
	}
	for what, t := range run.Facts.Troubles {
		if _, is := done[what]; !is && stays(what) {
			out.Steps = append(out.Steps, state.Trouble{Step: what, Tries: t.Tries, Why: t.Why})
		}
	}
	return out
}

// tries is what this process knows from run to run about steps that it tried in vain.
type tries struct {
	// puzzles are those of the last run, by the name of the step: see outdated.
	puzzles map[string]puzzle
	// done are the steps that the engine in the last run said were done, by name. The value is the object's version
	// before the step: see doubtful.
	done map[string]uint64
	// conflict is the sequence that the memory could not be written with last, because it exists already: see
	// overtaken.
	conflict uint64
}

// doubtful returns a function that reports whether to look again after a step has succeeded. A step without effect
// would otherwise be repeated without a pause. There are three cases: a removal, after which the object may still be
// there; a step that has failed before; and a step that the engine called done in the last run, but that is still to be
// done to the same version.
func (a *Actor) doubtful(run *Run) func(plan.Step) bool {
	before := a.tries.done
	a.tries.done = map[string]uint64{}
	return func(s plan.Step) bool {
		was, known := before[s.Name()]
		_, failed := run.Facts.Troubles[s.Name()]
		return s.Op == diff.Remove || failed || known && was == versionOf(s)
	}
}

// versionOf returns the version of the object that a step changes, or 0 if it makes one.
func versionOf(s plan.Step) uint64 {
	if have := s.Change.Have; have != nil {
		return have.Meta.Version
	}
	return 0
}

// puzzle is a step that the engine refused as if the swarm were not as it was read.
type puzzle struct {
	version uint64
	why     string
}

// outdated returns a function that reports whether a step's error only means that the plan has to be made again. It
// returns true once. If everything was read since, and the same step on the same version is refused in the same way,
// the read explains nothing. The error is then the step's own. Otherwise the plan would be made again for ever.
func (a *Actor) outdated(run *Run) func(plan.Step, error) bool {
	before := a.tries.puzzles
	a.tries.puzzles = map[string]puzzle{}
	return func(s plan.Step, err error) bool {
		if !apply.Outdated(s, err) {
			return false
		}
		if errors.Is(err, engine.ErrFenced) {
			return true // the lost lease explains it
		}
		is := puzzle{version: versionOf(s), why: err.Error()}
		was, known := before[s.Name()]
		_, failed := run.Facts.Troubles[s.Name()] // in any instance
		if run.Whole && (known && was == is || failed) {
			return false
		}
		a.tries.puzzles[s.Name()] = is
		return true
	}
}

// overtaken reports whether somebody else wrote the memory in between, which is why it could not be written. The plan
// then has to be made again. It returns true once, as outdated does. If everything was read since then and the memory
// is the same, the error is the engine's own.
func (a *Actor) overtaken(run *Run, err error) bool {
	if !errors.Is(err, state.ErrConflict) {
		return false
	}
	next := run.Found.Sequence + 1
	_, failed := run.Facts.Troubles[decide.Remembering]
	again := run.Whole && (failed || a.tries.conflict == next)
	a.tries.conflict = next
	return !again
}

// note records the result of a run for the instance that tries next. It is written when the lease is released.
func (a *Actor) note(run *Run, done tried) {
	if len(done) > 0 && a.Lease.Mine() != 0 {
		a.Lease.Note(run.Source, noted(run, done))
	}
}
