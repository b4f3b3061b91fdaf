package kinds

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Surveyor says what the objects of a kind mean for the swarm as a whole. All of it is pure, except Tasks.
type Surveyor struct {
	// Asks returns the tasks that Survey has to know and that no answer tells yet. They may depend on the answers so
	// far. It returns the zero value if nothing is missing.
	Asks func(Survey, []TaskAnswer) TaskNeed
	// Tasks asks the engine for tasks, with one call.
	Tasks func(context.Context, *engine.Client, TaskNeed) ([]Task, error)
	// Survey makes the survey. If tasks that it has to know are unknown, no step on the kind's objects is allowed.
	Survey func(Survey, []TaskAnswer) Surveyed
	// Did returns what is remembered after a step was carried out.
	Did func(Remembered, plan.Step) Remembered
}

// TaskNeed asks for tasks: those of nodes or those of services, by id and in the order of the ids. The zero value
// asks for nothing.
type TaskNeed struct{ Nodes, Services []string }

// Any reports whether something is asked for.
func (n TaskNeed) Any() bool { return len(n.Nodes)+len(n.Services) > 0 }

// Equal reports whether two needs ask for the same tasks.
func (n TaskNeed) Equal(o TaskNeed) bool {
	return slices.Equal(n.Nodes, o.Nodes) && slices.Equal(n.Services, o.Services)
}

// TaskAnswer is the answer to a TaskNeed. Err says why the tasks are not known. It is nil if they are known.
type TaskAnswer struct {
	TaskNeed
	Tasks []Task
	Err   error
}

// Answered returns the tasks that a need asks for, from the answer to exactly that need. It fails if they are not
// known. asked is false if there is no such answer.
func (n TaskNeed) Answered(answers []TaskAnswer) (tasks []Task, asked bool, err error) {
	for _, a := range answers {
		if a.Equal(n) {
			return a.Tasks, true, a.Err
		}
	}
	return nil, false, errors.New("nobody asked which tasks there are")
}

// Task is a task, in the engine's words.
type Task struct {
	ID string
	// Service and Node are ids. Node is "" if the task has no node yet.
	Service, Node string
	// Slot is the task's number in its service. It is 0 for a task of a global service.
	Slot           int
	State, Desired string
	// Err is the engine's error message. It is "" if the engine has none.
	Err string
	// Volumes are volumes of the node that have data of the task.
	Volumes []string
}

// Survey is what a survey decides by, besides the answers to what it asks.
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
	// Remembered is what is known from earlier surveys. A survey changes nothing of it.
	Remembered Remembered
}

// Remembered is what surveys know from earlier ones. The zero value means that there was none.
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

// Clone returns a copy that does not change with the original. All its maps can be written to.
func (r *Remembered) Clone() Remembered {
	return Remembered{r.Since.Clone(), cloned(r.Emptied), cloned(r.Managers), cloned(r.Left), cloned(r.Orphans), r.Roles}
}

func cloned(m map[string]bool) map[string]bool {
	out := make(map[string]bool, len(m))
	maps.Copy(out, m)
	return out
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
	// Notices are for people.
	Notices []string
	// Remembered is what the next survey has to know.
	Remembered Remembered
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
