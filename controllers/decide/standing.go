package decide

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// newest identifies the newest memory that this process has seen.
type newest struct {
	sequence uint64
	resumed  time.Time
}

// whyPaused says why nothing may be done until a person has looked: the swarm is not the one that the source's memory
// is about. It returns "" if nothing is wrong.
func (d *Decider) whyPaused(run *Decision, labelled bool) string {
	m, about := run.Found.Memory, run.About
	switch {
	case len(run.Found.Damaged) > 0:
		return run.Found.Damage(run.Source)
	case run.Found.Sequence == 0 && labelled:
		return fmt.Sprintf("objects carry the labels of source %s, and its memory is gone", run.Source)
	case run.Found.Sequence < d.newest.sequence && m.Resumed.Equal(d.newest.resumed):
		return fmt.Sprintf("the memory of source %s is older than the one seen before (%d after %d), as after a restore from a backup", run.Source, run.Found.Sequence, d.newest.sequence)
	case m.Managers >= 3 && about.Managers == 1:
		return fmt.Sprintf("the swarm had %s and has 1, as after --force-new-cluster", v1.Count(m.Managers, "manager"))
	case m.Nodes > about.Nodes && (m.Nodes-about.Nodes)*3 >= m.Nodes:
		return fmt.Sprintf("the swarm had %s and has %d: a third or more is gone", v1.Count(m.Nodes, "node"), about.Nodes)
	}
	if run.Found.Sequence > 0 {
		d.newest = newest{run.Found.Sequence, m.Resumed}
	}
	return ""
}

// rewinds reports whether the revision is older than the one in force. A rewritten history is no rewind.
//
// Git cannot always tell. If this repository lacks the revision in force, an outdated checkout looks the same as a
// rewritten history; a shallow clone may end before it tells; and a repository may be damaged. In these cases a
// revision counts as older if it was in force before, if it is known to lead to one that is or was, or if its date is not
// newer.
//
// A date alone proves nothing, but it does harm only if three things come together. The older revision has the newer
// date, because somebody's clock was wrong. It is not on record, because more than a few dozen commits came after it at
// once. And it is at the tip of a checkout that lags. Even then the operator says that it does not know which one is
// older, and with AskRewritten the revision waits for consent: see Rewrote. A newer revision with an older date waits
// for consent without need, but only until somebody gives it or the next commit comes.
//
// Dates are in whole seconds, and a checkout may lag by less. Of two revisions with the same date, the one that is not in
// force counts as older if both are about the same objects.
func rewinds(run *Decision, shares bool) bool {
	old, next, err := run.Memory.InForce, run.InForce, run.Past.OlderErr
	switch {
	case old.Hash == "" || old.Hash == next.Hash:
		return false
	case err == nil:
		return run.Past.Older
	case errors.Is(err, git.ErrNoHistory):
		return false
	}
	if run.Memory.Passed(next.Hash) || next.When.Before(old.When) || shares && next.When.Equal(old.When) {
		return true
	}
	if !errors.Is(err, git.ErrGone) || run.Past.Taken.Unsaid != nil { // otherwise the rewritten history is reported
		run.Notices = append(run.Notices, fmt.Sprintf("whether %s is older than the revision in force is not known, and by its date it is newer: %v", next.Short(), cmp.Or(run.Past.Taken.Unsaid, err)))
	}
	return false
}

// census notes how many nodes there are. If the plan removes or demotes some, it notes how many there will be.
// Otherwise the instance that takes over would miss them. Numbers that fall without the plan are no reason to write the
// memory. They are written when the memory is written for another reason.
func (d *Decider) census(run *Decision) {
	if !run.Whole { // the numbers are from the last run that read everything
		return
	}
	m, nodes, managers, ours := &run.Memory, run.About.Nodes, run.About.Managers, false
	for _, s := range run.Plan.Steps {
		switch {
		case s.Op == diff.Remove && s.Key.Kind == v1.KindNode:
			nodes, ours = nodes-1, true
		case s.Demotes():
			managers, ours = managers-1, true
		}
	}
	if nodes > m.Nodes || managers > m.Managers || ours || run.differs() {
		m.Nodes, m.Managers = nodes, managers
	}
}

// stillReleased drops a released object from the record once it has neither a manifest nor a label of the source.
func stillReleased(run *Decision) []v1.Key {
	return slices.DeleteFunc(slices.Clone(run.Memory.Released), func(k v1.Key) bool {
		return run.Wanted[k] == nil && !run.IsHeld(k) && !slices.ContainsFunc(run.Haves, func(h *diff.State) bool { return h.Key == k && h.Meta.Mine })
	})
}

// release notes which objects are still released. The source forgets the records of objects that it cannot take back:
// those that are released no more, no longer exist, or belong to another source by now. What could not be listed may exist.
func release(run *Decision) {
	m := &run.Memory
	if len(m.Released) == 0 {
		return
	}
	still := stillReleased(run)
	m.ForgetRecords(func(id string, k v1.Key) bool {
		gone := run.Index.ByID(k.Kind, id) == nil && run.Unlisted[k.Kind] == nil
		return slices.Contains(m.Released, k) && (!slices.Contains(still, k) || gone || run.Others[id] != "")
	})
	m.Released = still
}

// Keys returns the objects that the revision is about: those that it wants, would remove, or has a problem with.
func (r *Decision) Keys() iter.Seq[v1.Key] {
	return func(yield func(v1.Key) bool) {
		for k := range r.Wanted {
			if !yield(k) {
				return
			}
		}
		for _, c := range r.Changes {
			if !yield(c.Key) {
				return
			}
		}
		for k := range r.Held {
			if !yield(k) {
				return
			}
		}
	}
}

// holds returns the holds that are in force. It adds a notice for a hold on a kind that does not exist.
func (d *Decider) holds(run *Decision) []plan.Hold {
	var out []plan.Hold
	for _, h := range run.World.Holds {
		if h.Over(run.At) {
			continue
		}
		target, _, object := strings.Cut(h.Target, "/")
		if key, err := v1.ParseKey(h.Target); object && err == nil {
			i := slices.IndexFunc(d.kinds, func(k kinds.Kind) bool { return strings.EqualFold(k.Name, target) })
			if i < 0 {
				run.Notices = append(run.Notices, fmt.Sprintf("the hold %s is on %s, and %s is no kind", h.Name, h.Target, key.Kind))
			}
		}
		out = append(out, h.Hold)
	}
	return out
}

// Moving returns the kinds whose objects the next run must list, because events do not tell all that it waits for. It
// is nil if there are none.
func (r *Decision) Moving() []string {
	waits := func(s plan.Refusal) bool {
		return s.Class == plan.Later && !s.Quiet && s.Until.IsZero() && (s.Key.Kind == v1.KindNode || s.OfRoles())
	}
	if n := r.Surveyed.Nodes; n != nil && n.Rotating { // no event tells when a rotation of the root is over
		return []string{v1.KindNode, v1.KindCluster}
	}
	if r.Demoted() || slices.ContainsFunc(r.Plan.Refused, waits) || slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool { return s.Key.Kind == v1.KindNode }) {
		return []string{v1.KindNode}
	}
	return nil
}

// Demoted reports whether the node whose engine the operator talks to is no manager any more, or soon will not be. It
// takes a moment until the engine knows that. From then on it reports nothing, not even by events.
func (r *Decision) Demoted() bool { return r.Surveyed.Nodes != nil && r.Surveyed.Nodes.Demoted }

// differs reports whether the memory has to be written.
func (r *Decision) differs() bool { return state.Differs(r.Source, r.Found, r.Memory) }
