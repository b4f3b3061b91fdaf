package network

import (
	"net/netip"

	"github.com/moby/moby/api/types/network"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// theMesh is what only one network of a swarm can be: the network of the routing mesh.
var theMesh = diff.Claim{What: "network", Of: "of the routing mesh"}

// claims returns the subnets that a manifest states, and the routing mesh if the network is for it.
func claims(o v1.Object) []diff.Claim {
	var out []diff.Claim
	if o.(*v1.Network).Spec.Ingress {
		out = append(out, theMesh)
	}
	if p := o.(*v1.Network).Spec.IPAM; p != nil {
		for _, c := range p.Config {
			if subnet, err := netip.ParsePrefix(c.Subnet); err == nil { // otherwise the swarm chooses it
				out = append(out, diff.Claim{What: "subnet", Subnet: subnet})
			}
		}
	}
	return out
}

// holds returns the subnets that the swarm has given to a network, and the routing mesh if the network is for it. The
// swarm knows nothing of the nodes' own networks.
func holds(l *kinds.Live) (has, had []diff.Claim) {
	n := l.Raw.(*network.Summary)
	if n.Scope != "swarm" {
		return nil, nil
	}
	if n.Ingress {
		has = append(has, theMesh)
	}
	for _, c := range n.IPAM.Config {
		if c.Subnet.IsValid() {
			has = append(has, diff.Claim{What: "subnet", Subnet: c.Subnet})
		}
	}
	return has, nil
}
