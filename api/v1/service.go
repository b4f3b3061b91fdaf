package v1

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// These are the modes of a service.
const (
	ModeReplicated    = "replicated"
	ModeGlobal        = "global"
	ModeReplicatedJob = "replicated-job"
	ModeGlobalJob     = "global-job"
)

// Service is a swarm service. The manifest is the whole truth: a field that it does not state has its default.
type Service struct {
	Header
	Spec ServiceSpec `json:"spec"`
}

// ServiceSpec has compose's field names without compose's deploy level.
type ServiceSpec struct {
	// Image is an image reference, such as nginx:1.27. It is required. The operator compares the digest only if the
	// manifest states one.
	Image string `json:"image,omitempty"`
	// Entrypoint replaces the image's ENTRYPOINT. It is a list, or a string that is split as a shell splits it.
	Entrypoint StringList `json:"entrypoint,omitempty"`
	// Command replaces the image's CMD. It is a list, or a string that is split as a shell splits it.
	Command StringList `json:"command,omitempty"`
	// Environment is a map, or a list of NAME=value. A NAME without a value, or with null, takes the variable of the
	// image away.
	Environment Environment `json:"environment,omitempty"`
	// ContainerLabels are the labels of each container; metadata.labels are the service's.
	ContainerLabels map[string]string `json:"containerLabels,omitempty"`
	// User is the user, and perhaps the group, of the container's process. If omitted, the image's own applies.
	User string `json:"user,omitempty"`
	// WorkingDir replaces the image's WORKDIR.
	WorkingDir string `json:"workingDir,omitempty"`
	// Hostname is the hostname in each container.
	Hostname string `json:"hostname,omitempty"`
	// Mode is replicated (default), global, replicated-job or global-job. It cannot change in place. The two modes of
	// jobs need API 1.41.
	Mode string `json:"mode,omitempty"`
	// Replicas is the number of tasks to keep running, or of completions of a replicated job. If omitted, it is 1 at
	// creation, and afterwards the operator leaves it as it is. Another number runs a job again, all of it.
	Replicas *uint64 `json:"replicas,omitempty"`
	// Ports are the ports that the service publishes.
	Ports []Port `json:"ports,omitempty"`
	// Networks are the networks that the service joins.
	Networks []NetworkAttachment `json:"networks,omitempty"`
	// Configs are the configs that each container gets as files.
	Configs []ConfigMount `json:"configs,omitempty"`
	// Secrets are the secrets that each container gets as files.
	Secrets []SecretMount `json:"secrets,omitempty"`
	// Mounts are the volumes, directories and tmpfs that each container mounts.
	Mounts []Mount `json:"mounts,omitempty"`
	// Healthcheck is the health check of each container. If omitted, the image's own applies.
	Healthcheck *Healthcheck `json:"healthcheck,omitempty"`
	// Resources says what a task may use, and what the scheduler sets aside for it.
	Resources *Resources `json:"resources,omitempty"`
	// RestartPolicy says what happens when a task ends.
	RestartPolicy *RestartPolicy `json:"restartPolicy,omitempty"`
	// Placement says on which nodes tasks run.
	Placement *Placement `json:"placement,omitempty"`
	// UpdateConfig says how a new version is rolled out. It cannot be stated for jobs.
	UpdateConfig *UpdateConfig `json:"updateConfig,omitempty"`
	// RollbackConfig says how the previous version is brought back. It cannot be stated for jobs.
	RollbackConfig *UpdateConfig `json:"rollbackConfig,omitempty"`
	// StopGracePeriod is how long a container may take to stop before it is killed. Default 10s.
	StopGracePeriod *Duration `json:"stopGracePeriod,omitempty"`
	// Logging is the log driver of the containers. If omitted, the engine's default log driver applies.
	Logging *Logging `json:"logging,omitempty"`
	// Init runs an init process as PID 1. Omitted and false mean the same: the default of the node's engine, which runs
	// none unless its daemon.json says so.
	Init *bool `json:"init,omitempty"`
	// ExtraHosts are entries for /etc/hosts: a list of host:address, or a map.
	ExtraHosts ExtraHosts `json:"extraHosts,omitempty"`
	// CapAdd lists capabilities that containers get in addition to the default ones. Needs API 1.41.
	CapAdd []string `json:"capAdd,omitempty"`
	// CapDrop lists default capabilities that containers do not get. Needs API 1.41.
	CapDrop []string `json:"capDrop,omitempty"`
	// ReadOnly mounts the container's root file system read-only. Default false.
	ReadOnly bool `json:"readOnly,omitempty"`
	// GroupAdd lists further groups of the container's process, by name or number.
	GroupAdd []string `json:"groupAdd,omitempty"`
	// StopSignal is the signal that stops the container, such as SIGINT. If omitted, the image's own applies, otherwise
	// SIGTERM.
	StopSignal string `json:"stopSignal,omitempty"`
	// TTY gives the container a terminal. Default false.
	TTY bool `json:"tty,omitempty"`
	// StdinOpen keeps the container's standard input open. Default false.
	StdinOpen bool `json:"stdinOpen,omitempty"`
	// DNS lists the addresses of the name servers that the swarm's own one asks. If omitted, they are the node's.
	DNS Texts `json:"dns,omitempty"`
	// DNSSearch lists the domains in which short names are looked up. If omitted, they are the node's.
	DNSSearch Texts `json:"dnsSearch,omitempty"`
	// DNSOpt lists options of the resolver, such as ndots:2.
	DNSOpt []string `json:"dnsOpt,omitempty"`
	// Sysctls are kernel parameters of the container, such as net.core.somaxconn: a map, or a list of NAME=value.
	Sysctls Sysctls `json:"sysctls,omitempty"`
	// Ulimits are limits of the container's processes, such as nofile. Each is a number, or a mapping with soft and
	// hard. -1 means no limit. Needs API 1.41.
	Ulimits Ulimits `json:"ulimits,omitempty"`
	// OomScoreAdj is from -1000 to 1000: how readily the kernel kills the container if memory is short. Default 0.
	// Needs API 1.46.
	OomScoreAdj int64 `json:"oomScoreAdj,omitempty"`
	// Isolation is default, process or hyperv. It is for nodes with Windows.
	Isolation string `json:"isolation,omitempty"`
	// CredentialSpec is the managed service account of the container. It is for nodes with Windows.
	CredentialSpec *CredentialSpec `json:"credentialSpec,omitempty"`
	// Privileges says what the kernel's security modules allow the container.
	Privileges *Privileges `json:"privileges,omitempty"`
	// EndpointMode is vip (default: the service has one address of its own) or dnsrr: its name stands for the addresses
	// of its tasks. With dnsrr, no port can be published through the routing mesh.
	EndpointMode string `json:"endpointMode,omitempty"`
	// MaxConcurrent is how many tasks of a replicated job run at once. If omitted, it is replicas at creation, and
	// afterwards the operator leaves it as it is. A change of it alone waits for the next run. Needs API 1.41.
	MaxConcurrent *uint64 `json:"maxConcurrent,omitempty"`
	// ForceUpdate is a counter: another number makes new tasks although nothing else differs. If it is omitted or 0, the
	// operator leaves it as it is.
	ForceUpdate uint64 `json:"forceUpdate,omitempty"`
}

// Port publishes a container port.
type Port struct {
	// Target is the container's port.
	Target uint32 `json:"target"`
	// Published is the port outside. If omitted, the swarm chooses one. The swarm keeps the number of a port that stays:
	// to drop it, take the port out of the manifest for one commit.
	Published uint32 `json:"published,omitempty"`
	// Protocol is tcp (default), udp or sctp.
	Protocol string `json:"protocol,omitempty"`
	// Mode is ingress (default: the routing mesh) or host.
	Mode string `json:"mode,omitempty"`
	// Name is a name for readers.
	Name string `json:"name,omitempty"`
}

// ListKey returns the port and protocol inside the container, as in 80/tcp.
func (p Port) ListKey() string {
	protocol := p.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	return strconv.FormatUint(uint64(p.Target), 10) + "/" + protocol
}

// NetworkAttachment joins a service to a network. Its short form is the name alone.
type NetworkAttachment struct {
	// Name is the name of a Network.
	Name string `json:"name"`
	// Aliases are further names of the service in the network.
	Aliases []string `json:"aliases,omitempty"`
	// DriverOpts are options that the network's driver has for this attachment.
	DriverOpts map[string]string `json:"driverOpts,omitempty"`
}

// ListKey returns the network's name.
func (n NetworkAttachment) ListKey() string { return n.Name }

// SetScalar reads the short form.
func (n *NetworkAttachment) SetScalar(s Scalar) error { return setString(&n.Name, s) }

// ConfigMount puts a config into each container as a file. Its short form is the config's name alone.
type ConfigMount struct {
	// Source is the name of a Config.
	Source string `json:"source"`
	// Target is the file's path. Default /SOURCE.
	Target string `json:"target,omitempty"`
	// UID is the file's owner. Default "0".
	UID string `json:"uid,omitempty"`
	// GID is the file's group. Default "0".
	GID string `json:"gid,omitempty"`
	// Mode is the file's mode, which is always octal. Default 0444.
	Mode *FileMode `json:"mode,omitempty"`
}

// ListKey returns the path in the container.
func (c ConfigMount) ListKey() string { return cmp.Or(configTarget(c.Target), "/"+c.Source) }

// SetScalar reads the short form.
func (c *ConfigMount) SetScalar(s Scalar) error { return setString(&c.Source, s) }

// SecretMount puts a secret into each container as a file. Its short form is the secret's name alone.
type SecretMount struct {
	// Source is the name of a Secret.
	Source string `json:"source"`
	// Target is the file's path. A relative path is below /run/secrets. Default SOURCE.
	Target string `json:"target,omitempty"`
	// UID is the file's owner. Default "0".
	UID string `json:"uid,omitempty"`
	// GID is the file's group. Default "0".
	GID string `json:"gid,omitempty"`
	// Mode is the file's mode, which is always octal. Default 0444.
	Mode *FileMode `json:"mode,omitempty"`
}

// ListKey returns the path in the container.
func (c SecretMount) ListKey() string { return cmp.Or(secretTarget(c.Target), c.Source) }

// SetScalar reads the short form.
func (c *SecretMount) SetScalar(s Scalar) error { return setString(&c.Source, s) }

// Healthcheck is the command that the engine runs in the container to tell whether it works. A field that is not
// stated has the image's value, or the engine's default if the image has none.
type Healthcheck struct {
	// Test is a list that starts with CMD, CMD-SHELL or NONE, or a string for the shell. Default: the image's.
	Test HealthTest `json:"test,omitempty"`
	// Interval is the time between two checks. Default: the image's, otherwise 30s.
	Interval Duration `json:"interval,omitempty"`
	// Timeout is how long a check may take. Default: the image's, otherwise 30s.
	Timeout Duration `json:"timeout,omitempty"`
	// StartPeriod is the time after the start in which failed checks do not count. Default: the image's, otherwise 0s.
	StartPeriod Duration `json:"startPeriod,omitempty"`
	// StartInterval is the time between two checks during startPeriod. Default: the image's, otherwise 5s. Needs API
	// 1.44.
	StartInterval Duration `json:"startInterval,omitempty"`
	// Retries is how many failed checks in a row make the container unhealthy. Default: the image's, otherwise 3.
	Retries uint32 `json:"retries,omitempty"`
	// Disable switches the image's health check off, like test [NONE].
	Disable bool `json:"disable,omitempty"`
}

// HealthTest is a health check's command.
type HealthTest []string

// SetScalar reads a command for the shell, as compose does.
func (t *HealthTest) SetScalar(s Scalar) error {
	var text string
	if err := setString(&text, s); err != nil {
		return err
	}
	*t = HealthTest{"CMD-SHELL", text}
	return nil
}

// Resources limits what a task may use and reserves what it needs.
type Resources struct {
	// Limits are the most that a task may use.
	Limits ResourceLimits `json:"limits,omitzero"`
	// Reservations are what the scheduler sets aside for a task.
	Reservations Reservations `json:"reservations,omitzero"`
	// MemorySwap is how much swap a container may use in addition to limits.memory, which it needs: 0 is none, -1 is
	// no limit. If omitted, it is as much as limits.memory. --memory-swap of docker service create means the same;
	// docker run and compose include the memory in it. Needs API 1.52.
	MemorySwap *Swap `json:"memorySwap,omitempty"`
	// MemorySwappiness says how readily the kernel swaps, from 0 to 100. If omitted, it is the node's own. Needs API
	// 1.52.
	MemorySwappiness *int64 `json:"memorySwappiness,omitempty"`
}

// ResourceLimits are limits that the kernel enforces. Zero means no limit.
type ResourceLimits struct {
	// CPUs is the most CPUs, at least 0.001.
	CPUs CPUs `json:"cpus,omitempty"`
	// Memory is the most memory, at least 4MiB.
	Memory Bytes `json:"memory,omitempty"`
	// Pids is the most processes. -1 means no limit, as 0 does. Needs API 1.41.
	Pids int64 `json:"pids,omitempty"`
}

// Reservations are resources that the scheduler sets aside.
type Reservations struct {
	// CPUs is the number of CPUs, at least 0.001.
	CPUs CPUs `json:"cpus,omitempty"`
	// Memory is the amount of memory, at least 4MiB.
	Memory Bytes `json:"memory,omitempty"`
	// GenericResources are resources that nodes say that they have, in their daemon.json, such as GPUs.
	GenericResources []GenericResource `json:"genericResources,omitempty"`
}

// GenericResource is an amount of one resource that nodes say that they have.
type GenericResource struct {
	// DiscreteResourceSpec says how many of which resource.
	DiscreteResourceSpec DiscreteResource `json:"discreteResourceSpec"`
}

// ListKey returns the name of the resource.
func (g GenericResource) ListKey() string { return g.DiscreteResourceSpec.Kind }

// DiscreteResource is a number of units of one resource.
type DiscreteResource struct {
	// Kind is the name of the resource, as in daemon.json.
	Kind string `json:"kind"`
	// Value is how many of them a task needs.
	Value int64 `json:"value"`
}

// RestartPolicy says what happens when a task ends.
type RestartPolicy struct {
	// Condition is any (default; for jobs the same as on-failure), on-failure or none.
	Condition string `json:"condition,omitempty"`
	// Delay is the time between attempts. Default 5s.
	Delay *Duration `json:"delay,omitempty"`
	// MaxAttempts is how often a task is restarted before the swarm gives up. 0 means no limit.
	MaxAttempts uint64 `json:"maxAttempts,omitempty"`
	// Window is the time within which attempts count for maxAttempts. 0 means no bound.
	Window Duration `json:"window,omitempty"`
}

// Placement chooses nodes.
type Placement struct {
	// Constraints are conditions such as node.labels.zone == a. A node must meet all of them.
	Constraints []string `json:"constraints,omitempty"`
	// Preferences are labels over which the scheduler spreads tasks, in the order in which they count.
	Preferences []Preference `json:"preferences,omitempty"`
	// MaxReplicasPerNode is the largest number of tasks on one node. 0 means no limit.
	MaxReplicasPerNode uint64 `json:"maxReplicasPerNode,omitempty"`
	// Platforms are the platforms on which tasks may run. If omitted, they are those of the image.
	Platforms []TaskPlatform `json:"platforms,omitempty"`
}

// TaskPlatform is one on which tasks may run.
type TaskPlatform struct {
	// OS is linux or windows. If omitted, it may be any.
	OS string `json:"os,omitempty"`
	// Architecture is amd64, arm64 or another one. If omitted, it may be any.
	Architecture string `json:"architecture,omitempty"`
}

// Preference spreads tasks evenly over the values of a node or engine label.
type Preference struct {
	// Spread is the label, such as node.labels.zone. The swarm ignores other texts.
	Spread string `json:"spread"`
}

// UpdateConfig says how tasks are replaced.
type UpdateConfig struct {
	// Parallelism is the number of tasks replaced at once. 0 means all. Default 1.
	Parallelism *uint64 `json:"parallelism,omitempty"`
	// Delay is the time between batches. Default 0s.
	Delay Duration `json:"delay,omitempty"`
	// FailureAction is pause (default), continue or rollback. In rollbackConfig, rollback does the same as pause.
	FailureAction string `json:"failureAction,omitempty"`
	// Monitor is how long after a task's start its failure counts. Default 5s.
	Monitor Duration `json:"monitor,omitempty"`
	// MaxFailureRatio is the fraction of tasks that may fail. Default 0.
	MaxFailureRatio Ratio `json:"maxFailureRatio,omitempty"`
	// Order is stop-first (default) or start-first.
	Order string `json:"order,omitempty"`
}

// Logging chooses the log driver of the containers.
type Logging struct {
	// Driver is the name of the log driver. If omitted, it is the default one of the node's engine.
	Driver string `json:"driver,omitempty"`
	// Options are options of the log driver.
	Options map[string]string `json:"options,omitempty"`
}

// External is always false: a manifest has no need to state a service that others make.
func (s *Service) External() bool { return false }

// Job reports whether the tasks are meant to end.
func (s *ServiceSpec) Job() bool { return s.Mode == ModeReplicatedJob || s.Mode == ModeGlobalJob }

// Refs returns the networks, configs, secrets and dependencies.
func (s *Service) Refs() []Ref {
	var refs []Ref
	for i, n := range s.Spec.Networks {
		refs = append(refs, Ref{Key{KindNetwork, n.Name}, index("spec.networks", i) + ".name"})
	}
	for i, c := range s.Spec.Configs {
		refs = append(refs, Ref{Key{KindConfig, c.Source}, index("spec.configs", i) + ".source"})
	}
	for i, c := range s.Spec.Secrets {
		refs = append(refs, Ref{Key{KindSecret, c.Source}, index("spec.secrets", i) + ".source"})
	}
	for i, m := range s.Spec.Mounts {
		if name := m.ClusterVolume(); name != "" {
			refs = append(refs, Ref{Key{KindVolume, name}, index("spec.mounts", i) + ".source"})
		}
	}
	if c := s.Spec.CredentialSpec; c != nil && c.Config != "" {
		refs = append(refs, Ref{Key{KindConfig, c.Config}, "spec.credentialSpec.config"})
	}
	return append(refs, s.dependencies()...)
}

// Renamer is an object that names other objects, and must use the swarm's names for them if those differ.
type Renamer interface{ Rename(live func(Key) string) }

// Rename replaces the names of configs and secrets with the names of their versions in force.
func (s *Service) Rename(live func(Key) string) {
	for i := range s.Spec.Configs {
		s.Spec.Configs[i].Source = live(Key{KindConfig, s.Spec.Configs[i].Source})
	}
	for i := range s.Spec.Secrets {
		s.Spec.Secrets[i].Source = live(Key{KindSecret, s.Spec.Secrets[i].Source})
	}
	if c := s.Spec.CredentialSpec; c != nil && c.Config != "" {
		c.Config = live(Key{KindConfig, c.Config})
	}
}

// dependencies returns policy.dependsOn. It skips entries that are not of the form Kind/name, which Validate reports.
func (h *Header) dependencies() []Ref {
	var refs []Ref
	for i, d := range h.Policy.DependsOn {
		if key, err := ParseKey(d); err == nil {
			refs = append(refs, Ref{key, index("policy.dependsOn", i)})
		}
	}
	return refs
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// Copy returns a deep copy.
func (s *Service) Copy() Object {
	c := *s
	c.Header = s.Header.copy()
	sp := &c.Spec
	sp.Entrypoint, sp.Command = slices.Clone(sp.Entrypoint), slices.Clone(sp.Command)
	sp.Environment, sp.ContainerLabels = maps.Clone(sp.Environment), maps.Clone(sp.ContainerLabels)
	sp.Replicas, sp.StopGracePeriod, sp.Init = clone(sp.Replicas), clone(sp.StopGracePeriod), clone(sp.Init)
	sp.Ports = slices.Clone(sp.Ports)
	sp.Networks = slices.Clone(sp.Networks)
	for i := range sp.Networks {
		n := &sp.Networks[i]
		n.Aliases, n.DriverOpts = slices.Clone(n.Aliases), maps.Clone(n.DriverOpts)
	}
	sp.Configs, sp.Secrets = slices.Clone(sp.Configs), slices.Clone(sp.Secrets)
	for i := range sp.Configs {
		sp.Configs[i].Mode = clone(sp.Configs[i].Mode)
	}
	for i := range sp.Secrets {
		sp.Secrets[i].Mode = clone(sp.Secrets[i].Mode)
	}
	sp.Mounts = slices.Clone(sp.Mounts)
	for i := range sp.Mounts {
		sp.Mounts[i].copied()
	}
	if sp.Healthcheck = clone(sp.Healthcheck); sp.Healthcheck != nil {
		sp.Healthcheck.Test = slices.Clone(sp.Healthcheck.Test)
	}
	if sp.Resources = clone(sp.Resources); sp.Resources != nil {
		sp.Resources.MemorySwap, sp.Resources.MemorySwappiness = clone(sp.Resources.MemorySwap), clone(sp.Resources.MemorySwappiness)
		sp.Resources.Reservations.GenericResources = slices.Clone(sp.Resources.Reservations.GenericResources)
	}
	if sp.RestartPolicy = clone(sp.RestartPolicy); sp.RestartPolicy != nil {
		sp.RestartPolicy.Delay = clone(sp.RestartPolicy.Delay)
	}
	if sp.Placement = clone(sp.Placement); sp.Placement != nil {
		sp.Placement.Constraints = slices.Clone(sp.Placement.Constraints)
		sp.Placement.Preferences = slices.Clone(sp.Placement.Preferences)
		sp.Placement.Platforms = slices.Clone(sp.Placement.Platforms)
	}
	for _, u := range []**UpdateConfig{&sp.UpdateConfig, &sp.RollbackConfig} {
		if *u = clone(*u); *u != nil {
			(*u).Parallelism = clone((*u).Parallelism)
		}
	}
	if sp.Logging = clone(sp.Logging); sp.Logging != nil {
		sp.Logging.Options = maps.Clone(sp.Logging.Options)
	}
	sp.ExtraHosts = slices.Clone(sp.ExtraHosts)
	sp.CapAdd, sp.CapDrop, sp.GroupAdd = slices.Clone(sp.CapAdd), slices.Clone(sp.CapDrop), slices.Clone(sp.GroupAdd)
	sp.DNS, sp.DNSSearch, sp.DNSOpt = slices.Clone(sp.DNS), slices.Clone(sp.DNSSearch), slices.Clone(sp.DNSOpt)
	sp.Sysctls, sp.Ulimits = maps.Clone(sp.Sysctls), maps.Clone(sp.Ulimits)
	sp.CredentialSpec, sp.MaxConcurrent = clone(sp.CredentialSpec), clone(sp.MaxConcurrent)
	if sp.Privileges = clone(sp.Privileges); sp.Privileges != nil {
		sp.Privileges.Seccomp, sp.Privileges.SELinux = clone(sp.Privileges.Seccomp), clone(sp.Privileges.SELinux)
	}
	return &c
}

func (h Header) copy() Header {
	h.Metadata.Labels = maps.Clone(h.Metadata.Labels)
	h.Policy = h.Policy.copy()
	return h
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
