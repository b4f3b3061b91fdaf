package plan

import (
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Bearing is what a refusal means to other steps, and to code that reports the refusal. Code asks a refusal for its
// bearing, and never for the name of its guard. So a new guard needs at most a line in the table below. A kind gives
// its refusals their bearing itself.
type Bearing uint16

const (
	// holds means that the steps that were to come after this one are held with it, even if the object exists.
	holds Bearing = 1 << iota
	// occupied means that in the object's place there is something else, or something that nothing can use.
	occupied
	// hand means that a change by hand stays as it is for a time. Nothing of the revision waits for that.
	hand
	// Aside means that the step is done when it can be. Neither removals nor the operator's own steps wait for it.
	Aside
	// inFlight means that the step only undoes a change by hand, and waits until a roll-out is over.
	inFlight
	// reported means that a change by hand stays as it is, and that nobody has to do anything.
	reported
	// passed means that the object is left alone by somebody's choice, belongs to somebody else, or waits for
	// something from before the revision. Removals of the revision do not wait for it.
	passed
	// chosen means that the manifest or a person leaves the object alone on purpose. If the revision has changed it,
	// removals wait for an agreement, because the object may never come.
	chosen
	// failed means that the want was tried and has failed.
	failed
	// kept means that the object stays because others refer to it. That is no difference.
	kept
	// unmatched means that the manifest matches no node of the swarm.
	unmatched
	// OfRoles means that the refusal is about the roles of nodes.
	OfRoles
	// OfRotation means that the refusal is about a rotation, whose turn comes when others have had theirs.
	OfRotation
	// ofTrouble means that the step failed and will be tried again.
	ofTrouble
	// unsure means that the engine does not tell whether something still refers to the object.
	unsure
)

// bearings has the bearing of each guard that has one. The other guards refuse because of a rule, and what depends on
// the step goes on without it.
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
	guardSuspend:        passed | chosen,
	guardReleased:       passed | chosen,
	guardDropsSettings:  passed,
	guardInUse:          kept,
	guardUnseen:         unsure | Aside, // a filter may deny the list of volumes for good
	guardNoNode:         unmatched,
}

// is reports whether a refusal has one of the bearings.
func (r Refusal) is(b Bearing) bool { return (bearings[r.Guard]|r.of.bears)&b != 0 }

// Is reports whether a refusal has one of the bearings.
func (r Refusal) Is(b Bearing) bool { return r.is(b) }

// Bearing returns the refusal with one more bearing.
func (r Refusal) Bearing(b Bearing) Refusal {
	r.of.bears |= b
	return r
}

// Origin returns the origin of the step that was refused.
func (r Refusal) Origin() Origin { return r.of.origin }

// waits reports whether the refusal ends by itself and counts as a difference.
func (r Refusal) waits() bool { return r.Class == Later && !r.Quiet }

// Reported reports whether a refusal leaves a change by hand as it is, and nobody has to do anything.
func (r Refusal) Reported() bool { return r.is(reported) }

// Contended reports whether somebody writes again and again what the operator puts back.
func (r Refusal) Contended() bool { return r.is(reported) && r.is(hand) }

// NeedsAPerson reports whether somebody has to act before the step can be taken.
func (r Refusal) NeedsAPerson() bool { return r.Class != Later && !r.Quiet && !r.is(reported) }

// Unsure reports whether the object only stays because the engine does not tell whether something refers to it.
func (r Refusal) Unsure() bool { return r.is(unsure) }

// OfFailure reports whether the step is refused because the want was tried and has failed.
func (r Refusal) OfFailure() bool { return r.is(failed) }

// OfRoles reports whether a refusal is about the roles of nodes. Roles change one at a time.
func (r Refusal) OfRoles() bool { return r.is(OfRoles) }

// Unmatched reports whether the manifest matches no node of the swarm.
func (r Refusal) Unmatched() bool { return r.is(unmatched) }

// holdsOthers reports whether the steps that were to come after this one are held with it. That is so if the object
// was to be made, if something else is in its place, or if its own change waits for consent. It is also so if the
// want failed under this very revision, or without a record of what was wanted. A manifest that matches no node holds
// nothing, so that what runs elsewhere goes on.
func (r Refusal) holdsOthers(f Facts) bool {
	if r.Op == diff.Remove || r.Quiet || r.is(unmatched) {
		return false
	}
	return r.Op == diff.Create || r.Class == Consent || r.is(holds) ||
		r.is(failed) && (f.Failed[r.Key].Revision == f.Revision || f.Failed[r.Key].Digest == "")
}

// waitsBeforeRemovals reports whether removals of the revision wait until the refusal ends by itself.
func (r Refusal) waitsBeforeRemovals() bool {
	return r.waits() && r.Op != diff.Remove && !r.is(hand|Aside|inFlight)
}

// holdsRemovals reports whether git makes a service, changes what it runs, or asks for more of its tasks, and somebody
// has to do something first. Until then, what is to be removed may be doing the service's work.
//
// Removals do not wait for an object that the manifest or a person leaves alone on purpose. They do not wait for
// somebody else's object, or for one that failed in an earlier revision. Nor do they wait for a step that only undoes
// a change by hand.
func (r Refusal) holdsRemovals() bool {
	if r.Class == Later || r.Quiet || !v1.RunsTasks(r.Key.Kind) || r.is(passed|hand|Aside) {
		return false
	}
	return r.Op == diff.Create || (r.Op == diff.Update || r.Op == diff.Replace) && begins(r.Fields)
}
