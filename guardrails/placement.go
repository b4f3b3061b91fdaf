package guardrails

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

func (c *checking) placement(s *v1.ServiceSpec) {
	r := c.rules.Placement
	if r == nil {
		return
	}
	var stated []string
	if s.Placement != nil {
		stated = s.Placement.Constraints
	}
	for _, want := range r.Require {
		if !slices.ContainsFunc(stated, func(have string) bool { return equal(want, have) }) {
			c.add("placement.require", "spec.placement.constraints", "%s must be stated", want)
		}
	}
	for i, have := range stated {
		if slices.ContainsFunc(r.Forbid, func(bad string) bool { return equal(bad, have) }) {
			c.add("placement.forbid", fmt.Sprintf("spec.placement.constraints[%d]", i), "%s is not allowed", have)
		}
	}
	if r.NotGlobal && (s.Mode == v1.ModeGlobal || s.Mode == v1.ModeGlobalJob) {
		c.add("placement.notGlobal", "spec.mode", "%s is not allowed", s.Mode)
	}
}

// Placing returns the names of the node labels that services must ask for, in the order of the rules. Whoever gives a
// node such a label decides whose tasks run there, with their secrets.
func Placing(g *config.Guardrails) []string {
	if g == nil || g.Placement == nil {
		return nil
	}
	var out []string
	for _, text := range g.Placement.Require {
		c, err := v1.ParseConstraint(text)
		if err != nil { // the file is checked when it is read
			continue
		}
		if label := c.NodeLabel(); label != "" && !slices.Contains(out, label) {
			out = append(out, label)
		}
	}
	return out
}

// equal reports whether two constraints say the same, as the swarm reads them: upper and lower case count only in the names
// of labels. Texts that are no constraints are equal if they are the same.
func equal(a, b string) bool {
	first, errFirst := v1.ParseConstraint(a)
	second, errSecond := v1.ParseConstraint(b)
	if errFirst != nil || errSecond != nil {
		return strings.TrimSpace(a) == strings.TrimSpace(b)
	}
	first, second = plain(first), plain(second)
	if first.NodeLabel() != second.NodeLabel() || first.EngineLabel() != second.EngineLabel() {
		return false
	}
	return first.Not == second.Not && first.Is(second.Key) && strings.EqualFold(first.Value, second.Value)
}

// plain writes a constraint in one of the forms that say the same. A node that is not a worker is a manager.
func plain(c v1.Constraint) v1.Constraint {
	switch {
	case c.Is("node.role") && c.Not && strings.EqualFold(c.Value, v1.RoleWorker):
		c.Value, c.Not = v1.RoleManager, false
	case c.Is("node.role") && c.Not && strings.EqualFold(c.Value, v1.RoleManager):
		c.Value, c.Not = v1.RoleWorker, false
	case c.Is("node.ip"):
		c.Value = plainRange(c.Value)
	}
	return c
}

// plainRange writes an address or a range in one form, as the swarm reads it: an address is the range of itself, and what
// is behind the length of a range does not count. It returns other texts as they are.
func plainRange(text string) string {
	address, length, ranged := strings.Cut(text, "/")
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return text
	}
	bits := uint64(ip.BitLen())
	if ranged {
		if bits, err = strconv.ParseUint(length, 10, 8); err != nil || int(bits) > ip.BitLen() {
			return text
		}
	}
	if ip.Is4In6() && bits >= 96 {
		ip, bits = ip.Unmap(), bits-96
	}
	return netip.PrefixFrom(ip, int(bits)).Masked().String()
}
