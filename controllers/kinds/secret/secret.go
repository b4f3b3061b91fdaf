// Package secret is the kind Secret: content that the engine neither changes nor gives back. So each content is a
// version, and versions are told apart by a keyed hash.
package secret

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

var shape = diff.NewShape(&v1.Secret{})

// Kind returns the kind Secret.
func Kind() kinds.Kind {
	return kinds.Kind{
		Model: kinds.Model{
			Name:      v1.KindSecret,
			New:       func() v1.Object { return &v1.Secret{} },
			Shape:     shape,
			Rules:     rules,
			Uses:      func(*kinds.Live) []kinds.Ref { return nil },
			Normalise: read,
			Unstated:  unstated,
			Versions:  func(*kinds.Live) ([]byte, bool) { return nil, false },
		},
		Store: kinds.Store{
			Events:  "secret",
			List:    list,
			Read:    readOne,
			Do:      calls.Do,
			Release: calls.Release,
		},
	}
}

// Only labels can change in place. spec.data stands for content that differs from somebody else's object.
var rules = diff.Rules{
	"metadata.labels.*": {Effect: diff.InPlace, Nobody: diff.NobodysLabel},
	"spec.data":         {Effect: diff.InPlace},
	"spec.file":         {Effect: diff.Forbidden},
	"spec.raw":          {Effect: diff.Forbidden},
	"spec.external":     {Effect: diff.Forbidden},
}

func list(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
	secrets, err := c.SecretList(ctx, client.SecretListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing secrets: %w", err)
	}
	out := make([]*kinds.Live, 0, len(secrets.Items))
	for i := range secrets.Items {
		out = append(out, live(&secrets.Items[i]))
	}
	return out, nil
}

func readOne(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
	r, err := c.SecretInspect(ctx, id, client.SecretInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading secret %s: %w", id, err)
	}
	return live(&r.Secret), nil
}

func live(n *swarm.Secret) *kinds.Live {
	return &kinds.Live{Kind: v1.KindSecret, ID: n.ID, Name: n.Spec.Name, Version: n.Version.Index, Labels: n.Spec.Labels, Created: n.CreatedAt, Raw: n}
}

// unstated returns the settings of a secret that no manifest can state. A driver would supply the content that the
// manifest states.
func unstated(l *kinds.Live, _ *kinds.Index) []string {
	spec, out := l.Raw.(*swarm.Secret).Spec, []string(nil)
	if spec.Driver != nil {
		out = append(out, "spec.driver")
	}
	if spec.Templating != nil {
		out = append(out, "spec.templating")
	}
	return out
}

func read(l *kinds.Live, _ *kinds.Index) v1.Object {
	return &v1.Secret{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindSecret, Metadata: v1.Metadata{Name: l.Name, Labels: l.Labels}}}
}

var calls = kinds.VersionCalls{
	Create: func(ctx context.Context, c *engine.Client, name string, labels map[string]string, data []byte, before *kinds.Live) (string, error) {
		spec := swarm.SecretSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: data}
		if before != nil {
			spec.Templating = before.Raw.(*swarm.Secret).Spec.Templating
		}
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
}
