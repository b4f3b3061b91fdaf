package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// entry is one entry of an archive.
type entry struct {
	*tar.Header
	data []byte
}

func readTar(t *testing.T, data []byte) map[string]entry {
	t.Helper()
	out := map[string]entry{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = entry{h, content}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode[T any](t *testing.T, data []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return v
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// config is an image's configuration, with what Docker adds to OCI's.
type config struct {
	ocispec.Image
	Config struct {
		ocispec.ImageConfig
		Healthcheck *struct {
			Test                                    []string
			Interval, Timeout, StartPeriod, Retries int64
		}
	} `json:"config"`
}

// layout reads the archive in OCI layout, and checks every digest on the way.
func layout(t *testing.T, dist string) (ocispec.Index, ocispec.Manifest, config, map[string]entry) {
	t.Helper()
	files := readTar(t, readFile(t, dist+"/swarm-operator.oci.tar"))
	blob := func(d ocispec.Descriptor) []byte {
		t.Helper()
		data := files["blobs/sha256/"+d.Digest.Encoded()].data
		if digest(data) != d.Digest.Encoded() || int64(len(data)) != d.Size {
			t.Fatalf("blob %s has %d bytes and digest %s", d.Digest, len(data), digest(data))
		}
		return data
	}
	if l := decode[ocispec.ImageLayout](t, files[ocispec.ImageLayoutFile].data); l.Version != ocispec.ImageLayoutVersion {
		t.Errorf("the layout has version %q", l.Version)
	}
	top := decode[ocispec.Index](t, files[ocispec.ImageIndexFile].data)
	if len(top.Manifests) != 1 || top.Manifests[0].Annotations[ocispec.AnnotationRefName] != version || top.Manifests[0].Annotations["io.containerd.image.name"] != name+":"+version {
		t.Fatalf("the layout lists %+v", top.Manifests)
	}
	index := decode[ocispec.Index](t, blob(top.Manifests[0]))
	if len(index.Manifests) != 1 {
		t.Fatalf("the index lists %+v", index.Manifests)
	}
	manifest := decode[ocispec.Manifest](t, blob(index.Manifests[0]))
	c := decode[config](t, blob(manifest.Config))
	content := map[string]entry{}
	for i, l := range manifest.Layers {
		z, err := gzip.NewReader(bytes.NewReader(blob(l)))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if c.RootFS.DiffIDs[i].Encoded() != digest(plain) {
			t.Errorf("layer %d has another digest when unpacked", i)
		}
		for path, e := range readTar(t, plain) {
			content[path] = e
		}
	}
	return index, manifest, c, content
}
