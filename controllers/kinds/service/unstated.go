package service

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// settings collects the paths of settings that are set.
type settings []string

func (s *settings) add(path string, set bool) {
	if set {
		*s = append(*s, path)
	}
}

// unstated returns the settings of a spec that no manifest can state, by the paths that [v1.NotYet] has for them,
// with the keys of lists. A setting that is at its default does not count. Settings that the engine or a client adds
// by itself do not count either: platforms, the counter of --force, labels below com.docker.
func unstated(spec *swarm.ServiceSpec, ix names) []string {
	var s settings
	if j := spec.Mode.ReplicatedJob; j != nil && j.MaxConcurrent != nil { // the docker CLI sets it to the completions
		s.add("spec.maxConcurrent", *j.MaxConcurrent != *cmp.Or(j.TotalCompletions, j.MaxConcurrent))
	}
	if e := spec.EndpointSpec; e != nil {
		s.add("spec.endpointMode", e.Mode != "" && e.Mode != swarm.ResolutionModeVIP)
		for _, p := range e.Ports {
			s.add("spec.ports["+v1.Port{Target: p.TargetPort, Protocol: string(p.Protocol)}.ListKey()+"].name", p.Name != "")
		}
	}
	t := &spec.TaskTemplate
	s.add("spec.runtime", t.Runtime != "" && t.Runtime != swarm.RuntimeContainer || t.PluginSpec != nil)
	if r := t.Resources; r != nil && r.Reservations != nil {
		s.add("spec.resources.reservations.genericResources", len(r.Reservations.GenericResources) > 0)
	}
	for _, n := range t.Networks {
		s.add("spec.networks["+ix.NameOf(v1.KindNetwork, n.Target)+"].driverOpts", len(n.DriverOpts) > 0)
	}
	if c := t.ContainerSpec; c != nil {
		s.container(c)
		s.privileges(c)
		for _, m := range c.Mounts {
			s.mount("spec.mounts["+m.Target+"].", m)
		}
	}
	slices.Sort(s)
	return slices.Compact(s)
}

func (s *settings) container(c *swarm.ContainerSpec) {
	s.add("spec.groups", len(c.Groups) > 0)
	s.add("spec.stopSignal", c.StopSignal != "")
	s.add("spec.tty", c.TTY)
	s.add("spec.openStdin", c.OpenStdin)
	s.add("spec.isolation", c.Isolation != "" && c.Isolation != "default")
	s.add("spec.sysctls", len(c.Sysctls) > 0)
	s.add("spec.ulimits", len(c.Ulimits) > 0)
	s.add("spec.oomScoreAdj", c.OomScoreAdj != 0)
	if d := c.DNSConfig; d != nil {
		s.add("spec.dns", len(d.Nameservers) > 0)
		s.add("spec.dnsSearch", len(d.Search) > 0)
		s.add("spec.dnsOpt", len(d.Options) > 0)
	}
}

func (s *settings) privileges(c *swarm.ContainerSpec) {
	s.add("spec.credentialSpec", slices.ContainsFunc(c.Configs, func(r *swarm.ConfigReference) bool { return r.File == nil }))
	p := c.Privileges
	if p == nil {
		return
	}
	s.add("spec.credentialSpec", p.CredentialSpec != nil && *p.CredentialSpec != swarm.CredentialSpec{})
	s.add("spec.privileges", p.NoNewPrivileges ||
		p.SELinuxContext != nil && *p.SELinuxContext != swarm.SELinuxContext{} ||
		p.AppArmor != nil && p.AppArmor.Mode != "" && p.AppArmor.Mode != swarm.AppArmorModeDefault ||
		p.Seccomp != nil && (len(p.Seccomp.Profile) > 0 || p.Seccomp.Mode != "" && p.Seccomp.Mode != swarm.SeccompModeDefault))
}

func (s *settings) mount(at string, m mount.Mount) {
	s.add(at+"cluster", m.ClusterOptions != nil)
	s.add(at+"image", m.ImageOptions != nil && m.ImageOptions.Subpath != "")
	if b := m.BindOptions; b != nil {
		s.add(at+"bind.nonRecursive", b.NonRecursive)
		s.add(at+"bind.createHostPath", b.CreateMountpoint)
	}
	if t := m.TmpfsOptions; t != nil {
		s.add(at+"tmpfs.options", len(t.Options) > 0)
	}
	v := m.VolumeOptions
	if v == nil {
		return
	}
	for label := range v.Labels { // stack deploy puts its own there
		s.add(at+"volume.labels", !diff.NobodysLabel(label))
	}
	s.add(at+"volume.subpath", v.Subpath != "")
	if d := v.DriverConfig; d != nil {
		s.add(at+"volume.driver", strings.TrimSpace(d.Name) != "" && d.Name != "local")
		s.add(at+"volume.driverConfig", len(d.Options) > 0)
	}
}
