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
	w := want.Value.(*v1.Service)
	spec := swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: want.Instance, Labels: kinds.Labels(w.Metadata.Labels, env.Owner(want.Key), diff.NewApplied(want.Leaves).String())},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP}, // as the docker CLI does
	}
	if err := overlay(&spec, &w.Spec, stated(want), env.Index, env.ID); err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	var warnings []string
	auth, err := pin(ctx, env, &spec, w.Spec.Image, &warnings)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	made, err := env.Engine.ServiceCreate(ctx, spec, auth)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	return kinds.Result{ID: made.ID, Warnings: append(warnings, made.Warnings...)}, nil
}

// stated are the paths that a new service is written with. What is not stated stays absent, so that the engine's
// defaults are in force and the spec is the one that the docker CLI would send.
func stated(want *diff.State) diff.Paths {
	var fields []diff.Field
	for _, l := range want.Leaves {
		if l.Stated {
			fields = append(fields, diff.Field{Path: l.Path})
		}
	}
	return diff.NewPaths(fields)
}

// update overlays what differs on the spec that was read, with its version: another writer in between makes it stale.
func update(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	live := raw(s.Change.Have.Value.(kinds.Live))
	spec, err := copySpec(&live.Spec)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("updating %s: %w", s.Key, err)
	}
	w := s.Change.Want.Value.(*v1.Service)
	changed := diff.NewPaths(s.Fields)
	if err := overlay(spec, &w.Spec, changed, env.Index, env.ID); err != nil {
		return kinds.Result{}, fmt.Errorf("updating %s: %w", s.Key, err)
	}
	spec.Labels = kinds.OverlayLabels(spec.Labels, w.Metadata.Labels, s.Fields, env.Owner(s.Key), diff.NewApplied(s.Change.Want.Leaves).String())
	u := engine.ServiceUpdate{Version: live.Version}
	var warnings []string
	if changed.Has("spec.image") {
		if u.Auth, err = pin(ctx, env, spec, w.Spec.Image, &warnings); err != nil {
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

// pin puts the image into the spec with the digest that its registry knows, and the platforms that it runs on, as
// docker service create does. A registry that does not answer is a warning there and here: nodes may have the image.
func pin(ctx context.Context, env kinds.Env, spec *swarm.ServiceSpec, image string, warnings *[]string) (engine.RegistryAuth, error) {
	auth, err := env.Engine.Auth(image)
	if err != nil {
		return engine.RegistryAuth{}, err
	}
	spec.TaskTemplate.ContainerSpec.Image = image
	if p := spec.TaskTemplate.Placement; p != nil {
		p.Platforms = nil // the old image's
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
