package decide

import (
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// Past is what git says about the revision that a run goes by, and about the one that was in force before it. The
// zero value means that they are the same revision.
type Past struct {
	// Commits are the commits since the revision in force. If git cannot list them, it is only the revision that the
	// run goes by.
	Commits []git.Commit
	// Older reports whether the revision is an ancestor of the one in force. OlderErr says why that is not known. It
	// is nil if it is known.
	Older    bool
	OlderErr error
	// Taken is what the revision takes back of the one in force. TakenErr says why that is not known. It is nil if it
	// is known.
	Taken    Compared
	TakenErr error
}

// Compared is the result of comparing the histories of two revisions. Neither history changes, so one comparison is
// enough.
type Compared struct {
	Old, Next string
	Rewrote   *state.Rewrite
	// Unsaid says why the histories cannot be compared, now or later: they are cut off, or there are none. It is nil
	// if they can be compared.
	Unsaid error
}

// Before is what the revision in force asked for. The zero value means that nobody knows. A difference then counts as
// made by git.
type Before struct {
	States []diff.State
	// Withheld are the objects that a problem of their manifest held, with the reason.
	Withheld map[v1.Key]string
}

// index returns a function that finds the want of an object. The want is nil if the object had no manifest, or if
// nobody knows. held reports whether a problem of the manifest held the object.
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

// Needs are the questions to ask the engine before anything is decided about the differences.
type Needs struct {
	Traces []Trace
	// Lives are the objects whose health matters, by kind, in the order of their names.
	Lives map[string][]*kinds.Live
	waits waits
}

// Trace is a roll-out that was undone, and of which the engine keeps no record that says what was undone. Its tasks
// may still tell.
type Trace struct {
	Kind    *kinds.Kind
	Live    *kinds.Live
	Want    *diff.State
	Rollout plan.Rollout
}

// Answers are the engine's answers to Needs.
type Answers struct {
	// Rollouts are the roll-outs of Needs.Traces, completed by what their failed tasks tell.
	Rollouts map[v1.Key]plan.Rollout
	// Healths are the healths of Needs.Lives, by kind and live name. Unread says why the healths of a kind are not
	// known.
	Healths map[string]map[string]kinds.Health
	Unread  map[string]error
	// Surveyed is what the survey of the nodes found.
	Surveyed kinds.Surveyed
	// Rotating is what is due to be replaced by epoch or by age, and when each thing was last replaced.
	Rotating kinds.Rotating
}

// AskedBy returns what a revision asks for, by its manifests that no problem holds, and by those that one holds.
func (d *Decider) AskedBy(run *Decision, entries []kinds.Entry, held map[v1.Key]string) Before {
	return Before{States: kinds.Expand(d.kinds, entries, run.Index, run.Ours(), nil).States, Withheld: held}
}
