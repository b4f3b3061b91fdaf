package network

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/network"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// overlay returns a network as the engine gives it back if nothing was stated.
func overlay() *network.Summary {
	n := &network.Summary{}
	n.Name, n.ID, n.Scope, n.Driver = "front", "id", "swarm", "overlay"
	n.Options = map[string]string{"com.docker.network.driver.overlay.vxlanid_list": "4097"}
	n.IPAM = network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: netip.MustParsePrefix("10.0.1.0/24"), Gateway: netip.MustParseAddr("10.0.1.1")}}}
	return n
}

func TestANodesCopyOfARemovedNetworkIsGone(t *testing.T) {
	removed, ingress, bridge := overlay(), overlay(), overlay()
	removed.Peers = []network.PeerInfo{{Name: "5afc73406f94", IP: netip.MustParseAddr("192.0.2.11")}}
	ingress.Ingress, ingress.Peers = true, removed.Peers
	bridge.Scope = "local"
	for n, want := range map[*network.Summary]bool{overlay(): false, removed: true, ingress: false, bridge: false} {
		if got := gone(n); got != want {
			t.Errorf("gone is %t for %+v", got, n)
		}
	}
}

// After the network of the routing mesh was made again, a node may still list its copy of the one before.
func TestThereIsOneNetworkOfTheRoutingMesh(t *testing.T) {
	of := func(id string, ingress, copied bool) engine.ListedNetwork {
		n := overlay()
		n.ID, n.Ingress = id, ingress
		if copied {
			n.Peers = []network.PeerInfo{{Name: "a"}}
		}
		return engine.ListedNetwork{Summary: *n}
	}
	for want, list := range map[string][]engine.ListedNetwork{
		"new front": {of("old", true, true), of("new", true, false), of("front", false, false)},
		"old":       {of("old", true, true), of("gone", false, true)},
		"new":       {of("new", true, false)},
		"":          nil,
	} {
		var got []string
		for _, n := range present(list) {
			got = append(got, n.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("there are %q, want %q", got, want)
		}
	}
}

// An event may still name the network of the routing mesh that was replaced, and the node still has its copy.
func TestACopyOfTheRoutingMeshThatWasReplacedIsNotRead(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	var listed []network.Summary
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.44")
		if strings.HasSuffix(r.URL.Path, "/networks") {
			asked++
			answer := []network.Summary{}
			for _, n := range listed {
				if filter := r.URL.Query().Get("filters"); filter == "" || strings.Contains(filter, n.ID) {
					answer = append(answer, n)
				}
			}
			if err := json.NewEncoder(w).Encode(answer); err != nil {
				t.Error(err)
			}
		}
	}))
	defer srv.Close()
	c, err := engine.Open(engine.Options{Host: "tcp://" + srv.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	of := func(id string, ingress, copied bool) network.Summary {
		n := overlay()
		n.ID, n.Ingress = id, ingress
		if copied {
			n.Peers = []network.PeerInfo{{Name: "a", IP: netip.MustParseAddr("192.0.2.11")}}
		}
		return *n
	}
	for _, test := range []struct {
		name   string
		listed []network.Summary
		id     string
		there  bool
		calls  int
	}{
		{"the copy of the one before", []network.Summary{of("old", true, true), of("new", true, false)}, "old", false, 2},
		{"the new one", []network.Summary{of("old", true, true), of("new", true, false)}, "new", true, 1},
		{"the only one", []network.Summary{of("old", true, true), of("front", false, false)}, "old", true, 2},
		{"another network", []network.Summary{of("old", true, true), of("front", false, false)}, "front", true, 1},
		{"the copy of another network", []network.Summary{of("front", false, true)}, "front", false, 1},
		{"one that nobody has", nil, "old", false, 1},
	} {
		listed, asked = test.listed, 0
		l, err := readOne(t.Context(), c, test.id)
		if there := err == nil; there != test.there || there && l.ID != test.id || !there && !engine.IsNotFound(err) || asked != test.calls {
			t.Errorf("%s: %+v, %v, after %d calls", test.name, l, err, asked)
		}
	}
}

// The network of the routing mesh can be taken over and replaced like any other. It is never removed.
func TestTheNetworkOfTheRoutingMesh(t *testing.T) {
	mine := overlay()
	mine.Name, mine.Ingress = "ingress", true
	key := v1.Key{Kind: v1.KindNetwork, Name: "ingress"}
	manifest := &v1.Network{Header: v1.Header{Kind: v1.KindNetwork, Metadata: v1.Metadata{Name: "ingress"}}, Spec: v1.NetworkSpec{Ingress: true}}
	o, err := stated(manifest)
	if err != nil || !o.Ingress || !read(mine).Spec.Ingress || live(mine, nil).Local {
		t.Errorf("it is made with %+v (%v), read as %+v, and known as %+v", o, err, read(mine).Spec, live(mine, nil))
	}
	mesh, subnet := diff.Claim{What: "network", Of: "of the routing mesh"}, diff.Claim{What: "subnet", Subnet: netip.MustParsePrefix("10.0.1.0/24")}
	if has, _ := holds(live(mine, nil)); !slices.Equal(has, []diff.Claim{mesh, subnet}) || !slices.Equal(claims(manifest), []diff.Claim{mesh}) {
		t.Errorf("it has %v, and is asked for %v", has, claims(manifest))
	}
	if has, _ := holds(live(overlay(), nil)); !slices.Equal(has, []diff.Claim{subnet}) || len(claims(&v1.Network{})) > 0 {
		t.Errorf("another one has %v", has)
	}
	step := func(op diff.Op, kind string, n *network.Summary) plan.Step {
		return plan.Step{Op: op, Key: v1.Key{Kind: kind, Name: n.Name}, Instance: n.Name, Change: diff.Change{Have: &diff.State{Instance: n.Name, Value: live(n, nil)}}}
	}
	for _, test := range []struct {
		step    plan.Step
		refused bool
	}{
		{step(diff.Remove, v1.KindNetwork, mine), true},
		{step(diff.Replace, v1.KindNetwork, mine), false},
		{step(diff.Remove, v1.KindNetwork, overlay()), false},
		{step(diff.Remove, v1.KindConfig, mine), false},
	} {
		got := Kind().Forbids[0].Check(plan.Plan{Steps: []plan.Step{test.step}}, plan.Facts{}, plan.Policy{})
		if len(got) == 1 != test.refused || test.refused && (got[0].Key != key || got[0].Class != plan.Never || !strings.Contains(got[0].Why, "unmanage Network/ingress")) {
			t.Errorf("%s of %s: %+v", test.step.Op, test.step.Key, got)
		}
	}
	if _, err := do(t.Context(), kinds.Env{}, step(diff.Remove, v1.KindNetwork, mine)); err == nil || !strings.Contains(err.Error(), "the routing mesh needs it") {
		t.Errorf("it is removed: %v", err)
	}
}

func TestNormalForm(t *testing.T) {
	tests := []struct {
		name    string
		live    func(*network.Summary)
		state   v1.NetworkSpec
		labels  map[string]string
		differs []string
	}{
		{name: "nothing stated"},
		{name: "the defaults stated", state: v1.NetworkSpec{Driver: "overlay", IPAM: &v1.IPAM{Driver: "default"}}},
		{name: "not allocated", live: func(n *network.Summary) { n.Driver, n.Options, n.IPAM = "", nil, network.IPAM{} }, differs: []string{"spec.driver"}},
		{
			name: "not allocated, with a pool stated", live: func(n *network.Summary) { n.Driver, n.Options, n.IPAM = "", nil, network.IPAM{} },
			state: v1.NetworkSpec{IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "10.0.1.0/24"}}}}, differs: []string{"spec.driver", "spec.ipam.config[10.0.1.0/24].subnet"},
		},
		{name: "another driver", live: func(n *network.Summary) { n.Driver = "weave" }, differs: []string{"spec.driver"}},
		{name: "options of drivers are nobody's", live: func(n *network.Summary) { n.Options["encrypted"] = "" }},
		{name: "an option stated", live: func(n *network.Summary) { n.Options["encrypted"] = "" }, state: v1.NetworkSpec{DriverOpts: map[string]string{"encrypted": ""}}},
		{name: "an option that is missing", state: v1.NetworkSpec{DriverOpts: map[string]string{"encrypted": ""}}, differs: []string{"spec.driverOpts.encrypted"}},
		{name: "nodes' own settings", live: func(n *network.Summary) { n.ConfigFrom.Network = "vlan7" }, state: v1.NetworkSpec{ConfigFrom: "vlan7"}},
		{name: "nodes' own settings that nobody stated", live: func(n *network.Summary) { n.ConfigFrom.Network = "vlan7" }, differs: []string{"spec.configFrom"}},
		{name: "attachable", live: func(n *network.Summary) { n.Attachable = true }, differs: []string{"spec.attachable"}},
		{name: "internal", state: v1.NetworkSpec{Internal: true}, differs: []string{"spec.internal"}},
		{name: "of the routing mesh", live: func(n *network.Summary) { n.Ingress = true }, state: v1.NetworkSpec{Ingress: true}},
		{name: "of the routing mesh, by nobody's wish", live: func(n *network.Summary) { n.Ingress = true }, differs: []string{"spec.ingress"}},
		{name: "not of the routing mesh", state: v1.NetworkSpec{Ingress: true}, differs: []string{"spec.ingress"}},
		{name: "IPv6", state: v1.NetworkSpec{EnableIPv6: true}, differs: []string{"spec.enableIPv6"}},
		{name: "a pool stated, its gateway allocated", state: v1.NetworkSpec{IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "10.0.1.0/24"}}}}},
		{
			name: "another pool", state: v1.NetworkSpec{IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "10.0.2.0/24", Gateway: "10.0.2.1"}}}},
			differs: []string{"spec.ipam.config[10.0.2.0/24].gateway", "spec.ipam.config[10.0.2.0/24].subnet"},
		},
		{
			name:  "pools in another order and another spelling",
			state: v1.NetworkSpec{EnableIPv6: true, IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "FD00:0::/64", Gateway: "fd00:0:0::1"}, {Subnet: "10.0.1.0/24", IPRange: "10.0.1.128/25"}}}},
			live: func(n *network.Summary) {
				n.EnableIPv6 = true
				n.IPAM.Config[0].IPRange = netip.MustParsePrefix("10.0.1.128/25")
				n.IPAM.Config = append(n.IPAM.Config, network.IPAMConfig{Subnet: netip.MustParsePrefix("fd00::/64"), Gateway: netip.MustParseAddr("fd00::1")})
			},
		},
		{
			name: "host bits that an old engine kept", live: func(n *network.Summary) { n.IPAM.Config[0].Subnet = netip.MustParsePrefix("10.0.1.1/24") },
			state: v1.NetworkSpec{IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "10.0.1.0/24", Gateway: "10.0.1.1"}}}},
		},
		{
			name: "a network of each node", live: func(n *network.Summary) {
				n.Driver, n.IPAM, n.Options = "bridge", network.IPAM{}, nil
			},
			state: v1.NetworkSpec{Driver: "bridge"},
		},
		{name: "docker's labels are nobody's", live: func(n *network.Summary) { n.Labels = map[string]string{"com.docker.stack.namespace": "s"} }},
		{name: "a label", labels: map[string]string{"a": "1"}, differs: []string{"metadata.labels.a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			live := overlay()
			if test.live != nil {
				test.live(live)
			}
			manifest := &v1.Network{Header: v1.Header{Kind: v1.KindNetwork, Metadata: v1.Metadata{Name: "front", Labels: test.labels}}, Spec: test.state}
			if ps := manifest.Validate(); len(ps) > 0 {
				t.Fatalf("the manifest is invalid: %v", ps)
			}
			want := kinds.Expand([]kinds.Kind{Kind()}, []kinds.Entry{{Object: manifest}}, kinds.NewIndex(nil, nil), kinds.Source{Name: "src"}, nil).States[0]
			want.Whole()
			have := diff.State{Key: want.Key, Instance: "front", Leaves: shape.Flatten(read(live))}
			var got []string
			for _, f := range diff.DifferingFields(&have, want, rules) {
				got = append(got, f.Path)
				if f.Effect != diff.Recreate {
					t.Errorf("%s: %s, and the engine changes no network", f.Path, f.Effect)
				}
			}
			if d := cmp.Diff(test.differs, got); d != "" {
				t.Errorf("differing (-want +got):\n%s", d)
			}
		})
	}
}

func TestPools(t *testing.T) {
	got, err := pools([]v1.IPAMPool{{Subnet: "10.0.1.0/24", IPRange: "10.0.1.128/25", Gateway: "10.0.1.1"}, {Subnet: "fd00::/64"}})
	want := []network.IPAMConfig{
		{Subnet: netip.MustParsePrefix("10.0.1.0/24"), IPRange: netip.MustParsePrefix("10.0.1.128/25"), Gateway: netip.MustParseAddr("10.0.1.1")},
		{Subnet: netip.MustParsePrefix("fd00::/64")},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || d != "" {
		t.Errorf("pools (-want +got), %v:\n%s", err, d)
	}
	for part, pool := range map[string]v1.IPAMPool{"subnet": {Subnet: "x"}, "range": {Subnet: "10.0.1.0/24", IPRange: "x"}, "gateway": {Subnet: "10.0.1.0/24", Gateway: "x"}} {
		if _, err := pools([]v1.IPAMPool{pool}); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
}
