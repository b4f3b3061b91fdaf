package diff

import "net/netip"

// Claim is something that a swarm gives to one object at a time, such as a published port.
type Claim struct {
	// What is "port", "subnet", "network" or "name".
	What string
	// Of is which one, such as 8080/tcp. For a subnet, Subnet is which one. The one network that a swarm has only once is
	// that of the routing mesh.
	Of string
	// Host is true for a port of the nodes that tasks run on. Two such ports do not clash: the scheduler separates
	// them.
	Host   bool
	Subnet netip.Prefix
}

// Clashes reports whether one of the two objects that make these claims has to give way. The rules are SwarmKit's
// (manager/controlapi/service.go, checkPortConflicts; manager/state/store, whose names have no case; libnetwork's
// ipam).
func (c Claim) Clashes(o Claim) bool {
	if c.What != o.What {
		return false
	}
	if c.Subnet.IsValid() || o.Subnet.IsValid() {
		return c.Subnet.Overlaps(o.Subnet) // false if one of the two is not known
	}
	return c.Of == o.Of && (!c.Host || !o.Host)
}

func (c Claim) String() string {
	if c.Subnet.IsValid() {
		return c.What + " " + c.Subnet.String()
	}
	return c.What + " " + c.Of
}
