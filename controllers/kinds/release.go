package kinds

import (
	"context"
	"fmt"
	"maps"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
)

// WithoutOwn returns the labels without the operator's own, and whether there were any of these.
func WithoutOwn(labels map[string]string) (left map[string]string, own bool) {
	left = maps.Clone(labels)
	for _, l := range []string{v1.LabelOwner, v1.LabelMade, v1.LabelApplied, v1.LabelContent, v1.LabelRetried} {
		delete(left, l)
	}
	return left, len(left) != len(labels)
}

// Release takes our labels off a version. done is false if it has none.
func (v VersionCalls) Release(ctx context.Context, c *engine.Client, l *Live) (done bool, why string, err error) {
	labels, own := WithoutOwn(l.Labels)
	if !own {
		return false, "", nil
	}
	if err := v.Relabel(ctx, c, l, labels); err != nil {
		return false, "", fmt.Errorf("taking our labels off %s %s: %w", l.Kind, l.Name, err)
	}
	return true, "", nil
}
