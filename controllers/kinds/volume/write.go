package volume

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// do carries out one step. It fails for an operation that it does not know.
func do(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	switch s.Op {
	case diff.Create:
		return create(ctx, env, s)
	case diff.Update:
		return update(ctx, env, s)
	case diff.Remove:
		return kinds.Result{}, remove(ctx, env, s)
	}
	return kinds.Result{}, fmt.Errorf("carrying out %q on %s: a volume is never made again, because its data would be lost", s.Op, s.Key)
}

func create(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	want := s.Change.Want
	o, err := Options(want.Value.(*v1.Volume), env.ID)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	o.Labels = kinds.Labels(o.Labels, env.Owner(want.Key), diff.NewApplied(want.Leaves).String())
	env.Mark(o.Labels)
	made, err := env.Engine.VolumeCreate(ctx, o)
	switch {
	case err != nil:
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	case made.Volume.ClusterVolume == nil: // an engine that does not know cluster volumes drops the whole spec
		return kinds.Result{}, fmt.Errorf("creating %s: the engine made a volume of its own and not one of the swarm; remove it with docker volume rm %s", want.Key, made.Volume.Name)
	}
	result := kinds.Result{ID: made.Volume.ClusterVolume.ID}
	// Tasks that mount the volume wait for the plugin by themselves, so this run waits only as long as a plugin takes that
	// has nothing else to do.
	l, err := settled(ctx, env.Engine, result.ID, makes, func(l *kinds.Live) bool { return awaits(l) == "" })
	if err == nil && awaits(l) != "" {
		result.Warnings = []string{awaits(l)}
	}
	return result, nil
}

// Options returns what makes a volume: all that its manifest says. id returns the id of a secret by its live name.
func Options(v *v1.Volume, id func(kind, name string) (string, error)) (client.VolumeCreateOptions, error) {
	s := &v.Spec
	spec := &volume.ClusterVolumeSpec{Group: s.Group, AccessMode: mode(s.AccessMode), Availability: volume.Availability(s.Availability)}
	if r := s.AccessibilityRequirements; r != nil {
		spec.AccessibilityRequirements = &volume.TopologyRequirement{Requisite: places(r.Requisite), Preferred: places(r.Preferred)}
	}
	if c := s.CapacityRange; c != nil {
		spec.CapacityRange = &volume.CapacityRange{RequiredBytes: int64(c.RequiredBytes), LimitBytes: int64(c.LimitBytes)}
	}
	for _, secret := range s.Secrets {
		// The engine's documentation allows a name here, and SwarmKit finds secrets by their ids only.
		of, err := id(v1.KindSecret, secret.Secret)
		if err != nil {
			return client.VolumeCreateOptions{}, err
		}
		spec.Secrets = append(spec.Secrets, volume.Secret{Key: secret.Key, Secret: of})
	}
	return client.VolumeCreateOptions{Name: v.Metadata.Name, Driver: s.Driver, DriverOpts: s.DriverOpts, Labels: v.Metadata.Labels, ClusterVolumeSpec: spec}, nil
}

func mode(m *v1.AccessMode) *volume.AccessMode {
	if m == nil {
		return nil
	}
	out := &volume.AccessMode{Scope: volume.Scope(m.Scope), Sharing: volume.SharingMode(m.Sharing)}
	if m.Type == block {
		out.BlockVolume = &volume.TypeBlock{}
	} else {
		out.MountVolume = &volume.TypeMount{FsType: m.FsType, MountFlags: m.MountFlags}
	}
	return out
}

func places(list []v1.Topology) []volume.Topology {
	var out []volume.Topology
	for _, t := range list {
		out = append(out, volume.Topology{Segments: t.Segments})
	}
	return out
}

// update changes the availability and nothing else.
func update(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	l := s.Change.Have.Value.(*kinds.Live)
	spec, err := updated(l, s)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("updating %s: %w", s.Key, err)
	}
	// The name would not do: this engine finds a volume by its name, and then asks the swarm for one with that id.
	if _, err := env.Engine.VolumeUpdate(ctx, l.ID, client.VolumeUpdateOptions{Version: swarm.Version{Index: l.Version}, Spec: spec}); err != nil {
		return kinds.Result{}, fmt.Errorf("updating %s: %w", s.Key, err)
	}
	return kinds.Result{ID: l.ID}, nil
}

// updated returns the live spec with the wanted availability. It fails if the step is about anything else.
func updated(l *kinds.Live, s plan.Step) (*volume.ClusterVolumeSpec, error) {
	for _, f := range s.Fields {
		if f.Path != pathAvailability {
			return nil, fmt.Errorf("the engine cannot change %s", f.Path)
		}
	}
	spec := raw(l).ClusterVolume.Spec
	spec.Availability = volume.Availability(s.Change.Want.Value.(*v1.Volume).Spec.Availability)
	return &spec, nil
}

// remove asks the swarm to remove a volume, and waits until its plugin has done so. It never forces the removal: a
// volume that is forced is forgotten, whatever uses it, and the plugin keeps its data for ever.
func remove(ctx context.Context, env kinds.Env, s plan.Step) error {
	have := s.Change.Have
	if _, err := env.Engine.VolumeRemove(ctx, have.Meta.ID, client.VolumeRemoveOptions{}); err != nil {
		return fmt.Errorf("removing volume %s: %w", have.Instance, err)
	}
	l, err := settled(ctx, env.Engine, have.Meta.ID, deletes, func(*kinds.Live) bool { return false })
	switch {
	case engine.IsNotFound(err):
		return nil
	case err == nil:
		err = fmt.Errorf("the swarm has taken the order, and the plugin %s has not deleted it yet; the log of the leader's dockerd may say why", raw(l).Driver)
	}
	return fmt.Errorf("removing volume %s: %w", have.Instance, err)
}

const (
	// makes and deletes are how long a step waits until the plugin has made or deleted its volume.
	makes     = time.Second
	deletes   = 5 * time.Second
	firstLook = 5 * time.Millisecond
)

// settled looks at a volume until done returns true of it or patience is over, and returns it as it was last seen. It
// fails if the volume cannot be read, or is gone.
func settled(ctx context.Context, c *engine.Client, id string, patience time.Duration, done func(*kinds.Live) bool) (*kinds.Live, error) {
	for wait, waited := firstLook, time.Duration(0); ; wait *= 2 {
		l, err := readOne(ctx, c, id)
		if waited += wait; err != nil || done(l) || waited > patience {
			return l, err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
}
