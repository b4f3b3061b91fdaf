package service

import (
	"fmt"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// The engine refuses a spec with swap and no memory limit, so no write may leave one behind. returned fails if a
// write does.
func TestNoWriteLeavesSwapWithoutALimit(t *testing.T) {
	const limit, swap = "spec.resources.limits.memory", "spec.resources.memorySwap"
	size := func(n int64) *int64 { return &n }
	limited := func(memory v1.Bytes, swap *v1.Swap) *v1.Resources {
		return &v1.Resources{Limits: v1.ResourceLimits{Memory: memory}, MemorySwap: swap}
	}
	none := v1.Swap(0)
	for _, test := range []struct {
		name    string
		live    *swarm.ResourceRequirements
		want    *v1.Resources
		write   []string // nil means all that differs
		memory  int64
		swap    *int64
		differs bool
	}{
		{"a hand set both, and git states neither", &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 256 << 20}, SwapBytes: size(64 << 20)}, nil, nil, 0, nil, false},
		{"a hand set both, and git states another limit", &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 256 << 20}, SwapBytes: size(64 << 20)}, limited(128<<20, nil), nil, 128 << 20, nil, false},
		{"only the limit is written", &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 256 << 20}, SwapBytes: size(-1)}, limited(128<<20, nil), []string{limit}, 128 << 20, size(-1), true},
		{"only the limit is taken away", &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 256 << 20, Pids: 5}, SwapBytes: size(0)}, nil, []string{limit}, 0, nil, true},
		{"only the swap is taken away", &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 256 << 20}, SwapBytes: size(0)}, nil, []string{swap}, 256 << 20, nil, true},
		{"git states both, and nothing is there", nil, limited(64<<20, &none), nil, 64 << 20, size(0), false},
		{"docker service update unset the swappiness", &swarm.ResourceRequirements{MemorySwappiness: size(-1)}, nil, nil, 0, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &v1.Service{Header: v1.Header{Kind: v1.KindService, Metadata: v1.Metadata{Name: "web"}}, Spec: v1.ServiceSpec{Image: "bb:1"}}
			live := createdFrom(t, s)
			live.TaskTemplate.Resources = test.live
			s.Spec.Resources = test.want
			if ps := s.Validate(); len(ps) > 0 {
				t.Fatal(ps)
			}
			have, want := haveOf(returned(t, live)), wantOf(s)
			fields := diff.DifferingFields(have, want, rules)
			written := fields
			if test.write != nil {
				written = nil
				for _, f := range fields {
					if diff.NewPaths([]diff.Field{{Path: test.write[0]}}).Has(f.Path) {
						written = append(written, f)
					}
				}
				if len(written) != len(test.write) {
					t.Fatalf("what differs is\n%s", listed(fields))
				}
			}
			sent := returned(t, overlaid(t, have, want, written))
			var memory int64
			var swap *int64
			if r := sent.TaskTemplate.Resources; r != nil {
				swap = r.SwapBytes
				if r.Limits != nil {
					memory = r.Limits.MemoryBytes
				}
			}
			if memory != test.memory || shown(swap) != shown(test.swap) {
				t.Errorf("the limit is %d and the swap %s, want %d and %s", memory, shown(swap), test.memory, shown(test.swap))
			}
			if left := diff.DifferingFields(haveOf(sent), want, rules); !test.differs && len(left) > 0 {
				t.Errorf("it still differs:\n%s", listed(left))
			}
		})
	}
}

func shown(n *int64) string {
	if n == nil {
		return "(none)"
	}
	return fmt.Sprint(*n)
}
