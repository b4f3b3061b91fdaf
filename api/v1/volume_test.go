package v1_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// fullVolume is a volume that states every field.
func fullVolume() *v1.Volume {
	return &v1.Volume{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindVolume, Metadata: v1.Metadata{Name: "data", Labels: map[string]string{"a": "1"}}}, Spec: v1.VolumeSpec{
		Driver: "csi:latest", DriverOpts: map[string]string{"pool": "ssd"}, Group: "db", Availability: "drain",
		AccessMode: &v1.AccessMode{Scope: "multi", Sharing: "all", Type: "mount", FsType: "ext4", MountFlags: []string{"noatime"}},
		AccessibilityRequirements: &v1.TopologyRequirement{
			Requisite: []v1.Topology{{Segments: map[string]string{"zone": "b"}}, {Segments: map[string]string{"zone": "a"}}},
			Preferred: []v1.Topology{{Segments: map[string]string{"zone": "b"}}, {Segments: map[string]string{"zone": "a"}}},
		},
		CapacityRange: &v1.CapacityRange{RequiredBytes: 1, LimitBytes: 2},
		Secrets:       []v1.VolumeSecret{{Key: "user", Secret: "u"}, {Key: "password", Secret: "p"}},
	}}
}

func TestProblemsOfVolumes(t *testing.T) {
	type spec = *v1.VolumeSpec
	for _, test := range []struct {
		name   string
		volume string
		change func(spec)
		want   string
	}{
		{"everything", "data", func(spec) {}, ""},
		{"the least", "data_1.x-Y", func(s spec) { *s = v1.VolumeSpec{Driver: "csi", AccessMode: &v1.AccessMode{Type: "block"}} }, ""},
		{"external", "data", func(s spec) { *s = v1.VolumeSpec{External: true} }, "spec: an external volume is never written: nothing but external may be stated"},
		{"external and more", "data", func(s spec) { s.External = true }, "spec: an external volume is never written: nothing but external may be stated"},
		{"nothing", "data", func(s spec) { *s = v1.VolumeSpec{} }, "spec.driver: is missing: it is the name of a CSI plugin, as docker plugin ls shows it\nspec.accessMode: is missing: write accessMode: {type: mount}, or type: block for a device"},
		{"a driver of single nodes", "data", func(s spec) { s.Driver = "local" }, "spec.driver: local makes volumes of single nodes, which need no manifest: write type: volume in spec.mounts of the service"},
		{"a slash", "a/b", func(spec) {}, `metadata.name: "a/b" may hold only letters, digits, -, _ and ., with a letter or digit at the start`},
		{"no option", "data", func(s spec) { s.DriverOpts = map[string]string{"": "x"} }, `spec.driverOpts: the name "" is empty or holds = or NUL`},
		{"no type", "data", func(s spec) { s.AccessMode = &v1.AccessMode{} }, "spec.accessMode.type: is missing; one of mount, block"},
		{"other words", "data", func(s spec) {
			s.AccessMode = &v1.AccessMode{Scope: "one", Sharing: "write", Type: "mounted"}
			s.Availability = "off"
		}, "spec.accessMode.scope: \"one\" is not one of single, multi\nspec.accessMode.sharing: \"write\" is not one of none, readonly, onewriter, all\n" +
			"spec.accessMode.type: \"mounted\" is not one of mount, block; did you mean mount?\nspec.availability: \"off\" is not one of active, pause, drain"},
		{"a device with a file system", "data", func(s spec) { s.AccessMode.Type = "block" }, "spec.accessMode.fsType: cannot be stated for type block, which has no file system\nspec.accessMode.mountFlags: cannot be stated for type block, which is not mounted"},
		{"a place without a name", "data", func(s spec) {
			s.AccessibilityRequirements = &v1.TopologyRequirement{Requisite: []v1.Topology{{}}, Preferred: []v1.Topology{{Segments: map[string]string{"a=b": "x"}}}}
		}, "spec.accessibilityRequirements.requisite[0].segments: is missing: it has names and values of the plugin, such as zone: a\nspec.accessibilityRequirements.preferred[0].segments: \"a=b\" is not a name such as zone or example.com/zone"},
		{"a size that cannot be", "data", func(s spec) { s.CapacityRange = &v1.CapacityRange{RequiredBytes: 2 << 30, LimitBytes: 1 << 30} }, "spec.capacityRange.requiredBytes: 2GiB is more than limitBytes, 1GiB"},
		{"no limit", "data", func(s spec) { s.CapacityRange = &v1.CapacityRange{RequiredBytes: 2 << 30} }, ""},
		{"half secrets", "data", func(s spec) {
			s.Secrets = []v1.VolumeSecret{{Key: "user"}, {Secret: "p"}, {Key: "user", Secret: "u"}}
		}, "spec.secrets[0].secret: is missing: it is the name of a Secret\nspec.secrets[1].key: is missing: it is the plugin's name for the secret\nspec.secrets[2].key: \"user\" is stated twice"},
	} {
		v := fullVolume()
		v.Metadata.Name = test.volume
		test.change(&v.Spec)
		if d := cmp.Diff(test.want, problems(v)); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, d)
		}
	}
	theirs := &v1.Volume{Header: named(v1.KindVolume, "data"), Spec: v1.VolumeSpec{External: true}}
	if got := problems(theirs); got != "" || !theirs.External() {
		t.Errorf("an external volume: %s", got)
	}
	if theirs.Default(); !reflect.DeepEqual(theirs.Spec, v1.VolumeSpec{External: true}) {
		t.Errorf("an external volume gets defaults: %+v", theirs.Spec)
	}
}

func TestDefaultsOfVolumes(t *testing.T) {
	v := &v1.Volume{Spec: v1.VolumeSpec{
		Driver: "csi", AccessMode: &v1.AccessMode{Type: "mount"}, CapacityRange: &v1.CapacityRange{}, AccessibilityRequirements: &v1.TopologyRequirement{},
		Secrets: []v1.VolumeSecret{{Key: "b"}, {Key: "a"}},
	}}
	v.Default()
	want := v1.VolumeSpec{Driver: "csi", Availability: "active", AccessMode: &v1.AccessMode{Scope: "single", Sharing: "none", Type: "mount"}, Secrets: []v1.VolumeSecret{{Key: "a"}, {Key: "b"}}}
	if d := cmp.Diff(want, v.Spec); d != "" {
		t.Errorf("defaults (-want +got):\n%s", d)
	}
	v = fullVolume()
	v.Default()
	zones := func(list []v1.Topology) (out string) {
		for _, topology := range list {
			out += topology.Segments["zone"]
		}
		return out
	}
	if a := v.Spec.AccessibilityRequirements; zones(a.Requisite) != "ab" || zones(a.Preferred) != "ba" { // the order of what is preferred counts
		t.Errorf("the places are %s and %s", zones(a.Requisite), zones(a.Preferred))
	}
	if key := (v1.Topology{Segments: map[string]string{"zone": "a", "example.com/rack": "1"}}).ListKey(); key != "example.com/rack,zone" {
		t.Errorf("the key of a place is %q", key)
	}
	again := v.Copy().(*v1.Volume)
	if again.Default(); !reflect.DeepEqual(again, v) {
		t.Error("the defaults of the normal form differ from it")
	}
}

func TestACopyOfAVolumeSharesNothing(t *testing.T) {
	v := fullVolume()
	c := v.Copy().(*v1.Volume)
	s := &c.Spec
	c.Metadata.Labels["a"], s.DriverOpts["pool"], s.AccessMode.Scope, s.AccessMode.MountFlags[0] = "2", "hdd", "single", "ro"
	s.AccessibilityRequirements.Requisite[0].Segments["zone"], s.AccessibilityRequirements.Preferred[0].Segments["zone"] = "x", "y"
	s.CapacityRange.LimitBytes, s.Secrets[0].Secret = 7, "other"
	if d := cmp.Diff(fullVolume(), v); d != "" {
		t.Errorf("the copy changed the original (-want +got):\n%s", d)
	}
}

func TestWhatAVolumeRefersTo(t *testing.T) {
	v := fullVolume()
	v.Policy.DependsOn = []string{"Service/gateway"}
	want := []v1.Ref{
		{Key: v1.Key{Kind: v1.KindSecret, Name: "u"}, Path: "spec.secrets[0].secret"},
		{Key: v1.Key{Kind: v1.KindSecret, Name: "p"}, Path: "spec.secrets[1].secret"},
		{Key: v1.Key{Kind: v1.KindService, Name: "gateway"}, Path: "policy.dependsOn[0]"},
	}
	if d := cmp.Diff(want, v.Refs()); d != "" {
		t.Errorf("refs (-want +got):\n%s", d)
	}
	v.Rename(func(k v1.Key) string { return k.Kind + "-" + k.Name })
	if v.Spec.Secrets[0].Secret != "Secret-u" || v.Spec.Secrets[1].Secret != "Secret-p" {
		t.Errorf("the secrets are %+v", v.Spec.Secrets)
	}
	if !v1.HoldsData(v1.KindVolume) || v1.HoldsData(v1.KindService) || (v1.Key{Kind: v1.KindVolume, Name: "Data"}).Folded().Name != "data" {
		t.Error("nothing is known of the kind")
	}
	yes := true
	d := v1.DefaultPolicy{Prune: &yes, Adopt: v1.AdoptNever}
	if got := d.For(v1.KindVolume); got.Prune != nil || got.Adopt != v1.AdoptNever || d.For(v1.KindConfig).Prune == nil {
		t.Errorf("the defaults for volumes are %+v", got)
	}
}

// A mount of a volume by its name needs the volume's manifest. A mount of a group, or of a template, names no volume.
func TestMountsOfClusterVolumes(t *testing.T) {
	s := &v1.Service{Header: named(v1.KindService, "db"), Spec: v1.ServiceSpec{Image: "db:1", Mounts: []v1.Mount{
		{Type: "cluster", Source: "data", Target: "/a"}, {Type: "cluster", Source: "group:db", Target: "/b"}, {Type: "cluster", Source: "data-{{.Task.Slot}}", Target: "/c"}, {Type: "volume", Source: "data", Target: "/d"},
	}}}
	if got := problems(s); got != "" {
		t.Errorf("problems: %s", got)
	}
	want := []v1.Ref{{Key: v1.Key{Kind: v1.KindVolume, Name: "data"}, Path: "spec.mounts[0].source"}}
	if d := cmp.Diff(want, s.Refs()); d != "" {
		t.Errorf("refs (-want +got):\n%s", d)
	}
	s.Spec.Mounts = []v1.Mount{{Type: "cluster", Source: "group:", Target: "/a"}}
	if got := problems(s); got != "spec.mounts[0].source: is missing: it is the name of a cluster volume, or group:GROUP" {
		t.Errorf("no group: %s", got)
	}
}
