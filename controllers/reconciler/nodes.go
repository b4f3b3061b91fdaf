package reconciler

import (
	"context"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// nodes returns what is known of the nodes besides what differs. It is the zero value if no kind has a survey.
func (r *Reconciler) nodes(ctx context.Context, run *Run) kinds.Surveyed {
	f := run.Facts
	for _, k := range r.kinds {
		if k.Survey == nil {
			continue
		}
		src := run.Ours()
		in := kinds.Survey{
			Index: run.Index, Expanded: run.Wants.Expanded, Managers: managersOf(run.Entries), States: map[string]*diff.State{},
			Own: run.About.NodeID, Now: f.Now, Remembered: &r.decider.Survey, RepairAfter: r.decider.RepairAfter, Stopped: stopped(run, f),
			Service: func(id string) *v1.Service { return r.service(run.Index, id) },
			Held: func(key v1.Key, l *kinds.Live) bool {
				_, meta := src.Identify(l)
				return meta.Owner != "" || f.ReleasedAll || f.Released[key] || plan.Held(f.Holds, run.Source, key, f.Now)
			},
		}
		for i := range run.Haves {
			if h := &run.Haves[i]; h.Key.Kind == k.Name {
				in.States[h.Meta.ID] = h
			}
		}
		for _, c := range run.Changes {
			if c.Key.Kind == k.Name && c.Op == diff.Update {
				in.Changes = append(in.Changes, c)
			}
		}
		s := k.Survey(ctx, r.engine, in)
		return s
	}
	return kinds.Surveyed{}
}

// rotations returns what is to be replaced by epoch or by age. A want or a live object without a difference is kept
// without its content. Whole restores it here.
func (r *Reconciler) rotations(run *Run, nodes *kinds.Nodes) kinds.Rotating {
	for _, k := range r.kinds {
		if k.Rotate == nil {
			continue
		}
		for _, l := range run.Index.List(k.Name) {
			i := slices.IndexFunc(run.Haves, func(h diff.State) bool { return h.Key.Kind == k.Name && h.Meta.ID == l.ID })
			if i < 0 {
				return k.Rotate(l, nil, nil, nodes, run.At)
			}
			want := run.Wanted[run.Haves[i].Key].Whole()
			if want == nil {
				return k.Rotate(l, nil, nil, nodes, run.At)
			}
			return k.Rotate(l, run.Haves[i].Whole(), want, nodes, run.At)
		}
	}
	return kinds.Rotating{}
}

// stopped says why no role may change, or "" if roles may change.
func stopped(run *Run, f plan.Facts) string {
	key := v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}
	for _, h := range f.Holds {
		if h.Covers(run.Source, key, f.Now) {
			return "on hold: " + h.Text()
		}
	}
	if w := run.Wanted[key]; w != nil && w.Policy.Suspend {
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

// service returns a live service in the form of its manifest. It returns nil if there is none with that id.
func (r *Reconciler) service(ix *kinds.Index, id string) *v1.Service {
	k := r.kind(v1.KindService)
	if l := ix.ByID(k.Name, id); l != nil {
		return k.Normalise(l, ix).(*v1.Service)
	}
	return nil
}

// kind returns the kind of that name. It is empty if there is none.
func (r *Reconciler) kind(name string) kinds.Kind {
	for _, k := range r.kinds {
		if k.Name == name {
			return k
		}
	}
	return kinds.Kind{}
}
