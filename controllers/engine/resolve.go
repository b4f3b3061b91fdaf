package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/singleflight"
)

// Resolved is what a registry says about an image's name now.
type Resolved struct {
	// Image is the name as docker writes it, with tag and digest: "nginx:1.27@sha256:…". A digest in the name that was
	// asked for stays.
	Image     string
	Digest    string           // "sha256:…"
	Platforms []swarm.Platform // for Placement.Platforms
}

// Resolve asks the registry, through the engine, for an image's digest and platforms. The docker CLI does so for
// `service create` and `service update --image`, unless --no-resolve-image forbids it (moby/client's
// imageDigestAndPlatforms). The engine asks from its own place in the network.
func (c *Client) Resolve(ctx context.Context, image string, auth RegistryAuth) (Resolved, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return Resolved{}, fmt.Errorf("resolving image %q: %w", image, err)
	}
	named = reference.TagNameOnly(named)
	name := reference.FamiliarString(named)
	r, err := c.DistributionInspect(ctx, name, client.DistributionInspectOptions{EncodedRegistryAuth: auth.Reveal()})
	if err != nil {
		return Resolved{}, fmt.Errorf("resolving image %s: %w", name, err)
	}
	got := Resolved{Image: name, Digest: r.Descriptor.Digest.String(), Platforms: platforms(r.Platforms)}
	if _, pinned := named.(reference.Digested); pinned {
		return got, nil
	}
	pinned, err := reference.WithDigest(named, r.Descriptor.Digest)
	if err != nil {
		return Resolved{}, fmt.Errorf("resolving image %s: the registry's digest: %w", name, err)
	}
	got.Image = reference.FamiliarString(pinned)
	return got, nil
}

// IsRegistryAway reports whether nothing is known about the image, because its registry could not be reached or has
// troubles of its own. A later call may succeed. The engine turns most of a registry's answers into 500, so their texts
// decide.
func IsRegistryAway(err error) bool {
	if err == nil || has(err, "no basic auth credentials", "authentication required", "unauthorized", "denied") {
		return false
	}
	a, answered := errors.AsType[*answer](err)
	return IsTimeout(err) || answered && a.status >= 500
}

// SameRegistry reports whether two images come from one registry.
func SameRegistry(a, b string) bool {
	one, errA := registryOf(a)
	other, errB := registryOf(b)
	return errA == nil && errB == nil && one == other
}

// platforms drops attestations and differences that the swarm does not see. "arm" gets no architecture: nodes call
// themselves armv7l and the like, and no task would ever match (swarmkit issue 2294).
func platforms(all []ocispec.Platform) []swarm.Platform {
	var out []swarm.Platform
	seen := map[swarm.Platform]bool{}
	for _, p := range all {
		if p.OS == "unknown" || p.Architecture == "unknown" {
			continue
		}
		s := swarm.Platform{OS: p.OS, Architecture: p.Architecture}
		if strings.EqualFold(s.Architecture, "arm") {
			s.Architecture = ""
		}
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// Resolver asks for each image and for each registry's credential once. It is made for one run and then dropped, so
// that the next run sees a tag that has moved. It also remembers failures: a registry that is down is asked once for
// each image.
type Resolver struct {
	engine *Client
	flight singleflight.Group
	mu     sync.Mutex
	images map[string]resolution
	auths  map[string]credential
}

type resolution struct {
	resolved Resolved
	err      error
}

type credential struct {
	auth RegistryAuth
	err  error
}

// NewResolver returns the Resolver for one run.
func NewResolver(c *Client) *Resolver {
	return &Resolver{engine: c, images: map[string]resolution{}, auths: map[string]credential{}}
}

// Auth is [Client.Auth], which it calls once for each registry.
func (r *Resolver) Auth(image string) (RegistryAuth, error) {
	domain, err := registryOf(image)
	if err != nil {
		return RegistryAuth{}, err
	}
	v, _, _ := r.flight.Do("auth "+domain, func() (any, error) {
		if c, ok := recall(r, r.auths, domain); ok {
			return c, nil
		}
		var c credential
		c.auth, c.err = r.engine.Auth(image)
		remember(r, r.auths, domain, c)
		return c, nil
	})
	c := v.(credential)
	return c.auth, c.err
}

// Resolve is [Client.Resolve] with the docker config's credential, called once for each image.
func (r *Resolver) Resolve(ctx context.Context, image string) (Resolved, error) {
	if got, ok := recall(r, r.images, image); ok {
		return got.resolved, got.err
	}
	// Do not use the caller's context, because others wait for the same answer.
	detached := context.WithoutCancel(ctx)
	result := r.flight.DoChan("image "+image, func() (any, error) {
		if got, ok := recall(r, r.images, image); ok {
			return got, nil
		}
		var got resolution
		auth, err := r.Auth(image)
		if err != nil {
			got.err = fmt.Errorf("resolving image %s: %w", image, err)
		} else {
			got.resolved, got.err = r.engine.Resolve(detached, image, auth)
		}
		remember(r, r.images, image, got)
		return got, nil
	})
	select {
	case v := <-result:
		got := v.Val.(resolution)
		return got.resolved, got.err
	case <-ctx.Done():
		return Resolved{}, fmt.Errorf("resolving image %s: %w", image, ctx.Err())
	}
}

func recall[V any](r *Resolver, m map[string]V, key string) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := m[key]
	return v, ok
}

func remember[V any](r *Resolver, m map[string]V, key string, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m[key] = v
}
