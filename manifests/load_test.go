package manifests_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"slices"
	"testing/fstest"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
)

var options = manifests.Options{Kinds: []manifests.Kind{
	{Name: v1.KindCluster, New: func() v1.Object { return new(v1.Cluster) }, Field: field},
	{Name: v1.KindConfig, New: func() v1.Object { return new(v1.Config) }, Field: field},
	{Name: v1.KindNetwork, New: func() v1.Object { return new(v1.Network) }, Field: field},
	{Name: v1.KindNode, New: func() v1.Object { return new(v1.Node) }, Field: field},
	{Name: v1.KindSecret, New: func() v1.Object { return new(v1.Secret) }, Field: field},
	{Name: v1.KindService, New: func() v1.Object { return new(v1.Service) }, Field: field},
}}

func field(path string) (bool, []string) {
	fields := []string{"spec.replicas", "spec.image"}
	return slices.Contains(fields, path), fields
}

// withBlobs is a file system that knows an id of each file's content, as a commit's does.
type withBlobs struct{ fstest.MapFS }

func (w withBlobs) Lstat(name string) (fs.FileInfo, error) {
	info, err := w.MapFS.Lstat(name)
	if f := w.MapFS[name]; err == nil && f != nil {
		info = blobInfo{info, fmt.Sprintf("%x", sha256.Sum256(f.Data))}
	}
	return info, err
}

type blobInfo struct {
	fs.FileInfo
	id string
}

func (b blobInfo) Sys() any       { return b }
func (b blobInfo) BlobID() string { return b.id }
