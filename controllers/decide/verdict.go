package decide

import (
	"fmt"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// changing returns the services whose roll-out begins with the steps of the run because git asks for it.
func changing(run *Decision) []v1.Key {
	var out []v1.Key
	for _, s := range run.Plan.Steps {
		made := s.Op == diff.Create || s.Op == diff.Replace
		if status.HasHealth(s.Key) && (made || s.Op == diff.Update && slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Git })) {
			out = append(out, s.Key)
		}
	}
	return out
}

// blamed sets on each failure the revision that changed the object, which may not be the one in force. If none is on
// record, the failure has no revision.
func (r *Decision) blamed(failures []plan.Failure) []plan.Failure {
	if len(failures) == 0 {
		return nil
	}
	by := r.Memory.ChangedBy()
	for i := range failures {
		if failures[i].Digest != "" {
			failures[i].Revision = by[failures[i].Key]
		}
	}
	return failures
}

// verdicts notes the outcome of the revision in force, and of earlier ones whose services failed only now.
func (d *Decider) verdicts(run *Decision) {
	m := &run.Memory
	m.Change(changing(run))
	for _, f := range run.Failures {
		if f.Revision != "" && f.Revision != m.InForce.Hash {
			m.EndLate(f.Revision, fmt.Sprintf("%s: %s", f.Key, f.Why), run.Facts.Now)
		}
	}
	outcome, why := d.outcome(run)
	if outcome == "" && d.Follow && !slices.ContainsFunc(run.OwnRefusals(), plan.Refusal.NeedsAPerson) {
		m.Again(state.Held) // what it waited for has come
	}
	m.End(outcome, why, run.Facts.Now)
}

// FailureOf returns the recorded failure of the want that is in force. It is zero if that did not fail. The record of
// another want only serves to tell an old failure from the next.
func (r *Decision) FailureOf(key v1.Key) plan.Failure {
	if i := slices.IndexFunc(r.Memory.Failed, func(f plan.Failure) bool { return f.Key == key }); i >= 0 && r.wanted(r.Memory.Failed[i]) {
		return r.Memory.Failed[i]
	}
	return plan.Failure{}
}

// FailedWants returns the recorded failures of wants that are in force.
func (r *Decision) FailedWants() []plan.Failure {
	var out []plan.Failure
	for _, f := range r.Memory.Failed {
		if r.wanted(f) {
			out = append(out, f)
		}
	}
	return out
}

func (r *Decision) wanted(f plan.Failure) bool {
	w := r.Wanted[f.Key]
	return w != nil && w.Digest() == f.Digest
}

// outcome returns the outcome of the revision in force. It is "" if that is not known yet.
func (d *Decider) outcome(run *Decision) (outcome, why string) {
	if !d.Follow {
		return "", ""
	}
	failed := slices.DeleteFunc(run.FailedWants(), func(f plan.Failure) bool { return f.Revision != run.InForce.Hash })
	outcome, why = Became(failed, run.OwnRefusals(), len(run.Plan.Steps) > 0 || comes(run.Plan) || d.moves(run))
	if unknown := run.Wants.Unknown; outcome == state.RolledOut && len(unknown) > 0 { // the revision may have changed it
		return state.Held, fmt.Sprintf("%s cannot be compared: %s", unknown[0].Key, unknown[0].Why)
	}
	return outcome, why
}

// comes reports whether the verdict on the revision in force has to wait for something that comes by itself. It does not
// wait until the engine tells whether something still refers to an object, because that may never be.
func comes(p plan.Plan) bool {
	return slices.ContainsFunc(p.Refused, func(r plan.Refusal) bool {
		return r.Class == plan.Later && !r.Quiet && !r.Reported() && !r.Unsure()
	})
}

// OwnRefusals returns the refusals that count for the revision in force. What an earlier revision changed and what
// failed then is that one's failure.
func (r *Decision) OwnRefusals() []plan.Refusal {
	return slices.DeleteFunc(slices.Clone(r.Plan.Refused), func(no plan.Refusal) bool {
		if !no.OfFailure() {
			return false
		}
		by := r.FailureOf(no.Key).Revision
		return by != "" && by != r.InForce.Hash
	})
}

// Became is the one rule for the outcome of a revision: it depends on what failed and on what is refused. outcome is
// "" while something moves and nothing has failed.
func Became(failed []plan.Failure, refused []plan.Refusal, moves bool) (outcome, why string) {
	if len(failed) > 0 {
		return state.Failed, fmt.Sprintf("%s: %s", failed[0].Key, failed[0].Why)
	}
	if moves {
		return "", ""
	}
	for _, r := range refused {
		if r.NeedsAPerson() {
			return state.Held, fmt.Sprintf("%s: %s", r.Key, r.Why)
		}
	}
	return state.RolledOut, ""
}

// supersede keeps on record which services earlier revisions changed, if they are not settled or have failed. If
// nobody follows roll-outs it keeps none: nobody would see them settle, and the record would grow.
func (d *Decider) supersede(run *Decision) {
	m, failed := &run.Memory, map[v1.Key]bool{}
	for _, f := range m.Failed {
		failed[f.Key] = true
	}
	m.Settle(func(key v1.Key) bool {
		_, unsettled := d.unsettled[key]
		return !d.Follow || !unsettled && !failed[key]
	})
}

// moves reports whether the verdict on the revision in force has to wait for roll-outs, its own or earlier ones. It
// does not wait for a job of an earlier revision, or for a service of one that finds no place: that may take days.
func (d *Decider) moves(run *Decision) bool {
	if len(d.unsettled) == 0 {
		return false
	}
	by := run.Memory.ChangedBy()
	for key := range d.unsettled {
		if _, waits := d.waits[key]; !waits || by[key] == run.InForce.Hash {
			return true
		}
	}
	return false
}
