package observe

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Sight is a live object and its health.
type Sight struct {
	Kind *kinds.Kind
	Live *kinds.Live
	kinds.Health
}

// Key returns the key of the object's manifest. It is right only if the kind has no versions.
func (s Sight) Key() v1.Key { return v1.Key{Kind: s.Kind.Name, Name: s.Live.Name} }

// Sights asks for the health of objects, with one call per kind. It leaves out kinds without a health. livesOf says
// which objects of a kind to ask about.
func (o *Observer) Sights(ctx context.Context, now time.Time, livesOf func(*kinds.Kind) ([]*kinds.Live, error)) ([]Sight, error) {
	var out []Sight
	for i := range o.kinds {
		k := &o.kinds[i]
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
		healths, err := k.Health(ctx, o.engine, lives, now)
		if err != nil {
			return nil, err
		}
		for _, l := range lives {
			if h, ok := healths[l.Name]; ok {
				out = append(out, Sight{k, l, h})
			}
		}
	}
	return out, nil
}

// SightsOf looks at what is wanted, with one list and one more call per kind.
func (o *Observer) SightsOf(ctx context.Context, now time.Time, wants []status.Wanted) ([]Sight, error) {
	return o.Sights(ctx, now, func(k *kinds.Kind) ([]*kinds.Live, error) {
		names := map[string]bool{}
		for _, w := range wants {
			if w.Key.Kind == k.Name {
				names[w.Instance] = true
			}
		}
		if len(names) == 0 {
			return nil, nil
		}
		lives, err := k.List(ctx, o.engine)
		return slices.DeleteFunc(lives, func(l *kinds.Live) bool { return !names[l.Name] }), err
	})
}

// Rollout returns how the last update of the object stands, or the zero value if the engine does not tell that.
func (s Sight) Rollout() plan.Rollout {
	if s.Kind.Observe == nil {
		return plan.Rollout{}
	}
	return s.Kind.Observe(s.Live, nil, nil)
}

// Marked lists the operator's own configs of one sort. It filters, because other configs may be many and large.
func (o *Observer) Marked(ctx context.Context, label string) ([]*swarm.Config, error) {
	list, err := o.engine.ConfigList(ctx, client.ConfigListOptions{Filters: client.Filters{}.Add("label", label)})
	if err != nil {
		return nil, fmt.Errorf("listing configs: %w", err)
	}
	out := make([]*swarm.Config, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, nil
}
