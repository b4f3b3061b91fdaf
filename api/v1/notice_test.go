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
