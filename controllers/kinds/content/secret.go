package content

import (
	"context"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// secrets is the door of secrets. The engine does not give their content back, so versions are told apart by digests.
var secrets = door{
	name:  v1.KindSecret,
	empty: func(h v1.Header, s v1.ContentSpec) v1.Object { return &v1.Secret{Header: h, Spec: s} },
	list: func(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
		all, err := c.SecretList(ctx, client.SecretListOptions{})
		out := make([]*kinds.Live, 0, len(all.Items))
		for i := range all.Items {
			out = append(out, liveSecret(&all.Items[i]))
		}
		return out, err
	},
	read: func(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
		r, err := c.SecretInspect(ctx, id, client.SecretInspectOptions{})
		return liveSecret(&r.Secret), err
	},
	shown:      func(*kinds.Live) ([]byte, bool) { return nil, false },
	hidden:     true,
	templating: func(l *kinds.Live) *swarm.Driver { return l.Raw.(*swarm.Secret).Spec.Templating },
	unstated: func(l *kinds.Live) []string {
		if l.Raw.(*swarm.Secret).Spec.Driver == nil {
			return nil
		}
		return []string{"spec.driver"} // a driver would supply the content that the manifest states
	},
	Calls: Calls{
		Create: func(ctx context.Context, c *engine.Client, of swarm.Annotations, want v1.ContentHolder) (string, error) {
			spec := swarm.SecretSpec{Annotations: of, Data: want.Content().Reveal(), Templating: templatedBy(want)}
			made, err := c.SecretCreate(ctx, client.SecretCreateOptions{Spec: spec})
			return made.ID, err
		},
		Relabel: func(ctx context.Context, c *engine.Client, l *kinds.Live, labels map[string]string) error {
			live := l.Raw.(*swarm.Secret)
			spec := live.Spec // only labels may change, so the rest goes back as it came
			spec.Labels = labels
			_, err := c.SecretUpdate(ctx, live.ID, client.SecretUpdateOptions{Version: live.Version, Spec: spec})
			return err
		},
		Remove: func(ctx context.Context, c *engine.Client, id string) error {
			_, err := c.SecretRemove(ctx, id, client.SecretRemoveOptions{})
			return err
		},
	},
}

func liveSecret(n *swarm.Secret) *kinds.Live {
	return &kinds.Live{Kind: v1.KindSecret, ID: n.ID, Name: n.Spec.Name, Version: n.Version.Index, Labels: n.Spec.Labels, Created: n.CreatedAt, Raw: n}
}
