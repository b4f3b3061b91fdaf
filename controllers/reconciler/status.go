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
	seen := snapshotOf(run, nil)
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

// wantedOf lists the live objects of a kind that have one of these names.
func (r *Reconciler) wantedOf(ctx context.Context, k *kinds.Kind, wants map[string]bool) ([]*kinds.Live, error) {
	if len(wants) == 0 {
		return nil, nil
	}
	lives, err := k.List(ctx, r.Engine)
	return slices.DeleteFunc(lives, func(l *kinds.Live) bool { return !wants[l.Name] }), err
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
	now := live{health: map[v1.Key]sight{}, known: true, at: r.Now()}
	sights, err := r.sights(ctx, func(k *kinds.Kind) ([]*kinds.Live, error) {
		wants := map[string]bool{}
		for _, w := range s.wants {
			if w.key.Kind == k.Name {
				wants[w.instance] = true
			}
		}
		return r.wantedOf(ctx, k, wants)
	})
	if err != nil {
		return live{}, err
	}
	for _, one := range sights {
		now.health[v1.Key{Kind: one.kind.Name, Name: one.live.Name}] = one
	}
	for _, label := range []string{v1.LabelLease, v1.LabelHold} {
		list, err := r.Engine.ConfigList(ctx, client.ConfigListOptions{Filters: client.Filters{}.Add("label", label)})
		if err != nil {
			return live{}, fmt.Errorf("listing configs: %w", err)
		}
		configs := make([]*swarm.Config, len(list.Items))
		for i := range list.Items {
			configs[i] = &list.Items[i]
		}
		now.bounds(configs, label)
	}
	return now, nil
}

// bounds reads the lease or the holds.
func (l *live) bounds(configs []*swarm.Config, label string) {
	switch label {
	case v1.LabelLease:
		v, _ := state.ViewLease(configs)
		l.lease = &status.Lease{State: v.State, Holder: v.Holder, Source: v.Source, Epoch: v.Epoch, Renewed: v.Renewed}
	case v1.LabelHold:
		l.holds = []plan.Hold{}
		for _, h := range state.Holds(configs) {
			l.holds = append(l.holds, h.Hold)
		}
	}
}

// owned looks at what a source has, and fills in what is remembered of it.
func (r *Reconciler) owned(ctx context.Context, w *world, s *snapshot) (live, error) {
	found, err := state.NewStore(s.source, r.Engine).Find(w.configs)
	if err != nil {
		return live{}, err
	}
	m := found.Memory
	s.inForce, s.history = m.InForce.Hash, m.History
	if s.attempted == "" {
		if s.attempted = m.InForce.Hash; m.Refused != nil {
			s.attempted = m.Refused.Hash
		}
	}
	for _, f := range m.Failed {
		if f.Digest != "" {
			s.failed = append(s.failed, f)
		}
	}
	src := sourceOf(&Run{Source: s.source, memory: m})
	now := live{health: map[v1.Key]sight{}, known: true, at: r.Now()}
	mine := map[v1.Key]bool{}
	lives := map[string][]*kinds.Live{}
	for _, k := range r.kinds {
		for _, l := range w.index.List(k.Name) {
			if key, meta := src.Identify(l); meta.Mine {
				mine[key] = true
				lives[k.Name] = append(lives[k.Name], l)
			}
		}
	}
	now.found = slices.SortedFunc(maps.Keys(mine), v1.Key.Compare)
	sights, err := r.sights(ctx, func(k *kinds.Kind) ([]*kinds.Live, error) { return lives[k.Name], nil })
	if err != nil {
		return live{}, err
	}
	for _, one := range sights {
		now.health[v1.Key{Kind: one.kind.Name, Name: one.live.Name}] = one
	}
	now.bounds(w.configs, v1.LabelLease)
	now.bounds(w.configs, v1.LabelHold)
	return now, nil
}
