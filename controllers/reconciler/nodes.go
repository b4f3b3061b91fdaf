package reconciler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// roles is what this process knows of the managers from run to run.
type roles struct {
	// wanted is what manifests say of roles, as text. settled: it was seen to be so; what differs after that is a hand's doing,
	// and was first seen at since.
	wanted  string
	settled bool
	since   time.Time
}

// swarm asks what is known of the nodes beside what differs.
func (r *Reconciler) swarm(ctx context.Context, run *Run, haves []diff.State, f plan.Facts) plan.Swarm {
	for _, k := range r.kinds {
		if k.Survey == nil {
			continue
		}
		src := sourceOf(run)
		in := kinds.Survey{
			Index: run.Index, Expanded: run.Wants.Expanded, Managers: managersOf(run.entries), States: map[string]*diff.State{},
			Own: run.About.NodeID, Now: f.Now, Remembered: &r.remembered,
			Service: func(id string) *v1.Service { return r.service(run.Index, id) },
			Held: func(key v1.Key, l *kinds.Live) bool {
				_, meta := src.Identify(l)
				return meta.Owner != "" || f.ReleasedAll || f.Released[key] || plan.Held(f.Holds, run.Source, key, f.Now)
			},
		}
		for i := range haves {
			if h := &haves[i]; h.Key.Kind == k.Name {
				in.States[h.Meta.ID] = h
			}
		}
		for _, c := range run.Changes {
			if c.Key.Kind == k.Name && c.Op == diff.Update {
				in.Changes = append(in.Changes, c)
			}
		}
		s, err := k.Survey(ctx, r.Engine, in)
		if err != nil {
			return plan.Swarm{Unknown: err.Error()}
		}
		return s
	}
	return plan.Swarm{}
}

// rotations gathers what is replaced by epoch or by age. A want or a live object that nothing differs of is kept without what
// it holds, and made whole here.
func (r *Reconciler) rotations(run *Run, haves []diff.State, now time.Time) kinds.Rotating {
	for _, k := range r.kinds {
		if k.Rotate == nil {
			continue
		}
		for _, l := range run.Index.List(k.Name) {
			i := slices.IndexFunc(haves, func(h diff.State) bool { return h.Key.Kind == k.Name && h.Meta.ID == l.ID })
			if i < 0 {
				return k.Rotate(l, nil, nil, now)
			}
			want := run.wants[haves[i].Key].Whole()
			if want == nil {
				return k.Rotate(l, nil, nil, now)
			}
			return k.Rotate(l, haves[i].Whole(), want, now)
		}
	}
	return kinds.Rotating{}
}

// stopped says why no role may change.
func stopped(run *Run, f plan.Facts) string {
	key := v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}
	for _, h := range f.Holds {
		if h.Covers(run.Source, key, f.Now) {
			return "on hold: " + h.Text()
		}
	}
	if w := run.wants[key]; w != nil && w.Policy.Suspend {
		return "policy.suspend of the Cluster is set"
	}
	return ""
}

// announce tells a role that git changed from one that a hand did.
func (r *Reconciler) announce(s *plan.Swarm, now time.Time) {
	if s.Managers == nil {
		r.roles = roles{}
		return
	}
	var pins strings.Builder
	for _, n := range s.Nodes {
		if n.Pin != plan.Unpinned {
			fmt.Fprintf(&pins, " %s %d", n.ID, n.Pin)
		}
	}
	if wanted := fmt.Sprintf("%+v%s", *s.Managers, pins.String()); r.roles.wanted != wanted {
		r.roles = roles{wanted: wanted}
	}
	if !r.roles.settled || r.RepairAfter <= 0 {
		return
	}
	since := r.roles.since
	if since.IsZero() {
		since = now
	}
	s.Announced = since.Add(r.RepairAfter)
}

// settleRoles notes whether the managers are as they should be.
func (r *Reconciler) settleRoles(run *Run) {
	m := run.Plan.Members
	switch {
	case m == nil:
	case m.Change == nil && !m.Refused:
		r.roles.settled, r.roles.since = true, time.Time{}
		r.remembered.Managers = map[string]bool{}
		for _, n := range run.Facts.Swarm.Nodes {
			if n.Manager {
				r.remembered.Managers[n.ID] = true
			}
		}
	case r.roles.settled && r.roles.since.IsZero():
		r.roles.since = run.Facts.Now
	}
}

// didNode notes what a step did to a node, as far as nothing that is read tells it.
func (r *Reconciler) didNode(run *Run, s plan.Step) {
	switch {
	case s.ChangesRole():
		r.remembered.Orphans[s.Instance] = slices.ContainsFunc(run.Facts.Swarm.Nodes, func(n plan.Node) bool { return n.ID == s.Instance && n.Manager && !n.Ready })
		r.roles.settled, r.roles.since = false, time.Time{} // what follows from it is our own doing
	case s.Leaves():
		r.remembered.Left[s.Instance] = true
	}
}

func managersOf(entries []kinds.Entry) *v1.Managers {
	for _, e := range entries {
		if c, is := e.Object.(*v1.Cluster); is {
			return c.Spec.Managers
		}
	}
	return nil
}

// service reads a live service into the words of its manifest; nil: there is none of that id.
func (r *Reconciler) service(ix *kinds.Index, id string) *v1.Service {
	k, _ := r.kind(v1.KindService)
	if l := ix.ByID(k.Name, id); l != nil {
		return k.Normalise(l, ix).(*v1.Service)
	}
	return nil
}

// moving are the kinds whose objects are listed in the next run, because events do not tell all that it waits for.
func (r *Run) moving() []string {
	waits := func(s plan.Refusal) bool {
		return s.Class == plan.Later && !s.Quiet && s.Until.IsZero() && (s.Key.Kind == v1.KindNode || s.OfRoles())
	}
	if r.Facts.Swarm.Rotating { // the root: nobody tells when it is over
		return []string{v1.KindNode, v1.KindCluster}
	}
	if r.demoted() || slices.ContainsFunc(r.Plan.Refused, waits) || slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool { return s.Key.Kind == v1.KindNode }) {
		return []string{v1.KindNode}
	}
	return nil
}

// demoted says that the node whose engine this is is no manager any more, or soon will not be. It takes a moment until the
// engine knows that, and then it says nothing more, by events neither.
func (r *Run) demoted() bool {
	return slices.ContainsFunc(r.Facts.Swarm.Nodes, func(n plan.Node) bool { return n.Own && !n.Manager })
}

// nodesUnknown says that what was known of the nodes may be so no more, where the engine does not tell.
func (l *Loop) nodesUnknown(err error) {
	why := "the swarm cannot be asked"
	switch {
	case engine.IsNoQuorum(err):
		why = "the managers that are left are no majority"
	case engine.IsNotManager(err):
		why = "the engine that is asked is no manager now"
	case engine.IsLocked(err):
		why = "the engine that is asked is locked"
	}
	l.Board.NodesUnknown(why)
}
