package generate

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"runtime/debug"
	"testing"

	"pgregory.net/rapid"
)

// Fuzz holds a law over whatever the fuzzer finds. Run without -fuzz it holds it over a few seeds.
func Fuzz(f *testing.F, law func(*rapid.T)) {
	for i := range byte(8) {
		f.Add([]byte{i})
	}
	check := rapid.MakeFuzz(law)
	f.Fuzz(func(t *testing.T, input []byte) { check(t, padded(input)) })
}

// Each runs n lives, which are the same each time. The first one that panics or fails ends the test.
func Each(t testing.TB, n int, life func(*rapid.T)) {
	t.Helper()
	each(t, 0, n, func(t *rapid.T, _ int) { life(t) })
}

// EachFrom does the same, and leaves out the lives before one.
func EachFrom(t testing.TB, from, n int, life func(*rapid.T)) {
	t.Helper()
	each(t, from, n, func(t *rapid.T, _ int) { life(t) })
}

func each(t testing.TB, from, n int, life func(t *rapid.T, seed int)) {
	t.Helper()
	for seed := from; seed < from+n; seed++ {
		rapid.Custom(func(drawn *rapid.T) bool {
			// Example recovers what a life panics with, which is also how it fails, and draws another life in its place.
			defer func() {
				if p := recover(); p != nil {
					t.Fatalf("life %d: %v; -rapid.log shows what it drew\n%s", seed, p, debug.Stack())
				}
			}()
			life(drawn, seed)
			if drawn.Failed() {
				t.Fatalf("life %d failed; -rapid.log shows how", seed)
			}
			return true
		}).Example(seed)
	}
}

// padded makes an input long enough for any law, so that none is thrown away: what follows is drawn from a digest of it.
func padded(input []byte) []byte {
	const enough = 64 << 10
	h := fnv.New64a()
	_, _ = h.Write(input) // never fails
	random := rand.New(rand.NewPCG(h.Sum64(), 1))
	out := append([]byte(nil), input...)
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	for len(out) < enough {
		out = binary.LittleEndian.AppendUint64(out, random.Uint64())
	}
	return out
}
