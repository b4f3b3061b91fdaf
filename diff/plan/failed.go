package plan

import (
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// failedWant refuses a want that the swarm tried and gave up, until git changes it or somebody asks for a retry.
func failedWant(s Step, f Facts, _ Policy) []Refusal {
	if s.Op != diff.Update || s.Origin != OriginDiffers {
		return nil
	}
	if failed, why := condemned(s.Change, f); failed {
		return []Refusal{s.Refusal(Never, "the swarm tried this spec and gave up (%s); the operator does not try it again until git changes it, or you run: swarm-operator retry %s", why, s.Key)}
	}
	return nil
}

// condemned reports whether the change's want is one that failed, and why it failed.
//
// An automatic or manual rollback brings back the whole old spec, including our labels. So a live spec that was
// rolled back differs from the want because the want failed, not because somebody changed something.
func condemned(c diff.Change, f Facts) (bool, string) {
	digest, rollout := c.Want.Digest(), f.Rollouts[c.Key]
	recorded, known := f.Failed[c.Key]
	switch {
	case known && recorded.Digest == digest:
		return true, recorded.Why
	case !rollout.RolledBack() || !c.Have.Meta.Mine: // nobody has asked for our want yet
		return false, ""
	case known && !rollout.Began.IsZero() && recorded.Began.Equal(rollout.Began):
		return false, "" // that failure is on record with another want, so this want is new
	case rollout.Left == Differs:
		return false, "" // something else was rolled back
	default:
		return true, rollout.Text()
	}
}

const rolledBackBefore = "what was rolled back is not what is wanted"

// Before returns the record of a roll-back from before the source had the object: it condemns no want. is is false if
// the last update is no such roll-back.
func (r Rollout) Before(key v1.Key) (f Failure, is bool) {
	return Failure{Key: key, Why: rolledBackBefore, Began: r.Began}, r.RolledBack() && !r.Began.IsZero()
}

// Text says how a roll-out failed. It has the engine's message and the error of the newest task that failed.
func (r Rollout) Text() string {
	text := "paused"
	if r.RolledBack() {
		text = "rolled back"
	}
	if r.Message != "" {
		text += ": " + r.Message
	}
	if r.TaskError != "" {
		text += "; a task said: " + r.TaskError
	}
	return text
}

// NewFailures returns the failures that are not on record yet. They are wants that were rolled back, and wants in
// force whose roll-out the engine paused or whose tasks keep failing. changes are all differences; inSync are the
// wants that do not differ.
//
// If a roll-back left what is wanted, something else was rolled back, such as a spec from before the service was
// adopted. That failure is recorded without a want, so that it condemns no later want.
//
// The messages of the engine and the tasks are remembered where others may read them, so passwords in them are
// hidden.
func NewFailures(changes []diff.Change, inSync map[v1.Key]*diff.State, f Facts) []Failure {
	var out []Failure
	record := func(key v1.Key, w *diff.State, began time.Time, why string) {
		next := Failure{Key: key, Digest: w.Digest(), Why: v1.Scrub(why), Began: began, Revision: f.Revision}
		if old, known := f.Failed[key]; !known || old.Digest != next.Digest {
			out = append(out, next)
		}
	}
	for _, c := range changes {
		if c.Op == diff.Update && c.Have.Meta.Mine {
			if failed, why := condemned(c, f); failed {
				record(c.Key, c.Want, f.Rollouts[c.Key].Began, why)
			}
		}
	}
	for key, w := range inSync {
		switch r := f.Rollouts[key]; {
		case r.State == "paused":
			record(key, w, r.Began, r.Text())
		case f.Failing[key] && !r.RolledBack():
			record(key, w, time.Time{}, f.NotReady[key])
		default:
			if before, is := r.Before(key); is && !f.Failed[key].Began.Equal(r.Began) {
				out = append(out, before)
			}
		}
	}
	slices.SortFunc(out, func(a, b Failure) int { return a.Key.Compare(b.Key) })
	return out
}

// failedRollouts stops a revision whose roll-outs fail, before it breaks more. Failures of earlier revisions do not
// count.
func failedRollouts(plan Plan, f Facts, p Policy) []Refusal {
	failed := 0
	for _, r := range f.Failed {
		if r.Revision == f.Revision {
			failed++
		}
	}
	if failed < p.Budgets.FailedRollouts {
		return nil
	}
	var out []Refusal
	for _, s := range plan.Steps {
		if s.RollsOut() {
			out = append(out, s.Refusal(Never, "%s of this revision failed, so the operator begins no more of them; mend in git what failed", v1.Count(failed, "roll-out")))
		}
	}
	return out
}
