package v1_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

func ptr[T any](v T) *T { return &v }

func seconds(n int) *v1.Duration { return ptr(v1.Duration(time.Duration(n) * time.Second)) }

// The defaults are those of SwarmKit and the docker CLI, and stay so.
func TestDefaultsOfAService(t *testing.T) {
	s := &v1.Service{Spec: v1.ServiceSpec{Image: "nginx", Ports: []v1.Port{{Target: 80}}, Configs: []v1.ConfigMount{{Source: "c"}}, Secrets: []v1.SecretMount{{Source: "s"}}}}
	s.Default()
	update := &v1.UpdateConfig{Parallelism: ptr(uint64(1)), FailureAction: "pause", Monitor: *seconds(5), Order: "stop-first"}
	want := v1.ServiceSpec{
		Mode: "replicated", Image: "nginx:latest", Ports: []v1.Port{{Target: 80, Protocol: "tcp", Mode: "ingress"}},
		Configs:   []v1.ConfigMount{{Source: "c", Target: "/c", UID: "0", GID: "0", Mode: ptr(v1.FileMode(0o444))}},
		Secrets:   []v1.SecretMount{{Source: "s", Target: "s", UID: "0", GID: "0", Mode: ptr(v1.FileMode(0o444))}},
		Resources: &v1.Resources{}, RestartPolicy: &v1.RestartPolicy{Condition: "any", Delay: seconds(5)}, Placement: &v1.Placement{},
		UpdateConfig: update, RollbackConfig: update, StopGracePeriod: seconds(10),
	}
	if d := cmp.Diff(want, s.Spec); d != "" {
		t.Errorf("defaults (-want +got):\n%s", d)
	}
}

func TestDefaultsOfAJob(t *testing.T) {
	for _, mode := range []string{v1.ModeReplicatedJob, v1.ModeGlobalJob} {
		for stated, want := range map[string]string{"": "on-failure", "any": "on-failure", "on-failure": "on-failure", "none": "none"} {
			s := &v1.Service{Spec: v1.ServiceSpec{Image: "bb", Mode: mode, RestartPolicy: &v1.RestartPolicy{Condition: stated}, RollbackConfig: &v1.UpdateConfig{Order: "start-first"}}}
			s.Default()
			if s.Spec.RestartPolicy.Condition != want || s.Spec.UpdateConfig != nil || s.Spec.RollbackConfig != nil {
				t.Errorf("%s, restart %q: %+v", mode, stated, s.Spec.RestartPolicy)
			}
		}
	}
}

// Specs that mean the same are equal in normal form.
func TestSpecsThatMeanTheSameAreEqual(t *testing.T) {
	no, yes := false, true
	tests := []struct {
		name string
		a, b v1.ServiceSpec
		same bool
	}{
		{"init unset and false", v1.ServiceSpec{}, v1.ServiceSpec{Init: &no}, true},
		{"init unset and true", v1.ServiceSpec{}, v1.ServiceSpec{Init: &yes}, false},
		{"health check absent and empty", v1.ServiceSpec{}, v1.ServiceSpec{Healthcheck: &v1.Healthcheck{}}, true},
		{"health check disabled and NONE", v1.ServiceSpec{Healthcheck: &v1.Healthcheck{Disable: true}}, v1.ServiceSpec{Healthcheck: &v1.Healthcheck{Test: v1.HealthTest{"NONE"}, Retries: 3}}, true},
		{"health check absent and disabled", v1.ServiceSpec{}, v1.ServiceSpec{Healthcheck: &v1.Healthcheck{Disable: true}}, false},
		{"ports in another order", v1.ServiceSpec{Ports: []v1.Port{{Target: 80, Published: 1}, {Target: 80, Published: 2}}}, v1.ServiceSpec{Ports: []v1.Port{{Target: 80, Published: 2, Mode: "ingress"}, {Target: 80, Published: 1, Protocol: "tcp"}}}, true},
		{"networks and aliases in another order", v1.ServiceSpec{Networks: []v1.NetworkAttachment{{Name: "a", Aliases: []string{"x", "y"}}, {Name: "b"}}}, v1.ServiceSpec{Networks: []v1.NetworkAttachment{{Name: "b"}, {Name: "a", Aliases: []string{"y", "x", "y"}}}}, true},
		{"config at a relative path", v1.ServiceSpec{Configs: []v1.ConfigMount{{Source: "c", Target: "etc/c"}}}, v1.ServiceSpec{Configs: []v1.ConfigMount{{Source: "c", Target: "/etc/c"}}}, true},
		{"config on Windows", v1.ServiceSpec{Configs: []v1.ConfigMount{{Source: "c", Target: `C:\c`}}}, v1.ServiceSpec{Configs: []v1.ConfigMount{{Source: "c", Target: `/C:\c`}}}, false},
		{"secret at its full path", v1.ServiceSpec{Secrets: []v1.SecretMount{{Source: "s"}}}, v1.ServiceSpec{Secrets: []v1.SecretMount{{Source: "s", Target: "/run/secrets/s"}}}, true},
		{"secret elsewhere", v1.ServiceSpec{Secrets: []v1.SecretMount{{Source: "s"}}}, v1.ServiceSpec{Secrets: []v1.SecretMount{{Source: "s", Target: "/s"}}}, false},
		{"hosts in another form", v1.ServiceSpec{ExtraHosts: v1.ExtraHosts{"a:::1", "b:10.0.0.1"}}, v1.ServiceSpec{ExtraHosts: v1.ExtraHosts{"b=10.0.0.1", "a=::1", "a:::1"}}, true},
		{"capabilities in another form", v1.ServiceSpec{CapAdd: []string{"net_raw", "ALL"}}, v1.ServiceSpec{CapAdd: []string{"all", "CAP_NET_RAW", "NET_RAW"}}, true},
		{"constraints in another form", v1.ServiceSpec{Placement: &v1.Placement{Constraints: []string{"a==b", "c != d"}}}, v1.ServiceSpec{Placement: &v1.Placement{Constraints: []string{" c  !=  d ", "a == b", "a==b"}}}, true},
		{"preferences in another order", v1.ServiceSpec{Placement: &v1.Placement{Preferences: []v1.Preference{{Spread: "a"}, {Spread: "b"}}}}, v1.ServiceSpec{Placement: &v1.Placement{Preferences: []v1.Preference{{Spread: "b"}, {Spread: "a"}}}}, false},
		{"mount options that say nothing", v1.ServiceSpec{Mounts: []v1.Mount{{Type: "volume", Target: "/a", Volume: &v1.VolumeOption{}}, {Type: "bind", Target: "/b", Bind: &v1.BindOptions{Propagation: "rprivate"}}, {Type: "tmpfs", Target: "/c", Tmpfs: &v1.TmpfsOptions{Mode: ptr(v1.FileMode(0))}}}}, v1.ServiceSpec{Mounts: []v1.Mount{{Type: "bind", Target: "/b"}, {Type: "tmpfs", Target: "/c"}, {Type: "volume", Target: "/a"}}}, true},
		{"mount paths in other words", v1.ServiceSpec{Mounts: []v1.Mount{{Type: "bind", Source: "/dev/", Target: "/dev/"}, {Type: "volume", Target: "/a//b/../c"}, {Type: "volume", Target: "/{{.Task.Slot}}/"}, {Type: "volume", Target: "/"}}}, v1.ServiceSpec{Mounts: []v1.Mount{{Type: "volume", Target: "/"}, {Type: "bind", Source: "/dev", Target: "/dev"}, {Type: "volume", Target: "/a/c"}, {Type: "volume", Target: "/{{.Task.Slot}}"}}}, true},
		{"mount paths of Windows", v1.ServiceSpec{Mounts: []v1.Mount{{Type: "bind", Source: `C:\a\`, Target: `C:\b\`}}}, v1.ServiceSpec{Mounts: []v1.Mount{{Type: "bind", Source: `C:\a`, Target: `C:\b`}}}, false},
		{"the name of a volume is no path", v1.ServiceSpec{Mounts: []v1.Mount{{Type: "volume", Source: "a/b/", Target: "/a"}}}, v1.ServiceSpec{Mounts: []v1.Mount{{Type: "volume", Source: "a/b", Target: "/a"}}}, false},
		{"the local driver", v1.ServiceSpec{Mounts: []v1.Mount{{Type: "volume", Target: "/a", Volume: &v1.VolumeOption{Driver: "local"}}}}, v1.ServiceSpec{Mounts: []v1.Mount{{Type: "volume", Target: "/a"}}}, true},
		{"options of the local driver", v1.ServiceSpec{Mounts: []v1.Mount{{Type: "volume", Target: "/a", Volume: &v1.VolumeOption{DriverOpts: map[string]string{"type": "nfs"}}}}}, v1.ServiceSpec{Mounts: []v1.Mount{{Type: "volume", Target: "/a"}}}, false},
		{"a recursive bind", v1.ServiceSpec{Mounts: []v1.Mount{{Type: "bind", Source: "/a", Target: "/a", Bind: &v1.BindOptions{Recursive: "enabled"}}}}, v1.ServiceSpec{Mounts: []v1.Mount{{Type: "bind", Source: "/a", Target: "/a"}}}, true},
		{"no recursive bind", v1.ServiceSpec{Mounts: []v1.Mount{{Type: "bind", Source: "/a", Target: "/a", Bind: &v1.BindOptions{Recursive: "disabled"}}}}, v1.ServiceSpec{Mounts: []v1.Mount{{Type: "bind", Source: "/a", Target: "/a"}}}, false},
		{"defaults stated", v1.ServiceSpec{Isolation: "Default", EndpointMode: "vip", CredentialSpec: &v1.CredentialSpec{}, Privileges: &v1.Privileges{AppArmor: "default", Seccomp: &v1.Seccomp{Mode: "default"}, SELinux: &v1.SELinux{}}}, v1.ServiceSpec{}, true},
		{"signals in other words", v1.ServiceSpec{StopSignal: "SIGINT"}, v1.ServiceSpec{StopSignal: "int"}, true},
		{"signals by number", v1.ServiceSpec{StopSignal: "2"}, v1.ServiceSpec{StopSignal: "int"}, false},
		{"groups in another order", v1.ServiceSpec{GroupAdd: []string{"b", "a", "b"}}, v1.ServiceSpec{GroupAdd: []string{"a", "b"}}, true},
		{"name servers in other words", v1.ServiceSpec{DNS: v1.Texts{"FD00:0::1", "10.0.0.1"}}, v1.ServiceSpec{DNS: v1.Texts{"fd00::1", "10.0.0.1"}}, true},
		{"name servers in another order", v1.ServiceSpec{DNS: v1.Texts{"10.0.0.2", "10.0.0.1"}}, v1.ServiceSpec{DNS: v1.Texts{"10.0.0.1", "10.0.0.2"}}, false},
		{"platforms and resources in another order", v1.ServiceSpec{
			Placement: &v1.Placement{Platforms: []v1.TaskPlatform{{OS: "linux", Architecture: "arm64"}, {OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}},
			Resources: &v1.Resources{Reservations: v1.Reservations{GenericResources: []v1.GenericResource{{DiscreteResourceSpec: v1.DiscreteResource{Kind: "ssd", Value: 1}}, {DiscreteResourceSpec: v1.DiscreteResource{Kind: "gpu", Value: 2}}}}},
		}, v1.ServiceSpec{
			Placement: &v1.Placement{Platforms: []v1.TaskPlatform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}},
			Resources: &v1.Resources{Reservations: v1.Reservations{GenericResources: []v1.GenericResource{{DiscreteResourceSpec: v1.DiscreteResource{Kind: "gpu", Value: 2}}, {DiscreteResourceSpec: v1.DiscreteResource{Kind: "ssd", Value: 1}}}}},
		}, true},
		{"no limit of processes", v1.ServiceSpec{Resources: &v1.Resources{Limits: v1.ResourceLimits{Pids: -1}}}, v1.ServiceSpec{}, true},
		{"logging that says nothing", v1.ServiceSpec{}, v1.ServiceSpec{Logging: &v1.Logging{}}, true},
		{"no grace period and the default", v1.ServiceSpec{StopGracePeriod: seconds(0)}, v1.ServiceSpec{}, false},
		{"update config partly stated", v1.ServiceSpec{UpdateConfig: &v1.UpdateConfig{Order: "stop-first"}}, v1.ServiceSpec{}, true},
		{"all at once", v1.ServiceSpec{UpdateConfig: &v1.UpdateConfig{Parallelism: ptr(uint64(0))}}, v1.ServiceSpec{}, false},
		{"restart at once", v1.ServiceSpec{RestartPolicy: &v1.RestartPolicy{Delay: seconds(0)}}, v1.ServiceSpec{}, false},
		{"replicas unstated", v1.ServiceSpec{Replicas: ptr(uint64(1))}, v1.ServiceSpec{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := &v1.Service{Spec: test.a}, &v1.Service{Spec: test.b}
			a.Default()
			b.Default()
			if d := cmp.Diff(a, b); (d == "") != test.same {
				t.Errorf("the same: %t\n%s", d == "", d)
			}
		})
	}
}

// Default twice equals Default once, Canonical fills in nothing, and a copy shares nothing with its original.
func normalised(t *rapid.T) {
	stated := generate.Service(t, "web")
	before := stated.Copy().(*v1.Service)
	once := stated.Copy().(*v1.Service)
	once.Canonical()
	canonical := once.Copy().(*v1.Service)
	canonical.Canonical()
	if d := cmp.Diff(once, canonical); d != "" {
		t.Fatalf("Canonical twice is not once:\n%s", d)
	}
	once.Default()
	twice := once.Copy().(*v1.Service)
	twice.Default()
	if d := cmp.Diff(once, twice); d != "" {
		t.Fatalf("Default twice is not once:\n%s", d)
	}
	canonical.Default()
	if d := cmp.Diff(once, canonical); d != "" {
		t.Fatalf("Canonical before Default shows:\n%s", d)
	}
	twice.Rename(func(k v1.Key) string { return k.Name + "-renamed" })
	if d := cmp.Diff(before, stated); d != "" {
		t.Fatalf("a copy shares something with its original:\n%s", d)
	}
	if ps := once.Validate(); len(ps) > 0 {
		t.Fatalf("the normal form of a valid service is invalid: %v", ps)
	}
}

func TestNormalised(t *testing.T) { rapid.Check(t, normalised) }
func FuzzNormalised(f *testing.F) { generate.Fuzz(f, normalised) }

// A copy shares no pointer, map or slice with its original. The test walks everything that the object holds.
func TestCopiesShareNothing(t *testing.T) {
	header := v1.Header{Metadata: v1.Metadata{Labels: map[string]string{"a": "1"}}, Policy: v1.Policy{DependsOn: []string{"Service/a"}, IgnoreDifferences: []string{"spec"}}}
	objects := []v1.Object{
		&v1.Service{Header: header, Spec: v1.ServiceSpec{
			Entrypoint: v1.StringList{"a"}, Command: v1.StringList{"a"}, Environment: v1.Environment{"A": "1"}, ContainerLabels: map[string]string{"a": "1"}, Replicas: ptr(uint64(1)),
			Ports: []v1.Port{{}}, Networks: []v1.NetworkAttachment{{Aliases: []string{"a"}, DriverOpts: map[string]string{"a": "1"}}}, Configs: []v1.ConfigMount{{Mode: ptr(v1.FileMode(1))}}, Secrets: []v1.SecretMount{{Mode: ptr(v1.FileMode(1))}},
			Mounts:      []v1.Mount{{Bind: &v1.BindOptions{}, Volume: &v1.VolumeOption{DriverOpts: map[string]string{"a": "1"}, Labels: map[string]string{"a": "1"}}, Tmpfs: &v1.TmpfsOptions{Mode: ptr(v1.FileMode(1)), Options: []string{"a"}}}},
			Healthcheck: &v1.Healthcheck{Test: v1.HealthTest{"CMD"}}, Resources: &v1.Resources{Reservations: v1.Reservations{GenericResources: []v1.GenericResource{{}}}, MemorySwap: ptr(v1.Swap(1)), MemorySwappiness: ptr(int64(1))}, RestartPolicy: &v1.RestartPolicy{Delay: seconds(1)},
			Placement: &v1.Placement{Constraints: []string{"a"}, Preferences: []v1.Preference{{}}, Platforms: []v1.TaskPlatform{{}}}, UpdateConfig: &v1.UpdateConfig{Parallelism: ptr(uint64(1))}, RollbackConfig: &v1.UpdateConfig{Parallelism: ptr(uint64(1))},
			StopGracePeriod: seconds(1), Logging: &v1.Logging{Options: map[string]string{"a": "1"}}, Init: ptr(true), ExtraHosts: v1.ExtraHosts{"a"}, CapAdd: []string{"a"}, CapDrop: []string{"a"},
			GroupAdd: []string{"a"}, DNS: v1.Texts{"a"}, DNSSearch: v1.Texts{"a"}, DNSOpt: []string{"a"}, Sysctls: v1.Sysctls{"a": "1"}, Ulimits: v1.Ulimits{"a": {}}, MaxConcurrent: ptr(uint64(1)),
			CredentialSpec: &v1.CredentialSpec{}, Privileges: &v1.Privileges{Seccomp: &v1.Seccomp{}, SELinux: &v1.SELinux{}},
		}},
		&v1.Network{Header: header, Spec: v1.NetworkSpec{DriverOpts: map[string]string{"a": "1"}, IPAM: &v1.IPAM{Config: []v1.IPAMPool{{}}, Options: map[string]string{"a": "1"}}}},
		&v1.Config{Header: header, Spec: v1.ContentSpec{File: "a"}},
		&v1.Secret{Header: header, Spec: v1.SecretSpec{File: "a", DriverOpts: map[string]string{"a": "1"}}},
	}
	for _, o := range objects {
		filled(t, reflect.ValueOf(o).Elem().FieldByName("Spec"), reflect.TypeOf(o).String()+".Spec")
		original := map[uintptr]string{}
		pointers(reflect.ValueOf(o), "", func(p uintptr, path string) { original[p] = path })
		pointers(reflect.ValueOf(o.Copy()), "", func(p uintptr, path string) {
			if from, shared := original[p]; shared {
				t.Errorf("%T: the copy's %s is the original's %s", o, path, from)
			}
		})
	}
}

// filled fails for pointers, maps and slices that the test did not fill. Whoever adds a field must fill it there.
func filled(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			t.Fatalf("%s is not filled in", path)
		}
		filled(t, v.Elem(), path)
	case reflect.Slice, reflect.Map:
		if v.Len() == 0 {
			t.Fatalf("%s is not filled in", path)
		}
		if v.Kind() == reflect.Slice {
			filled(t, v.Index(0), path+"[0]")
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type().Field(i).Name != "External" && v.Type().Field(i).Type != reflect.TypeFor[v1.Content]() {
				filled(t, v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		}
	default:
	}
}

func pointers(v reflect.Value, path string, found func(uintptr, string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsNil() {
			return
		}
		if v.Pointer() != 0 && v.Type().Elem().Size() > 0 {
			found(v.Pointer(), path)
		}
		if v.Kind() == reflect.Pointer {
			pointers(v.Elem(), path, found)
		}
		if v.Kind() == reflect.Slice {
			for i := range v.Len() {
				pointers(v.Index(i), path+"[]", found)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			pointers(v.Field(i), path+"."+v.Type().Field(i).Name, found)
		}
	default:
	}
}

func TestContentIsCopied(t *testing.T) {
	data := []byte("abc")
	for _, o := range []v1.Object{&v1.Config{Spec: v1.ContentSpec{Data: v1.NewContent(data)}}, &v1.Secret{Spec: v1.SecretSpec{Data: v1.NewContent(data)}}} {
		c := o.Copy().(v1.ContentHolder).Content().Reveal()
		c[0] = 'x'
		if string(data) != "abc" {
			t.Errorf("%T: the copy's content is the original's", o)
		}
		o.Meta().Kind = "K"
		if file := o.(v1.ContentFile); file.MaxContent() == 0 {
			t.Error("no limit")
		}
	}
}

func TestDefaultsOfNetworksAndConfigs(t *testing.T) {
	n := &v1.Network{Spec: v1.NetworkSpec{IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "fd00:0::/64"}, {Subnet: "10.0.0.1/24", IPRange: "10.0.0.129/25"}}}}}
	n.Default()
	want := v1.NetworkSpec{Driver: "overlay", IPAM: &v1.IPAM{Driver: "default", Config: []v1.IPAMPool{{Subnet: "10.0.0.0/24", IPRange: "10.0.0.128/25"}, {Subnet: "fd00::/64"}}}}
	if d := cmp.Diff(want, n.Spec); d != "" {
		t.Errorf("network (-want +got):\n%s", d)
	}
	external := &v1.Network{Spec: v1.NetworkSpec{External: true}}
	external.Default()
	if d := cmp.Diff(v1.NetworkSpec{External: true}, external.Spec); d != "" {
		t.Errorf("external network (-want +got):\n%s", d)
	}
	c := &v1.Config{Spec: v1.ContentSpec{File: "a"}}
	c.SetContent([]byte("x"))
	c.Default()
	if c.Spec.File != "" || string(c.Content().Reveal()) != "x" {
		t.Errorf("config: %+v", c.Spec)
	}
	s := &v1.Secret{Spec: v1.SecretSpec{External: true, TemplateDriver: "golang", Driver: "vault", DriverOpts: map[string]string{"a": "1"}}}
	s.Default()
	if d := cmp.Diff(v1.SecretSpec{TemplateDriver: "golang", Driver: "vault", DriverOpts: map[string]string{"a": "1"}}, s.Spec, cmp.AllowUnexported(v1.Content{})); d != "" {
		t.Errorf("secret (-want +got):\n%s", d)
	}
}
