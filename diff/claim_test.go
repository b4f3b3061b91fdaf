package diff

import (
	"net/netip"
	"testing"
)

func TestClaimsClash(t *testing.T) {
	port := func(of string, host bool) Claim { return Claim{What: "port", Of: of, Host: host} }
	subnet := func(s string) Claim { return Claim{What: "subnet", Subnet: netip.MustParsePrefix(s)} }
	for _, c := range []struct {
		name string
		a, b Claim
		want bool
	}{
		{"one port", port("80/tcp", false), port("80/tcp", false), true},
		{"another port", port("80/tcp", false), port("81/tcp", false), false},
		{"another protocol", port("80/tcp", false), port("80/udp", false), false},
		{"of the swarm and of nodes", port("80/tcp", false), port("80/tcp", true), true},
		{"of nodes", port("80/tcp", true), port("80/tcp", true), false},
		{"one name", Claim{What: "name", Of: "web"}, Claim{What: "name", Of: "web"}, true},
		{"a name and a port", Claim{What: "name", Of: "80/tcp"}, port("80/tcp", false), false},
		{"one subnet", subnet("10.1.0.0/16"), subnet("10.1.0.0/16"), true},
		{"one in the other", subnet("10.1.0.0/16"), subnet("10.1.2.0/24"), true},
		{"side by side", subnet("10.1.0.0/17"), subnet("10.1.128.0/17"), false},
		{"of IPv6", subnet("fd00:1::/64"), subnet("fd00:1::/56"), true},
		{"of both", subnet("10.0.0.0/8"), subnet("::/0"), false},
		{"a subnet that is not known", subnet("10.0.0.0/8"), Claim{What: "subnet"}, false},
	} {
		if got := c.a.Clashes(c.b); got != c.want {
			t.Errorf("%s: %s and %s: %t", c.name, c.a, c.b, got)
		}
		if got := c.b.Clashes(c.a); got != c.want {
			t.Errorf("%s: %s and %s: %t", c.name, c.b, c.a, got)
		}
	}
}
