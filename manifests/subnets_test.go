package manifests_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// subnetsClash checks that a source has a problem if and only if two of its ranges clash.
func subnetsClash(t *rapid.T) {
	var text strings.Builder
	var all []v1.Pool
	for i := range rapid.IntRange(1, 6).Draw(t, "networks") {
		fmt.Fprintf(&text, "---\napiVersion: swarm-operator.io/v1\nkind: Network\nmetadata: {name: n%d}\nspec:\n  enableIPv6: true\n  ipam:\n    config:\n", i)
		for range rapid.IntRange(1, 3).Draw(t, "pools") {
			p := anyRange(t, "range", 8, netip.AddrFrom4([4]byte{10, byte(rapid.IntRange(0, 3).Draw(t, "net")), 0, 0}))
			if rapid.Bool().Draw(t, "IPv6") {
				p = anyRange(t, "range", 24, netip.MustParseAddr(fmt.Sprintf("fd00:%d::", rapid.IntRange(0, 3).Draw(t, "net"))))
			}
			pool := v1.Pool{Range: p}
			fmt.Fprintf(&text, "    - {subnet: %q", p)
			if rapid.Bool().Draw(t, "part") {
				pool.Part = anyRange(t, "part", p.Bits(), p.Addr())
				fmt.Fprintf(&text, ", ipRange: %q", pool.Part)
			}
			text.WriteString("}\n")
			all = append(all, pool)
		}
	}
	want := false
	for i, p := range all {
		for _, o := range all[:i] {
			want = want || p.Clashes(o)
			if p.Clashes(o) != o.Clashes(p) {
				t.Fatalf("%v and %v clash in one direction only", p, o)
			}
		}
	}
	if _, problems := load("a.yaml", text.String()); (len(problems) > 0) != want {
		t.Fatalf("ranges clash: %t\n%s\n%v", want, text.String(), problems)
	}
}

// anyRange draws a range with at least so many bits. It begins at the address or shortly before it.
func anyRange(t *rapid.T, label string, bits int, from netip.Addr) netip.Prefix {
	p := netip.PrefixFrom(from, min(bits+rapid.IntRange(0, 3).Draw(t, label), from.BitLen()))
	return p.Masked()
}

func TestSubnetsClash(t *testing.T) { rapid.Check(t, subnetsClash) }
func FuzzSubnetsClash(f *testing.F) { generate.Fuzz(f, subnetsClash) }
func TestPoolsOfNetworks(t *testing.T) {
	pools := func(driver string, config ...v1.IPAMPool) int {
		return len((&v1.Network{Spec: v1.NetworkSpec{IPAM: &v1.IPAM{Driver: driver, Config: config}}}).Pools())
	}
	good := v1.IPAMPool{Subnet: "10.1.0.0/16"}
	for name, c := range map[string]struct{ got, want int }{
		"the swarm's":        {pools("", good, good), 2},
		"the swarm's, named": {pools("Default", good), 1},
		"a plugin's":         {pools("infoblox", good), 0},
		"malformed":          {pools("", v1.IPAMPool{Subnet: "10.1"}, v1.IPAMPool{Subnet: "10.1.0.0/16", IPRange: "x"}, v1.IPAMPool{Subnet: "0.0.0.0/24"}), 0},
		"external":           {len((&v1.Network{Spec: v1.NetworkSpec{External: true, IPAM: &v1.IPAM{Config: []v1.IPAMPool{good}}}}).Pools()), 0},
		"nothing stated":     {len((&v1.Network{}).Pools()), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d pools, want %d", name, c.got, c.want)
		}
	}
}
