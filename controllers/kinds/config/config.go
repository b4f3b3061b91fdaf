// Package config is the kind Config: content that the engine shows and never changes, so each content is a version.
package config

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

var shape = diff.NewShape(&v1.Config{})

// Kind returns the kind Config.
func Kind() kinds.Kind {
	return kinds.Kind{
		Model: kinds.Model{
			Name:      v1.KindConfig,
			New:       func() v1.Object { return &v1.Config{} },
			Shape:     shape,
			Rules:     rules,
			Uses:      func(*kinds.Live) []kinds.Ref { return nil },
			Normalise: read,
			Unstated:  unstated,
			Versions:  func(l *kinds.Live) ([]byte, bool) { return l.Raw.(*swarm.Config).Spec.Data, true },
		},
		Store: kinds.Store{
			Events:  "config",
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
	configs, err := c.ConfigList(ctx, client.ConfigListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing configs: %w", err)
	}
	out := make([]*kinds.Live, 0, len(configs.Items))
	for i := range configs.Items {
		out = append(out, live(&configs.Items[i]))
	}
	return out, nil
}

func readOne(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
	r, err := c.ConfigInspect(ctx, id, client.ConfigInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading config %s: %w", id, err)
	}
	return live(&r.Config), nil
}

func live(n *swarm.Config) *kinds.Live {
	return &kinds.Live{Kind: v1.KindConfig, ID: n.ID, Name: n.Spec.Name, Version: n.Version.Index, Labels: n.Spec.Labels, Created: n.CreatedAt, Raw: n}
}

// unstated returns the settings of a config that no manifest can state.
func unstated(l *kinds.Live, _ *kinds.Index) []string {
	if l.Raw.(*swarm.Config).Spec.Templating == nil {
		return nil
	}
	return []string{"spec.templating"}
}

func read(l *kinds.Live, _ *kinds.Index) v1.Object {
	return &v1.Config{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindConfig, Metadata: v1.Metadata{Name: l.Name, Labels: l.Labels}}}
}

var calls = kinds.VersionCalls{
	Create: func(ctx context.Context, c *engine.Client, name string, labels map[string]string, data []byte, before *kinds.Live) (string, error) {
		spec := swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: data}
		if before != nil {
			spec.Templating = before.Raw.(*swarm.Config).Spec.Templating
		}
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
}
