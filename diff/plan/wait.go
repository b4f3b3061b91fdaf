package plan

import (
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Target is the object that a step is about. Instance is "" if the swarm has no object that the manifest could be
// about.
type Target struct {
	Key      v1.Key
	Instance string
}

// String returns the key and, if the swarm has the object under another name, that name.
func (t Target) String() string {
	if t.Instance == "" || t.Instance == t.Key.Name {
		return t.Key.String()
	}
	return t.Key.String() + " [" + t.Instance + "]"
}

// After returns the refusal of a step that waits for steps on other objects, or for one of them.
func (r Refusal) After(first ...Target) Refusal {
	r.after = first
	return r
}

// heldBy returns the refusal that holds the object for a person. It returns nil if there is none, or if the plan
// still has a step on the object.
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

// waitNoMore ends the wait for steps if a person holds all of them. The refusal then has the class Never.
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

// blocked refuses a step that cannot be decided, because of what the manifest means or because of what several
// manifests ask for.
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
