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

// rolling returns the service while its tasks are being replaced.
func rolling(l *kinds.Live) *kinds.Live {
	l.Raw.(*swarm.Service).UpdateStatus = &swarm.UpdateStatus{State: swarm.UpdateStateUpdating}
	return l
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
		{"one of ours that gave it up, which this source follows itself", create, []*kinds.Live{rolling(liveService("db", 81, 80, owned("db")))}, map[string]*v1.Service{"db": publishing("db", 81)}, "port 80/tcp of db, mine, former"},
		{"one of ours that gave it up, and that goes", create, []*kinds.Live{rolling(liveService("db", 81, 80, owned("db")))}, nil, "port 80/tcp of db, mine, former, updating"},
		{"somebody's that gives it up", create, []*kinds.Live{rolling(liveService("db", 81, 80, nil))}, nil, "port 80/tcp of db, former, updating"},
		{"somebody's that gives it up, and that a manifest is about", create, []*kinds.Live{rolling(liveService("db", 81, 80, nil))}, map[string]*v1.Service{"db": publishing("db", 81)}, "port 80/tcp of db, former, updating"},
		{"somebody's that has it while it is updated", create, []*kinds.Live{rolling(liveService("db", 80, 80, nil))}, nil, "port 80/tcp of db"},
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
		for _, note := range []struct {
			is   bool
			text string
		}{{c.Mine, "mine"}, {c.Former, "former"}, {c.Stays, "stays"}, {c.Rollout.State != "", c.Rollout.State}} {
			if note.is {
				text += ", " + note.text
			}
		}
		out = append(out, text)
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
	named := func(name string, ingress bool) *v1.Network {
		return &v1.Network{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNetwork, Metadata: v1.Metadata{Name: name}}, Spec: v1.NetworkSpec{Ingress: ingress}}
	}
	mesh, front, wider := named("ingress", true), named("front", false), named("ingress", true)
	wider.Spec.DriverOpts = map[string]string{"com.docker.network.driver.mtu": "1400"}
	was := &network.Summary{Network: network.Network{ID: "id-ingress", Name: "ingress", Scope: "swarm", Driver: "overlay", Ingress: true, Labels: map[string]string{v1.LabelOwner: "src/Network/ingress"}}}
	lives := []*kinds.Live{
		{Kind: v1.KindNetwork, ID: was.ID, Name: was.Name, Labels: was.Labels, Raw: was},
		live(v1.KindService, "web", map[string]string{v1.LabelOwner: "src/Service/web"}, 0, ""),
	}
	published := []v1.Port{{Target: 80, Published: 8080}}
	for _, test := range []struct {
		lives   []*kinds.Live
		network *v1.Network
		ports   []v1.Port
		steps   string
	}{
		{nil, mesh, published, "1 +Network/ingress, 2 +Service/web after [1]"},
		{nil, mesh, []v1.Port{{Target: 80}}, "1 +Network/ingress, 2 +Service/web after [1]"}, // the swarm chooses it
		{nil, mesh, []v1.Port{{Target: 80, Published: 8080, Mode: "host"}}, "1 +Network/ingress, 2 +Service/web after []"},
		{nil, mesh, nil, "1 +Network/ingress, 2 +Service/web after []"},
		{nil, front, published, "1 +Network/front, 2 +Service/web after []"},
		{lives[:2], wider, published, "1 ±Network/ingress, 2 ~Service/web after [1]"},
		{lives[:1], wider, published, "1 ±Network/ingress, 2 +Service/web after [1]"},
	} {
		web := service("web")
		web.Spec.Ports = test.ports
		changes := compare(index(test.lives...), source, test.network, web)
		p := plan.Build(changes, plan.Facts{Owned: 10, Shares: true}, plan.Policy{Budgets: plan.DefaultBudgets(), Consents: []plan.Consented{{Hazard: plan.Replace}}}, all.Part())
		if len(p.Steps) != 2 {
			t.Errorf("%s: got %+v", test.steps, p)
			continue
		}
		a, b := p.Steps[0], p.Steps[1]
		if got := fmt.Sprintf("%d %s%s, %d %s%s after %v", a.ID, a.Op, a.Key, b.ID, b.Op, b.Key, b.After); got != test.steps {
			t.Errorf("got %s, want %s", got, test.steps)
		}
	}
	// What makes room, and what the network depends on, comes before it.
	want := func(o v1.Object) *diff.State { return expand(index(), source, o).States[0].Whole() }
	web := service("web")
	web.Spec.Ports = published
	steps := []plan.Step{
		{ID: 1, Op: diff.Remove, Change: diff.Change{Want: want(web)}},
		{ID: 2, Op: diff.Update, Change: diff.Change{Want: want(web)}},
		{ID: 3, Op: diff.Replace, Change: diff.Change{Want: want(mesh)}},
		{ID: 4, Op: diff.Update, After: []int{2, 5}, Change: diff.Change{Want: want(web)}},
		{ID: 5, Op: diff.Remove, Change: diff.Change{}},
	}
	p := plan.Plan{Steps: steps}
	all.Part().Finish(&p, plan.Facts{}, plan.Policy{})
	var after [][]int
	for _, s := range p.Steps {
		after = append(after, s.After)
	}
	if fmt.Sprint(after) != "[[] [] [] [2 3 5] []]" {
		t.Errorf("they come after %v", after)
	}
}
