package v1_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// named returns the header of an object that is right except for what a test changes.
func named(kind, name string) v1.Header {
	return v1.Header{APIVersion: v1.APIVersion, Kind: kind, Metadata: v1.Metadata{Name: name}}
}

func problems(o v1.Object) string {
	var out []string
	for _, p := range o.Validate() {
		out = append(out, p.String())
	}
	return strings.Join(out, "\n")
}

func TestProblemsOfServices(t *testing.T) {
	type spec = v1.ServiceSpec
	tests := []struct {
		name  string
		state func(*v1.Service)
		want  string // "" if the service is right
	}{
		{"the least", func(*v1.Service) {}, ""},
		{"no name", func(s *v1.Service) { s.Metadata.Name = "" }, "metadata.name: is missing"},
		{"a name of 63", func(s *v1.Service) { s.Metadata.Name = strings.Repeat("a", 63) }, ""},
		{"a name of 64", func(s *v1.Service) { s.Metadata.Name = strings.Repeat("a", 64) }, `metadata.name: "` + strings.Repeat("a", 64) + `" has 64 characters; at most 63 are allowed here`},
		{"a name with _ and capitals", func(s *v1.Service) { s.Metadata.Name = "My_web-1" }, ""},
		{"a name with a dot", func(s *v1.Service) { s.Metadata.Name = "a.b" }, `metadata.name: "a.b" may hold only letters, digits, - and _, with a letter or digit at both ends`},
		{"a name that ends with -", func(s *v1.Service) { s.Metadata.Name = "a-" }, `metadata.name: "a-" may hold only letters, digits, - and _, with a letter or digit at both ends`},
		{"a label with a space", func(s *v1.Service) { s.Metadata.Labels = map[string]string{"a b": ""} }, ""},
		{"a label without a name", func(s *v1.Service) { s.Metadata.Labels = map[string]string{"": "x"} }, ""},
		{"the operator's label", func(s *v1.Service) { s.Metadata.Labels = map[string]string{v1.LabelOwner: "x"} }, `metadata.labels["swarm-operator.io/owner"]: labels below swarm-operator.io/ are the operator's own`},
		{"policies", func(s *v1.Service) {
			s.Policy = v1.Policy{Adopt: "takeover", DependsOn: []string{"Service/db", "Config/c"}, IgnoreDifferences: []string{"spec", "spec.replicas", "metadata.labels", `metadata.labels["a.b"]`}}
		}, ""},
		{"adopt misspelt", func(s *v1.Service) { s.Policy.Adopt = "ifidentical" }, `policy.adopt: "ifidentical" is not one of never, ifIdentical, takeover; did you mean ifIdentical?`},
		{"depends on no object", func(s *v1.Service) { s.Policy.DependsOn = []string{"Service/db", "db"} }, `policy.dependsOn[1]: "db" is not KIND/NAME, such as Service/web`},
		{"depends on itself", func(s *v1.Service) { s.Policy.DependsOn = []string{"Service/web"} }, "policy.dependsOn[0]: an object cannot depend on itself"},
		{"ignores no path", func(s *v1.Service) { s.Policy.IgnoreDifferences = []string{"replicas"} }, `policy.ignoreDifferences[0]: "replicas" is not a field path such as spec.replicas or metadata.labels`},

		{"no image", func(s *v1.Service) { s.Spec.Image = "" }, "spec.image: is missing"},
		{"an image with capitals", func(s *v1.Service) { s.Spec.Image = "a/B" }, `spec.image: "a/B" is not an image reference: invalid reference format: repository name (a/B) must be lowercase`},
		{"a mode misspelt", func(s *v1.Service) { s.Spec.Mode = "globel" }, `spec.mode: "globel" is not one of replicated, global, replicated-job, global-job; did you mean global?`},
		{"replicas of a global service", func(s *v1.Service) { s.Spec.Mode, s.Spec.Replicas = "global", ptr(uint64(1)) }, "spec.replicas: cannot be stated for mode global: it runs one task on each node"},
		{"replicas of a global job", func(s *v1.Service) { s.Spec.Mode, s.Spec.Replicas = "global-job", ptr(uint64(1)) }, "spec.replicas: cannot be stated for mode global-job: it runs one task on each node"},
		{"completions of a job", func(s *v1.Service) { s.Spec.Mode, s.Spec.Replicas = "replicated-job", ptr(uint64(4)) }, ""},
		{
			"update configs of a job", func(s *v1.Service) {
				s.Spec = spec{Image: "bb", Mode: "global-job", UpdateConfig: &v1.UpdateConfig{}, RollbackConfig: &v1.UpdateConfig{}}
			},
			"spec.updateConfig: cannot be stated for mode global-job: the engine rolls out no updates of jobs\nspec.rollbackConfig: cannot be stated for mode global-job: the engine rolls out no updates of jobs",
		},
		{"a variable with =", func(s *v1.Service) { s.Spec.Environment = v1.Environment{"A=B": "1"} }, `spec.environment: the name "A=B" is empty or holds = or NUL`},
		{"a variable without a name", func(s *v1.Service) { s.Spec.Environment = v1.Environment{"": "1"} }, `spec.environment: the name "" is empty or holds = or NUL`},
		{"a value with NUL", func(s *v1.Service) { s.Spec.Environment = v1.Environment{"A": "\x00"} }, "spec.environment.A: holds a NUL byte"},
		{"a variable without a value", func(s *v1.Service) { s.Spec.Environment = v1.Environment{"A": v1.NoValue} }, ""},
		{"a container label with NUL", func(s *v1.Service) { s.Spec.ContainerLabels = map[string]string{"a.b": "b\x00"} }, `spec.containerLabels["a.b"]: holds a NUL byte`},

		{"ports", func(s *v1.Service) {
			s.Spec.Ports = []v1.Port{{Target: 80, Published: 8080}, {Target: 80, Published: 8080, Protocol: "udp"}, {Target: 81}, {Target: 82}, {Target: 65535, Published: 65535, Protocol: "sctp", Mode: "host"}}
		}, ""},
		{"a port of nought", func(s *v1.Service) { s.Spec.Ports = []v1.Port{{}} }, "spec.ports[0].target: 0 is not a port between 1 and 65535"},
		{"ports too large", func(s *v1.Service) { s.Spec.Ports = []v1.Port{{Target: 65536, Published: 65536}} }, "spec.ports[0].target: 65536 is not a port between 1 and 65535\nspec.ports[0].published: 65536 is not a port between 1 and 65535"},
		{"a protocol and a mode", func(s *v1.Service) { s.Spec.Ports = []v1.Port{{Target: 1, Protocol: "TCP", Mode: "hosts"}} }, "spec.ports[0].protocol: \"TCP\" is not one of tcp, udp, sctp; did you mean tcp?\nspec.ports[0].mode: \"hosts\" is not one of ingress, host; did you mean host?"},
		{"published twice", func(s *v1.Service) {
			s.Spec.Ports = []v1.Port{{Target: 1, Published: 80}, {Target: 2, Published: 80, Protocol: "tcp"}}
		}, "spec.ports[1].published: 80/tcp is published twice: also by spec.ports[0]"},

		{"a network without a name", func(s *v1.Service) { s.Spec.Networks = []v1.NetworkAttachment{{}} }, "spec.networks[0].name: is missing"},
		{"a network twice", func(s *v1.Service) { s.Spec.Networks = []v1.NetworkAttachment{{Name: "a"}, {Name: "a"}} }, ""},
		{"a config without a source", func(s *v1.Service) { s.Spec.Configs = []v1.ConfigMount{{Target: "/a"}} }, "spec.configs[0].source: is missing"},
		{"two configs at one path", func(s *v1.Service) { s.Spec.Configs = []v1.ConfigMount{{Source: "a"}, {Source: "b", Target: "a"}} }, `spec.configs[1].target: "/a" is stated twice`},
		{"one config at two paths", func(s *v1.Service) { s.Spec.Configs = []v1.ConfigMount{{Source: "a"}, {Source: "a", Target: "/b"}} }, ""},
		{"a health check without a form", func(s *v1.Service) { s.Spec.Healthcheck = &v1.Healthcheck{Test: v1.HealthTest{"curl"}} }, `spec.healthcheck.test: a list must start with CMD, CMD-SHELL or NONE, this one starts with "curl"`},
		{"a health check of an empty word", func(s *v1.Service) { s.Spec.Healthcheck = &v1.Healthcheck{Test: v1.HealthTest{""}} }, `spec.healthcheck.test: a list must start with CMD, CMD-SHELL or NONE, this one starts with ""`},
		{"less than nothing of a resource", func(s *v1.Service) {
			s.Spec.Resources = &v1.Resources{Reservations: v1.Reservations{GenericResources: []v1.GenericResource{{DiscreteResourceSpec: v1.DiscreteResource{Kind: "gpu", Value: -1}}}}}
		}, `spec.resources.reservations.genericResources[0].discreteResourceSpec.value: -1 is negative`},
		{"two secrets at one path", func(s *v1.Service) {
			s.Spec.Secrets = []v1.SecretMount{{Source: "a"}, {Source: "b", Target: "/run/secrets/a"}}
		}, `spec.secrets[1].target: "a" is stated twice`},

		{"mounts", func(s *v1.Service) {
			s.Spec.Mounts = []v1.Mount{{Type: "volume", Target: "/a"}, {Type: "bind", Source: "/x", Target: "/b", Bind: &v1.BindOptions{Propagation: "rslave"}}, {Type: "bind", Source: `C:\x`, Target: `C:\y`}, {Type: "tmpfs", Target: "/c", Tmpfs: &v1.TmpfsOptions{Size: 1}}}
		}, ""},
		{"a mount without a type", func(s *v1.Service) { s.Spec.Mounts = []v1.Mount{{Target: "/a"}} }, "spec.mounts[0].type: is missing; one of volume, bind, tmpfs, npipe, cluster"},
		{"a mount of an image", func(s *v1.Service) { s.Spec.Mounts = []v1.Mount{{Type: "image", Target: "/a"}} }, "spec.mounts[0].type: the engine mounts no images into services; put the files into a volume, or into the service's own image"},
		{"a mount of no type", func(s *v1.Service) { s.Spec.Mounts = []v1.Mount{{Type: "nfs", Target: "/a"}} }, `spec.mounts[0].type: "nfs" is not one of volume, bind, tmpfs, npipe, cluster`},
		{"cluster volumes", func(s *v1.Service) {
			s.Spec.Mounts = []v1.Mount{{Type: "cluster", Source: "group:db", Target: "/a"}, {Type: "cluster", Target: "/b"}}
		}, "spec.mounts[1].source: is missing: it is the name of a cluster volume, or group:GROUP"},
		{"options of mounts", func(s *v1.Service) {
			s.Spec.Mounts = []v1.Mount{
				{Type: "volume", Source: "a/b", Target: "/a", Volume: &v1.VolumeOption{Driver: "nfs", DriverOpts: map[string]string{"device": ":/a"}, Labels: map[string]string{"a": ""}, Subpath: "a/..b"}},
				{Type: "bind", Source: "/a", Target: "/b", Bind: &v1.BindOptions{Recursive: "disabled"}},
				{Type: "tmpfs", Target: "/c", Tmpfs: &v1.TmpfsOptions{Options: []string{"noexec", "uid=1000"}}},
			}
		}, ""},
		{"options of mounts that are wrong", func(s *v1.Service) {
			s.Spec.Mounts = []v1.Mount{
				{Type: "volume", Target: "/a", Volume: &v1.VolumeOption{DriverOpts: map[string]string{"": "x"}, Labels: map[string]string{"a=b": "\x00"}, Subpath: "a/../../b"}},
				{Type: "bind", Source: "/a", Target: "/b", Bind: &v1.BindOptions{Recursive: "readonly"}},
				{Type: "bind", Source: "/a", Target: "/d", Bind: &v1.BindOptions{Recursive: "no"}},
				{Type: "tmpfs", Target: "/c", Tmpfs: &v1.TmpfsOptions{Options: []string{"noexec,nosuid", "=1"}}},
			}
		}, "spec.mounts[0].volume.driverOpts: the name \"\" is empty or holds = or NUL\nspec.mounts[0].volume.labels[\"a=b\"]: holds a NUL byte\n" +
			"spec.mounts[0].volume.subpath: \"a/../../b\" is not a path within the volume\nspec.mounts[1].bind.recursive: the engine drops readonly for services; it may be enabled or disabled\n" +
			"spec.mounts[2].bind.recursive: \"no\" is not one of enabled, disabled\nspec.mounts[3].tmpfs.options[0]: \"noexec,nosuid\" is not one option, such as noexec or uid=1000\n" +
			"spec.mounts[3].tmpfs.options[1]: \"=1\" is not one option, such as noexec or uid=1000"},
		{"a mount at a relative path", func(s *v1.Service) { s.Spec.Mounts = []v1.Mount{{Type: "volume", Target: "data"}} }, `spec.mounts[0].target: "data" is not an absolute path in the container`},
		{"mounts as Windows has them", func(s *v1.Service) {
			s.Spec.Mounts = []v1.Mount{{Type: "volume", Target: `C:\data`}, {Type: "npipe", Source: `\\.\pipe\docker_engine`, Target: `\\.\pipe\docker_engine`}}
		}, ""},
		{"more retries than there are", func(s *v1.Service) {
			s.Spec.Healthcheck = &v1.Healthcheck{Test: v1.HealthTest{"CMD", "ok"}, Retries: 1 << 31}
		}, "spec.healthcheck.retries: 2147483648 is more than 2147483647"},
		{"a mount without a target", func(s *v1.Service) { s.Spec.Mounts = []v1.Mount{{Type: "volume"}} }, "spec.mounts[0].target: is missing"},
		{"two mounts at one path", func(s *v1.Service) {
			s.Spec.Mounts = []v1.Mount{{Type: "volume", Target: "/a"}, {Type: "tmpfs", Target: "/a/"}}
		}, `spec.mounts[1].target: "/a" is mounted twice`},
		{"a bind mount of nothing", func(s *v1.Service) { s.Spec.Mounts = []v1.Mount{{Type: "bind", Target: "/a"}} }, "spec.mounts[0].source: is missing: a bind mount needs a path of the node"},
		{"a bind mount of a relative path", func(s *v1.Service) { s.Spec.Mounts = []v1.Mount{{Type: "bind", Source: "./x", Target: "/a"}} }, `spec.mounts[0].source: "./x" is not an absolute path of the node`},
		{"a tmpfs of something", func(s *v1.Service) { s.Spec.Mounts = []v1.Mount{{Type: "tmpfs", Source: "x", Target: "/a"}} }, "spec.mounts[0].source: cannot be stated for a tmpfs"},
		{"a volume of a path", func(s *v1.Service) { s.Spec.Mounts = []v1.Mount{{Type: "volume", Source: "/x", Target: "/a"}} }, `spec.mounts[0].source: "/x" is a path; a mount of a path has type bind`},
		{
			"options of another type", func(s *v1.Service) {
				s.Spec.Mounts = []v1.Mount{{Type: "npipe", Target: "/a", Bind: &v1.BindOptions{Propagation: "r"}, Volume: &v1.VolumeOption{}, Tmpfs: &v1.TmpfsOptions{}}}
			},
			"spec.mounts[0].bind: is for mounts of type bind; this one is npipe\nspec.mounts[0].volume: is for mounts of type volume; this one is npipe\nspec.mounts[0].tmpfs: is for mounts of type tmpfs; this one is npipe\nspec.mounts[0].bind.propagation: \"r\" is not one of rprivate, private, shared, rshared, slave, rslave",
		},

		{"health checks", func(s *v1.Service) {
			s.Spec.Healthcheck = &v1.Healthcheck{Test: v1.HealthTest{"CMD-SHELL", "x"}, Interval: v1.Duration(time.Millisecond)}
		}, ""},
		{"a health check that is disabled and not", func(s *v1.Service) {
			s.Spec.Healthcheck = &v1.Healthcheck{Disable: true, Test: v1.HealthTest{"CMD", "x"}}
		}, "spec.healthcheck.disable: contradicts spec.healthcheck.test"},
		{"a health check that is disabled twice", func(s *v1.Service) { s.Spec.Healthcheck = &v1.Healthcheck{Disable: true, Test: v1.HealthTest{"NONE"}} }, ""},
		{
			"a health check too often", func(s *v1.Service) {
				s.Spec.Healthcheck = &v1.Healthcheck{Interval: 999_999, Timeout: 1, StartPeriod: 1, StartInterval: 1}
			},
			"spec.healthcheck.interval: 999.999µs is less than 1ms\nspec.healthcheck.timeout: 1ns is less than 1ms\nspec.healthcheck.startPeriod: 1ns is less than 1ms\nspec.healthcheck.startInterval: 1ns is less than 1ms",
		},

		{"resources at their least", func(s *v1.Service) {
			s.Spec.Resources = &v1.Resources{Limits: v1.ResourceLimits{CPUs: 1_000_000, Memory: 4 << 20}}
		}, ""},
		{
			"resources below", func(s *v1.Service) {
				s.Spec.Resources = &v1.Resources{Limits: v1.ResourceLimits{CPUs: 999_999, Memory: 4<<20 - 1, Pids: -2}, Reservations: v1.Reservations{CPUs: 1, Memory: 1}}
			},
			"spec.resources.limits.cpus: 0.000999999 is less than the engine's least, 0.001\nspec.resources.limits.memory: 4194303 is less than the engine's least, 4MiB\n" +
				"spec.resources.reservations.cpus: 0.000000001 is less than the engine's least, 0.001\nspec.resources.reservations.memory: 1 is less than the engine's least, 4MiB\nspec.resources.limits.pids: -2 is negative; for no limit, write -1 or 0, or remove this line",
		},
		{"no limit of processes", func(s *v1.Service) {
			s.Spec.Resources = &v1.Resources{Limits: v1.ResourceLimits{Pids: -1}}
		}, ""},
		{"swap beside a limit", func(s *v1.Service) {
			s.Spec.Resources = &v1.Resources{Limits: v1.ResourceLimits{Memory: 8 << 20}, MemorySwap: ptr(v1.Swap(-1)), MemorySwappiness: ptr(int64(0))}
		}, ""},
		{
			"swap without a limit", func(s *v1.Service) {
				s.Spec.Resources = &v1.Resources{Limits: v1.ResourceLimits{CPUs: 1e9}, MemorySwap: ptr(v1.Swap(0)), MemorySwappiness: ptr(int64(-1))}
			},
			"spec.resources.memorySwap: it bounds the swap beside a limit of memory, and there is none: state spec.resources.limits.memory, or remove this line\n" +
				"spec.resources.memorySwappiness: -1 is not between 0 and 100; to have the node's own, remove this line",
		},
		{"reserved and not limited", func(s *v1.Service) {
			s.Spec.Resources = &v1.Resources{Reservations: v1.Reservations{CPUs: 2e9, Memory: 16 << 20}}
		}, ""},
		{"a restart condition", func(s *v1.Service) { s.Spec.RestartPolicy = &v1.RestartPolicy{Condition: "always"} }, `spec.restartPolicy.condition: "always" is not one of any, on-failure, none`},
		{"failure actions", func(s *v1.Service) {
			s.Spec.UpdateConfig, s.Spec.RollbackConfig = &v1.UpdateConfig{FailureAction: "rollback", Order: "start-first"}, &v1.UpdateConfig{FailureAction: "continue"}
		}, ""},
		{"a rollback of a rollback", func(s *v1.Service) {
			s.Spec.RollbackConfig = &v1.UpdateConfig{FailureAction: "rollback", Order: "first"}
		}, "spec.rollbackConfig.order: \"first\" is not one of stop-first, start-first"},
		{"a failure action that is none", func(s *v1.Service) { s.Spec.RollbackConfig = &v1.UpdateConfig{FailureAction: "stop"} }, "spec.rollbackConfig.failureAction: \"stop\" is not one of pause, continue, rollback"},

		{"what few services state", func(s *v1.Service) {
			s.Spec.GroupAdd, s.Spec.DNS, s.Spec.OomScoreAdj, s.Spec.Isolation = []string{"audio"}, v1.Texts{"10.0.0.1", "fd00::1"}, -1000, "Hyperv"
			s.Spec.Sysctls, s.Spec.Ulimits = v1.Sysctls{"net.core.somaxconn": "1"}, v1.Ulimits{"nofile": {Soft: 1, Hard: 2}, "core": {Soft: 5, Hard: -1}, "memlock": {Soft: -1, Hard: -1}}
			s.Spec.CredentialSpec, s.Spec.EndpointMode, s.Spec.Ports = &v1.CredentialSpec{File: "a.json"}, "dnsrr", []v1.Port{{Target: 80, Published: 80, Mode: "host"}}
			s.Spec.Privileges = &v1.Privileges{AppArmor: "disabled", Seccomp: &v1.Seccomp{Mode: "custom", Profile: "{}"}, SELinux: &v1.SELinux{Disable: true}}
			s.Spec.Mode, s.Spec.MaxConcurrent = "replicated-job", ptr(uint64(2))
			s.Spec.Resources = &v1.Resources{Reservations: v1.Reservations{GenericResources: []v1.GenericResource{{DiscreteResourceSpec: v1.DiscreteResource{Kind: "gpu", Value: 1}}}}}
			s.Spec.Placement = &v1.Placement{Platforms: []v1.TaskPlatform{{OS: "linux"}}}
		}, ""},
		{"what few services state, and wrongly", func(s *v1.Service) {
			s.Spec.GroupAdd, s.Spec.DNS, s.Spec.OomScoreAdj, s.Spec.Isolation = []string{""}, v1.Texts{"dns"}, 1001, "vm"
			s.Spec.Sysctls = v1.Sysctls{"": "1"}
			s.Spec.CredentialSpec, s.Spec.EndpointMode, s.Spec.Ports = &v1.CredentialSpec{File: "a.json", Registry: "a"}, "dnsrr", []v1.Port{{Target: 80, Published: 80}}
			s.Spec.Privileges = &v1.Privileges{AppArmor: "off", Seccomp: &v1.Seccomp{Mode: "none"}}
			s.Spec.MaxConcurrent = ptr(uint64(2))
		}, "spec.groupAdd[0]: is empty\nspec.dns[0]: \"dns\" is not an address\nspec.sysctls: the name \"\" is empty or holds = or NUL\n" +
			"spec.oomScoreAdj: 1001 is not between -1000 and 1000\n" +
			"spec.isolation: \"vm\" is not one of default, process, hyperv\nspec.credentialSpec: states 2 of config, file and registry; exactly one is needed\n" +
			"spec.privileges.appArmor: \"off\" is not one of default, disabled\nspec.privileges.seccomp.mode: \"none\" is not one of default, unconfined, custom\n" +
			"spec.ports[0].mode: the routing mesh needs endpointMode vip, and this service has dnsrr: state mode: host, or leave the port out\nspec.maxConcurrent: is for mode replicated-job; this one is replicated"},
		{"a profile that is missing", func(s *v1.Service) { s.Spec.Privileges = &v1.Privileges{Seccomp: &v1.Seccomp{Mode: "custom"}} }, "spec.privileges.seccomp.profile: is missing: mode custom needs it"},
		{"a profile without its mode", func(s *v1.Service) { s.Spec.Privileges = &v1.Privileges{Seccomp: &v1.Seccomp{Profile: "{}"}} }, "spec.privileges.seccomp.profile: is for mode custom; this one is default"},
		{"a profile that is none", func(s *v1.Service) {
			s.Spec.Privileges = &v1.Privileges{Seccomp: &v1.Seccomp{Mode: "custom", Profile: "a: b"}}
		}, "spec.privileges.seccomp.profile: is not JSON"},
		{"no task at all", func(s *v1.Service) { s.Spec.Mode, s.Spec.MaxConcurrent = "replicated-job", ptr(uint64(0)) }, ""},

		{"constraints", func(s *v1.Service) {
			s.Spec.Placement = &v1.Placement{Constraints: []string{"node.role==manager", "node.labels.a.b != x y", "Node.Hostname == h", "engine.labels.a == 1", "node.platform.os == linux", "node.ip == 10.0.0.0/8"}, Preferences: []v1.Preference{{Spread: "node.labels.rack"}, {Spread: "engine.labels.dc"}}}
		}, ""},

		{"hosts", func(s *v1.Service) {
			s.Spec.ExtraHosts = v1.ExtraHosts{"a:10.0.0.1", "b=10.0.0.1", "c:::1", "d=fd00::1", "e:host-gateway"}
		}, ""},
		{
			"hosts of another form", func(s *v1.Service) {
				s.Spec.ExtraHosts = v1.ExtraHosts{"a", ":10.0.0.1", "a:b", "10.0.0.1 a", "a b:10.0.0.1"}
			},
			"spec.extraHosts[0]: \"a\" is not of the form host:address\nspec.extraHosts[1]: \":10.0.0.1\" is not of the form host:address\nspec.extraHosts[2]: \"a:b\" is not of the form host:address\nspec.extraHosts[3]: \"10.0.0.1 a\" is not of the form host:address\nspec.extraHosts[4]: \"a b:10.0.0.1\" is not of the form host:address",
		},
		{"as large as can be", func(s *v1.Service) { s.Spec.Environment = v1.Environment{"A": strings.Repeat("x", 499_999)} }, ""},
		{"too large to be updated", func(s *v1.Service) {
			s.Spec.Environment, s.Spec.Command = v1.Environment{"A": strings.Repeat("x", 499_998)}, v1.StringList{"xx"}
		}, "spec: has about 500001 bytes; at most 500000 can be updated safely"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &v1.Service{Header: named(v1.KindService, "web"), Spec: spec{Image: "bb"}}
			test.state(s)
			if d := cmp.Diff(test.want, problems(s)); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

func TestProblemsOfNetworks(t *testing.T) {
	const onEachNode = ": make a network with these settings on each node, with docker network create --config-only, and state its name in spec.configFrom"
	pool := func(p v1.IPAMPool) v1.NetworkSpec { return v1.NetworkSpec{IPAM: &v1.IPAM{Config: []v1.IPAMPool{p}}} }
	tests := []struct {
		name, object string
		spec         v1.NetworkSpec
		want         string
	}{
		{"the least", "front", v1.NetworkSpec{}, ""},
		{"a plugin's driver", "front", v1.NetworkSpec{Driver: "weave"}, ""},
		{"external", "host", v1.NetworkSpec{External: true}, ""},
		{"external ingress", "ingress", v1.NetworkSpec{External: true}, ""},
		{"external and more", "front", v1.NetworkSpec{External: true, Driver: "overlay"}, "spec: an external network is never written: nothing but external may be stated"},
		{"ingress by its name alone", "ingress", v1.NetworkSpec{}, "metadata.name: ingress is the network of the routing mesh: state spec.ingress: true to set it up, or external: true to name it alone"},
		{"ingress", "ingress", v1.NetworkSpec{Ingress: true}, ""},
		{"ingress of another name", "mesh", v1.NetworkSpec{Ingress: true, Driver: "overlay", DriverOpts: map[string]string{"com.docker.network.mtu": "1400"}, IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "10.11.0.0/16"}}}}, ""},
		{"ingress and external", "ingress", v1.NetworkSpec{Ingress: true, External: true}, "spec: an external network is never written: nothing but external may be stated"},
		{"ingress that containers join", "mesh", v1.NetworkSpec{Ingress: true, Attachable: true}, "spec.attachable: cannot be stated with ingress: containers cannot join the network of the routing mesh"},
		{"ingress of a plugin", "mesh", v1.NetworkSpec{Ingress: true, Driver: "weave"}, `spec.driver: "weave" cannot be the driver of the network of the routing mesh; it must be overlay`},
		{"ingress of nodes' settings", "mesh", v1.NetworkSpec{Ingress: true, ConfigFrom: "a"}, "spec.configFrom: cannot be stated with ingress: the network of the routing mesh has settings of its own"},
		{"a driver of one node", "front", v1.NetworkSpec{Driver: "null"}, `spec.driver: "null" is local to one node and cannot be a network of the swarm; the usual driver is overlay`},
		{"a network of each node", "front", v1.NetworkSpec{Driver: "bridge", Attachable: true, Internal: true, EnableIPv6: true}, ""},
		{
			"a network of each node, with settings", "front",
			v1.NetworkSpec{Driver: "macvlan", DriverOpts: map[string]string{"parent": "eth0"}, IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "192.168.7.0/24"}}}},
			"spec.driverOpts: the engine drops it for a network of the swarm with driver macvlan" + onEachNode + "\nspec.ipam: the engine drops it for a network of the swarm with driver macvlan" + onEachNode,
		},
		{"a network of each node, with an option", "front", v1.NetworkSpec{Driver: "bridge", DriverOpts: map[string]string{"a": "b"}}, "spec.driverOpts: the engine drops it for a network of the swarm with driver bridge" + onEachNode},
		{"nodes' own settings", "front", v1.NetworkSpec{Driver: "macvlan", ConfigFrom: "vlan7", Attachable: true, Internal: true}, ""},
		{"nodes' own settings and others", "front", v1.NetworkSpec{Driver: "macvlan", ConfigFrom: "vlan7", DriverOpts: map[string]string{"parent": "eth0"}}, "spec.configFrom: the network takes its settings from vlan7 on each node: leave out enableIPv6, ipam and driverOpts"},
		{"a pool", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/16", IPRange: "10.1.2.0/24", Gateway: "10.1.0.1"}), ""},
		{"a range as large as its pool", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/16", IPRange: "10.1.0.0/16"}), ""},
		{"a pool without a subnet", "front", pool(v1.IPAMPool{Gateway: "10.1.0.1"}), `spec.ipam.config[0].subnet: "" is not an address range such as 10.1.0.0/24`},
		{"host bits", "front", pool(v1.IPAMPool{Subnet: "10.1.0.1/16"}), `spec.ipam.config[0].subnet: "10.1.0.1/16" has host bits set; did you mean 10.1.0.0/16?`},
		{"a range outside", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/16", IPRange: "10.2.0.0/24"}), `spec.ipam.config[0].ipRange: "10.2.0.0/24" is not an address range within 10.1.0.0/16`},
		{"a range too large", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/16", IPRange: "10.1.0.0/8"}), `spec.ipam.config[0].ipRange: "10.1.0.0/8" is not an address range within 10.1.0.0/16`},
		{"a range with host bits", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/16", IPRange: "10.1.2.3/24"}), `spec.ipam.config[0].ipRange: "10.1.2.3/24" has host bits set; did you mean 10.1.2.0/24?`},
		{"a range of the other family", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/16", IPRange: "fd00::/64"}), `spec.ipam.config[0].ipRange: "fd00::/64" is not an address range within 10.1.0.0/16`},
		{"a size and no range", "front", pool(v1.IPAMPool{Subnet: "0.0.0.0/24"}), `spec.ipam.config[0].subnet: "0.0.0.0/24" names no range; leave spec.ipam out, and the swarm chooses a free one`},
		{"a size and no range, in IPv6", "front", v1.NetworkSpec{EnableIPv6: true, IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "::/64"}}}}, `spec.ipam.config[0].subnet: "::/64" names no range; leave spec.ipam out, and the swarm chooses a free one`},
		{"IPv6 without enableIPv6", "front", pool(v1.IPAMPool{Subnet: "fd00:1::/64"}), `spec.ipam.config[0].subnet: "fd00:1::/64" is an IPv6 range, and the swarm allocates none to a network without IPv6; state an IPv4 range, or spec.enableIPv6: true`},
		{"IPv6 beside IPv4 without enableIPv6", "front", v1.NetworkSpec{IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "10.1.0.0/16"}, {Subnet: "FD00:1::/64"}}}}, `spec.ipam.config[1].subnet: "FD00:1::/64" is an IPv6 range, and the swarm allocates none to a network without IPv6; state an IPv4 range, or spec.enableIPv6: true`},
		{"IPv6", "front", v1.NetworkSpec{EnableIPv6: true, IPAM: &v1.IPAM{Driver: "Default", Config: []v1.IPAMPool{{Subnet: "fd00:1::/64", Gateway: "fd00:1::1"}}}}, ""},
		{"IPv4 in the form of IPv6", "front", pool(v1.IPAMPool{Subnet: "::ffff:10.1.0.0/112"}), ""},
		{"IPv6 of a plugin", "front", v1.NetworkSpec{IPAM: &v1.IPAM{Driver: "infoblox", Config: []v1.IPAMPool{{Subnet: "fd00:1::/64"}}}}, ""},
		{"a gateway that is the network", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/16", Gateway: "10.1.0.0"}), `spec.ipam.config[0].gateway: "10.1.0.0" is an end of 10.1.0.0/16, which the swarm gives to nobody; the usual gateway is 10.1.0.1`},
		{"a gateway that is the broadcast address", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/24", Gateway: "10.1.0.255"}), `spec.ipam.config[0].gateway: "10.1.0.255" is an end of 10.1.0.0/24, which the swarm gives to nobody; the usual gateway is 10.1.0.1`},
		{"a gateway that is the last of IPv6", "front", v1.NetworkSpec{EnableIPv6: true, IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "fd00::/112", Gateway: "fd00::ffff"}}}}, ""},
		{"a gateway that is the first of IPv6", "front", v1.NetworkSpec{EnableIPv6: true, IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "fd00::/112", Gateway: "fd00::"}}}}, `spec.ipam.config[0].gateway: "fd00::" is an end of fd00::/112, which the swarm gives to nobody; the usual gateway is fd00::1`},
		{"a gateway of two addresses", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/31", Gateway: "10.1.0.0"}), ""},
		{"a gateway of a plugin", "front", v1.NetworkSpec{IPAM: &v1.IPAM{Driver: "infoblox", Config: []v1.IPAMPool{{Subnet: "10.1.0.0/24", Gateway: "10.1.0.255"}}}}, ""},
		{"a gateway outside", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/16", Gateway: "10.2.0.1"}), `spec.ipam.config[0].gateway: "10.2.0.1" is not an address within 10.1.0.0/16`},
		{"a gateway that is none", "front", pool(v1.IPAMPool{Subnet: "10.1.0.0/16", Gateway: "x"}), `spec.ipam.config[0].gateway: "x" is not an address within 10.1.0.0/16`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(test.want, problems(&v1.Network{Header: named(v1.KindNetwork, test.object), Spec: test.spec})); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

// The engine takes no labels of a network whose settings each node has, so no label says whose it is.
func TestANetworkOfNodesSettingsHasNoLabels(t *testing.T) {
	n := &v1.Network{Header: named(v1.KindNetwork, "lan"), Spec: v1.NetworkSpec{Driver: "macvlan", ConfigFrom: "vlan7"}}
	n.Metadata.Labels, n.Policy.Adopt = map[string]string{"a": "b"}, v1.AdoptNever // the operator knows it by its id
	want := "metadata.labels: the engine refuses labels on a network that takes its settings from vlan7 on each node: remove them, or spec.configFrom"
	if d := cmp.Diff(want, problems(n)); d != "" {
		t.Errorf("problems (-want +got):\n%s", d)
	}
}

func TestProblemsOfContent(t *testing.T) {
	data := func(n int) v1.Content { return v1.NewContent(make([]byte, n)) }
	long := strings.Repeat("a", 64)
	tests := []struct {
		name, object string
		spec         v1.ContentSpec
		config       string
		secret       string // "=" means the same as config
	}{
		{"data", "c", v1.ContentSpec{Data: data(1)}, "", "="},
		{"a file", "c", v1.ContentSpec{File: "a"}, "", "="},
		{"external", "c", v1.ContentSpec{External: true}, "", "="},
		{"a name with dots", "a.b_c-d", v1.ContentSpec{File: "a"}, "", "="},
		{"nothing", "c", v1.ContentSpec{}, "spec: states no content: one of data, file and external is needed", "="},
		{"data and external", "c", v1.ContentSpec{Data: data(1), External: true}, "spec: states more than one of data, file and external", "="},
		{"a file and external", "c", v1.ContentSpec{File: "a", External: true}, "spec: states more than one of data, file and external", "="},
		{"empty", "c", v1.ContentSpec{Data: data(0)}, "spec.data: is empty; the engine takes no empty configs", "spec.data: is empty; the engine takes no empty secrets"},
		{"the most of a secret", "c", v1.ContentSpec{Data: data(v1.MaxSecretSize)}, "", ""},
		{"more than a secret", "c", v1.ContentSpec{Data: data(v1.MaxSecretSize + 1)}, "", "spec.data: has 512000 bytes; the engine's limit for secrets is 511999"},
		{"more than a config", "c", v1.ContentSpec{Data: data(v1.MaxConfigSize + 1)}, "spec.data: has 1024000 bytes; the engine's limit for configs is 1023999", "spec.data: has 1024000 bytes; the engine's limit for secrets is 511999"},
		{"a name without room for a version", long, v1.ContentSpec{File: "a"}, "", "="},
		{"a name that is too long", long + "a", v1.ContentSpec{File: "a"}, `metadata.name: "` + long + `a" has 65 characters; at most 64 are allowed here`, "="},
		{"an external name needs no version", long, v1.ContentSpec{External: true}, "", "="},
		{"a template", "c", v1.ContentSpec{File: "a", TemplateDriver: "golang"}, "", "="},
		{"an external template", "c", v1.ContentSpec{External: true, TemplateDriver: "golang"}, "spec.templateDriver: cannot be stated with external: external configs stay as they are", "spec.templateDriver: cannot be stated with external: external secrets stay as they are"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.secret == "=" {
				test.secret = test.config
			}
			if d := cmp.Diff(test.config, problems(&v1.Config{Header: named(v1.KindConfig, test.object), Spec: test.spec})); d != "" {
				t.Errorf("config (-want +got):\n%s", d)
			}
			if d := cmp.Diff(test.secret, problems(&v1.Secret{Header: named(v1.KindSecret, test.object), Spec: v1.SecretSpec{
				Data: test.spec.Data, File: test.spec.File, External: test.spec.External, TemplateDriver: test.spec.TemplateDriver,
			}})); d != "" {
				t.Errorf("secret (-want +got):\n%s", d)
			}
		})
	}
}

// If a driver supplies the content of a secret, the manifest must not state content as well.
func TestProblemsOfSecretDrivers(t *testing.T) {
	data, opts := v1.NewContent([]byte("x")), map[string]string{"path": "kv/db"}
	for _, test := range []struct {
		name string
		spec v1.SecretSpec
		want string
	}{
		{"a driver", v1.SecretSpec{Driver: "vault"}, ""},
		{"its options, in a template", v1.SecretSpec{Driver: "vault", DriverOpts: opts, TemplateDriver: "golang"}, ""},
		{"options of nothing", v1.SecretSpec{Data: data, DriverOpts: opts}, "spec.driverOpts: are options of a secret driver, and there is none: state spec.driver, or remove them"},
		{"data", v1.SecretSpec{Driver: "vault", Data: data}, "spec.data: cannot be stated with driver: the secret driver vault supplies the content"},
		{"a file", v1.SecretSpec{Driver: "vault", File: "a"}, "spec.file: cannot be stated with driver: the secret driver vault supplies the content"},
		{"external", v1.SecretSpec{Driver: "vault", External: true}, "spec.external: cannot be stated with driver: the secret driver vault supplies the content"},
		{"raw", v1.SecretSpec{Driver: "vault", Raw: true}, "spec.raw: cannot be stated with driver: the secret driver vault supplies the content"},
		{"an option without a name", v1.SecretSpec{Driver: "vault", DriverOpts: map[string]string{"": "a"}}, `spec.driverOpts: the name "" is empty or holds = or NUL`},
	} {
		if d := cmp.Diff(test.want, problems(&v1.Secret{Header: named(v1.KindSecret, "c"), Spec: test.spec})); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, d)
		}
	}
}

// What tells versions of one content apart is the same text for a secret without a driver as it ever was.
func TestSettingsOfContent(t *testing.T) {
	secret := func(s v1.SecretSpec) string { return (&v1.Secret{Spec: s}).Settings() }
	for got, want := range map[string]string{
		(&v1.Config{Spec: v1.ContentSpec{TemplateDriver: "golang"}}).Settings():                                         "golang",
		secret(v1.SecretSpec{TemplateDriver: "golang"}):                                                                 "golang",
		secret(v1.SecretSpec{Driver: "v"}):                                                                              `["","v",null]`,
		secret(v1.SecretSpec{Driver: "v", TemplateDriver: "golang", DriverOpts: map[string]string{"b": "2", "a": "1"}}): `["golang","v",{"a":"1","b":"2"}]`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestRefs(t *testing.T) {
	s := &v1.Service{Header: named(v1.KindService, "web"), Spec: v1.ServiceSpec{Networks: []v1.NetworkAttachment{{Name: "n"}}, Configs: []v1.ConfigMount{{Source: "c"}}, Secrets: []v1.SecretMount{{Source: "s"}, {Source: "t"}}, CredentialSpec: &v1.CredentialSpec{Config: "cred"}}}
	s.Policy.DependsOn = []string{"nonsense", "Service/db"}
	var got []string
	for _, r := range s.Refs() {
		got = append(got, r.Path+" "+r.Key.String())
	}
	want := []string{"spec.networks[0].name Network/n", "spec.configs[0].source Config/c", "spec.secrets[0].source Secret/s", "spec.secrets[1].source Secret/t", "spec.credentialSpec.config Config/cred", "policy.dependsOn[1] Service/db"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("refs (-want +got):\n%s", d)
	}
	s.Rename(func(k v1.Key) string { return k.Kind + "-" + k.Name })
	if s.Spec.Configs[0].Source != "Config-c" || s.Spec.Secrets[1].Source != "Secret-t" || s.Spec.Networks[0].Name != "n" {
		t.Errorf("renamed: %+v", s.Spec)
	}
	for _, o := range []v1.Object{&v1.Network{Header: s.Header}, &v1.Config{Header: s.Header}, &v1.Secret{Header: s.Header}} {
		if refs := o.Refs(); len(refs) != 1 || refs[0].Key.Name != "db" || o.External() {
			t.Errorf("%T: %v", o, refs)
		}
	}
}

func TestKeysAndProblems(t *testing.T) {
	for text, want := range map[string]v1.Key{"Service/web": {Kind: "Service", Name: "web"}, "a/b/c": {Kind: "a", Name: "b/c"}} {
		var k v1.Key
		if err := k.UnmarshalText([]byte(text)); err != nil || k != want || k.String() != text {
			t.Errorf("%s: %v, %v", text, k, err)
		}
	}
	for _, text := range []string{"", "/", "a/", "/b", "a"} {
		if _, err := v1.ParseKey(text); err == nil {
			t.Errorf("%q is no key", text)
		}
	}
	for p, want := range map[v1.Problem]string{
		{}: "", {Message: "m"}: "m", {File: "f", Message: "m"}: "f: m", {File: "f", Line: 3, Message: "m"}: "f:3: m", {Line: 3, Message: "m"}: "m",
		{File: "f", Line: 3, Object: v1.Key{Kind: "Service", Name: "web"}, Path: "spec.image", Message: "m"}: "f:3: Service/web: spec.image: m",
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for key, want := range map[string]string{"a": "p.a", "a-b_1": "p.a-b_1", "1a": `p["1a"]`, "a.b": `p["a.b"]`, "": `p[""]`, "-a": `p["-a"]`, `a"b`: `p["a\"b"]`} {
		if got := v1.PathKey("p", key); got != want {
			t.Errorf("%q: got %s, want %s", key, got, want)
		}
	}
	if why, ok := v1.Dropped(v1.KindService, "spec.mounts[].consistency"); !ok || why == "" {
		t.Error("spec.mounts[].consistency is dropped")
	}
	if _, ok := v1.Dropped(v1.KindNetwork, "spec.mounts[].consistency"); ok {
		t.Error("networks have no mounts")
	}
	if p := (v1.Policy{}); !p.IsZero() || p.Adoption() != v1.AdoptIfIdentical {
		t.Errorf("%+v", p)
	}
	for _, p := range []v1.Policy{{Adopt: "never"}, {Prune: ptr(false)}, {Protect: true}, {Enforce: ptr(false)}, {IgnoreDifferences: []string{"spec"}}, {Suspend: true}, {DependsOn: []string{"a/b"}}} {
		if p.IsZero() {
			t.Errorf("%+v states something", p)
		}
	}
}
