package node

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

const pathConstraints = "spec.placement.constraints"

// labelled holds steps of services whose new tasks need a label that no node has, because the step that writes the
// label is refused. The new tasks would find no node, and the tasks that serve now would have ended for them.
//
// This ends when the refusal of the node's step ends. The node's step never waits for the service's step. If it needs
// consent because tasks still have the earlier constraints, a person agrees to the outage or makes two commits.
func (s Swarm) labelled(p plan.Plan, _ plan.Facts, _ plan.Policy) []plan.Refusal {
	var unlabelled []plan.Refusal // refused steps by which git gives labels to nodes
	for _, r := range p.Refused {
		if !r.Quiet && !r.Unmatched() && len(placesBy(r)) > 0 { // nothing waits for a host that has gone
			unlabelled = append(unlabelled, r)
		}
	}
	if len(unlabelled) == 0 {
		return nil
	}
	hosts := s.hosts(p)
	var held []plan.Refusal
	for _, step := range p.Steps {
		if step.Change.Want == nil || !placesAnew(step) {
			continue
		}
		texts := constraints(step.Change.Want)
		if slices.ContainsFunc(hosts, func(h Host) bool { return h.Meets(texts) }) {
			continue
		}
		for _, r := range unlabelled {
			if names := constrained(step.Change.Want, placesBy(r)); len(names) > 0 {
				held = append(held, step.Refusal(r.Class, "its constraints need the label %s of %s, which is refused: %s", strings.Join(names, ", "), r.Key, r.Why))
			}
		}
	}
	return held
}

// placesAnew reports whether a step makes tasks whose place its constraints decide, and did not decide before.
func placesAnew(s plan.Step) bool {
	return s.Key.Kind == v1.KindService && (s.Op == diff.Create || s.Op == diff.Replace ||
		slices.ContainsFunc(s.Change.Fields, func(f diff.Field) bool { return !f.Ignored && strings.HasPrefix(f.Path, pathConstraints) }))
}

// placesBy returns the labels of a node that git changes and that are refused. It returns none for a node that is
// drained or paused together with them, because its labels place no task.
func placesBy(r plan.Refusal) map[string]bool {
	if r.Key.Kind != v1.KindNode {
		return nil
	}
	labels := map[string]bool{}
	for _, f := range r.Fields {
		if label, is := nodeLabel(f.Path); is && f.Git {
			labels[label] = true
		}
		if f.Path == pathAvail && f.Want.Reveal() != v1.Active {
			return nil
		}
	}
	return labels
}

// hosts returns the nodes that tasks may be placed on, as the steps of the plan leave them.
func (s Swarm) hosts(p plan.Plan) []Host {
	if s.Running == nil {
		return nil
	}
	var out []Host
	for id, h := range s.Running.hosts {
		for _, step := range p.Steps {
			if step.Key.Kind == v1.KindNode && step.Instance == id {
				h = h.after(step.Fields)
			}
		}
		if h.Availability == v1.Active && !h.Down {
			out = append(out, h)
		}
	}
	return out
}

// nodeLabels returns the labels of a node that a step changes.
func nodeLabels(s plan.Step) []string {
	if s.Key.Kind != v1.KindNode {
		return nil
	}
	var out []string
	for _, f := range s.Fields {
		if label, is := nodeLabel(f.Path); is {
			out = append(out, label)
		}
	}
	return out
}

// nodeLabel returns the label of a node that a path names. It returns false if the path names none.
func nodeLabel(path string) (string, bool) {
	rest, is := strings.CutPrefix(path, "spec.labels")
	if quoted, err := strconv.Unquote(strings.Trim(rest, "[]")); err == nil && is {
		return quoted, true
	}
	return strings.TrimPrefix(rest, "."), is
}

// constraints returns the texts of a service's constraints.
func constraints(want *diff.State) []string {
	if want.Key.Kind != v1.KindService {
		return nil
	}
	leaf, _ := want.Leaf(pathConstraints)
	var texts []string
	if leaf.Text == "" || json.Unmarshal([]byte(leaf.Text), &texts) != nil {
		return nil
	}
	return texts
}

// constrained returns those of the labels that a service's constraints name. Its tasks can be placed when nodes have
// them.
func constrained[T any](want *diff.State, labels map[string]T) []string {
	if len(labels) == 0 {
		return nil
	}
	var out []string
	for _, text := range constraints(want) {
		c, err := v1.ParseConstraint(text)
		if err != nil {
			continue
		}
		if _, is := labels[c.NodeLabel()]; is && !slices.Contains(out, c.NodeLabel()) {
			out = append(out, c.NodeLabel())
		}
	}
	return out
}

// afterLabels makes steps on services come after steps that change labels that the services' constraints name.
func afterLabels(p *plan.Plan) {
	labels := map[string][]int{}
	for _, s := range p.Steps {
		if s.Op != diff.Remove {
			for _, l := range nodeLabels(s) {
				labels[l] = append(labels[l], s.ID)
			}
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Op == diff.Remove || s.Change.Want == nil {
			continue
		}
		if names := constrained(s.Change.Want, labels); len(names) > 0 {
			s.After = slices.Clone(s.After)
			for _, l := range names {
				s.After = append(s.After, labels[l]...)
			}
			slices.Sort(s.After)
			s.After = slices.Compact(s.After)
		}
	}
}
