package kinds

import (
	"maps"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// WithoutOwn returns the labels without the operator's own, and whether there were any of these.
func WithoutOwn(labels map[string]string) (left map[string]string, own bool) {
	left = maps.Clone(labels)
	for _, l := range []string{v1.LabelOwner, v1.LabelMade, v1.LabelApplied, v1.LabelContent, v1.LabelRetried} {
		delete(left, l)
	}
	return left, len(left) != len(labels)
}
