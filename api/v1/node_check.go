package v1

import (
	"strings"
)

// CheckNodes returns the contradictions between the Cluster and the Nodes of a source. Pins of a NodeSet do not
// count, because only a swarm tells how many nodes it selects. Fewer pins than managers.count are no contradiction:
// the swarm may have managers already.
func CheckNodes(objects []Object) []Problem {
	var wanted *Cluster
	var nodes []*Node
	for _, o := range objects {
		switch o := o.(type) {
		case *Cluster:
			if o.Spec.Managers != nil {
				wanted = o
			}
		case *Node:
			nodes = append(nodes, o)
		}
	}
	if wanted == nil {
		return nil
	}
	return append(tooManyPins(wanted, nodes), sameIDs(nodes)...)
}

func tooManyPins(c *Cluster, nodes []*Node) []Problem {
	const most = 9 // names of pinned nodes that are listed
	count, pinned, names := c.Spec.Managers.Count, 0, []string(nil)
	for _, n := range nodes {
		if n.Spec.Role != RoleManager || n.Gone() {
			continue
		}
		if pinned++; pinned <= most {
			names = append(names, n.Metadata.Name)
		}
	}
	if count < 1 || pinned <= count { // Validate reports a count below 1
		return nil
	}
	if pinned > most {
		names = append(names, "…")
	}
	var ps problems
	ps.add("spec.managers.count", "is %d, and %d Nodes have role: manager: %s", count, pinned, strings.Join(names, ", "))
	return ps.of(c)
}

// sameIDs returns a problem for each Node that states the ID of another: the node would be counted twice.
func sameIDs(nodes []*Node) (out []Problem) {
	first := map[string]*Node{}
	for _, n := range nodes {
		id := n.Spec.ID
		if id == "" {
			continue
		}
		if other, taken := first[id]; taken {
			var ps problems
			ps.add("spec.id", "%s states the same: a node is one", other.Key())
			out = append(out, ps.of(n)...)
		} else {
			first[id] = n
		}
	}
	return out
}

// of fills in the object that the problems are about, and returns them.
func (ps problems) of(o Object) []Problem {
	for i := range ps {
		ps[i].Object = o.Key()
	}
	return ps
}
