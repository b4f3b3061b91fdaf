package service

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// names resolves ids into names.
type names interface{ NameOf(kind, id string) string }

// read turns an engine's spec into the manifest's words and into normal form.
func read(spec *swarm.ServiceSpec, ix names) *v1.Service {
	s := &v1.Service{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindService, Metadata: v1.Metadata{Name: spec.Name, Labels: spec.Labels}}}
	readMode(spec.Mode, &s.Spec)
	if r := spec.TaskTemplate.Runtime; r != "" && r != swarm.RuntimeContainer {
		s.Spec.Mode = string(r) // its tasks are plugins, and no manifest asks for that
	}
	if c := spec.TaskTemplate.ContainerSpec; c != nil {
		readContainer(c, &s.Spec)
	}
	readTask(&spec.TaskTemplate, &s.Spec, ix)
	if e := spec.EndpointSpec; e != nil {
		s.Spec.EndpointMode = string(e.Mode)
		for _, p := range e.Ports {
			s.Spec.Ports = append(s.Spec.Ports, v1.Port{Target: p.TargetPort, Published: p.PublishedPort, Protocol: string(p.Protocol), Mode: string(p.PublishMode), Name: p.Name})
		}
	}
	s.Spec.UpdateConfig, s.Spec.RollbackConfig = readUpdate(spec.UpdateConfig), readUpdate(spec.RollbackConfig)
	s.Default()
	return s
}

func readMode(m swarm.ServiceMode, s *v1.ServiceSpec) {
	switch {
	case m.Global != nil:
		s.Mode = v1.ModeGlobal
	case m.GlobalJob != nil:
		s.Mode = v1.ModeGlobalJob
	case m.ReplicatedJob != nil:
		s.Mode = v1.ModeReplicatedJob
		s.Replicas = orOne(cmp.Or(m.ReplicatedJob.TotalCompletions, m.ReplicatedJob.MaxConcurrent))
		s.MaxConcurrent = orOne(m.ReplicatedJob.MaxConcurrent)
	default:
		s.Mode = v1.ModeReplicated
		if m.Replicated != nil {
			s.Replicas = m.Replicated.Replicas
		}
		s.Replicas = orOne(s.Replicas)
	}
}

// orOne returns 1 if n is nil, because the engine takes an absent count as 1, and 0 as 0.
func orOne(n *uint64) *uint64 {
	if n == nil {
		n = new(uint64)
		*n = 1
	}
	return n
}

func readContainer(c *swarm.ContainerSpec, s *v1.ServiceSpec) {
	s.Image, s.User, s.WorkingDir, s.Hostname, s.ReadOnly = c.Image, c.User, c.Dir, c.Hostname, c.ReadOnly
	// The engine's Command is compose's entrypoint, its Args compose's command.
	s.Entrypoint, s.Command = slices.Clone(c.Command), slices.Clone(c.Args)
	s.Environment = readEnv(c.Env)
	s.ContainerLabels = c.Labels
	s.Init = c.Init
	if c.StopGracePeriod != nil {
		d := v1.Duration(*c.StopGracePeriod)
		s.StopGracePeriod = &d
	}
	for _, h := range c.Hosts {
		if entry, read := readHost(h); read {
			s.ExtraHosts = append(s.ExtraHosts, entry)
		}
	}
	s.CapAdd, s.CapDrop = slices.Clone(c.CapabilityAdd), slices.Clone(c.CapabilityDrop)
	s.Healthcheck = readHealth(c.Healthcheck)
	readMore(c, s)
	for _, m := range c.Mounts {
		s.Mounts = append(s.Mounts, readMount(m))
	}
	for _, r := range c.Configs {
		if r.File != nil { // other references are credential specs
			mode := v1.FileMode(r.File.Mode)
			s.Configs = append(s.Configs, v1.ConfigMount{Source: r.ConfigName, Target: r.File.Name, UID: r.File.UID, GID: r.File.GID, Mode: &mode})
		}
	}
	for _, r := range c.Secrets {
		if r.File != nil {
			mode := v1.FileMode(r.File.Mode)
			s.Secrets = append(s.Secrets, v1.SecretMount{Source: r.SecretName, Target: r.File.Name, UID: r.File.UID, GID: r.File.GID, Mode: &mode})
		}
	}
}

// readEnv reads NAME=value lines, and lines of a NAME alone. If a name occurs twice, the last one counts, as in the container.
func readEnv(lines []string) v1.Environment {
	if len(lines) == 0 {
		return nil
	}
	env := make(v1.Environment, len(lines))
	for _, line := range lines {
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			value = v1.NoValue
		}
		env[name] = value
	}
	return env
}

// readHost turns a line of hosts(5), an address and names, into the form host:address. The engine reads only the first
// name, and skips a line without a name, such as the host:address that terraform writes
// (daemon/cluster/executor/container). No container has an entry for what is skipped, so it is no entry here either.
func readHost(line string) (entry string, read bool) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return "", false
	}
	return fields[1] + ":" + fields[0], true
}

func readHealth(h *container.HealthConfig) *v1.Healthcheck {
	if h == nil {
		return nil
	}
	return &v1.Healthcheck{
		Test: slices.Clone(h.Test), Interval: v1.Duration(h.Interval), Timeout: v1.Duration(h.Timeout),
		StartPeriod: v1.Duration(h.StartPeriod), StartInterval: v1.Duration(h.StartInterval), Retries: uint32(max(0, h.Retries)),
	}
}

func readMount(m mount.Mount) v1.Mount {
	out := v1.Mount{Type: string(cmp.Or(m.Type, mount.TypeBind)), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
	if b := m.BindOptions; b != nil {
		out.Bind = &v1.BindOptions{Propagation: string(b.Propagation)}
		if b.NonRecursive {
			out.Bind.Recursive = "disabled"
		}
	}
	if v := m.VolumeOptions; v != nil {
		out.Volume = &v1.VolumeOption{NoCopy: v.NoCopy, Subpath: v.Subpath, Labels: v.Labels}
		if d := v.DriverConfig; d != nil {
			out.Volume.Driver, out.Volume.DriverOpts = d.Name, d.Options
		}
	}
	if t := m.TmpfsOptions; t != nil {
		out.Tmpfs = &v1.TmpfsOptions{Size: v1.Bytes(t.SizeBytes)}
		for _, o := range t.Options {
			out.Tmpfs.Options = append(out.Tmpfs.Options, strings.Join(o, "="))
		}
		if t.Mode != 0 {
			mode := v1.FileMode(t.Mode)
			out.Tmpfs.Mode = &mode
		}
	}
	return out
}

func readTask(t *swarm.TaskSpec, s *v1.ServiceSpec, ix names) {
	s.ForceUpdate = t.ForceUpdate
	if r := t.Resources; r != nil {
		s.Resources = &v1.Resources{}
		if l := r.Limits; l != nil {
			s.Resources.Limits = v1.ResourceLimits{CPUs: v1.CPUs(l.NanoCPUs), Memory: v1.Bytes(l.MemoryBytes), Pids: l.Pids}
		}
		if v := r.Reservations; v != nil {
			s.Resources.Reservations = v1.Reservations{CPUs: v1.CPUs(v.NanoCPUs), Memory: v1.Bytes(v.MemoryBytes), GenericResources: readGeneric(v.GenericResources)}
		}
		s.Resources.MemorySwap = (*v1.Swap)(clone(r.SwapBytes))
		if v := r.MemorySwappiness; v != nil && *v >= 0 { // -1 is how docker service update unsets it
			s.Resources.MemorySwappiness = clone(v)
		}
	}
	if r := t.RestartPolicy; r != nil {
		s.RestartPolicy = &v1.RestartPolicy{Condition: string(r.Condition), Delay: (*v1.Duration)(clone(r.Delay))}
		if r.MaxAttempts != nil {
			s.RestartPolicy.MaxAttempts = *r.MaxAttempts
		}
		if r.Window != nil {
			s.RestartPolicy.Window = v1.Duration(*r.Window)
		}
	}
	if p := t.Placement; p != nil {
		s.Placement = &v1.Placement{Constraints: slices.Clone(p.Constraints), MaxReplicasPerNode: p.MaxReplicas}
		for _, pref := range p.Preferences {
			if pref.Spread != nil {
				s.Placement.Preferences = append(s.Placement.Preferences, v1.Preference{Spread: pref.Spread.SpreadDescriptor})
			}
		}
		for _, platform := range p.Platforms {
			s.Placement.Platforms = append(s.Placement.Platforms, v1.TaskPlatform{OS: platform.OS, Architecture: platform.Architecture})
		}
	}
	for _, n := range t.Networks {
		s.Networks = append(s.Networks, v1.NetworkAttachment{Name: ix.NameOf(v1.KindNetwork, n.Target), Aliases: slices.Clone(n.Aliases), DriverOpts: n.DriverOpts})
	}
	if l := t.LogDriver; l != nil {
		s.Logging = &v1.Logging{Driver: l.Name, Options: l.Options}
	}
}

// readUpdate reads an update config. An absent one stands for SwarmKit's defaults. An empty one does not, because its
// parallelism 0 means all at once.
func readUpdate(u *swarm.UpdateConfig) *v1.UpdateConfig {
	if u == nil {
		return nil
	}
	parallelism := u.Parallelism
	return &v1.UpdateConfig{
		Parallelism: &parallelism, Delay: v1.Duration(u.Delay), FailureAction: string(u.FailureAction),
		Monitor: v1.Duration(u.Monitor), MaxFailureRatio: v1.Ratio(u.MaxFailureRatio), Order: string(u.Order),
	}
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
