package engines

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/distribution/reference"
	"golang.org/x/sync/errgroup"
)

// Load makes images: it pushes them to the registry in their name, or, where that has no host, to the one that answers for
// Docker Hub; engines pull them when a task needs them. What a container does is told by the last part of the repository's
// name, in the words of package sandbox: one called nopull is nowhere, one with "missing" in its name is on every node and
// in no registry. All others run until they are stopped, and serve their name on port 80.
func (s *Swarm) Load(ctx context.Context, names ...string) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	if len(s.loaded) == 0 { // the layer that the others share comes first
		names = append([]string{Registry + "/" + everywhere + ":base", PrivateRegistry + "/" + everywhere + ":base"}, names...)
	}
	for _, name := range names { // one at a time: docker-registry reads half of what another push is writing
		ref, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return fmt.Errorf("loading image %s: %w", name, err)
		}
		ref = reference.TagNameOnly(ref)
		if s.loaded[ref.String()] {
			continue
		}
		if err := s.load(ctx, ref); err != nil {
			return fmt.Errorf("loading image %s: %w", name, err)
		}
		s.loaded[ref.String()] = true
	}
	return nil
}

func (s *Swarm) load(ctx context.Context, ref reference.Named) error {
	tagged, ok := ref.(reference.Tagged)
	if !ok {
		return fmt.Errorf("it has no tag")
	}
	repository := reference.Path(ref)
	name := lastPart(repository)
	if behaviourOf(name).absent {
		return nil
	}
	i, err := newImage(s.tools, reference.FamiliarString(ref), name)
	if err != nil {
		return err
	}
	if behaviourOf(name).local {
		return s.install(ctx, reference.FamiliarString(ref), i)
	}
	host := reference.Domain(ref)
	if host == "docker.io" {
		host = Registry
	}
	r, err := s.registry(host)
	if err != nil {
		return err
	}
	return r.push(ctx, repository, tagged.Tag(), i)
}

// install puts an image onto every node.
func (s *Swarm) install(ctx context.Context, ref string, i *image) error {
	text, err := i.saved(ref)
	if err != nil {
		return err
	}
	var loads errgroup.Group
	for _, n := range s.nodes {
		loads.Go(func() error {
			result, err := n.client.ImageLoad(ctx, bytes.NewReader(text))
			if err != nil {
				return err
			}
			defer result.Close()
			_, err = io.Copy(io.Discard, result) // it is loaded when all is said
			return err
		})
	}
	return loads.Wait()
}
