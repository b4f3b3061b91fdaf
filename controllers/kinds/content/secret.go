package content

import (
	"context"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// secrets is the door of secrets. The engine does not give their content back, so versions are told apart by digests.
var secrets = door{
	name: v1.KindSecret,
	normal: func(h v1.Header, l *kinds.Live) v1.Object {
		out := &v1.Secret{Header: h}
		if l != nil {
			live := l.Raw.(*swarm.Secret).Spec
			out.Spec.TemplateDriver = nameOf(live.Templating)
			if d := live.Driver; d != nil {
				out.Spec.Driver, out.Spec.DriverOpts = d.Name, d.Options
			}
		}
		return out
	},
	rules: diff.Rules{ // like the content, the driver belongs to a version
		"spec.driver":       {Effect: diff.InPlace},
		"spec.driverOpts.*": {Effect: diff.InPlace},
	},
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
	// A secret whose content a driver supplies has no content of its own, so nothing about it is hidden.
	shown:  func(l *kinds.Live) ([]byte, bool) { return nil, l.Raw.(*swarm.Secret).Spec.Driver != nil },
	hidden: true,
	Calls: Calls{
		Create: func(ctx context.Context, c *engine.Client, of swarm.Annotations, want v1.ContentHolder) (string, error) {
			s := want.(*v1.Secret).Spec
			spec := swarm.SecretSpec{Annotations: of, Data: s.Data.Reveal(), Templating: named(s.TemplateDriver, nil), Driver: named(s.Driver, s.DriverOpts)}
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
