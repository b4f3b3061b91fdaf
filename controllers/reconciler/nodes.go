package reconciler

import (
	"context"
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// nodes asks what is known of the nodes beside what differs.
func (r *Reconciler) nodes(ctx context.Context, run *Run, haves []diff.State, f plan.Facts) kinds.Surveyed {
	for _, k := range r.kinds {
		if k.Survey == nil {
			continue
		}
		src := sourceOf(run)
		in := kinds.Survey{
			Index: run.Index, Expanded: run.Wants.Expanded, Managers: managersOf(run.entries), States: map[string]*diff.State{},
			Own: run.About.NodeID, Now: f.Now, Remembered: &r.remembered, RepairAfter: r.RepairAfter, Stopped: stopped(run, f),
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
		s := k.Survey(ctx, r.Engine, in)
		return s
	}
	return kinds.Surveyed{}
}

// rotations gathers what is replaced by epoch or by age. A want or a live object that nothing differs of is kept without what
// it holds, and made whole here.
func (r *Reconciler) rotations(run *Run, haves []diff.State, nodes *kinds.Nodes, now time.Time) kinds.Rotating {
	for _, k := range r.kinds {
		if k.Rotate == nil {
			continue
		}
		for _, l := range run.Index.List(k.Name) {
			i := slices.IndexFunc(haves, func(h diff.State) bool { return h.Key.Kind == k.Name && h.Meta.ID == l.ID })
			if i < 0 {
				return k.Rotate(l, nil, nil, nodes, now)
			}
			want := run.wants[haves[i].Key].Whole()
			if want == nil {
				return k.Rotate(l, nil, nil, nodes, now)
			}
			return k.Rotate(l, haves[i].Whole(), want, nodes, now)
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
	if n := r.surveyed.Nodes; n != nil && n.Rotating { // the root: nobody tells when it is over
		return []string{v1.KindNode, v1.KindCluster}
	}
	if r.demoted() || slices.ContainsFunc(r.Plan.Refused, waits) || slices.ContainsFunc(r.Plan.Steps, func(s plan.Step) bool { return s.Key.Kind == v1.KindNode }) {
		return []string{v1.KindNode}
	}
	return nil
}

// demoted says that the node whose engine this is is no manager any more, or soon will not be. It takes a moment until the
// engine knows that, and then it says nothing more, by events neither.
func (r *Run) demoted() bool { return r.surveyed.Nodes != nil && r.surveyed.Nodes.Demoted }

// board is how the nodes are, as the board shows it.
func board(n *kinds.Nodes) status.Nodes {
	out := status.Nodes{Wanted: n.Wanted, Members: n.Members, Reachable: n.Reachable, Tolerance: n.Tolerance, Losses: n.Losses, Rotating: n.Rotating, Progress: n.Progress}
	for _, s := range n.Seen {
		out.Seen = append(out.Seen, status.Node{Name: s.Name, Role: s.Role, State: s.State, Availability: s.Availability, Version: s.Version, Behind: s.Behind})
	}
	return out
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
