package plan

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Placed is a task that runs on a node.
//
// What counts is what SwarmKit's constraint enforcer goes by (manager/orchestrator/constraintenforcer): the constraints
// that the service states now, not those that the task began with, and the task's own only where its service is gone. It
// looks at tasks only that are meant to run and have not ended, and only on nodes whose availability is active: whoever
// asks leaves out the others.
type Placed struct {
	ID, Service string
	Constraints []string // as in the engine's spec: "node.labels.zone==a"
}

// Machine is what constraints can name of a node. What a node does not tell is empty. Its role is the one that it has:
// SwarmKit goes by that, and what its spec asks for, which is what the engine shows, may still be to come.
type Machine struct {
	ID, Hostname, Addr, Role, OS, Architecture string
	Labels, EngineLabels                       map[string]string
}

// Evicted are the tasks that run on was and would not be let run on is, by service and ID. A task that was cannot be let
// run either is ended whether or not the node changes.
func Evicted(was, is Machine, tasks []Placed) []Placed {
	var out []Placed
	for _, t := range tasks {
		if was.Meets(t.Constraints) && !is.Meets(t.Constraints) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b Placed) int { return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Meets says whether the constraint enforcer lets a task with these constraints run on the machine.
//
// Where one of them cannot be read SwarmKit drops the error and with it all of them, those that it could read too: the
// enforcer, the scheduler and the global orchestrator alike. One that names what nodes do not have is met by no node.
func (m Machine) Meets(constraints []string) bool {
	parsed := make([]constraint, 0, len(constraints))
	for _, text := range constraints {
		c, ok := parseConstraint(text)
		if !ok {
			return true
		}
		parsed = append(parsed, c)
	}
	return !slices.ContainsFunc(parsed, func(c constraint) bool { return !m.meets(c) })
}

// constraint is what manager/constraint of SwarmKit makes of "key==value" and "key!=value".
type constraint struct {
	key, value string
	not        bool
}

// Both are SwarmKit's to the letter (manager/constraint/constraint.go). With (?i) they let in the Kelvin sign and the
// long s, which EqualFold holds for k and s too.
var (
	constraintKey   = regexp.MustCompile(`^(?i)[a-z_][a-z0-9\-_.]+$`)
	constraintValue = regexp.MustCompile(`^(?i)[a-z0-9:\-_\s\.\*\(\)\?\+\[\]\\\^\$\|\/]+$`)
)

// parseConstraint looks for == before !=, wherever they stand: "a!=b==c" has the key "a!=b", and is none.
func parseConstraint(text string) (constraint, bool) {
	key, value, found := strings.Cut(text, "==")
	not := false
	if !found {
		key, value, not = strings.Cut(text, "!=")
	}
	c := constraint{strings.TrimSpace(key), strings.TrimSpace(value), not}
	return c, (found || not) && constraintKey.MatchString(c.key) && constraintValue.MatchString(c.value)
}

// meets is NodeMatches of SwarmKit's manager/constraint. A value that the node does not have is the empty one there, which
// no constraint can state: == is never met, != always.
func (m Machine) meets(c constraint) bool {
	var has string
	switch label, engineLabel := foldedPrefix(c.key, "node.labels."), foldedPrefix(c.key, "engine.labels."); {
	case strings.EqualFold(c.key, "node.id"):
		has = m.ID
	case strings.EqualFold(c.key, "node.hostname"):
		has = m.Hostname
	case strings.EqualFold(c.key, "node.ip"):
		in, ok := within(m.Addr, c.value)
		return ok && in != c.not
	case strings.EqualFold(c.key, "node.role"):
		has = m.Role
	case strings.EqualFold(c.key, "node.platform.os"):
		has = m.OS
	case strings.EqualFold(c.key, "node.platform.arch"):
		has = m.Architecture
	case label != "":
		has = m.Labels[label] // only what stands before the label's name is read in any case
	case engineLabel != "":
		has = m.EngineLabels[engineLabel]
	default:
		return false
	}
	return strings.EqualFold(c.value, has) != c.not
}

// foldedPrefix is what follows the prefix, which may be in any case; nothing where it does not lead, or nothing follows.
func foldedPrefix(key, prefix string) string {
	if len(key) > len(prefix) && strings.EqualFold(key[:len(prefix)], prefix) {
		return key[len(prefix):]
	}
	return ""
}

// within says whether the address is the one, or is in the subnet, that a constraint states; not ok where that is neither,
// and then no node meets the constraint, whatever its operator. A node without a readable address is in none.
//
// SwarmKit reads them with package net, for which an IPv4 address in IPv6 is that IPv4 address, addresses have no zone,
// and the length of a prefix may begin with zeros; net/netip sees all three otherwise.
func within(addr, stated string) (in, ok bool) {
	node, _ := netip.ParseAddr(addr)
	if node.Zone() != "" {
		node = netip.Addr{}
	}
	node = node.Unmap()

	// A zone needs no look here: constraintValue has no %.
	text, length, isSubnet := strings.Cut(stated, "/")
	ip, err := netip.ParseAddr(text)
	if err != nil || !isSubnet {
		return err == nil && ip.Unmap() == node, err == nil
	}
	bits, err := strconv.ParseUint(length, 10, 8)
	if err != nil || int(bits) > ip.BitLen() {
		return false, false
	}
	subnet := netip.PrefixFrom(ip, int(bits)).Masked()
	if subnet.Addr().Is4In6() { // and so is at least 96 long, or the mask had cut into what tells that it is
		subnet = netip.PrefixFrom(subnet.Addr().Unmap(), int(bits)-96)
	}
	return subnet.Contains(node), true
}
