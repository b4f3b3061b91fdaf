package service

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

func TestEveryLeafOfTheManifestHasARule(t *testing.T) {
	types := shape.Types()
	for _, typ := range types {
		if _, ok := rules[typ]; !ok {
			t.Errorf("%s has no rule", typ)
		}
	}
	for typ, r := range rules {
		if !slices.Contains(types, typ) {
			t.Errorf("the rule for %s is for no leaf", typ)
		}
		if r.Effect == diff.NoEffect {
			t.Errorf("the rule for %s has no effect", typ)
		}
	}
}

func TestEveryLeafOfTheEngineIsDecidedOn(t *testing.T) {
	known := map[string]bool{}
	carried := map[string]bool{}
	for _, l := range leaves(reflect.TypeFor[swarm.ServiceSpec]()) {
		known[l.path] = true
		verdict, decided := engineLeaves[l.path]
		if !decided {
			t.Errorf("%s is new: decide who carries it", l.path)
			continue
		}
		if path := strings.TrimPrefix(verdict, "written: "); !strings.HasPrefix(verdict, "never: ") {
			carried[path] = true
			if _, ours := rules[path]; !ours {
				t.Errorf("%s: there is no leaf %s", l.path, path)
			}
		}
	}
	for path := range engineLeaves {
		if !known[path] {
			t.Errorf("%s is no leaf of the engine's any more", path)
		}
	}
	for typ := range rules {
		if typ != "spec.healthcheck.disable" && !carried[typ] { // disable is another way to write a test
			t.Errorf("%s carries no leaf of the engine's", typ)
		}
	}
}

// everything returns a live service with every group and every list in it.
func everything() *swarm.ServiceSpec {
	init, grace, attempts, window := true, time.Minute, uint64(3), time.Hour
	swap, swappiness := int64(16<<20), int64(10)
	spec := &swarm.ServiceSpec{
		Annotations:    swarm.Annotations{Name: "web", Labels: map[string]string{"a": "1"}},
		Mode:           swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &attempts}},
		UpdateConfig:   &swarm.UpdateConfig{Parallelism: 4, Delay: time.Second, FailureAction: "continue", Monitor: time.Second, MaxFailureRatio: 0.5, Order: "start-first"},
		RollbackConfig: &swarm.UpdateConfig{Parallelism: 4, Delay: time.Second, FailureAction: "continue", Monitor: time.Second, MaxFailureRatio: 0.5, Order: "start-first"},
		EndpointSpec:   &swarm.EndpointSpec{Mode: "dnsrr", Ports: []swarm.PortConfig{{Name: "http", TargetPort: 80, PublishedPort: 8080, Protocol: "tcp", PublishMode: "host"}}},
	}
	spec.TaskTemplate = swarm.TaskSpec{
		ContainerSpec: &swarm.ContainerSpec{
			Image: "bb:1", Labels: map[string]string{"a": "1"}, Command: []string{"c"}, Args: []string{"a"}, Hostname: "h", Env: []string{"A=1"}, Dir: "/d", User: "u",
			Init: &init, ReadOnly: true, StopGracePeriod: &grace, Hosts: []string{"10.0.0.1 db"}, CapabilityAdd: []string{"CAP_NET_RAW"}, CapabilityDrop: []string{"ALL"},
			Healthcheck: &container.HealthConfig{Test: []string{"CMD", "x"}, Interval: time.Second, Timeout: time.Second, StartPeriod: time.Second, StartInterval: time.Second, Retries: 2},
			Groups:      []string{"audio"}, StopSignal: "SIGINT", TTY: true, OpenStdin: true, OomScoreAdj: 5, Isolation: "hyperv", Sysctls: map[string]string{"a": "1"},
			Ulimits:    []*container.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}},
			DNSConfig:  &swarm.DNSConfig{Nameservers: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Search: []string{"a"}, Options: []string{"rotate"}},
			Privileges: privileges(),
			Mounts: []mount.Mount{{
				Type: "volume", Source: "v", Target: "/data", ReadOnly: true, BindOptions: &mount.BindOptions{Propagation: "shared", NonRecursive: true},
				VolumeOptions: &mount.VolumeOptions{NoCopy: true, Subpath: "s", Labels: map[string]string{"a": "1"}, DriverConfig: &mount.Driver{Name: "nfs", Options: map[string]string{"a": "1"}}},
				TmpfsOptions:  &mount.TmpfsOptions{SizeBytes: 1 << 20, Mode: 0o700, Options: [][]string{{"noexec"}, {"uid", "1"}}},
			}},
			Configs: []*swarm.ConfigReference{{ConfigID: "Config-id-c", ConfigName: "c", File: &swarm.ConfigReferenceFileTarget{Name: "/c", UID: "7", GID: "7", Mode: 0o400}}},
			Secrets: []*swarm.SecretReference{{SecretID: "Secret-id-s", SecretName: "s", File: &swarm.SecretReferenceFileTarget{Name: "s", UID: "7", GID: "7", Mode: 0o400}}},
		},
		Resources: &swarm.ResourceRequirements{
			Limits: &swarm.Limit{NanoCPUs: 5e8, MemoryBytes: 64 << 20, Pids: 10}, Reservations: &swarm.Resources{
				NanoCPUs: 1e8, MemoryBytes: 32 << 20, GenericResources: []swarm.GenericResource{{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: "gpu", Value: 2}}},
			},
			SwapBytes: &swap, MemorySwappiness: &swappiness,
		},
		RestartPolicy: &swarm.RestartPolicy{Condition: "on-failure", Delay: &grace, MaxAttempts: &attempts, Window: &window},
		Placement:     &swarm.Placement{Constraints: []string{"node.role == worker"}, MaxReplicas: 3, Platforms: []swarm.Platform{{OS: "linux", Architecture: "arm64"}}, Preferences: []swarm.PlacementPreference{{Spread: &swarm.SpreadOver{SpreadDescriptor: "node.labels.a"}}}},
		Networks:      []swarm.NetworkAttachmentConfig{{Target: "Network-id-front", Aliases: []string{"x"}, DriverOpts: map[string]string{"a": "1"}}},
		ForceUpdate:   3,
		LogDriver:     &swarm.Driver{Name: "syslog", Options: map[string]string{"a": "1"}},
	}
	return spec
}

func privileges() *swarm.Privileges {
	return &swarm.Privileges{
		CredentialSpec: &swarm.CredentialSpec{File: "f"}, SELinuxContext: &swarm.SELinuxContext{Disable: true, User: "u", Role: "r", Type: "t", Level: "l"},
		Seccomp: &swarm.SeccompOpts{Mode: "custom", Profile: []byte("{}")}, AppArmor: &swarm.AppArmorOpts{Mode: "disabled"}, NoNewPrivileges: true,
	}
}

// otherwise returns a manifest that differs from everything in every leaf, except those that name an element of a
// list.
func otherwise() *v1.Service {
	two := uint64(2)
	s := &v1.Service{Header: v1.Header{Kind: v1.KindService, Metadata: v1.Metadata{Name: "web", Labels: map[string]string{"a": "2"}}}}
	s.Spec = v1.ServiceSpec{
		Image: "bb:2", Replicas: &two, Environment: v1.Environment{"A": "2"}, ContainerLabels: map[string]string{"a": "2"},
		Entrypoint: v1.StringList{"other"}, Command: v1.StringList{"other"}, User: "other", WorkingDir: "/other", Hostname: "other",
		Ports:       []v1.Port{{Target: 80, Published: 9090}},
		Networks:    []v1.NetworkAttachment{{Name: "front", Aliases: []string{"other"}}},
		Configs:     []v1.ConfigMount{{Source: "other", Target: "/c"}},
		Secrets:     []v1.SecretMount{{Source: "other", Target: "s"}},
		Mounts:      []v1.Mount{{Type: "volume", Source: "other", Target: "/data"}},
		Healthcheck: &v1.Healthcheck{Test: v1.HealthTest{"CMD", "other"}},
		ExtraHosts:  v1.ExtraHosts{"other:10.0.0.9"}, CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"CHOWN"},
		Placement: &v1.Placement{Constraints: []string{"node.role == manager"}, Platforms: []v1.TaskPlatform{{OS: "windows"}}}, ForceUpdate: 4,
		Ulimits: v1.Ulimits{"nofile": {Soft: 3, Hard: 4}}, Sysctls: v1.Sysctls{"a": "2"},
		Resources: &v1.Resources{Reservations: v1.Reservations{GenericResources: []v1.GenericResource{{DiscreteResourceSpec: v1.DiscreteResource{Kind: "gpu", Value: 7}}}}},
		Logging:   &v1.Logging{Driver: "json-file", Options: map[string]string{"a": "2"}},
	}
	return s
}

// base returns everything, in the mode that a leaf is about.
func base(path string) *swarm.ServiceSpec {
	spec := everything()
	if strings.HasPrefix(path, "Mode.ReplicatedJob.") {
		concurrent, completions := uint64(1), uint64(1)
		spec.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &concurrent, TotalCompletions: &completions}}
	}
	if strings.HasSuffix(path, "Configs[].Runtime") || strings.HasSuffix(path, "CredentialSpec.Config") { // the config is a credential spec and no file
		c := spec.TaskTemplate.ContainerSpec
		c.Privileges.CredentialSpec = &swarm.CredentialSpec{Config: "Config-id-cred"}
		c.Configs = append([]*swarm.ConfigReference{{ConfigID: "Config-id-cred", ConfigName: "cred"}}, c.Configs...)
	}
	return spec
}

func TestWhatIsCarriedIsRead(t *testing.T) {
	for _, l := range leaves(reflect.TypeFor[swarm.ServiceSpec]()) {
		verdict := engineLeaves[l.path]
		before, after := base(l.path), base(l.path)
		l.change(after)
		if l.text(before) == l.text(after) && !strings.HasPrefix(l.path, "Mode.Global") {
			t.Fatalf("%s was not changed", l.path)
		}
		was, is := shape.Flatten(read(before, directory{})), shape.Flatten(read(after, directory{}))
		changed := map[string]bool{}
		for _, pair := range [][2][]diff.Leaf{{was, is}, {is, was}} {
			for _, leaf := range pair[0] {
				if !slices.Contains(pair[1], leaf) {
					changed[leaf.Type] = true
				}
			}
		}
		switch carried := strings.HasPrefix(verdict, "spec.") || strings.HasPrefix(verdict, "metadata."); {
		case carried && !changed[verdict]:
			t.Errorf("%s is said to be carried by %s, which does not change with it", l.path, verdict)
		case !carried && len(changed) > 0:
			t.Errorf("%s is said not to be carried (%s), and changes %v", l.path, verdict, changed)
		}
	}
}

func TestOtherwiseDiffersEverywhere(t *testing.T) {
	differs := map[string]bool{}
	have, want := haveOf(everything()), wantOf(otherwise())
	for _, f := range diff.DifferingFields(have, want, rules) {
		for _, s := range []*diff.State{have, want} {
			if l, ok := s.Leaf(f.Path); ok {
				differs[l.Type] = true
			}
		}
	}
	// These cannot change in place, are no leaf of a normal form, or belong to another mode or another form.
	names := []string{"spec.mode", "spec.mounts[].type", "spec.healthcheck.disable", "spec.maxConcurrent", "spec.credentialSpec.config", "spec.credentialSpec.registry"}
	for typ := range rules {
		if strings.HasSuffix(typ, "[].target") || strings.HasSuffix(typ, "[].name") || strings.HasSuffix(typ, "[].protocol") || strings.HasSuffix(typ, ".kind") || slices.Contains(names, typ) {
			continue
		}
		if !differs[typ] {
			t.Errorf("%s does not differ: the tests beside this one say nothing about it", typ)
		}
	}
}

func TestWhatIsNotCarriedIsKept(t *testing.T) {
	want := wantOf(otherwise())
	for _, l := range leaves(reflect.TypeFor[swarm.ServiceSpec]()) {
		verdict := engineLeaves[l.path]
		if !strings.HasPrefix(verdict, "never: ") {
			continue
		}
		live := base(l.path)
		l.change(live)
		want := *want
		want.Instance = live.Name
		sent, fields := updated(t, live, &want)
		if len(fields) < 30 {
			t.Fatalf("only %d fields differ", len(fields))
		}
		if l.text(sent) != l.text(live) {
			t.Errorf("%s (%s) was %s and became %s", l.path, verdict, l.text(live), l.text(sent))
		}
	}
}

func TestIdsAreWrittenWithNames(t *testing.T) {
	sent, _ := updated(t, everything(), wantOf(otherwise()))
	c := sent.TaskTemplate.ContainerSpec
	if got := c.Configs[0]; got.ConfigID != "Config-id-other" || got.ConfigName != "other" {
		t.Errorf("the config is %s named %s", got.ConfigID, got.ConfigName)
	}
	if got := c.Secrets[0]; got.SecretID != "Secret-id-other" || got.SecretName != "other" {
		t.Errorf("the secret is %s named %s", got.SecretID, got.SecretName)
	}
}
