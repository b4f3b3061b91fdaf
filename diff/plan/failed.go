package plan

import (
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// failedWant never applies again what the swarm tried and gave up, until git changes it.
func failedWant(s Step, f Facts, _ Policy) []Refusal {
	if s.Op != diff.Update || s.Origin != OriginDiffers {
		return nil
	}
	if failed, why := condemned(s.Change, f); failed {
		return []Refusal{s.Refusal(Never, "this want failed (%s); it is not tried again until git changes it, or somebody asks for it: swarm-operator retry %s", why, s.Key)}
	}
	return nil
}

// condemned says whether the change's want is one that failed.
//
// Automatic and manual rollback bring the whole old spec back, our labels with it, so a live spec that was rolled back
// differs from the want because the want failed, not because somebody changed something.
func condemned(c diff.Change, f Facts) (bool, string) {
	digest, rollout := c.Want.Digest(), f.Rollouts[c.Key]
	recorded, known := f.Failed[c.Key]
	switch {
	case known && recorded.Digest == digest:
		return true, recorded.Why
	case !rollout.RolledBack() || !c.Have.Meta.Mine: // nobody has asked for our want yet
		return false, ""
	case known && !rollout.Began.IsZero() && recorded.Began.Equal(rollout.Began):
		return false, "" // that failure is on record, with another want: this one is new
	case rollout.Left == Differs:
		return false, "" // what was rolled back was something else
	default:
		return true, rollout.Text()
	}
}

const rolledBackBefore = "what was rolled back is not what is wanted"

// Text says how a roll-out failed: the engine's message, and what the newest task that failed said.
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

// NewFailures lists the failures that are not on record yet: wants that were rolled back, and wants in force whose
// roll-out the engine paused or whose tasks keep failing. A roll-back that left what is wanted was of something else, such
// as a spec from before the service was adopted: it is noted with no want, so that it condemns no later one.
// What the engine and tasks said is remembered, where others may read it: passwords in it are hidden.
// changes are all differences; inSync the wants that do not differ.
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
		case r.RolledBack() && !r.Began.IsZero() && !f.Failed[key].Began.Equal(r.Began):
			out = append(out, Failure{Key: key, Why: rolledBackBefore, Began: r.Began})
		}
	}
	slices.SortFunc(out, func(a, b Failure) int { return a.Key.Compare(b.Key) })
	return out
}

// failedRollouts stops a revision whose roll-outs fail before it breaks more. Failures of earlier revisions do not count.
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
			out = append(out, s.Refusal(Never, "%s of this revision failed; the rest waits for a fix", v1.Count(failed, "roll-out")))
		}
	}
	return out
}
