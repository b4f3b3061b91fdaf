package service

import (
	"fmt"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Spec returns what a step that creates or updates a service sends, except for the image's digest, which a registry
// knows. It is pure. id finds the objects that the service refers to. Spec fails if id does.
func Spec(s plan.Step, owner string, ix *kinds.Index, id func(kind, name string) (string, error)) (*swarm.ServiceSpec, error) {
	if s.Op == diff.Update {
		return changed(s, owner, ix, id)
	}
	spec, _, err := created(s, owner, ix, id)
	return spec, err
}

// created returns the spec of a service that a step makes. image reports whether no registry was asked for its image
// yet.
func created(s plan.Step, owner string, ix names, id ids) (spec *swarm.ServiceSpec, image bool, err error) {
	if was := startOf(s); was != nil {
		return again(was, s.Change.Want, owner, ix, id)
	}
	spec, err = fresh(s.Change.Want, owner, ix, id)
	return spec, true, err
}

// fresh returns the spec of a new service.
func fresh(want *diff.State, owner string, ix names, id ids) (*swarm.ServiceSpec, error) {
	w := want.Value.(*v1.Service)
	spec := &swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: want.Instance, Labels: kinds.InStack(kinds.Labels(w.Metadata.Labels, owner, diff.NewApplied(want.Leaves).String()), want.Stack)},
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeVIP}, // as the docker CLI does
	}
	// What is not stated stays absent. So the engine's defaults are in force, and the spec is the one that the docker CLI
	// would send.
	if err := overlay(spec, &w.Spec, diff.StatedPaths(want.Leaves), ix, id); err != nil {
		return nil, err
	}
	setImage(spec, &w.Spec)
	return spec, nil
}

// changed returns the live spec with the step's fields laid over it.
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
	if paths.Any("spec.ports") {
		asGiven(spec, &raw(s.Change.Have.Value.(*kinds.Live)).Endpoint)
	}
	applied := diff.NewApplied(s.Change.Want.Leaves)
	if left := leftPorts(s); len(left) > 0 { // what git says of them is still to be written
		applied = applied.Keeping(s.Change.Have.Meta.Applied, left)
	}
	spec.Labels = kinds.OverlayLabels("metadata.labels", spec.Labels, w.Metadata.Labels, s.Fields, owner, applied.String())
	if paths.Has("spec.image") {
		setImage(spec, &w.Spec)
	}
	return spec, nil
}

// setImage sets the image, and drops the platforms of the old one, except those that the manifest states.
func setImage(spec *swarm.ServiceSpec, want *v1.ServiceSpec) {
	spec.TaskTemplate.ContainerSpec.Image = want.Image
	if p := spec.TaskTemplate.Placement; p != nil {
		p.Platforms = platforms(want.Placement)
	}
}
