package node

import (
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

const (
	guardInsecureEngine = "insecure-engine"
	guardEngineSocket   = "engine-socket"
)

// insecure refuses a step that uses a node's own engine by TCP without TLS, unless the operator may do so.
func insecure(s plan.Step, _ plan.Facts, p plan.Policy) []plan.Refusal {
	e := engineOf(s)
	if e == nil || !e.InClear() || p.Engines.Insecure {
		return nil
	}
	const ways = "state spec.engine.tls, reach the engine by ssh://, or run the operator with --insecure-engines"
	switch {
	case s.Recognises():
		return []plan.Refusal{s.Refusal(plan.Never, "its engine would be asked at %s, which has no TLS, whether it is this node: %s; or state spec.id", e.Host, ways)}
	case s.Leaves():
		return []plan.Refusal{s.Refusal(plan.Never, "its engine would be asked to leave at %s, which has no TLS: %s; or run docker swarm leave on it", e.Host, ways)}
	}
	return []plan.Refusal{s.Refusal(plan.Never, "the join token would go to %s in clear, because it has no TLS: %s", e.Host, ways)}
}

// socket refuses a step that uses a node's own engine at a socket of the operator's host, unless the operator may. It does not
// look whether the socket exists, and says nothing of that.
func socket(s plan.Step, _ plan.Facts, p plan.Policy) []plan.Refusal {
	e := engineOf(s)
	if e == nil || e.MayUse(p.Engines.Sockets) {
		return nil
	}
	if !strings.HasPrefix(e.Host, "unix://") {
		return []plan.Refusal{s.Refusal(plan.Never, "spec.engine.host is not of the form unix://PATH, tcp://HOST:PORT or ssh://[USER@]HOST")}
	}
	return []plan.Refusal{s.Refusal(plan.Never, "its engine is at %s, a socket of the operator's host, which no manifest may use unless --engine-sockets allows it: state it there, or reach the engine by ssh:// or tcp://", e.Host)}
}

// engineOf returns the engine that a step uses, because the node joins or leaves the swarm there, or is recognised there. It
// returns nil if the step uses none.
func engineOf(s plan.Step) *v1.EngineEndpoint {
	if s.Key.Kind != v1.KindNode || !kinds.Joins(s) && !s.Leaves() && !s.Recognises() || s.Change.Want == nil {
		return nil
	}
	n, is := s.Change.Want.Value.(*v1.Node)
	if !is {
		return nil
	}
	return n.Spec.Engine
}

// nameEngines says of each step that uses a node's own engine where that engine is: whoever answers there gets what is
// sent.
func nameEngines(p *plan.Plan) {
	for i := range p.Steps {
		s := &p.Steps[i]
		e := engineOf(*s)
		switch {
		case e == nil:
		case s.Recognises():
			s.Cause += "; its engine is asked at " + e.Host
		case s.Leaves():
			s.Cause += " through " + e.Host
		default:
			s.Cause += "; it joins through " + e.Host
		}
	}
}
