package service

import (
	"context"
	"fmt"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func list(ctx context.Context, c *engine.Client) ([]kinds.Live, error) {
	services, err := c.ServiceList(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing services: %w", err)
	}
	out := make([]kinds.Live, 0, len(services))
	for i := range services {
		s := &services[i]
		out = append(out, kinds.Live{
			Kind: v1.KindService, ID: s.ID, Name: s.Spec.Name, Version: s.Version.Index, Labels: s.Spec.Labels,
			Created: s.CreatedAt, Unknown: s.Unknown, Raw: &s.Service,
		})
	}
	return out, nil
}

func create(ctx context.Context, env kinds.Env, want *diff.State) (kinds.Result, error) {
	spec, err := fresh(want, env.Owner(want.Key), env.Index, env.ID)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	var warnings []string
	auth, err := pin(ctx, env, spec, want.Value.(*v1.Service).Spec.Image, &warnings)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	made, err := env.Engine.ServiceCreate(ctx, *spec, auth)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	return kinds.Result{ID: made.ID, Warnings: append(warnings, made.Warnings...)}, nil
}

// update overlays what differs on the spec that was read, with its version: another writer in between makes it stale.
func update(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	live := raw(s.Change.Have.Value.(kinds.Live))
	spec, err := changed(s, env.Owner(s.Key), env.Index, env.ID)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("updating %s: %w", s.Key, err)
	}
	u := engine.ServiceUpdate{Version: live.Version}
	var warnings []string
	if diff.NewPaths(s.Fields).Has("spec.image") {
		if u.Auth, err = pin(ctx, env, spec, s.Change.Want.Value.(*v1.Service).Spec.Image, &warnings); err != nil {
			return kinds.Result{}, fmt.Errorf("updating %s: %w", s.Key, err)
		}
	}
	u.Spec = *spec
	done, err := env.Engine.ServiceUpdate(ctx, live.ID, u)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("updating %s: %w", s.Key, err)
	}
	return kinds.Result{ID: live.ID, Warnings: append(warnings, done.Warnings...)}, nil
}

// pin puts the digest that its registry knows of the image into the spec, and the platforms that it runs on, as
// docker service create does. A registry that does not answer is a warning there and here: nodes may have the image.
func pin(ctx context.Context, env kinds.Env, spec *swarm.ServiceSpec, image string, warnings *[]string) (engine.RegistryAuth, error) {
	auth, err := env.Resolve.Auth(image)
	if err != nil {
		return engine.RegistryAuth{}, err
	}
	resolved, err := env.Resolve.Resolve(ctx, image)
	if err != nil {
		*warnings = append(*warnings, fmt.Sprintf("the registry gave no digest for %s, so each node takes its own: %v", image, err))
		return auth, nil
	}
	spec.TaskTemplate.ContainerSpec.Image = resolved.Image
	if len(resolved.Platforms) > 0 {
		if spec.TaskTemplate.Placement == nil {
			spec.TaskTemplate.Placement = &swarm.Placement{}
		}
		spec.TaskTemplate.Placement.Platforms = resolved.Platforms
	}
	return auth, nil
}

func remove(ctx context.Context, env kinds.Env, id string) error {
	if err := env.Engine.ServiceRemove(ctx, id); err != nil && !engine.IsNotFound(err) {
		return fmt.Errorf("removing service %s: %w", id, err)
	}
	return nil
}
