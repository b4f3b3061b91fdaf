package service

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// guardPorts holds changes of ports that the swarm accepts and does not carry out.
const guardPorts = "ports"

// anyPort is above all numbers of ports. It stands for a number that the swarm has chosen and that nobody has seen.
const anyPort = 1 << 16

// allocation has the ports of a service as SwarmKit's allocator has given them, and the ports of the spec that it gave them
// for.
type allocation struct {
	spec, ports []swarm.PortConfig
}

// stuck refuses a change of ports of which SwarmKit's allocator would take no notice. It gives a port that stays and
// states no number the number that the port had, even if a manifest had stated that. If all ports agree with what was
// given before, it does not look at the service: the endpoint keeps the old spec, tasks with ports of their nodes find
// no place, and each later write, even of a label, replaces all tasks (isPortsAllocatedOnInit and reconcilePortConfigs
// in manager/allocator/portallocator.go, IsTaskDirty in manager/orchestrator/task.go). The rest of the step is written,
// with the ports left as they are in the live spec, unless they differ from what was given already: that write would
// replace tasks which the rest alone would not. A job that jobs leaves as it is needs no other refusal.
func stuck(s plan.Step, _ plan.Facts, _ plan.Policy) []plan.Refusal {
	if s.Key.Kind != v1.KindService || s.Op != diff.Update || staysJob(s) {
		return nil
	}
	paths := diff.NewPaths(s.Fields)
	if !paths.Any("spec.ports") {
		return nil
	}
	live := raw(s.Change.Have.Value.(*kinds.Live))
	var now, next swarm.ServiceSpec
	if e := live.Spec.EndpointSpec; e != nil {
		now.EndpointSpec, next.EndpointSpec = e, &swarm.EndpointSpec{Mode: e.Mode, Ports: slices.Clone(e.Ports)}
	}
	overlayPorts(&next, &s.Change.Want.Value.(*v1.Service).Spec, paths)
	asGiven(&next, &live.Endpoint)
	given := allocation{spelled(live.Endpoint.Spec.Ports), spelled(live.Endpoint.Ports)}
	is, becomes := portsOf(&now), portsOf(&next)
	why := given.ignores(is, becomes)
	if why == "" && given.looks(is) { // the last write may still be looked at; otherwise it was ignored for good
		why = givenFor(is).ignores(is, becomes)
	}
	if why == "" {
		return nil
	}
	r := s.Refusal(plan.Never, "%s", why)
	if rest := others(s.Fields); slices.Equal(given.spec, is) || restart(rest) {
		r = r.Beside(rest)
		r.Fields = slices.DeleteFunc(slices.Clone(s.Fields), func(f diff.Field) bool { return !ofEndpoint(f.Path) })
	}
	return []plan.Refusal{r}
}

// ofEndpoint reports whether a field is one of the ports, or of the endpoint's mode, which not all ports go with.
func ofEndpoint(path string) bool {
	return strings.HasPrefix(path, "spec.ports[") || path == "spec.endpointMode"
}

// others returns the fields that are not of the endpoint.
func others(fields []diff.Field) []diff.Field {
	return slices.DeleteFunc(slices.Clone(fields), func(f diff.Field) bool { return ofEndpoint(f.Path) })
}

func restart(fields []diff.Field) bool {
	return slices.ContainsFunc(fields, func(f diff.Field) bool { return f.Effect >= diff.RestartsTasks })
}

// leftPorts returns the paths of the ports and of the endpoint's mode if a step leaves out what git changes of them.
func leftPorts(s plan.Step) []string {
	written := diff.NewPaths(s.Fields)
	if !slices.ContainsFunc(s.Change.Counted(), func(f diff.Field) bool { return f.Git && ofEndpoint(f.Path) && !written.Has(f.Path) }) {
		return nil
	}
	var out []string
	for _, l := range slices.Concat(s.Change.Have.Leaves, s.Change.Want.Leaves) {
		if ofEndpoint(l.Path) {
			out = append(out, l.Path)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// asGiven puts the ports of a spec in the order of those that the endpoint was made for, if they are the same ports.
// SwarmKit compares the lists, so another order would make each later write replace all tasks.
func asGiven(spec *swarm.ServiceSpec, endpoint *swarm.Endpoint) {
	left, made := portsOf(spec), spelled(endpoint.Spec.Ports)
	if len(left) == 0 || len(left) != len(made) {
		return
	}
	for _, p := range made {
		i := slices.Index(left, p)
		if i < 0 {
			return
		}
		left = slices.Delete(left, i, i+1)
	}
	spec.EndpointSpec.Ports = made
}

// portsOf returns the ports of a spec as SwarmKit keeps them.
func portsOf(spec *swarm.ServiceSpec) []swarm.PortConfig {
	if spec.EndpointSpec == nil {
		return nil
	}
	return spelled(spec.EndpointSpec.Ports)
}

// spelled states the protocol and the mode of each port.
func spelled(ports []swarm.PortConfig) []swarm.PortConfig {
	out := slices.Clone(ports)
	for i := range out {
		out[i].Protocol, out[i].PublishMode = cmp.Or(out[i].Protocol, network.TCP), cmp.Or(out[i].PublishMode, swarm.PortConfigPublishModeIngress)
	}
	return out
}

// givenFor returns what the allocator gives a service with a spec of these ports that had none before.
func givenFor(spec []swarm.PortConfig) allocation {
	g := allocation{spec, slices.Clone(spec)}
	for i := range g.ports {
		if p := &g.ports[i]; !ofNode(*p) && p.PublishedPort == 0 {
			p.PublishedPort = anyPort + uint32(i)
		}
	}
	return g
}

// looks reports whether the allocator would look at the service if the ports of the spec became these.
func (g allocation) looks(next []swarm.PortConfig) bool {
	if len(next) != len(g.ports) {
		return true
	}
	_, found := g.find(next)
	return !found || g.newOfNode(next)
}

// find looks for each port among those that were given, as the allocator does. It returns the ports that state no number
// and would keep one that the spec stated, with that number. found is true if all were given.
func (g allocation) find(next []swarm.PortConfig) (keep []swarm.PortConfig, found bool) {
	left, found := g.ofMesh(), true
	for _, p := range next {
		if !ofNode(p) && p.PublishedPort != 0 {
			found = left.take(p, p.PublishedPort) && found
		}
	}
	for _, p := range next {
		switch {
		case ofNode(p):
			// All that the allocator asks of the port of a node is whether there was one with this target.
			found = slices.ContainsFunc(g.ports, func(o swarm.PortConfig) bool { return ofNode(o) && o.TargetPort == p.TargetPort }) && found
		case p.PublishedPort == 0:
			had, one := left.takeAny(p, g.spec)
			if found = one && found; states(g.spec, p, had) {
				p.PublishedPort = had
				keep = append(keep, p)
			}
		}
	}
	return keep, found
}

// ignores says what the allocator would not do if the ports of the spec were these and became others. It returns "" if
// it would do all. A port that stays as it is in the spec does not count, even if the swarm has kept its number.
//
// A change of the service's networks in the same write may make the allocator look at the service. That is not
// considered here: the change is then held although the swarm might carry it out.
func (g allocation) ignores(now, next []swarm.PortConfig) string {
	if len(next) != len(g.ports) { // it gives each port anew
		return ""
	}
	keep, found := g.find(next)
	kept := slices.DeleteFunc(keep, func(p swarm.PortConfig) bool {
		p.PublishedPort = 0
		return slices.Contains(now, p)
	})
	if !found || slices.Equal(g.spec, next) || g.newOfNode(next) {
		return refusing(kept, nil, nil)
	}
	var chosen, others []swarm.PortConfig
	for _, p := range next {
		switch at := slices.IndexFunc(g.ports, func(o swarm.PortConfig) bool { return ofNode(o) && samePort(o, p) }); {
		case slices.Contains(g.spec, p):
		case ofNode(p) && at >= 0 && g.ports[at].PublishedPort != 0:
			kept = append(kept, g.ports[at])
		case !ofNode(p) && p.PublishedPort != 0:
			chosen = append(chosen, p)
		case ofNode(p):
			others = append(others, p)
		}
	}
	if len(kept)+len(chosen)+len(others) == 0 {
		others = next
	}
	return refusing(kept, chosen, others)
}

// refusing says what the allocator does not do with ports, and what to do about it.
func refusing(kept, chosen, others []swarm.PortConfig) string {
	var out []string
	say := func(ports []swarm.PortConfig, one, several string) {
		if len(ports) > 0 {
			numbers, targets := these(ports, number), these(ports, target)
			out = append(out, strings.NewReplacer("NUMBERS", numbers, "TARGETS", targets).Replace(map[bool]string{true: one, false: several}[len(ports) == 1]))
		}
	}
	say(kept, "the swarm keeps port NUMBERS for the service while TARGETS stays: take TARGETS out of the manifest for one commit, then state it without published; or state the number",
		"the swarm keeps ports NUMBERS for the service while TARGETS stay: take TARGETS out of the manifest for one commit, then state them without published; or state the numbers")
	say(chosen, "the swarm has chosen port NUMBERS for TARGETS itself, and takes no notice of a spec that states it: state no published or another one, or take TARGETS out of the manifest for one commit",
		"the swarm has chosen ports NUMBERS for TARGETS itself, and takes no notice of a spec that states them: state no published or others, or take TARGETS out of the manifest for one commit")
	say(others, "the swarm takes no notice of this change of TARGETS: take TARGETS out of the manifest for one commit, then state it",
		"the swarm takes no notice of this change of TARGETS: take TARGETS out of the manifest for one commit, then state them")
	return strings.Join(out, "; ")
}

// these lists something of each port.
func these(ports []swarm.PortConfig, text func(swarm.PortConfig) string) string {
	var out []string
	for _, p := range ports {
		out = append(out, text(p))
	}
	return strings.Join(out, " and ")
}

func number(p swarm.PortConfig) string { return fmt.Sprint(p.PublishedPort) }

func target(p swarm.PortConfig) string { return fmt.Sprintf("%d/%s", p.TargetPort, p.Protocol) }

// ofNode reports whether a port is published on the node of each task, and not through the routing mesh.
func ofNode(p swarm.PortConfig) bool { return p.PublishMode == swarm.PortConfigPublishModeHost }

// samePort reports whether two ports are the same to the allocator, whatever their numbers and modes are.
func samePort(a, b swarm.PortConfig) bool {
	return a.Name == b.Name && a.Protocol == b.Protocol && a.TargetPort == b.TargetPort
}

// states reports whether a spec states the number for a port of the routing mesh.
func states(spec []swarm.PortConfig, p swarm.PortConfig, number uint32) bool {
	p.PublishedPort = number
	return number != 0 && slices.Contains(spec, p)
}

// newOfNode reports whether a port of the nodes has another number than before. The allocator then takes over all ports
// of the nodes, and the spec (hostPublishPortsNeedUpdate).
func (g allocation) newOfNode(next []swarm.PortConfig) bool {
	return slices.ContainsFunc(next, func(p swarm.PortConfig) bool {
		return ofNode(p) && p.PublishedPort != 0 && !slices.Contains(g.ports, p)
	})
}

// meshPorts are ports of the routing mesh that have been given.
type meshPorts []swarm.PortConfig

func (g allocation) ofMesh() *meshPorts {
	m := meshPorts(slices.DeleteFunc(slices.Clone(g.ports), ofNode))
	return &m
}

// take takes the port that has this number, and reports whether there is one.
func (m *meshPorts) take(p swarm.PortConfig, number uint32) bool {
	i := slices.IndexFunc(*m, func(o swarm.PortConfig) bool { return samePort(o, p) && o.PublishedPort == number })
	if i >= 0 {
		*m = slices.Delete(*m, i, i+1)
	}
	return i >= 0
}

// takeAny takes a port whatever its number, and returns that number. SwarmKit takes any of several. Here, it is one
// that the spec states if there is one.
func (m *meshPorts) takeAny(p swarm.PortConfig, spec []swarm.PortConfig) (number uint32, found bool) {
	for _, stated := range []bool{true, false} {
		for _, o := range *m {
			if samePort(o, p) && o.PublishedPort != 0 && states(spec, o, o.PublishedPort) == stated {
				return o.PublishedPort, m.take(p, o.PublishedPort)
			}
		}
	}
	return 0, false
}
