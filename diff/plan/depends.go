package plan

import (
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

const pathConstraints = "spec.placement.constraints"

// dependencies orders what changes together: a step waits until the services it depends on are done and ready.
// What a dependency's refusal holds back is held with it.
func dependencies(plan Plan, f Facts, _ Policy) []Refusal {
	d := dependedOn{facts: f, changing: map[v1.Key]bool{}, missing: map[v1.Key]Refusal{}, hosts: plan.hosts(f)}
	for _, s := range plan.Steps {
		own := s.Key == f.Self && s.Op == diff.Update // it comes last, so nothing waits for it
		d.changing[s.Key] = d.changing[s.Key] || (s.Op != diff.Remove && s.Key.Kind == v1.KindService && !own)
	}
	for _, r := range plan.Refused {
		if r.holdsOthers(f) {
			d.missing[r.Key] = r
		}
		if !r.Quiet && !r.is(unmatched) && len(r.placesBy()) > 0 { // nothing waits for a host that has gone
			d.unlabelled = append(d.unlabelled, r)
		}
	}
	var held, later []Refusal
	for _, s := range plan.Steps {
		if s.Change.Want == nil {
			continue
		}
		held = append(held, d.used(s)...)
		held = append(held, d.labelled(s)...)
		h, l := d.ready(s)
		held, later = append(held, h...), append(later, l...)
	}
	if len(held) > 0 { // what holds one holds those behind it: nothing waits for what never comes
		return held
	}
	return later
}

// dependedOn is what steps of a plan may wait for.
type dependedOn struct {
	facts Facts
	// changing are services with a step of their own in the plan.
	changing map[v1.Key]bool
	// missing are the refusals that hold what depends on their objects.
	missing map[v1.Key]Refusal
	// unlabelled are refused steps that git gives labels of nodes.
	unlabelled []Refusal
	// hosts are the nodes as the steps of the plan leave them, in no order; nil if they are not known.
	hosts []Host
}

// used are objects that the step needs to be there, and that are not made.
func (d dependedOn) used(s Step) (held []Refusal) {
	for _, k := range s.Change.Want.Uses {
		if r, gone := d.missing[k]; gone && (r.Op == diff.Create || r.is(occupied)) {
			held = append(held, s.Refusal(r.Class, "it needs %s, which is refused: %s", k, r.Why))
		}
	}
	return held
}

// ready are the services that the step depends on, and that are not done or not ready.
func (d dependedOn) ready(s Step) (held, later []Refusal) {
	for _, k := range s.Change.Want.DependsOn {
		why, waits := d.facts.NotReady[k]
		switch r, gone := d.missing[k]; {
		case gone && r.Class == Later && s.MakesRoom(), d.changing[k] && s.MakesRoom():
			// What changes first may wait for this room. To be made again, the object waits for it in its turn.
		case gone:
			held = append(held, s.Refusal(r.Class, "it depends on %s, which is refused: %s", k, r.Why))
		case waits && d.facts.Failing[k]:
			held = append(held, s.Refusal(Never, "it depends on %s, which failed: %s; mend that one first", k, why))
		case d.changing[k]:
			later = append(later, s.Refusal(Later, "it depends on %s, which changes first", k))
		case waits:
			later = append(later, s.Refusal(Later, "it depends on %s, which is not ready: %s", k, why))
		}
	}
	return held, later
}

// labelled are the labels that new tasks of the service need, and that no node has because a step that writes them is
// refused: the tasks would find no node, and those that serve would have ended for them.
//
// It ends with the refusal of the node's step. That step never waits for this one: a person agrees to the outage, or takes two
// commits, where it is asked for consent because tasks still have the constraints of before.
func (d dependedOn) labelled(s Step) (held []Refusal) {
	if len(d.unlabelled) == 0 || !s.placesAnew() {
		return nil
	}
	texts := constraints(s.Change.Want)
	if slices.ContainsFunc(d.hosts, func(h Host) bool { return h.Meets(texts) }) {
		return nil
	}
	for _, r := range d.unlabelled {
		names := constrained(s.Change.Want, r.placesBy())
		if len(names) > 0 {
			held = append(held, s.Refusal(r.Class, "its constraints need the label %s of %s, which is refused: %s", strings.Join(names, ", "), r.Key, r.Why))
		}
	}
	return held
}

// placesAnew reports whether a step makes tasks whose place its constraints decide, which they did not before.
func (s Step) placesAnew() bool {
	return s.Key.Kind == v1.KindService && (s.Op == diff.Create || s.Op == diff.Replace ||
		slices.ContainsFunc(s.Change.Fields, func(f diff.Field) bool { return !f.Ignored && strings.HasPrefix(f.Path, pathConstraints) }))
}

// placesBy are the labels of a node that git changes and that are refused. No task is placed by those of a node that is
// drained or paused with them.
func (r Refusal) placesBy() map[string]bool {
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

// hosts are the nodes that may be given tasks, as the steps of the plan leave them.
func (p *Plan) hosts(f Facts) []Host {
	if f.Swarm.Running == nil {
		return nil
	}
	var out []Host
	for id, h := range f.Swarm.Running.hosts {
		for _, s := range p.Steps {
			if s.Key.Kind == v1.KindNode && s.Instance == id {
				h = h.after(s.Fields)
			}
		}
		if h.Availability == v1.Active && !h.Down {
			out = append(out, h)
		}
	}
	return out
}
