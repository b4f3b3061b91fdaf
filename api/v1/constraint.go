package v1

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Constraint is a constraint as SwarmKit's manager/constraint reads it from "key==value" or "key!=value".
type Constraint struct {
	Key, Value string
	// Not reports whether the operator is !=.
	Not bool
}

// Both patterns are copied exactly from SwarmKit (manager/constraint/constraint.go). With (?i) they accept the Kelvin
// sign and the long s, which EqualFold also takes for k and s.
var (
	constraintKey   = regexp.MustCompile(`^(?i)[a-z_][a-z0-9\-_.]+$`)
	constraintValue = regexp.MustCompile(`^(?i)[a-z0-9:\-_\s\.\*\(\)\?\+\[\]\\\^\$\|\/]+$`)
)

// These are the prefixes of keys that name a label.
const (
	nodeLabels   = "node.labels."
	engineLabels = "engine.labels."
)

// constraintKeys are the keys that a node can have. The swarm accepts any other key too, and then no node meets the
// constraint.
var constraintKeys = []string{"node.id", "node.hostname", "node.role", "node.platform.os", "node.platform.arch", "node.ip", nodeLabels, engineLabels}

// ParseConstraint reads a constraint by the swarm's own grammar. It fails if the swarm would refuse the service; the
// error then says what to write instead.
func ParseConstraint(text string) (Constraint, error) {
	key, value, not, found := cutConstraint(text)
	c := Constraint{key, value, not}
	switch {
	case !found:
		return Constraint{}, fmt.Errorf("%q is not of the form KEY == VALUE or KEY != VALUE", text)
	case !constraintKey.MatchString(key):
		return Constraint{}, wrongKey(text, key)
	case !constraintValue.MatchString(value):
		return Constraint{}, wrongValue(text, value)
	}
	return c, nil
}

// cutConstraint looks for == before !=, wherever they are, as SwarmKit does: "a!=b==c" has the key "a!=b".
func cutConstraint(text string) (key, value string, not, found bool) {
	key, value, found = strings.Cut(text, "==")
	if !found {
		key, value, found = strings.Cut(text, "!=")
		not = found
	}
	return strings.TrimSpace(key), strings.TrimSpace(value), not, found
}

func wrongKey(text, key string) error {
	switch label, wrong := constraintLabel(key), wrongRune(key, constraintKey); {
	case key == "":
		return fmt.Errorf("%q is not of the form KEY == VALUE or KEY != VALUE", text)
	case severalConstraints(key):
		return errSeveral(text)
	case strings.ContainsAny(key, "=!"):
		return errOperators(text)
	case label != "" && wrong != 0:
		return fmt.Errorf("%q: the name of the label holds %q, and the swarm takes no constraint on such a label: only on names of letters from a to z, digits and - _ . alone", key, wrong)
	}
	return fmt.Errorf("%q is not a key: the swarm takes letters from a to z, digits, -, _ and ., at least two of them, and the first a letter or _", key)
}

func wrongValue(text, value string) error {
	bare := strings.Trim(value, `"'`)
	switch wrong := wrongRune(value, constraintValue); {
	case value == "":
		return fmt.Errorf("%q is not of the form KEY == VALUE or KEY != VALUE", text)
	case severalConstraints(value):
		return errSeveral(text)
	case bare == "":
		return fmt.Errorf("%q: the swarm has no constraint for an empty value, nor for a label that is missing; compare with a value that the label has on some nodes", text)
	case bare != value && constraintValue.MatchString(bare):
		return fmt.Errorf("%q: the swarm takes no quotes around a value; write %s", text, bare)
	case wrong == ',':
		return fmt.Errorf("%q: the value holds a comma, and the swarm takes one value for each constraint", text)
	case wrong == '=' || wrong == '!':
		return errOperators(text)
	default:
		return fmt.Errorf("%q: the value holds %q, and the swarm takes letters from a to z, digits, spaces and : - _ . * ( ) ? + [ ] \\ ^ $ | / there; give the label another value", text, wrong)
	}
}

// severalConstraints reports whether a text looks as if it held more than one constraint.
func severalConstraints(text string) bool {
	return strings.Contains(text, "&&") || strings.Contains(text, "||") || strings.Contains(text, ",") && strings.ContainsAny(text, "=!")
}

func errSeveral(text string) error {
	return fmt.Errorf("%q holds more than one constraint; state each as an element of the list: a node has to meet all of them, and there is no or", text)
}

func errOperators(text string) error {
	return fmt.Errorf("%q has more than one operator; the swarm takes one, == or !=, for each constraint", text)
}

// wrongRune returns the first character that the pattern does not accept anywhere, or 0.
func wrongRune(text string, pattern *regexp.Regexp) rune {
	for _, r := range text {
		if !pattern.MatchString("aa" + string(r) + "a") {
			return r
		}
	}
	return 0
}

// constraintLabel returns the name of the label that a key names, or "".
func constraintLabel(key string) string {
	if label := foldedPrefix(key, nodeLabels); label != "" {
		return label
	}
	return foldedPrefix(key, engineLabels)
}

// foldedPrefix returns what follows the prefix, whose upper and lower case do not matter. It returns "" if the key does
// not begin with the prefix.
func foldedPrefix(key, prefix string) string {
	if len(key) > len(prefix) && strings.EqualFold(key[:len(prefix)], prefix) {
		return key[len(prefix):]
	}
	return ""
}

// NodeLabel returns the name of the node label that the constraint is about, or "". Upper and lower case do not matter
// in the prefix node.labels., and matter in the name.
func (c Constraint) NodeLabel() string { return foldedPrefix(c.Key, nodeLabels) }

// EngineLabel returns the name of the engine label that the constraint is about, or "". Case counts as in NodeLabel.
func (c Constraint) EngineLabel() string { return foldedPrefix(c.Key, engineLabels) }

// Is reports whether the constraint has this key. Upper and lower case do not matter.
func (c Constraint) Is(key string) bool { return strings.EqualFold(c.Key, key) }

// Within reports whether an address equals the address that the constraint states, or is in its subnet. ok is false
// if the constraint states neither; then no node meets it, whatever its operator. A node without a readable address
// is in no subnet.
//
// SwarmKit uses package net, which differs from net/netip in three ways. An IPv4 address in IPv6 form is that IPv4
// address; addresses have no zone; the length of a prefix may begin with zeros.
func (c Constraint) Within(addr string) (in, ok bool) {
	node, _ := netip.ParseAddr(addr)
	if node.Zone() != "" {
		node = netip.Addr{}
	}
	node = node.Unmap()

	// The constraint's own address needs no check for a zone, because constraintValue accepts no %.
	text, length, isSubnet := strings.Cut(c.Value, "/")
	ip, err := netip.ParseAddr(text)
	if err != nil || !isSubnet {
		return err == nil && ip.Unmap() == node, err == nil
	}
	bits, err := strconv.ParseUint(length, 10, 8)
	if err != nil || int(bits) > ip.BitLen() {
		return false, false
	}
	subnet := netip.PrefixFrom(ip, int(bits)).Masked()
	if subnet.Addr().Is4In6() { // so at least 96 bits: a shorter mask would have cleared the ffff that marks IPv4
		subnet = netip.PrefixFrom(subnet.Addr().Unmap(), int(bits)-96)
	}
	return subnet.Contains(node), true
}

// unmeetable says why no node ever meets the constraint although the swarm accepts it. It returns "" if a node can.
func (c Constraint) unmeetable() string {
	_, address := c.Within("")
	switch {
	case c.NodeLabel() != "", c.EngineLabel() != "":
		return ""
	case !slices.ContainsFunc(constraintKeys, c.Is) || strings.HasSuffix(c.Key, "."):
		return fmt.Sprintf("%q is not a key that nodes have, so no node would meet it; they have %s%s", c.Key, strings.Join(constraintKeys, " "), DidYouMean(c.Key, constraintKeys))
	case c.Is("node.role") && !c.Not && !strings.EqualFold(c.Value, RoleManager) && !strings.EqualFold(c.Value, RoleWorker):
		return fmt.Sprintf("%q is not one of %s, %s", c.Value, RoleManager, RoleWorker)
	case c.Is("node.ip") && !address:
		return fmt.Sprintf("%q is not an address such as 10.0.0.7 or a subnet such as 10.0.0.0/8, so no node would meet it", c.Value)
	}
	return ""
}

// NormalConstraint writes a constraint with single spaces around its operator. The engine keeps the text as sent.
func NormalConstraint(text string) string {
	key, value, not, found := cutConstraint(text)
	switch {
	case !found:
		return strings.TrimSpace(text)
	case not:
		return key + " != " + value
	}
	return key + " == " + value
}
