package v1

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Volume is a cluster volume of the swarm: storage that a CSI plugin makes, and that follows tasks from node to node.
// Volumes that each node makes by itself need no manifest. The kind needs API 1.42.
//
// Once a volume exists, the engine changes only its availability. For any other change, the operator would have to remove
// the volume with its data, so it refuses that.
type Volume struct {
	Header
	Spec VolumeSpec `json:"spec"`
}

// VolumeSpec has the field names of compose's x-cluster-spec and of docker volume create, in camelCase.
type VolumeSpec struct {
	// External says that a cluster volume of exactly this name exists and does not belong to the operator.
	External bool `json:"external,omitempty"`
	// Driver is the name of the CSI plugin with its tag, as docker plugin ls shows it. It is required.
	Driver string `json:"driver,omitempty"`
	// DriverOpts are the options that the plugin gets when it makes the volume.
	DriverOpts map[string]string `json:"driverOpts,omitempty"`
	// Group is the name of the volume's group. A service that mounts group:NAME gets any free volume of the group.
	Group string `json:"group,omitempty"`
	// AccessMode says how tasks use the volume. It is required.
	AccessMode *AccessMode `json:"accessMode,omitempty"`
	// AccessibilityRequirements says which nodes must reach the volume. If omitted, the plugin decides.
	AccessibilityRequirements *TopologyRequirement `json:"accessibilityRequirements,omitempty"`
	// CapacityRange bounds the size of the volume. If omitted, the plugin decides.
	CapacityRange *CapacityRange `json:"capacityRange,omitempty"`
	// Secrets are the secrets that the plugin gets for this volume.
	Secrets []VolumeSecret `json:"secrets,omitempty"`
	// Availability is active (default), pause or drain. No new task gets a volume that is not active. drain also ends
	// the tasks that use it and takes it off their nodes.
	Availability string `json:"availability,omitempty"`
}

// AccessMode says how tasks use a volume.
type AccessMode struct {
	// Scope is single (default: tasks of one node at a time) or multi.
	Scope string `json:"scope,omitempty"`
	// Sharing is none (default: one task at a time), readonly, onewriter or all.
	Sharing string `json:"sharing,omitempty"`
	// Type is mount (a file system) or block (a device). It is required, because docker's own default, block,
	// surprises.
	Type string `json:"type"`
	// FsType is the type of the file system, such as ext4. Only for type mount. If omitted, the plugin decides.
	FsType string `json:"fsType,omitempty"`
	// MountFlags are flags of the mount, such as noatime. Only for type mount. It is a list, or a string that is split as
	// a shell splits it.
	MountFlags StringList `json:"mountFlags,omitempty"`
}

// TopologyRequirement says which nodes must reach a volume, in the words of its plugin.
type TopologyRequirement struct {
	// Requisite lists topologies. The volume must be reachable from at least one of them.
	Requisite []Topology `json:"requisite,omitempty"`
	// Preferred lists topologies, the best one first.
	Preferred []Topology `json:"preferred,omitempty"`
}

// Topology is a place in the terms of a plugin.
type Topology struct {
	// Segments are names and values that the plugin knows, such as zone: a.
	Segments map[string]string `json:"segments,omitempty"`
}

// ListKey returns the names of the segments, and none of their values.
func (t Topology) ListKey() string { return strings.Join(sortedKeys(t.Segments), ",") }

// CapacityRange bounds the size of a volume.
type CapacityRange struct {
	// RequiredBytes is the least size. Default: no least size.
	RequiredBytes Bytes `json:"requiredBytes,omitempty"`
	// LimitBytes is the greatest size. Default: no limit.
	LimitBytes Bytes `json:"limitBytes,omitempty"`
}

// VolumeSecret is a secret that a plugin gets. The engine cannot give a volume that exists another version of it.
type VolumeSecret struct {
	// Key is the name that the plugin has for the secret, such as password.
	Key string `json:"key"`
	// Secret is the name of a Secret manifest.
	Secret string `json:"secret"`
}

// ListKey returns the plugin's name for the secret.
func (s VolumeSecret) ListKey() string { return s.Key }

// External reports whether the object must exist already and is never written.
func (v *Volume) External() bool { return v.Spec.External }

// Refs returns the secrets and the dependencies.
func (v *Volume) Refs() []Ref {
	var refs []Ref
	for i, s := range v.Spec.Secrets {
		refs = append(refs, Ref{Key{KindSecret, s.Secret}, index("spec.secrets", i) + ".secret"})
	}
	return append(refs, v.dependencies()...)
}

// Rename replaces the names of secrets with the names of their versions in force.
func (v *Volume) Rename(live func(Key) string) {
	for i := range v.Spec.Secrets {
		v.Spec.Secrets[i].Secret = live(Key{KindSecret, v.Spec.Secrets[i].Secret})
	}
}

// Copy returns a deep copy.
func (v *Volume) Copy() Object {
	c := *v
	c.Header = v.Header.copy()
	s := &c.Spec
	s.DriverOpts = maps.Clone(s.DriverOpts)
	if s.AccessMode = clone(s.AccessMode); s.AccessMode != nil {
		s.AccessMode.MountFlags = slices.Clone(s.AccessMode.MountFlags)
	}
	if s.AccessibilityRequirements = clone(s.AccessibilityRequirements); s.AccessibilityRequirements != nil {
		a := s.AccessibilityRequirements
		a.Requisite, a.Preferred = copyTopologies(a.Requisite), copyTopologies(a.Preferred)
	}
	s.CapacityRange = clone(s.CapacityRange)
	s.Secrets = slices.Clone(s.Secrets)
	return &c
}

func copyTopologies(list []Topology) []Topology {
	out := slices.Clone(list)
	for i := range out {
		out[i].Segments = maps.Clone(out[i].Segments)
	}
	return out
}

// Default fills in the access mode and the availability, sorts what has no order, and drops blocks that say nothing.
// An external volume stays as it is.
func (v *Volume) Default() {
	s := &v.Spec
	if s.External {
		return
	}
	s.Availability = cmp.Or(s.Availability, "active")
	if m := s.AccessMode; m != nil {
		m.Scope, m.Sharing = cmp.Or(m.Scope, "single"), cmp.Or(m.Sharing, "none")
	}
	if a := s.AccessibilityRequirements; a != nil {
		slices.SortFunc(a.Requisite, func(a, b Topology) int { return strings.Compare(a.text(), b.text()) })
		if len(a.Requisite) == 0 && len(a.Preferred) == 0 {
			s.AccessibilityRequirements = nil
		}
	}
	if c := s.CapacityRange; c != nil && *c == (CapacityRange{}) {
		s.CapacityRange = nil
	}
	slices.SortStableFunc(s.Secrets, func(a, b VolumeSecret) int { return strings.Compare(a.Key, b.Key) })
}

// text returns the segments in the order of their names.
func (t Topology) text() string {
	b, _ := json.Marshal(t.Segments) // a map of strings
	return string(b)
}

// nameVolume is for volumes. The engine takes any name, but a mount could not name each of them.
var nameVolume = nameRule{regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`), 128, "letters, digits, -, _ and ., with a letter or digit at the start"}

// Validate checks the name, the access mode and the lists, and that an external volume has no other settings.
func (v *Volume) Validate() []Problem {
	ps := v.validateHeader(nameVolume)
	s := v.Spec
	if s.External {
		if s.Driver != "" || len(s.DriverOpts) > 0 || s.Group != "" || s.AccessMode != nil || s.AccessibilityRequirements != nil ||
			s.CapacityRange != nil || len(s.Secrets) > 0 || s.Availability != "" || len(v.Metadata.Labels) > 0 {
			ps.add("spec", "an external volume is never written: nothing but external may be stated")
		}
		return ps
	}
	switch s.Driver {
	case "":
		ps.add("spec.driver", "is missing: it is the name of a CSI plugin, as docker plugin ls shows it")
	case "local":
		ps.add("spec.driver", "local makes volumes of single nodes, which need no manifest: write type: volume in spec.mounts of the service")
	}
	ps.names("spec.driverOpts", s.DriverOpts)
	ps.accessMode(s.AccessMode)
	ps.topologies(s.AccessibilityRequirements)
	if c := s.CapacityRange; c != nil && c.LimitBytes != 0 && c.RequiredBytes > c.LimitBytes {
		ps.add("spec.capacityRange.requiredBytes", "%s is more than limitBytes, %s", c.RequiredBytes, c.LimitBytes)
	}
	seen := map[string]bool{}
	for i, secret := range s.Secrets {
		at := index("spec.secrets", i)
		switch {
		case secret.Key == "":
			ps.add(at+".key", "is missing: it is the plugin's name for the secret")
		case seen[secret.Key]:
			ps.add(at+".key", "%q is stated twice", secret.Key)
		}
		if seen[secret.Key] = true; secret.Secret == "" {
			ps.add(at+".secret", "is missing: it is the name of a Secret")
		}
	}
	ps.oneOf("spec.availability", s.Availability, "active", "pause", "drain")
	return ps
}

func (ps *problems) accessMode(m *AccessMode) {
	if m == nil {
		ps.add("spec.accessMode", "is missing: write accessMode: {type: mount}, or type: block for a device")
		return
	}
	ps.oneOf("spec.accessMode.scope", m.Scope, "single", "multi")
	ps.oneOf("spec.accessMode.sharing", m.Sharing, "none", "readonly", "onewriter", "all")
	ps.oneOf("spec.accessMode.type", m.Type, "mount", "block")
	if m.Type == "" {
		ps.add("spec.accessMode.type", "is missing; one of mount, block")
	}
	if m.Type == "block" && m.FsType != "" {
		ps.add("spec.accessMode.fsType", "cannot be stated for type block, which has no file system")
	}
	if m.Type == "block" && len(m.MountFlags) > 0 {
		ps.add("spec.accessMode.mountFlags", "cannot be stated for type block, which is not mounted")
	}
}

// segmentName matches what the specification of CSI allows.
var segmentName = regexp.MustCompile(`^([a-z0-9][a-z0-9.-]*/)?[a-zA-Z0-9][a-zA-Z0-9._-]*$`)

func (ps *problems) topologies(r *TopologyRequirement) {
	if r == nil {
		return
	}
	for _, list := range []struct {
		at  string
		all []Topology
	}{{"spec.accessibilityRequirements.requisite", r.Requisite}, {"spec.accessibilityRequirements.preferred", r.Preferred}} {
		for i, t := range list.all {
			if len(t.Segments) == 0 {
				ps.add(index(list.at, i)+".segments", "is missing: it has names and values of the plugin, such as zone: a")
			}
			for _, name := range sortedKeys(t.Segments) {
				if !segmentName.MatchString(name) {
					ps.add(index(list.at, i)+".segments", "%q is not a name such as zone or example.com/zone", name)
				}
			}
		}
	}
}
