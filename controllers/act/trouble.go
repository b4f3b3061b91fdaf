package act

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Troubles returns the steps of a revision that failed and wait for their next try, by name. It does not matter which
// instance tried last.
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

// tried has the error of each thing that a run has tried, by the thing's name. nil means that it succeeded.
type tried map[string]error

// noted returns the troubles of the source after a run.
func noted(run *Run, done tried) state.Troubles {
	out := state.Troubles{Revision: run.InForce.Hash}
	for what, err := range done {
		if err != nil {
			out.Steps = append(out.Steps, state.Trouble{Step: what, Tries: run.Facts.Troubles[what].Tries + 1, Why: err.Error()})
		}
	}
	for what, t := range run.Facts.Troubles {
		if _, is := done[what]; !is && (what == decide.Remembering || what == decide.Delivering || run.toDo(what)) {
			out.Steps = append(out.Steps, state.Trouble{Step: what, Tries: t.Tries, Why: t.Why})
		}
	}
	return out
}

// toDo reports whether the plan has a step of that name, or waits with one because it failed.
func (r *Run) toDo(name string) bool {
	return slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool { return s.Name() == name }) ||
		slices.ContainsFunc(r.Plan.Troubled(), func(r plan.Refusal) bool {
			return plan.Step{Op: r.Op, Key: r.Key, Instance: r.Instance}.Name() == name
		})
}

// tries is what this process knows from run to run about steps that it tried in vain.
type tries struct {
	// puzzles are those of the last run, by the name of the step: see outdated.
	puzzles map[string]puzzle
	// done are the steps that the engine said were done, although each plan since then has them again, by name: see
	// doubts.
	done map[string]done
	// conflict is the last sequence that the memory could not be written with, because a memory with that sequence
	// exists: see overtaken.
	conflict uint64
}

// done is a step that the engine said was done.
type done struct {
	// version is the object's version before the step.
	version uint64
	// what identifies what the step was to do: see whatOf.
	what [sha256.Size]byte
	// made is the ID of the object that the step wrote last.
	made string
	// times is how often the step was done in a row.
	times int
}

// whatOf returns a hash of what a step is to do: of the object that it starts from, and of what differs. Values may be
// secret, so they are not kept.
func whatOf(s plan.Step) [sha256.Size]byte {
	b := fmt.Appendf(nil, "%d %s", s.Origin, s.Op)
	if have := s.Change.Have; have != nil && s.Op == diff.Remove {
		b = append(append(b, ' '), have.Meta.ID...)
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		b = append(append(append(b, '\n'), f.Path...), ' ')
		b = append(strconv.AppendQuote(b, f.Have.Reveal()), ' ')
		b = strconv.AppendQuote(b, f.Want.Reveal())
	}
	return sha256.Sum256(b)
}

// did notes that the engine said that a step was done.
func (t *tries) did(e apply.Event) {
	next := done{version: versionOf(e.Step), what: whatOf(e.Step), times: 1}
	if was, known := t.done[e.Step.Name()]; known && was.what == next.what {
		next.times, next.made = was.times+1, was.made
	}
	if n := len(e.Objects); n > 0 {
		next.made = e.Objects[n-1].ID
	}
	if t.done == nil {
		t.done = map[string]done{}
	}
	t.done[e.Step.Name()] = next
}

// forget drops the steps that are done and that the plan does not have again.
func (t *tries) forget(run *Run) {
	maps.DeleteFunc(t.done, func(name string, _ done) bool { return !run.toDo(name) })
}

// mostShown is how often an engine may show a network that it has removed, from one run to the next. It shows its own
// half of one for a while after the swarm has removed it.
const mostShown = 20

// doubts returns what is known against the success of a step. A step without effect would otherwise be repeated without
// a pause.
//
// The object is looked at after a removal, because it may still be there; after a step that has failed before; and after
// a step that the engine called done, but that is still to be done to the same version.
//
// If the next plan has a step again exactly as it was, the step had no effect, although the object may have changed.
// That is no success. Changes that people make by hand again and again are counted elsewhere: see decide.contention.
func (a *Actor) doubts(run *Run) func(plan.Step) apply.Doubt {
	before := maps.Clone(a.tries.done)
	return func(s plan.Step) apply.Doubt {
		was, known := before[s.Name()]
		trouble, failed := run.Facts.Troubles[s.Name()]
		sameVersion := known && was.version == versionOf(s)
		out := apply.Doubt{Look: s.Op == diff.Remove || failed || sameVersion}
		git, hand := s.Change.Doing()
		switch {
		case !known || was.what != whatOf(s):
		case s.Origin == plan.OriginDiffers && hand && !git:
		case s.Op == diff.Create:
			out.Made = was.made
		case s.Op == diff.Update && sameVersion: // the look at the object tells whether it had an effect
		case s.Op == diff.Remove && (s.Key.Kind != v1.KindNetwork || was.times < mostShown): // the look tells, but not of a network
		default:
			out.InVain = failed && !trouble.Until.IsZero() // otherwise no time has passed
			out.Again = !out.InVain
		}
		return out
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
		if errors.Is(err, engine.ErrFenced) || errors.Is(err, apply.ErrStopped) {
			return true // the lost lease or the end of the run explains it
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

// overtaken reports whether the memory could not be written because another process wrote it first. The plan then has
// to be made again. Like outdated, it returns true once: if the run has read the whole swarm since then and found the
// memory unchanged, the error is the engine's own.
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
