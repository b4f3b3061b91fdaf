package service

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// plain returns the least that a live service can be, and plainly returns the manifest of it.
func plain() *swarm.ServiceSpec {
	one := uint64(1)
	return &swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: "web"},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "bb:1", Isolation: "default"}, Runtime: "container"},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &one}},
	}
}

func plainly() *v1.Service {
	return &v1.Service{Header: v1.Header{Kind: v1.KindService, Metadata: v1.Metadata{Name: "web"}}, Spec: v1.ServiceSpec{Image: "bb:1"}}
}

func ptr[T any](v T) *T { return &v }

// normalisation has forms of a spec that the engine takes for the same, and forms that differ.
var normalisation = []struct {
	name    string
	live    func(*swarm.ServiceSpec, *swarm.ContainerSpec)
	state   func(*v1.ServiceSpec)
	differs string // the only path that differs, or "" if none does
}{
	{name: "labels absent and empty", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.Labels = map[string]string{} }},
	{name: "container lists and maps empty", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
		c.Labels, c.Args, c.Env, c.Groups, c.Hosts = map[string]string{}, []string{}, []string{}, []string{}, []string{}
		c.Mounts, c.Secrets, c.Configs, c.CapabilityAdd = []mount.Mount{}, []*swarm.SecretReference{}, []*swarm.ConfigReference{}, []string{}
		c.Sysctls, c.Ulimits = map[string]string{}, []*container.Ulimit{}
	}},
	{name: "container labels changed", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Labels = map[string]string{"a": "1"} }, differs: "spec.containerLabels.a"},
	{name: "mode absent is one replica", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.Mode = swarm.ServiceMode{} }, state: func(s *v1.ServiceSpec) { s.Replicas = ptr(uint64(1)) }},
	{name: "replicas absent is one", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.Mode.Replicated.Replicas = nil }, state: func(s *v1.ServiceSpec) { s.Replicas = ptr(uint64(1)) }},
	{name: "replicas nought is nought", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.Mode.Replicated.Replicas = ptr(uint64(0)) }, state: func(s *v1.ServiceSpec) { s.Replicas = ptr(uint64(0)) }},
	{name: "replicas nought is not one", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.Mode.Replicated.Replicas = ptr(uint64(0)) }, state: func(s *v1.ServiceSpec) { s.Replicas = ptr(uint64(1)) }, differs: "spec.replicas"},
	{name: "replicas unstated are anybody's", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.Mode.Replicated.Replicas = ptr(uint64(7)) }},
	{name: "an empty replicated job completes once", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{}}
	}, state: func(s *v1.ServiceSpec) { s.Mode, s.Replicas = v1.ModeReplicatedJob, ptr(uint64(1)) }},
	{name: "completions absent are those at once", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: ptr(uint64(4))}}
	}, state: func(s *v1.ServiceSpec) { s.Mode, s.Replicas = v1.ModeReplicatedJob, ptr(uint64(4)) }},
	{name: "image in full", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Image = "docker.io/library/bb:1" }},
	{name: "image pinned by a client", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Image = "bb:1@" + generate.Digest }},
	{name: "image without a tag", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Image = "bb" }, state: func(s *v1.ServiceSpec) { s.Image = "bb:latest" }},
	{name: "image of another tag", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Image = "bb:2" }, differs: "spec.image"},
	{name: "image pinned in git only", state: func(s *v1.ServiceSpec) { s.Image = "bb:1@" + generate.Digest }, differs: "spec.image"},
	{name: "isolation absent and default", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Isolation = "" }},
	{name: "force update is never drift", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.TaskTemplate.ForceUpdate = 9 }},
	{name: "runtime absent and container", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.TaskTemplate.Runtime = "" }},
	{name: "grace period of ten seconds", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.StopGracePeriod = ptr(10 * time.Second) }},
	{name: "grace period of nought", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.StopGracePeriod = ptr(time.Duration(0)) }, differs: "spec.stopGracePeriod"},
	{name: "init false", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Init = ptr(false) }},
	{name: "init stated false", state: func(s *v1.ServiceSpec) { s.Init = ptr(false) }},
	{name: "init true", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Init = ptr(true) }, differs: "spec.init"},
	{name: "DNS config empty", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.DNSConfig = &swarm.DNSConfig{} }},
	{name: "health check empty", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Healthcheck = &container.HealthConfig{} }},
	{
		name: "health check of noughts", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "x"}}
		},
		state: func(s *v1.ServiceSpec) { s.Healthcheck = &v1.Healthcheck{Test: v1.HealthTest{"CMD", "x"}} },
	},
	{
		name: "health check disabled", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
		},
		state: func(s *v1.ServiceSpec) { s.Healthcheck = &v1.Healthcheck{Disable: true} },
	},
	{name: "privileges empty", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Privileges = &swarm.Privileges{} }},
	{
		name: "mount type absent is bind", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Mounts = []mount.Mount{{Source: "/a", Target: "/b"}}
		},
		state: func(s *v1.ServiceSpec) { s.Mounts = []v1.Mount{{Type: "bind", Source: "/a", Target: "/b"}} },
	},
	{
		name: "mounts in other words", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Mounts = []mount.Mount{{Type: "bind", Source: "/dev/", Target: "/dev/"}, {Type: "volume", Source: "a/b", Target: "/a/./b"}}
		},
		state: func(s *v1.ServiceSpec) {
			s.Mounts = []v1.Mount{{Type: "volume", Source: "a/b", Target: "/a/b"}, {Type: "bind", Source: "/dev", Target: "/dev"}}
		},
	},
	{
		name: "another option of a mount with a slash", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Mounts = []mount.Mount{{Type: "volume", Target: "/b/"}}
		},
		state: func(s *v1.ServiceSpec) { s.Mounts = []v1.Mount{{Type: "volume", Target: "/b", ReadOnly: true}} }, differs: "spec.mounts[/b].readOnly",
	},
	{
		name: "the driver local and docker's labels of a volume", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Mounts = []mount.Mount{{Type: "volume", Target: "/c", VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: "local"}, Labels: map[string]string{"com.docker.stack.namespace": "s"}}}}
		},
		state: func(s *v1.ServiceSpec) { s.Mounts = []v1.Mount{{Type: "volume", Target: "/c"}} },
	},
	{
		name: "options of a volume that nobody stated", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Mounts = []mount.Mount{{Type: "volume", Target: "/c", VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Options: map[string]string{"type": "nfs"}}}}}
		},
		state: func(s *v1.ServiceSpec) { s.Mounts = []v1.Mount{{Type: "volume", Target: "/c"}} }, differs: "spec.mounts[/c].volume.driverOpts.type",
	},
	{
		name: "options of a tmpfs", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Mounts = []mount.Mount{{Type: "tmpfs", Target: "/c", TmpfsOptions: &mount.TmpfsOptions{Options: [][]string{{"noexec"}, {"uid", "1=2"}}}}}
		},
		state: func(s *v1.ServiceSpec) {
			s.Mounts = []v1.Mount{{Type: "tmpfs", Target: "/c", Tmpfs: &v1.TmpfsOptions{Options: []string{"noexec", "uid=1=2"}}}}
		},
	},
	{
		name: "mount consistency", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Mounts = []mount.Mount{{Type: "bind", Source: "/a", Target: "/b", Consistency: "delegated"}}
		},
		state: func(s *v1.ServiceSpec) { s.Mounts = []v1.Mount{{Type: "bind", Source: "/a", Target: "/b"}} },
	},
	{name: "mount options empty", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
		c.Mounts = []mount.Mount{{Type: "bind", Source: "/a", Target: "/b", BindOptions: &mount.BindOptions{}}, {Type: "volume", Target: "/c", VolumeOptions: &mount.VolumeOptions{Labels: map[string]string{}}}}
	}, state: func(s *v1.ServiceSpec) {
		s.Mounts = []v1.Mount{{Type: "volume", Target: "/c"}, {Type: "bind", Source: "/a", Target: "/b"}}
	}},
	{
		name: "mount propagation by default", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Mounts = []mount.Mount{{Type: "bind", Source: "/a", Target: "/b", BindOptions: &mount.BindOptions{Propagation: "rprivate"}}}
		},
		state: func(s *v1.ServiceSpec) { s.Mounts = []v1.Mount{{Type: "bind", Source: "/a", Target: "/b"}} },
	},
	{
		name: "mount target with a slash", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Mounts = []mount.Mount{{Type: "volume", Target: "/b/"}}
		},
		state: func(s *v1.ServiceSpec) { s.Mounts = []v1.Mount{{Type: "volume", Target: "/b/"}} },
	},
	{name: "resources empty", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.Resources = &swarm.ResourceRequirements{}
	}},
	{name: "resources of empty parts", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{}, Reservations: &swarm.Resources{}}
	}},
	{name: "restart policy empty", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: "any", MaxAttempts: ptr(uint64(0))}
	}},
	{name: "restart policy of defaults", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: "any", Delay: ptr(5 * time.Second), MaxAttempts: ptr(uint64(0)), Window: ptr(time.Duration(0))}
	}},
	{name: "restart at once", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: "any", Delay: ptr(time.Duration(0))}
	}, differs: "spec.restartPolicy.delay"},
	{name: "placement empty", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{}}
	}},
	{name: "placement chosen by the image", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.Placement = &swarm.Placement{Platforms: []swarm.Platform{{Architecture: "amd64", OS: "linux"}}}
	}},
	{name: "constraints without spaces, in another order", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{"node.role==worker", "node.labels.a != b"}}
	}, state: func(s *v1.ServiceSpec) {
		s.Placement = &v1.Placement{Constraints: []string{"node.labels.a!=b", "node.role == worker"}}
	}},
	{name: "log driver empty", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.TaskTemplate.LogDriver = &swarm.Driver{} }},
	{name: "environment in another order", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Env = []string{"B=2", "A=1"} }, state: func(s *v1.ServiceSpec) { s.Environment = v1.Environment{"A": "1", "B": "2"} }},
	{name: "environment stated twice", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Env = []string{"A=0", "A=1"} }, state: func(s *v1.ServiceSpec) { s.Environment = v1.Environment{"A": "1"} }},
	{name: "environment without a value", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Env = []string{"A"} }, state: func(s *v1.ServiceSpec) { s.Environment = v1.Environment{"A": ""} }, differs: "spec.environment.A"},
	{name: "environment without a value on both sides", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Env = []string{"B=1", "A"} }, state: func(s *v1.ServiceSpec) { s.Environment = v1.Environment{"A": v1.NoValue, "B": "1"} }},
	{name: "environment without a value in git", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Env = []string{"A=(no value)"} }, state: func(s *v1.ServiceSpec) { s.Environment = v1.Environment{"A": v1.NoValue} }, differs: "spec.environment.A"},
	{name: "signals in other words", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.StopSignal = "int" }, state: func(s *v1.ServiceSpec) { s.StopSignal = "SIGINT" }},
	{name: "groups in another order", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Groups = []string{"b", "a"} }, state: func(s *v1.ServiceSpec) { s.GroupAdd = []string{"a", "b"} }},
	{name: "a limit stated twice", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
		c.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: 1, Hard: 1}, {Name: "nofile", Soft: 2, Hard: 3}}
	}, state: func(s *v1.ServiceSpec) { s.Ulimits = v1.Ulimits{"nofile": {Soft: 2, Hard: 3}} }},
	{name: "another limit", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
		c.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: 2, Hard: 3}}
	}, state: func(s *v1.ServiceSpec) { s.Ulimits = v1.Ulimits{"nofile": {Soft: 2, Hard: 4}} }, differs: "spec.ulimits.nofile"},
	{name: "round robin", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.EndpointSpec = &swarm.EndpointSpec{Mode: "dnsrr"}
	}, differs: "spec.endpointMode"},
	{name: "privileges of defaults", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
		c.Privileges = &swarm.Privileges{SELinuxContext: &swarm.SELinuxContext{}, AppArmor: &swarm.AppArmorOpts{Mode: "default"}, Seccomp: &swarm.SeccompOpts{Mode: "default"}}
	}},
	{name: "more completions than one that nobody stated", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: ptr(uint64(3))}}
	}, state: func(s *v1.ServiceSpec) { s.Mode, s.MaxConcurrent = v1.ModeReplicatedJob, ptr(uint64(3)) }},
	{name: "how a job is rolled back", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.Mode, s.RollbackConfig = swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}, &swarm.UpdateConfig{Parallelism: 2, Order: "start-first"}
	}, state: func(s *v1.ServiceSpec) { s.Mode = v1.ModeGlobalJob }},
	{name: "no limit of processes", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{Pids: -1}}
	}},
	{name: "a limit of processes that nobody stated", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{Pids: 5}}
	}, state: func(s *v1.ServiceSpec) { s.Resources = &v1.Resources{Limits: v1.ResourceLimits{Pids: -1}} }, differs: "spec.resources.limits.pids"},
	{name: "another number of tasks of a job at once", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: ptr(uint64(4)), TotalCompletions: ptr(uint64(8))}}
	}, state: func(s *v1.ServiceSpec) {
		s.Mode, s.Replicas, s.MaxConcurrent = v1.ModeReplicatedJob, ptr(uint64(8)), ptr(uint64(2))
	}, differs: "spec.maxConcurrent"},
	{name: "environment with an empty value", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Env = []string{"A="} }, state: func(s *v1.ServiceSpec) { s.Environment = v1.Environment{"A": ""} }},
	{name: "update config of defaults", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.UpdateConfig = &swarm.UpdateConfig{Parallelism: 1, FailureAction: "pause", Monitor: 5 * time.Second, Order: "stop-first"}
		s.RollbackConfig = &swarm.UpdateConfig{Parallelism: 1, FailureAction: "pause", Order: "stop-first"}
	}},
	{name: "update config empty is all at once", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.UpdateConfig = &swarm.UpdateConfig{} }, differs: "spec.updateConfig.parallelism"},
	{name: "rollback config empty is all at once", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.RollbackConfig = &swarm.UpdateConfig{} }, differs: "spec.rollbackConfig.parallelism"},
	{
		name: "failure ratio in single precision", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
			s.UpdateConfig = &swarm.UpdateConfig{Parallelism: 1, MaxFailureRatio: 0.33333334}
		},
		state: func(s *v1.ServiceSpec) { s.UpdateConfig = &v1.UpdateConfig{MaxFailureRatio: 0.333333333333} },
	},
	{name: "endpoint spec empty", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.EndpointSpec = &swarm.EndpointSpec{} }},
	{name: "endpoint mode vip", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.EndpointSpec = &swarm.EndpointSpec{Mode: "vip"} }},
	{
		name: "port without protocol and mode", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
			s.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: 8080}}}
		},
		state: func(s *v1.ServiceSpec) {
			s.Ports = []v1.Port{{Target: 80, Published: 8080, Protocol: "tcp", Mode: "ingress"}}
		},
	},
	{
		name: "port chosen by the swarm", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
			s.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80}}} // the number is in Service.Endpoint
		},
		state: func(s *v1.ServiceSpec) { s.Ports = []v1.Port{{Target: 80}} },
	},
	{
		name: "port chosen by somebody and not stated", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
			s.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: 30000}}}
		},
		state: func(s *v1.ServiceSpec) { s.Ports = []v1.Port{{Target: 80}} }, differs: "spec.ports[80/tcp].published",
	},
	{
		name: "port stated and chosen otherwise", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
			s.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: 30000}}}
		},
		state: func(s *v1.ServiceSpec) { s.Ports = []v1.Port{{Target: 80, Published: 8080}} }, differs: "spec.ports[80/tcp].published",
	},
	{name: "one port published twice, in another order", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.EndpointSpec = &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: 8081}, {TargetPort: 80, PublishedPort: 8080}}}
	}, state: func(s *v1.ServiceSpec) {
		s.Ports = []v1.Port{{Target: 80, Published: 8080}, {Target: 80, Published: 8081}}
	}},
	{name: "networks by id, aliases empty", live: func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
		s.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "Network-id-front", Aliases: []string{}}, {Target: "Network-id-back"}}
	}, state: func(s *v1.ServiceSpec) { s.Networks = []v1.NetworkAttachment{{Name: "back"}, {Name: "front"}} }},
	{name: "config file of nobody", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
		c.Configs = []*swarm.ConfigReference{{ConfigID: "Config-id-a", ConfigName: "a", File: &swarm.ConfigReferenceFileTarget{Name: "/a", Mode: 0o444}}}
		c.Secrets = []*swarm.SecretReference{{SecretID: "Secret-id-a", SecretName: "a", File: &swarm.SecretReferenceFileTarget{Name: "a", Mode: 0o444}}}
	}, state: func(s *v1.ServiceSpec) {
		s.Configs, s.Secrets = []v1.ConfigMount{{Source: "a"}}, []v1.SecretMount{{Source: "a"}}
	}},
	{name: "config and secret at the same path in other words", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
		c.Configs = []*swarm.ConfigReference{{ConfigID: "Config-id-a", ConfigName: "a", File: &swarm.ConfigReferenceFileTarget{Name: "a", UID: "0", GID: "0", Mode: 0o444}}}
		c.Secrets = []*swarm.SecretReference{{SecretID: "Secret-id-a", SecretName: "a", File: &swarm.SecretReferenceFileTarget{Name: "/run/secrets/a", UID: "0", GID: "0", Mode: 0o444}}}
	}, state: func(s *v1.ServiceSpec) {
		s.Configs, s.Secrets = []v1.ConfigMount{{Source: "a"}}, []v1.SecretMount{{Source: "a"}}
	}},
	{
		name: "hosts in other words, and names that the engine does not read", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Hosts = []string{"10.0.0.1 db cache", "fd00::1\tv6"}
		},
		state: func(s *v1.ServiceSpec) { s.ExtraHosts = v1.ExtraHosts{"v6=fd00::1", "db:10.0.0.1"} },
	},
	{
		name: "a host of whom the engine reads another name only", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Hosts = []string{"10.0.0.1 db cache"}
		},
		state: func(s *v1.ServiceSpec) { s.ExtraHosts = v1.ExtraHosts{"db:10.0.0.1", "cache:10.0.0.1"} }, differs: "spec.extraHosts",
	},
	{name: "a line of hosts that the engine does not read", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Hosts = []string{"db:10.0.0.1"} }},
	{
		name: "a host in a line that the engine does not read", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Hosts = []string{"db:10.0.0.1"}
		},
		state: func(s *v1.ServiceSpec) { s.ExtraHosts = v1.ExtraHosts{"db:10.0.0.1"} }, differs: "spec.extraHosts",
	},
	{
		name: "capabilities in other words", live: func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.CapabilityAdd = []string{"CAP_NET_RAW", "CAP_CHOWN"}
		},
		state: func(s *v1.ServiceSpec) { s.CapAdd = []string{"chown", "NET_RAW"} },
	},
}

func TestNormalisation(t *testing.T) {
	for _, row := range normalisation {
		t.Run(row.name, func(t *testing.T) {
			live, manifest := plain(), plainly()
			if row.live != nil {
				row.live(live, live.TaskTemplate.ContainerSpec)
			}
			if row.state != nil {
				row.state(&manifest.Spec)
			}
			if ps := manifest.Validate(); len(ps) > 0 {
				t.Fatalf("the manifest is invalid: %v", ps)
			}
			fields := diff.DifferingFields(haveOf(live), wantOf(manifest), rules)
			switch {
			case row.differs == "" && len(fields) > 0:
				t.Errorf("differs:\n%s", listed(fields))
			case row.differs != "" && (len(fields) != 1 || fields[0].Path != row.differs):
				t.Errorf("want one difference, %s; got:\n%s", row.differs, listed(fields))
			}
			if row.differs == "" {
				untouched(t, live, manifest)
			}
		})
	}
}

// untouched fails if writing one field changes the form of another one, because tasks would restart for nothing.
func untouched(t *testing.T, live *swarm.ServiceSpec, manifest *v1.Service) {
	t.Helper()
	manifest.Spec.Hostname = "changed"
	sent, fields := updated(t, live, wantOf(manifest))
	if len(fields) != 1 {
		t.Fatalf("one field was to differ:\n%s", listed(fields))
	}
	if got := sent.TaskTemplate.ContainerSpec.Hostname; got != "changed" {
		t.Errorf("the host name is %q", got)
	}
	sent.TaskTemplate.ContainerSpec.Hostname, sent.Labels = "", live.Labels
	if sent.Mode = live.Mode; !reflect.DeepEqual(sent, overTheWire(t, live)) {
		t.Errorf("more than the host name was written:\n%s\nbecame\n%s", pretty(live), pretty(sent))
	}
}

func natural(name, network string) *v1.Service {
	s := &v1.Service{Header: v1.Header{Kind: v1.KindService, Metadata: v1.Metadata{Name: name}}}
	s.Spec = v1.ServiceSpec{
		Image: "nginx:1.27", Replicas: ptr(uint64(3)), Environment: v1.Environment{"LOG_LEVEL": "info", "ZONE": "a"},
		Ports: []v1.Port{{Target: 80, Published: 8080}}, Networks: []v1.NetworkAttachment{{Name: network}},
		Configs: []v1.ConfigMount{{Source: "conf"}}, Secrets: []v1.SecretMount{{Source: "key"}},
	}
	return s
}

func TestWhatOthersMadeIsAdoptedAsItIs(t *testing.T) {
	byCreate, byDeploy := natural("web", "front"), natural("shop_web", "shop_default")
	byCreate.Spec.Command = v1.StringList{"nginx", "-g", "daemon off;"}
	byCreate.Spec.Mounts = []v1.Mount{{Type: "volume", Source: "cache", Target: "/var/cache"}}
	byDeploy.Spec.Networks[0].Aliases = []string{"web"}
	for file, manifest := range map[string]*v1.Service{"docker-service-create.json": byCreate, "docker-stack-deploy.json": byDeploy} {
		t.Run(file, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			live := new(swarm.ServiceSpec)
			if err := json.Unmarshal(b, live); err != nil {
				t.Fatal(err)
			}
			changes := diff.Compare([]*diff.State{haveOf(live)}, []*diff.State{wantOf(manifest)}, func(string) diff.Rules { return rules })
			if len(changes) != 1 || changes[0].Op != diff.Same {
				t.Fatalf("it is not the same: %s", listed(changes[0].Fields))
			}
			untouched(t, live, manifest)
		})
	}
}
