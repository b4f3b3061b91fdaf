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
	// Environment is a map, or a list of NAME=value.
	Environment Environment `json:"environment,omitempty"`
	// ContainerLabels are the labels of each container; metadata.labels are the service's.
	ContainerLabels map[string]string `json:"containerLabels,omitempty"`
	// User is the user, and perhaps the group, of the container's process. If omitted, the image's own applies.
	User string `json:"user,omitempty"`
	// WorkingDir replaces the image's WORKDIR.
	WorkingDir string `json:"workingDir,omitempty"`
	// Hostname is the hostname in each container.
	Hostname string `json:"hostname,omitempty"`
	// Mode is replicated (default), global, replicated-job or global-job. It cannot change in place.
	Mode string `json:"mode,omitempty"`
	// Replicas is the number of tasks to keep running, or of completions of a replicated job. If omitted, it is 1 at
	// creation, and afterwards the operator leaves it as it is.
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
	// CapAdd lists capabilities that containers get in addition to the default ones.
	CapAdd []string `json:"capAdd,omitempty"`
	// CapDrop lists default capabilities that containers do not get.
	CapDrop []string `json:"capDrop,omitempty"`
	// ReadOnly mounts the container's root file system read-only. Default false.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// Port publishes a container port.
type Port struct {
	// Target is the container's port.
	Target uint32 `json:"target"`
	// Published is the port outside. If omitted, the swarm chooses one.
	Published uint32 `json:"published,omitempty"`
	// Protocol is tcp (default), udp or sctp.
	Protocol string `json:"protocol,omitempty"`
	// Mode is ingress (default: the routing mesh) or host.
	Mode string `json:"mode,omitempty"`
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

// Mount mounts a volume, a directory of the node or a tmpfs.
type Mount struct {
	// Type is volume, bind, tmpfs or npipe. It is required, because the engine's own default, bind, surprises.
	Type string `json:"type"`
	// Source is the volume's name or the node's path. If it is empty, the volume is anonymous.
	Source string `json:"source,omitempty"`
	// Target is the path in the container.
	Target string `json:"target"`
	// ReadOnly makes the mount read-only. Default false.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Bind has options for a mount of type bind.
	Bind *BindOptions `json:"bind,omitempty"`
	// Volume has options for a mount of type volume.
	Volume *VolumeOption `json:"volume,omitempty"`
	// Tmpfs has options for a mount of type tmpfs.
	Tmpfs *TmpfsOptions `json:"tmpfs,omitempty"`
}

// ListKey returns the path in the container.
func (m Mount) ListKey() string { return m.Target }

// BindOptions are for mounts of type bind.
type BindOptions struct {
	// Propagation is rprivate (the engine's default), private, shared, rshared, slave or rslave.
	Propagation string `json:"propagation,omitempty"`
}

// VolumeOption is for mounts of type volume.
type VolumeOption struct {
	// NoCopy says that a new volume is not filled from the image. Default false.
	NoCopy bool `json:"nocopy,omitempty"`
}

// TmpfsOptions are for mounts of type tmpfs.
type TmpfsOptions struct {
	// Size is the upper limit. Default: the kernel's, half of the node's memory.
	Size Bytes `json:"size,omitempty"`
	// Mode is the mode of the mounted directory, which is always octal. Default 1777.
	Mode *FileMode `json:"mode,omitempty"`
}

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
	// Pids is the most processes. Needs API 1.41.
	Pids int64 `json:"pids,omitempty"`
}

// Reservations are resources that the scheduler sets aside.
type Reservations struct {
	// CPUs is the number of CPUs, at least 0.001.
	CPUs CPUs `json:"cpus,omitempty"`
	// Memory is the amount of memory, at least 4MiB.
	Memory Bytes `json:"memory,omitempty"`
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
}

// Preference spreads tasks evenly over the values of a node or engine label.
type Preference struct {
	// Spread is the label, such as node.labels.zone.
	Spread string `json:"spread"`
}

// UpdateConfig says how tasks are replaced.
type UpdateConfig struct {
	// Parallelism is the number of tasks replaced at once. 0 means all. Default 1.
	Parallelism *uint64 `json:"parallelism,omitempty"`
	// Delay is the time between batches. Default 0s.
	Delay Duration `json:"delay,omitempty"`
	// FailureAction is pause (default), continue or rollback (not in rollbackConfig).
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
	// Driver is the name of the log driver. Options need it.
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
		sp.Networks[i].Aliases = slices.Clone(sp.Networks[i].Aliases)
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
		m := &sp.Mounts[i]
		m.Bind, m.Volume, m.Tmpfs = clone(m.Bind), clone(m.Volume), clone(m.Tmpfs)
		if m.Tmpfs != nil {
			m.Tmpfs.Mode = clone(m.Tmpfs.Mode)
		}
	}
	if sp.Healthcheck = clone(sp.Healthcheck); sp.Healthcheck != nil {
		sp.Healthcheck.Test = slices.Clone(sp.Healthcheck.Test)
	}
	if sp.Resources = clone(sp.Resources); sp.Resources != nil {
		sp.Resources.MemorySwap, sp.Resources.MemorySwappiness = clone(sp.Resources.MemorySwap), clone(sp.Resources.MemorySwappiness)
	}
	if sp.RestartPolicy = clone(sp.RestartPolicy); sp.RestartPolicy != nil {
		sp.RestartPolicy.Delay = clone(sp.RestartPolicy.Delay)
	}
	if sp.Placement = clone(sp.Placement); sp.Placement != nil {
		sp.Placement.Constraints = slices.Clone(sp.Placement.Constraints)
		sp.Placement.Preferences = slices.Clone(sp.Placement.Preferences)
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
	sp.CapAdd, sp.CapDrop = slices.Clone(sp.CapAdd), slices.Clone(sp.CapDrop)
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
