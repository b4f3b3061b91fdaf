package kinds

import (
	"maps"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Survey is what Kind.Survey decides by.
type Survey struct {
	Index *Index
	// Expanded are the manifests of the kind, one for each live object that they are about.
	Expanded []Entry
	// Managers is what the Cluster states of managers. It is nil if the Cluster states nothing.
	Managers *v1.Managers
	// States are the kind's live objects that a manifest is about, by id. Changes are those of them that differ.
	States  map[string]*diff.State
	Changes []diff.Change
	// Held reports whether an object is left alone: it is held, suspended, released or another source's.
	Held func(key v1.Key, l *Live) bool
	// Service reads a live service, by its id, into the words of its manifest. It returns nil if there is none.
	Service func(id string) *v1.Service
	// Own is the node whose engine the operator talks to.
	Own string
	Now time.Time
	// RepairAfter is how long a role that was changed by hand is only announced. Zero means that it is put right at
	// once.
	RepairAfter time.Duration
	// Stopped says why no role may change. It is "" if nothing is in the way.
	Stopped string
	// Remembered is what is known from earlier surveys.
	Remembered *Remembered
}

// Remembered is what surveys know from earlier ones.
type Remembered struct {
	Since Since
	// Emptied are drained nodes that were seen to run nothing any more, by id.
	Emptied map[string]bool
	// Managers are the managers at the time when there were as many as were wanted, by id.
	Managers map[string]bool
	// Left are nodes that were made to leave, by id.
	Left map[string]bool
	// Orphans are managers that were made workers while they were down, by id. They do not know of it yet.
	Orphans map[string]bool
	Roles   Roles
}

// Roles is what is known of the managers from run to run.
type Roles struct {
	// Wanted is what manifests say of roles, as text.
	Wanted string
	// Settled reports whether the roles were seen to be as wanted. A role that differs after that was changed by
	// hand. This was first seen at Since.
	Settled bool
	Since   time.Time
}

// Clone returns a copy that does not change with the original.
func (r *Remembered) Clone() Remembered {
	return Remembered{r.Since.Clone(), maps.Clone(r.Emptied), maps.Clone(r.Managers), maps.Clone(r.Left), maps.Clone(r.Orphans), r.Roles}
}

// Surveyed is the result of a survey.
type Surveyed struct {
	// Part is what the survey adds to the plan.
	Part plan.Part
	// Own is the node whose engine the operator talks to. It is "" if that is not known.
	Own string
	// Nodes says how the nodes are. It is nil if that is not known.
	Nodes *Nodes
	// Again is how long it takes until something is due that no event reports. Zero means that nothing is.
	Again time.Duration
	// Did notes what a step did if nothing that is read tells it. nil means that nothing is noted.
	Did func(plan.Step)
	// Notices are for people.
	Notices []string
}

// Nodes says how the nodes are, for reports to people and for what waits for nodes.
type Nodes struct {
	Seen []Sighting
	// Wanted is how many managers manifests ask for, or 0. Members is how many there are, Reachable how many of these
	// are reachable, and Tolerance how many more may be lost. Losses says that in words.
	Wanted, Members, Reachable, Tolerance int
	Losses                                string
	// Rotating is true if the root of the CA is being replaced. Progress says how far that is.
	Rotating bool
	Progress string
	// Demoted is true if the node whose engine the operator talks to is no manager any more, or soon will not be.
	Demoted bool
}

// Sighting is how a node is seen, in the engine's words. Address is where a manager listens for the others. Behind is
// true if the root of the CA is being replaced and the node's certificate is not of the new root yet.
type Sighting struct {
	Name, Role, State, Availability, Version, Address string
	Behind                                            bool
}
