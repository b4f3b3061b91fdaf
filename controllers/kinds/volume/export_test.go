package volume

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/volume"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// The manifest of a live volume differs from it in nothing, and states no default and none of the operator's labels.
func TestExport(t *testing.T) {
	for name, test := range map[string]struct {
		live *volume.Volume
		want v1.VolumeSpec
	}{"the least": {csi(), least()}, "all": {made(), all()}} {
		test.live.Labels = map[string]string{"tier": "db", v1.LabelOwner: "src/Volume/data"}
		in := kinds.NewExport(nil, kinds.NewIndex(map[string][]*kinds.Live{
			v1.KindVolume: {live(test.live)}, v1.KindSecret: secrets().List(v1.KindSecret),
		}, func(*kinds.Live) []kinds.Ref { return nil }))
		list := export(in)
		if len(list) != 1 || list[0].Key != (v1.Key{Kind: v1.KindVolume, Name: "data"}) || len(list[0].Lacks) > 0 {
			t.Fatalf("%s: it is exported as %+v", name, list)
		}
		o := list[0].Object.(*v1.Volume)
		if d := cmp.Diff(map[string]string{"tier": "db"}, o.Metadata.Labels); d != "" {
			t.Errorf("%s: labels (-want +got)\n%s", name, d)
		}
		normal := &v1.Volume{Spec: test.want}
		normal.Default()
		got := o.Copy().(*v1.Volume)
		got.Default()
		for i := range got.Spec.Secrets { // the version of the secret is what the swarm has
			if got.Spec.Secrets[i].Secret == "csi-password-0123456789" {
				got.Spec.Secrets[i].Secret = "csi-password"
			}
		}
		if d := cmp.Diff(shape.Flatten(normal), shape.Flatten(&v1.Volume{Spec: got.Spec})); d != "" {
			t.Errorf("%s: the manifest (-want +got)\n%s", name, d)
		}
		want := wanted(t, o.Spec, o.Metadata.Labels)
		have := diff.State{Key: want.Key, Instance: "data", Leaves: shape.Flatten(read(test.live, in.Index))}
		for _, f := range diff.DifferingFields(&have, want, rules) {
			if f.Path != "metadata.labels."+v1.LabelOwner {
				t.Errorf("%s: %s differs from what is exported", name, f.Path)
			}
		}
	}
}
