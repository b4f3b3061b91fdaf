package manifests

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// merged are the objects that have the source's defaults in their policy, by those that were read. They are kept for as long as
// both are the same, so that an object that did not change is the same one in each Set.
type merged struct {
	policy  v1.DefaultPolicy
	objects map[v1.Object]v1.Object
}

// ofItself are the kinds of what nobody has to make: a source's defaults have no part in it.
var ofItself = []string{v1.KindCluster, v1.KindNode, v1.KindNodeSet}

// into puts the defaults of a set into its objects, and returns what the next Load needs of that.
func (m merged) into(set Set) merged {
	next := merged{policy: set.Defaults.Policy, objects: map[v1.Object]v1.Object{}}
	if next.policy.IsZero() {
		return next
	}
	same := next.policy.Equal(m.policy)
	for i := range set.Entries {
		e := &set.Entries[i]
		stated := e.Object
		if slices.Contains(ofItself, stated.Key().Kind) {
			continue
		}
		object := m.objects[stated]
		if object == nil || !same {
			object = stated.Copy()
			h := object.Meta()
			h.Policy = next.policy.Under(h.Policy)
		}
		e.Object, next.objects[stated] = object, object
	}
	return next
}
