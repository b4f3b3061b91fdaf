package v1

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

// nameRule says which names the engine accepts for objects of a kind.
type nameRule struct {
	pattern *regexp.Regexp
	limit   int
	allowed string
}

var (
	// nameDNS is for services and networks, whose names must be DNS components. The engine also accepts _ (measured).
	nameDNS  = nameRule{regexp.MustCompile(`^[a-zA-Z0-9](?:[-_a-zA-Z0-9]*[A-Za-z0-9])?$`), 63, "letters, digits, - and _, with a letter or digit at both ends"}
	nameFile = nameRule{regexp.MustCompile(`^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$`), 64, "letters, digits, -, _ and ., with a letter or digit at both ends"}
)

// versionSuffix is the length of the suffix of a config's or secret's name: - and ten hexadecimal digits.
const versionSuffix = 11

// VersionName returns the name of a version of a config or secret: the name, a dash and the first ten of the digits. Of
// a name that is too long for that, it has only the beginning.
func VersionName(name, digits string) string {
	return name[:min(len(name), nameFile.limit-versionSuffix)] + "-" + digits[:versionSuffix-1]
}

// IsVersionName reports whether VersionName may have made a live name from a name.
func IsVersionName(live, name string) bool {
	digits := live[max(0, len(live)-versionSuffix+1):]
	return len(digits) == versionSuffix-1 && strings.Trim(digits, "0123456789abcdef") == "" && live == VersionName(name, digits)
}

func (h *Header) validateHeader(rule nameRule) problems {
	var ps problems
	name := h.Metadata.Name
	switch {
	case name == "":
		ps.add("metadata.name", "is missing")
	case len(name) > rule.limit:
		ps.add("metadata.name", "%q has %d characters; at most %d are allowed here", name, len(name), rule.limit)
	case !rule.pattern.MatchString(name):
		ps.add("metadata.name", "%q may hold only %s", name, rule.allowed)
	}
	for _, k := range sortedKeys(h.Metadata.Labels) {
		if strings.HasPrefix(k, LabelPrefix) {
			ps.add(PathKey("metadata.labels", k), "labels below %s are the operator's own", LabelPrefix)
		}
	}
	ps.oneOf("policy.adopt", h.Policy.Adopt, AdoptNever, AdoptIfIdentical, AdoptTakeover)
	for i, d := range h.Policy.DependsOn {
		if key, err := ParseKey(d); err != nil {
			ps.add(index("policy.dependsOn", i), "%v", err)
		} else if key == h.Key() {
			ps.add(index("policy.dependsOn", i), "an object cannot depend on itself")
		}
	}
	for i, d := range h.Policy.IgnoreDifferences {
		if !strings.HasPrefix(d, "spec.") && !strings.HasPrefix(d, "metadata.labels") && d != "spec" {
			ps.add(index("policy.ignoreDifferences", i), "%q is not a field path such as spec.replicas or metadata.labels", d)
		}
	}
	return ps
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// plainWord reports whether a key needs no quotes in a path.
func plainWord(key string) bool {
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-'):
		default:
			return false
		}
	}
	return key != ""
}

// PathKey appends a map key to a field path: .NAME, or ["a.b/c"] if the key is not a plain word.
func PathKey(path, key string) string {
	if plainWord(key) {
		return path + "." + key
	}
	return fmt.Sprintf("%s[%q]", path, key)
}

// maxSpec bounds the size of one service in bytes, because the engine keeps the spec twice in one raft change of at
// most 1.5 MiB.
const maxSpec = 500_000

// Validate checks everything that can be known without a swarm.
func (s *Service) Validate() []Problem {
	ps := s.validateHeader(nameDNS)
	sp := &s.Spec
	if sp.Image == "" {
		ps.add("spec.image", "is missing")
	} else if _, err := reference.ParseNormalizedNamed(sp.Image); err != nil {
		ps.add("spec.image", "%q is not an image reference: %v", sp.Image, err)
	}
	ps.oneOf("spec.mode", sp.Mode, ModeReplicated, ModeGlobal, ModeReplicatedJob, ModeGlobalJob)
	if sp.Replicas != nil && (sp.Mode == ModeGlobal || sp.Mode == ModeGlobalJob) {
		ps.add("spec.replicas", "cannot be stated for mode %s: it runs one task on each node", sp.Mode)
	}
	if sp.Job() {
		for _, stated := range []struct {
			path string
			is   bool
		}{{"spec.updateConfig", sp.UpdateConfig != nil}, {"spec.rollbackConfig", sp.RollbackConfig != nil}} {
			if stated.is {
				ps.add(stated.path, "cannot be stated for mode %s: the engine rolls out no updates of jobs", sp.Mode)
			}
		}
	}
	ps.names("spec.environment", sp.Environment)
	ps.values("spec.containerLabels", sp.ContainerLabels)
	ps.ports(sp.Ports)
	ps.attachments(sp)
	ps.mounts(sp.Mounts)
	ps.healthcheck(sp.Healthcheck)
	ps.resources(sp.Resources)
	ps.restart(sp.RestartPolicy)
	ps.placement(sp.Placement)
	ps.update("spec.updateConfig", sp.UpdateConfig, "pause", "continue", "rollback")
	ps.update("spec.rollbackConfig", sp.RollbackConfig, "pause", "continue", "rollback")
	ps.more(sp)
	for i, h := range sp.ExtraHosts {
		host, address, ok := SplitHost(h)
		if _, err := netip.ParseAddr(address); !ok || host == "" || strings.ContainsAny(host, " \t\n") || (err != nil && address != "host-gateway") {
			ps.add(index("spec.extraHosts", i), "%q is not of the form host:address", h)
		}
	}
	if size := s.size(); size > maxSpec {
		ps.add("spec", "has about %d bytes; at most %d can be updated safely", size, maxSpec)
	}
	return ps
}

// SplitHost splits host:address or host=address. The address may be an IPv6 one with colons of its own. ok is false
// if there is no separator.
func SplitHost(s string) (host, address string, ok bool) {
	if host, address, ok = strings.Cut(s, "="); ok {
		return host, address, true
	}
	return strings.Cut(s, ":")
}

func (s *Service) size() int {
	n := 0
	for _, m := range []map[string]string{s.Metadata.Labels, s.Spec.Environment, s.Spec.ContainerLabels} {
		for k, v := range m {
			n += len(k) + len(v)
		}
	}
	for _, l := range [][]string{s.Spec.Entrypoint, s.Spec.Command} {
		for _, v := range l {
			n += len(v)
		}
	}
	if p := s.Spec.Privileges; p != nil && p.Seccomp != nil {
		n += len(p.Seccomp.Profile)
	}
	return n
}

func (ps *problems) names(path string, m map[string]string) {
	for _, k := range sortedKeys(m) {
		if k == "" || strings.ContainsAny(k, "=\x00") {
			ps.add(path, "the name %q is empty or holds = or NUL", k)
		}
	}
	ps.values(path, m)
}

// values checks the values of labels, whose names the engine takes as they are.
func (ps *problems) values(path string, m map[string]string) {
	for _, k := range sortedKeys(m) {
		if strings.Contains(m[k], "\x00") && m[k] != NoValue {
			ps.add(PathKey(path, k), "holds a NUL byte")
		}
	}
}

func (ps *problems) ports(ports []Port) {
	type outside struct {
		port     uint32
		protocol string
	}
	seen := map[outside]int{}
	for i, p := range ports {
		at := index("spec.ports", i)
		if p.Target == 0 || p.Target > 65535 {
			ps.add(at+".target", "%d is not a port between 1 and 65535", p.Target)
		}
		if p.Published > 65535 {
			ps.add(at+".published", "%d is not a port between 1 and 65535", p.Published)
		}
		ps.oneOf(at+".protocol", p.Protocol, "tcp", "udp", "sctp")
		ps.oneOf(at+".mode", p.Mode, "ingress", "host")
		key := outside{p.Published, cmp.Or(p.Protocol, "tcp")}
		if first, twice := seen[key]; twice && p.Published != 0 {
			ps.add(at+".published", "%d/%s is published twice: also by spec.ports[%d]", key.port, key.protocol, first)
		}
		seen[key] = i
	}
}

func (ps *problems) attachments(sp *ServiceSpec) {
	for i, n := range sp.Networks {
		if n.Name == "" {
			ps.add(index("spec.networks", i)+".name", "is missing")
		}
	}
	configs, secrets := map[string]bool{}, map[string]bool{}
	for i, c := range sp.Configs {
		ps.file(index("spec.configs", i), c.Source, c.ListKey(), configs)
	}
	for i, c := range sp.Secrets {
		ps.file(index("spec.secrets", i), c.Source, c.ListKey(), secrets)
	}
}

// file checks a config or secret. The swarm refuses two with the same text for a target. It takes two texts for one path, and
// then one file hides the other.
func (ps *problems) file(at, source, target string, seen map[string]bool) {
	if source == "" {
		ps.add(at+".source", "is missing")
	}
	if seen[target] {
		ps.add(at+".target", "%q is stated twice", target)
	}
	seen[target] = true
}

func (ps *problems) healthcheck(h *Healthcheck) {
	if h == nil {
		return
	}
	if len(h.Test) > 0 && !slices.Contains([]string{"CMD", "CMD-SHELL", "NONE"}, h.Test[0]) { // the engine runs nothing, and waits for "healthy" for ever
		ps.add("spec.healthcheck.test", "a list must start with CMD, CMD-SHELL or NONE, this one starts with %q", h.Test[0])
	}
	if h.Disable && len(h.Test) > 0 && h.Test[0] != "NONE" {
		ps.add("spec.healthcheck.disable", "contradicts spec.healthcheck.test")
	}
	for _, d := range []struct {
		name  string
		value Duration
	}{{"interval", h.Interval}, {"timeout", h.Timeout}, {"startPeriod", h.StartPeriod}, {"startInterval", h.StartInterval}} {
		if d.value != 0 && d.value < 1_000_000 { // the engine's own validation refuses less (measured)
			ps.add("spec.healthcheck."+d.name, "%s is less than 1ms", d.value)
		}
	}
	if h.Retries > math.MaxInt32 { // SwarmKit keeps it as a signed 32-bit number
		ps.add("spec.healthcheck.retries", "%d is more than %d", h.Retries, math.MaxInt32)
	}
}

func (ps *problems) resources(r *Resources) {
	if r == nil {
		return
	}
	for _, c := range []struct {
		at     string
		cpus   CPUs
		memory Bytes
	}{{"limits", r.Limits.CPUs, r.Limits.Memory}, {"reservations", r.Reservations.CPUs, r.Reservations.Memory}} {
		if c.cpus != 0 && c.cpus < 1_000_000 {
			ps.add("spec.resources."+c.at+".cpus", "%s is less than the engine's least, 0.001", c.cpus)
		}
		if c.memory != 0 && c.memory < 4<<20 {
			ps.add("spec.resources."+c.at+".memory", "%s is less than the engine's least, 4MiB", c.memory)
		}
	}
	for i, g := range r.Reservations.GenericResources {
		if d := g.DiscreteResourceSpec; d.Value < 0 { // the scheduler would add it to what the node has
			ps.add(index("spec.resources.reservations.genericResources", i)+".discreteResourceSpec.value", "%d is negative", d.Value)
		}
	}
	if r.Limits.Pids < -1 {
		ps.add("spec.resources.limits.pids", "%d is negative; for no limit, write -1 or 0, or remove this line", r.Limits.Pids)
	}
	if r.MemorySwap != nil && r.Limits.Memory == 0 {
		ps.add("spec.resources.memorySwap", "it bounds the swap beside a limit of memory, and there is none: state spec.resources.limits.memory, or remove this line")
	}
	if v := r.MemorySwappiness; v != nil && (*v < 0 || *v > 100) {
		ps.add("spec.resources.memorySwappiness", "%d is not between 0 and 100; to have the node's own, remove this line", *v)
	}
}

func (ps *problems) restart(r *RestartPolicy) {
	if r != nil {
		ps.oneOf("spec.restartPolicy.condition", r.Condition, "any", "on-failure", "none")
	}
}

func (ps *problems) update(at string, u *UpdateConfig, actions ...string) {
	if u == nil {
		return
	}
	ps.oneOf(at+".failureAction", u.FailureAction, actions...)
	ps.oneOf(at+".order", u.Order, "stop-first", "start-first")
}

func (ps *problems) placement(p *Placement) {
	if p == nil {
		return
	}
	for i, text := range p.Constraints {
		at := index("spec.placement.constraints", i)
		c, err := ParseConstraint(text)
		if err != nil {
			ps.add(at, "%v", err)
		} else if why := c.unmeetable(); why != "" {
			ps.add(at, "%s", why)
		}
	}
}
