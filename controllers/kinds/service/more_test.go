package service

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// edited returns the container that an update of a live service to a manifest sends.
func edited(t *testing.T, live func(*swarm.ContainerSpec), state func(*v1.ServiceSpec)) *swarm.ContainerSpec {
	t.Helper()
	spec, manifest := plain(), plainly()
	live(spec.TaskTemplate.ContainerSpec)
	state(&manifest.Spec)
	if ps := manifest.Validate(); len(ps) > 0 {
		t.Fatal(ps)
	}
	sent, _ := updated(t, spec, wantOf(manifest))
	if sent == nil {
		t.Fatal("nothing differs")
	}
	noDifference(t, returned(t, sent), wantOf(manifest))
	return sent.TaskTemplate.ContainerSpec
}

func TestOneOptionOfAMountIsWritten(t *testing.T) {
	nfs := func(c *swarm.ContainerSpec) {
		c.Mounts = []mount.Mount{{Type: "volume", Source: "data", Target: "/data/", VolumeOptions: &mount.VolumeOptions{
			Labels: map[string]string{"com.docker.stack.namespace": "shop"}, DriverConfig: &mount.Driver{Name: "local", Options: map[string]string{"type": "nfs", "device": ":/old"}},
		}}}
	}
	volume := func(v *v1.VolumeOption) func(*v1.ServiceSpec) {
		return func(s *v1.ServiceSpec) {
			s.Mounts = []v1.Mount{{Type: "volume", Source: "data", Target: "/data", Volume: v}}
		}
	}
	for name, test := range map[string]struct {
		want *v1.VolumeOption
		is   func(*mount.VolumeOptions)
	}{
		"another device": {&v1.VolumeOption{DriverOpts: map[string]string{"type": "nfs", "device": ":/new"}}, func(v *mount.VolumeOptions) { v.DriverConfig.Options["device"] = ":/new" }},
		"no options":     {nil, func(v *mount.VolumeOptions) { v.DriverConfig.Options = nil }},
		"a plugin":       {&v1.VolumeOption{Driver: "rexray", DriverOpts: map[string]string{"type": "nfs", "device": ":/old"}}, func(v *mount.VolumeOptions) { v.DriverConfig.Name = "rexray" }},
		"a label":        {&v1.VolumeOption{DriverOpts: map[string]string{"type": "nfs", "device": ":/old"}, Labels: map[string]string{"a": "1"}}, func(v *mount.VolumeOptions) { v.Labels["a"] = "1" }},
		"a subpath":      {&v1.VolumeOption{DriverOpts: map[string]string{"type": "nfs", "device": ":/old"}, Subpath: "a"}, func(v *mount.VolumeOptions) { v.Subpath = "a" }},
	} {
		want := &swarm.ContainerSpec{}
		nfs(want)
		test.is(want.Mounts[0].VolumeOptions)
		if d := cmp.Diff(want.Mounts, edited(t, nfs, volume(test.want)).Mounts, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// A health check that was off may have had an interval all the same.
func TestNothingOfAHealthCheckThatWasOffComesIntoForce(t *testing.T) {
	live := func(c *swarm.ContainerSpec) {
		c.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}, Interval: time.Hour, Retries: 9}
	}
	for name, test := range map[string]struct{ want, is *v1.Healthcheck }{
		"the image's own":   {nil, nil},
		"another check":     {&v1.Healthcheck{Test: v1.HealthTest{"CMD", "true"}}, &v1.Healthcheck{Test: v1.HealthTest{"CMD", "true"}}},
		"another interval":  {&v1.Healthcheck{Interval: v1.Duration(time.Minute)}, &v1.Healthcheck{Interval: v1.Duration(time.Minute)}},
		"the same interval": {&v1.Healthcheck{Interval: v1.Duration(time.Hour)}, &v1.Healthcheck{Interval: v1.Duration(time.Hour)}},
	} {
		got := readHealth(edited(t, live, func(s *v1.ServiceSpec) { s.Healthcheck = test.want }).Healthcheck)
		if d := cmp.Diff(test.is, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestLimitsKeepTheirLiveOrder(t *testing.T) {
	live := func(c *swarm.ContainerSpec) {
		c.Ulimits = []*container.Ulimit{{Name: "nproc", Soft: 1, Hard: 1}, {Name: "gone"}, {Name: "nofile", Soft: 1, Hard: 1}, {Name: "nofile", Soft: 2, Hard: 2}}
	}
	got := edited(t, live, func(s *v1.ServiceSpec) {
		s.Ulimits = v1.Ulimits{"nofile": {Soft: 3, Hard: 3}, "nproc": {Soft: 1, Hard: 1}, "core": {}, "as": {}}
	}).Ulimits
	var names []string
	for _, u := range got {
		names = append(names, u.String())
	}
	if d := cmp.Diff([]string{"nproc=1:1", "nofile=3:3", "as=0:0", "core=0:0"}, names); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCredentialSpecsBringTheirConfig(t *testing.T) {
	file := &swarm.ConfigReference{ConfigID: "Config-id-c", ConfigName: "c", File: &swarm.ConfigReferenceFileTarget{Name: "/c", UID: "0", GID: "0", Mode: 0o444}}
	cred := func(name string) *swarm.ConfigReference {
		return &swarm.ConfigReference{ConfigID: "Config-id-" + name, ConfigName: name, Runtime: &swarm.ConfigReferenceRuntimeTarget{}}
	}
	of := func(spec *swarm.CredentialSpec, refs ...*swarm.ConfigReference) func(*swarm.ContainerSpec) {
		return func(c *swarm.ContainerSpec) {
			c.Configs = append([]*swarm.ConfigReference{file}, refs...)
			if spec != nil {
				c.Privileges = &swarm.Privileges{CredentialSpec: spec}
			}
		}
	}
	old := of(&swarm.CredentialSpec{Config: "Config-id-old"}, cred("old"))
	for name, test := range map[string]struct {
		live func(*swarm.ContainerSpec)
		want *v1.CredentialSpec
		is   func(*swarm.ContainerSpec)
	}{
		"a config":       {of(nil), &v1.CredentialSpec{Config: "new"}, of(&swarm.CredentialSpec{Config: "Config-id-new"}, cred("new"))},
		"another config": {old, &v1.CredentialSpec{Config: "new"}, of(&swarm.CredentialSpec{Config: "Config-id-new"}, cred("new"))},
		"a file":         {old, &v1.CredentialSpec{File: "f"}, of(&swarm.CredentialSpec{File: "f"})},
		"nothing":        {old, nil, of(nil)},
	} {
		want := &swarm.ContainerSpec{}
		test.is(want)
		got := edited(t, test.live, func(s *v1.ServiceSpec) {
			s.CredentialSpec, s.Configs = test.want, []v1.ConfigMount{{Source: "c"}}
		})
		if d := cmp.Diff([]any{want.Configs, want.Privileges}, []any{got.Configs, got.Privileges}); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestPlatformsThatAreStatedOutliveAnImage(t *testing.T) {
	live, manifest := plain(), plainly()
	live.TaskTemplate.Placement = &swarm.Placement{Platforms: []swarm.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}}
	manifest.Spec.Image, manifest.Spec.Placement = "bb:2", &v1.Placement{Platforms: []v1.TaskPlatform{{OS: "linux", Architecture: "arm64"}}}
	sent, _ := updated(t, live, wantOf(manifest))
	if got := sent.TaskTemplate.Placement.Platforms; !slices.Equal(got, []swarm.Platform{{OS: "linux", Architecture: "arm64"}}) {
		t.Errorf("the platforms are %v", got)
	}
}

// forms returns a live spec of the same meaning in other words: what is empty is absent or the other way round, maps and
// lists without an order have another one, and defaults are stated.
func forms(t *rapid.T, spec *swarm.ServiceSpec) {
	yes := func(label string) bool { return rapid.Bool().Draw(t, label) }
	c := spec.TaskTemplate.ContainerSpec
	if c.DNSConfig == nil && yes("dns") {
		c.DNSConfig = &swarm.DNSConfig{}
	}
	if c.Privileges == nil && yes("privileges") {
		c.Privileges = &swarm.Privileges{}
	}
	if p := c.Privileges; p != nil {
		if p.SELinuxContext == nil && yes("selinux") {
			p.SELinuxContext = &swarm.SELinuxContext{}
		}
		if p.AppArmor == nil && yes("apparmor") {
			p.AppArmor = &swarm.AppArmorOpts{Mode: "default"}
		}
		if p.Seccomp == nil && yes("seccomp") {
			p.Seccomp = &swarm.SeccompOpts{Mode: "default"}
		}
	}
	if yes("order") {
		slices.Reverse(c.Ulimits)
		slices.Reverse(c.Groups)
		slices.Reverse(c.Mounts)
		slices.Reverse(c.CapabilityAdd)
		slices.Reverse(spec.TaskTemplate.Networks)
		slices.Reverse(c.Env)
	}
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if yes("slash") {
			m.Target += "/"
		}
		if m.Type == mount.TypeVolume && m.VolumeOptions == nil && yes("local") {
			m.VolumeOptions = &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: "local"}, Labels: map[string]string{"com.docker.stack.namespace": "shop"}}
		}
		if m.Type == mount.TypeBind && yes("source") {
			m.Source += "/"
		}
	}
}

// A live spec in other words is the same to us, and what is written over it without a difference leaves every byte.
func formsAreNoDifference(t *rapid.T) {
	s := generate.Service(t, "web")
	live := returned(t, createdFrom(t, s))
	forms(t, live)
	live = returned(t, live)
	want := wantOf(s)
	have := haveOf(live)
	if fields := diff.DifferingFields(have, want, rules); len(fields) > 0 {
		t.Fatalf("other words are a difference:\n%s%s", listed(fields), pretty(live))
	}
	sent := overlaid(t, have, want, nil)
	sent.Labels = live.Labels
	if a, b := pretty(live), pretty(sent); a != b {
		t.Fatalf("nothing was to be written, and\n%s\nbecame\n%s", a, b)
	}
}

func TestFormsAreNoDifference(t *testing.T) { rapid.Check(t, formsAreNoDifference) }
func FuzzFormsAreNoDifference(f *testing.F) { generate.Fuzz(f, formsAreNoDifference) }
