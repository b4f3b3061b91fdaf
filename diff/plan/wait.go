package plan

import (
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Target is what a step is about. What no manifest could find has no instance.
type Target struct {
	Key      v1.Key
	Instance string
}

// After is the refusal of what waits for steps on other objects, or for one of them.
func (r Refusal) After(first ...Target) Refusal {
	r.after = first
	return r
}

// heldBy returns the refusal that holds the step for a person; nil if there is none, as when a part of it is still to be done.
func (p *Plan) heldBy(s Target) *Refusal {
	if p.step(s.Key, s.Instance) != nil {
		return nil
	}
	i := slices.IndexFunc(p.Refused, func(r Refusal) bool {
		return r.Instance == s.Instance && r.Key.Kind == s.Key.Kind && (s.Instance != "" || r.Key == s.Key) && r.Class != Later && !r.Quiet
	})
	if i < 0 {
		return nil
	}
	return &p.Refused[i]
}

// waitNoMore lets nothing wait for steps if a person holds all of them.
func (p *Plan) waitNoMore() {
	for i := range p.Refused {
		r := &p.Refused[i]
		if len(r.after) == 0 || slices.ContainsFunc(r.after, func(s Target) bool { return p.heldBy(s) == nil }) {
			continue
		}
		var held []string
		for _, s := range r.after {
			if k := p.heldBy(s).Key; k != r.Key {
				held = append(held, k.String()+" is held")
			}
		}
		r.Class, r.Until, r.after = Never, time.Time{}, nil
		if len(held) > 0 {
			r.Why += "; " + strings.Join(slices.Compact(held), ", ") + ": that has to end first"
		}
	}
}

// blocked refuses what cannot be decided: whom a manifest means, or what several of them ask for.
func blocked(s Step, _ Facts, _ Policy) []Refusal {
	w := s.Change.Want
	switch {
	case w == nil || w.Blocked == "":
		return nil
	case w.Unmatched:
		r := s.Refusal(Never, "%s", w.Blocked)
		r.Guard = guardNoNode
		return []Refusal{r}
	case w.Awaited:
		r := s.Refusal(Later, "%s", w.Blocked)
		r.Quiet = true
		return []Refusal{r}
	}
	return []Refusal{s.Refusal(Never, "%s", w.Blocked)}
}
