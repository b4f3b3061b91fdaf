package plan

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// foreign refuses to touch what the source does not own, unless the manifest takes it over.
func foreign(s Step, _ Facts, p Policy) []Refusal {
	h, w := s.Change.Have, s.Change.Want
	if h == nil || !s.stays() || h.Meta.Mine {
		return nil
	}
	partial := w == nil || w.Partial
	if h.Meta.Owner != "" {
		return []Refusal{s.Refusal(Never, "%s", belongs(s.Key, h.Meta.Owner, partial))}
	}
	if partial {
		return nil
	}
	if rule := p.OwnOnly[s.Key]; rule != "" {
		return []Refusal{notTheirs(s, rule, p)}
	}
	switch w.Policy.Adoption() {
	case v1.AdoptNever:
		return []Refusal{s.Refusal(Never, "an object of this name exists that source %s did not make, and policy.adopt is never: rename one of the two, or state policy: {adopt: takeover}", p.Source)}
	case v1.AdoptTakeover:
		if v1.HoldsSecrets(s.Key.Kind) {
			why := "and the engine shows nobody its content, so it may be another secret"
			if _, driven := w.Leaf("spec.driver"); driven { // the two have the same driver and options, or a version of our own is made
				why = "and its driver gets its labels, which change, so it may supply other content"
			}
			return s.Needs(TakeoverSecret, p, "a secret of this name exists that source %s did not make, %s", p.Source, why)
		}
		return nil
	default:
		where := ""
		if s.Op == diff.Same {
			where = " in fields of policy.ignoreDifferences, which count here"
		}
		return []Refusal{s.Refusal(Never, "an object of this name exists that source %s did not make, and it differs%s; to take it over, state policy: {adopt: takeover}%s", p.Source, where, beside(h))}
	}
}

// notTheirs refuses to take over what a guardrail keeps for those who made it.
func notTheirs(s Step, rule string, p Policy) Refusal {
	return s.Refusal(Never, "an object of this name exists that source %s did not make, and the guardrail %s does not let the source have it: rename the one in the manifest", p.Source, rule)
}

// belongs says who owns an object, and what ends that.
func belongs(key v1.Key, owner string, partial bool) string {
	if partial {
		return fmt.Sprintf("it belongs to %s, whose manifests state something of it; to have it here, remove its manifest there", owner)
	}
	return fmt.Sprintf("an object of this name belongs to %s; rename one of the two, or give it up there: swarm-operator unmanage %s --name %s", owner, key, strings.TrimPrefix(owner, "source "))
}

// adopt records an equal object as the source's own, if the manifest lets it. One that differs in an ignored field is
// taken over as one that differs: otherwise a manifest that ignores every field would equal any object of its name.
func (p *Plan) adopt(c diff.Change, policy Policy) {
	step := Step{Op: diff.Same, Key: c.Key, Instance: c.Instance, Change: c}
	switch {
	case c.Want.Policy.Suspend:
		p.Refused = append(p.Refused, guarded(guardSuspend, step.Refusal(Never, "policy.suspend is set: remove it to go on")))
	case c.Have.Meta.Owner != "":
		p.Refused = append(p.Refused, guarded(guardOwnership, step.Refusal(Never, "%s", belongs(c.Key, c.Have.Meta.Owner, c.Want.Partial))))
	case c.Want.Policy.Adoption() == v1.AdoptNever:
		p.Refused = append(p.Refused, guarded(guardOwnership, step.Refusal(Never, "an equal object of this name exists, and policy.adopt is never: rename one of the two, or state policy: {adopt: ifIdentical}")))
	case policy.OwnOnly[c.Key] != "":
		p.Refused = append(p.Refused, guarded(guardOwnership, notTheirs(step, policy.OwnOnly[c.Key], policy)))
	default:
		if hidden := ignored(c); len(hidden) > 0 {
			if r := foreign(step, Facts{}, policy); len(r) > 0 {
				r[0].Fields = hidden
				p.Refused = append(p.Refused, guarded(guardOwnership, r[0]))
				return
			}
		}
		p.Adopted = append(p.Adopted, Adoption{Key: c.Key, ID: c.Have.Meta.ID, Want: c.Want, Notes: taken(c.Have)})
	}
}

// ignored returns the ignored fields in which a live object differs from its manifest, except the replicas of a service,
// which an autoscaler may have set: their number gives nobody anything.
func ignored(c diff.Change) []diff.Field {
	return slices.DeleteFunc(slices.Clone(c.Fields), func(f diff.Field) bool {
		return !f.Ignored || f.Path == "spec.replicas"
	})
}

func guarded(name string, r Refusal) Refusal {
	r.Guard = name
	return r
}
