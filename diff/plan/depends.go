package plan

import (
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// dependencies orders what changes together: a step waits until the services that it depends on are done and ready.
// If the refusal of a dependency holds others, the step is held with it.
func dependencies(plan Plan, f Facts, _ Policy) []Refusal {
	d := dependedOn{facts: f, changing: map[v1.Key]bool{}, missing: map[v1.Key]Refusal{}, remade: map[v1.Key]bool{}, refused: map[v1.Key]Refusal{}}
	for _, s := range plan.Steps {
		own := s.Key == f.Self && s.Op == diff.Update // it comes last, so nothing waits for it
		d.changing[s.Key] = d.changing[s.Key] || (s.Op != diff.Remove && v1.RunsTasks(s.Key.Kind) && !own)
		d.remade[s.Key] = d.remade[s.Key] || s.Op == diff.Create || s.Op == diff.Replace
	}
	for _, r := range plan.Refused {
		d.refused[r.Key] = r
		if r.holdsOthers(f) {
			d.missing[r.Key] = r
		}
	}
	var held, later []Refusal
	for _, s := range plan.Steps {
		if s.Change.Want == nil {
			continue
		}
		held = append(held, d.used(s)...)
		h, l := d.ready(s)
		held, later = append(held, h...), append(later, l...)
	}
	if len(held) > 0 { // what holds a step also holds those behind it, so that nothing waits for what never comes
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
	// remade are the objects that the plan makes, or makes again. refused has the last refusal about each object.
	remade  map[v1.Key]bool
	refused map[v1.Key]Refusal
}

// used returns refusals for objects that the step needs to exist and that are not made.
func (d dependedOn) used(s Step) (held []Refusal) {
	for _, k := range s.Change.Want.Uses {
		if r, gone := d.missing[k]; gone && (r.Op == diff.Create || r.is(occupied)) {
			held = append(held, s.Refusal(r.Class, "it needs %s, which is refused: %s", k, r.Why))
		} else if why := d.facts.Broken[k]; why != "" && !d.remade[k] { // whoever refused to make it again
			class := Never
			if r, is := d.refused[k]; is {
				why, class = why+"; it is not made again: "+r.Why, r.Class
			}
			held = append(held, s.Refusal(class, "it needs %s, which nothing can use: %s", k, why))
		}
	}
	return held
}

// ready returns refusals for services that the step depends on and that are not done or not ready.
func (d dependedOn) ready(s Step) (held, later []Refusal) {
	for _, k := range s.Change.Want.DependsOn {
		why, waits := d.facts.NotReady[k]
		switch r, gone := d.missing[k]; {
		case gone && r.Class == Later && s.MakesRoom(), d.changing[k] && s.MakesRoom():
			// The dependency may wait for this room, so the removal does not wait for the dependency. When the object
			// is made again, that step waits for it.
		case gone:
			held = append(held, s.Refusal(r.Class, "it depends on %s, which is refused: %s", k, r.Why))
		case d.changing[k]: // even if it is failing, because the change may mend it
			later = append(later, s.Refusal(Later, "it depends on %s, which changes first", k))
		case waits && d.facts.Failing[k] && d.failedBefore(k):
			// A step waits only for what its own revision changes. An older failure holds nothing, whether or not the
			// operator has just looked at the object.
		case waits && d.facts.Failing[k]:
			held = append(held, s.Refusal(Never, "it depends on %s, which failed: %s; mend that object first", k, why))
		case waits:
			later = append(later, s.Refusal(Later, "it depends on %s, which is not ready: %s", k, why))
		}
	}
	return held, later
}

// failedBefore reports whether it is on record that the object failed under an earlier revision.
func (d dependedOn) failedBefore(k v1.Key) bool {
	failed, known := d.facts.Failed[k]
	return known && failed.Revision != d.facts.Revision
}
