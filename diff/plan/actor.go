package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/swarm-operator/swarm-operator/diff"
)

const (
	guardPaused   = "paused"
	guardHold     = "hold"
	guardReleased = "unmanaged"
	guardRewind   = "rewind"
	guardSelf     = "self-last"
)

// paused does nothing at all until a person has looked.
func paused(s Step, f Facts, p Policy) []Refusal {
	if f.Paused == "" {
		return nil
	}
	return []Refusal{s.Refusal(Never, "%s; nothing is done until somebody has looked: swarm-operator confirm %s", f.Paused, p.Source)}
}

// released leaves alone what was given up. It ends when the manifest goes, as it was meant, or when somebody resumes.
func released(s Step, f Facts, p Policy) []Refusal {
	switch {
	case f.ReleasedAll:
		return []Refusal{s.Refusal(Never, "source %s is unmanaged as a whole; to manage it again: swarm-operator resume %s", p.Source, p.Source)}
	case f.Released[s.Key] && !s.stays():
		r := s.Refusal(Never, "it is unmanaged: remove it by hand, or manage it again: swarm-operator resume %s", s.Key)
		r.Quiet = true
		return []Refusal{r}
	case f.Released[s.Key]:
		return []Refusal{s.Refusal(Never, "it is unmanaged: remove its manifest, or manage it again: swarm-operator resume %s", s.Key)}
	}
	return nil
}

// unadopt objects to adoptions, which are no steps, as to steps that write.
func (p *Plan) unadopt(f Facts, policy Policy) {
	guards := []Guard{{guardPaused, Each(paused)}, {guardReleased, Each(released)}, {guardRewind, Each(rewound)}}
	p.Adopted = slices.DeleteFunc(p.Adopted, func(a Adoption) bool {
		step := Step{Op: diff.Same, Key: a.Key, Instance: a.Want.Instance, Origin: OriginAdopts, Change: diff.Change{Op: diff.Same, Key: a.Key, Want: a.Want}}
		for _, g := range guards {
			for _, r := range g.Check(Plan{Steps: []Step{step}}, f, policy) {
				p.Refused = append(p.Refused, guarded(g.Name, r))
				return true
			}
		}
		return false
	})
}

// selfStays never removes the service that the operator runs as, and never makes it: where it is not there somebody has
// just removed it, and the tasks that are left must not bring it back before they are told to end.
func selfStays(s Step, f Facts, _ Policy) []Refusal {
	if s.Key != f.Self || s.Op == diff.Update {
		return nil
	}
	if s.Op == diff.Create {
		return []Refusal{s.Refusal(Never, "the operator runs as this service, and somebody removed it: deploy it again by hand")}
	}
	r := s.Refusal(Never, "the operator runs as this service: remove it by hand, if that is meant")
	r.Quiet = s.Op == diff.Remove
	return []Refusal{r}
}

// own says whether a step may be the last thing that this process does: the update of the service that it runs as, and what its
// kind says that of.
func (p *Plan) own(s Step, f Facts) bool {
	return s.Key == f.Self && s.Op == diff.Update || slices.ContainsFunc(p.ends, func(ends func(Step) bool) bool { return ends(s) })
}

// selfLast lets the operator's own steps wait for everything else that comes by itself, and for each other.
func selfLast(plan Plan, f Facts, _ Policy) []Refusal {
	var own []Step
	others := ""
	for _, s := range plan.Steps {
		if plan.own(s, f) {
			own = append(own, s)
		} else if others == "" {
			others = s.Key.String() + " is still to be done"
		}
	}
	for _, r := range plan.Refused {
		if others == "" && r.waits() && r.Key != f.Self && r.Instance != f.Own && !r.is(hand|Aside) {
			others = r.Key.String() + " still waits"
		}
	}
	if others == "" && len(own) > 1 {
		own, others = own[1:], own[0].Key.String()+" goes first"
	} else if others == "" {
		return nil
	}
	var out []Refusal
	for _, s := range own {
		what := "it is the operator itself"
		if s.Key != f.Self {
			what = "the operator talks to this node's engine"
		}
		out = append(out, s.Refusal(Later, "%s, and comes last; %s", what, others))
	}
	return out
}

// commands adds to what waits for consent the command that gives it, for who cannot or will not commit, and where no commit can.
func (p *Plan) commands(f Facts) {
	commit := len(f.Revision) == 40 // otherwise files, which have no revision to approve
	for i := range p.Refused {
		switch r := &p.Refused[i]; {
		case r.Class != Consent || r.Hazard == "":
		case r.Hazard.ByCommand() && commit:
			r.Why += fmt.Sprintf("; to agree, run: swarm-operator approve %s %s (a commit cannot agree to this)", f.Revision[:10], r.hazard())
		case r.Hazard.ByCommand():
			r.Why += fmt.Sprintf("; to agree, run: swarm-operator apply --consent %s (a commit cannot agree to this)", quoted(r.hazard()))
		case commit && r.ends != asTold:
			r.Why += fmt.Sprintf(", or run: swarm-operator approve %s %s", f.Revision[:10], r.agreed())
		}
	}
}

// quoted is what a shell takes for one word.
func quoted(s string) string {
	if strings.Contains(s, " ") {
		return "'" + s + "'"
	}
	return s
}

// hazard is what to agree to: of what is lost with one object, that of this one.
func (r Refusal) hazard() string {
	if r.Hazard == DropsSettings || r.Hazard == ForceNodeRemoval {
		return fmt.Sprintf("%s %s", r.Hazard, r.Key)
	}
	return string(r.Hazard)
}

// agreement is how somebody agrees to the hazard of a refusal.
type agreement uint8

const (
	// byHazard: by the name of the hazard, in a commit or a command.
	byHazard agreement = iota
	// byObject: by that and the name of the object.
	byObject
	// asTold: by the command that the reason names already.
	asTold
)

// agreed is what a commit or a command would agree to.
func (r Refusal) agreed() string {
	if r.ends == byHazard {
		return string(r.Hazard)
	}
	return fmt.Sprintf("%s %s", r.Hazard, r.Key)
}
