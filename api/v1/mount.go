package v1

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
)

// Mount mounts a volume, a directory of the node or a tmpfs.
type Mount struct {
	// Type is volume, bind, tmpfs, npipe or cluster. It is required, because the engine's own default, bind, surprises.
	// Type cluster needs API 1.42.
	Type string `json:"type"`
	// Source is the volume's name, the node's path or, for type cluster, the name of a Volume manifest or group:GROUP.
	// If it is empty, the volume is anonymous.
	Source string `json:"source,omitempty"`
	// Target is the path in the container. A slash at its end means nothing.
	Target string `json:"target"`
	// ReadOnly makes the mount read-only. Default false.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Bind has options for a mount of type bind.
	Bind *BindOptions `json:"bind,omitempty"`
	// Volume has options for a mount of type volume.
	Volume *VolumeOption `json:"volume,omitempty"`
	// Tmpfs has options for a mount of type tmpfs.
	Tmpfs *TmpfsOptions `json:"tmpfs,omitempty"`
}

// ListKey returns the path in the container.
func (m Mount) ListKey() string { return cleanPath(m.Target) }

// groupPrefix is what a source begins with that names a group of cluster volumes.
const groupPrefix = "group:"

// ClusterVolume returns the name of the cluster volume that is mounted. It is "" if none is, or if it is any volume of a
// group.
func (m Mount) ClusterVolume() string {
	if m.Type != "cluster" || strings.HasPrefix(m.Source, groupPrefix) || strings.Contains(m.Source, "{{") {
		return ""
	}
	return m.Source
}

// cleanPath writes a path of Linux as the engine does when it makes the container. It leaves other texts as they are.
func cleanPath(text string) string {
	switch {
	case !strings.HasPrefix(text, "/"):
		return text
	case strings.Contains(text, "{{"): // a template may hold anything
		return cmp.Or(strings.TrimRight(text, "/"), "/")
	}
	return path.Clean(text)
}

// BindOptions are for mounts of type bind.
type BindOptions struct {
	// Propagation is rprivate (the engine's default), private, shared, rshared, slave or rslave.
	Propagation string `json:"propagation,omitempty"`
	// Recursive is enabled (default) or disabled: then what is mounted below the source is not mounted with it. Needs
	// API 1.41.
	Recursive string `json:"recursive,omitempty"`
}

// VolumeOption is for mounts of type volume. Each node uses it when it makes the volume. A volume that a node has
// already stays as it is.
type VolumeOption struct {
	// NoCopy says that a new volume is not filled from the image. Default false.
	NoCopy bool `json:"nocopy,omitempty"`
	// Subpath is the directory of the volume to mount. It must exist. Default: the whole volume. Needs API 1.45.
	Subpath string `json:"subpath,omitempty"`
	// Driver is the volume driver: local (default) or the name of a plugin.
	Driver string `json:"driver,omitempty"`
	// DriverOpts are options of the volume driver, such as type, o and device for NFS.
	DriverOpts map[string]string `json:"driverOpts,omitempty"`
	// Labels are the labels of the volume.
	Labels map[string]string `json:"labels,omitempty"`
}

// TmpfsOptions are for mounts of type tmpfs.
type TmpfsOptions struct {
	// Size is the upper limit. Default: the kernel's, half of the node's memory.
	Size Bytes `json:"size,omitempty"`
	// Mode is the mode of the mounted directory, which is always octal. Default 1777.
	Mode *FileMode `json:"mode,omitempty"`
	// Options are further options of the mount, such as noexec or uid=1000. Needs API 1.46.
	Options []string `json:"options,omitempty"`
}

func (m *Mount) copied() {
	m.Bind, m.Volume, m.Tmpfs = clone(m.Bind), clone(m.Volume), clone(m.Tmpfs)
	if v := m.Volume; v != nil {
		v.DriverOpts, v.Labels = maps.Clone(v.DriverOpts), maps.Clone(v.Labels)
	}
	if t := m.Tmpfs; t != nil {
		t.Mode, t.Options = clone(t.Mode), slices.Clone(t.Options)
	}
}

// canonical writes the paths in one form.
func (m *Mount) canonical() {
	m.Target = cleanPath(m.Target)
	if m.Type == "bind" {
		m.Source = cleanPath(m.Source)
	}
}

// normalise drops options that say nothing, because {}, absent and the default mean the same.
func (m *Mount) normalise() {
	if b := m.Bind; b != nil {
		if b.Propagation == "rprivate" {
			b.Propagation = ""
		}
		if b.Recursive == "enabled" {
			b.Recursive = ""
		}
		if *b == (BindOptions{}) {
			m.Bind = nil
		}
	}
	if v := m.Volume; v != nil {
		if v.Driver == "local" {
			v.Driver = ""
		}
		if !v.NoCopy && v.Subpath == "" && v.Driver == "" && len(v.DriverOpts) == 0 && len(v.Labels) == 0 {
			m.Volume = nil
		}
	}
	if t := m.Tmpfs; t != nil {
		if t.Mode != nil && *t.Mode == 0 {
			t.Mode = nil // the engine cannot tell 0 from absent
		}
		if t.Size == 0 && t.Mode == nil && len(t.Options) == 0 {
			m.Tmpfs = nil
		}
	}
}
