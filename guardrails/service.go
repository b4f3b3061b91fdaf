package guardrails

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func at(list string, i int, field string) string { return fmt.Sprintf("%s[%d].%s", list, i, field) }

func (c *checking) service(s *v1.Service) {
	c.serviceLabels(s)
	c.image(s.Spec.Image)
	c.mounts(s.Spec.Mounts)
	c.container(&s.Spec)
	c.ports(s.Spec.Ports)
	c.joins(s.Spec.Networks)
	c.uses(&s.Spec)
	c.placement(&s.Spec)
	c.resources(&s.Spec)
}

func (c *checking) serviceLabels(s *v1.Service) {
	l := c.rules.Labels
	if l == nil {
		return
	}
	c.labels(l.Prefixes, "spec.containerLabels", s.Spec.ContainerLabels)
	for _, name := range l.Required {
		if s.Metadata.Labels[name] == "" {
			c.add("labels.required", "metadata.labels", "the label %s is missing", name)
		}
	}
}

func (c *checking) image(text string) {
	i := c.rules.Images
	if i == nil || text == "" {
		return
	}
	const at = "spec.image"
	named, err := reference.ParseDockerRef(text)
	if err != nil { // it is a problem of the manifest anyway
		return
	}
	if full := named.Name(); i.From != nil && !slices.ContainsFunc(i.From, func(from string) bool {
		return full == from || strings.HasPrefix(full, strings.TrimSuffix(from, "/")+"/")
	}) {
		c.add("images.from", at, "%s is not allowed; allowed: %s", full, list(i.From))
	}
	stated, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return
	}
	_, byDigest := stated.(reference.Digested)
	if i.Digest && !byDigest {
		c.add("images.digest", at, "the image has no digest; state it as NAME@sha256:…")
	}
	tag := ""
	if t, is := reference.TagNameOnly(stated).(reference.Tagged); is {
		tag = t.Tag()
	}
	if tag != "" && slices.Contains(i.NoTags, tag) {
		c.add("images.noTags", at, "the tag %s is not allowed", tag)
	}
}

// everything stands for all capabilities.
const everything = "ALL"

func capability(name string) string { return strings.TrimPrefix(strings.ToUpper(name), "CAP_") }

func (c *checking) container(s *v1.ServiceSpec) {
	r := c.rules.Containers
	if r == nil {
		return
	}
	for i, name := range s.CapAdd {
		if r.Capabilities != nil && !slices.ContainsFunc(r.Capabilities, func(allowed string) bool { return capability(allowed) == capability(name) }) {
			c.add("containers.capabilities", fmt.Sprintf("spec.capAdd[%d]", i), "%s is not allowed; allowed: %s", name, list(r.Capabilities))
		}
	}
	c.dropped(r, s)
	if user, _, _ := strings.Cut(s.User, ":"); r.NotRoot && !notRoot.MatchString(user) {
		c.add("containers.notRoot", "spec.user", "a user must be stated as a number that is not 0, such as 1000: the image decides who a name is")
	}
	if r.NoNewPrivileges && (s.Privileges == nil || !s.Privileges.NoNewPrivileges) {
		c.add("containers.noNewPrivileges", "spec.privileges.noNewPrivileges", "true must be stated")
	}
	if r.ReadOnly && !s.ReadOnly {
		c.add("containers.readOnly", "spec.readOnly", "true must be stated")
	}
	if r.Healthcheck && !s.Job() && !checksHealth(s.Healthcheck) {
		c.add("containers.healthcheck", "spec.healthcheck", "a health check with a command in test must be stated")
	}
	if s.Logging != nil && s.Logging.Driver != "" {
		c.oneOf("containers.logDrivers", "spec.logging.driver", r.LogDrivers, s.Logging.Driver)
	}
	if r.Confined {
		c.confined(s.Privileges)
	}
}

// checksHealth reports whether a health check runs a command. Without one the image's own may count, or none, and an empty
// command of the shell always succeeds.
func checksHealth(h *v1.Healthcheck) bool {
	return h != nil && !h.Disable && len(h.Test) > 1 && (h.Test[0] == "CMD" || h.Test[0] == "CMD-SHELL") && strings.TrimSpace(h.Test[1]) != ""
}

func (c *checking) confined(p *v1.Privileges) {
	if p == nil {
		return
	}
	const rule, at = "containers.confined", "spec.privileges."
	if p.AppArmor == "disabled" {
		c.add(rule, at+"appArmor", "disabled is not allowed")
	}
	if p.Seccomp != nil && p.Seccomp.Mode != "" && p.Seccomp.Mode != "default" {
		c.add(rule, at+"seccomp.mode", "%s is not allowed; only the engine's own profile is", p.Seccomp.Mode)
	}
	if p.SELinux != nil && *p.SELinux != (v1.SELinux{}) {
		c.add(rule, at+"seLinux", "a context of its own is not allowed")
	}
}

// notRoot matches users that are not root in any image. The engine takes +0 and -0 for 0, and looks names up in the image.
var notRoot = regexp.MustCompile(`^[1-9][0-9]{0,9}$`)

// dropped checks that what must be dropped is, and that capAdd does not give it back. The engine adds what capAdd states
// after it has dropped what capDrop states.
func (c *checking) dropped(r *config.ContainerRules, s *v1.ServiceSpec) {
	for _, name := range r.Drop {
		drop := capability(name)
		if !slices.ContainsFunc(s.CapDrop, func(text string) bool { return slices.Contains([]string{drop, everything}, capability(text)) }) {
			c.add("containers.drop", "spec.capDrop", "%s must be dropped", name)
			continue
		}
		for i, text := range s.CapAdd {
			added := capability(text)
			listed := slices.ContainsFunc(r.Capabilities, func(a string) bool { return capability(a) == added })
			if added == everything || added == drop || drop == everything && !listed {
				c.add("containers.drop", fmt.Sprintf("spec.capAdd[%d]", i), "%s gives back what must be dropped: %s", text, name)
			}
		}
	}
}

func (c *checking) ports(ports []v1.Port) {
	r := c.rules.Ports
	if r == nil {
		return
	}
	for i, p := range ports {
		if r.Published != nil && p.Published != 0 && !slices.ContainsFunc(r.Published, func(span string) bool { return inSpan(span, p.Published) }) {
			c.add("ports.published", at("spec.ports", i, "published"), "%d is not allowed; allowed: %s", p.Published, list(r.Published))
		}
		if r.NoHostMode && p.Mode == "host" {
			c.add("ports.noHostMode", at("spec.ports", i, "mode"), "host is not allowed")
		}
	}
}

// span returns the first and the last port of a range such as 8000-8999, or of one port.
func span(text string) (first, last uint64, ok bool) {
	low, high, ranged := strings.Cut(text, "-")
	if !ranged {
		high = low
	}
	first, errFirst := strconv.ParseUint(low, 10, 16)
	last, errLast := strconv.ParseUint(high, 10, 16)
	return first, last, errFirst == nil && errLast == nil && first >= 1 && first <= last
}

func inSpan(text string, port uint32) bool {
	first, last, ok := span(text)
	return ok && uint64(port) >= first && uint64(port) <= last
}

func (c *checking) joins(networks []v1.NetworkAttachment) {
	for i, n := range networks {
		here := at("spec.networks", i, "name")
		if r := c.rules.Networks; r != nil {
			c.oneOf("networks.join", here, r.Join, n.Name)
			if r.NoHost && n.Name == "host" {
				c.add("networks.noHost", here, "the network of the node is not allowed")
			}
		}
		c.external("networks", v1.KindNetwork, n.Name, c.theirs(v1.KindNetwork, n.Name), here)
	}
}

func (c *checking) theirs(kind, name string) bool {
	return c.of.Theirs != nil && c.of.Theirs(v1.Key{Kind: kind, Name: name})
}

// uses checks the configs, secrets and cluster volumes of a service.
func (c *checking) uses(s *v1.ServiceSpec) {
	for i, m := range s.Configs {
		c.external("configs", v1.KindConfig, m.Source, c.theirs(v1.KindConfig, m.Source), at("spec.configs", i, "source"))
	}
	for i, m := range s.Secrets {
		c.external("secrets", v1.KindSecret, m.Source, c.theirs(v1.KindSecret, m.Source), at("spec.secrets", i, "source"))
	}
	c.credentials(s.CredentialSpec)
	for i, m := range s.Mounts {
		here := at("spec.mounts", i, "source")
		if name := m.ClusterVolume(); name != "" {
			c.external("volumes", v1.KindVolume, name, c.theirs(v1.KindVolume, name), here)
		} else if m.Type == "cluster" { // a group or a template: the swarm chooses the volume, and it may be anybody's
			c.anyVolume(m.Source, here)
		}
	}
}

// credentials checks the account that a service has. A file and a value of the registry are the node's own.
func (c *checking) credentials(s *v1.CredentialSpec) {
	if s == nil {
		return
	}
	if s.Config != "" {
		c.external("configs", v1.KindConfig, s.Config, c.theirs(v1.KindConfig, s.Config), "spec.credentialSpec.config")
	}
	const rule, at = "outside.credentialSpecs", "spec.credentialSpec."
	var allowed []string
	if r := c.rules.Outside; r != nil {
		allowed = r.CredentialSpecs
	}
	for _, of := range []struct{ field, name string }{{"file", s.File}, {"registry", s.Registry}} {
		text := of.field + "://" + of.name
		switch {
		case of.name == "":
		case of.field == "file" && allowed != nil && detour(of.name):
			c.add(rule, at+of.field, "%q may be a file in another directory: no part of it may be empty, . or ..", text)
		case allowed == nil && c.ownAccounts():
			c.add(rule, at+of.field, "%q is not allowed: it is an account that the node has; state the ones that may be used in %s", text, rule)
		default:
			c.oneOf(rule, at+of.field, allowed, text)
		}
	}
}

// detour reports whether the name of a file has a part that leads elsewhere than its text says. Engines with Windows have two
// separators.
func detour(name string) bool {
	parts := strings.Split(strings.ReplaceAll(name, `\`, "/"), "/")
	return slices.ContainsFunc(parts, func(part string) bool { return part == "" || part == "." || part == ".." })
}

// ownAccounts reports whether services may only have accounts that the source states, unless the others are listed: a rule
// says which configs of others they may use, or which files of nodes.
func (c *checking) ownAccounts() bool {
	e, m := c.rules.External, c.rules.Mounts
	return e != nil && e.Configs != nil || m != nil && (boundsBinds(m) || noBinds(m))
}

// anyVolume checks a group of cluster volumes, or a source with a template.
func (c *checking) anyVolume(source, at string) {
	if e := c.rules.External; e != nil && e.Volumes != nil && !matchesAll(e.Volumes, source) {
		c.add("external.volumes", at, "%q is not allowed; allowed: %s", source, list(e.Volumes))
	}
}

func (c *checking) resources(s *v1.ServiceSpec) {
	r := c.rules.Resources
	if r == nil {
		return
	}
	var limits v1.ResourceLimits
	if s.Resources != nil {
		limits = s.Resources.Limits
	}
	limit(c, "memory", limits.Memory, r.Memory)
	limit(c, "cpus", limits.CPUs, r.CPUs)
	limit(c, "pids", limits.Pids, r.Pids)
	c.swap(r, s.Resources)
	if r.Replicas != nil && s.Replicas != nil && *s.Replicas > *r.Replicas {
		c.add("resources.replicas", "spec.replicas", "%d is more than %d", *s.Replicas, *r.Replicas)
	}
}

// limit checks a limit against the most that it may be. nil means that there is no rule about it.
func limit[T ~int64](c *checking, name string, is T, most *T) {
	switch rule, at := "resources."+name, "spec.resources.limits."+name; {
	case most == nil:
	case is == 0:
		c.add(rule, at, "must be stated, as %v or less", *most)
	case is < 0:
		c.add(rule, at, "%v is no limit; state %v or less", is, *most)
	case is > *most:
		c.add(rule, at, "%v is more than %v", is, *most)
	}
}

// swap checks the swap beside the memory. The engine allows as much of it as of memory if a service does not state it.
func (c *checking) swap(r *config.ResourceRules, of *v1.Resources) {
	if r.Memory == nil || of == nil || of.MemorySwap == nil {
		return
	}
	switch swap := *of.MemorySwap; {
	case swap < 0:
		c.add("resources.memory", "spec.resources.memorySwap", "%s is no limit; state %s or less", swap, *r.Memory)
	case v1.Bytes(swap) > *r.Memory:
		c.add("resources.memory", "spec.resources.memorySwap", "%s is more than %s", swap, *r.Memory)
	}
}
