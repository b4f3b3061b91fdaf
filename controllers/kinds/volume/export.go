package volume

import (
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// export returns manifests of cluster volumes. Their data stays where it is.
func export(in kinds.Export) []kinds.Exported {
	var out []kinds.Exported
	for _, l := range in.Lives(v1.KindVolume) {
		o := read(raw(l), in.Index)
		o.Metadata.Labels = kinds.WithoutPrefix(o.Metadata.Labels)
		o.Rename(in.Name)
		kinds.Tidy(shape, o)
		out = append(out, kinds.Exported{Key: o.Key(), Object: o, Live: []*kinds.Live{l}})
	}
	return out
}
