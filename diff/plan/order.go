package plan

import (
	"cmp"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// rank sorts what others need first and removals last. It removes users before what they use.
func rank(s Step) int {
	r := 0
	if v1.RunsTasks(s.Key.Kind) {
		r = 1
	}
	if s.removal() {
		r = 3 - r
		if s.oldVersion() || s.lent() {
			r++
		}
	}
	return r
}

// lent reports whether an object that runs no tasks uses the object of the step, as a volume uses its secrets.
func (s Step) lent() bool {
	return slices.ContainsFunc(s.Change.Have.Meta.UsedBy, func(k v1.Key) bool { return !v1.RunsTasks(k.Kind) })
}

// order sorts the steps, numbers them from 1 and notes which steps each of them comes after.
//
// Steps that make room for others go before all of them. Otherwise, as removals, they would wait for these others.
func (p *Plan) order(f Facts) {
	first := map[v1.Key]bool{}
	for _, s := range p.Steps {
		first[s.Key] = first[s.Key] || s.goesFirst(*p, f)
	}
	goesFirst := func(s Step) bool { return s.Op == diff.Remove && first[s.Key] }
	slices.SortFunc(p.Steps, func(a, b Step) int {
		if af, bf := goesFirst(a), goesFirst(b); af != bf {
			return map[bool]int{true: -1, false: 1}[af]
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.compare(b))
	})
	p.Steps = afterNeeds(p.Steps)
	t := ranks{makes: map[v1.Key][]int{}, users: map[v1.Key]int{}}
	for i := range p.Steps {
		s := &p.Steps[i]
		s.ID = i + 1
		if goesFirst(*s) {
			t.firsts = append(t.firsts, s.ID)
		} else if !s.removal() {
			t.makes[s.Key] = append(t.makes[s.Key], s.ID)
			t.others = append(t.others, s.ID)
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		s.Hazards = hazards(*s)
		if goesFirst(*s) {
			s.After, s.Hazards = p.users(*s), []Hazard{Replace}
		} else {
			t.wait(s, f)
		}
	}
}

// users returns the numbers of the steps that remove what uses the object of a step. They come before it.
func (p *Plan) users(of Step) (ids []int) {
	for _, s := range p.Steps {
		if s.ID < of.ID && s.removal() && of.removal() && of.usedBy(s.Key) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// ranks are the numbers of the steps that others come after.
type ranks struct {
	makes  map[v1.Key][]int // the steps that make or change an object
	firsts []int            // those that make room
	others []int            // those that remove nothing
	gone   []int            // the services that are removed, because what they use is removed after them
	users  map[v1.Key]int   // other objects that are removed, for the same reason
}

// wait notes what a step comes after. The steps come in their order.
func (t *ranks) wait(s *Step, f Facts) {
	switch {
	case s.removal() && v1.RunsTasks(s.Key.Kind):
		s.After = t.others
		t.gone = append(t.gone, s.ID)
	case s.removal():
		s.After = slices.Concat(t.firsts, t.others, t.gone)
		for _, k := range s.Change.Have.Meta.UsedBy {
			if id := t.users[k]; id > 0 {
				s.After = append(s.After, id)
			}
		}
		t.users[v1.Key{Kind: s.Key.Kind, Name: s.Instance}] = s.ID
	case s.Change.Want != nil:
		for _, k := range needs(*s) {
			for _, id := range t.makes[k] {
				if id < s.ID { // it is greater only in a cycle, which no manifest may have
					s.After = append(s.After, id)
				}
			}
		}
		if takes(*s, f) {
			s.After = append(s.After, t.firsts...)
		}
		slices.Sort(s.After)
		s.After = slices.Compact(s.After)
	}
}

// takes reports whether a step needs what another object has.
func takes(s Step, f Facts) bool {
	return slices.ContainsFunc(f.Claims, func(c Claim) bool { return c.Key == s.Key && c.Instance == s.Instance && !c.Former })
}

// needs returns the keys of what a step comes after. A step that makes room comes after nothing.
func needs(s Step) []v1.Key {
	if s.Change.Want == nil || s.MakesRoom() {
		return nil
	}
	return slices.Concat(s.Change.Want.Uses, s.Change.Want.DependsOn)
}

// afterNeeds moves steps behind those that they need. Otherwise it keeps their order.
func afterNeeds(steps []Step) []Step {
	at := map[v1.Key][]int{}
	for i, s := range steps {
		if !s.removal() {
			at[s.Key] = append(at[s.Key], i)
		}
	}
	out := make([]Step, 0, len(steps))
	seen := make([]bool, len(steps))
	var visit func(i int)
	visit = func(i int) {
		if seen[i] {
			return
		}
		seen[i] = true
		for _, k := range needs(steps[i]) {
			for _, j := range at[k] {
				visit(j)
			}
		}
		out = append(out, steps[i])
	}
	for i := range steps {
		visit(i)
	}
	return out
}

// Risks returns the hazards of the step that somebody may have agreed to. The plan had to have such a consent only if a
// budget was used up, or if the object is of a certain kind.
func (s Step) Risks() []Hazard {
	out := slices.Clone(s.Hazards)
	switch {
	case s.Op == diff.Remove:
		out = append(out, Removals, ForceNodeRemoval)
	case s.RollsOut():
		out = append(out, Restarts)
	case s.ChangesRole():
		out = append(out, EvenManagers, SingleManager, ManyManagers)
	case s.Op == diff.Create:
		out = append(out, TakeoverSecret)
	}
	return out
}

// hazards returns the hazards that somebody had to agree to for the step to be in the plan. A removal that goes first has
// another one: see order. They are for people who read the plan, and for the record.
func hazards(s Step) []Hazard {
	if s.Op == diff.Replace {
		return []Hazard{Replace}
	}
	if s.drops() {
		return []Hazard{DropsSettings}
	}
	return nil
}
