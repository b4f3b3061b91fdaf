package network

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/network"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
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
		{name: "without a driver", live: func(n *network.Summary) { n.Driver = "" }},
		{name: "another driver", live: func(n *network.Summary) { n.Driver = "weave" }, differs: []string{"spec.driver"}},
		{name: "options of drivers are nobody's", live: func(n *network.Summary) { n.Options["encrypted"] = "" }},
		{name: "an option stated", live: func(n *network.Summary) { n.Options["encrypted"] = "" }, state: v1.NetworkSpec{DriverOpts: map[string]string{"encrypted": ""}}},
		{name: "an option that is missing", state: v1.NetworkSpec{DriverOpts: map[string]string{"encrypted": ""}}, differs: []string{"spec.driverOpts.encrypted"}},
		{name: "nodes' own settings", live: func(n *network.Summary) { n.ConfigFrom.Network = "vlan7" }, state: v1.NetworkSpec{ConfigFrom: "vlan7"}},
		{name: "nodes' own settings that nobody stated", live: func(n *network.Summary) { n.ConfigFrom.Network = "vlan7" }, differs: []string{"spec.configFrom"}},
		{name: "attachable", live: func(n *network.Summary) { n.Attachable = true }, differs: []string{"spec.attachable"}},
		{name: "internal", state: v1.NetworkSpec{Internal: true}, differs: []string{"spec.internal"}},
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
