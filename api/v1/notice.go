package v1

import (
	"cmp"
	"fmt"
	"strings"
)

// Noticer is an object that may ask for something that the swarm accepts but that hardly does what was meant.
type Noticer interface {
	// Notices returns what hardly does what was meant, with field paths and without positions. The caller calls it on
	// the object as stated, before Default, and only if Validate found nothing.
	Notices() []Problem
}

// Notices reports start-first together with ports of the host, ports of the routing mesh together with the host's
// network, labels that nobody finds, and what the engine accepts and then ignores or fails at.
func (s *Service) Notices() []Problem {
	var ps problems
	sp := &s.Spec
	for _, u := range []struct {
		at     string
		config *UpdateConfig
	}{{"spec.updateConfig.order", sp.UpdateConfig}, {"spec.rollbackConfig.order", sp.RollbackConfig}} {
		if port := sp.hostPort(); port != "" && u.config != nil && u.config.Order == "start-first" {
			ps.add(u.at, "start-first begins a new task while the old one still has %s of its node (mode: host), so %s; stop-first frees the port before", port, sp.startsWhere())
		}
	}
	for _, n := range sp.Networks {
		if n.Name != "host" {
			continue
		}
		for i, p := range sp.Ports {
			if cmp.Or(p.Mode, "ingress") == "ingress" {
				ps.add(index("spec.ports", i), "the routing mesh does not lead to a container on the host's network, which listens on the ports of its node; leave %s out, or the network host", p.outside())
			}
		}
	}
	ps.ignored(sp)
	ps.odd(sp)
	ps.reserved(sp.Resources)
	return append(ps, s.spacedLabels()...)
}

// spacedLabels reports labels without a name, and labels with white space in their names, such as "traefik.enable ". The
// list form of compose makes them of - traefik.enable = true.
func (h *Header) spacedLabels() []Problem {
	var ps problems
	ps.unnamed("metadata.labels", h.Metadata.Labels)
	for _, k := range sortedKeys(h.Metadata.Labels) {
		if strings.ContainsAny(k, " \t\n") {
			ps.add(PathKey("metadata.labels", k), "the name %q holds white space, and whoever looks for the label without it finds nothing", k)
		}
	}
	return ps
}

// Notices reports labels that nobody finds.
func (c *Config) Notices() []Problem { return c.spacedLabels() }

// Notices reports labels that nobody finds.
func (c *Secret) Notices() []Problem { return c.spacedLabels() }

// reserved reports reservations above limits: the swarm sets aside what no task can use.
func (ps *problems) reserved(r *Resources) {
	if r == nil {
		return
	}
	if l, v := r.Limits.CPUs, r.Reservations.CPUs; l != 0 && v > l {
		ps.add("spec.resources.reservations.cpus", "%s is more than the limit of %s: the swarm sets aside what no task can use", v, l)
	}
	if l, v := r.Limits.Memory, r.Reservations.Memory; l != 0 && v > l {
		ps.add("spec.resources.reservations.memory", "%s is more than the limit of %s: the swarm sets aside what no task can use", v, l)
	}
}

// ignored reports what the engine carries and does not do.
func (ps *problems) ignored(s *ServiceSpec) {
	for _, name := range sortedKeys(s.Environment) {
		if s.Environment[name] == NoValue {
			ps.add(PathKey("spec.environment", name), "has no value, so the container does not get the variable, even if the image has it; for an empty one, write %s=", name)
		}
	}
	if l := s.Logging; l != nil && l.Driver == "" && len(l.Options) > 0 {
		ps.add("spec.logging.options", "without a driver, these options go to the default log driver of each node's engine, and a container fails to start where that does not know them; state spec.logging.driver")
	}
	if u := s.RollbackConfig; u != nil && u.FailureAction == "rollback" {
		ps.add("spec.rollbackConfig.failureAction", "a rollback that fails is not rolled back, so rollback does the same as pause")
	}
	if s.Placement != nil {
		for i, p := range s.Placement.Preferences {
			if constraintLabel(p.Spread) == "" {
				ps.add(index("spec.placement.preferences", i)+".spread", "the swarm ignores %q: it spreads over labels of nodes or engines, such as node.labels.zone", p.Spread)
			}
		}
	}
	for i, m := range s.Mounts {
		plugin := m.Volume != nil && m.Volume.Driver != "" && m.Volume.Driver != "local"
		if m.Type == "volume" && m.Source != "" && !plugin && !strings.Contains(m.Source, "{{") && !volumeName.MatchString(m.Source) {
			ps.add(index("spec.mounts", i)+".source", "a name such as %q exists only with the volume driver of a plugin; others need two or more letters, digits, _, . and -", m.Source)
		}
	}
}

// Notices reports ranges that only old engines allocate, and labels that nobody finds. Newer engines look for an IPv6
// range among the IPv4 ones.
func (n *Network) Notices() []Problem {
	var ps problems
	for _, p := range n.Pools() {
		if p.Range.Addr().Is6() && n.Spec.EnableIPv6 {
			ps.add(index("spec.ipam.config", p.Index)+".subnet", "engines from version 27 on allocate no IPv6 range to a network of a swarm (moby#52469), so the network and its tasks wait for ever; leave the range out")
		}
	}
	return append(ps, n.spacedLabels()...)
}

// startsWhere says on which nodes a new task finds the port free.
func (s *ServiceSpec) startsWhere() string {
	if s.Mode == ModeGlobal {
		return "no new task ever starts, and the roll-out stands still"
	}
	return "a new task starts only on a node that has none of this service, and without one the roll-out stands still"
}

// hostPort returns the first port of which a node can give only one task at a time, or "".
func (s *ServiceSpec) hostPort() string {
	for _, p := range s.Ports {
		if p.Mode == "host" && p.Published != 0 {
			return p.outside()
		}
	}
	return ""
}

// outside returns the port as seen from outside, such as 8080/tcp.
func (p Port) outside() string {
	return fmt.Sprintf("%d/%s", cmp.Or(p.Published, p.Target), cmp.Or(p.Protocol, "tcp"))
}
