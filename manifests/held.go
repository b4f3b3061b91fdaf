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

// holding finds what problems hold.
type holding struct {
	set        Set
	expansions *expansions
	why, cause map[v1.Key]string
	left       []v1.Key // whose hold has not been passed on yet
}

// held returns the objects that problems hold, each with the reason. These are the objects that the problems are about,
// objects that depend on them, and objects that come from a manifest that a problem is about. The Cluster, the Nodes
// and the NodeSets decide together which nodes are managers and what a node is. A problem of one of them therefore
// holds them all.
func (r *reading) held(set Set) map[v1.Key]string {
	h := &holding{set: set, expansions: &r.expansions, why: map[v1.Key]string{}, cause: map[v1.Key]string{}}
	problems := slices.SortedFunc(slices.Values(r.problems), v1.Problem.Compare)
	for _, p := range problems {
		if p.Holds {
			h.hold(p.Object, "its manifest has a problem: ", bare(p).String())
		}
	}
	for _, p := range r.partners {
		h.hold(p.key, "its manifest does not go with another one: ", p.problem.String())
	}
	if len(h.left) == 0 {
		return nil
	}
	h.spread()
	return h.why
}

func (h *holding) hold(key v1.Key, because, first string) {
	_, stated := h.set.Get(key)
	if _, expands := h.expansions.manifests[key]; (!stated && !expands) || h.why[key] != "" {
		return
	}
	h.why[key], h.cause[key] = because+first, first
	h.left = append(h.left, key)
}

// lost is a reference to what no manifest states.
type lost struct{ from, to v1.Key }

// spread passes each hold on: to objects that depend on a held one, that come from it, or that belong together with it.
func (h *holding) spread() {
	dependents, members := map[v1.Key][]v1.Key{}, map[v1.Key][]v1.Key{}
	var nodes []v1.Key
	var missing []lost
	for _, e := range h.set.Entries {
		members[e.From] = append(members[e.From], e.Key())
		for _, ref := range e.refs() {
			dependents[ref.Key] = append(dependents[ref.Key], e.Key())
			if _, stated := h.set.Get(ref.Key); !stated {
				missing = append(missing, lost{e.Key(), ref.Key})
			}
		}
		if v1.OfNodes(e.Key().Kind) {
			nodes = append(nodes, e.Key())
		}
	}
	for len(h.left) > 0 {
		key := h.left[0]
		h.left = h.left[1:]
		for _, d := range dependents[key] {
			h.hold(d, fmt.Sprintf("it depends on %s, which is held: ", key), h.cause[key])
		}
		for _, m := range members[key] {
			h.hold(m, fmt.Sprintf("it comes from %s, which is held: ", key), h.cause[key])
		}
		if h.expansions.failed[key] {
			for _, l := range missing {
				h.hold(l.from, fmt.Sprintf("it depends on %s, which may come from %s, which is held: ", l.to, key), h.cause[key])
			}
		}
		if v1.OfNodes(key.Kind) {
			for _, n := range nodes {
				h.hold(n, fmt.Sprintf("%s is held, and the manifests of nodes and managers belong together: ", key), h.cause[key])
			}
			nodes = nil
		}
	}
}

// bare returns a problem without its object, for texts that have named the object already.
func bare(p v1.Problem) v1.Problem {
	p.Object = v1.Key{}
	return p
}
