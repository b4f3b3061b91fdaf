package service

import (
	"fmt"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Spec returns what a step that creates or updates a service sends, apart from the image's digest, which a registry
// knows: pure. id finds the objects that the service refers to.
func Spec(s plan.Step, owner string, ix *kinds.Index, id func(kind, name string) (string, error)) (*swarm.ServiceSpec, error) {
	if s.Op == diff.Update {
		return changed(s, owner, ix, id)
	}
	spec, _, err := created(s, owner, ix, id)
	return spec, err
}

// created is the spec of a service that a step makes. image reports whether its image is one that no registry was asked for.
func created(s plan.Step, owner string, ix names, id ids) (spec *swarm.ServiceSpec, image bool, err error) {
	if was := startOf(s); was != nil {
		return again(was, s.Change.Want, owner, ix, id)
	}
	spec, err = fresh(s.Change.Want, owner, ix, id)
	return spec, true, err
}

// fresh is the spec of a new service.
func fresh(want *diff.State, owner string, ix names, id ids) (*swarm.ServiceSpec, error) {
	w := want.Value.(*v1.Service)
	spec := &swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: want.Instance, Labels: kinds.Labels(w.Metadata.Labels, owner, diff.NewApplied(want.Leaves).String())},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP}, // as the docker CLI does
	}
	if err := overlay(spec, &w.Spec, stated(want), ix, id); err != nil {
		return nil, err
	}
	setImage(spec, w.Spec.Image)
	return spec, nil
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

// changed is the live spec with the step's fields overlaid.
func changed(s plan.Step, owner string, ix names, id ids) (*swarm.ServiceSpec, error) {
	spec, err := copySpec(&raw(s.Change.Have.Value.(*kinds.Live)).Spec)
	if err != nil {
		return nil, err
	}
	w := s.Change.Want.Value.(*v1.Service)
	paths := diff.NewPaths(s.Fields)
	if err := overlay(spec, &w.Spec, paths, ix, id); err != nil {
		return nil, fmt.Errorf("overlaying the live spec: %w", err)
	}
	spec.Labels = kinds.OverlayLabels("metadata.labels", spec.Labels, w.Metadata.Labels, s.Fields, owner, diff.NewApplied(s.Change.Want.Leaves).String())
	if paths.Has("spec.image") {
		setImage(spec, w.Spec.Image)
	}
	return spec, nil
}

// setImage drops the platforms of the old image with it.
func setImage(spec *swarm.ServiceSpec, image string) {
	spec.TaskTemplate.ContainerSpec.Image = image
	if p := spec.TaskTemplate.Placement; p != nil {
		p.Platforms = nil
	}
}
