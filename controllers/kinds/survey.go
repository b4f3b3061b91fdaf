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
	// Made is when the swarm made the task, by the clock of its managers. It is zero if the engine does not say.
	Made time.Time
	// Changed is when something of the task changed last, by that clock. Of a task that runs, it is mostly when it began to.
	Changed time.Time
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
	Compared
	Trust
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

// Compared is what differs of the kind's objects.
type Compared struct {
	// States are the kind's live objects that a manifest is about, by id. Changes are those of them that differ.
	States  map[string]*diff.State
	Changes []diff.Change
}

// Trust is what says which nodes are known by more than what they say of themselves.
type Trust struct {
	// Proven is on record, by id.
	Proven map[string]Proof
	// Joining are the hostnames of nodes whose engines an operator was about to make part of the swarm, and that no
	// record has since. An engine that was reached then says which node it is.
	Joining map[string]bool
	// Agreed reports whether somebody agreed to make the node with that id a manager. nil means that nobody agreed to
	// anything.
	Agreed func(id string) bool
	// Placing are the names of labels that the operator's guardrails make services ask for.
	Placing []string
}

// Proof is what a node said of itself when it was proven. If it says anything else, the proof counts no longer.
type Proof struct {
	// Name is its hostname. Says is a digest of the labels of its engine and of its platform.
	Name, Says string
	// By says what proved it, for people.
	By string
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
	// Joined are nodes whose engines the operator reached and made part of the swarm: the hostname by id.
	Joined map[string]string
	Roles  Roles
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
	return Remembered{r.Since.Clone(), cloned(r.Emptied), cloned(r.Managers), cloned(r.Left), cloned(r.Orphans), cloned(r.Joined), r.Roles}
}

func cloned[T any](m map[string]T) map[string]T {
	out := make(map[string]T, len(m))
	maps.Copy(out, m)
	return out
}

// Joins reports whether a step makes a node's engine part of the swarm.
func Joins(s plan.Step) bool { return s.Op == diff.Create && s.Key.Kind == v1.KindNode }

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
	// Proven are the nodes to have on record as proven, by id. nil means that the record stays as it is.
	Proven map[string]Proof
	// Joined are the hostnames among Trust.Joining whose nodes are on record from now on.
	Joined []string
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
