package reconciler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Status is what a run found, with how the objects do now. It writes nothing.
func (r *Reconciler) Status(ctx context.Context, run *Run) (status.Status, error) {
	seen := snapshotOf(run, nil, nil)
	seen.inForce, seen.history = run.found.Memory.InForce.Hash, run.found.Memory.History // until somebody applies it
	now, err := r.survey(ctx, seen)
	s := seen.status(now)
	if run.SourceErr != nil {
		s.Conditions = append(s.Conditions, status.Condition{Type: status.SourceReady, Reason: "SourceUnavailable", Message: v1.Scrub(run.SourceErr.Error())})
	}
	s.At = r.Now()
	return s, err
}

// StatusOf is what the swarm itself tells, without any source of manifests: of the source of that name, or of each that is
// remembered.
func StatusOf(ctx context.Context, c *engine.Client, name string) ([]status.Status, error) {
	r := New(Options{Engine: c})
	w, err := r.readAll(ctx, nil)
	if err != nil {
		return nil, err
	}
	sources := state.Sources(w.configs)
	if name != "" {
		sources = []string{name}
	}
	var out []status.Status
	for _, source := range sources {
		s := snapshot{source: source}
		now, err := r.owned(ctx, w, &s)
		if err != nil {
			return nil, err
		}
		one := s.status(now)
		one.At = r.Now()
		out = append(out, one)
	}
	return out, nil
}

// live is how things are now.
type live struct {
	health map[v1.Key]sight
	lease  *status.Lease
	// holds of everybody; nil: it is not known.
	holds []plan.Hold
	// found are the objects that are there, where no run says which should be.
	found []v1.Key
	known bool
	at    time.Time
}

// sight is a live object and how it does.
type sight struct {
	kind *kinds.Kind
	live *kinds.Live
	kinds.Health
}

func (s sight) key() v1.Key { return v1.Key{Kind: s.kind.Name, Name: s.live.Name} }

// sights asks how objects do, of those kinds that have such a thing, with one call a kind.
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

// sightsOf looks at what is wanted, with one list and one more call a kind.
func (r *Reconciler) sightsOf(ctx context.Context, wants []wanted) ([]sight, error) {
	return r.sights(ctx, func(k *kinds.Kind) ([]*kinds.Live, error) {
		names := map[string]bool{}
		for _, w := range wants {
			if w.key.Kind == k.Name {
				names[w.instance] = true
			}
		}
		if len(names) == 0 {
			return nil, nil
		}
		lives, err := k.List(ctx, r.Engine)
		return slices.DeleteFunc(lives, func(l *kinds.Live) bool { return !names[l.Name] }), err
	})
}

// survey looks at the swarm once, for what a run wanted. It touches nothing that a run changes, and may be called beside one.
func (r *Reconciler) survey(ctx context.Context, s *snapshot) (live, error) {
	if !s.usable {
		w, err := r.readAll(ctx, nil)
		if err != nil {
			return live{}, err
		}
		return r.owned(ctx, w, s)
	}
	sights, err := r.sightsOf(ctx, s.looked())
	if err != nil {
		return live{}, err
	}
	lease, err := r.marked(ctx, v1.LabelLease)
	if err != nil {
		return live{}, err
	}
	holds, err := r.marked(ctx, v1.LabelHold)
	if err != nil {
		return live{}, err
	}
	return r.living(sights, append(lease, holds...)), nil
}

// marked lists the operator's own configs of one sort: the others may be many and large.
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
func (r *Reconciler) living(sights []sight, configs []*swarm.Config) live {
	now := live{health: map[v1.Key]sight{}, holds: []plan.Hold{}, known: true, at: r.Now()}
	for _, one := range sights {
		now.health[v1.Key{Kind: one.kind.Name, Name: one.live.Name}] = one
	}
	v, _ := state.ViewLease(configs)
	lease := leaseOf(v)
	now.lease = &lease
	for _, h := range state.Holds(configs) {
		now.holds = append(now.holds, h.Hold)
	}
	return now
}

func leaseOf(v state.View) status.Lease {
	return status.Lease{State: v.State, Holder: v.Holder, Source: v.Source, Epoch: v.Epoch, Renewed: v.Renewed}
}

// owned looks at what a source has, and fills in what is remembered of it.
func (r *Reconciler) owned(ctx context.Context, w *world, s *snapshot) (live, error) {
	found, err := state.NewStore(s.source, r.Engine).Find(w.configs)
	if err != nil { // what it has made says so itself
		s.notices = append(slices.Clip(s.notices), err.Error())
	}
	s.recall(found.Memory)
	if v, there := state.ViewLease(w.configs); there {
		for _, t := range v.Troubles(s.source).Of(found.Memory.InForce.Hash) {
			s.notices = append(slices.Clip(s.notices), t.String())
		}
	}
	src := sourceOf(&Run{Source: s.source, memory: found.Memory})
	mine, lives := map[v1.Key]bool{}, map[string][]*kinds.Live{}
	for _, k := range r.kinds {
		for _, l := range w.index.List(k.Name) {
			if key, meta := src.Identify(l); meta.Mine {
				mine[key] = true
				lives[k.Name] = append(lives[k.Name], l)
			}
		}
	}
	sights, err := r.sights(ctx, func(k *kinds.Kind) ([]*kinds.Live, error) { return lives[k.Name], nil })
	if err != nil {
		return live{}, err
	}
	now := r.living(sights, w.configs)
	now.found = slices.Collect(maps.Keys(mine))
	return now, nil
}

// recall fills in what a memory has that no run has said better.
func (s *snapshot) recall(m state.Memory) {
	s.inForce, s.history = m.InForce.Hash, m.History
	switch {
	case s.attempted != "":
	case m.Refused != nil:
		s.attempted = m.Refused.Hash
		s.notices = append(slices.Clip(s.notices), "the newest revision was refused: "+m.Refused.Why)
	default:
		s.attempted = m.InForce.Hash
	}
	if e := m.Last(); e != nil && e.Hash == m.InForce.Hash && e.Rewrote != nil && !e.Rewrote.Agreed {
		s.notices = append(slices.Clip(s.notices), took(e))
	}
	for _, f := range m.Failed {
		if f.Digest != "" {
			s.failed = append(s.failed, f)
		}
	}
}
