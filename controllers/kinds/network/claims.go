package network

import (
	"net/netip"

	"github.com/moby/moby/api/types/network"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
)

// claims returns the subnets that a manifest states.
func claims(o v1.Object) []diff.Claim {
	var out []diff.Claim
	if p := o.(*v1.Network).Spec.IPAM; p != nil {
		for _, c := range p.Config {
			if subnet, err := netip.ParsePrefix(c.Subnet); err == nil { // otherwise the swarm chooses it
				out = append(out, diff.Claim{What: "subnet", Subnet: subnet})
			}
		}
	}
	return out
}

// holds returns the subnets that the swarm has given to a network. The swarm knows nothing of the nodes' own
// networks.
func holds(l *kinds.Live) (has, had []diff.Claim) {
	n := l.Raw.(*network.Summary)
	if n.Scope != "swarm" {
		return nil, nil
	}
	for _, c := range n.IPAM.Config {
		if c.Subnet.IsValid() {
			has = append(has, diff.Claim{What: "subnet", Subnet: c.Subnet})
		}
	}
	return has, nil
}
