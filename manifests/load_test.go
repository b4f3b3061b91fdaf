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

var options = manifests.Options{
	Kinds: []string{v1.KindCluster, v1.KindConfig, v1.KindNetwork, v1.KindNode, v1.KindSecret, v1.KindService},
	New: func(kind string) v1.Object {
		switch kind {
		case v1.KindCluster:
			return new(v1.Cluster)
		case v1.KindConfig:
			return new(v1.Config)
		case v1.KindNetwork:
			return new(v1.Network)
		case v1.KindNode:
			return new(v1.Node)
		case v1.KindSecret:
			return new(v1.Secret)
		case v1.KindService:
			return new(v1.Service)
		}
		return nil
	},
	Field: func(_, path string) (bool, []string) {
		fields := []string{"spec.replicas", "spec.image"}
		return slices.Contains(fields, path), fields
	},
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
