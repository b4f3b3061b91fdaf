package generate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// docker service create, and docker service update.

func cliSays(_ *rapid.T, sp *v1.ServiceSpec) {
	sp.StdinOpen, sp.Privileges = false, nil
	unnamed(sp.Ports)
	for i := range sp.Mounts {
		if o := sp.Mounts[i].Tmpfs; o != nil {
			o.Options = nil
		}
	}
	if l := sp.Logging; l != nil && l.Driver == "" {
		sp.Logging = nil
	}
	if h := sp.Healthcheck; h != nil && len(h.Test) > 0 {
		if h.Disable = h.Test[0] == "NONE"; h.Disable {
			sp.Healthcheck = &v1.Healthcheck{Disable: true}
		} else {
			h.Test[0] = "CMD-SHELL"
		}
	}
}

func cliForm(t *rapid.T, spec *swarm.ServiceSpec) {
	task, c := &spec.TaskTemplate, spec.TaskTemplate.ContainerSpec
	there(&c.Init)
	there(&c.DNSConfig)
	there(&there(&task.Resources).Limits)
	there(&task.Resources.Reservations)
	there(&task.Placement)
	spec.EndpointSpec.Mode = cmp.Or(spec.EndpointSpec.Mode, swarm.ResolutionModeVIP)
	byTarget(task.Networks)
	c.CapabilityAdd, c.CapabilityDrop = fullCapabilities(c.CapabilityAdd), fullCapabilities(c.CapabilityDrop)
	if yes(t, "an old client") { // it says every default
		if there(&task.RestartPolicy); spec.Mode.ReplicatedJob == nil && spec.Mode.GlobalJob == nil {
			for _, u := range []**swarm.UpdateConfig{&spec.UpdateConfig, &spec.RollbackConfig} {
				if *u == nil {
					*u = &swarm.UpdateConfig{Parallelism: 1}
				}
			}
		}
		if c.StopGracePeriod == nil {
			c.StopGracePeriod = new(10 * time.Second)
		}
	}
	wholeRestart(task.RestartPolicy, 5*time.Second)
	wholeUpdate(spec.UpdateConfig)
	wholeUpdate(spec.RollbackConfig)
	pin(t, spec)
}

// docker stack deploy

func stackSays(_ *rapid.T, sp *v1.ServiceSpec) {
	sp.GroupAdd, sp.DNSOpt, sp.Privileges, sp.MaxConcurrent = nil, nil, nil, nil
	unnamed(sp.Ports)
	for i := range sp.Mounts {
		m := &sp.Mounts[i]
		if m.Tmpfs != nil {
			m.Tmpfs = &v1.TmpfsOptions{Size: m.Tmpfs.Size}
		}
		if m.Bind != nil {
			m.Bind.Recursive = ""
		}
		if m.Source == "" {
			m.Volume = nil
		}
	}
	if r := sp.Resources; r != nil {
		r.MemorySwap, r.MemorySwappiness = nil, nil
	}
	if p := sp.Placement; p != nil {
		p.Platforms = nil
	}
	if len(sp.Networks) == 0 {
		sp.Networks = []v1.NetworkAttachment{{Name: Networks[0]}}
	}
	for i := range sp.Networks { // the name of the service in its file
		sp.Networks[i].Aliases = append(sp.Networks[i].Aliases, "www")
	}
}

func stackForm(t *rapid.T, spec *swarm.ServiceSpec) {
	const namespace = "com.docker.stack.namespace"
	task, c := &spec.TaskTemplate, spec.TaskTemplate.ContainerSpec
	label(&spec.Labels, namespace, "shop")
	label(&spec.Labels, "com.docker.stack.image", c.Image)
	label(&c.Labels, namespace, "shop")
	there(&c.Privileges)
	there(&task.Resources)
	there(&task.Placement)
	byTarget(task.Networks)
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if m.Type != mount.TypeVolume || m.Source == "" {
			continue
		}
		o := there(&m.VolumeOptions)
		if yes(t, "external") && len(o.Labels) == 0 {
			continue
		}
		label(&o.Labels, namespace, "shop")
		if o.DriverConfig == nil && yes(t, "driver: local") {
			o.DriverConfig = &mount.Driver{Name: "local"}
		}
	}
	for _, r := range c.Configs {
		if r.File != nil && yes(t, "no slash") {
			r.File.Name = strings.TrimPrefix(r.File.Name, "/")
		}
	}
	for _, r := range c.Secrets {
		if !strings.HasPrefix(r.File.Name, "/") && yes(t, "whole path") {
			r.File.Name = "/run/secrets/" + r.File.Name
		}
	}
	pin(t, spec)
}

// Portainer, if somebody makes a service with it.

func portainerSays(_ *rapid.T, sp *v1.ServiceSpec) {
	withoutNoValue(sp)
	*sp = v1.ServiceSpec{
		Image: sp.Image, Mode: sp.Mode, Replicas: sp.Replicas, Entrypoint: sp.Entrypoint, Command: sp.Command, User: sp.User, WorkingDir: sp.WorkingDir,
		Environment: sp.Environment, ContainerLabels: sp.ContainerLabels, Ports: sp.Ports, Networks: sp.Networks, Configs: sp.Configs, Secrets: sp.Secrets,
		Mounts: sp.Mounts, ExtraHosts: sp.ExtraHosts, UpdateConfig: sp.UpdateConfig, RestartPolicy: sp.RestartPolicy, Placement: sp.Placement,
		Resources: sp.Resources, Logging: sp.Logging,
	}
	if sp.Mode != v1.ModeGlobal && sp.Replicas == nil {
		sp.Replicas = new(uint64(1))
	}
	unnamed(sp.Ports)
	namesOnly(sp.Networks)
	sp.ExtraHosts = slices.DeleteFunc(sp.ExtraHosts, func(h string) bool { return strings.Count(h, ":") > 1 || strings.HasPrefix(h, "v6") })
	sp.Mounts = slices.DeleteFunc(sp.Mounts, func(m v1.Mount) bool { return m.Type == "tmpfs" || m.Source == "" })
	for i := range sp.Mounts {
		sp.Mounts[i].Bind, sp.Mounts[i].Volume = nil, nil
	}
	for i := range sp.Secrets {
		sp.Secrets[i].Mode = new(v1.FileMode(444)) // 444 and not 0444
	}
	for i := range sp.Configs {
		sp.Configs[i].Mode = nil
	}
	if u := sp.UpdateConfig; u != nil {
		u.Monitor, u.MaxFailureRatio = 0, 0
	}
	if r := sp.RestartPolicy; r != nil && r.Delay != nil && *r.Delay == 0 {
		r.Delay = nil
	}
	if p := sp.Placement; p != nil {
		p.Platforms, p.MaxReplicasPerNode = nil, 0
	}
	cpusAndMemory(sp.Resources)
	if l := sp.Logging; l != nil && l.Driver == "" {
		sp.Logging = nil
	}
}

func portainerForm(_ *rapid.T, spec *swarm.ServiceSpec) {
	task, c := &spec.TaskTemplate, spec.TaskTemplate.ContainerSpec
	c.Env, c.Mounts = append([]string{}, c.Env...), append([]mount.Mount{}, c.Mounts...)
	there(&there(&task.Resources).Limits)
	there(&task.Resources.Reservations)
	tight(there(&task.Placement).Constraints)
	wholeRestart(there(&task.RestartPolicy), 5*time.Second)
	if spec.UpdateConfig == nil {
		spec.UpdateConfig = &swarm.UpdateConfig{Parallelism: 1}
	}
	wholeUpdate(spec.UpdateConfig)
	spec.UpdateConfig.Monitor = 0
	for i := range c.Mounts {
		if m := &c.Mounts[i]; m.Type == mount.TypeVolume {
			m.VolumeOptions = &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: "local"}}
		}
	}
}

// Portainer, if somebody saves the page of a service of a stack, or forces an update.

func backSays(t *rapid.T, sp *v1.ServiceSpec) {
	stackSays(t, sp)
	withoutNoValue(sp)
	if l := sp.Logging; l != nil && l.Driver == "" {
		sp.Logging = nil
	}
}

func backForm(t *rapid.T, spec *swarm.ServiceSpec) {
	stackForm(t, spec)
	spec.EndpointSpec.Mode = cmp.Or(spec.EndpointSpec.Mode, swarm.ResolutionModeVIP)
	spec.TaskTemplate.ContainerSpec.Hosts = append([]string{}, spec.TaskTemplate.ContainerSpec.Hosts...)
	tight(spec.TaskTemplate.Placement.Constraints)
	if spec.TaskTemplate.Resources.Limits == nil && spec.TaskTemplate.Resources.Reservations == nil && yes(t, "resources") {
		spec.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{}, Reservations: &swarm.Resources{}}
	}
}

// community.docker.docker_swarm_service

func ansibleSays(_ *rapid.T, sp *v1.ServiceSpec) {
	withoutNoValue(sp)
	sp.StdinOpen, sp.Sysctls, sp.Ulimits, sp.OomScoreAdj, sp.Isolation, sp.CredentialSpec, sp.Privileges = false, nil, nil, 0, "", nil, nil
	if sp.Mode != v1.ModeGlobal && sp.Replicas == nil {
		sp.Replicas = new(uint64(1))
	}
	unnamed(sp.Ports)
	cpusAndMemory(sp.Resources)
	if h := sp.Healthcheck; h != nil {
		h.StartInterval = 0
	}
	if p := sp.Placement; p != nil {
		p.Platforms = nil
	}
	olderMounts(sp.Mounts)
	// docker-py's own defaults, if anything of the group is stated.
	if r := sp.RestartPolicy; r != nil {
		if r.Condition = cmp.Or(r.Condition, "none"); r.Delay == nil {
			r.Delay = new(v1.Duration(0))
		}
	}
	for _, u := range []*v1.UpdateConfig{sp.UpdateConfig, sp.RollbackConfig} {
		if u == nil {
			continue
		}
		if u.FailureAction = cmp.Or(u.FailureAction, "continue"); u.Parallelism == nil {
			u.Parallelism = new(uint64(0))
		}
	}
}

func ansibleForm(t *rapid.T, spec *swarm.ServiceSpec) {
	task, c := &spec.TaskTemplate, spec.TaskTemplate.ContainerSpec
	wholeRestart(task.RestartPolicy, 0)
	if e := spec.EndpointSpec; e.Mode == "" && len(e.Ports) == 0 {
		spec.EndpointSpec = nil
	} else {
		for i := range e.Ports {
			if e.Ports[i].PublishMode == swarm.PortConfigPublishModeIngress {
				e.Ports[i].PublishMode = ""
			}
		}
	}
	if p := task.Placement; p != nil && len(p.Constraints)+len(p.Preferences) == 0 && p.MaxReplicas == 0 {
		task.Placement = nil
	}
	if r := task.Resources; r != nil && r.Limits == nil && r.Reservations == nil {
		task.Resources = nil
	}
	for i := range c.Mounts {
		if o := c.Mounts[i].VolumeOptions; o != nil && !o.NoCopy && len(o.Labels) == 0 && o.DriverConfig == nil {
			c.Mounts[i].VolumeOptions = nil
		}
	}
	if yes(t, "force_update") { // the time
		if task.ForceUpdate < 3 && task.ForceUpdate > 0 {
			return
		}
		task.ForceUpdate = 17932101234567
	}
}

// kreuzwerker/docker's docker_service

func terraformSays(_ *rapid.T, sp *v1.ServiceSpec) {
	withoutNoValue(sp)
	sp.Init, sp.TTY, sp.StdinOpen, sp.CapAdd, sp.CapDrop, sp.Sysctls, sp.Ulimits, sp.OomScoreAdj = nil, false, false, nil, nil, nil, nil, 0
	if sp.Mode != v1.ModeGlobal && sp.Replicas == nil {
		sp.Replicas = new(uint64(1))
	}
	if c := sp.CredentialSpec; c != nil && c.File == "" {
		sp.CredentialSpec = nil
	}
	if p := sp.Privileges; p != nil {
		sp.Privileges = &v1.Privileges{SELinux: p.SELinux}
	}
	sp.ExtraHosts = nil // it writes host:address, which the engine does not read
	namesOnly(sp.Networks)
	if h := sp.Healthcheck; h != nil {
		h.StartInterval = 0
	}
	olderMounts(sp.Mounts)
	if r := sp.Resources; r != nil {
		r.MemorySwap, r.MemorySwappiness, r.Limits.Pids = nil, nil, 0
	}
	// An empty text is a duration of nought.
	if sp.StopGracePeriod == nil {
		sp.StopGracePeriod = new(v1.Duration(0))
	}
	if r := sp.RestartPolicy; r != nil && r.Delay == nil {
		r.Delay = new(v1.Duration(0))
	}
}

func terraformForm(t *rapid.T, spec *swarm.ServiceSpec) {
	task, c := &spec.TaskTemplate, spec.TaskTemplate.ContainerSpec
	there(&c.Healthcheck)
	there(&c.DNSConfig)
	there(&task.Resources)
	there(&task.Placement)
	task.Runtime = oneOf(t, []swarm.RuntimeType{"", swarm.RuntimeContainer}, "runtime")
	if c.Isolation == "" {
		c.Isolation = "default"
	}
	if yes(t, "hosts") {
		c.Hosts = []string{"db:10.0.0.1"}
	}
	wholeRestart(task.RestartPolicy, 0)
	wholeUpdate(spec.UpdateConfig)
	wholeUpdate(spec.RollbackConfig)
	for i := range c.Mounts {
		if o := c.Mounts[i].VolumeOptions; o != nil {
			there(&o.DriverConfig)
		}
	}
}

// What several tools have in common.

func unnamed(ports []v1.Port) {
	for i := range ports {
		ports[i].Name = ""
	}
}

func namesOnly(networks []v1.NetworkAttachment) {
	for i := range networks {
		networks[i] = v1.NetworkAttachment{Name: networks[i].Name}
	}
}

func withoutNoValue(sp *v1.ServiceSpec) {
	for name, value := range sp.Environment {
		if value == v1.NoValue {
			sp.Environment[name] = ""
		}
	}
}

// olderMounts takes from mounts the options that these tools do not know yet.
func olderMounts(mounts []v1.Mount) {
	for i := range mounts {
		m := &mounts[i]
		if m.Tmpfs != nil {
			m.Tmpfs.Options = nil
		}
		if m.Bind != nil {
			m.Bind.Recursive = ""
		}
		if m.Volume != nil {
			m.Volume.Subpath = ""
		}
	}
}

func cpusAndMemory(r *v1.Resources) {
	if r != nil {
		r.MemorySwap, r.MemorySwappiness, r.Limits.Pids, r.Reservations.GenericResources = nil, nil, 0, nil
	}
}

// tight writes constraints without spaces.
func tight(constraints []string) {
	for i, c := range constraints {
		constraints[i] = strings.ReplaceAll(c, " ", "")
	}
}

func fullCapabilities(list []string) []string {
	for i, c := range list {
		if c = strings.ToUpper(c); c != "ALL" {
			c = "CAP_" + strings.TrimPrefix(c, "CAP_")
		}
		list[i] = c
	}
	return list
}

// wholeRestart states what a restart policy leaves out.
func wholeRestart(r *swarm.RestartPolicy, delay time.Duration) {
	if r == nil {
		return
	}
	r.Condition = cmp.Or(r.Condition, swarm.RestartPolicyConditionAny)
	if r.Delay == nil {
		r.Delay = &delay
	}
	there(&r.MaxAttempts)
	there(&r.Window)
}

// wholeUpdate states what an update config leaves out.
func wholeUpdate(u *swarm.UpdateConfig) {
	if u == nil {
		return
	}
	u.FailureAction, u.Order = cmp.Or(u.FailureAction, swarm.UpdateFailureActionPause), cmp.Or(u.Order, swarm.UpdateOrderStopFirst)
	u.Monitor = cmp.Or(u.Monitor, 5*time.Second)
}
