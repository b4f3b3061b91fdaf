package decide

import (
	"slices"
	"time"

	"github.com/swarm-operator/swarm-operator/diff/plan"
)

const (
	// awaiting is how often to look at objects with which the swarm has still something to do. No event tells of that.
	awaiting = 10 * time.Second
	// relist is how often to look for cluster volumes that could not be listed and that may have a secret. That is seldom,
	// because a filter may deny the list for good. relistGone is the same for a secret whose manifest is gone: somebody
	// waits until it goes as well.
	relist     = 5 * time.Minute
	relistGone = time.Minute
)

// ComeBack returns how long until something may have changed that no event tells of. It returns 0 if nothing will.
func (d *Decider) ComeBack(run *Decision) time.Duration {
	var after time.Duration
	sooner := func(in time.Duration) {
		if in = max(in, 10*time.Millisecond); after == 0 || in < after {
			after = in
		}
	}
	if again := d.LookAgain(run.Facts.Now); again > 0 {
		sooner(again)
	}
	if run.Demoted() {
		sooner(Poll)
	}
	if len(run.Awaited) > 0 {
		sooner(awaiting)
	}
	if slices.ContainsFunc(run.Plan.Refused, plan.Refusal.Unsure) {
		sooner(relist)
	}
	if d.Observe {
		return after
	}
	for _, h := range run.Facts.Holds {
		if !h.Until.IsZero() {
			sooner(h.Until.Sub(run.Facts.Now))
		}
	}
	if again := run.Surveyed.Again; again > 0 {
		sooner(again)
	}
	for _, t := range run.Facts.Troubles {
		if left := t.Until.Sub(run.Facts.Now); left > 0 {
			sooner(left)
		}
	}
	if again := run.Rotating.Again; again > 0 {
		sooner(again)
	}
	for _, r := range run.Plan.Refused {
		switch {
		case r.Class != plan.Later || r.Quiet:
		case r.Unsure():
			sooner(relistGone)
		case !r.Until.IsZero():
			sooner(r.Until.Sub(run.Facts.Now))
		default:
			sooner(Poll)
		}
	}
	return after
}
