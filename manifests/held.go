package manifests

import (
	"fmt"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// partner is another object that a problem holds too.
type partner struct {
	key     v1.Key
	problem v1.Problem
}

// held returns the objects that problems hold, each with the reason: objects that the problems are about, and objects
// that depend on them. The Cluster, the Nodes and the NodeSets decide together which nodes are managers and what a
// node is. A problem of one of them therefore holds them all.
func (r *reading) held(set Set) map[v1.Key]string {
	why, cause := map[v1.Key]string{}, map[v1.Key]string{}
	var left []v1.Key
	hold := func(key v1.Key, because, first string) {
		if _, stated := set.Get(key); !stated || why[key] != "" {
			return
		}
		why[key], cause[key] = because+first, first
		left = append(left, key)
	}
	problems := slices.SortedFunc(slices.Values(r.problems), v1.Problem.Compare)
	for _, p := range problems {
		if p.Holds {
			hold(p.Object, "its manifest has a problem: ", bare(p).String())
		}
	}
	for _, p := range r.partners {
		hold(p.key, "its manifest does not go with another one: ", p.problem.String())
	}
	if len(left) == 0 {
		return nil
	}
	dependents := map[v1.Key][]v1.Key{}
	var nodes []v1.Key
	for _, e := range set.Entries {
		for _, ref := range e.Object.Refs() {
			dependents[ref.Key] = append(dependents[ref.Key], e.Key())
		}
		if v1.OfNodes(e.Key().Kind) {
			nodes = append(nodes, e.Key())
		}
	}
	for len(left) > 0 {
		key := left[0]
		left = left[1:]
		for _, d := range dependents[key] {
			hold(d, fmt.Sprintf("it depends on %s, which is held: ", key), cause[key])
		}
		if v1.OfNodes(key.Kind) {
			for _, n := range nodes {
				hold(n, fmt.Sprintf("%s is held, and the manifests of nodes and managers belong together: ", key), cause[key])
			}
			nodes = nil
		}
	}
	return why
}

// bare returns a problem without its object, for texts that have named the object already.
func bare(p v1.Problem) v1.Problem {
	p.Object = v1.Key{}
	return p
}
