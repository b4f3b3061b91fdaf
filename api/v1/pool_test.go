package v1_test

import (
	"net/netip"
	"testing"

	"github.com/moby/moby/v2/daemon/libnetwork/ipamapi"
	"github.com/moby/moby/v2/daemon/libnetwork/ipams/defaultipam"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// allocated reports whether the engine's own address manager gives out all the pools, one after the other.
func allocated(t *rapid.T, pools ...v1.Pool) bool {
	a, err := defaultipam.NewAllocator(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pools {
		req := ipamapi.PoolRequest{AddressSpace: "GlobalDefault", Pool: p.Range.String()} // as the swarm's allocator asks, IPv6 too
		if p.Part.IsValid() {
			req.SubPool = p.Part.String()
		}
		if _, err := a.RequestPool(req); err != nil {
			return false
		}
	}
	return true
}

// Two pools clash if and only if the swarm refuses one of them in one order or the other. The swarm makes networks in
// no certain order, and allocates them again when another manager takes over.
func poolsClash(t *rapid.T) {
	pool := func(label string) v1.Pool {
		from := netip.AddrFrom4([4]byte{10, byte(rapid.IntRange(0, 3).Draw(t, label)), 0, 0})
		bits := 8
		if rapid.IntRange(0, 3).Draw(t, "family") == 0 {
			from, bits = netip.MustParseAddr("fd00::"), 16
		}
		p := v1.Pool{Range: netip.PrefixFrom(from, bits+rapid.IntRange(0, 10).Draw(t, label)).Masked()}
		if rapid.Bool().Draw(t, "part") {
			p.Part = netip.PrefixFrom(p.Range.Addr(), p.Range.Bits()+rapid.IntRange(0, 2).Draw(t, "bits"))
		}
		return p
	}
	a, b := pool("a"), pool("b")
	if rapid.Bool().Draw(t, "same") {
		b.Range = a.Range
		if b.Part.IsValid() {
			b.Part = netip.PrefixFrom(b.Range.Addr(), b.Range.Bits()+rapid.IntRange(0, 2).Draw(t, "bits"))
		}
	}
	if got, want := a.Clashes(b), !allocated(t, a, b) || !allocated(t, b, a); got != want {
		t.Fatalf("%v and %v clash: %t, the engine says %t", a, b, got, want)
	}
}

func TestPoolsClashAsTheEngineSays(t *testing.T) { rapid.Check(t, poolsClash) }
func FuzzPoolsClash(f *testing.F)                { generate.Fuzz(f, poolsClash) }
