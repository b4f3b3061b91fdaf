package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func newImage(binary string, base v1.Layer, config v1.Config, p *v1.Platform, at time.Time) (v1.Image, error) {
	own, err := binaryLayer(binary)
	if err != nil {
		return nil, err
	}
	i := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	i, err = mutate.ConfigFile(i, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, Config: config, Created: v1.Time{Time: at},
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Append(i,
		mutate.Addendum{Layer: base, History: v1.History{Created: v1.Time{Time: at}, CreatedBy: "certificates, /tmp"}},
		mutate.Addendum{Layer: own, History: v1.History{Created: v1.Time{Time: at}, CreatedBy: "swarm-operator"}})
}

// writeDocker writes an archive that every docker load can read, even one that does not know OCI.
func (o options) writeDocker(to string, i v1.Image) error {
	tag, err := o.tag()
	if err != nil {
		return err
	}
	fmt.Println(to)
	return tarball.WriteToFile(to, tag, i)
}

// writeIndex writes an index of the images of all platforms, and prints the digest that the index will have in a
// registry.
func (o options) writeIndex(to string, images []v1.Image, labels map[string]string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, i := range images {
		config, err := i.ConfigFile()
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: ordinary{i}, Descriptor: v1.Descriptor{Platform: config.Platform()}})
	}
	index = mutate.Annotations(index, labels).(v1.ImageIndex)
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	tag, err := o.tag()
	if err != nil {
		return err
	}
	if err := writeLayout(to, index, tag); err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	fmt.Printf("%s\n%s@%s\n", to, tag, digest)
	return nil
}

// ordinary is an image that an index lists without an artifact type. Older tools drop that field, and the digest of the
// index would change with it.
type ordinary struct{ v1.Image }

// ArtifactType returns "", which means that there is none.
func (ordinary) ArtifactType() (string, error) { return "", nil }

func (o options) tag() (name.Tag, error) {
	return name.NewTag(o.name+":"+o.version, name.WithDefaultRegistry("docker.io"))
}

// writeLayout writes an archive in OCI layout. Before it packs the layout, it reads and checks what it has written.
func writeLayout(to string, index v1.ImageIndex, tag name.Tag) error {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := l.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": tag.TagStr(),                             // for skopeo and podman
		"io.containerd.image.name":          strings.TrimPrefix(tag.Name(), "index."), // for containerd and docker
	})); err != nil {
		return err
	}
	written, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return err
	}
	if err := validate.Index(written); err != nil {
		return err
	}
	return pack(dir, to)
}

// pack puts a directory into an archive, in the order of the names.
func pack(dir, to string) error {
	var files []file
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		if d.IsDir() {
			files = append(files, file{path: path + "/", mode: 0o755})
			return nil
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		files = append(files, file{path: path, mode: 0o644, data: data})
		return err
	})
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(archive(out, files), out.Close())
}
