package network

import (
	"fmt"
	"maps"
	"net/netip"

	"github.com/moby/moby/api/types/network"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
)

// export returns manifests of the swarm's networks. The routing mesh's network is among them if it differs from the one
// that a new swarm has. A network that no manifest can make, such as host, is stated as one that exists if a service uses it.
func export(in kinds.Export) []kinds.Exported {
	var out []kinds.Exported
	external := map[string]bool{}
	for _, l := range in.Lives(v1.KindNetwork) {
		n, key := l.Raw.(*network.Summary), v1.Key{Kind: v1.KindNetwork, Name: l.Name}
		switch {
		case n.Ingress && in.Whole && !changed(n, automatic(in.Index)):
		case !l.Local:
			out = append(out, exportOne(in, l))
		case in.Uses(l) && !external[l.Name]:
			external[l.Name] = true
			out = append(out, kinds.Exported{Key: key, Live: []*kinds.Live{l}, Object: &v1.Network{Header: header(l.Name), Spec: v1.NetworkSpec{External: true}}})
		}
	}
	return out
}

func header(name string) v1.Header {
	return v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNetwork, Metadata: v1.Metadata{Name: name}}
}

// changed reports whether the routing mesh's network differs from the one that a new swarm has.
func changed(n *network.Summary, automatic func(netip.Prefix) bool) bool {
	if n.Name != "ingress" || n.Internal || n.EnableIPv6 || len(n.Labels) > 0 || len(chosenOptions(n)) > 0 {
		return true
	}
	return automatic != nil && chosen(n, automatic)
}

// chosenOptions returns the options of a network without those that the driver has chosen.
func chosenOptions(n *network.Summary) map[string]string {
	return without(n.Options, vxlans, serial)
}

// serial is an option that SwarmKit's allocator adds when it asks for addresses one after the other.
const serial = "com.docker.network.ipam.serial"

// without returns options without those of these names. It returns nil if none is left.
func without(options map[string]string, names ...string) map[string]string {
	out := maps.Clone(options)
	for _, name := range names {
		delete(out, name)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func exportOne(in kinds.Export, l *kinds.Live) kinds.Exported {
	n := l.Raw.(*network.Summary)
	o := read(n)
	o.Metadata.Labels, o.Spec.DriverOpts = kinds.WithoutPrefix(n.Labels), chosenOptions(n)
	o.Spec.IPAM = chosenPools(n, automatic(in.Index))
	if o.Spec.ConfigFrom != "" { // the rest is what each node has there
		o.Spec = v1.NetworkSpec{Driver: o.Spec.Driver, Attachable: o.Spec.Attachable, Internal: o.Spec.Internal, ConfigFrom: o.Spec.ConfigFrom}
	}
	kinds.Tidy(shape, o)
	x := kinds.Exported{Key: o.Key(), Object: o, Live: []*kinds.Live{l}}
	if broken(l) != "" {
		x.Lacks = append(x.Lacks, kinds.Lack{Path: "spec", Why: fmt.Sprintf("the swarm has never allocated this network, so it does not tell its driver and subnets: %s", whyBroken)})
	}
	return x
}

// chosenPools returns the pools of a network, without what the swarm chooses by itself. It returns nil if nothing is
// left.
func chosenPools(n *network.Summary, automatic func(netip.Prefix) bool) *v1.IPAM {
	out := &v1.IPAM{Driver: n.IPAM.Driver, Options: without(n.IPAM.Options, serial)}
	if out.Driver == "default" {
		out.Driver = ""
	}
	if chosen(n, automatic) {
		for _, c := range n.IPAM.Config {
			pool := v1.IPAMPool{Subnet: text(c.Subnet.Masked()), IPRange: text(c.IPRange.Masked()), Gateway: text(c.Gateway)}
			if firstGateway(c) && !c.IPRange.IsValid() {
				pool.Gateway = "" // the first address is what the swarm takes
			}
			out.Config = append(out.Config, pool)
		}
	}
	if out.Driver == "" && len(out.Config) == 0 && len(out.Options) == 0 {
		return nil
	}
	return out
}
