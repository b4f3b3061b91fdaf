package reconciler

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Status returns what a run found, with how the objects do now. It writes nothing. If the swarm cannot be read, it
// returns what is known, and an error.
func (r *Reconciler) Status(ctx context.Context, run *Run) (status.Status, error) {
	seen := status.Report{Found: found(run, status.Found{}, nil), Holds: run.Facts.Holds, Paused: v1.Scrub(run.Facts.Paused)}
	was := run.Found.Memory // the old memory counts until the run is applied
	seen.Applied, seen.Remembered, seen.History = was.InForce.Hash, was.InForce.Hash, revisions(was.History)
	now, err := r.survey(ctx, &seen.Found)
	if run.SourceErr != nil {
		seen.Conditions = append(seen.Conditions, status.Condition{Type: status.SourceReady, Reason: "SourceUnavailable", Message: v1.Scrub(run.SourceErr.Error())})
	}
	now.At = r.Now()
	return seen.Status(now), err
}

// StatusOf returns what the swarm itself tells, without any source of manifests. It does so for the source of that
// name, or for each source that is remembered if name is "".
func StatusOf(ctx context.Context, c *engine.Client, name string) ([]status.Status, error) {
	r := New(Options{Engine: c})
	w, err := r.observer.Look(ctx, nil, observe.Everything)
	if err != nil {
		return nil, err
	}
	sources := state.Sources(w.Configs)
	if name != "" {
		sources = []string{name}
	}
	var out []status.Status
	for _, source := range sources {
		seen := status.Report{Found: status.Found{Source: source}}
		now, err := r.owned(ctx, w, &seen.Found)
		if err != nil {
			return nil, err
		}
		now.At = r.Now()
		out = append(out, seen.Status(now))
	}
	return out, nil
}

// sight is a live object and how it does.
type sight struct {
	kind *kinds.Kind
	live *kinds.Live
	kinds.Health
}

func (s sight) key() v1.Key { return v1.Key{Kind: s.kind.Name, Name: s.live.Name} }

// sights asks how objects do, with one call per kind. It leaves out kinds without a health. livesOf says which
// objects of a kind to ask about.
func (r *Reconciler) sights(ctx context.Context, livesOf func(*kinds.Kind) ([]*kinds.Live, error)) ([]sight, error) {
	var out []sight
	for i := range r.kinds {
		k := &r.kinds[i]
		if k.Health == nil {
			continue
		}
		lives, err := livesOf(k)
		if err != nil {
			return nil, err
		}
		if len(lives) == 0 {
			continue
		}
		healths, err := k.Health(ctx, r.Engine, lives, r.Now())
		if err != nil {
			return nil, err
		}
		for _, l := range lives {
			if h, ok := healths[l.Name]; ok {
				out = append(out, sight{k, l, h})
			}
		}
	}
	return out, nil
}

// sightsOf looks at what is wanted, with one list and one more call per kind.
func (r *Reconciler) sightsOf(ctx context.Context, wants []status.Wanted) ([]sight, error) {
	return r.sights(ctx, func(k *kinds.Kind) ([]*kinds.Live, error) {
		names := map[string]bool{}
		for _, w := range wants {
			if w.Key.Kind == k.Name {
				names[w.Instance] = true
			}
		}
		if len(names) == 0 {
			return nil, nil
		}
		lives, err := k.List(ctx, r.Engine)
		return slices.DeleteFunc(lives, func(l *kinds.Live) bool { return !names[l.Name] }), err
	})
}

// survey looks at the swarm once, for what a run wanted. It changes nothing that a run uses, and may be called beside
// one.
func (r *Reconciler) survey(ctx context.Context, f *status.Found) (status.Now, error) {
	if !f.Usable {
		w, err := r.observer.Look(ctx, nil, observe.Everything)
		if err != nil {
			return status.Now{}, err
		}
		return r.owned(ctx, w, f)
	}
	sights, err := r.sightsOf(ctx, ofInterest(f))
	if err != nil {
		return status.Now{}, err
	}
	lease, err := r.marked(ctx, v1.LabelLease)
	if err != nil {
		return status.Now{}, err
	}
	holds, err := r.marked(ctx, v1.LabelHold)
	if err != nil {
		return status.Now{}, err
	}
	return r.living(sights, append(lease, holds...)), nil
}

// marked lists the operator's own configs of one sort. It filters, because other configs may be many and large.
func (r *Reconciler) marked(ctx context.Context, label string) ([]*swarm.Config, error) {
	list, err := r.Engine.ConfigList(ctx, client.ConfigListOptions{Filters: client.Filters{}.Add("label", label)})
	if err != nil {
		return nil, fmt.Errorf("listing configs: %w", err)
	}
	out := make([]*swarm.Config, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, nil
}

// living puts together what was seen.
func (r *Reconciler) living(sights []sight, configs []*swarm.Config) status.Now {
	now := status.Now{Sights: map[v1.Key]status.Sight{}, Holds: []plan.Hold{}, Known: true, At: r.Now()}
	for _, one := range sights {
		now.Sights[one.key()] = status.Sight{Look: status.Look(one.Health), Rollout: one.observed(), Created: one.live.Created}
	}
	v, _ := state.ViewLease(configs)
	lease := leaseOf(v)
	now.Lease = &lease
	for _, h := range state.Holds(configs) {
		now.Holds = append(now.Holds, h.Hold)
	}
	return now
}

func leaseOf(v state.View) status.Lease {
	return status.Lease{State: v.State, Holder: v.Holder, Source: v.Source, Epoch: v.Epoch, Renewed: v.Renewed}
}

// owned looks at what a source has, and fills in what is remembered of it.
func (r *Reconciler) owned(ctx context.Context, w *observe.World, f *status.Found) (status.Now, error) {
	found, err := state.NewStore(f.Source, r.Engine).Find(w.Configs)
	if err != nil { // the objects that the source has made still carry its labels
		f.Notices = append(slices.Clip(f.Notices), err.Error())
	}
	recall(f, found.Memory)
	if v, there := state.ViewLease(w.Configs); there {
		for _, t := range v.Troubles(f.Source).Of(found.Memory.InForce.Hash) {
			f.Notices = append(slices.Clip(f.Notices), t.String())
		}
	}
	src := decide.SourceOf(f.Source, found.Memory, nil, nil)
	mine, lives := map[v1.Key]bool{}, map[string][]*kinds.Live{}
	for _, k := range r.kinds {
		for _, l := range w.Index.List(k.Name) {
			if key, meta := src.Identify(l); meta.Mine {
				mine[key] = true
				lives[k.Name] = append(lives[k.Name], l)
			}
		}
	}
	sights, err := r.sights(ctx, func(k *kinds.Kind) ([]*kinds.Live, error) { return lives[k.Name], nil })
	if err != nil {
		return status.Now{}, err
	}
	now := r.living(sights, w.Configs)
	now.There = slices.Collect(maps.Keys(mine))
	return now, nil
}

// recall fills in from a memory what no run has said better.
func recall(f *status.Found, m state.Memory) {
	f.Remembered, f.History = m.InForce.Hash, revisions(m.History)
	switch {
	case f.Revision != "":
	case m.Refused != nil:
		f.Revision = m.Refused.Hash
		f.Notices = append(slices.Clip(f.Notices), "the newest revision was refused: "+m.Refused.Why)
	default:
		f.Revision = m.InForce.Hash
	}
	if e := m.Last(); e != nil && e.Hash == m.InForce.Hash && e.Rewrote != nil && !e.Rewrote.Agreed {
		f.Notices = append(slices.Clip(f.Notices), decide.Took(e))
	}
	f.Failed = slices.DeleteFunc(slices.Clone(m.Failed), func(f plan.Failure) bool { return f.Digest == "" })
}
