package content

import (
	"context"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// configs is the door of configs. The engine shows their content.
var configs = door{
	name: v1.KindConfig,
	normal: func(h v1.Header, l *kinds.Live) v1.Object {
		out := &v1.Config{Header: h}
		if l != nil {
			out.Spec.TemplateDriver = nameOf(l.Raw.(*swarm.Config).Spec.Templating)
		}
		return out
	},
	list: func(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
		all, err := c.ConfigList(ctx, client.ConfigListOptions{})
		out := make([]*kinds.Live, 0, len(all.Items))
		for i := range all.Items {
			out = append(out, liveConfig(&all.Items[i]))
		}
		return out, err
	},
	read: func(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
		r, err := c.ConfigInspect(ctx, id, client.ConfigInspectOptions{})
		return liveConfig(&r.Config), err
	},
	shown: func(l *kinds.Live) ([]byte, bool) { return l.Raw.(*swarm.Config).Spec.Data, true },
	Calls: Calls{
		Create: func(ctx context.Context, c *engine.Client, of swarm.Annotations, want v1.ContentHolder) (string, error) {
			spec := swarm.ConfigSpec{Annotations: of, Data: want.Content().Reveal(), Templating: named(want.(*v1.Config).Spec.TemplateDriver, nil)}
			made, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{Spec: spec})
			return made.ID, err
		},
		Relabel: func(ctx context.Context, c *engine.Client, l *kinds.Live, labels map[string]string) error {
			live := l.Raw.(*swarm.Config)
			spec := live.Spec // only labels may change, so the rest goes back as it came
			spec.Labels = labels
			_, err := c.ConfigUpdate(ctx, live.ID, client.ConfigUpdateOptions{Version: live.Version, Spec: spec})
			return err
		},
		Remove: func(ctx context.Context, c *engine.Client, id string) error {
			_, err := c.ConfigRemove(ctx, id, client.ConfigRemoveOptions{})
			return err
		},
	},
}

func liveConfig(n *swarm.Config) *kinds.Live {
	return &kinds.Live{Kind: v1.KindConfig, ID: n.ID, Name: n.Spec.Name, Version: n.Version.Index, Labels: n.Spec.Labels, Created: n.CreatedAt, Raw: n}
}
