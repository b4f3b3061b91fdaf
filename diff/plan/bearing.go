package plan

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Bearing is what a refusal means to other steps, and to whoever reports it. Code asks a refusal for its bearing, and never for
// the name of its guard. So a new guard needs at most a line in the table below; what a kind refuses it bears itself.
type Bearing uint16

const (
	// holds: what was to come after the step is held with it, though the object is there.
	holds Bearing = 1 << iota
	// occupied: where the object would be there is something that is not it, or that nothing can use.
	occupied
	// hand: a change by hand stays as it is for a time, and nothing of the revision waits for that.
	hand
	// Aside: the step is done when it can be, and neither removals nor the operator's own steps wait for it.
	Aside
	// inFlight: it only undoes a change by hand, and a roll-out is over first.
	inFlight
	// reported: a change by hand stays as it is, and nobody has to do anything.
	reported
	// passed: the object is left alone by somebody's choice, is somebody else's, or waits for something from before the
	// revision: what the revision removes does not wait for it.
	passed
	// failed: what is wanted was tried and has failed.
	failed
	// byName: agreement to it has to name the object.
	byName
	// kept: the object stays because others refer to it. That is no difference.
	kept
	// unmatched: the swarm has no node that the manifest is about.
	unmatched
	// OfRoles: it is about the roles of nodes.
	OfRoles
	// OfRotation: it is about a rotation that has its turn when others have had theirs.
	OfRotation
	// ofTrouble: the step failed, and has another try.
	ofTrouble
)

// bearings of the guards. Those that are not here refuse by a rule, and what depends on the step goes on without it.
var bearings = map[string]Bearing{
	guardOwnership:      holds | occupied | passed,
	guardBroken:         holds | occupied,
	guardFailedRollouts: holds,
	GuardDependsOn:      holds,
	guardBackOff:        holds | ofTrouble,
	guardRoom:           holds,
	guardFailedWant:     failed | passed,
	guardRepairAfter:    hand,
	guardContended:      hand | reported,
	guardEnforce:        reported | passed,
	guardIntent:         reported,
	guardInFlight:       inFlight,
	guardSelf:           Aside,
	guardSuspend:        passed,
	guardReleased:       passed,
	guardDropsSettings:  passed,
	guardPrune:          byName,
	guardInUse:          kept,
	guardNoNode:         unmatched,
}

// is reports whether a refusal has one of the bearings.
func (r Refusal) is(b Bearing) bool { return (bearings[r.Guard]|r.of.bears)&b != 0 }

// Is reports whether a refusal has one of the bearings.
func (r Refusal) Is(b Bearing) bool { return r.is(b) }

// Bearing is the refusal with a bearing of its own.
func (r Refusal) Bearing(b Bearing) Refusal {
	r.of.bears |= b
	return r
}

// Origin is that of the step that was refused.
func (r Refusal) Origin() Origin { return r.of.origin }

// waits reports whether the refusal ends by itself, and counts as a difference.
func (r Refusal) waits() bool { return r.Class == Later && !r.Quiet }

// Reported reports whether a refusal leaves a change by hand as it is, and nobody has to do anything.
func (r Refusal) Reported() bool { return r.is(reported) }

// Contended reports whether somebody writes again and again what is put back.
func (r Refusal) Contended() bool { return r.is(reported) && r.is(hand) }

// NeedsAPerson reports whether somebody has to do something before what is refused comes.
func (r Refusal) NeedsAPerson() bool { return r.Class != Later && !r.Quiet && !r.is(reported) }

// OfRoles reports whether a refusal is about the roles of nodes, of which one changes at a time.
func (r Refusal) OfRoles() bool { return r.is(OfRoles) }

// Unmatched reports whether the swarm has no node that the manifest is about.
func (r Refusal) Unmatched() bool { return r.is(unmatched) }

// holdsOthers reports whether what was to come after the step is held with it: where something was to be made, something
// else is in its place, it failed under this very revision, or its own change still waits for a person's word. A manifest that
// no node matches holds nothing: what ran beside that host goes on.
func (r Refusal) holdsOthers(f Facts) bool {
	if r.Op == diff.Remove || r.Quiet || r.is(unmatched) {
		return false
	}
	return r.Op == diff.Create || r.Class == Consent || r.is(holds) ||
		r.is(failed) && (f.Failed[r.Key].Revision == f.Revision || f.Failed[r.Key].Digest == "")
}

// waitsBeforeRemovals reports whether removals of the revision wait until the refusal has ended by itself.
func (r Refusal) waitsBeforeRemovals() bool {
	return r.waits() && r.Op != diff.Remove && !r.is(hand|Aside|inFlight)
}

// holdsRemovals reports whether git makes a service, or changes what it runs, and somebody has to do something first. What is
// removed may be what does its work until then. What the manifest or a person leaves alone on purpose, what is somebody else's
// and what failed in an earlier revision holds nothing, and nor does what only undoes a change by hand.
func (r Refusal) holdsRemovals() bool {
	if r.Class == Later || r.Quiet || !v1.RunsTasks(r.Key.Kind) || r.is(passed|hand|Aside) {
		return false
	}
	git := slices.ContainsFunc(r.Fields, func(fl diff.Field) bool { return fl.Git && fl.Effect >= diff.RestartsTasks })
	return r.Op == diff.Create || (r.Op == diff.Update || r.Op == diff.Replace) && git
}
