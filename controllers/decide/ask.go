package decide

import (
	"slices"

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
	// Origin is where the history of the revision begins, or the commit of the source that it met. It is nil if
	// nobody had to ask: see AsksOrigin. OriginErr says why it is not known, or is nil.
	Origin    *git.Origin
	OriginErr error
	// First is where the source begins, to be remembered. It is nil if that is on record, or not known.
	First *git.Origin
}

// Follows reports whether the revision is known to descend from the one in force.
func (p Past) Follows() bool {
	return p.OlderErr == nil && !p.Older && p.TakenErr == nil && p.Taken.Unsaid == nil && p.Taken.Rewrote == nil
}

// AsksOrigin reports whether it has to be known where the history of a revision begins, in order to tell whether the
// revision is of the source. A revision that descends from the one in force is, and so is one that leads to it.
func (p Past) AsksOrigin(m state.Memory, revision string) bool {
	if !m.Origin.Known() || revision == m.InForce.Hash {
		return false
	}
	return m.InForce.Hash == "" || !p.Follows() && (p.OlderErr != nil || !p.Older)
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
	States []*diff.State
	// Withheld are the objects that a problem of their manifest held, with the reason.
	Withheld map[v1.Key]string
}

// index returns a function that finds the want of an object. The want is nil if the object had no manifest, or if
// nobody knows. held reports whether a problem of the manifest held the object.
func (b Before) index(d *Decider) wantsBefore {
	var wants map[v1.Key]*diff.State // most runs ask for none
	_, hides := d.standsFor(b.Withheld)
	return func(key v1.Key) (want *diff.State, held bool) {
		if wants == nil {
			wants = make(map[v1.Key]*diff.State, len(b.States))
			for _, w := range b.States {
				wants[w.Key] = w
			}
		}
		want = wants[key]
		return want, b.Withheld[key] != "" || hides && want == nil && !v1.OfNodes(key.Kind)
	}
}

type wantsBefore func(v1.Key) (want *diff.State, held bool)

// Needs are the questions to ask before anything is decided about the differences. All but Files are for the engine.
type Needs struct {
	Traces []Trace
	// Lives are the objects whose health matters, by kind, in the order of their names.
	Lives map[string][]*kinds.Live
	// Tasks are the tasks that matter because of the nodes that they run on.
	Tasks kinds.TaskNeed
	// Files are files that the operator's configuration defines and whose content matters, by the names that a kind gives
	// them.
	Files []string

	waits     waits
	surveying surveying
	rotating  rotating
}

// More reports whether there are tasks or files to ask for.
func (n Needs) More() bool { return n.Tasks.Any() || len(n.Files) > 0 }

// Then returns the tasks and files that matter because of the answers so far. Ask for these, add the answers, and call
// it again on what it returned, as long as there are More. That comes to an end, even if nobody answers.
func (n Needs) Then(a Answers) Needs {
	out := Needs{surveying: n.surveying, rotating: n.rotating}
	if n.Tasks.Any() {
		out.Tasks = n.surveying.asks(n.Tasks, a.Tasks)
	}
	if len(n.Files) > 0 {
		out.Files = n.rotating.asks(n.Files, a.Files)
	}
	return out
}

// Trace is a roll-out that was undone, and of which the engine keeps no record that says what was undone. Its tasks
// may still tell.
type Trace struct {
	Kind    *kinds.Kind
	Live    *kinds.Live
	Want    *diff.State
	Rollout plan.Rollout
}

// Answers are the answers to Needs. What is not among them is not known.
type Answers struct {
	// Rollouts are the roll-outs of Needs.Traces, completed by what their failed tasks tell.
	Rollouts map[v1.Key]plan.Rollout
	// Healths are the healths of Needs.Lives, by kind and live name. Unread says why the healths of a kind are not
	// known.
	Healths map[string]map[string]kinds.Health
	Unread  map[string]error
	// Tasks are the answers to Needs.Tasks, one for each time that tasks were asked for.
	Tasks []kinds.TaskAnswer
	// Files are the files of Needs.Files, by name.
	Files map[string]kinds.File
}

// AskedBy returns what a revision asks for of the objects that Compare asks about, by its manifests that no problem holds,
// and by those that one holds. Those are few, unless somebody removed much by hand.
func (d *Decider) AskedBy(run *Decision, entries []kinds.Entry, held map[v1.Key]string) Before {
	about, nodes := map[v1.Key]bool{}, false
	ask := func(key v1.Key) { about[key], nodes = true, nodes || v1.OfNodes(key.Kind) }
	for key := range d.missing(run) {
		ask(key)
	}
	for _, h := range run.Haves {
		if d.silent(h) || run.unrecognised(h) {
			ask(h.Key)
		}
	}
	for _, e := range entries {
		if about[e.Object.Key()] {
			for _, r := range e.Object.Refs() { // a want names the versions of what it refers to
				ask(r.Key)
			}
		}
	}
	entries = slices.DeleteFunc(slices.Clone(entries), func(e kinds.Entry) bool {
		key := e.Object.Key()
		return !about[key] && (!nodes || !v1.OfNodes(key.Kind)) // manifests about nodes decide together
	})
	return Before{States: kinds.Expand(d.kinds, entries, run.Index, run.Ours(), nil).States, Withheld: held}
}
