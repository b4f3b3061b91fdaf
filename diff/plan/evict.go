package plan

import (
	"cmp"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
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

// meets is NodeMatches of SwarmKit's manager/constraint. A value that the node does not have is the empty one there, which
// no constraint can state: == is never met, != always.
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
		has = m.Labels[label] // only what stands before the label's name is read in any case
	case engineLabel != "":
		has = m.EngineLabels[engineLabel]
	default:
		return false
	}
	return strings.EqualFold(c.Value, has) != c.Not
}
