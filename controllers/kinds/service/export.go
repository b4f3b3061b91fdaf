package service

import (
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"

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
			x.Lacks = lacks(&raw(l).Spec)
		}
		out = append(out, x)
	}
	return out
}

// lacks says what a manifest cannot state, and the engine's types can.
func lacks(spec *swarm.ServiceSpec) []kinds.Lack {
	r := spec.TaskTemplate.Resources
	if r == nil || r.Reservations == nil || !slices.ContainsFunc(r.Reservations.GenericResources, func(g swarm.GenericResource) bool { return g.NamedResourceSpec != nil }) {
		return nil
	}
	return []kinds.Lack{{Path: "spec.resources.reservations.genericResources", Why: "it asks for a resource by name, which the swarm does not give to tasks, so the manifest does not state it"}}
}

// exportOne returns a live service as somebody would state it. It states how many tasks there are, although that may be the
// number of a new service: a manifest that says nothing leaves the number as it is.
func exportOne(in kinds.Export, l *kinds.Live) *v1.Service {
	s := read(&raw(l).Spec, in.Index)
	s.Rename(in.Name)
	s.Metadata.Labels = kinds.WithoutPrefix(s.Metadata.Labels)
	unpin(&s.Spec, diff.ParseApplied(l.Labels[v1.LabelApplied]))
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
// stated the platforms; otherwise they are the operator's own, which [pin] read from the image. A client adds platforms to
// an image that has nothing but a digest, too.
func unpin(s *v1.ServiceSpec, stated diff.Applied) {
	bare, digest, pinned := strings.Cut(s.Image, "@")
	if !pinned || digest == "" {
		return
	}
	tagged := strings.Contains(bare[strings.LastIndexByte(bare, '/')+1:], ":")
	if tagged && !stated.Is(diff.Leaf{Path: "spec.image", Text: s.Image}) {
		s.Image = bare
	}
	if s.Placement != nil && !stated.Has("spec.placement.platforms") {
		s.Placement.Platforms = nil
	}
}
