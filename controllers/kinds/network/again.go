package network

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// freeze writes down a live network, so that it can be made again after it was removed.
func freeze(l *kinds.Live, _ *kinds.Index) ([]byte, error) {
	data, err := json.Marshal(l.Raw)
	if err != nil {
		return nil, fmt.Errorf("writing down network %s: %w", l.Name, err)
	}
	return data, nil
}

// thaw reads what freeze wrote.
func thaw(data []byte) (any, error) {
	n := new(network.Summary)
	if err := json.Unmarshal(data, n); err != nil {
		return nil, fmt.Errorf("reading a network that was removed: %w", err)
	}
	return n, nil
}

// formerOf returns the network that a step makes again, or nil if it makes a new one.
func formerOf(s plan.Step) *network.Summary {
	if s.Op == diff.Replace {
		return s.Change.Have.Value.(*kinds.Live).Raw.(*network.Summary)
	}
	start, _ := s.Change.Want.Start.(*network.Summary)
	return start
}

// startOf returns what a step makes a network from, or nil if that is the manifest alone. A network that the swarm
// could not allocate is no start, because nobody knows what it lacks.
func startOf(s plan.Step) *network.Summary {
	if was := formerOf(s); was != nil && was.Driver != "" {
		return was
	}
	return nil
}

// vxlans are the numbers that the overlay driver has chosen. It chooses them again for a new network.
const vxlans = "com.docker.network.driver.overlay.vxlanid_list"

// defaultPools are the pools of a swarm that states none. It cuts them into subnets of 24 bits (moby's
// daemon/cluster/swarm.go).
var defaultPools = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}

// automatic returns a function that reports whether the swarm may have chosen a subnet: it is then in one of the
// swarm's pools. The engine reports such a subnet in the same way as one that a person chose. automatic returns nil
// if nothing is known of the pools.
func automatic(ix *kinds.Index) func(netip.Prefix) bool {
	if ix == nil {
		return nil
	}
	for _, l := range ix.List(v1.KindCluster) {
		if c, ok := l.Raw.(*swarm.ClusterInfo); ok {
			pools, bits := c.DefaultAddrPool, int(c.SubnetSize)
			if len(pools) == 0 {
				pools, bits = defaultPools, 24
			}
			return func(subnet netip.Prefix) bool {
				return subnet.Bits() == bits && slices.ContainsFunc(pools, func(pool netip.Prefix) bool { return pool.Contains(subnet.Addr()) })
			}
		}
	}
	return nil
}

// chosen reports whether somebody has chosen the subnets of a network. The swarm chooses all of them or none, so one that
// it cannot have chosen tells of the others too. A source that made the network has noted what it stated.
func chosen(n *network.Summary, automatic func(netip.Prefix) bool) bool {
	if slices.ContainsFunc(n.IPAM.Config, func(c network.IPAMConfig) bool {
		return automatic == nil || !automatic(c.Subnet) || c.IPRange.IsValid() || c.Gateway.IsValid() && !firstGateway(c)
	}) {
		return true
	}
	applied := diff.ParseApplied(n.Labels[v1.LabelApplied])
	return slices.ContainsFunc(shape.Flatten(read(n)), func(l diff.Leaf) bool { return strings.HasPrefix(l.Type, "spec.ipam.config[]") && applied.Has(l.Path) })
}

// firstGateway reports whether the gateway of a pool is the first address of its subnet, which is what the swarm takes.
func firstGateway(c network.IPAMConfig) bool { return c.Gateway == c.Subnet.Masked().Addr().Next() }

// options returns the options of a network that a step makes. A network that is made again keeps what somebody chose
// and the manifest does not state, except what git has taken away. That may be options of the driver and of the address
// manager, and subnets.
//
// Subnets that the swarm may have chosen are left to the swarm. The swarm may have given them to other networks since
// the old one was removed, and a network whose subnet is taken is never allocated.
func options(s plan.Step, automatic func(netip.Prefix) bool) (client.NetworkCreateOptions, error) {
	o, err := stated(s.Change.Want.Value.(*v1.Network))
	was := startOf(s)
	if err != nil || was == nil || o.Driver != was.Driver || o.ConfigFrom != "" { // options belong to a driver
		return o, err
	}
	taken := takenAway(s, was)
	o.Options = over(chosenOptions(was), o.Options, "spec.driverOpts", taken)
	if o.IPAM == nil {
		o.IPAM = &network.IPAM{}
	}
	if l, ok := s.Change.Want.Leaf("spec.ipam.driver"); !ok || !l.Stated {
		o.IPAM.Driver = was.IPAM.Driver
	}
	if cmp.Or(o.IPAM.Driver, "default") != cmp.Or(was.IPAM.Driver, "default") {
		return o, nil
	}
	o.IPAM.Options = over(was.IPAM.Options, o.IPAM.Options, "spec.ipam.options", taken)
	for i := range o.IPAM.Config {
		complete(&o.IPAM.Config[i], was, taken)
	}
	if automatic != nil && len(o.IPAM.Config) == 0 && chosen(was, automatic) {
		for _, pool := range was.IPAM.Config {
			if pool.Subnet.Addr().Is4() || o.EnableIPv6 != nil && *o.EnableIPv6 {
				pool.Subnet, pool.IPRange = pool.Subnet.Masked(), pool.IPRange.Masked() // an old engine kept them as they were stated
				o.IPAM.Config = append(o.IPAM.Config, pool)
			}
		}
	}
	return o, nil
}

// over lays the options that a manifest states over those that the network had. It returns nil if there are none.
func over(had, stated map[string]string, at string, taken func(path string) bool) map[string]string {
	out := map[string]string{}
	for k, v := range had {
		if !taken(v1.PathKey(at, k)) {
			out[k] = v
		}
	}
	maps.Copy(out, stated)
	if len(out) == 0 {
		return nil
	}
	return out
}

// complete fills in the range and the gateway that somebody chose within a subnet that a manifest states.
func complete(pool *network.IPAMConfig, was *network.Summary, taken func(path string) bool) {
	at := "spec.ipam.config[" + pool.Subnet.String() + "]"
	for _, had := range was.IPAM.Config {
		if had.Subnet.Masked() != pool.Subnet {
			continue
		}
		if !pool.IPRange.IsValid() && !taken(at+".ipRange") {
			pool.IPRange = had.IPRange.Masked()
		}
		if !pool.Gateway.IsValid() && !firstGateway(had) && !taken(at+".gateway") {
			pool.Gateway = had.Gateway
		}
	}
}

// takenAway returns a function that reports whether git stated a field of the network that a step makes again. What the
// manifest states now is not asked for.
func takenAway(s plan.Step, was *network.Summary) func(path string) bool {
	applied := diff.ParseApplied(was.Labels[v1.LabelApplied])
	if have := s.Change.Have; have != nil { // the record knows it of a network that others made
		applied = have.Meta.Applied
	}
	return func(path string) bool {
		return applied.Has(path) && !diff.Ignored(path, s.Change.Want.Policy.IgnoreDifferences)
	}
}

// labels returns the labels of a network that a step makes. A network that is made again keeps the labels that are
// nobody's, such as the stack's, except those that git has taken away.
func labels(s plan.Step, owner string) map[string]string {
	want := s.Change.Want
	out := kinds.InStack(kinds.Labels(want.Value.(*v1.Network).Metadata.Labels, owner, diff.NewApplied(want.Leaves).String()), want.Stack)
	was := formerOf(s)
	if was == nil {
		return out
	}
	taken := takenAway(s, was)
	for k, v := range was.Labels {
		if _, stated := out[k]; !stated && !taken(v1.PathKey("metadata.labels", k)) && diff.NobodysLabel(k) && k != v1.LabelMade {
			out[k] = v
		}
	}
	return out
}
