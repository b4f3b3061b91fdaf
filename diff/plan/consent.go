package plan

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Hazard is a harm that a person must agree to by name.
type Hazard string

// The hazards: a closed list.
const (
	Removals         Hazard = "removals"
	Restarts         Hazard = "restarts"
	Replace          Hazard = "replace"
	DropsSettings    Hazard = "drops-settings"
	TakeoverSecret   Hazard = "takeover-secret"
	EvenManagers     Hazard = "even-managers"
	SingleManager    Hazard = "single-manager"
	ManyManagers     Hazard = "many-managers"
	ForceNodeRemoval Hazard = "force-node-removal"
	Outage           Hazard = "outage"
	Rewind           Hazard = "rewind"
	OtherSource      Hazard = "other-source"
)

// Hazards lists them all.
func Hazards() []string {
	return []string{
		string(Removals), string(Restarts), string(Replace), string(DropsSettings), string(TakeoverSecret), string(EvenManagers), string(SingleManager),
		string(ManyManagers), string(ForceNodeRemoval), string(Outage), string(Rewind), string(OtherSource),
	}
}

// byCommand are the hazards that a commit cannot agree to: git does not say what is lost, or whoever may write to the branch must
// not be able to make the operator take another's work back, or the swarm's majority away.
var byCommand = []Hazard{DropsSettings, SingleManager, ForceNodeRemoval, Rewind, OtherSource}

// ByCommand reports whether a command alone agrees to the hazard: approve, or apply with --consent.
func (h Hazard) ByCommand() bool { return slices.Contains(byCommand, h) }

// OfCommit splits what a commit's message agrees to: what counts, and the hazards that a command alone agrees to.
func (cs Consents) OfCommit() (counts Consents, not []Hazard) {
	for _, c := range cs {
		if c.Hazard.ByCommand() {
			not = append(not, c.Hazard)
		} else {
			counts = append(counts, c)
		}
	}
	return counts, not
}

// Bound binds agreements that name no object to those that they are about in a plan, so that they are not about others later. One
// that is about nothing is left out. Hazards of nodes and managers come one by one while a revision is rolled out, and what
// agrees to these stays as it is; see Carried.
func (cs Consents) Bound(p Plan) Consents {
	var out Consents
	for _, c := range cs {
		if len(c.Objects) == 0 && !c.Hazard.comesByItself() {
			if c.Objects = p.about(c.Hazard); len(c.Objects) == 0 {
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// Carried are the agreements that still count when another revision comes into force: those that name objects.
func (cs Consents) Carried() Consents {
	return slices.DeleteFunc(slices.Clone(cs), func(c Consented) bool { return len(c.Objects) == 0 })
}

// comesByItself reports whether steps with the hazard may be in no plan yet that the revision leads to.
func (h Hazard) comesByItself() bool {
	switch h {
	case Removals, Restarts, Replace, DropsSettings, TakeoverSecret, OtherSource:
		return false
	}
	return true
}

// about are the objects of a plan that an agreement to a hazard can be about, if it names none. What was adopted goes only if it
// is named.
func (p *Plan) about(h Hazard) []v1.Key {
	goes := h == Removals || h == OtherSource
	var out []v1.Key
	for _, s := range p.Steps {
		if !goes || s.removal() {
			out = append(out, s.Key)
		}
	}
	for _, r := range p.Refused {
		if !r.Quiet && (!goes || r.Op == diff.Remove && !r.is(byName)) {
			out = append(out, r.Key)
		}
	}
	slices.SortFunc(out, v1.Key.Compare)
	return slices.Compact(out)
}

// Trailer is the key of the commit trailer that gives consent.
const Trailer = "Consent"

// Consented is one agreement: to a hazard, for the named objects or for all.
type Consented struct {
	Hazard  Hazard
	Objects []v1.Key
}

// Consents are the agreements in force.
type Consents []Consented

// Covers says whether somebody agreed to the hazard for the object.
func (cs Consents) Covers(h Hazard, k v1.Key) bool {
	return slices.ContainsFunc(cs, func(c Consented) bool {
		return c.Hazard == h && (len(c.Objects) == 0 || slices.Contains(c.Objects, k))
	})
}

// Names says whether somebody agreed to the hazard for just this object: what is agreed to for all does not count.
func (cs Consents) Names(h Hazard, k v1.Key) bool {
	return slices.ContainsFunc(cs, func(c Consented) bool { return c.Hazard == h && slices.Contains(c.Objects, k) })
}

// Agreed says whether somebody agreed to the hazard for all objects.
func (cs Consents) Agreed(h Hazard) bool { return cs.Covers(h, v1.Key{}) }

// ParseConsent reads what stands behind Consent: — hazards separated by commas, each with the objects it is limited to,
// such as "removals Service/a Service/b, replace".
func ParseConsent(s string) (Consents, error) {
	var out Consents
	for part := range strings.SplitSeq(s, ",") {
		words := strings.Fields(part)
		if len(words) == 0 {
			return nil, fmt.Errorf("%q states no hazard; the hazards are %s", s, strings.Join(Hazards(), ", "))
		}
		if !slices.Contains(Hazards(), words[0]) {
			return nil, fmt.Errorf("%q is not a hazard%s; the hazards are %s", words[0], v1.DidYouMean(words[0], Hazards()), strings.Join(Hazards(), ", "))
		}
		c := Consented{Hazard: Hazard(words[0])}
		for _, w := range words[1:] {
			key, err := v1.ParseKey(w)
			if err != nil {
				return nil, fmt.Errorf("consent to %s: %w", words[0], err)
			}
			c.Objects = append(c.Objects, key)
		}
		out = append(out, c)
	}
	return out, nil
}

// Needs returns a refusal unless the hazard is consented to, with the line that would.
func (s Step) Needs(h Hazard, p Policy, format string, args ...any) []Refusal {
	if p.Consents.Covers(h, s.Key) {
		return nil
	}
	r := s.Refusal(Consent, format, args...)
	r.Hazard = h
	r.Why += Agree(h)
	return []Refusal{r}
}

// Agree is the line that gives consent. It is empty where a command alone does, which is said in the end; see commands.
func Agree(h Hazard) string {
	if h.ByCommand() {
		return ""
	}
	return fmt.Sprintf("; to agree, add to a commit message: %s: %s", Trailer, h)
}
