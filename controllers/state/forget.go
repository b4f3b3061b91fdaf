package state

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
)

// Forget removes everything that is remembered about the source. It removes the newest memory last. Until then, what
// is left can be read as what the source remembers, and Forget can be called again.
func (s *Store) Forget(ctx context.Context) error {
	configs, err := Read(ctx, s.engine)
	if err != nil {
		return err
	}
	mine := slices.DeleteFunc(configs, func(c *swarm.Config) bool { return c.Spec.Labels[v1.LabelState] != s.source })
	sequence := func(c *swarm.Config) uint64 { // 0 for a shard
		_, n, _ := ParseName(c.Spec.Name)
		return n
	}
	slices.SortFunc(mine, func(a, b *swarm.Config) int { return cmp.Compare(sequence(a), sequence(b)) })
	for _, c := range mine {
		if _, err := s.engine.ConfigRemove(ctx, c.ID, client.ConfigRemoveOptions{}); err != nil && !engine.IsNotFound(err) {
			return fmt.Errorf("removing the state of source %s: %s: %w", s.source, c.Spec.Name, err)
		}
	}
	return nil
}
