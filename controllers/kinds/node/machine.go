package node

import (
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Machine is what constraints can name of a node. A value that a node does not report is empty. Role is the role that
// the node has, because SwarmKit decides by that. The engine shows the role that the spec asks for, which may still
// be to come.
type Machine struct {
	ID, Hostname, Addr, Role, OS, Architecture string
	Labels, EngineLabels                       map[string]string
}

// Meets reports whether the constraint enforcer lets a task with these constraints run on the machine.
//
// If one of the constraints cannot be read, SwarmKit drops the error and, with it, all of them, even those that it
// could read. The enforcer, the scheduler and the global orchestrator all do that. A constraint that names something
// that nodes do not have is met by no node.
func (m Machine) Meets(constraints []string) bool {
	parsed := make([]v1.Constraint, 0, len(constraints))
	for _, text := range constraints {
		c, err := v1.ParseConstraint(text)
		if err != nil {
			return true
		}
		parsed = append(parsed, c)
	}
	return !slices.ContainsFunc(parsed, func(c v1.Constraint) bool { return !m.meets(c) })
}

// meets is NodeMatches of SwarmKit's manager/constraint. There, a value that the node does not have is the empty one,
// which no constraint can state. So == is never met, and != always is.
func (m Machine) meets(c v1.Constraint) bool {
	var has string
	switch label, engineLabel := c.NodeLabel(), c.EngineLabel(); {
	case c.Is("node.id"):
		has = m.ID
	case c.Is("node.hostname"):
		has = m.Hostname
	case c.Is("node.ip"):
		in, ok := c.Within(m.Addr)
		return ok && in != c.Not
	case c.Is("node.role"):
		has = m.Role
	case c.Is("node.platform.os"):
		has = m.OS
	case c.Is("node.platform.arch"):
		has = m.Architecture
	case label != "":
		has = m.Labels[label] // case does not matter in what stands before the label's name, and does in the name
	case engineLabel != "":
		has = m.EngineLabels[engineLabel]
	default:
		return false
	}
	return strings.EqualFold(c.Value, has) != c.Not
}
