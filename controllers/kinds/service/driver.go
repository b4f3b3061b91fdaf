package service

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func list(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
	services, err := c.ServiceList(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing services: %w", err)
	}
	out := make([]*kinds.Live, 0, len(services))
	for _, s := range services {
		out = append(out, seen(s))
	}
	return out, nil
}

func readOne(ctx context.Context, c *engine.Client, id string) (*kinds.Live, error) {
	s, err := c.Service(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading service %s: %w", id, err)
	}
	return seen(s), nil
}

// seen returns a service as it was read, with its texts that are no addresses.
func seen(s *engine.Listed) *kinds.Live {
	l := live(&s.Service, s.Unknown)
	for _, u := range s.Unread {
		if strings.HasPrefix(u.Key, nameservers+"[") {
			l.Unread = append(l.Unread, diff.Unread{Key: u.Key, Path: "spec.dns", Text: u.Text})
		}
	}
	return l
}

// nameservers is the key of the only addresses in the spec of a service.
const nameservers = "Spec.TaskTemplate.ContainerSpec.DNSConfig.Nameservers"

func live(s *swarm.Service, unknown []string) *kinds.Live {
	return &kinds.Live{
		Kind: v1.KindService, ID: s.ID, Name: s.Spec.Name, Version: s.Version.Index, Labels: s.Spec.Labels,
		Created: s.CreatedAt, Unknown: unknown, Raw: s,
	}
}

func create(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	want := s.Change.Want
	spec, image, err := created(s, env.Owner(want.Key), env.Index, env.ID)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	env.Mark(spec.Labels)
	var warnings []string
	var auth engine.RegistryAuth
	if image {
		auth, err = pin(ctx, env, spec, &want.Value.(*v1.Service).Spec, &warnings)
	} else { // the image keeps its digest, as in an update
		auth, err = env.Resolve.Auth(want.Value.(*v1.Service).Spec.Image)
	}
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	made, err := env.Engine.ServiceCreate(ctx, *spec, auth)
	if err != nil {
		return kinds.Result{}, fmt.Errorf("creating %s: %w", want.Key, err)
	}
	return kinds.Result{ID: made.ID, Warnings: append(warnings, made.Warnings...)}, nil
}

// rereads is how often an update is tried again on a fresher spec, before the whole plan is made again.
const rereads = 3

// update lays what differs over the spec that was read, and sends that spec's version. If another writer comes in
// between, the update is stale. If that write changed none of what the plan is about, the same change is made on the
// new spec.
func update(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	for try := 0; ; try++ {
		result, err := updateOnce(ctx, env, s)
		if err == nil {
			return result, nil
		}
		err = fmt.Errorf("updating %s: %w", s.Key, err)
		if !engine.IsStale(err) || try == rereads {
			return kinds.Result{}, err
		}
		fresher, ok, readErr := reread(ctx, env, s)
		if readErr != nil {
			return kinds.Result{}, fmt.Errorf("updating %s: reading it again: %w", s.Key, readErr)
		}
		if !ok {
			return kinds.Result{}, err
		}
		s = fresher
	}
}

func updateOnce(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
	was := raw(s.Change.Have.Value.(*kinds.Live))
	spec, err := changed(s, env.Owner(s.Key), env.Index, env.ID)
	if err != nil {
		return kinds.Result{}, err
	}
	u := engine.ServiceUpdate{Version: was.Version}
	var warnings []string
	if diff.NewPaths(s.Fields).Has("spec.image") {
		want := &s.Change.Want.Value.(*v1.Service).Spec
		if err := waits(ctx, env, was.Spec.TaskTemplate.ContainerSpec, want.Image); err != nil {
			return kinds.Result{}, err
		}
		if u.Auth, err = pin(ctx, env, spec, want, &warnings); err != nil {
			return kinds.Result{}, err
		}
	}
	if asksPlatforms(s) {
		itsPlatforms(ctx, env, spec, &warnings)
	}
	u.Spec = *spec
	done, err := env.Engine.ServiceUpdate(ctx, was.ID, u)
	return kinds.Result{ID: was.ID, Warnings: append(warnings, done.Warnings...)}, err
}

// reread returns the step with the service as it is now. ok is false if the plan decided about something else. That
// is so if a field that is to be written has another value now, or the state of the roll-out has changed. ok is also
// false if there is a setting that a write would drop, or if nobody wrote.
func reread(ctx context.Context, env kinds.Env, s plan.Step) (fresher plan.Step, ok bool, err error) {
	was := s.Change.Have.Value.(*kinds.Live)
	service, unknown, err := env.Engine.ServiceRaw(ctx, was.ID)
	if err != nil {
		return s, false, err
	}
	now := diff.State{Leaves: shape.Flatten(read(&service.Spec, env.Index))}
	for _, f := range s.Fields {
		leaf, there := now.Leaf(f.Path)
		if there != f.Have.Set() || (there && leaf.Text != f.Have.Reveal()) {
			return s, false, nil
		}
	}
	is := live(&service, unknown)
	if is.Version == was.Version { // nobody wrote, so another try would be refused in the same way
		return s, false, nil
	}
	api, err := env.Engine.Version(ctx)
	if err != nil {
		return s, false, err
	}
	if drops(is, api) != "" || observe(is, env.Index, nil).State != observe(was, env.Index, nil).State {
		return s, false, nil
	}
	have := *s.Change.Have
	have.Value = is
	s.Change.Have = &have
	return s, true, nil
}

// prepare asks for the digest of an image that is new to the service.
func prepare(ctx context.Context, env kinds.Env, s plan.Step) {
	if asksPlatforms(s) {
		_, _ = env.Resolve.Resolve(ctx, raw(s.Change.Have.Value.(*kinds.Live)).Spec.TaskTemplate.ContainerSpec.Image) // itsPlatforms gets the same answer
	}
	if s.Op == diff.Create && startOf(s) == nil || s.Op == diff.Update && diff.NewPaths(s.Fields).Has("spec.image") {
		_, _ = env.Resolve.Resolve(ctx, s.Change.Want.Value.(*v1.Service).Spec.Image) // pin gets the same answer
	}
}

// asksPlatforms reports whether a step takes platforms away that a manifest stated, and leaves the image as it is.
func asksPlatforms(s plan.Step) bool {
	paths := diff.NewPaths(s.Fields)
	return s.Op == diff.Update && paths.Has("spec.placement.platforms") && !paths.Has("spec.image") && len(platforms(s.Change.Want.Value.(*v1.Service).Spec.Placement)) == 0
}

// itsPlatforms writes the platforms that the service's image runs on, as pin does. Without an answer of the registry,
// tasks may run on any.
func itsPlatforms(ctx context.Context, env kinds.Env, spec *swarm.ServiceSpec, warnings *[]string) {
	image := spec.TaskTemplate.ContainerSpec.Image
	resolved, err := env.Resolve.Resolve(ctx, image)
	if err != nil {
		*warnings = append(*warnings, fmt.Sprintf("the registry does not say on which platforms %s runs, so its tasks may run on any: %v", image, err))
		return
	}
	if len(resolved.Platforms) > 0 {
		spec.TaskTemplate.Placement.Platforms = resolved.Platforms
	}
}

// waits fails while the registry of the new image is away, if the running image is from the same registry and has a
// digest. The registry gave that digest, so it exists and will be back. Until then no node could pull the next image,
// and the roll-out would fail because of something that is not in git.
func waits(ctx context.Context, env kinds.Env, was *swarm.ContainerSpec, image string) error {
	if was == nil || !strings.Contains(was.Image, "@") || !engine.SameRegistry(was.Image, image) {
		return nil
	}
	if _, err := env.Resolve.Resolve(ctx, image); engine.IsRegistryAway(err) {
		return fmt.Errorf("its registry is away, and it keeps %s until that is back: %w", was.Image, err)
	}
	return nil
}

// pin writes the image's digest into the spec and, unless the manifest states platforms, those that the image runs on,
// as docker service create does. It asks the registry for them. If the registry does not answer, that is only a warning, as it is there: nodes
// may have the image.
func pin(ctx context.Context, env kinds.Env, spec *swarm.ServiceSpec, want *v1.ServiceSpec, warnings *[]string) (engine.RegistryAuth, error) {
	image := want.Image
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
	if len(resolved.Platforms) > 0 && len(platforms(want.Placement)) == 0 {
		if spec.TaskTemplate.Placement == nil {
			spec.TaskTemplate.Placement = &swarm.Placement{}
		}
		spec.TaskTemplate.Placement.Platforms = resolved.Platforms
	}
	return auth, nil
}

func remove(ctx context.Context, env kinds.Env, s plan.Step) error {
	if s.Change.Want != nil { // it is made again from what was written down
		if err := unmoved(ctx, env, s); err != nil {
			return err
		}
	}
	id := s.Change.Have.Meta.ID
	if err := env.Engine.ServiceRemove(ctx, id); err != nil {
		return fmt.Errorf("removing service %s: %w", id, err)
	}
	return nil
}
