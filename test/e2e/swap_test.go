package e2e

import (
	"fmt"
	"testing"

	"github.com/moby/moby/api/types/swarm"
)

// Engine 29 refuses swap without a limit of memory. A repair that removes the limit must also remove the swap.
func TestALimitWithSwapThatAHandSetIsRepaired(t *testing.T) {
	t.Parallel()
	w := newWorld(t, size{1, 0})
	r := w.repo("swap", nil)
	hash := r.commit("three", map[string]string{
		"none.yaml":  service("none", "image: app:1", "replicas: 0"),
		"other.yaml": service("other", "image: app:1", "replicas: 0", "resources: {limits: {memory: 128MiB}}"),
		"some.yaml":  policy(service("some", "image: app:1", "replicas: 0", "resources: {limits: {cpus: '0.5'}}"), "ignoreDifferences: [spec.resources.memorySwap]"),
	})
	p := w.proxy()
	o := w.operate(p.Host(), r, "--repair-after", "0s", "--repair-restarts-after", "0s")
	o.inSync(hash)
	for _, name := range []string{"none", "other", "some"} {
		w.byHand(name, func(s *swarm.ServiceSpec) {
			swap := int64(64 << 20)
			s.TaskTemplate.Resources = &swarm.ResourceRequirements{Limits: &swarm.Limit{MemoryBytes: 256 << 20}, SwapBytes: &swap}
		})
	}
	for name, want := range map[string]int64{"none": 0, "other": 128 << 20, "some": 0} {
		w.eventually(func() error {
			var memory int64
			res := w.service(name).Spec.TaskTemplate.Resources
			if res != nil && res.Limits != nil {
				memory = res.Limits.MemoryBytes
			}
			if memory != want || res != nil && res.SwapBytes != nil {
				return fmt.Errorf("%s has a limit of %d and swap %v, want %d and none\n%s", name, memory, res.SwapBytes, want, lines(serviceWrites(p.Calls())))
			}
			return nil
		})
	}
	o.inSync(hash)
}
