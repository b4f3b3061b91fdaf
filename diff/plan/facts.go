package plan

import (
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Deadline is how long something may come no further before it counts as stalled, so that nothing else waits for it. The
// wait that a spec allows the swarm comes on top.
const Deadline = 10 * time.Minute

// Overdue reports whether what began, or last came further, at some time has not come further for the Deadline and the
// time that its spec allows on top. A time that is not known is never overdue. A time that lies as far in the future is
// overdue as well: it is by another clock, and to wait for it might never end.
func Overdue(since, now time.Time, spare time.Duration) bool {
	age := now.Sub(since)
	return !since.IsZero() && max(age, -age) >= Deadline+spare
}

// Rollout is the state of a service's last update.
type Rollout struct {
	// State is the engine's state of the update: updating, paused, completed, rollback_started, rollback_paused,
	// rollback_completed, or "".
	State string
	Began time.Time
	// Message is the engine's message.
	Message string
	// TaskError is the error of the newest task that failed.
	TaskError string
	// Left says whether the spec that was rolled back equals the want. It is Unknown if no trace of that spec is
	// left.
	Left Match
}

// RolledBack reports whether the engine has rolled the update back, or began to. The live spec is then not the one
// that was last asked for.
func (r Rollout) RolledBack() bool { return strings.HasPrefix(r.State, "rollback_") }

// Running reports whether tasks are being replaced.
func (r Rollout) Running() bool { return r.State == "updating" || r.State == "rollback_started" }

// Match is the answer to a comparison that may not be possible.
type Match uint8

// The answers.
const (
	Unknown Match = iota
	Matches
	Differs
)

// Lineage is how the revision stands to the source and to the revision in force, as git tells it.
type Lineage struct {
	// OtherSource says why the manifests may be of another source than the one that has the name. It is "" if they are
	// not.
	OtherSource string
	// Rewind is true if the revision is an ancestor of the one in force.
	Rewind bool
	// Rewritten says which commits of the revision in force this revision takes back, although it is neither older
	// nor newer. If they must be known and are not, Rewritten says why. It is "" if there are none.
	Rewritten string
}

// GivenUp is what the source has left alone since somebody said so.
type GivenUp struct {
	// Released are objects that were given up although they have a manifest.
	Released map[v1.Key]bool
	// ReleasedAll is true if the whole source was given up.
	ReleasedAll bool
}

// Facts are what is known besides the differences. The zero value of each field is the careful answer.
type Facts struct {
	Now time.Time
	// APIVersion is the engine's API version, such as 1.41.
	APIVersion string
	// StateLost is true if objects carry our labels, but the operator's memory knows of no revision. Nothing is then
	// removed or rotated.
	StateLost bool
	Lineage
	// Rollouts are the last updates of services, by the key of the service.
	Rollouts map[v1.Key]Rollout
	// Broken are objects that exist and that nothing can use, with the reason.
	Broken map[v1.Key]string
	// Claims are what changes need and other objects have.
	Claims []Claim
	// Begun are the services that this revision has changed and that nobody has seen work yet, with the reason.
	// Nothing is removed until they work. Those that the swarm tried and gave up are in Failing as well. A job works
	// as soon as it has begun.
	Begun map[v1.Key]string
	// Superseded are the removals that earlier revisions have left undone.
	Superseded Superseded
	// Troubles are the steps that failed, by the name of the step.
	Troubles map[string]Trouble
	// Failed are the recorded failures, by object.
	Failed map[v1.Key]Failure
	// NotReady are objects that changed under this revision and are not ready yet, with the reason.
	NotReady map[v1.Key]string
	// Failing are the objects of NotReady that the swarm tried and that keep failing.
	Failing map[v1.Key]bool
	// Settled are objects that were asked for and are ready.
	Settled map[v1.Key]bool
	// DriftSince is when a change by hand to the object was first seen.
	DriftSince map[v1.Key]time.Time
	// Contended are fields that somebody wrote again each time the operator put them back.
	Contended map[v1.Key][]Contention
	// Owned is how many objects the source owned when the revision was first seen.
	Owned int
	// OwnedServices is how many services the source owns now.
	OwnedServices int
	// Shares is true if the manifests name at least one object that the source owns.
	Shares bool
	// Keep says of an object which setting of its last manifest keeps it: prune: false or protect. "" means that none
	// does.
	Keep map[v1.Key]string
	// Placeless are services whose tasks find no place, with the reason. It has only services that something waits
	// for.
	Placeless map[v1.Key]string
	// InTheWay are objects that are to be removed and that keep another object's tasks from finding a place. The
	// value is that other object.
	InTheWay map[v1.Key]v1.Key
	// Problems are the objects that are held because of a problem in their manifest.
	Problems map[v1.Key]Problem
	// Unseen says why it is not known which cluster volumes have a secret. It is "" if that is known, or if the swarm has
	// no such volumes.
	Unseen string
	// Missing has an entry for each external object. The value is true if the object does not exist.
	Missing map[v1.Key]bool
	// Revision is the revision that the wants come from.
	Revision string
	// Paused says why nothing is done until a person confirms. It is "" if nothing is wrong.
	Paused string
	// Holds stop every write to what they name.
	Holds []Hold
	GivenUp
	// Self is the service that the operator itself runs as. It is the zero value if there is no such service.
	Self v1.Key
	// Own is the instance of the node whose engine the operator talks to. It is "" if that is not known.
	Own string
}

// Budgets limit what one revision may do without consent.
type Budgets struct {
	// Removals is how many objects may be removed. It allows at most a quarter of what is owned, but always one. The
	// default is 10.
	Removals int
	// Restarts is how many services may restart their tasks. A tenth of all services may always do so. The default is
	// 10.
	Restarts int
	// Rollouts is how many roll-outs may run at the same time. The default is 5.
	Rollouts int
	// FailedRollouts is how many failed roll-outs of a revision hold the rest of it. The default is 2.
	FailedRollouts int
	// Drains is how many nodes may be emptied at the same time. The default is 1.
	Drains int
}

// DefaultBudgets returns the budgets that are in force if nothing else is set.
func DefaultBudgets() Budgets {
	return Budgets{Removals: 10, Restarts: 10, Rollouts: 5, FailedRollouts: 2, Drains: 1}
}

// Policy has the decisions of people.
type Policy struct {
	Source string
	// RepairAfter is how long a change by hand is only announced before it is undone.
	RepairAfter time.Duration
	// RepairRestartsAfter is the same time for repairs that replace the tasks of a service.
	RepairRestartsAfter time.Duration
	Consents            Consents
	// CommandsOnly is true if commits agree to nothing, so that no reason names a line to add to a commit.
	CommandsOnly bool
	// Files is true if the manifests are the files of a plain directory, so that there is no commit that could agree.
	Files bool
	// Observe is true if the operator only reports what it would do.
	Observe bool
	Budgets Budgets
	// PruneAdopted is true if an adopted object is removed with its manifest, even if the manifest did not say so.
	PruneAdopted bool
	// AskRewritten is true if a revision that takes commits back waits for consent. If false, that is only reported.
	AskRewritten bool
	Engines      Engines
	// OwnOnly has the guardrail that forbids to take an object over that the source did not make, for each object that has
	// one.
	OwnOnly map[v1.Key]string
}

// Engines say which of the engines that only manifests name may be used.
type Engines struct {
	// Insecure is true if join tokens may go to engines that are reached without TLS.
	Insecure bool
	// Sockets are patterns of sockets of the operator's own host.
	Sockets []string
}
