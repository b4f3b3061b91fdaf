// Package report puts the status together: from what runs found and decided, and from the health of the objects now. It
// has no words of its own for that: package status has them.
package report

import (
	"maps"
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Found returns what a run found, for its report. Only the goroutine of the run may call it: it looks at wants, which
// work out on demand what was not kept of them. It reuses parts of before that are equal. hidden is since when writes
// hide how roll-outs go on.
func Found(run *decide.Decision, before status.Found, hidden map[v1.Key]time.Time) status.Found {
	f := status.Found{
		Source: run.Source, Revision: run.Attempted.Hash, Applied: run.InForce.Hash, Remembered: run.Memory.InForce.Hash, Problems: run.Problems,
		Notices: status.Notices(run.Notices), Ran: true, Usable: run.Usable(), History: Revisions(run.Memory.History),
	}
	if !f.Usable {
		return f
	}
	f.Changes, f.Plan, f.DriftSince, f.Held = run.Changes, run.Plan, run.Facts.DriftSince, run.Held
	f.Failed, f.Hidden = run.FailedWants(), maps.Clone(hidden)
	f.Wants = WantsOf(run.Wants.States, before.Wants)
	f.Away = away(run.Surveyed.Nodes)
	for key, missing := range run.Wants.Missing {
		if missing {
			f.Missing = append(f.Missing, key)
		}
	}
	return f
}

// away returns the nodes that are not ready, with what each of them is. It is nil if all are ready, or if nobody
// knows.
func away(nodes *kinds.Nodes) map[v1.Key]string {
	if nodes == nil {
		return nil
	}
	var out map[v1.Key]string
	for _, n := range nodes.Seen {
		if n.State == "ready" {
			continue
		}
		if out == nil {
			out = map[v1.Key]string{}
		}
		out[v1.Key{Kind: v1.KindNode, Name: n.Name}] = "the node is " + n.State
	}
	return out
}

// Revisions returns the revisions of a memory, the newest first.
func Revisions(history []state.Entry) []status.Revision {
	var out []status.Revision
	for _, e := range slices.Backward(history) {
		out = append(out, RevisionOf(e))
	}
	return out
}

// RevisionOf returns an entry in a form that may be shown. Why also says which commits the revision took back.
func RevisionOf(e state.Entry) status.Revision {
	why := e.Why
	if e.Rewrote != nil {
		if why != "" {
			why += "; "
		}
		why += e.Rewrote.Text(e.Hash)
	}
	return status.Revision{Hash: e.Hash, When: e.When, Since: e.Since, Outcome: e.Outcome, Why: v1.Scrub(why), At: e.At}
}

// WantsOf names what is wanted. It returns before if that is equal, as it is in most runs.
func WantsOf(states []*diff.State, before []status.Wanted) []status.Wanted {
	if slices.EqualFunc(before, states, func(w status.Wanted, s *diff.State) bool { return w == wantedOf(s) }) {
		return before
	}
	out := make([]status.Wanted, len(states))
	for i, s := range states {
		out[i] = wantedOf(s)
	}
	return out
}

func wantedOf(s *diff.State) status.Wanted {
	return status.Wanted{Key: s.Key, Instance: s.Instance, Suspended: s.Policy.Suspend}
}

// ofInterest returns the objects whose health is of interest: those that are wanted, and those that exist without a
// manifest or are held.
func ofInterest(f *status.Found) []status.Wanted {
	out := f.Wants
	for _, c := range f.Changes {
		if c.Op == diff.Remove && status.HasHealth(c.Key) {
			out = append(slices.Clip(out), status.Wanted{Key: c.Key, Instance: c.Instance})
		}
	}
	for key, p := range f.Held {
		if p.Present && status.HasHealth(key) {
			out = append(slices.Clip(out), status.Wanted{Key: key, Instance: p.Instance})
		}
	}
	return out
}

// nodesOf returns how the nodes are, in the form that the board shows.
func nodesOf(n *kinds.Nodes) status.Nodes {
	out := status.Nodes{Wanted: n.Wanted, Members: n.Members, Reachable: n.Reachable, Tolerance: n.Tolerance, Losses: n.Losses, Rotating: n.Rotating, Progress: n.Progress}
	for _, s := range n.Seen {
		out.Seen = append(out.Seen, status.Node{Name: s.Name, Role: s.Role, State: s.State, Availability: s.Availability, Version: s.Version, Behind: s.Behind})
	}
	return out
}
