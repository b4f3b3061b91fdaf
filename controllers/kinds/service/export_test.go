package service

import (
	"slices"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// If the operator made a service of a digest, its export has that digest, and no platforms except those of the manifest.
// Nothing differs from the export.
func TestAnExportHasNoPlatformsThatTheOperatorAdded(t *testing.T) {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, image := range []string{"nginx:1.27" + digest, "nginx" + digest} {
		for _, stated := range [][]v1.TaskPlatform{nil, {{OS: "linux", Architecture: "arm64"}}} {
			s := plainly()
			s.Spec.Image = image
			if stated != nil {
				s.Spec.Placement = &v1.Placement{Platforms: stated}
			}
			live := createdFrom(t, s)
			if stated == nil { // as pin does
				live.TaskTemplate.Placement = &swarm.Placement{Platforms: []swarm.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}}
			}
			x := exportOne(kinds.Export{Index: index()}, liveOf(live))
			var got []v1.TaskPlatform
			if x.Spec.Placement != nil {
				got = x.Spec.Placement.Platforms
			}
			if x.Spec.Image != image || !slices.Equal(got, stated) {
				t.Errorf("of %s with the platforms %v, the export has %s with %v", image, stated, x.Spec.Image, got)
			}
			if fields := diff.DifferingFields(haveOf(live), wantOf(x), rules); len(fields) > 0 {
				t.Errorf("of %s with the platforms %v, these differ from the export: %v", image, stated, fields)
			}
		}
	}
}
