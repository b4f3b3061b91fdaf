package kinds_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

func publishing(name string, port uint32) *v1.Service {
	s := &v1.Service{Spec: v1.ServiceSpec{Image: "app:1"}}
	s.Metadata.Name = name
	if port > 0 {
		s.Spec.Ports = []v1.Port{{Target: 80, Published: port}}
	}
	s.Default()
	return s
}

func liveService(name string, port, before uint32, labels map[string]string) *kinds.Live {
	at := func(port uint32) *swarm.EndpointSpec {
		if port == 0 {
			return nil
		}
		return &swarm.EndpointSpec{Ports: []swarm.PortConfig{{TargetPort: 80, PublishedPort: port, Protocol: "tcp", PublishMode: swarm.PortConfigPublishModeIngress}}}
	}
	s := &swarm.Service{ID: "id-" + name, Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: name}, EndpointSpec: at(port)}}
	if before > 0 {
		s.PreviousSpec = &swarm.ServiceSpec{EndpointSpec: at(before)}
	}
	return &kinds.Live{Kind: v1.KindService, ID: s.ID, Name: name, Labels: labels, Raw: s}
}

func owned(name string) map[string]string {
	return map[string]string{v1.LabelOwner: "shop/Service/" + name}
}

func TestClaimsNameTheObjectsInTheWay(t *testing.T) {
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	create := diff.Change{Op: diff.Create, Key: web, Instance: "web", Want: &diff.State{Key: web, Instance: "web", Value: publishing("web", 80)}}
	update := func(l *kinds.Live, port uint32) diff.Change {
		c := create
		c.Op, c.Have = diff.Update, &diff.State{Key: web, Instance: "web", Meta: diff.Meta{ID: l.ID, Mine: true}, Value: l}
		c.Want = &diff.State{Key: web, Instance: "web", Value: publishing("web", port)}
		return c
	}
	mine := liveService("web", 80, 0, owned("web"))
	for _, one := range []struct {
		name   string
		change diff.Change
		lives  []*kinds.Live
		wants  map[string]*v1.Service
		want   string
	}{
		{"nobody has it", create, []*kinds.Live{liveService("db", 81, 0, nil)}, nil, ""},
		{"somebody's service has it", create, []*kinds.Live{liveService("db", 80, 0, nil)}, nil, "port 80/tcp of db"},
		{"one of ours that goes", create, []*kinds.Live{liveService("db", 80, 0, owned("db"))}, nil, "port 80/tcp of db, mine"},
		{"one of ours that gives it up", create, []*kinds.Live{liveService("db", 80, 0, owned("db"))}, map[string]*v1.Service{"db": publishing("db", 81)}, "port 80/tcp of db, mine"},
		{"one of ours that keeps it", create, []*kinds.Live{liveService("db", 80, 0, owned("db"))}, map[string]*v1.Service{"db": publishing("db", 80)}, "port 80/tcp of db, mine, stays"},
		{"one of ours that gave it up", create, []*kinds.Live{liveService("db", 81, 80, owned("db"))}, nil, "port 80/tcp of db, mine, former"},
		{"it has it itself", update(mine, 80), []*kinds.Live{mine}, nil, ""},
		{"it needs another", update(mine, 81), []*kinds.Live{mine, liveService("db", 81, 0, nil)}, nil, "port 81/tcp of db"},
		{"it gives one up", update(mine, 0), []*kinds.Live{mine, liveService("db", 81, 0, nil)}, nil, ""},
		{"a name in other case", create, []*kinds.Live{liveService("Web", 81, 0, nil)}, nil, "name web of Web"},
		{"a name and a port", create, []*kinds.Live{liveService("WEB", 80, 0, nil)}, nil, "name web of WEB; port 80/tcp of WEB"},
		{"removed, not changed", diff.Change{Op: diff.Remove, Key: web, Instance: "web", Have: &diff.State{Key: web, Value: mine}}, []*kinds.Live{mine, liveService("db", 80, 0, nil)}, nil, ""},
	} {
		wants := map[v1.Key]*diff.State{}
		for name, object := range one.wants {
			key := v1.Key{Kind: v1.KindService, Name: name}
			wants[key] = &diff.State{Key: key, Instance: name, Value: object}
		}
		ix := kinds.NewIndex(map[string][]*kinds.Live{v1.KindService: one.lives}, func(*kinds.Live) []kinds.Ref { return nil })
		if got := claimed(kinds.Claims(all.Kinds(), []diff.Change{one.change}, wants, ix, kinds.Source{Name: "shop"})); got != one.want {
			t.Errorf("%s: %q, want %q", one.name, got, one.want)
		}
	}
}

func claimed(all []plan.Claim) string {
	var out []string
	for _, c := range all {
		text := fmt.Sprintf("%s of %s", c.Claim, c.HolderInstance)
		for word, is := range map[string]bool{"mine": c.Mine, "stays": c.Stays, "former": c.Former} {
			if is {
				text += ", " + word
			}
		}
		parts := strings.Split(text, ", ")
		slices.Sort(parts[1:])
		if i := slices.Index(parts, "mine"); i > 1 {
			parts = append([]string{parts[0], "mine"}, slices.Delete(parts[1:], i-1, i)...)
		}
		out = append(out, strings.Join(parts, ", "))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func TestSubnetsOfTheSwarm(t *testing.T) {
	key := v1.Key{Kind: v1.KindNetwork, Name: "front"}
	net := &v1.Network{Spec: v1.NetworkSpec{IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "10.66.1.0/24"}, {Subnet: "fd00:1::/64"}}}}}
	net.Metadata.Name = "front"
	create := diff.Change{Op: diff.Create, Key: key, Instance: "front", Want: &diff.State{Key: key, Instance: "front", Value: net}}
	live := func(name, scope, subnet string, ingress bool) *kinds.Live {
		n := &network.Summary{Network: network.Network{ID: "id-" + name, Name: name, Scope: scope, Ingress: ingress, IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: netip.MustParsePrefix(subnet)}}}}}
		return &kinds.Live{Kind: v1.KindNetwork, ID: n.ID, Name: name, Local: scope != "swarm", Raw: n}
	}
	ix := kinds.NewIndex(map[string][]*kinds.Live{v1.KindNetwork: {
		live("wide", "swarm", "10.66.0.0/16", false), live("beside", "swarm", "10.67.0.0/16", false), live("six", "swarm", "fd00::/16", false),
		live("ingress", "swarm", "10.66.1.128/25", true), live("bridge", "local", "10.66.0.0/16", false),
	}}, func(*kinds.Live) []kinds.Ref { return nil })
	want := "subnet 10.66.1.0/24 of ingress; subnet 10.66.1.0/24 of wide; subnet fd00:1::/64 of six"
	if got := claimed(kinds.Claims(all.Kinds(), []diff.Change{create}, nil, ix, kinds.Source{Name: "shop"})); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A port that is published through the routing mesh keeps the network of the mesh in use, so the network is made first.
func TestAPortComesAfterTheNetworkOfTheRoutingMesh(t *testing.T) {
	mesh := &v1.Network{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNetwork, Metadata: v1.Metadata{Name: "ingress"}}, Spec: v1.NetworkSpec{Ingress: true}}
	front := &v1.Network{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNetwork, Metadata: v1.Metadata{Name: "front"}}}
	for _, test := range []struct {
		network *v1.Network
		ports   []v1.Port
		after   []int
	}{
		{mesh, []v1.Port{{Target: 80, Published: 8080}}, []int{1}},
		{mesh, []v1.Port{{Target: 80}}, []int{1}}, // the swarm chooses it
		{mesh, []v1.Port{{Target: 80, Published: 8080, Mode: "host"}}, nil},
		{mesh, nil, nil},
		{front, []v1.Port{{Target: 80, Published: 8080}}, nil},
	} {
		web := service("web")
		web.Spec.Ports = test.ports
		p := plan.Build(compare(index(), source, test.network, web), plan.Facts{Owned: 10}, plan.Policy{Budgets: plan.DefaultBudgets()}, all.Part())
		if len(p.Steps) != 2 || p.Steps[1].Key != web.Key() || !slices.Equal(p.Steps[1].After, test.after) {
			t.Errorf("%s and %+v: got %+v", test.network.Key(), test.ports, p)
		}
	}
}
