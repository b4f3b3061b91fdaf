package v1_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func TestNoticesOfNetworks(t *testing.T) {
	const want = "spec.ipam.config[1].subnet: engines from version 27 on allocate no IPv6 range to a network of a swarm (moby#52469), so the network and its tasks wait for ever; leave the range out"
	pools := []v1.IPAMPool{{Subnet: "10.1.0.0/24"}, {Subnet: "fd00::/64"}}
	for name, c := range map[string]struct {
		spec v1.NetworkSpec
		want string
	}{
		"IPv6":                           {v1.NetworkSpec{EnableIPv6: true, IPAM: &v1.IPAM{Config: pools}}, want},
		"IPv6 without a range":           {v1.NetworkSpec{EnableIPv6: true, IPAM: &v1.IPAM{Config: pools[:1]}}, ""},
		"IPv6 of a plugin":               {v1.NetworkSpec{EnableIPv6: true, IPAM: &v1.IPAM{Driver: "infoblox", Config: pools}}, ""},
		"IPv6 that is a problem already": {v1.NetworkSpec{IPAM: &v1.IPAM{Config: pools}}, ""},
	} {
		var got []string
		for _, n := range (&v1.Network{Header: named(v1.KindNetwork, "n"), Spec: c.spec}).Notices() {
			got = append(got, n.String())
		}
		if text := strings.Join(got, "\n"); text != c.want {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestNotices(t *testing.T) {
	host := []v1.Port{{Target: 53, Published: 53, Protocol: "udp", Mode: "host"}}
	first, last := &v1.UpdateConfig{Order: "start-first"}, &v1.UpdateConfig{Order: "stop-first"}
	const (
		begins     = ": start-first begins a new task while the old one still has 53/udp of its node (mode: host), so "
		elsewhere  = begins + "a new task starts only on a node that has none of this service, and without one the roll-out stands still; stop-first frees the port before"
		nowhere    = begins + "no new task ever starts, and the roll-out stands still; stop-first frees the port before"
		unanswered = ": the routing mesh does not lead to a container on the host's network, which listens on the ports of its node; leave "
	)
	for _, c := range []struct {
		name, want string
		spec       v1.ServiceSpec
	}{
		{"nothing", "", v1.ServiceSpec{}},
		{"start-first, and a port of the host", "spec.updateConfig.order" + elsewhere, v1.ServiceSpec{Ports: host, UpdateConfig: first}},
		{"start-first of a global service", "spec.updateConfig.order" + nowhere, v1.ServiceSpec{Mode: v1.ModeGlobal, Ports: host, UpdateConfig: first}},
		{"start-first of a rollback alone", "spec.rollbackConfig.order" + elsewhere, v1.ServiceSpec{Ports: host, UpdateConfig: last, RollbackConfig: first}},
		{"start-first of both", "spec.updateConfig.order" + elsewhere + "\nspec.rollbackConfig.order" + elsewhere, v1.ServiceSpec{Ports: host, UpdateConfig: first, RollbackConfig: first}},
		{"stop-first", "", v1.ServiceSpec{Ports: host, UpdateConfig: last, RollbackConfig: last}},
		{"an order that is not stated", "", v1.ServiceSpec{Ports: host, UpdateConfig: &v1.UpdateConfig{}}},
		{"a port of the host that the engine chooses", "", v1.ServiceSpec{Ports: []v1.Port{{Target: 53, Mode: "host"}}, UpdateConfig: first}},
		{"start-first, and a port of the mesh", "", v1.ServiceSpec{Ports: []v1.Port{{Target: 80, Published: 80}}, UpdateConfig: first}},
		{
			"the host's network, and ports of the mesh", "spec.ports[0]" + unanswered + "80/tcp out, or the network host\nspec.ports[2]" + unanswered + "81/tcp out, or the network host",
			v1.ServiceSpec{Networks: []v1.NetworkAttachment{{Name: "host"}}, Ports: []v1.Port{{Target: 8080, Published: 80}, {Target: 1, Published: 1, Mode: "host"}, {Target: 81, Mode: "ingress"}}},
		},
		{"another network, and ports of the mesh", "", v1.ServiceSpec{Networks: []v1.NetworkAttachment{{Name: "hosts"}}, Ports: []v1.Port{{Target: 80, Published: 80}}}},
		{"a variable without a value", "spec.environment.TZ: has no value, so the container does not get the variable, even if the image has it; for an empty one, write TZ=", v1.ServiceSpec{Environment: v1.Environment{"TZ": v1.NoValue, "A": ""}}},
		{"log options without a driver", "spec.logging.options: without a driver, these options go to the default log driver of each node's engine, and a container fails to start where that does not know them; state spec.logging.driver", v1.ServiceSpec{Logging: &v1.Logging{Options: map[string]string{"max-size": "10m"}}}},
		{"log options", "", v1.ServiceSpec{Logging: &v1.Logging{Driver: "json-file", Options: map[string]string{"max-size": "10m"}}}},
		{"a rollback of a rollback", "spec.rollbackConfig.failureAction: a rollback that fails is not rolled back, so rollback does the same as pause", v1.ServiceSpec{UpdateConfig: &v1.UpdateConfig{FailureAction: "rollback"}, RollbackConfig: &v1.UpdateConfig{FailureAction: "rollback"}}},
		{
			"preferences that are no labels", `spec.placement.preferences[1].spread: the swarm ignores "node.role.manager": it spreads over labels of nodes or engines, such as node.labels.zone`,
			v1.ServiceSpec{Placement: &v1.Placement{Preferences: []v1.Preference{{Spread: "node.labels.zone"}, {Spread: "node.role.manager"}}}},
		},
		{
			"names that need a plugin", `spec.mounts[0].source: a name such as "a/b" exists only with the volume driver of a plugin; others need two or more letters, digits, _, . and -`,
			v1.ServiceSpec{Mounts: []v1.Mount{
				{Type: "volume", Source: "a/b", Target: "/a"},
				{Type: "volume", Source: "a/b", Target: "/b", Volume: &v1.VolumeOption{Driver: "rexray"}},
				{Type: "volume", Source: "{{.Task.Slot}}", Target: "/c"},
				{Type: "volume", Target: "/d"},
				{Type: "volume", Source: "ab", Target: "/e"},
			}},
		},
		{
			"more reserved than a task may use", "spec.resources.reservations.cpus: 2 is more than the limit of 1: the swarm sets aside what no task can use\n" +
				"spec.resources.reservations.memory: 16MiB is more than the limit of 8MiB: the swarm sets aside what no task can use",
			v1.ServiceSpec{Resources: &v1.Resources{Limits: v1.ResourceLimits{CPUs: 1e9, Memory: 8 << 20}, Reservations: v1.Reservations{CPUs: 2e9, Memory: 16 << 20}}},
		},
		{"as much reserved as a task may use", "", v1.ServiceSpec{Resources: &v1.Resources{Limits: v1.ResourceLimits{CPUs: 1e9}, Reservations: v1.Reservations{CPUs: 1e9, Memory: 16 << 20}}}},
		{"the host's network alone", "", v1.ServiceSpec{Networks: []v1.NetworkAttachment{{Name: "host"}}, Ports: host}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spec.Image = "bb"
			s := &v1.Service{Header: named(v1.KindService, "web"), Spec: c.spec}
			var got []string
			for _, n := range s.Notices() {
				got = append(got, n.String())
			}
			if d := cmp.Diff(c.want, strings.Join(got, "\n")); d != "" {
				t.Errorf("notices (-want +got):\n%s", d)
			}
			if text := problems(s); text != "" {
				t.Errorf("a notice is no problem: %s", text)
			}
		})
	}
}

// The swarm takes and runs all of this, so it is a notice and no problem.
func TestWhatRunsAndIsOddIsANotice(t *testing.T) {
	labels := map[string]string{"": "x", "a=b": "1"}
	s := &v1.Service{Header: named(v1.KindService, "web"), Spec: v1.ServiceSpec{
		Image: "bb", ContainerLabels: labels,
		Networks: []v1.NetworkAttachment{{Name: "a"}, {Name: "b"}, {Name: "a"}},
		Configs:  []v1.ConfigMount{{Source: "a", Mode: ptr(v1.FileMode(0o100444))}},
		Mounts: []v1.Mount{
			{Type: "volume", Target: "/x/", Volume: &v1.VolumeOption{Labels: labels}},
			{Type: "bind", Source: "{{.Service.Name}}", Target: "{{.Task.Name}}"},
		},
		Mode: v1.ModeReplicatedJob, MaxConcurrent: ptr(uint64(0)),
		Ulimits: v1.Ulimits{"a": {Soft: 3, Hard: 2}, "b": {Soft: -1, Hard: 2}, "c": {Soft: 3, Hard: -1}},
		Resources: &v1.Resources{Reservations: v1.Reservations{GenericResources: []v1.GenericResource{
			{DiscreteResourceSpec: v1.DiscreteResource{Kind: "gpu", Value: 1}},
			{DiscreteResourceSpec: v1.DiscreteResource{Value: 1}},
			{DiscreteResourceSpec: v1.DiscreteResource{Kind: "tpu"}},
			{DiscreteResourceSpec: v1.DiscreteResource{Kind: "gpu", Value: 2}},
		}}},
		Placement: &v1.Placement{Preferences: []v1.Preference{{}}, Platforms: []v1.TaskPlatform{{}, {OS: "linux"}}},
	}}
	s.Metadata.Labels = labels
	const generic = "spec.resources.reservations.genericResources"
	want := []string{
		`spec.placement.preferences[0].spread: the swarm ignores "": it spreads over labels of nodes or engines, such as node.labels.zone`,
		`spec.containerLabels[""]: the label has no name, and nobody finds it`,
		`spec.networks[2].name: "a" is stated twice; once is enough`,
		"spec.configs[0].mode: 100444 has bits that are no permissions, and the engine ignores those; 0444 is the same",
		`spec.mounts[0].volume.labels[""]: the label has no name, and nobody finds it`,
		`spec.ulimits.a: the soft limit 3 is more than the hard one, 2, and a container may fail to start with that`,
		`spec.ulimits.b: the soft limit -1 is more than the hard one, 2, and a container may fail to start with that`,
		"spec.maxConcurrent: 0 runs no task at all",
		generic + `[1].discreteResourceSpec.kind: is empty, and no node has such a resource`,
		generic + `[2].discreteResourceSpec.value: 0 reserves nothing`,
		generic + `[3].discreteResourceSpec.kind: "gpu" is stated twice, and the scheduler looks at each alone, so a node may not have that much`,
		`spec.placement.platforms[0]: states neither os nor architecture, so tasks may run on every platform`,
		`metadata.labels[""]: the label has no name, and nobody finds it`,
	}
	var got []string
	for _, n := range s.Notices() {
		got = append(got, n.String())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("notices (-want +got):\n%s", d)
	}
	for _, form := range []string{"stated", "normal"} {
		if text := problems(s); text != "" {
			t.Errorf("the %s form has problems: %s", form, text)
		}
		s.Default()
	}
}

// The list form of compose makes such names of - traefik.enable = true.
func TestNoticesOfLabels(t *testing.T) {
	const want = `metadata.labels["traefik.enable "]: the name "traefik.enable " holds white space, and whoever looks for the label without it finds nothing`
	const spaced = "traefik.enable "
	head := func(kind string) v1.Header {
		h := named(kind, "a")
		h.Metadata.Labels = map[string]string{spaced: " true", "traefik.port": "80"}
		return h
	}
	for _, o := range []v1.Noticer{
		&v1.Service{Header: head(v1.KindService)}, &v1.Network{Header: head(v1.KindNetwork)}, &v1.Config{Header: head(v1.KindConfig)}, &v1.Secret{Header: head(v1.KindSecret)},
	} {
		if got := o.Notices(); len(got) != 1 || got[0].String() != want {
			t.Errorf("%T: %v", o, got)
		}
	}
}
