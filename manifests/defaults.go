package manifests

import (
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// merged holds the objects whose policy has the source's defaults, by the object as read. It keeps them as long as
// both the object and the defaults stay the same. An object that did not change is therefore the same pointer in each
// Set.
type merged struct {
	policy  v1.DefaultPolicy
	objects map[v1.Object]v1.Object
}

// ofItself lists the kinds of objects that nobody has to make. A source's defaults do not apply to them.
var ofItself = []string{v1.KindCluster, v1.KindNode, v1.KindNodeSet}

// into puts the defaults of a set into its objects. It returns the merged objects that the next Load needs.
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
			h.Policy = next.policy.For(stated.Key().Kind).Under(h.Policy)
		}
		e.Object, next.objects[stated] = object, object
	}
	return next
}
