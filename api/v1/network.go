package v1

import (
	"maps"
	"net/netip"
	"slices"
)

// Network is an overlay network of the swarm. The engine cannot change a network, so every difference is a
// replacement.
type Network struct {
	Header
	Spec NetworkSpec `json:"spec"`
}

// NetworkSpec has compose's field names, in camelCase.
type NetworkSpec struct {
	// External says that a network of exactly this name exists and does not belong to the operator.
	External bool `json:"external,omitempty"`
	// Driver is overlay (default) or the name of a plugin. With bridge, ipvlan or macvlan, each node makes a network of
	// its own, which takes its settings from configFrom.
	Driver string `json:"driver,omitempty"`
	// DriverOpts are options of the driver, such as encrypted: "". Options that drivers add by themselves do not
	// count as differences.
	DriverOpts map[string]string `json:"driverOpts,omitempty"`
	// Attachable lets plain containers join. Default false.
	Attachable bool `json:"attachable,omitempty"`
	// Internal cuts the network off from the outside. Default false.
	Internal bool `json:"internal,omitempty"`
	// Ingress says that this is the network of the routing mesh, of which a swarm has one. The swarm makes it under the
	// name ingress. It can be replaced only while no service publishes a port through the routing mesh, and the
	// operator never removes it. Default false.
	Ingress bool `json:"ingress,omitempty"`
	// EnableIPv6 gives the network IPv6 addresses. Engines from version 27 on allocate no IPv6 range to a network of a
	// swarm, so leave such a range out there. Default false.
	EnableIPv6 bool `json:"enableIPv6,omitempty"`
	// IPAM states the network's address pools. If omitted, the swarm allocates them.
	IPAM *IPAM `json:"ipam,omitempty"`
	// ConfigFrom is the name of a network on each node, made with docker network create --config-only. This network
	// takes its settings from there, as one with driver macvlan does. The engine gives it no labels, so the operator
	// knows it only by its id, which it puts on record when it has made it.
	ConfigFrom string `json:"configFrom,omitempty"`
}

// IPAM states address pools.
type IPAM struct {
	// Driver is the name of an address manager. If omitted, it is the default one.
	Driver string `json:"driver,omitempty"`
	// Config lists the address pools.
	Config []IPAMPool `json:"config,omitempty"`
	// Options are options of the address manager.
	Options map[string]string `json:"options,omitempty"`
}

// IPAMPool is one address pool.
type IPAMPool struct {
	// Subnet is the range of the pool, such as 10.1.0.0/24.
	Subnet string `json:"subnet,omitempty"`
	// IPRange is the part of the subnet that addresses are given from.
	IPRange string `json:"ipRange,omitempty"`
	// Gateway is an address in the subnet. If omitted, the swarm allocates one.
	Gateway string `json:"gateway,omitempty"`
}

// ListKey returns the subnet.
func (p IPAMPool) ListKey() string { return normalPrefix(p.Subnet) }

// normalPrefix and normalAddr write an address as the engine does: FD00:0::1 becomes fd00::1, and 10.5.0.1/24, which an
// old engine may have kept, becomes 10.5.0.0/24. They return a text that is no address as it is.
func normalPrefix(s string) string {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked().String()
	}
	return s
}

func normalAddr(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.String()
	}
	return s
}

// External reports whether the object must exist already and is never written.
func (n *Network) External() bool { return n.Spec.External }

// Refs returns the dependencies.
func (n *Network) Refs() []Ref { return n.dependencies() }

// Copy returns a deep copy.
func (n *Network) Copy() Object {
	c := *n
	c.Header = n.Header.copy()
	c.Spec.DriverOpts = maps.Clone(c.Spec.DriverOpts)
	if c.Spec.IPAM = clone(c.Spec.IPAM); c.Spec.IPAM != nil {
		c.Spec.IPAM.Config = slices.Clone(c.Spec.IPAM.Config)
		c.Spec.IPAM.Options = maps.Clone(c.Spec.IPAM.Options)
	}
	return &c
}

// Default fills in the drivers, writes the pools in one form and sorts them. An external network stays as it is.
func (n *Network) Default() {
	if n.Spec.External {
		return
	}
	if n.Spec.Driver == "" {
		n.Spec.Driver = "overlay"
	}
	if ipam := n.Spec.IPAM; ipam != nil {
		if ipam.Driver == "" {
			ipam.Driver = "default"
		}
		for i, p := range ipam.Config {
			ipam.Config[i] = IPAMPool{Subnet: normalPrefix(p.Subnet), IPRange: normalPrefix(p.IPRange), Gateway: normalAddr(p.Gateway)}
		}
		slices.SortFunc(ipam.Config, func(a, b IPAMPool) int { return compareStrings(a.Subnet, b.Subnet) })
	}
}

// Validate checks the name and the pools, and that an external network has no other settings.
func (n *Network) Validate() []Problem {
	ps := n.validateHeader(nameDNS)
	s := n.Spec
	if s.External {
		if s.Driver != "" || len(s.DriverOpts) > 0 || s.Attachable || s.Internal || s.Ingress || s.EnableIPv6 || s.IPAM != nil || s.ConfigFrom != "" || len(n.Metadata.Labels) > 0 {
			ps.add("spec", "an external network is never written: nothing but external may be stated")
		}
		return ps
	}
	if n.Metadata.Name == "ingress" && !s.Ingress {
		ps.add("metadata.name", "ingress is the network of the routing mesh: state spec.ingress: true to set it up, or external: true to name it alone")
	}
	if s.Ingress {
		ps.ingress(s)
	}
	if s.Driver == "host" || s.Driver == "none" || s.Driver == "null" {
		ps.add("spec.driver", "%q is local to one node and cannot be a network of the swarm; the usual driver is overlay", s.Driver)
	}
	if s.ConfigFrom != "" {
		ps.fromNodes(n)
	} else if slices.Contains(nodesDrivers, s.Driver) {
		ps.nodesOwn(s)
	}
	if s.IPAM == nil {
		return ps
	}
	for i, p := range s.IPAM.Config {
		ps.pool(index("spec.ipam.config", i), p, s.EnableIPv6, s.IPAM.swarms())
	}
	return ps
}

// nodesDrivers are the drivers of which the swarm keeps nothing but the name. Each node makes a network of its own
// (localDrivers in libnetwork/cnmallocator).
var nodesDrivers = []string{"bridge", "ipvlan", "macvlan"}

// nodesOwn checks that a network that each node makes has no settings that the swarm would drop.
func (ps *problems) nodesOwn(s NetworkSpec) {
	for _, stated := range []struct {
		path string
		is   bool
	}{{"spec.driverOpts", len(s.DriverOpts) > 0}, {"spec.ipam", s.IPAM != nil}} {
		if stated.is {
			ps.add(stated.path, "the engine drops it for a network of the swarm with driver %s: make a network with these settings on each node, with docker network create --config-only, and state its name in spec.configFrom", s.Driver)
		}
	}
}

// fromNodes checks what the engine refuses beside configFrom (libnetwork/network.go).
func (ps *problems) fromNodes(n *Network) {
	s := n.Spec
	if s.EnableIPv6 || s.IPAM != nil || len(s.DriverOpts) > 0 {
		ps.add("spec.configFrom", "the network takes its settings from %s on each node: leave out enableIPv6, ipam and driverOpts", s.ConfigFrom)
	}
	if len(n.Metadata.Labels) > 0 {
		ps.add("metadata.labels", "the engine refuses labels on a network that takes its settings from %s on each node: remove them, or spec.configFrom", s.ConfigFrom)
	}
}

// ingress checks what SwarmKit refuses for the network of the routing mesh (manager/controlapi/network.go).
func (ps *problems) ingress(s NetworkSpec) {
	if s.Attachable {
		ps.add("spec.attachable", "cannot be stated with ingress: containers cannot join the network of the routing mesh")
	}
	if s.Driver != "" && s.Driver != "overlay" {
		ps.add("spec.driver", "%q cannot be the driver of the network of the routing mesh; it must be overlay", s.Driver)
	}
	if s.ConfigFrom != "" {
		ps.add("spec.configFrom", "cannot be stated with ingress: the network of the routing mesh has settings of its own")
	}
}
