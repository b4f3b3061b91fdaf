package engines

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/distribution/reference"
	"golang.org/x/sync/errgroup"
)

// Load makes images and pushes each to the registry in its name, from which engines pull it when a task needs it. An
// image without a registry in its name goes to the registry that answers for Docker Hub. The last part of the
// repository's name says what a container does, in the words of package sandbox. An image called nopull is nowhere. An
// image with "missing" in its name is on every node and in no registry. Containers of all other images run until they
// are stopped, and serve their image's name on port 80.
func (s *Swarm) Load(ctx context.Context, names ...string) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	if len(s.loaded) == 0 { // the layer that all images share comes first
		names = append([]string{Registry + "/" + everywhere + ":base", PrivateRegistry + "/" + everywhere + ":base"}, names...)
	}
	for _, name := range names { // one at a time, because docker-registry may read what another push has written only half
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

// install loads an image into the engine of every node.
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
			_, err = io.Copy(io.Discard, result) // the image is loaded when the answer ends
			return err
		})
	}
	return loads.Wait()
}
