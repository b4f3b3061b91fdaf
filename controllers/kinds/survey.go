package kinds

import (
	"maps"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Survey is what Kind.Survey goes by.
type Survey struct {
	Index *Index
	// Expanded are the manifests of the kind, for each live object that they are about.
	Expanded []Entry
	// Managers as the Cluster states them; nil: it does not.
	Managers *v1.Managers
	// States are the kind's live objects that a manifest is about, by id; Changes those of them that differ.
	States  map[string]*diff.State
	Changes []diff.Change
	// Held says what is left alone: held, suspended, released or another source's.
	Held func(key v1.Key, l *Live) bool
	// Service reads a live service, by its id, into the words of its manifest; nil: there is none.
	Service func(id string) *v1.Service
	// Own is the node whose engine is talked to.
	Own string
	Now time.Time
	// RepairAfter is how long a role that a hand changed is only announced; zero: it is put right at once.
	RepairAfter time.Duration
	// Stopped says why no role may change; "": nothing is in the way.
	Stopped string
	// Remembered is what is known from the surveys before.
	Remembered *Remembered
}

// Remembered is what surveys know from those before them.
type Remembered struct {
	Since Since
	// Emptied are drained nodes that were seen to run nothing any more, by id.
	Emptied map[string]bool
	// Managers are those that there were when there were as many as were wanted, by id.
	Managers map[string]bool
	// Left are nodes that were made to leave, by id.
	Left map[string]bool
	// Orphans are managers that were made workers while they were down, by id: they have not heard of it.
	Orphans map[string]bool
	Roles   Roles
}

// Roles is what is known of the managers from run to run.
type Roles struct {
	// Wanted is what manifests say of roles, as text.
	Wanted string
	// Settled reports whether it was seen to be so. What differs after that is a hand's doing, and was first seen at Since.
	Settled bool
	Since   time.Time
}

// Clone is a copy that does not change with the other.
func (r *Remembered) Clone() Remembered {
	return Remembered{r.Since.Clone(), maps.Clone(r.Emptied), maps.Clone(r.Managers), maps.Clone(r.Left), maps.Clone(r.Orphans), r.Roles}
}

// Surveyed is what a survey found.
type Surveyed struct {
	// Part is what that brings to the plan.
	Part plan.Part
	// Own is the node whose engine is talked to; "" if it is not known.
	Own string
	// Nodes is how the nodes are; nil if it is not known.
	Nodes *Nodes
	// Again is when something is due that nobody tells of. Zero: nothing is.
	Again time.Duration
	// Did notes what a step did, as far as nothing that is read tells it. Nil: nothing is noted.
	Did func(plan.Step)
	// Notices are for people.
	Notices []string
}

// Nodes is how the nodes are, for those who tell people and for what waits for nodes.
type Nodes struct {
	Seen []Sighting
	// Wanted is how many managers manifests ask for, or 0. Of the Members so many are Reachable, and so many more may be lost;
	// Losses says that in words.
	Wanted, Members, Reachable, Tolerance int
	Losses                                string
	// Rotating: the root of the CA is being replaced, and Progress says how far that is.
	Rotating bool
	Progress string
	// Demoted: the node whose engine is talked to is no manager any more, or soon will not be.
	Demoted bool
}

// Sighting is how a node is seen, in the engine's words. Address is where a manager listens for the others. Behind: the root
// of the CA is being replaced, and its certificate is not of the new one yet.
type Sighting struct {
	Name, Role, State, Availability, Version, Address string
	Behind                                            bool
}
