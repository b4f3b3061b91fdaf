package service

import (
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// What clients put in by themselves is no difference, so that what they made is taken over without a write.
func TestWhatClientsPutInByThemselvesDiffersFromNothing(t *testing.T) {
	three := uint64(3)
	for name, live := range map[string]func(*swarm.ServiceSpec, *swarm.ContainerSpec){
		"the counter of --force": func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) { s.TaskTemplate.ForceUpdate = 2 },
		"the platforms of the image": func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
			s.TaskTemplate.Placement = &swarm.Placement{Platforms: []swarm.Platform{{OS: "linux"}}}
		},
		"the defaults of isolation": func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) { c.Isolation = "default" },
		"groups of settings, all empty": func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.DNSConfig, c.Privileges = &swarm.DNSConfig{}, &swarm.Privileges{CredentialSpec: &swarm.CredentialSpec{}, SELinuxContext: &swarm.SELinuxContext{}, AppArmor: &swarm.AppArmorOpts{Mode: "default"}, Seccomp: &swarm.SeccompOpts{Mode: "default"}}
		},
		"what stack deploy adds to each volume": func(_ *swarm.ServiceSpec, c *swarm.ContainerSpec) {
			c.Mounts[0].VolumeOptions = &mount.VolumeOptions{Labels: map[string]string{"com.docker.stack.namespace": "shop"}, DriverConfig: &mount.Driver{Name: "local"}}
		},
		"how many tasks of a job run at once": func(s *swarm.ServiceSpec, _ *swarm.ContainerSpec) {
			s.Mode = swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &three, TotalCompletions: &three}}
		},
	} {
		spec, manifest := plain(), plainly()
		spec.TaskTemplate.ContainerSpec.Mounts = []mount.Mount{{Type: "volume", Source: "data", Target: "/data"}}
		live(spec, spec.TaskTemplate.ContainerSpec)
		manifest.Spec.Mounts = []v1.Mount{{Type: "volume", Source: "data", Target: "/data"}}
		if spec.Mode.ReplicatedJob != nil {
			manifest.Spec.Mode, manifest.Spec.Replicas = "replicated-job", &three
		}
		t.Run(name, func(t *testing.T) { noDifference(t, spec, wantOf(manifest)) })
	}
}
