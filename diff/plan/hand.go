package plan

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

const (
	guardEnforce     = "enforce"
	guardRepairAfter = "repair-after"
)

// hands reports whether a refusal leaves a change by hand as it is for a time. Nothing of the revision waits for that.
func (r Refusal) hands() bool { return r.Guard == guardRepairAfter }

// undoes reports whether all that a step does is to undo what a hand did.
func (s Step) undoes() bool {
	if s.Op == diff.Create {
		return s.Change.Removed()
	}
	return s.Op == diff.Update && !slices.ContainsFunc(s.Fields, func(fl diff.Field) bool { return fl.Git })
}

// tooEarly leaves a change by hand announced for a while before it is undone, and an adopted object that was removed as it
// is. What another step needs is made for it at once, whoever removed it.
func tooEarly(plan Plan, f Facts, p Policy) []Refusal {
	early := map[int]Refusal{}
	for i, s := range plan.Steps {
		if r, is := hasty(s, f, p); is {
			early[i] = r
		}
	}
	needed := map[v1.Key]bool{}
	need := func(keys []v1.Key) {
		for _, k := range keys {
			needed[k] = true
		}
	}
	for _, r := range plan.Refused { // what only waits for its turn still comes
		if r.Class == Later && !r.Quiet && !r.hands() {
			need(r.needs)
		}
	}
	for changed := true; changed; {
		changed = false
		for i, s := range plan.Steps {
			if _, waits := early[i]; !waits {
				need(s.requires())
			}
		}
		for i := range early {
			if s := plan.Steps[i]; s.Op == diff.Create && needed[s.Key] {
				delete(early, i)
				changed = true
			}
		}
	}
	var out []Refusal
	for i := range plan.Steps {
		if r, waits := early[i]; waits {
			out = append(out, r)
		}
	}
	return out
}

// hasty returns the refusal of a step that would undo what a hand did before its time.
func hasty(s Step, f Facts, p Policy) (Refusal, bool) {
	if !s.undoes() {
		return Refusal{}, false
	}
	if s.Change.Removed() && !enforces(s.Change) {
		why := "it had been adopted"
		if s.Change.Want.Policy.Enforce != nil {
			why = "its manifest says policy.enforce: false"
		}
		r := s.refusal(Never, "removed by hand, and reported only, because %s: policy.enforce: true, or a commit that changes it, makes it again; to let it go, remove its manifest", why)
		r.Guard = guardEnforce
		return r, true
	}
	after := p.RepairAfter
	if s.RollsOut() {
		after = p.RepairRestartsAfter
	}
	since, known := f.DriftSince[s.Key]
	if !known {
		since = f.Now
	}
	until := since.Add(after)
	if !until.After(f.Now) {
		return Refusal{}, false
	}
	var r Refusal
	switch {
	case s.Change.Removed():
		r = s.refusal(Later, "removed by hand; it is made again %s after that was first seen", after)
	case s.RollsOut():
		r = s.refusal(Later, "changed by hand; it is repaired %s after it was first seen, because that restarts its tasks", after)
	default:
		r = s.refusal(Later, "changed by hand; it is repaired %s after it was first seen", after)
	}
	r.Until = until
	return r, true
}
