// Package generate makes valid manifests for the tests that hold laws over all of them. Its alphabets are small on
// purpose, so that two manifests often state the same thing, the same thing in another form, or half of it.
package generate

import (
	"slices"
	"strconv"
	"time"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Digest is one that an image may be pinned to.
const Digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// Names of what services may refer to.
var (
	Networks = []string{"front", "back", "mesh"}
	Configs  = []string{"conf", "nginx.conf", "app_config"}
	Secrets  = []string{"key", "tls-cert", "db.password"}
)

var (
	images = []string{
		"bb", "bb:1", "bb:2", "docker.io/library/bb:1", "ghcr.io/a/b:1.27", "registry.example:5000/x/y",
		"bb@" + Digest, "bb:1@" + Digest,
	}
	words     = []string{"sh", "-c", "a && b", "--flag=<x>", "", "ä", `"quoted"`}
	keys      = []string{"A", "LOG_LEVEL", "tier", "a.b/c", "with space", "com.docker.stack.namespace"}
	values    = []string{"", "1", "x=y", "a b", "http://host/", "(no value)"}
	durations = []time.Duration{0, time.Millisecond, 5 * time.Second, 10 * time.Second, 90 * time.Minute}
	modes     = []v1.FileMode{0, 0o444, 0o400, 0o1777, 0o4755}
)

func oneOf[T any](t *rapid.T, list []T, label string) T {
	return rapid.SampledFrom(list).Draw(t, label)
}

func yes(t *rapid.T, label string) bool { return rapid.Bool().Draw(t, label) }

func maybe[T any](t *rapid.T, label string, make func() T) *T {
	if !yes(t, label) {
		return nil
	}
	v := make()
	return &v
}

func list(t *rapid.T, from []string, most int, label string) []string {
	n := rapid.IntRange(0, most).Draw(t, label)
	var out []string
	for range n {
		out = append(out, oneOf(t, from, label))
	}
	return out
}

// some returns a selection without repetition, in any order.
func some(t *rapid.T, from []string, label string) []string {
	shuffled := rapid.Permutation(from).Draw(t, label)
	return shuffled[:rapid.IntRange(0, len(from)).Draw(t, label)]
}

func dict(t *rapid.T, label string) map[string]string {
	var out map[string]string
	for _, k := range some(t, keys, label) {
		if out == nil {
			out = map[string]string{}
		}
		out[k] = oneOf(t, values, label)
	}
	return out
}

func labels(t *rapid.T) map[string]string {
	out := dict(t, "labels")
	delete(out, "with space")
	return out
}

func duration(t *rapid.T, label string) v1.Duration { return v1.Duration(oneOf(t, durations, label)) }

// Modes are those of a service.
var Modes = []string{"", v1.ModeReplicated, v1.ModeGlobal, v1.ModeReplicatedJob, v1.ModeGlobalJob}

// Service makes a valid service of any mode.
func Service(t *rapid.T, name string) *v1.Service { return ServiceOf(t, name, oneOf(t, Modes, "mode")) }

// ServiceOf makes a valid service of one mode.
func ServiceOf(t *rapid.T, name, mode string) *v1.Service {
	s := &v1.Service{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindService, Metadata: v1.Metadata{Name: name, Labels: labels(t)}}}
	sp := &s.Spec
	sp.Mode = mode
	sp.Image = oneOf(t, images, "image")
	if mode != v1.ModeGlobal && mode != v1.ModeGlobalJob {
		sp.Replicas = maybe(t, "replicas", func() uint64 { return rapid.Uint64Range(0, 3).Draw(t, "replicas") })
	}
	container(t, sp)
	if oneOf(t, []bool{true, false, false}, "what few services state") {
		more(t, sp)
	}
	references(t, sp)
	sp.Mounts = mounts(t)
	sp.Ports = ports(t, sp.EndpointMode == "dnsrr")
	task(t, sp)
	if !sp.Job() {
		sp.UpdateConfig = maybe(t, "updateConfig", func() v1.UpdateConfig { return update(t, "pause", "continue", "rollback", "") })
		sp.RollbackConfig = maybe(t, "rollbackConfig", func() v1.UpdateConfig { return update(t, "pause", "continue", "rollback", "") })
	}
	return s
}

func container(t *rapid.T, sp *v1.ServiceSpec) {
	sp.Entrypoint, sp.Command = list(t, words, 3, "entrypoint"), list(t, words, 3, "command")
	sp.Environment, sp.ContainerLabels = dict(t, "environment"), dict(t, "containerLabels")
	if sp.Environment != nil && yes(t, "no value") {
		sp.Environment["A"] = v1.NoValue
	}
	sp.User, sp.WorkingDir = oneOf(t, []string{"", "0", "app:app"}, "user"), oneOf(t, []string{"", "/", "/srv"}, "workingDir")
	sp.Hostname = oneOf(t, []string{"", "h", "{{.Node.Hostname}}"}, "hostname")
	sp.ReadOnly = yes(t, "readOnly")
	sp.Init = maybe(t, "init", func() bool { return yes(t, "init") })
	sp.StopGracePeriod = maybe(t, "stopGracePeriod", func() v1.Duration { return duration(t, "stopGracePeriod") })
	sp.ExtraHosts = some(t, []string{"db:10.0.0.1", "db=10.0.0.1", "v6:fd00::1", "v6=fd00::1", "other:10.0.0.2"}, "extraHosts")
	sp.CapAdd = list(t, []string{"NET_ADMIN", "CAP_NET_ADMIN", "net_raw", "ALL"}, 2, "capAdd")
	sp.CapDrop = list(t, []string{"ALL", "CAP_CHOWN", "chown"}, 2, "capDrop")
	sp.Healthcheck = maybe(t, "healthcheck", func() v1.Healthcheck { return health(t) })
}

// more fills in what few services state.
func more(t *rapid.T, sp *v1.ServiceSpec) {
	sp.GroupAdd = list(t, []string{"audio", "101"}, 2, "groupAdd")
	sp.StopSignal = oneOf(t, []string{"", "SIGINT", "int", "2"}, "stopSignal")
	sp.TTY, sp.StdinOpen = yes(t, "tty"), yes(t, "stdinOpen")
	sp.DNS, sp.DNSSearch = list(t, []string{"10.0.0.53", "FD00:0::35"}, 2, "dns"), list(t, []string{"a.example", "b.example"}, 2, "dnsSearch")
	sp.DNSOpt = list(t, []string{"ndots:2", "rotate"}, 2, "dnsOpt")
	sp.Sysctls, sp.Ulimits = dict(t, "sysctls"), ulimits(t)
	sp.OomScoreAdj = oneOf(t, []int64{0, -5, 500}, "oomScoreAdj")
	sp.Isolation = oneOf(t, []string{"", "default", "process", "hyperv"}, "isolation")
	sp.CredentialSpec = oneOf(t, []*v1.CredentialSpec{nil, {Config: "conf"}, {Config: "nginx.conf"}, {File: "a.json"}, {Registry: "a"}}, "credentialSpec")
	sp.Privileges = maybe(t, "privileges", func() v1.Privileges {
		return v1.Privileges{
			NoNewPrivileges: yes(t, "noNewPrivileges"), AppArmor: oneOf(t, []string{"", "default", "disabled"}, "appArmor"),
			Seccomp: oneOf(t, []*v1.Seccomp{nil, {}, {Mode: "default"}, {Mode: "unconfined"}, {Mode: "custom", Profile: "{}"}}, "seccomp"),
			SELinux: oneOf(t, []*v1.SELinux{nil, {}, {Disable: true}, {User: "u", Role: "r", Type: "t", Level: "l"}}, "seLinux"),
		}
	})
	if sp.CredentialSpec != nil {
		c := *sp.CredentialSpec
		sp.CredentialSpec = &c
	}
	if p := sp.Privileges; p != nil {
		if p.Seccomp != nil {
			c := *p.Seccomp
			p.Seccomp = &c
		}
		if p.SELinux != nil {
			c := *p.SELinux
			p.SELinux = &c
		}
	}
	if sp.Mode == v1.ModeReplicatedJob {
		sp.MaxConcurrent = maybe(t, "maxConcurrent", func() uint64 { return rapid.Uint64Range(1, 2).Draw(t, "maxConcurrent") })
	}
	sp.ForceUpdate = rapid.Uint64Range(0, 2).Draw(t, "forceUpdate")
	sp.EndpointMode = oneOf(t, []string{"", "vip", "dnsrr"}, "endpointMode")
}

func ulimits(t *rapid.T) v1.Ulimits {
	var out v1.Ulimits
	for _, name := range some(t, []string{"nofile", "nproc", "core"}, "ulimits") {
		if out == nil {
			out = v1.Ulimits{}
		}
		out[name] = oneOf(t, []v1.Ulimit{{}, {Soft: 1, Hard: 2}, {Soft: -1, Hard: -1}}, "ulimit")
	}
	return out
}

func health(t *rapid.T) v1.Healthcheck {
	if yes(t, "disable") {
		return v1.Healthcheck{Disable: true}
	}
	return v1.Healthcheck{
		Test:     oneOf(t, []v1.HealthTest{nil, {"NONE"}, {"CMD", "true"}, {"CMD-SHELL", "a && b"}}, "test"),
		Interval: duration(t, "interval"), Timeout: duration(t, "timeout"), StartPeriod: duration(t, "startPeriod"),
		StartInterval: duration(t, "startInterval"), Retries: rapid.Uint32Range(0, 3).Draw(t, "retries"),
	}
}

func references(t *rapid.T, sp *v1.ServiceSpec) {
	for _, n := range some(t, Networks, "networks") {
		sp.Networks = append(sp.Networks, v1.NetworkAttachment{Name: n, Aliases: list(t, []string{"a", "b", "www"}, 3, "aliases"), DriverOpts: dict(t, "attachment options")})
	}
	mode := func() *v1.FileMode {
		return maybe(t, "mode", func() v1.FileMode { return oneOf(t, modes, "mode") })
	}
	seen := map[string]bool{}
	for _, n := range some(t, Configs, "configs") {
		target := oneOf(t, []string{"", "/etc/" + n, "/shared", n}, "target")
		if key := (v1.ConfigMount{Source: n, Target: target}).ListKey(); !seen[key] {
			seen[key] = true
			sp.Configs = append(sp.Configs, v1.ConfigMount{Source: n, Target: target, UID: oneOf(t, []string{"", "0", "101"}, "uid"), GID: oneOf(t, []string{"", "0", "101"}, "gid"), Mode: mode()})
		}
	}
	seen = map[string]bool{}
	for _, n := range some(t, Secrets, "secrets") {
		target := oneOf(t, []string{"", "/etc/" + n, "shared", "/run/secrets/" + n}, "target")
		if key := (v1.SecretMount{Source: n, Target: target}).ListKey(); !seen[key] {
			seen[key] = true
			sp.Secrets = append(sp.Secrets, v1.SecretMount{Source: n, Target: target, UID: oneOf(t, []string{"", "0", "101"}, "uid"), GID: oneOf(t, []string{"", "0", "101"}, "gid"), Mode: mode()})
		}
	}
}

func mounts(t *rapid.T) []v1.Mount {
	var out []v1.Mount
	for _, target := range some(t, []string{"/data", "/cache", "/b/"}, "mounts") {
		m := v1.Mount{Type: oneOf(t, []string{"volume", "bind", "tmpfs"}, "type"), Target: target, ReadOnly: yes(t, "mount readOnly")}
		switch m.Type {
		case "volume":
			m.Source = oneOf(t, []string{"", "v1", "v2"}, "source")
			m.Volume = maybe(t, "volume", func() v1.VolumeOption {
				return v1.VolumeOption{
					NoCopy: yes(t, "nocopy"), Subpath: oneOf(t, []string{"", "a/b"}, "subpath"), Driver: oneOf(t, []string{"", "local", "nfs"}, "volume driver"),
					DriverOpts: dict(t, "volume options"), Labels: dict(t, "volume labels"),
				}
			})
		case "bind":
			m.Source = oneOf(t, []string{"/srv/a", "/srv/b"}, "source")
			m.Bind = maybe(t, "bind", func() v1.BindOptions {
				return v1.BindOptions{Propagation: oneOf(t, []string{"", "rprivate", "rshared", "slave"}, "propagation"), Recursive: oneOf(t, []string{"", "enabled", "disabled"}, "recursive")}
			})
		case "tmpfs":
			m.Tmpfs = maybe(t, "tmpfs", func() v1.TmpfsOptions {
				return v1.TmpfsOptions{
					Size:    oneOf(t, []v1.Bytes{0, 1 << 20, 12345}, "size"),
					Mode:    maybe(t, "tmpfs mode", func() v1.FileMode { return oneOf(t, modes, "tmpfs mode") }),
					Options: list(t, []string{"noexec", "uid=1000", "x="}, 2, "tmpfs options"),
				}
			})
		}
		out = append(out, m)
	}
	return out
}

func ports(t *rapid.T, dnsrr bool) []v1.Port {
	var out []v1.Port
	taken := map[string]bool{}
	for range rapid.IntRange(0, 3).Draw(t, "ports") {
		p := v1.Port{
			Target: oneOf(t, []uint32{80, 443}, "target"), Published: oneOf(t, []uint32{0, 8080, 8081, 8443}, "published"),
			Protocol: oneOf(t, []string{"", "tcp", "udp"}, "protocol"), Mode: oneOf(t, []string{"", "ingress", "host"}, "port mode"),
			Name: oneOf(t, []string{"", "", "http"}, "port name"),
		}
		if dnsrr {
			p.Mode = "host"
		}
		outside := strconv.Itoa(int(p.Published)) + map[string]string{"": "tcp"}[p.Protocol] + p.Protocol
		if p.Published != 0 && taken[outside] {
			continue
		}
		taken[outside] = true
		out = append(out, p)
	}
	return out
}

func task(t *rapid.T, sp *v1.ServiceSpec) {
	sp.Resources = maybe(t, "resources", func() v1.Resources {
		cpus, memory := []v1.CPUs{0, 5e8, 1e9}, []v1.Bytes{0, 64 << 20, 256 << 20}
		r := v1.Resources{Limits: v1.ResourceLimits{CPUs: oneOf(t, cpus, "cpus"), Memory: oneOf(t, memory, "memory"), Pids: rapid.Int64Range(0, 2).Draw(t, "pids")}}
		r.Reservations = v1.Reservations{CPUs: oneOf(t, cpus, "cpus"), Memory: oneOf(t, memory, "memory")}
		if r.Limits.Memory != 0 {
			r.MemorySwap = maybe(t, "memorySwap", func() v1.Swap { return oneOf(t, []v1.Swap{-1, 0, 64 << 20}, "swap") })
		}
		for _, kind := range some(t, []string{"gpu", "ssd"}, "genericResources") {
			r.Reservations.GenericResources = append(r.Reservations.GenericResources, v1.GenericResource{DiscreteResourceSpec: v1.DiscreteResource{Kind: kind, Value: oneOf(t, []int64{1, 2}, "value")}})
		}
		r.MemorySwappiness = maybe(t, "memorySwappiness", func() int64 { return oneOf(t, []int64{0, 60, 100}, "swappiness") })
		if r.Limits.CPUs != 0 {
			r.Reservations.CPUs = min(r.Reservations.CPUs, r.Limits.CPUs)
		}
		if r.Limits.Memory != 0 {
			r.Reservations.Memory = min(r.Reservations.Memory, r.Limits.Memory)
		}
		return r
	})
	sp.RestartPolicy = maybe(t, "restartPolicy", func() v1.RestartPolicy {
		return v1.RestartPolicy{
			Condition: oneOf(t, []string{"", "any", "on-failure", "none"}, "condition"),
			Delay:     maybe(t, "delay", func() v1.Duration { return duration(t, "delay") }),
			// The windows and attempts that the engine keeps apart from absent ones.
			MaxAttempts: rapid.Uint64Range(0, 2).Draw(t, "maxAttempts"), Window: duration(t, "window"),
		}
	})
	sp.Placement = maybe(t, "placement", func() v1.Placement {
		p := v1.Placement{
			Constraints:        list(t, []string{"node.role == worker", "node.role==worker", " node.labels.zone  != a ", "node.platform.os == linux"}, 3, "constraints"),
			MaxReplicasPerNode: rapid.Uint64Range(0, 2).Draw(t, "maxReplicasPerNode"),
		}
		for _, s := range list(t, []string{"node.labels.rack", "engine.labels.dc"}, 2, "preferences") {
			p.Preferences = append(p.Preferences, v1.Preference{Spread: s})
		}
		p.Platforms = oneOf(t, [][]v1.TaskPlatform{nil, nil, {{OS: "linux", Architecture: "arm64"}, {OS: "linux", Architecture: "amd64"}}, {{OS: "linux"}}}, "platforms")
		p.Platforms = slices.Clone(p.Platforms)
		return p
	})
	sp.Logging = maybe(t, "logging", func() v1.Logging {
		return v1.Logging{Driver: oneOf(t, []string{"", "json-file", "syslog"}, "driver"), Options: dict(t, "options")}
	})
}

func update(t *rapid.T, actions ...string) v1.UpdateConfig {
	return v1.UpdateConfig{
		Parallelism: maybe(t, "parallelism", func() uint64 { return rapid.Uint64Range(0, 2).Draw(t, "parallelism") }),
		Delay:       duration(t, "delay"), FailureAction: oneOf(t, actions, "failureAction"), Monitor: duration(t, "monitor"),
		MaxFailureRatio: oneOf(t, []v1.Ratio{0, 0.333333333333, 1}, "maxFailureRatio"), Order: oneOf(t, []string{"", "stop-first", "start-first"}, "order"),
	}
}
