package decide

import (
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// Past is what git says of the revision that a run goes by, and of the one that was in force before it. The zero value says
// that they are the same revision.
type Past struct {
	// Commits are those since the revision in force. If git cannot say that, it is the newest alone.
	Commits []git.Commit
	// Older reports whether the revision is an ancestor of the one in force. OlderErr is why that is not known.
	Older    bool
	OlderErr error
	// Taken is what the revision takes back of the one in force. TakenErr is why that is not known.
	Taken    Compared
	TakenErr error
}

// Compared is what the histories of two revisions say of each other. Neither changes, so that it is found out once.
type Compared struct {
	Old, Next string
	Rewrote   *state.Rewrite
	// Unsaid is why the histories do not say it, and never will: they are cut off, or there are none.
	Unsaid error
}

// Before is what the revision in force asked for. The zero value says that nobody knows: what differs is then git's doing.
type Before struct {
	States []diff.State
	// Withheld are the objects that a problem of their manifest held.
	Withheld map[v1.Key]string
}

// index returns a function that finds the want of an object, which is nil if its manifest was not there, or nobody knows.
// held reports whether a problem of the manifest held it.
func (b Before) index() wantsBefore {
	var wants map[v1.Key]*diff.State // most runs ask for none
	return func(key v1.Key) (want *diff.State, held bool) {
		if wants == nil {
			wants = make(map[v1.Key]*diff.State, len(b.States))
			for i := range b.States {
				wants[b.States[i].Key] = &b.States[i]
			}
		}
		return wants[key], b.Withheld[key] != ""
	}
}

type wantsBefore func(v1.Key) (want *diff.State, held bool)

// Needs are what has to be asked of the engine before something is decided about what differs.
type Needs struct {
	Traces []Trace
	// Lives are the objects whose health matters, by kind, in the order of their names.
	Lives map[string][]*kinds.Live
	waits waits
}

// Trace is a roll-out that was undone, and of which nothing is left that says what: its tasks may.
type Trace struct {
	Kind    *kinds.Kind
	Live    *kinds.Live
	Want    *diff.State
	Rollout plan.Rollout
}

// Answers are what was asked of the engine for what differs.
type Answers struct {
	// Rollouts are those of Needs.Traces, with what the tasks that failed tell of them.
	Rollouts map[v1.Key]plan.Rollout
	// Healths are those of Needs.Lives by kind and live name. Unread is why those of a kind are not known.
	Healths map[string]map[string]kinds.Health
	Unread  map[string]error
	// Surveyed is what was found of the nodes.
	Surveyed kinds.Surveyed
	// Rotating is what the Cluster states and has on record of rotations, with the root that files have.
	Rotating kinds.Rotating
}
