package node

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

const guardOutage = "outage"

// Host is a node, as far as its tasks depend on it.
type Host struct {
	Machine
	// Asked is the role that the node's spec asks for. While it differs from the role that the node has, that change
	// is still to come.
	Asked, Availability string
	// Down is true if what the node was told to run does not count.
	Down bool
}

// Placed is a task that has not ended and that nobody has told to end.
//
// SwarmKit's constraint enforcer decides by the constraints that the service states now, not by those that the task
// began with (manager/orchestrator/constraintenforcer). On a paused node it ends nothing. On a drained node the
// orchestrators end all tasks, whatever their constraints.
type Placed struct {
	ID, Name, Service string
	// Node is the id of the node. It is "" if the task has none yet.
	Node        string
	Constraints []string // as in the engine's spec: "node.labels.zone==a"
	// Everywhere is true if the task's service is global. The task then belongs to its node, and no other task takes
	// its place.
	Everywhere bool
	// Ready is true if the task runs. Coming is true if it is about to run, and nothing suggests that it will not.
	Ready, Coming bool
	// Volumes are the node's volumes that have the task's data.
	Volumes []string
	Rolling
}

// Running is what runs where: the tasks of nodes that may change, and all tasks of the services that these tasks
// serve. With a nil Running, no step ends a task.
type Running struct {
	hosts  map[string]Host // by id
	onNode map[string][]Placed
	// ready and coming are the tasks of services, without tasks that end anyway.
	ready, coming map[string][]Placed
}

// NewRunning sorts the tasks into a Running. hosts are all nodes, by id.
func NewRunning(hosts map[string]Host, tasks []Placed) *Running {
	r := &Running{hosts: hosts, onNode: map[string][]Placed{}, ready: map[string][]Placed{}, coming: map[string][]Placed{}}
	tasks = slices.SortedFunc(slices.Values(tasks), func(a, b Placed) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	for _, t := range tasks {
		h, placed := hosts[t.Node]
		if placed {
			r.onNode[t.Node] = append(r.onNode[t.Node], t)
		}
		switch {
		case placed && (h.Down || h.ends(t)): // it ends anyway
		case placed && t.Ready:
			r.ready[t.Service] = append(r.ready[t.Service], t)
		case t.Coming:
			r.coming[t.Service] = append(r.coming[t.Service], t)
		}
	}
	return r
}

// ends reports whether SwarmKit ends the task on such a node, now or when the node has the role that it is asked for.
func (h Host) ends(t Placed) bool {
	switch h.Availability {
	case v1.Drain:
		return true
	case v1.Pause:
		return false
	}
	asked := h.Machine
	asked.Role = cmp.Or(h.Asked, h.Role)
	return !h.Meets(t.Constraints) || asked.Role != h.Role && !asked.Meets(t.Constraints)
}

// after returns the node as it is when the fields are written.
func (h Host) after(fields []diff.Field) Host {
	h.Labels = maps.Clone(h.Labels)
	for _, f := range fields {
		label, isLabel := nodeLabel(f.Path)
		switch {
		case f.Path == pathRole:
			h.Role, h.Asked = f.Want.Reveal(), f.Want.Reveal()
		case f.Path == pathAvail:
			h.Availability = f.Want.Reveal()
		case isLabel && !f.Want.Set():
			delete(h.Labels, label)
		case isLabel:
			if h.Labels == nil {
				h.Labels = map[string]string{}
			}
			h.Labels[label] = f.Want.Reveal()
		}
	}
	return h
}

// loss is what a step on a node ends of one service.
type loss struct {
	service, node string
	tasks         []Placed
	// ready is how many tasks are ready now, stay how many of these stay, and lost how many this step ends. coming is
	// how many are about to be ready.
	ready, stay, lost, coming int
}

// losses returns what the fields end when they are written to a node, by service. gone are the tasks that other steps
// end.
func (r *Running) losses(node string, fields []diff.Field, gone map[string]bool) []loss {
	if r == nil {
		return nil
	}
	was := r.hosts[node]
	if was.Down {
		return nil
	}
	is := was.after(fields)
	ended := map[string]bool{}
	var out []loss
	for _, t := range r.onNode[node] { // the tasks are sorted by service
		if was.ends(t) || !is.ends(t) {
			continue
		}
		ended[t.ID] = true
		if n := len(out); n == 0 || out[n-1].service != t.Service {
			out = append(out, loss{service: t.Service, node: was.Hostname})
		}
		l := &out[len(out)-1]
		l.tasks = append(l.tasks, t)
	}
	stays := func(t Placed) bool { return !ended[t.ID] && !gone[t.ID] }
	for i := range out {
		l := &out[i]
		l.ready = len(r.ready[l.service])
		l.stay = count(r.ready[l.service], stays)
		l.lost = count(r.ready[l.service], func(t Placed) bool { return ended[t.ID] && !gone[t.ID] })
		l.coming = count(r.coming[l.service], stays)
	}
	return out
}

func count(tasks []Placed, is func(Placed) bool) int {
	n := 0
	for _, t := range tasks {
		if is(t) {
			n++
		}
	}
	return n
}

// outage reports whether the service had a ready task and the step ends the last one. Global services do not count,
// because a task of theirs ends with its node.
func (l loss) outage() bool { return l.stay == 0 && l.lost > 0 && !l.tasks[0].Everywhere }

func (l loss) String() string {
	if l.tasks[0].Everywhere {
		return fmt.Sprintf("ends the task of %s on %s, which is global", l.service, l.node)
	}
	var names []string
	for _, t := range l.tasks {
		names = append(names, t.Name)
	}
	text := fmt.Sprintf("ends %s of %s on %s (%s); ", v1.Count(len(l.tasks), "task"), l.service, l.node, strings.Join(names, ", "))
	if l.ready == 0 {
		return text + "none is ready now"
	}
	return text + fmt.Sprintf("%d of %d stay", l.stay, l.ready)
}

// outages splits the losses into those that are outages and the rest.
func outages(all []loss) (out, rest []loss) { return split(all, loss.outage) }

func split[T any](all []T, keep func(T) bool) (kept, rest []T) {
	for _, one := range all {
		if keep(one) {
			kept = append(kept, one)
		} else {
			rest = append(rest, one)
		}
	}
	return kept, rest
}

// roleField returns what a change of the node's role writes.
func (n Node) roleField(promote bool) diff.Field {
	if promote {
		return plan.TextField(pathRole, v1.RoleWorker, v1.RoleManager)
	}
	return plan.TextField(pathRole, v1.RoleManager, v1.RoleWorker)
}

// weighed returns the nodes with what a change of their role costs.
func (s Swarm) weighed(p plan.Policy) []Node {
	nodes := slices.Clone(s.Nodes)
	for i := range nodes {
		n := &nodes[i]
		all := s.Running.losses(n.ID, []diff.Field{n.roleField(!n.Manager)}, nil)
		out, _ := outages(all)
		n.Outages, n.Agreed, n.Ends = len(out), p.Consents.Covers(plan.Outage, n.Key()), 0
		for _, l := range all {
			n.Ends += len(l.tasks)
		}
	}
	return nodes
}

// outageAlone asks before a step on a node leaves a service without a ready task. Nothing is written to a node while
// what runs on it is not known.
func (s Swarm) outageAlone(step plan.Step, _ plan.Facts, p plan.Policy) []plan.Refusal {
	if step.Key.Kind != v1.KindNode {
		return nil
	}
	if s.Unknown != "" {
		return []plan.Refusal{step.Refusal(plan.Later, "the operator does not know what runs on this node: %s", s.Unknown)}
	}
	out, rest := outages(s.Running.losses(step.Instance, step.Fields, nil))
	if len(out) == 0 || p.Consents.Covers(plan.Outage, step.Key) {
		return nil
	}
	why := "it " + text(out) + besides(rest)
	if !slices.ContainsFunc(out, func(l loss) bool { return l.coming == 0 }) {
		return step.Awaits(plan.Outage, p, "%s; other tasks of %s are about to start, and are waited for", why, services(out))
	}
	if labelsNode(step) && !drains(step) {
		why += "; without an outage it takes two commits: one adds a label of a new name and switches the constraints to it, the next one changes or removes the old label"
	}
	return step.Needs(plan.Outage, p, "%s", why)
}

// outageTogether makes a step wait if it leaves a service without a ready task only together with other steps of the
// plan, or with a roll-out. When those are done, the service's tasks may run elsewhere. Steps that somebody agreed to
// are done first. The operator's own steps come last: they wait for all others, so no other step may wait for them.
func (s Swarm) outageTogether(pl plan.Plan, f plan.Facts, p plan.Policy) []plan.Refusal {
	if s.Running == nil {
		return nil
	}
	gone := map[string]bool{}
	by := map[string]string{} // the step that ends tasks of a service
	onNodes, _ := split(pl.Steps, func(step plan.Step) bool { return step.Key.Kind == v1.KindNode })
	own, others := split(onNodes, s.ends)
	agreed := func(step plan.Step) bool { return p.Consents.Covers(plan.Outage, step.Key) }
	first, rest := split(others, agreed)
	var refused []plan.Refusal
	for _, step := range slices.Concat(first, rest, own) {
		all := s.Running.losses(step.Instance, step.Fields, gone)
		if out, _ := outages(all); len(out) > 0 && !agreed(step) {
			refused = append(refused, step.Refusal(plan.Later, "with %s, which comes first, it %s", by[out[0].service], text(out)))
			continue
		}
		if out := rolledAway(step, all, pl, f); len(out) > 0 && !agreed(step) {
			refused = append(refused, step.Awaits(plan.Outage, p, "it %s; a roll-out of %s may stop the rest at the same time, and is waited for", text(out), services(out))...)
			continue
		}
		if out := cutShort(all, pl, f); len(out) > 0 && !agreed(step) {
			refused = append(refused, step.Awaits(plan.Outage, p, "it %s; a roll-out of %s has just made that, would fail with it, and is waited for", text(out), services(out))...)
			continue
		}
		for _, l := range all {
			by[l.service] = step.Key.String()
			for _, t := range l.tasks {
				gone[t.ID] = true
			}
		}
	}
	return refused
}

// costs adds to each step on a node what it ends, including what the steps before it end.
func (s Swarm) costs(p *plan.Plan) {
	gone := map[string]bool{}
	for i := range p.Steps {
		step := &p.Steps[i]
		if step.Key.Kind != v1.KindNode {
			continue
		}
		all := s.Running.losses(step.Instance, step.Fields, gone)
		out, rest := outages(all)
		if len(out) > 0 {
			step.Hazards = append(step.Hazards, plan.Outage)
		}
		stay := map[string]bool{}
		for _, l := range slices.Concat(out, rest) {
			step.Notes = append(step.Notes, l.String())
			for _, t := range l.tasks {
				gone[t.ID] = true
				for _, v := range t.Volumes {
					stay[fmt.Sprintf("Service/%s has the volume %s here: its data stays on this node", l.service, v)] = true
				}
			}
		}
		step.Notes = append(step.Notes, slices.Sorted(maps.Keys(stay))...)
	}
}

func text(all []loss) string {
	var out []string
	for _, l := range all {
		out = append(out, l.String())
	}
	return strings.Join(out, "; it ")
}

func services(all []loss) string {
	var out []string
	for _, l := range all {
		out = append(out, l.service)
	}
	return strings.Join(out, ", ")
}

// besides names the services that lose tasks and go on.
func besides(rest []loss) string {
	if len(rest) == 0 {
		return ""
	}
	return "; it ends tasks of " + services(rest) + ", too, which go on elsewhere or are global"
}
