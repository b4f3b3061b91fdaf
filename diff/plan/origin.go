package plan

import (
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Origin says where a step comes from. Code asks for it, and never guesses it from fields, causes or states.
type Origin uint8

// The origins.
const (
	// OriginDiffers: a manifest and the swarm differ. Step.Change is the difference.
	OriginDiffers Origin = iota
	// OriginAdopts: an equal object is taken over. Only guards see such a step.
	OriginAdopts
	// OriginMakesRoom: an object is removed although a manifest asks for it, and made again when others have what they need of it.
	OriginMakesRoom
	// OriginPromotes: a node becomes a manager, and OriginDemotes: a worker. Step.Does says why that one.
	OriginPromotes
	OriginDemotes
	// OriginLeaves: a node leaves the swarm or, if the step removes it, the list of its nodes.
	OriginLeaves
	// OriginRotates: a token, a key or a root is replaced.
	OriginRotates
	// OriginRecords: the rotation of one is put on record, and nothing is replaced.
	OriginRecords
)

// refused is what is remembered of a step that was refused.
type refused struct {
	origin Origin
	// bears is what the refusal means to others beside what those of its guard mean.
	bears Bearing
	// needs are the objects that the step needs to be there.
	needs []v1.Key
}

// stays reports whether a manifest or the operator asks for the object of the step.
func (s Step) stays() bool { return s.Change.Want != nil || s.Origin != OriginDiffers }

// ChangesRole says whether the step makes a node a manager or a worker.
func (s Step) ChangesRole() bool { return s.Origin == OriginPromotes || s.Demotes() }

// Demotes says whether the step makes a manager a worker.
func (s Step) Demotes() bool { return s.Origin == OriginDemotes }

// Leaves says whether the step makes a node leave the swarm.
func (s Step) Leaves() bool { return s.Origin == OriginLeaves && s.Op == diff.Update }

// Rotates says whether the step replaces something that nodes or people use.
func (s Step) Rotates() bool { return s.Origin == OriginRotates }

// compare orders steps by key, then instance, then operation.
func (s Step) compare(o Step) int {
	return diff.Change{Op: s.Op, Key: s.Key, Instance: s.Instance}.Compare(diff.Change{Op: o.Op, Key: o.Key, Instance: o.Instance})
}
