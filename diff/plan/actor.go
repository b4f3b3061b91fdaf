package plan

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

const (
	guardPaused      = "paused"
	guardHold        = "hold"
	guardReleased    = "unmanaged"
	guardOtherSource = "other-source"
	guardRewind      = "rewind"
	guardSelf        = "self-last"
)

// paused refuses every step until a person has looked.
func paused(s Step, f Facts, p Policy) []Refusal {
	if f.Paused == "" {
		return nil
	}
	return []Refusal{s.Refusal(Never, "%s; the operator does nothing until you have looked and run: swarm-operator confirm %s", f.Paused, p.Source)}
}

// released refuses steps on what was given up. This ends when the manifest is removed, as intended, or when somebody
// resumes.
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

// unadopt lets guards object to adoptions, which are no steps, in the same way as to steps that write. A hold is among
// these objections: the source does not adopt an object that somebody wants left alone.
func (p *Plan) unadopt(f Facts, policy Policy) {
	guards := []Guard{{guardPaused, Each(paused)}, {guardHold, Each(onHold)}, {guardReleased, Each(released)}, {guardOtherSource, Each(another)}, {guardRewind, Each(rewound)}}
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

// selfStays refuses to remove the service that the operator runs as, and to make it. If it does not exist, somebody
// has just removed it. The tasks that are left must not bring it back before they are told to end.
func selfStays(s Step, f Facts, _ Policy) []Refusal {
	if s.Key != f.Self || s.Op == diff.Update {
		return nil
	}
	if s.Op == diff.Create {
		return []Refusal{s.Refusal(Never, "the operator runs as this service, and somebody removed it: deploy it again by hand")}
	}
	r := s.Refusal(Never, "the operator runs as this service and does not remove itself: if you mean it, remove it by hand")
	r.Quiet = s.Op == diff.Remove
	return []Refusal{r}
}

// own reports whether a step may be the last thing that this process does. That is the update of the service that it
// runs as, and any step of which a kind says so.
func (p *Plan) own(s Step, f Facts) bool {
	return s.Key == f.Self && s.Op == diff.Update || slices.ContainsFunc(p.ends, func(ends func(Step) bool) bool { return ends(s) })
}

// selfLast makes the operator's own steps wait for everything else that comes by itself, and for each other.
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

// commands adds the command that gives consent to what waits for consent, or for a hazard to pass. Somebody may be unable or unwilling to
// commit, and no commit can agree to some hazards, or to any.
func (p *Plan) commands(f Facts, policy Policy) {
	for i := range p.Refused {
		switch r := &p.Refused[i]; {
		case r.Class != Consent && r.Class != Later || r.Hazard == "" || r.ends == asTold:
		case policy.Files:
			r.Why += fmt.Sprintf("; to agree, run: %s", f.agreeing(r.agreed()))
		case r.Hazard.ByCommand():
			r.Why += fmt.Sprintf("; to agree, run: %s (a commit cannot agree to this)", f.agreeing(r.agreed()))
		case policy.CommandsOnly:
			r.Why += fmt.Sprintf("; to agree, run: %s", f.agreeing(r.agreed()))
		case f.isCommit():
			r.Why += fmt.Sprintf(", or run: %s", f.agreeing(r.agreed()))
		}
	}
}

// isCommit reports whether the revision is a commit. Otherwise the manifests are files, which have no revision to
// approve.
func (f Facts) isCommit() bool { return len(f.Revision) == 40 }

// agreeing returns the command that gives consent in the revision.
func (f Facts) agreeing(to string) string {
	if !f.isCommit() {
		return "swarm-operator apply --consent " + quoted(to)
	}
	return Approving(f.Revision, to)
}

// quoted returns s in a form that a shell takes for one word.
func quoted(s string) string {
	if strings.Contains(s, " ") {
		return "'" + s + "'"
	}
	return s
}

// agreement is how somebody agrees to the hazard of a refusal. The zero value means by the name of the hazard, in a
// commit or a command.
type agreement uint8

const (
	// byObject means by the names of the hazard and of the object.
	byObject agreement = iota + 1
	// asTold means by the command that the reason already names.
	asTold
)

// agreed returns what a commit or a command has to agree to. It names the object if the hazard is about what is lost
// with that one object.
func (r Refusal) agreed() string {
	if r.Hazard == PromoteUnproven { // the id of the node, because any machine can have its hostname
		return fmt.Sprintf("%s %s", r.Hazard, v1.Key{Kind: r.Key.Kind, Name: r.Instance})
	}
	if r.ends == byObject || r.Hazard == DropsSettings || r.Hazard == MovesData || r.Hazard == ForceNodeRemoval {
		return fmt.Sprintf("%s %s", r.Hazard, r.Key)
	}
	return string(r.Hazard)
}
