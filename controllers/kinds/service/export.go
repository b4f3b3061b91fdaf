package service

import (
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// export returns manifests of live services.
func export(in kinds.Export) []kinds.Exported {
	var out []kinds.Exported
	for _, l := range in.Lives(v1.KindService) {
		x := kinds.Exported{Key: v1.Key{Kind: v1.KindService, Name: l.Name}, Live: []*kinds.Live{l}}
		if raw(l).Spec.TaskTemplate.ContainerSpec == nil {
			x.Live, x.Lacks = nil, []kinds.Lack{{Path: "spec.runtime", Why: "its tasks are not containers, and no manifest can state such a service"}}
		} else {
			x.Object = exportOne(in, l)
			if len(raw(l).Spec.TaskTemplate.Networks) > 0 {
				x.Known = []string{"Spec.Networks"} // the engine reads that list if this one is empty
			}
		}
		out = append(out, x)
	}
	return out
}

// exportOne returns a live service as somebody would state it.
func exportOne(in kinds.Export, l *kinds.Live) *v1.Service {
	s := read(&raw(l).Spec, in.Index)
	s.Rename(in.Name)
	s.Metadata.Labels = kinds.WithoutPrefix(s.Metadata.Labels)
	stated := diff.ParseApplied(l.Labels[v1.LabelApplied])
	unpin(&s.Spec, stated)
	uncount(&s.Spec, stated)
	if h := s.Spec.Healthcheck; h != nil && len(h.Test) == 1 && h.Test[0] == "NONE" {
		s.Spec.Healthcheck = &v1.Healthcheck{Disable: true}
	}
	// A counter says nothing about what should run.
	s.Spec.ForceUpdate = 0
	kinds.Tidy(shape, s)
	return s
}

// unpin leaves out the digest that a client added to a tag, and the platforms that it added with the digest, unless a
// manifest stated them. If a manifest stated the digest, the applied label says so, and it also says whether that manifest
// stated the platforms; otherwise they are the operator's own, which [pin] read from the image. Without that label, nobody
// can tell whether a person stated the platforms beside a digest, so they stay.
func unpin(s *v1.ServiceSpec, stated diff.Applied) {
	bare, digest, pinned := strings.Cut(s.Image, "@")
	if !pinned || digest == "" {
		return
	}
	switch {
	case stated.Is(diff.Leaf{Path: "spec.image", Text: s.Image}):
	case strings.Contains(bare[strings.LastIndexByte(bare, '/')+1:], ":"):
		s.Image = bare
	default:
		return
	}
	if s.Placement != nil && !stated.Has("spec.placement.platforms") {
		s.Placement.Platforms = nil
	}
}

// uncount leaves out numbers of tasks that a new service has by itself, unless a manifest stated them.
func uncount(s *v1.ServiceSpec, stated diff.Applied) {
	if s.MaxConcurrent != nil && s.Replicas != nil && *s.MaxConcurrent == *s.Replicas && !stated.Has("spec.maxConcurrent") {
		s.MaxConcurrent = nil
	}
	if s.Replicas != nil && *s.Replicas == 1 && !stated.Has("spec.replicas") {
		s.Replicas = nil
	}
}
