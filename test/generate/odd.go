package generate

import (
	apicontainer "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
)

// Odd is something that nobody writes on purpose, and that an engine takes and runs.
type Odd struct {
	Name   string
	Change func(*swarm.ServiceSpec)
}

// Odds are forms that real swarms have. SwarmKit accepts each of them (manager/controlapi/service.go). They belong to no
// other object.
var Odds = []Odd{
	{"a label without a name", func(s *swarm.ServiceSpec) { label(&s.Labels, "", "x") }},
	{"container labels with odd names", func(s *swarm.ServiceSpec) {
		c := s.TaskTemplate.ContainerSpec
		label(&c.Labels, "", "x")
		label(&c.Labels, "a=b", "1")
	}},
	{"a platform of nothing", func(s *swarm.ServiceSpec) {
		p := there(&s.TaskTemplate.Placement)
		p.Platforms = []swarm.Platform{{}, {OS: "linux"}}
	}},
	{"a preference of nothing", func(s *swarm.ServiceSpec) {
		p := there(&s.TaskTemplate.Placement)
		p.Preferences = append(p.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{}})
	}},
	{"labels of a volume with odd names", func(s *swarm.ServiceSpec) {
		mounted(s, mount.Mount{Type: mount.TypeVolume, Source: "odd", Target: "/odd-labels", VolumeOptions: &mount.VolumeOptions{Labels: map[string]string{"": "x", "a=b": "1"}}})
	}},
	{"a path of a template", func(s *swarm.ServiceSpec) {
		mounted(s, mount.Mount{Type: mount.TypeVolume, Source: "odd", Target: "{{.Service.Name}}"})
	}},
	{"one network twice", func(s *swarm.ServiceSpec) {
		if n := s.TaskTemplate.Networks; len(n) > 0 {
			again := n[0]
			again.Aliases = []string{"again"}
			s.TaskTemplate.Networks = append(n[:len(n):len(n)], again)
		}
	}},
	{"a soft limit without a bound", func(s *swarm.ServiceSpec) {
		c := s.TaskTemplate.ContainerSpec
		c.Ulimits = append(c.Ulimits, &apicontainer.Ulimit{Name: "odd", Soft: -1, Hard: 1024})
	}},
	{"a resource twice", func(s *swarm.ServiceSpec) {
		r := there(&there(&s.TaskTemplate.Resources).Reservations)
		for range 2 {
			r.GenericResources = append(r.GenericResources, swarm.GenericResource{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: "odd", Value: 1}})
		}
	}},
	{"a mode of a regular file", func(s *swarm.ServiceSpec) {
		for _, r := range s.TaskTemplate.ContainerSpec.Configs {
			if r.File != nil {
				r.File.Mode = 0o100444
			}
		}
	}},
}

func mounted(s *swarm.ServiceSpec, m ...mount.Mount) {
	c := s.TaskTemplate.ContainerSpec
	c.Mounts = append(c.Mounts[:len(c.Mounts):len(c.Mounts)], m...)
}
