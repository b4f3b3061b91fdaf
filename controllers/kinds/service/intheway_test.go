package service

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

func TestWhatIsInTheWayOfAWaitingService(t *testing.T) {
	host, ingress := swarm.PortConfigPublishModeHost, swarm.PortConfigPublishModeIngress
	goes := func(name string, port uint32, mode swarm.PortConfigPublishMode) diff.Change {
		raw := &swarm.Service{Spec: swarm.ServiceSpec{
			Annotations:  swarm.Annotations{Name: name},
			EndpointSpec: &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: port, Protocol: "tcp", PublishMode: mode}}},
		}}
		key := v1.Key{Kind: v1.KindService, Name: name}
		return diff.Change{Op: diff.Remove, Key: key, Have: &diff.State{Key: key, Value: &kinds.Live{Kind: v1.KindService, Name: name, Raw: raw}}}
	}
	asks := func(name string, ports ...v1.Port) (v1.Key, *diff.State) {
		key := v1.Key{Kind: v1.KindService, Name: name}
		return key, &diff.State{Key: key, Value: &v1.Service{Spec: v1.ServiceSpec{Ports: ports}}}
	}
	wants := map[v1.Key]*diff.State{}
	for name, ports := range map[string][]v1.Port{
		"a": {{Target: 80, Published: 80, Protocol: "tcp", Mode: "host"}},
		"b": {{Target: 80, Published: 80, Protocol: "tcp", Mode: "host"}, {Target: 81, Published: 81, Protocol: "tcp", Mode: "host"}},
		"c": {{Target: 82, Published: 82, Protocol: "tcp"}},
		"d": {{Target: 80, Published: 83, Protocol: "udp", Mode: "host"}},
	} {
		key, want := asks(name, ports...)
		wants[key] = want
	}
	changes := []diff.Change{goes("one", 80, host), goes("two", 81, host), goes("three", 82, ingress), goes("four", 83, host), goes("five", 80, ingress)}
	waiting := []v1.Key{{Kind: v1.KindService, Name: "d"}, {Kind: v1.KindService, Name: "c"}, {Kind: v1.KindService, Name: "b"}, {Kind: v1.KindService, Name: "a"}, {Kind: v1.KindService, Name: "unknown"}}
	got := map[string]string{}
	for giver, taker := range kinds.InTheWay([]kinds.Kind{Kind()}, changes, wants, waiting) {
		got[giver.Name] = taker.Name
	}
	if d := cmp.Diff(map[string]string{"one": "a", "two": "b"}, got); d != "" {
		t.Errorf("who is in the way of whom (-want +got):\n%s", d)
	}
}
