package manifests

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// pool is a range of addresses, with the network that asks for it.
type pool struct {
	v1.Pool
	entry Entry
}

// span is a range of addresses, with all pools that ask for exactly that range.
type span struct {
	at    netip.Prefix
	first pool
	whole *pool                 // the first pool that states no part of it
	parts map[netip.Prefix]pool // the first pool for each part
}

// subnets reports ranges of addresses that the swarm gives to one network only. It would accept the second network,
// and leave that network and its tasks waiting. Two ranges are nested or apart. So each range is compared only with
// those that it lies in, and even very many cost little more than sorting them.
func (r *reading) subnets(set Set) {
	var pools []pool
	for _, e := range set.Entries {
		if n, ok := e.Object.(*v1.Network); ok {
			for _, p := range n.Pools() {
				pools = append(pools, pool{p, e})
			}
		}
	}
	slices.SortStableFunc(pools, func(a, b pool) int {
		return cmp.Or(a.Range.Addr().Compare(b.Range.Addr()), cmp.Compare(a.Range.Bits(), b.Range.Bits()))
	})
	var open []span // each lies within the one before it
	for _, p := range pools {
		for len(open) > 0 && !open[len(open)-1].at.Contains(p.Range.Addr()) {
			open = open[:len(open)-1]
		}
		for i := len(open) - 1; i >= 0; i-- {
			if other := open[i].clash(p); other != nil {
				r.overlap(p, *other)
				break
			}
		}
		if len(open) == 0 || open[len(open)-1].at != p.Range {
			open = append(open, span{at: p.Range, first: p, parts: map[netip.Prefix]pool{}})
		}
		open[len(open)-1].add(p)
	}
}

// clash returns a pool of the span that cannot exist together with p, or nil.
func (s *span) clash(p pool) *pool {
	if !p.Part.IsValid() {
		return &s.first
	}
	if other, ok := s.parts[p.Part]; ok && s.at == p.Range {
		return &other
	}
	return s.whole
}

func (s *span) add(p pool) {
	if !p.Part.IsValid() {
		s.whole = cmp.Or(s.whole, &p)
		return
	}
	if _, taken := s.parts[p.Part]; !taken {
		s.parts[p.Part] = p
	}
}

func (r *reading) overlap(p, other pool) {
	path := "spec.ipam.config[" + strconv.Itoa(p.Index) + "].subnet"
	if other.entry.Key() == p.entry.Key() {
		r.at(p.entry, path, "%s overlaps with %s, which the network states too; the swarm gives no address twice", p.Range, other.Range)
		return
	}
	r.between(p.entry, other.entry, path, "%s overlaps with %s of %s (%s); the swarm gives an address to one network, and leaves the other without any",
		p.Range, other.Range, other.entry.Key(), other.entry.Position("spec.ipam.config["+strconv.Itoa(other.Index)+"].subnet"))
}
