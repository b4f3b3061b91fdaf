package reconciler

import (
	"context"
	"fmt"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// changing are the services whose roll-out begins with the steps of the run because git says so.
func changing(run *Run) []v1.Key {
	var out []v1.Key
	for _, s := range run.Plan.Steps {
		made := s.Op == diff.Create || s.Op == diff.Replace
		if status.HasHealth(s.Key) && (made || s.Op == diff.Update && slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Git })) {
			out = append(out, s.Key)
		}
	}
	return out
}

// blamed puts each failure on the revision that changed the object, which need not be the one in force. Where none is on
// record, none is to blame.
func (r *Run) blamed(failures []plan.Failure) []plan.Failure {
	if len(failures) == 0 {
		return nil
	}
	by := r.memory.ChangedBy()
	for i := range failures {
		if failures[i].Digest != "" {
			failures[i].Revision = by[failures[i].Key]
		}
	}
	return failures
}

// verdicts notes what became of revisions: of the one in force, and of earlier ones whose services failed only now.
func (r *Reconciler) verdicts(run *Run) {
	m := &run.memory
	m.Change(changing(run))
	for _, f := range run.Failures {
		if f.Revision != "" && f.Revision != m.InForce.Hash {
			m.EndLate(f.Revision, fmt.Sprintf("%s: %s", f.Key, f.Why), run.Facts.Now)
		}
	}
	outcome, why := r.outcome(run)
	m.End(outcome, why, run.Facts.Now)
}

// failure is the record of the want that is in force, if that failed. A record of another want only tells an old failure from
// the next.
func (r *Run) failure(key v1.Key) plan.Failure {
	if i := slices.IndexFunc(r.memory.Failed, func(f plan.Failure) bool { return f.Key == key }); i >= 0 && r.wanted(r.memory.Failed[i]) {
		return r.memory.Failed[i]
	}
	return plan.Failure{}
}

// failures are the records of wants that are in force.
func (r *Run) failures() []plan.Failure {
	var out []plan.Failure
	for _, f := range r.memory.Failed {
		if r.wanted(f) {
			out = append(out, f)
		}
	}
	return out
}

func (r *Run) wanted(f plan.Failure) bool {
	w := r.wants[f.Key]
	return w != nil && w.Digest() == f.Digest
}

// outcome is what became of the revision in force, as far as it is known.
func (r *Reconciler) outcome(run *Run) (outcome, why string) {
	if !r.Follow {
		return "", ""
	}
	failed := slices.DeleteFunc(run.failures(), func(f plan.Failure) bool { return f.Revision != run.InForce.Hash })
	return became(failed, run.Plan.Refused, len(run.Plan.Steps) > 0 || run.Plan.Waiting() || r.moves(run))
}

// became is the one rule for what became of a revision: by what of it failed, and what of it is refused. "": it moves.
func became(failed []plan.Failure, refused []plan.Refusal, moves bool) (outcome, why string) {
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

// supersede keeps on record, of what earlier revisions changed, what is not over. Where nobody follows roll-outs nothing is
// known of that, and the record would grow.
func (r *Reconciler) supersede(run *Run) {
	m, failed := &run.memory, map[v1.Key]bool{}
	for _, f := range m.Failed {
		failed[f.Key] = true
	}
	m.Settle(func(key v1.Key) bool {
		_, unsettled := r.unsettled[key]
		return !r.Follow || !unsettled && !failed[key]
	})
}

// moves says whether the verdict on the revision in force has to wait for roll-outs: for those of its own, and for earlier
// ones that go on. One that only waits for a place may do so for days, as may a job, and is another revision's matter.
func (r *Reconciler) moves(run *Run) bool {
	if len(r.unsettled) == 0 {
		return false
	}
	by := run.memory.ChangedBy()
	for key := range r.unsettled {
		if _, waits := r.waits[key]; !waits || by[key] == run.InForce.Hash {
			return true
		}
	}
	return false
}

// Conclude notes what became of the revision, as Wait found it, for history, wait and retry: nobody else may be there to look.
// It writes nothing where there is nothing new, or where somebody else acts, who will see for himself.
func (r *Reconciler) Conclude(ctx context.Context, run *Run, all []Progress) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run.frozen || r.Observe || !run.Usable() {
		return nil
	}
	change := func(m *state.Memory) {
		if m.InForce.Hash != run.InForce.Hash {
			return // a newer one took its place
		}
		var failed []plan.Failure
		for _, p := range all {
			w := run.wants[p.Key]
			if p.Ready() { // what was on record of its tasks is over
				m.Failed = slices.DeleteFunc(slices.Clone(m.Failed), func(f plan.Failure) bool { return f.Key == p.Key && f.Began.IsZero() })
			}
			if !p.Failed() || !p.Own || w == nil { // what an earlier revision changed is no matter of this one
				continue
			}
			next := plan.Failure{Key: p.Key, Digest: w.Digest(), Why: v1.Scrub(p.Why), Began: p.began, Revision: run.InForce.Hash}
			failed = append(failed, next)
			i := slices.IndexFunc(m.Failed, func(f plan.Failure) bool { return f.Key == p.Key })
			if i >= 0 && m.Failed[i].Digest == next.Digest && p.began.IsZero() {
				continue // it is on record, with when it began
			}
			m.Failed = slices.DeleteFunc(slices.Clone(m.Failed), func(f plan.Failure) bool { return f.Key == p.Key })
			m.Failed = append(m.Failed, next)
			slices.SortFunc(m.Failed, func(a, b plan.Failure) int { return a.Key.Compare(b.Key) })
		}
		outcome, why := became(failed, run.Plan.Refused, false)
		m.End(outcome, why, r.Now())
	}
	if after := run.found.Memory; run.found.Sequence > 0 {
		if change(&after); !run.store.Differs(run.found, after) {
			return nil
		}
	}
	taken, err := r.Lease.Take(ctx, run.Source, nil)
	if err != nil || taken.Epoch == 0 {
		return err
	}
	ctx, done := r.Lease.Bind(ctx)
	defer done()
	return run.store.Edit(context.WithoutCancel(ctx), func(found state.Found, m *state.Memory) error {
		if found.Sequence > 0 {
			change(m)
		}
		return nil
	})
}
