package guardrails

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// sockets are where engines and what runs containers for them listen, and directories where they keep sockets. A * is any
// one name. What is below /var/run is below /run, as on most machines.
var sockets = []string{
	"/run/docker.sock", "/run/docker", "/run/snap.docker", "/var/snap/docker", "/run/host-services", "/run/guest-services",
	"/run/containerd/containerd.sock", "/run/containerd", "/run/k3s/containerd/containerd.sock", "/run/k3s", "/var/snap/microk8s/common/run",
	"/run/podman/podman.sock", "/run/podman", "/run/crio/crio.sock", "/run/crio", "/run/buildkit/buildkitd.sock", "/run/buildkit",
	"/run/cri-dockerd.sock", "/run/dockershim.sock", "/run/balena-engine.sock",
	"/run/user/*/docker.sock", "/run/user/*/docker", "/run/user/*/containerd", "/run/user/*/podman", "/run/user/*/buildkit",
}

// homes are how directories of users end that Docker Desktop keeps the socket in. The directory above them is not among
// them: people mount it for the credentials of registries that it has, as they mount whole homes.
var homes = []string{"/.docker/run", "/.docker/desktop"}

// socketNames are names of such sockets, wherever they are.
var socketNames = []string{
	"docker.sock", "docker.sock.raw", "docker.proxy.sock", "containerd.sock", "containerd.sock.ttrpc", "podman.sock", "crio.sock",
	"buildkitd.sock", "cri-dockerd.sock", "dockershim.sock", "balena-engine.sock",
}

// Where a path is, from a socket.
const (
	elsewhere = iota
	above
	there
	beneath
)

// from says where a path is from a socket.
func from(socket, name string) int {
	parts := func(p string) []string { return strings.FieldsFunc(p, func(r rune) bool { return r == '/' }) }
	s, n := parts(socket), parts(name)
	for i := range min(len(s), len(n)) {
		if s[i] != "*" && s[i] != n[i] {
			return elsewhere
		}
	}
	switch {
	case len(n) < len(s):
		return above
	case len(n) > len(s):
		return beneath
	}
	return there
}

// links are directories below which the kernel has links to any directory of the node, such as /proc/self/root. A bind of
// /proc itself follows none of them.
var links = []string{"/proc", "/dev/fd"}

// open are links to what is below /proc.
var open = []string{"/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"}

// socketAt says how a path of a node leads to the socket of an engine. It returns "" if it does not.
func socketAt(name string) string {
	if name = path.Clean(name); name == "/var/run" || strings.HasPrefix(name, "/var/run/") {
		name = strings.TrimPrefix(name, "/var")
	}
	const root = ", and whoever can write to that is root on the node"
	below := func(dir string) bool { return strings.HasPrefix(name, dir+"/") }
	is := func(where int) bool {
		return slices.ContainsFunc(sockets, func(s string) bool { return from(s, name) == where })
	}
	switch {
	case slices.Contains(open, name), slices.ContainsFunc(links, below):
		return "leads below /proc, where links reach every file of the node, the socket of the engine too"
	case is(above):
		return "has the socket of the engine or of containerd in it" + root
	case is(there) && strings.HasSuffix(name, ".sock"):
		return "is the socket of the engine or of containerd" + root
	case is(there), is(beneath):
		return "is where the engine or containerd keeps its sockets" + root
	case slices.ContainsFunc(homes, func(end string) bool { return strings.HasSuffix(name, end) }):
		return "may have the socket of the engine of a user in it, and whoever can write to that has the power of that user on the node"
	case slices.Contains(socketNames, path.Base(name)):
		return "has the name of the socket of the engine" + root
	}
	return ""
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
			c.bind(r, source, m.Source)
			c.readOnly(r, i, m)
		case "npipe":
			c.pipe(r, source, m.Source)
		case "cluster":
			c.volumeName(r, source, m.Source)
		case "volume":
			if m.Source != "" {
				c.volumeName(r, source, m.Source)
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

// volumeName checks the name of a volume. A template may become any text.
func (c *checking) volumeName(r *config.MountRules, at, name string) {
	if r.Volumes == nil {
		return
	}
	if name = ownName.ReplaceAllLiteralString(name, c.of.Object.Key().Name); !matchesAll(r.Volumes, name) {
		c.add("mounts.volumes", at, "%q is not allowed; allowed: %s", name, list(r.Volumes))
	}
}

// bind checks a directory of the node that is mounted.
func (c *checking) bind(r *config.MountRules, at, dir string) {
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
	if why := socketAt(dir); r.NoDockerSocket && known && why != "" {
		c.add("mounts.noDockerSocket", at, "%q %s", dir, why)
	}
}

// readOnly checks that a bind is read-only, with all that is mounted below it. What the node mounts there later comes
// into the container as it is on the node, except with the propagation rprivate.
func (c *checking) readOnly(r *config.MountRules, i int, m v1.Mount) {
	if !r.ReadOnlyBinds {
		return
	}
	if !m.ReadOnly {
		c.add("mounts.readOnlyBinds", at("spec.mounts", i, "source"), "a bind must be read-only: state readOnly: true")
	}
	if b := m.Bind; b != nil && b.Propagation != "" && b.Propagation != "rprivate" {
		c.add("mounts.readOnlyBinds", at("spec.mounts", i, "bind.propagation"), "%s is not allowed: what the node mounts below the bind later could be written; state rprivate, or remove this line", b.Propagation)
	}
}

// pipe checks a named pipe of a node with Windows. A rule about binds can list none, so types has to.
func (c *checking) pipe(r *config.MountRules, at, name string) {
	if r.NoDockerSocket {
		c.add("mounts.noDockerSocket", at, "a named pipe may be that of the engine")
	}
	if boundsBinds(r) && !slices.Contains(r.Types, "npipe") {
		c.add("mounts.binds", at, "%q is a named pipe of the node, which is not allowed; state npipe in mounts.types to allow it", name)
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

// boundsBinds reports whether a rule lists the directories of nodes that may be mounted, and not all of them.
func boundsBinds(r *config.MountRules) bool { return r.Binds != nil && !slices.Contains(r.Binds, "/") }

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
	templates := strings.Contains(options["o"], "{{")
	switch {
	case !templates && isBind(words): // whatever the type
		if noBinds(r) {
			c.add("mounts.types", here, "these options make the volume a bind, which is not allowed; allowed: %s", list(r.Types))
		}
		if c.device(r, here, options["device"]); r.ReadOnlyBinds && !readOnly(words) {
			c.add("mounts.readOnlyBinds", here, "a volume that is a bind must be read-only by these options, because other services may mount it too: state o: bind,ro")
		}
	case len(options) == 0 || onlySize(options):
	case !templates && slices.Contains(remote, options["type"]):
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

// device checks the directory that a volume binds. The engine brings the source of a bind into its shortest form before it
// mounts it. The device of a volume goes to the kernel as it is: a .. behind a link leads to where the link does, and a
// path that does not begin with / begins where the engine runs.
func (c *checking) device(r *config.MountRules, at, dir string) {
	if !path.IsAbs(dir) || slices.Contains(strings.Split(dir, "/"), "..") {
		c.unknown(r, at, "the device %q may become any path: state one that begins with / and has no ..", dir)
		return
	}
	c.bind(r, at, dir)
}

// isBind reports whether the words of mount options make a bind. The driver local takes a word as it is, with its case and
// its spaces, and gives words that it does not know to the file system.
func isBind(words []string) bool {
	return slices.Contains(words, "bind") || slices.Contains(words, "rbind")
}

// recursive are words that mount what is below a directory with it.
var recursive = []string{"rbind", "rprivate", "rshared", "rslave", "runbindable"}

// readOnly reports whether the words of mount options make a bind read-only. The last one of ro and rw counts. The kernel
// then makes the bind read-only, and not what is mounted below, so that must not be mounted with it.
func readOnly(words []string) bool {
	is := false
	for _, word := range words {
		switch {
		case word == "ro":
			is = true
		case word == "rw":
			is = false
		case slices.Contains(recursive, word):
			return false
		}
	}
	return is
}

// onlySize reports whether options only bound the size of a volume, so that nothing is mounted.
func onlySize(options map[string]string) bool {
	return len(options) == 1 && options["size"] != ""
}
