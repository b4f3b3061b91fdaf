package v1

import (
	"cmp"
	"path"
	"regexp"
	"strings"
)

// mountTypes are those that services may state. The engine also has image, which it refuses for services
// (daemon/cluster/convert/container.go).
var mountTypes = []string{"volume", "bind", "tmpfs", "npipe", "cluster"}

// volumeName matches what the engine's own volume driver accepts; it checks names only when a task starts. The swarm
// fills in templates such as {{.Task.Slot}}.
var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

func (ps *problems) mounts(mounts []Mount) {
	seen := map[string]bool{}
	for i, m := range mounts {
		at, key := index("spec.mounts", i), m.ListKey()
		switch m.Type {
		case "":
			ps.add(at+".type", "is missing; one of %s", strings.Join(mountTypes, ", "))
		case "image":
			ps.add(at+".type", "the engine mounts no images into services; put the files into a volume, or into the service's own image")
		default:
			ps.oneOf(at+".type", m.Type, mountTypes...)
		}
		switch {
		case m.Target == "":
			ps.add(at+".target", "is missing")
		case seen[key]: // the engine makes no container with that
			ps.add(at+".target", "%q is mounted twice", key)
		case !path.IsAbs(m.Target) && !strings.Contains(m.Target, `:\`) && !strings.HasPrefix(m.Target, `\\`) && !strings.HasPrefix(m.Target, "{{"):
			ps.add(at+".target", "%q is not an absolute path in the container", m.Target)
		}
		seen[key] = true
		ps.mountSource(at, m)
		ps.mountOptions(at, m)
	}
}

func (ps *problems) mountSource(at string, m Mount) {
	switch {
	case m.Type == "bind" && m.Source == "":
		ps.add(at+".source", "is missing: a bind mount needs a path of the node")
	case m.Type == "bind" && !path.IsAbs(m.Source) && !strings.Contains(m.Source, `:\`) && !strings.HasPrefix(m.Source, "{{"):
		ps.add(at+".source", "%q is not an absolute path of the node", m.Source)
	case m.Type == "cluster" && strings.TrimPrefix(m.Source, groupPrefix) == "":
		ps.add(at+".source", "is missing: it is the name of a cluster volume, or group:GROUP")
	case m.Type == "tmpfs" && m.Source != "":
		ps.add(at+".source", "cannot be stated for a tmpfs")
	case m.Type == "volume" && strings.HasPrefix(m.Source, "/"):
		ps.add(at+".source", "%q is a path; a mount of a path has type bind", m.Source)
	}
}

func (ps *problems) mountOptions(at string, m Mount) {
	for _, o := range []struct {
		is   bool
		name string
	}{{m.Bind != nil, "bind"}, {m.Volume != nil, "volume"}, {m.Tmpfs != nil, "tmpfs"}} {
		if o.is && m.Type != o.name { // the engine makes no container with that
			ps.add(at+"."+o.name, "is for mounts of type %s; this one is %s", o.name, cmp.Or(m.Type, "of none"))
		}
	}
	if b := m.Bind; b != nil {
		ps.oneOf(at+".bind.propagation", b.Propagation, "rprivate", "private", "shared", "rshared", "slave", "rslave")
		if b.Recursive == "writable" || b.Recursive == "readonly" {
			ps.add(at+".bind.recursive", "the engine drops %s for services; it may be enabled or disabled", b.Recursive)
		} else {
			ps.oneOf(at+".bind.recursive", b.Recursive, "enabled", "disabled")
		}
	}
	if v := m.Volume; v != nil {
		ps.names(at+".volume.driverOpts", v.DriverOpts)
		ps.values(at+".volume.labels", v.Labels)
		if v.Subpath != "" && (path.IsAbs(v.Subpath) || strings.HasPrefix(path.Clean(v.Subpath), "..")) {
			ps.add(at+".volume.subpath", "%q is not a path within the volume", v.Subpath)
		}
	}
	if t := m.Tmpfs; t != nil {
		for i, o := range t.Options {
			if name, _, _ := strings.Cut(o, "="); name == "" || strings.Contains(o, ",") {
				ps.add(index(at+".tmpfs.options", i), "%q is not one option, such as noexec or uid=1000", o)
			}
		}
	}
}
