package service

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// former is a service that was removed, or is about to be removed, and is made again.
type former struct {
	Spec swarm.ServiceSpec `json:"spec"`
	// Networks are the names of the networks that it is attached to, by id. They may be made again as well and then
	// have other ids.
	Networks map[string]string `json:"networks,omitempty"`
}

// freeze writes down a live service, so that it can be made again after it was removed.
func freeze(l *kinds.Live, ix *kinds.Index) ([]byte, error) {
	f := former{Spec: raw(l).Spec}
	for _, n := range f.Spec.TaskTemplate.Networks {
		if f.Networks == nil {
			f.Networks = map[string]string{}
		}
		f.Networks[n.Target] = ix.NameOf(v1.KindNetwork, n.Target)
	}
	data, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("writing down service %s: %w", l.Name, err)
	}
	return data, nil
}

// thaw reads what freeze wrote.
func thaw(data []byte) (any, error) {
	f := new(former)
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("reading the spec of a service that was removed: %w", err)
	}
	return f, nil
}

// startOf returns what a step makes a service from, or nil if that is the manifest alone.
func startOf(s plan.Step) *former {
	if s.Op == diff.Replace {
		return &former{Spec: raw(s.Change.Have.Value.(*kinds.Live)).Spec}
	}
	start, _ := s.Change.Want.Start.(*former)
	return start
}

// namesAgain resolves ids, including those of networks that no longer exist or that no index has yet.
type namesAgain struct {
	names
	networks map[string]string // by id
}

// NameOf returns the name of a network that the service was attached to. For other objects it returns what the index
// says.
func (n namesAgain) NameOf(kind, id string) string {
	if name, known := n.networks[id]; known && kind == v1.KindNetwork {
		return name
	}
	return n.names.NameOf(kind, id)
}

// again returns the spec of a service that is made again. It is the spec that the service had, with the fields
// changed for which the manifest wants another value. image reports whether the image is another one.
func again(was *former, want *diff.State, owner string, ix names, id ids) (spec *swarm.ServiceSpec, image bool, err error) {
	if spec, err = copySpec(&was.Spec); err != nil {
		return nil, false, err
	}
	known := namesAgain{ix, relink(spec, was.Networks, id)}
	have := &diff.State{Key: want.Key, Leaves: shape.Flatten(read(spec, known)), Meta: diff.Meta{Applied: diff.ParseApplied(spec.Labels[v1.LabelApplied])}}
	fields := slices.DeleteFunc(diff.DifferingFields(have, want, rules), func(f diff.Field) bool { return f.Ignored })
	w := want.Value.(*v1.Service)
	paths := diff.NewPaths(fields)
	if paths.Has("spec.mode") {
		fields = append(fields, otherMode(spec, want)...)
		paths = diff.NewPaths(fields)
	}
	if err := overlay(spec, &w.Spec, paths, known, id); err != nil {
		return nil, false, fmt.Errorf("overlaying the spec that it had: %w", err)
	}
	delete(spec.Labels, v1.LabelMade)
	spec.Labels = kinds.OverlayLabels("metadata.labels", spec.Labels, w.Metadata.Labels, fields, owner, diff.NewApplied(want.Leaves).String())
	if image = paths.Has("spec.image"); image {
		setImage(spec, &w.Spec)
	}
	return spec, image, nil
}

// otherMode clears the settings that depend on the service's mode or on its runtime, because that changes. It returns the fields of the
// manifest that state such settings, so that they are written again.
func otherMode(spec *swarm.ServiceSpec, want *diff.State) []diff.Field {
	spec.Mode, spec.UpdateConfig, spec.RollbackConfig, spec.TaskTemplate.RestartPolicy = swarm.ServiceMode{}, nil, nil, nil
	spec.TaskTemplate.Runtime, spec.TaskTemplate.PluginSpec = "", nil // what it becomes has containers
	var fields []diff.Field
	for _, l := range want.Leaves {
		if l.Stated && (rules[l.Type].Follows == "spec.mode" || l.Path == "spec.replicas") {
			fields = append(fields, diff.Field{Path: l.Path})
		}
	}
	return fields
}

// relink gives the spec the ids that its networks, configs and secrets have now. An object that no longer exists
// keeps its id: either the manifest no longer names it, or the engine says that it does not exist. relink returns the
// names of the networks.
func relink(spec *swarm.ServiceSpec, was map[string]string, id ids) map[string]string {
	networks := map[string]string{}
	for i := range spec.TaskTemplate.Networks {
		n := &spec.TaskTemplate.Networks[i]
		name, known := was[n.Target]
		if !known {
			continue
		}
		if now, err := id(v1.KindNetwork, name); err == nil {
			n.Target = now
		}
		networks[n.Target] = name
	}
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		for _, r := range c.Configs {
			now, err := id(v1.KindConfig, r.ConfigName)
			if err != nil {
				continue
			}
			if p := c.Privileges; r.File == nil && p != nil && p.CredentialSpec != nil && p.CredentialSpec.Config == r.ConfigID {
				p.CredentialSpec.Config = now
			}
			r.ConfigID = now
		}
		for _, r := range c.Secrets {
			if now, err := id(v1.KindSecret, r.SecretName); err == nil {
				r.SecretID = now
			}
		}
	}
	return networks
}

// unmoved fails if a service has changed since it was written down, because removing it would lose the change. It
// succeeds if the service is gone, and leaves that to the removal.
func unmoved(ctx context.Context, env kinds.Env, s plan.Step) error {
	was := s.Change.Have.Value.(*kinds.Live)
	now, unknown, err := env.Engine.ServiceRaw(ctx, was.ID)
	switch {
	case engine.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading %s before it is removed: %w", s.Key, err)
	case now.Version.Index != was.Version:
		return fmt.Errorf("removing %s: %w", s.Key, engine.ErrStale)
	case len(unknown) > 0:
		return fmt.Errorf("removing %s: it has fields that this release does not know and would drop: %s", s.Key, strings.Join(unknown, ", "))
	}
	return nil
}
