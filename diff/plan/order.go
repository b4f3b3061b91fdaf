package plan

import (
	"cmp"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// rank brings what others need first and removals last, users before what they use.
func rank(s Step) int {
	r := 0
	if v1.RunsTasks(s.Key.Kind) {
		r = 1
	}
	if s.removal() {
		r = 3 - r
		if s.oldVersion() {
			r++
		}
	}
	return r
}

// order sorts the steps, numbers them from 1 and says which come after which.
//
// What makes room for others goes before all of them: they are what it waits for else.
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
	makes := map[v1.Key][]int{}
	var others, firsts []int
	for i := range p.Steps {
		s := &p.Steps[i]
		s.ID = i + 1
		if goesFirst(*s) {
			firsts = append(firsts, s.ID)
		} else if !s.removal() {
			makes[s.Key] = append(makes[s.Key], s.ID)
			others = append(others, s.ID)
		}
	}
	var gone []int // services that are removed: what they use goes after them
	for i := range p.Steps {
		s := &p.Steps[i]
		switch {
		case goesFirst(*s):
		case s.removal() && v1.RunsTasks(s.Key.Kind):
			s.After = others
			gone = append(gone, s.ID)
		case s.removal():
			s.After = append(slices.Clone(others), gone...)
		case s.Change.Want != nil:
			for _, k := range needs(*s) {
				for _, id := range makes[k] {
					if id < s.ID { // greater only in a cycle, which no manifest may have
						s.After = append(s.After, id)
					}
				}
			}
			if takes(*s, f) {
				s.After = append(s.After, firsts...)
			}
			slices.Sort(s.After)
			s.After = slices.Compact(s.After)
		}
		s.Hazards = hazards(*s)
	}
}

// takes says whether a step needs what another object has.
func takes(s Step, f Facts) bool {
	return slices.ContainsFunc(f.Claims, func(c Claim) bool { return c.Key == s.Key && c.Instance == s.Instance && !c.Former })
}

// needs are the keys of what a step comes after. What makes room comes after nothing.
func needs(s Step) []v1.Key {
	if s.Change.Want == nil || s.MakesRoom() {
		return nil
	}
	return slices.Concat(s.Change.Want.Uses, s.Change.Want.DependsOn)
}

// afterNeeds moves steps behind those that they need, and keeps their order otherwise.
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

// hazards names what had to be agreed to for the step to be here, for people who read the plan.
func hazards(s Step) []Hazard {
	if s.Op == diff.Replace || s.MakesRoom() {
		return []Hazard{Replace}
	}
	if s.drops() {
		return []Hazard{DropsSettings}
	}
	return nil
}
