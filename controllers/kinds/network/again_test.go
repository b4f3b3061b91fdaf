package network

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// replacing returns the step that replaces a live network, and the step that makes it again after a kill in between.
func replacing(t *testing.T, was *network.Summary, spec v1.NetworkSpec) []plan.Step {
	t.Helper()
	manifest := &v1.Network{Header: v1.Header{Kind: v1.KindNetwork, Metadata: v1.Metadata{Name: "front"}}, Spec: spec}
	want := kinds.Expand([]kinds.Kind{Kind()}, []kinds.Entry{{Object: manifest}}, kinds.NewIndex(nil, nil), kinds.Source{Name: "src"}, nil).States[0]
	want.Whole()
	data, err := freeze(live(was, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	again := *want
	if again.Start, err = thaw(data); err != nil {
		t.Fatal(err)
	}
	return []plan.Step{
		{Op: diff.Replace, Key: want.Key, Change: diff.Change{Want: want, Have: &diff.State{Value: live(was, nil), Meta: diff.Meta{Applied: diff.ParseApplied(was.Labels[v1.LabelApplied])}}}},
		{Op: diff.Create, Key: want.Key, Change: diff.Change{Want: &again}},
	}
}

// stating returns the label of an object whose manifest stated fields.
func stating(paths ...string) string {
	var leaves []diff.Leaf
	for _, p := range paths {
		leaves = append(leaves, diff.Leaf{Path: p, Stated: true})
	}
	return diff.NewApplied(leaves).String()
}

// ipam returns the pools and the address manager that a network is made with, as text.
func ipam(i *network.IPAM) (pools, manager string) {
	if i == nil {
		return "", ""
	}
	var list []string
	for _, p := range i.Config {
		text := p.Subnet.String()
		if p.IPRange.IsValid() {
			text += "-" + p.IPRange.String()
		}
		if p.Gateway.IsValid() {
			text += "@" + p.Gateway.String()
		}
		list = append(list, text)
	}
	words := slices.Sorted(maps.Keys(i.Options))
	if i.Driver != "default" && i.Driver != "" {
		words = append([]string{i.Driver}, words...)
	}
	return strings.Join(list, " "), strings.Join(words, " ")
}

func TestASubnetThatTheSwarmMayHaveChosen(t *testing.T) {
	of := func(info any) func(netip.Prefix) bool {
		return automatic(kinds.NewIndex(map[string][]*kinds.Live{v1.KindCluster: {{Kind: v1.KindCluster, ID: "c", Name: v1.ClusterName, Raw: info}}}, func(*kinds.Live) []kinds.Ref { return nil }))
	}
	own := &swarm.ClusterInfo{DefaultAddrPool: []netip.Prefix{netip.MustParsePrefix("172.30.0.0/16"), netip.MustParsePrefix("172.20.0.0/14")}, SubnetSize: 26}
	for _, test := range []struct {
		info   *swarm.ClusterInfo
		subnet string
		want   bool
	}{
		{&swarm.ClusterInfo{}, "10.0.7.0/24", true},
		{&swarm.ClusterInfo{}, "10.0.0.0/16", false},
		{&swarm.ClusterInfo{}, "192.168.0.0/24", false},
		{own, "172.30.1.64/26", true},
		{own, "172.21.1.0/26", true},
		{own, "172.30.1.0/24", false},
		{own, "10.0.7.0/24", false},
		{own, "fd00::/64", false},
	} {
		if got := of(test.info)(netip.MustParsePrefix(test.subnet)); got != test.want {
			t.Errorf("%s, of %v: %t", test.subnet, test.info.DefaultAddrPool, got)
		}
	}
	if automatic(nil) != nil || automatic(kinds.NewIndex(nil, nil)) != nil {
		t.Error("nothing is known, and it is said")
	}
}

func TestANetworkThatIsMadeAgainKeepsWhatItsManifestIsSilentAbout(t *testing.T) {
	v6 := network.IPAMConfig{Subnet: netip.MustParsePrefix("fd00::/64")}
	info := &swarm.ClusterInfo{DefaultAddrPool: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, SubnetSize: 24}
	pools := kinds.NewIndex(map[string][]*kinds.Live{v1.KindCluster: {{Kind: v1.KindCluster, ID: "c", Name: v1.ClusterName, Raw: info}}}, func(*kinds.Live) []kinds.Ref { return nil })
	chosen := func(n *network.Summary) {
		n.IPAM.Config = []network.IPAMConfig{{Subnet: netip.MustParsePrefix("172.28.0.0/16")}}
	}
	within := func(n *network.Summary) {
		n.IPAM.Config[0].IPRange, n.IPAM.Config[0].Gateway = netip.MustParsePrefix("10.0.1.128/25"), netip.MustParseAddr("10.0.1.254")
	}
	managed := func(n *network.Summary) {
		chosen(n)
		n.IPAM.Driver, n.IPAM.Options = "infoblox", map[string]string{"view": "x"}
	}
	subnet := func(p v1.IPAMPool) v1.NetworkSpec { return v1.NetworkSpec{IPAM: &v1.IPAM{Config: []v1.IPAMPool{p}}} }
	for _, test := range []struct {
		name    string
		was     func(*network.Summary)
		want    v1.NetworkSpec
		options string // sorted keys
		pools   string // each with its range after a dash and its gateway after @
		from    string
		manager string // the driver and sorted keys of options
	}{
		{"what was allocated", nil, v1.NetworkSpec{Attachable: true}, "", "", "", ""},
		{"a subnet that somebody chose", chosen, v1.NetworkSpec{Attachable: true}, "", "172.28.0.0/16", "", ""},
		{"an option of its driver", func(n *network.Summary) { n.Options["encrypted"] = "" }, v1.NetworkSpec{}, "encrypted", "", "", ""},
		{"options of both", func(n *network.Summary) { n.Options["a"] = "1" }, v1.NetworkSpec{DriverOpts: map[string]string{"b": "2"}}, "a b", "", "", ""},
		{"another driver", func(n *network.Summary) { n.Options["encrypted"] = "" }, v1.NetworkSpec{Driver: "weave"}, "", "", "", ""},
		{"another subnet", nil, v1.NetworkSpec{IPAM: &v1.IPAM{Config: []v1.IPAMPool{{Subnet: "10.9.0.0/24"}}}}, "", "10.9.0.0/24", "", ""},
		{"IPv6 goes", func(n *network.Summary) { n.EnableIPv6, n.IPAM.Config = true, append(n.IPAM.Config, v6) }, v1.NetworkSpec{}, "", "10.0.1.0/24@10.0.1.1", "", ""},
		{"IPv6 stays", func(n *network.Summary) { n.EnableIPv6, n.IPAM.Config = true, append(n.IPAM.Config, v6) }, v1.NetworkSpec{EnableIPv6: true}, "", "10.0.1.0/24@10.0.1.1 fd00::/64", "", ""},
		{"a gateway that somebody chose", func(n *network.Summary) { n.IPAM.Config[0].Gateway = netip.MustParseAddr("10.0.1.254") }, v1.NetworkSpec{}, "", "10.0.1.0/24@10.0.1.254", "", ""},
		{"a range that somebody chose", func(n *network.Summary) { n.IPAM.Config[0].IPRange = netip.MustParsePrefix("10.0.1.128/25") }, v1.NetworkSpec{}, "", "10.0.1.0/24-10.0.1.128/25@10.0.1.1", "", ""},
		{"two subnets, one of which somebody must have chosen", func(n *network.Summary) {
			n.IPAM.Config = append(n.IPAM.Config, network.IPAMConfig{Subnet: netip.MustParsePrefix("172.28.0.0/16")})
		}, v1.NetworkSpec{}, "", "10.0.1.0/24@10.0.1.1 172.28.0.0/16", "", ""},
		{"a subnet that a manifest stated", func(n *network.Summary) { n.Labels[v1.LabelApplied] = stating("spec.ipam.config[10.0.1.0/24].subnet") }, v1.NetworkSpec{}, "", "10.0.1.0/24@10.0.1.1", "", ""},
		{"a network of a source that stated no subnet", func(n *network.Summary) { n.Labels[v1.LabelApplied] = stating("spec.attachable") }, v1.NetworkSpec{}, "", "", "", ""},
		{"nodes' own settings", func(n *network.Summary) { n.Driver, n.ConfigFrom.Network = "macvlan", "vlan7" }, v1.NetworkSpec{Driver: "macvlan", ConfigFrom: "vlan8"}, "", "", "vlan8", ""},
		{"it was never allocated", func(n *network.Summary) { n.Driver = "" }, v1.NetworkSpec{}, "", "", "", ""},
		{"a range and a gateway within the subnet that is stated", within, subnet(v1.IPAMPool{Subnet: "10.0.1.0/24"}), "", "10.0.1.0/24-10.0.1.128/25@10.0.1.254", "", ""},
		{"a range beside the gateway that is stated", within, subnet(v1.IPAMPool{Subnet: "10.0.1.0/24", Gateway: "10.0.1.9"}), "", "10.0.1.0/24-10.0.1.128/25@10.0.1.9", "", ""},
		{"a gateway beside the range that is stated", within, subnet(v1.IPAMPool{Subnet: "10.0.1.0/24", IPRange: "10.0.1.64/26"}), "", "10.0.1.0/24-10.0.1.64/26@10.0.1.254", "", ""},
		{"a range and a gateway that git took away", func(n *network.Summary) {
			within(n)
			n.Labels[v1.LabelApplied] = stating("spec.ipam.config[10.0.1.0/24].ipRange", "spec.ipam.config[10.0.1.0/24].gateway")
		}, subnet(v1.IPAMPool{Subnet: "10.0.1.0/24"}), "", "10.0.1.0/24", "", ""},
		{"the gateway that the swarm takes", nil, subnet(v1.IPAMPool{Subnet: "10.0.1.0/24"}), "", "10.0.1.0/24", "", ""},
		{"a subnet with host bits", func(n *network.Summary) {
			n.IPAM.Config = []network.IPAMConfig{{Subnet: netip.MustParsePrefix("172.28.0.1/16"), IPRange: netip.MustParsePrefix("172.28.1.1/24")}}
		}, v1.NetworkSpec{}, "", "172.28.0.0/16-172.28.1.0/24", "", ""},
		{"an address manager", managed, v1.NetworkSpec{}, "", "172.28.0.0/16", "", "infoblox view"},
		{"options of both, for an address manager", managed, v1.NetworkSpec{IPAM: &v1.IPAM{Driver: "infoblox", Options: map[string]string{"zone": "y"}}}, "", "172.28.0.0/16", "", "infoblox view zone"},
		{"another address manager", managed, v1.NetworkSpec{IPAM: &v1.IPAM{Driver: "other"}}, "", "", "", "other"},
		{"options that git took away", func(n *network.Summary) {
			managed(n)
			n.Options["encrypted"], n.Labels[v1.LabelApplied] = "", stating("spec.driverOpts.encrypted", "spec.ipam.options.view")
		}, v1.NetworkSpec{}, "", "172.28.0.0/16", "", "infoblox"},
	} {
		t.Run(test.name, func(t *testing.T) {
			was := overlay()
			was.Labels = map[string]string{"com.docker.stack.namespace": "shop", "a": "1", v1.LabelMade: "x"}
			if test.was != nil {
				test.was(was)
			}
			for _, s := range replacing(t, was, test.want) {
				o, err := options(s, automatic(pools))
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(slices.Sorted(maps.Keys(o.Options)), " "); got != test.options {
					t.Errorf("%s: the options are %q", s.Op, got)
				}
				if pools, manager := ipam(o.IPAM); pools != test.pools || manager != test.manager {
					t.Errorf("%s: the pools are %q, and the manager is %q", s.Op, pools, manager)
				}
				if o.ConfigFrom != test.from {
					t.Errorf("%s: it takes its settings from %q", s.Op, o.ConfigFrom)
				}
				got := labels(s, "src/Network/front")
				if _, marked := got[v1.LabelMade]; marked || got["a"] != "" || got["com.docker.stack.namespace"] != "shop" {
					t.Errorf("%s: the labels are %v", s.Op, got)
				}
			}
		})
	}
}

// A label that git has taken away does not come back, even if it is one that is nobody's otherwise.
func TestANetworkThatIsMadeAgainLacksTheLabelsThatGitTookAway(t *testing.T) {
	const stack = "com.docker.stack.namespace"
	applied := diff.NewApplied([]diff.Leaf{{Path: v1.PathKey("metadata.labels", stack), Text: "shop", Stated: true}})
	for _, test := range []struct {
		name    string
		applied diff.Applied
		ignored []string
		stays   bool
	}{
		{"git took it away", applied, nil, false},
		{"git never stated it", diff.NewApplied(nil), nil, true},
		{"what becomes of labels is ignored", applied, []string{"metadata.labels"}, true},
	} {
		was := overlay()
		was.Labels = map[string]string{stack: "shop", "com.docker.other": "1", v1.LabelApplied: test.applied.String()}
		for _, s := range replacing(t, was, v1.NetworkSpec{Attachable: true}) {
			s.Change.Want.Policy.IgnoreDifferences = test.ignored
			if s.Change.Have != nil {
				s.Change.Have.Meta.Applied = test.applied
			}
			got := labels(s, "src/Network/front")
			if _, stays := got[stack]; stays != test.stays || got["com.docker.other"] != "1" {
				t.Errorf("%s, %s: its labels are %v", test.name, s.Op, got)
			}
		}
	}
	// What is on record of a network that others made is not in its labels.
	was := overlay()
	was.Labels = map[string]string{stack: "shop"}
	s := replacing(t, was, v1.NetworkSpec{})[0]
	s.Change.Have.Meta.Applied = applied
	if got := labels(s, "src/Network/front"); got[stack] != "" {
		t.Errorf("of an adopted one: its labels are %v", got)
	}
}

// A network of which nothing is left but the record gets its stack back.
func TestANetworkThatIsMadeAgainIsInItsStack(t *testing.T) {
	want := &diff.State{Value: &v1.Network{}, Stack: "shop"}
	if got := labels(plan.Step{Op: diff.Create, Change: diff.Change{Want: want}}, "src/Network/front"); got["com.docker.stack.namespace"] != "shop" {
		t.Errorf("its labels are %v", got)
	}
	want.Value = &v1.Network{Header: v1.Header{Metadata: v1.Metadata{Labels: map[string]string{"com.docker.stack.namespace": "other"}}}}
	if got := labels(plan.Step{Op: diff.Create, Change: diff.Change{Want: want}}, "src/Network/front"); got["com.docker.stack.namespace"] != "other" {
		t.Errorf("its labels are %v, and the manifest states another stack", got)
	}
}
