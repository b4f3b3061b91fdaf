package reconciler

import (
	"errors"
	"slices"
	"time"

	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/runner"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// troubles are the steps that failed and wait for their next try, whoever made the last one.
func (r *Reconciler) troubles(run *Run) map[string]plan.Trouble {
	out := map[string]plan.Trouble{}
	for _, t := range r.Lease.Troubles(run.Source, run.InForce.Hash) {
		next := plan.Trouble{Tries: t.Tries, Why: t.Why}
		if !r.Lease.Eager { // a person waits, and has seen the error
			next.Until = t.Since.Add(r.Lease.Paced(plan.BackOff(t.Tries)))
		}
		out[t.Step] = next
	}
	return out
}

// moved says whether somebody has tried, since the plan was made, what it is about to do, and failed: then it waits with it.
func (r *Run) moved(v state.View) bool {
	return slices.ContainsFunc(v.Troubles(r.Source).Of(r.InForce.Hash), func(t state.Trouble) bool {
		return t.Tries > r.Facts.Troubles[t.Step].Tries && slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool { return s.Name() == t.Step })
	})
}

// tried is what became of what a run has tried: nil where it succeeded.
type tried map[string]error

// noted are the troubles of the source after a run.
func noted(run *Run, done tried) state.Troubles {
	out := state.Troubles{Revision: run.InForce.Hash}
	for what, err := range done {
		if err != nil {
			out.Steps = append(out.Steps, state.Trouble{Step: what, Tries: run.Facts.Troubles[what].Tries + 1, Why: err.Error()})
		}
	}
	stays := func(what string) bool { // what was not tried and is still to be done
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

// tries is what this process knows of what it tried in vain, from run to run.
type tries struct {
	// puzzles are those of the last run, by the name of the step: see outdated.
	puzzles map[string]puzzle
	// done are the steps of the last run that the engine said to be done, by name, with the version of the object
	// before: see doubtful.
	done map[string]uint64
	// conflict is the sequence of the memory that could not be written last because there is one: see overtaken.
	conflict uint64
}

// doubtful makes the question whether a step that succeeds is looked at again. Removals are, because nothing else would tell
// that the object is still there. Other steps are if the engine said in the last run that they were done and they are still to
// be done to the same version, or if they have failed before. Otherwise a step without effect would be carried out again and
// again without a pause.
func (r *Reconciler) doubtful(run *Run) func(plan.Step) bool {
	before := r.tries.done
	r.tries.done = map[string]uint64{}
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

// puzzle is a step that the engine refused as if the swarm were not what it was read to be.
type puzzle struct {
	version uint64
	why     string
}

// outdated makes the question whether the error of a step only means that the plan has to be made again. Once it does. Where
// everything was read anew since, and the same step on the same version is refused in the same way, the read has explained
// nothing: that is the step's own error, or the plan would be made again for ever.
func (r *Reconciler) outdated(run *Run) func(plan.Step, error) bool {
	before := r.tries.puzzles
	r.tries.puzzles = map[string]puzzle{}
	return func(s plan.Step, err error) bool {
		if !apply.Outdated(s, err) {
			return false
		}
		if errors.Is(err, engine.ErrFenced) {
			return true // what became of the lease explains it
		}
		is := puzzle{version: versionOf(s), why: err.Error()}
		was, known := before[s.Name()]
		_, failed := run.Facts.Troubles[s.Name()] // of any instance, and what was read since explains nothing either
		if run.Whole && (known && was == is || failed) {
			return false
		}
		r.tries.puzzles[s.Name()] = is
		return true
	}
}

// overtaken says whether the error of writing the memory only means that somebody else wrote one in between, so that the plan
// has to be made again. As with a step it does so once: where everything was read since, and the memory is the one that it was,
// the error is the engine's own.
func (r *Reconciler) overtaken(run *Run, err error) bool {
	if !errors.Is(err, state.ErrConflict) {
		return false
	}
	next := run.Found.Sequence + 1
	_, failed := run.Facts.Troubles[decide.Remembering]
	again := run.Whole && (failed || r.tries.conflict == next)
	r.tries.conflict = next
	return !again
}

// note keeps what became of a run for whoever tries next. It is written when the lease is given back.
func (r *Reconciler) note(run *Run, done tried) {
	if len(done) > 0 && r.Lease.Mine() != 0 {
		r.Lease.Note(run.Source, noted(run, done))
	}
}

// again is when to look again after a run in which something failed: when the first of what failed is tried again. Nothing is
// known where the lease was not held, and then each instance counts for itself.
func (l *Loop) again(run *Run) runner.Result {
	var soonest time.Duration
	for _, t := range l.troubles(run) {
		if left := t.Until.Sub(l.Now()); soonest == 0 || left < soonest {
			soonest = max(left, 10*time.Millisecond)
		}
	}
	return runner.Result{RequeueAfter: soonest}
}
