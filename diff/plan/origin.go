package plan

import (
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Origin says where a step comes from. Code asks for it, and never guesses it from fields, causes or states.
type Origin uint8

// The origins.
const (
	// OriginDiffers means that a manifest and the swarm differ. Step.Change is the difference.
	OriginDiffers Origin = iota
	// OriginAdopts means that an equal object is taken over. Only guards see such a step.
	OriginAdopts
	// OriginMakesRoom means that an object is removed although a manifest asks for it. It is made again when others
	// have what they need of it.
	OriginMakesRoom
	// OriginPromotes means that a node becomes a manager, and OriginDemotes that it becomes a worker. Step.Does says
	// why this node was chosen.
	OriginPromotes
	OriginDemotes
	// OriginLeaves means that a node leaves the swarm or, if the step removes it, the swarm's list of nodes.
	OriginLeaves
	// OriginRecognises means that a node's own engine is asked whether it is this node, because an operator that began to
	// make that engine join did not come to record it. Nothing is written to the node.
	OriginRecognises
	// OriginRotates means that a token, a key or a root is replaced.
	OriginRotates
	// OriginRecords means that the rotation of one of these is recorded, and nothing is replaced.
	OriginRecords
)

// refused is what is remembered of a step that was refused.
type refused struct {
	origin Origin
	// bears is what the refusal means to others, in addition to what refusals of its guard mean.
	bears Bearing
	// needs are the objects that the step requires.
	needs []v1.Key
	// users are the objects that use the one of the step, if the step removes it.
	users []v1.Key
	// first are removals that somebody agreed to, and that go first, so that others make room for the step.
	first []Target
	// rest are the fields of the step that are written all the same. It is empty if the whole step is refused.
	rest []diff.Field
}

// stays reports whether a manifest or the operator asks for the step's object.
func (s Step) stays() bool { return s.Change.Want != nil || s.Origin != OriginDiffers }

// ChangesRole reports whether the step makes a node a manager or a worker.
func (s Step) ChangesRole() bool { return s.Origin == OriginPromotes || s.Demotes() }

// Demotes reports whether the step makes a manager a worker.
func (s Step) Demotes() bool { return s.Origin == OriginDemotes }

// Leaves reports whether the step makes a node leave the swarm.
func (s Step) Leaves() bool { return s.Origin == OriginLeaves && s.Op == diff.Update }

// Recognises reports whether the step asks a node's own engine whether it is this node.
func (s Step) Recognises() bool { return s.Origin == OriginRecognises }

// Rotates reports whether the step replaces something that nodes or people use.
func (s Step) Rotates() bool { return s.Origin == OriginRotates }

// compare orders steps by key, then instance, then operation.
func (s Step) compare(o Step) int {
	return diff.Change{Op: s.Op, Key: s.Key, Instance: s.Instance}.Compare(diff.Change{Op: o.Op, Key: o.Key, Instance: o.Instance})
}
