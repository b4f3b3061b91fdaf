package generate

import (
	"cmp"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	apicontainer "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// spec says in the engine's words what a manifest states, and leaves out what it does not state. It shares no code with
// the operator, so that a mistake of the operator shows.
func spec(s *v1.Service, id func(kind, name string) string) *swarm.ServiceSpec {
	sp := &s.Spec
	out := &swarm.ServiceSpec{Annotations: swarm.Annotations{Name: s.Metadata.Name, Labels: maps.Clone(s.Metadata.Labels)}, Mode: modeOf(sp)}
	out.TaskTemplate = swarm.TaskSpec{
		ContainerSpec: containerOf(sp, id), Resources: resourcesOf(sp.Resources), RestartPolicy: restartOf(sp.RestartPolicy), Placement: placementOf(sp.Placement),
		ForceUpdate: sp.ForceUpdate,
	}
	for _, n := range sp.Networks {
		out.TaskTemplate.Networks = append(out.TaskTemplate.Networks, swarm.NetworkAttachmentConfig{Target: id(v1.KindNetwork, n.Name), Aliases: slices.Clone(n.Aliases), DriverOpts: maps.Clone(n.DriverOpts)})
	}
	if l := sp.Logging; l != nil && (l.Driver != "" || len(l.Options) > 0) {
		out.TaskTemplate.LogDriver = &swarm.Driver{Name: l.Driver, Options: maps.Clone(l.Options)}
	}
	out.UpdateConfig, out.RollbackConfig = updateOf(sp.UpdateConfig), updateOf(sp.RollbackConfig)
	out.EndpointSpec = &swarm.EndpointSpec{Mode: swarm.ResolutionMode(sp.EndpointMode)}
	for _, p := range sp.Ports {
		out.EndpointSpec.Ports = append(out.EndpointSpec.Ports, swarm.PortConfig{
			Name: p.Name, TargetPort: p.Target, PublishedPort: p.Published, Protocol: network.IPProtocol(cmp.Or(p.Protocol, "tcp")), PublishMode: swarm.PortConfigPublishMode(cmp.Or(p.Mode, "ingress")),
		})
	}
	return out
}

func modeOf(sp *v1.ServiceSpec) swarm.ServiceMode {
	switch sp.Mode {
	case v1.ModeGlobal:
		return swarm.ServiceMode{Global: &swarm.GlobalService{}}
	case v1.ModeGlobalJob:
		return swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}
	case v1.ModeReplicatedJob:
		concurrent, total := sp.MaxConcurrent, sp.Replicas
		if concurrent == nil {
			concurrent = total
		}
		if total == nil { // the engine would take maxConcurrent for it
			total = new(uint64)
			*total = 1
		}
		return swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: copyOf(concurrent), TotalCompletions: copyOf(total)}}
	}
	return swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: copyOf(sp.Replicas)}}
}

func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func containerOf(sp *v1.ServiceSpec, id func(kind, name string) string) *swarm.ContainerSpec {
	c := &swarm.ContainerSpec{
		Image: sp.Image, Labels: maps.Clone(sp.ContainerLabels), Command: slices.Clone(sp.Entrypoint), Args: slices.Clone(sp.Command), Hostname: sp.Hostname,
		Env: envOf(sp.Environment), Dir: sp.WorkingDir, User: sp.User, Groups: slices.Clone(sp.GroupAdd), StopSignal: sp.StopSignal, TTY: sp.TTY, OpenStdin: sp.StdinOpen,
		ReadOnly: sp.ReadOnly, StopGracePeriod: (*time.Duration)(copyOf(sp.StopGracePeriod)), Healthcheck: healthOf(sp.Healthcheck), Hosts: hostsOf(sp.ExtraHosts),
		Isolation: apicontainer.Isolation(sp.Isolation), Init: copyOf(sp.Init), Sysctls: maps.Clone(sp.Sysctls), OomScoreAdj: sp.OomScoreAdj,
		CapabilityAdd: slices.Clone(sp.CapAdd), CapabilityDrop: slices.Clone(sp.CapDrop), Privileges: privilegesOf(sp.Privileges),
	}
	for _, name := range slices.Sorted(maps.Keys(sp.Ulimits)) {
		c.Ulimits = append(c.Ulimits, &apicontainer.Ulimit{Name: name, Soft: sp.Ulimits[name].Soft, Hard: sp.Ulimits[name].Hard})
	}
	if len(sp.DNS)+len(sp.DNSSearch)+len(sp.DNSOpt) > 0 {
		c.DNSConfig = &swarm.DNSConfig{Search: slices.Clone(sp.DNSSearch), Options: slices.Clone(sp.DNSOpt)}
		for _, text := range sp.DNS {
			c.DNSConfig.Nameservers = append(c.DNSConfig.Nameservers, netip.MustParseAddr(text))
		}
	}
	for _, m := range sp.Mounts {
		c.Mounts = append(c.Mounts, mountOf(m))
	}
	for _, f := range sp.Configs {
		c.Configs = append(c.Configs, &swarm.ConfigReference{ConfigID: id(v1.KindConfig, f.Source), ConfigName: f.Source, File: &swarm.ConfigReferenceFileTarget{
			Name: cmp.Or(f.Target, "/"+f.Source), UID: cmp.Or(f.UID, "0"), GID: cmp.Or(f.GID, "0"), Mode: fileMode(f.Mode, 0o444),
		}})
	}
	for _, f := range sp.Secrets {
		c.Secrets = append(c.Secrets, &swarm.SecretReference{SecretID: id(v1.KindSecret, f.Source), SecretName: f.Source, File: &swarm.SecretReferenceFileTarget{
			Name: cmp.Or(f.Target, f.Source), UID: cmp.Or(f.UID, "0"), GID: cmp.Or(f.GID, "0"), Mode: fileMode(f.Mode, 0o444),
		}})
	}
	if cred := sp.CredentialSpec; cred != nil {
		if c.Privileges == nil {
			c.Privileges = &swarm.Privileges{}
		}
		c.Privileges.CredentialSpec = &swarm.CredentialSpec{File: cred.File, Registry: cred.Registry}
		if cred.Config != "" {
			c.Privileges.CredentialSpec.Config = id(v1.KindConfig, cred.Config)
			c.Configs = append(c.Configs, &swarm.ConfigReference{ConfigID: id(v1.KindConfig, cred.Config), ConfigName: cred.Config, Runtime: &swarm.ConfigReferenceRuntimeTarget{}})
		}
	}
	return c
}

func fileMode(stated *v1.FileMode, otherwise os.FileMode) os.FileMode {
	if stated == nil {
		return otherwise
	}
	return os.FileMode(*stated)
}

func envOf(env v1.Environment) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if env[name] == v1.NoValue {
			out = append(out, name)
		} else {
			out = append(out, name+"="+env[name])
		}
	}
	return out
}

// hostsOf writes host:address and host=address as lines of hosts(5).
func hostsOf(hosts []string) []string {
	var out []string
	for _, h := range hosts {
		at := strings.IndexAny(h, "=:")
		out = append(out, h[at+1:]+" "+h[:at])
	}
	return out
}

func healthOf(h *v1.Healthcheck) *apicontainer.HealthConfig {
	if h == nil {
		return nil
	}
	if h.Disable {
		return &apicontainer.HealthConfig{Test: []string{"NONE"}}
	}
	return &apicontainer.HealthConfig{
		Test: slices.Clone(h.Test), Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout), StartPeriod: time.Duration(h.StartPeriod),
		StartInterval: time.Duration(h.StartInterval), Retries: int(h.Retries),
	}
}

func privilegesOf(p *v1.Privileges) *swarm.Privileges {
	if p == nil {
		return nil
	}
	out := &swarm.Privileges{NoNewPrivileges: p.NoNewPrivileges}
	if p.AppArmor != "" {
		out.AppArmor = &swarm.AppArmorOpts{Mode: swarm.AppArmorMode(p.AppArmor)}
	}
	if s := p.Seccomp; s != nil {
		out.Seccomp = &swarm.SeccompOpts{Mode: swarm.SeccompMode(s.Mode), Profile: []byte(s.Profile)}
	}
	if l := p.SELinux; l != nil {
		out.SELinuxContext = &swarm.SELinuxContext{Disable: l.Disable, User: l.User, Role: l.Role, Type: l.Type, Level: l.Level}
	}
	return out
}

func mountOf(m v1.Mount) mount.Mount {
	out := mount.Mount{Type: mount.Type(m.Type), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
	if b := m.Bind; b != nil {
		out.BindOptions = &mount.BindOptions{Propagation: mount.Propagation(b.Propagation), NonRecursive: b.Recursive == "disabled"}
	}
	if v := m.Volume; v != nil {
		out.VolumeOptions = &mount.VolumeOptions{NoCopy: v.NoCopy, Subpath: v.Subpath, Labels: maps.Clone(v.Labels)}
		if v.Driver != "" || len(v.DriverOpts) > 0 {
			out.VolumeOptions.DriverConfig = &mount.Driver{Name: v.Driver, Options: maps.Clone(v.DriverOpts)}
		}
	}
	if t := m.Tmpfs; t != nil {
		out.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(t.Size), Mode: fileMode(t.Mode, 0)}
		for _, o := range t.Options {
			out.TmpfsOptions.Options = append(out.TmpfsOptions.Options, strings.SplitN(o, "=", 2))
		}
	}
	return out
}

func resourcesOf(r *v1.Resources) *swarm.ResourceRequirements {
	if r == nil {
		return nil
	}
	out := &swarm.ResourceRequirements{SwapBytes: (*int64)(copyOf(r.MemorySwap)), MemorySwappiness: copyOf(r.MemorySwappiness)}
	if r.Limits != (v1.ResourceLimits{}) {
		out.Limits = &swarm.Limit{NanoCPUs: int64(r.Limits.CPUs), MemoryBytes: int64(r.Limits.Memory), Pids: r.Limits.Pids}
	}
	if v := r.Reservations; v.CPUs != 0 || v.Memory != 0 || len(v.GenericResources) > 0 {
		out.Reservations = &swarm.Resources{NanoCPUs: int64(v.CPUs), MemoryBytes: int64(v.Memory)}
		for _, g := range v.GenericResources {
			out.Reservations.GenericResources = append(out.Reservations.GenericResources, swarm.GenericResource{
				DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: g.DiscreteResourceSpec.Kind, Value: g.DiscreteResourceSpec.Value},
			})
		}
	}
	return out
}

func restartOf(r *v1.RestartPolicy) *swarm.RestartPolicy {
	if r == nil {
		return nil
	}
	out := &swarm.RestartPolicy{Condition: swarm.RestartPolicyCondition(r.Condition), Delay: (*time.Duration)(copyOf(r.Delay))}
	if r.MaxAttempts != 0 {
		out.MaxAttempts = copyOf(&r.MaxAttempts)
	}
	if r.Window != 0 {
		out.Window = (*time.Duration)(copyOf(&r.Window))
	}
	return out
}

func placementOf(p *v1.Placement) *swarm.Placement {
	if p == nil {
		return nil
	}
	out := &swarm.Placement{Constraints: slices.Clone(p.Constraints), MaxReplicas: p.MaxReplicasPerNode}
	for _, pref := range p.Preferences {
		out.Preferences = append(out.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: pref.Spread}})
	}
	for _, at := range p.Platforms {
		out.Platforms = append(out.Platforms, swarm.Platform{OS: at.OS, Architecture: at.Architecture})
	}
	return out
}

// updateOf writes an update config. Its parallelism has a default that is not the engine's zero, which means all at once.
func updateOf(u *v1.UpdateConfig) *swarm.UpdateConfig {
	if u == nil {
		return nil
	}
	out := &swarm.UpdateConfig{
		Parallelism: 1, Delay: time.Duration(u.Delay), FailureAction: swarm.FailureAction(u.FailureAction), Monitor: time.Duration(u.Monitor),
		MaxFailureRatio: float32(u.MaxFailureRatio), Order: swarm.UpdateOrder(u.Order),
	}
	if u.Parallelism != nil {
		out.Parallelism = *u.Parallelism
	}
	return out
}
