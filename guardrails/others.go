package guardrails

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func (c *checking) network(n *v1.Network) {
	c.external("networks", v1.KindNetwork, n.Metadata.Name, n.Spec.External, "spec.external")
	r := c.rules.Networks
	if r == nil || n.Spec.External {
		return
	}
	driver := n.Spec.Driver
	if driver == "" {
		driver = "overlay"
	}
	c.oneOf("networks.drivers", "spec.driver", r.Drivers, driver)
	if r.NotAttachable && n.Spec.Attachable {
		c.add("networks.notAttachable", "spec.attachable", "true is not allowed")
	}
	if _, encrypted := n.Spec.DriverOpts["encrypted"]; r.Encrypted && driver == "overlay" && !encrypted {
		c.add("networks.encrypted", "spec.driverOpts", "the option encrypted must be stated")
	}
	if r.Subnets == nil || n.Spec.IPAM == nil {
		return
	}
	for i, p := range n.Spec.IPAM.Config {
		subnet, err := netip.ParsePrefix(p.Subnet)
		if err == nil && !slices.ContainsFunc(r.Subnets, func(text string) bool { return within(text, subnet) }) {
			c.add("networks.subnets", at("spec.ipam.config", i, "subnet"), "%s is not allowed; it must be in one of: %s", p.Subnet, list(r.Subnets))
		}
	}
}

// secret checks a secret, and its driver: a plugin that supplies the content, and that may know all secrets of others.
func (c *checking) secret(s *v1.Secret) {
	c.external("secrets", v1.KindSecret, s.Metadata.Name, s.Spec.External, "spec.external")
	if s.Spec.Driver == "" {
		return
	}
	const rule, at = "outside.secretDrivers", "spec.driver"
	var drivers []string
	if r := c.rules.Outside; r != nil {
		drivers = r.SecretDrivers
	}
	if e := c.rules.External; drivers == nil && e != nil && e.Secrets != nil {
		c.add(rule, at, "%s is not allowed: a plugin may supply any secret that it knows; state the drivers that may be used in %s", s.Spec.Driver, rule)
	}
	c.oneOf(rule, at, drivers, s.Spec.Driver)
}

// clusterVolume checks the secrets of a cluster volume, and its driver by the rule for the drivers of mounts.
func (c *checking) clusterVolume(v *v1.Volume) {
	c.external("volumes", v1.KindVolume, v.Metadata.Name, v.Spec.External, "spec.external")
	if r := c.rules.Mounts; r != nil && v.Spec.Driver != "" {
		c.driver(r, "spec.driver", v.Spec.Driver)
	}
	for i, s := range v.Spec.Secrets {
		c.external("secrets", v1.KindSecret, s.Secret, c.theirs(v1.KindSecret, s.Secret), at("spec.secrets", i, "secret"))
	}
}

// within reports whether a subnet is in a range.
func within(text string, subnet netip.Prefix) bool {
	all, err := netip.ParsePrefix(text)
	return err == nil && all.Bits() <= subnet.Bits() && all.Contains(subnet.Addr())
}

func (c *checking) node(n *v1.Node) {
	if e := n.Spec.Engine; e != nil {
		if r := c.rules.Outside; r != nil && e.TLS != "" {
			c.oneOf("outside.tls", "spec.engine.tls", r.TLS, e.TLS)
		}
		if r := c.rules.Nodes; r != nil && r.Engines != nil && !matchesEngine(r.Engines, e.Host) {
			c.add("nodes.engines", "spec.engine.host", "%q is not allowed; allowed: %s", e.Host, list(r.Engines))
		}
	}
	r := c.rules.Nodes
	if r == nil {
		return
	}
	c.oneOf("nodes.names", "metadata.name", r.Names, n.Metadata.Name)
	if n.Spec.Role != "" {
		c.oneOf("nodes.roles", "spec.role", r.Roles, n.Spec.Role)
	}
	if r.NoRemoval && n.Gone() {
		c.add("nodes.noRemoval", "spec.presence", "%s is not allowed", v1.Absent)
	}
	if r.NoRemoval && n.Spec.RemoveDownAfter != nil {
		c.add("nodes.noRemoval", "spec.removeDownAfter", "must not be stated")
	}
}

func (c *checking) nodeSet(s *v1.NodeSet) {
	r := c.rules.Nodes
	if r == nil {
		return
	}
	if r.NoSets {
		c.add("nodes.noSets", "kind", "a %s is not allowed, because it could match any node", v1.KindNodeSet)
	}
	if s.Spec.Template.Role != "" {
		c.oneOf("nodes.roles", "spec.template.role", r.Roles, s.Spec.Template.Role)
	}
	if r.NoRemoval && s.Spec.Template.RemoveDownAfter != nil {
		c.add("nodes.noRemoval", "spec.template.removeDownAfter", "must not be stated")
	}
}

func (c *checking) cluster(o *v1.Cluster) {
	if r, m := c.rules.Nodes, o.Spec.Managers; r != nil && m != nil {
		c.managers(r, m)
	}
	r := c.rules.Outside
	if r == nil {
		return
	}
	if t := o.Spec.JoinTokens; t != nil {
		c.sinks("worker", t.Worker)
		c.sinks("manager", t.Manager)
	}
	if a := o.Spec.Autolock; a != nil && a.Escrow != "" {
		c.oneOf("outside.sinks", "spec.autolock.escrow", r.Sinks, a.Escrow)
	}
	if o.Spec.CA != nil {
		c.authorities(r.Authorities, o.Spec.CA)
	}
}

// managers checks how many managers there are to be, and who. Nodes become managers and workers by that, without a manifest
// that states their role.
func (c *checking) managers(r *config.NodeRules, m *v1.Managers) {
	for _, role := range []string{v1.RoleManager, v1.RoleWorker} {
		if r.Roles != nil && !matches(r.Roles, role) {
			c.add("nodes.roles", "spec.managers", "must not be stated, because it gives nodes the role %s, which is not allowed; allowed: %s", role, list(r.Roles))
			break
		}
	}
	if r.Managers != nil && m.Count > *r.Managers {
		c.add("nodes.managers", "spec.managers.count", "%d is more than %d", m.Count, *r.Managers)
	}
}

// authorities checks who signs certificates of nodes: whoever does can make managers.
func (c *checking) authorities(allowed []string, ca *v1.CA) {
	const rule = "outside.authorities"
	if ca.Signing != "" {
		c.oneOf(rule, "spec.ca.signing", allowed, ca.Signing)
	}
	for i, external := range ca.ExternalCAs {
		if allowed != nil && !slices.Contains(allowed, "*") && !matchesURL(allowed, external.URL) {
			c.add(rule, at("spec.ca.externalCAs", i, "url"), "%q is not allowed; allowed: %s", external.URL, list(allowed))
		}
	}
}

// sinks checks the sinks of a join token.
func (c *checking) sinks(of string, token *v1.JoinToken) {
	if token == nil {
		return
	}
	for i, sink := range token.Sinks {
		c.oneOf("outside.sinks", fmt.Sprintf("spec.joinTokens.%s.sinks[%d]", of, i), c.rules.Outside.Sinks, sink)
	}
}
