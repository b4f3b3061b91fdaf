package v1

import (
	"cmp"
	"net/netip"
	"strings"
)

// Pool is a range of addresses that a network asks the swarm for.
type Pool struct {
	// Range is the subnet. An IPv4 range in IPv6 form becomes that IPv4 range, as in the engine.
	Range netip.Prefix
	// Part is the ipRange, or the zero Prefix if none is stated.
	Part netip.Prefix
	// Index is the pool's place in spec.ipam.config.
	Index int
}

// Pools returns the ranges that the network states, in the order of the manifest. It returns none if the network is
// external or a plugin gives out its addresses, and leaves out ranges that Validate refuses.
func (n *Network) Pools() []Pool {
	if n.Spec.External || !n.Spec.IPAM.swarms() {
		return nil
	}
	var out []Pool
	for i, p := range n.Spec.IPAM.Config {
		r, ok := parseRange(p.Subnet)
		part, okPart := parseRange(p.IPRange)
		if !ok || p.IPRange != "" && !okPart || r.Addr().IsUnspecified() {
			continue
		}
		out = append(out, Pool{r, part, i})
	}
	return out
}

// swarms reports whether the swarm itself gives out the addresses, and not a plugin.
func (i *IPAM) swarms() bool {
	return i != nil && strings.EqualFold(cmp.Or(i.Driver, "default"), "default")
}

// Clashes reports whether the swarm never gives out both pools. The address manager of libnetwork accepts two
// overlapping pools only if each has an ipRange of its own, because then it does not check (moby#46756). It refuses
// equal pools.
func (p Pool) Clashes(o Pool) bool {
	switch {
	case !p.Range.Overlaps(o.Range):
		return false
	case !p.Part.IsValid(), !o.Part.IsValid():
		return true
	}
	return p.Range == o.Range && p.Part == o.Part
}

func parseRange(s string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

// pool checks one range of addresses on its own.
func (ps *problems) pool(at string, p IPAMPool, ipv6, swarms bool) {
	subnet, err := netip.ParsePrefix(p.Subnet)
	if err != nil {
		ps.add(at+".subnet", "%q is not an address range such as 10.1.0.0/24", p.Subnet)
		return
	}
	known, _ := parseRange(p.Subnet)
	switch {
	case subnet.Masked() != subnet:
		ps.add(at+".subnet", "%q has host bits set; did you mean %s?", p.Subnet, subnet.Masked())
	case known.Addr().IsUnspecified():
		ps.add(at+".subnet", "%q names no range; leave spec.ipam out, and the swarm chooses a free one", p.Subnet)
	case swarms && known.Addr().Is6() && !ipv6:
		ps.add(at+".subnet", "%q is an IPv6 range, and the swarm allocates none to a network without IPv6; state an IPv4 range, or spec.enableIPv6: true", p.Subnet)
	}
	if p.IPRange != "" {
		switch r, err := netip.ParsePrefix(p.IPRange); {
		case err != nil, !subnet.Contains(r.Addr()), r.Bits() < subnet.Bits():
			ps.add(at+".ipRange", "%q is not an address range within %s", p.IPRange, p.Subnet)
		case r.Masked() != r:
			ps.add(at+".ipRange", "%q has host bits set; did you mean %s?", p.IPRange, r.Masked())
		}
	}
	if p.Gateway != "" {
		switch g, err := netip.ParseAddr(p.Gateway); {
		case err != nil, !subnet.Contains(g):
			ps.add(at+".gateway", "%q is not an address within %s", p.Gateway, p.Subnet)
		case swarms && reserved(known, g.Unmap()):
			ps.add(at+".gateway", "%q is an end of %s, which the swarm gives to nobody; the usual gateway is %s", p.Gateway, p.Subnet, known.Masked().Addr().Next())
		}
	}
}

// reserved reports whether the swarm gives an address of the range to nobody. That is the first address and, in IPv4,
// the last one. An IPv4 range of one or two addresses reserves none.
func reserved(r netip.Prefix, a netip.Addr) bool {
	if r.Addr().Is4() && r.Bits() >= 31 {
		return false
	}
	return a == r.Masked().Addr() || a.Is4() && r.Contains(a) && !r.Contains(a.Next())
}
