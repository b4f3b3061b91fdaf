package guardrails

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// sockets are where engines and containerd listen. /var/run is /run on most machines.
var sockets = []string{"/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/var/run/containerd/containerd.sock", "/run/docker", "/var/run/docker", "/run/containerd", "/var/run/containerd"}

// links are directories below which the kernel has links to any directory of the node, such as /proc/self/root. A bind of
// /proc itself follows none of them.
var links = []string{"/proc", "/dev/fd"}

// socketIn reports whether a path of a node is the socket of an engine, or a directory that has it.
func socketIn(name string) bool {
	name = path.Clean(name)
	return slices.ContainsFunc(sockets, func(s string) bool {
		return name == s || name == "/" || strings.HasPrefix(s, name+"/") || strings.HasPrefix(name, s+"/")
	}) || path.Base(name) == "docker.sock" || slices.ContainsFunc(links, func(dir string) bool { return strings.HasPrefix(name, dir+"/") })
}

func (c *checking) mounts(mounts []v1.Mount) {
	r := c.rules.Mounts
	if r == nil {
		return
	}
	for i, m := range mounts {
		source := at("spec.mounts", i, "source")
		c.oneOf("mounts.types", at("spec.mounts", i, "type"), r.Types, m.Type)
		switch m.Type {
		case "bind":
			c.bind(r, source, m.Source, m.ReadOnly)
		case "npipe":
			if r.NoDockerSocket {
				c.add("mounts.noDockerSocket", source, "a named pipe may be that of the engine")
			}
		case "cluster":
			c.oneOf("mounts.volumes", source, r.Volumes, m.Source)
		case "volume":
			if m.Source != "" {
				c.oneOf("mounts.volumes", source, r.Volumes, m.Source)
			}
			c.volume(r, i, m)
		}
	}
}

var (
	// ownName matches templates that stand for the service's name, which whoever writes the manifest chooses.
	ownName = regexp.MustCompile(`\{\{ *\.Service\.Name *\}\}`)
	// plainTemplate matches templates that stand for a name without a slash that the manifest does not choose.
	plainTemplate = regexp.MustCompile(`\{\{ *\.(Service\.ID|Task\.(ID|Name|Slot)|Node\.(ID|Hostname)) *\}\}`)
)

// resolved returns a path with a name in place of each template that stands for one. known is false if it has other
// templates, so that nobody knows what the swarm makes of it.
func (c *checking) resolved(dir string) (out string, known bool) {
	out = ownName.ReplaceAllLiteralString(dir, c.of.Object.Key().Name)
	out = plainTemplate.ReplaceAllLiteralString(out, "x")
	return out, !strings.Contains(out, "{{")
}

// bind checks a directory of the node that is mounted.
func (c *checking) bind(r *config.MountRules, at, dir string, readOnly bool) {
	dir, known := c.resolved(dir)
	switch {
	case !known:
		c.unknown(r, at, "%q may become any path: only templates such as {{.Service.Name}} and {{.Task.Slot}} are allowed", dir)
	case r.Binds != nil && !allowed(r, dir):
		deeper := ", and nothing that is deeper"
		if r.ReadOnlyBinds {
			deeper = ", and what is below"
		}
		c.add("mounts.binds", at, "%q is not allowed; allowed: %s%s", dir, list(r.Binds), deeper)
	}
	if r.ReadOnlyBinds && !readOnly {
		c.add("mounts.readOnlyBinds", at, "a bind must be read-only: state readOnly: true")
	}
	if r.NoDockerSocket && socketIn(dir) {
		c.add("mounts.noDockerSocket", at, "%q has the socket of the engine, and whoever can write to that is root on every node", dir)
	}
}

// allowed reports whether a directory may be mounted. What a service can write to must not be on the way to another
// directory that may be mounted: a link there leads anywhere. So an entry allows itself alone, or the directories in it.
// Where nothing can be written, what is below may be mounted too.
func allowed(r *config.MountRules, dir string) bool {
	dir = path.Clean(dir)
	return slices.ContainsFunc(r.Binds, func(entry string) bool {
		parent, children := strings.CutSuffix(entry, "/*")
		inside := strings.HasPrefix(dir, strings.TrimSuffix(parent, "/")+"/") && dir != "/"
		switch {
		case entry == "/": // there is nothing to protect
			return true
		case !children && dir == entry:
			return true
		case r.ReadOnlyBinds:
			return inside
		}
		return children && inside && path.Dir(dir) == path.Clean("/"+parent)
	})
}

// noBinds reports whether the types of mounts that are allowed leave binds out.
func noBinds(r *config.MountRules) bool { return r.Types != nil && !slices.Contains(r.Types, "bind") }

// aboutDirectories reports whether a rule says which directories of nodes may be mounted, and how.
func aboutDirectories(r *config.MountRules) bool {
	return noBinds(r) || r.Binds != nil || r.ReadOnlyBinds || r.NoDockerSocket
}

// driver checks the driver of a volume. A plugin may mount any directory of a node, so a rule about directories allows
// none, unless the drivers that may be used are stated.
func (c *checking) driver(r *config.MountRules, at, driver string) {
	if r.Drivers == nil && aboutDirectories(r) {
		c.add("mounts.drivers", at, "%s is not allowed: a plugin may mount any directory of a node; state the drivers that may be used in mounts.drivers", driver)
		return
	}
	c.oneOf("mounts.drivers", at, r.Drivers, driver)
}

// unknown adds a breach of each rule about which directories are mounted, because nobody knows which one is. An exception
// from one of these rules is none from the others.
func (c *checking) unknown(r *config.MountRules, at, format string, args ...any) {
	if r.Binds != nil {
		c.add("mounts.binds", at, format, args...)
	}
	if r.NoDockerSocket {
		c.add("mounts.noDockerSocket", at, format, args...)
	}
}

// remote are the types of file systems that the driver local mounts without anything of the node.
var remote = []string{"nfs", "nfs4", "cifs", "smb3", "tmpfs"}

// volume checks what a node mounts when it makes a volume. The driver local mounts whatever its options say, as
// mount(8) does, so it can mount a directory or a disk of the node. A plugin can do anything.
func (c *checking) volume(r *config.MountRules, i int, m v1.Mount) {
	if m.Volume == nil {
		return
	}
	driver, options := m.Volume.Driver, m.Volume.DriverOpts // any template in the type or in o may become a bind
	if driver != "" && driver != "local" {
		c.driver(r, at("spec.mounts", i, "volume.driver"), driver)
		return
	}
	here := at("spec.mounts", i, "volume.driverOpts")
	words := strings.Split(options["o"], ",")
	switch {
	case slices.Contains(words, "bind") || slices.Contains(words, "rbind"): // whatever the type
		if noBinds(r) {
			c.add("mounts.types", here, "these options make the volume a bind, which is not allowed; allowed: %s", list(r.Types))
		}
		c.bind(r, here, options["device"], m.ReadOnly || slices.Contains(words, "ro"))
	case len(options) == 0 || onlySize(options):
	case slices.Contains(remote, options["type"]) && !strings.Contains(options["o"], "{{"):
	default:
		const anything = "a volume of type %q with these options may mount anything of the node; allowed are binds, and the types %s"
		if noBinds(r) {
			c.add("mounts.types", here, "a volume of type %q with these options may mount anything of the node, as a bind does; allowed are the types %s", options["type"], list(remote))
		}
		if c.unknown(r, here, anything, options["type"], list(remote)); r.ReadOnlyBinds {
			c.add("mounts.readOnlyBinds", here, anything, options["type"], list(remote))
		}
	}
}

// onlySize reports whether options only bound the size of a volume, so that nothing is mounted.
func onlySize(options map[string]string) bool {
	return len(options) == 1 && options["size"] != ""
}
