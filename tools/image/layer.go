package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// file is a file or directory of a layer. It has a fixed time, so a layer changes only with its content.
type file struct {
	path string // a directory ends with a slash
	mode int64
	data []byte
	id   int // of its user and group; 0 is root
}

// user is who the operator is: USER in the Dockerfile.
const user = 65532

// baseLayer returns the layer that hardly ever changes. It has the certificates, a place for the clone of a remote source,
// and one for what the operator keeps. A volume that is mounted there belongs to whom the directory belongs to.
func baseLayer() (v1.Layer, error) {
	return layer([]file{
		{path: "etc/", mode: 0o755},
		{path: "etc/ssl/", mode: 0o755},
		{path: "etc/ssl/certs/", mode: 0o755},
		{path: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, data: roots()},
		{path: "tmp/", mode: 0o1777},
		{path: "var/", mode: 0o755},
		{path: "var/lib/", mode: 0o755},
		{path: "var/lib/swarm-operator/", mode: 0o700, id: user},
	})
}

// roots returns the certificate authorities that Mozilla trusts, as golang.org/x/crypto has them. go.sum fixes which
// ones these are, and not the machine that builds. It leaves out an authority that is trusted only under a condition,
// because PEM cannot state the condition.
func roots() []byte {
	var out bytes.Buffer
	for r := range bundle.Roots() {
		if r.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate}) // writing into memory cannot fail
		}
	}
	return out.Bytes()
}

func binaryLayer(path string) (v1.Layer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return layer([]file{{path: "swarm-operator", mode: 0o755, data: data}})
}

func layer(files []file) (v1.Layer, error) {
	var b bytes.Buffer
	if err := archive(&b, files); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

// archive writes files into a tar. The same files give the same bytes.
func archive(to io.Writer, files []file) error {
	w := tar.NewWriter(to)
	for _, f := range files {
		h := &tar.Header{Name: f.path, Mode: f.mode, Size: int64(len(f.data)), Uid: f.id, Gid: f.id, ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if f.data == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	return w.Close()
}
