package service

import (
	"slices"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

func TestClaims(t *testing.T) {
	s := &v1.Service{Spec: v1.ServiceSpec{Image: "app:1", Ports: []v1.Port{{Target: 80, Published: 8080}, {Target: 53, Published: 53, Protocol: "udp", Mode: "host"}, {Target: 81}}}}
	s.Default()
	want := []diff.Claim{{What: "port", Of: "53/udp", Host: true}, {What: "port", Of: "8080/tcp"}}
	if got := claims(s); !slices.Equal(got, want) {
		t.Errorf("a manifest claims %v, want %v", got, want)
	}
}

func TestHolds(t *testing.T) {
	port := func(n uint32, mode swarm.PortConfigPublishMode) *swarm.EndpointSpec {
		return &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: n, PublishMode: mode}}}
	}
	ingress, host := swarm.PortConfigPublishModeIngress, swarm.PortConfigPublishModeHost
	one := func(of string, host bool) diff.Claim { return diff.Claim{What: "port", Of: of, Host: host} }
	for _, c := range []struct {
		name     string
		service  swarm.Service
		has, had []diff.Claim
	}{
		{"nothing", swarm.Service{}, nil, nil},
		{"a port", swarm.Service{Spec: swarm.ServiceSpec{EndpointSpec: port(80, ingress)}}, []diff.Claim{one("80/tcp", false)}, nil},
		{"one of the nodes", swarm.Service{Spec: swarm.ServiceSpec{EndpointSpec: port(80, host)}}, []diff.Claim{one("80/tcp", true)}, nil},
		{"one that the swarm is to choose", swarm.Service{Spec: swarm.ServiceSpec{EndpointSpec: port(0, ingress)}}, nil, nil},
		{"another one before", swarm.Service{Spec: swarm.ServiceSpec{EndpointSpec: port(81, ingress)}, PreviousSpec: &swarm.ServiceSpec{EndpointSpec: port(80, ingress)}}, []diff.Claim{one("81/tcp", false)}, []diff.Claim{one("80/tcp", false)}},
		{"none before", swarm.Service{PreviousSpec: &swarm.ServiceSpec{}}, nil, nil},
		{"an update that is not allocated yet", swarm.Service{Spec: swarm.ServiceSpec{EndpointSpec: port(81, ingress)}, Endpoint: swarm.Endpoint{Ports: port(80, ingress).Ports}}, []diff.Claim{one("81/tcp", false)}, []diff.Claim{one("80/tcp", false)}},
	} {
		has, had := holds(&kinds.Live{Raw: &c.service})
		if !slices.Equal(has, c.has) || !slices.Equal(had, c.had) {
			t.Errorf("%s: holds %v, and before %v; want %v, and before %v", c.name, has, had, c.has, c.had)
		}
	}
}
