package volume

import (
	"slices"

	"github.com/moby/moby/api/types/volume"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// read returns a live volume in the words of a manifest, in normal form.
func read(v *volume.Volume, ix *kinds.Index) *v1.Volume {
	live := &v.ClusterVolume.Spec
	out := &v1.Volume{
		Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindVolume, Metadata: v1.Metadata{Name: v.Name, Labels: v.Labels}},
		Spec: v1.VolumeSpec{
			Driver: v.Driver, DriverOpts: v.Options, Group: live.Group, AccessMode: readMode(live.AccessMode), Availability: string(live.Availability),
		},
	}
	if r := live.AccessibilityRequirements; r != nil {
		out.Spec.AccessibilityRequirements = &v1.TopologyRequirement{Requisite: topologies(r.Requisite), Preferred: topologies(r.Preferred)}
	}
	if c := live.CapacityRange; c != nil {
		out.Spec.CapacityRange = &v1.CapacityRange{RequiredBytes: v1.Bytes(c.RequiredBytes), LimitBytes: v1.Bytes(c.LimitBytes)}
	}
	for _, s := range live.Secrets {
		out.Spec.Secrets = append(out.Spec.Secrets, v1.VolumeSecret{Key: s.Key, Secret: ix.NameOf(v1.KindSecret, s.Secret)})
	}
	out.Default()
	return out
}

func readMode(m *volume.AccessMode) *v1.AccessMode {
	if m == nil {
		return nil
	}
	out := &v1.AccessMode{Scope: string(m.Scope), Sharing: string(m.Sharing)}
	switch {
	case m.BlockVolume != nil:
		out.Type = block
	case m.MountVolume != nil:
		out.Type, out.FsType, out.MountFlags = mount, m.MountVolume.FsType, slices.Clone(m.MountVolume.MountFlags)
	}
	return out
}

// These are the types of access, in the words of docker volume create.
const (
	block = "block"
	mount = "mount"
)

func topologies(live []volume.Topology) []v1.Topology {
	var out []v1.Topology
	for _, t := range live {
		out = append(out, v1.Topology{Segments: t.Segments})
	}
	return out
}
