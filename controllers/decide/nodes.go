package decide

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// surveying is a survey before anything was asked for it. It is the zero value if no kind has a survey.
type surveying struct {
	*kinds.Surveyor
	in kinds.Survey
}

// surveying returns the survey of the nodes.
func (d *Decider) surveying(run *Decision) surveying {
	for i := range d.kinds {
		if k := &d.kinds[i]; k.Survey != nil {
			return surveying{k.Survey, d.survey(run, k.Name)}
		}
	}
	return surveying{}
}

// survey returns what the survey of a kind decides by.
func (d *Decider) survey(run *Decision, kind string) kinds.Survey {
	f, src := &run.Facts, run.Ours()
	in := kinds.Survey{
		Index: run.Index, Expanded: run.Wants.Expanded, Managers: managersOf(run.Entries), Compared: kinds.Compared{States: map[string]*diff.State{}}, Trust: d.trust(run),
		Own: run.About.NodeID, Now: f.Now, Remembered: d.surveyed, RepairAfter: d.RepairAfter, Stopped: stopped(run),
		Service: func(id string) *v1.Service { return d.service(run.Index, id) },
		Held: func(key v1.Key, l *kinds.Live) bool {
			_, meta := src.Identify(l)
			return meta.Owner != "" || f.ReleasedAll || f.Released[key] || plan.HoldOn(f.Holds, run.Source, key, f.Now) != nil
		},
	}
	for _, h := range run.Haves {
		if h.Key.Kind == kind {
			in.States[h.Meta.ID] = h
		}
	}
	for _, c := range run.Changes {
		if c.Key.Kind == kind && c.Op == diff.Update {
			in.Changes = append(in.Changes, c)
		}
	}
	return in
}

// asks returns the tasks that the survey has to know besides those of the answers. last is what was asked for last. It
// is not asked for again if nobody has answered.
func (s surveying) asks(last kinds.TaskNeed, answers []kinds.TaskAnswer) kinds.TaskNeed {
	if s.Surveyor == nil {
		return kinds.TaskNeed{}
	}
	need := s.Asks(s.in, answers)
	if need.Equal(last) {
		return kinds.TaskNeed{}
	}
	return need
}

// survey makes the survey.
func (s surveying) survey(answers []kinds.TaskAnswer) kinds.Surveyed {
	if s.Surveyor == nil {
		return kinds.Surveyed{}
	}
	return s.Survey(s.in, answers)
}

// stopped says why no role may change, or "" if roles may change.
func stopped(run *Decision) string {
	key := v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}
	if h := plan.HoldOn(run.Facts.Holds, run.Source, key, run.Facts.Now); h != nil {
		return "on hold: " + h.Text()
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
func (d *Decider) service(ix *kinds.Index, id string) *v1.Service {
	l := ix.ByID(v1.KindService, id)
	if l == nil {
		return nil
	}
	k, _ := d.kind(v1.KindService)
	return k.Normalise(l, ix).(*v1.Service)
}

// rotating is what is decided about rotations before files were read. It is the zero value if nothing can be rotated.
type rotating struct {
	*kinds.Rotator
	in kinds.Rotate
}

// rotating returns what is to be replaced by epoch or by age. A want or a live object without a difference is kept
// without its content. Whole restores it here.
func (d *Decider) rotating(run *Decision) rotating {
	for i := range d.kinds {
		k := &d.kinds[i]
		if k.Rotate == nil {
			continue
		}
		for _, l := range run.Index.List(k.Name) {
			out := rotating{k.Rotate, kinds.Rotate{Live: l, Now: run.At}}
			i := slices.IndexFunc(run.Haves, func(h *diff.State) bool { return h.Key.Kind == k.Name && h.Meta.ID == l.ID })
			if i < 0 {
				return out
			}
			if want := run.Wanted[run.Haves[i].Key].Whole(); want != nil {
				out.in.Have, out.in.Want = run.Haves[i].Whole(), want
			}
			return out
		}
	}
	return rotating{}
}

// asks returns the files that the rotations have to know besides those that were read. last are those that were asked
// for last. They are not asked for again if nobody has answered.
func (r rotating) asks(last []string, read map[string]kinds.File) []string {
	if r.Rotator == nil {
		return nil
	}
	return slices.DeleteFunc(r.Asks(r.in, read), func(path string) bool { return slices.Contains(last, path) })
}

// rotate returns what is replaced, and what is on record. nodes is nil if nothing is known of the nodes.
func (r rotating) rotate(nodes *kinds.Nodes, read map[string]kinds.File) kinds.Rotating {
	if r.Rotator == nil {
		return kinds.Rotating{}
	}
	r.in.Nodes = nodes
	return r.Rotate(r.in, read)
}
