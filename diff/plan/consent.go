package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Hazard is a harm that a person must agree to by name.
type Hazard string

// The hazards. The list is closed.
const (
	Removals         Hazard = "removals"
	Restarts         Hazard = "restarts"
	Replace          Hazard = "replace"
	DropsSettings    Hazard = "drops-settings"
	MovesData        Hazard = "moves-data"
	TakeoverSecret   Hazard = "takeover-secret"
	EvenManagers     Hazard = "even-managers"
	SingleManager    Hazard = "single-manager"
	ManyManagers     Hazard = "many-managers"
	PromoteUnproven  Hazard = "promote-unproven"
	ForceNodeRemoval Hazard = "force-node-removal"
	Outage           Hazard = "outage"
	Rewind           Hazard = "rewind"
	OtherSource      Hazard = "other-source"
)

// Hazards returns the names of all hazards.
func Hazards() []string {
	return []string{
		string(Removals), string(Restarts), string(Replace), string(DropsSettings), string(MovesData), string(TakeoverSecret), string(EvenManagers), string(SingleManager),
		string(ManyManagers), string(PromoteUnproven), string(ForceNodeRemoval), string(Outage), string(Rewind), string(OtherSource),
	}
}

// byCommand are the hazards that a commit cannot agree to. With some of them, git does not show what is lost. With
// the others, the right to write to the branch must not be enough. It would let somebody take back another person's
// work, take away the swarm's majority, or make a machine of their own a manager.
var byCommand = []Hazard{DropsSettings, SingleManager, PromoteUnproven, ForceNodeRemoval, Rewind, OtherSource}

// ByCommand reports whether only a command can agree to the hazard: approve, or apply with --consent.
func (h Hazard) ByCommand() bool { return slices.Contains(byCommand, h) }

// Bound binds agreements that name no object to the objects of a plan that they are about, so that they do not cover
// others later. It drops an agreement that is about nothing. Hazards of nodes and managers come one by one while a
// revision is rolled out, so agreements to them stay as they are; see Carried.
//
// whole is false if the plan may lack something. Removals may be what it lacks: an object that cannot be seen is in the
// plan, but not as one that goes. So an agreement to removals then also stays as it is, beside the bound one.
func (cs Consents) Bound(p Plan, whole bool) Consents {
	var out Consents
	for _, c := range cs {
		if len(c.Objects) > 0 || c.Hazard.comesByItself() {
			out = append(out, c)
			continue
		}
		of := c
		of.Objects = p.about(c.Hazard)
		if !whole && c.Hazard.removes() {
			out = append(out, c)
			of.Objects = slices.DeleteFunc(of.Objects, func(k v1.Key) bool { return cs.Names(c.Hazard, k) })
		}
		if len(of.Objects) > 0 {
			out = append(out, of)
		}
	}
	return out
}

// Carried returns the agreements that still count when another revision comes into force: those that name objects.
func (cs Consents) Carried() Consents {
	return slices.DeleteFunc(slices.Clone(cs), func(c Consented) bool { return len(c.Objects) == 0 })
}

// InUse returns the agreements that are left when nothing differs that counts. They are those that name an object which
// stays because something refers to it: its removal is still to come, and is no difference until then.
func (cs Consents) InUse(p Plan) Consents {
	return cs.Carried().only(func(c Consented, k v1.Key) bool {
		return c.Hazard.removes() && slices.ContainsFunc(p.Stays, func(r Refusal) bool { return r.Key == k })
	})
}

// Meant returns the agreements without the objects of which manifests ask something else by now. An agreement that
// names no object stays as it is.
func (cs Consents) Meant(asked Asked) Consents {
	return cs.only(func(c Consented, k v1.Key) bool {
		was, on := c.Wants[k]
		is, known := asked(k)
		return !on || is == was || !known && was != ""
	})
}

// Without returns the agreements without the objects for which gone returns true. An agreement that names no object stays as
// it is.
func (cs Consents) Without(gone func(v1.Key) bool) Consents {
	return cs.only(func(_ Consented, k v1.Key) bool { return !gone(k) })
}

// Left returns the agreements that are not used up after a plan was made with them, and notes what they are about. For
// each object that an agreement names, it ends when the plan has nothing to do that the agreement is about: the step is
// done. The same step later is another one, which nobody has agreed to. whole is false if the plan may lack something,
// and then no step counts as done.
//
// An agreement to promote is about a machine, by its id, and ends when that is on record.
//
// An agreement to restarts stays as long as manifests ask the same. It may name every service, and to write the memory
// after each roll-out only for that would cost more than restarting a service again that git restarts anyway.
func (cs Consents) Left(p Plan, whole bool, asked Asked) Consents {
	due := func(c Consented, k v1.Key) bool {
		_, known := asked(k)
		first := c.Hazard.comesByItself() && !slices.Contains(c.Begun, k)
		return !whole || !known || first || c.Hazard == Restarts || p.isAbout(c.Hazard, k)
	}
	left := cs.Meant(asked).only(due)
	for i := range left {
		if left[i].Hazard != PromoteUnproven {
			left[i].noted(p, asked)
		}
	}
	return left
}

// Unmade returns the agreements without those to an empty object in the place of one that is gone, if the object is there
// again: such an agreement is used up, even if nobody can tell what manifests ask of the object by now.
func (cs Consents) Unmade(there func(v1.Key) bool) Consents {
	return cs.only(func(c Consented, k v1.Key) bool { return c.Hazard != MovesData || !there(k) })
}

// noted notes what the agreement is about.
func (c *Consented) noted(p Plan, asked Asked) {
	wants, begun := map[v1.Key]string{}, []v1.Key(nil)
	for _, k := range c.Objects {
		is, known := asked(k)
		if was, on := c.Wants[k]; on {
			wants[k] = was
		} else if known {
			wants[k] = is
		}
		if c.Hazard.comesByItself() && (slices.Contains(c.Begun, k) || p.isAbout(c.Hazard, k)) {
			begun = append(begun, k)
		}
	}
	if c.Wants, c.Begun = wants, begun; len(wants) == 0 {
		c.Wants = nil
	}
}

// only returns the agreements for those objects for which is returns true. Those that name no object stay as they are.
func (cs Consents) only(is func(Consented, v1.Key) bool) Consents {
	var out Consents
	for _, c := range cs {
		if len(c.Objects) > 0 {
			of := c
			of.Objects = slices.DeleteFunc(slices.Clone(c.Objects), func(k v1.Key) bool { return !is(c, k) })
			if c = of; len(c.Objects) == 0 { // it must not become one for all objects
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// isAbout reports whether the plan has something to do about an object, now or later, that an agreement to the hazard may
// be for. An agreement to replace may name a service that exists and finds no place: what it is for is the removal of
// another service, which makes room. That is over when the service works, whatever else is to be removed.
func (p *Plan) isAbout(h Hazard, k v1.Key) bool {
	needsRoom := h == Replace && slices.Contains(p.begun, k)
	is := func(key v1.Key, op diff.Op, ofRoles bool) bool {
		return key == k && h.isOf(op) || needsRoom && op == diff.Remove && v1.RunsTasks(key.Kind) || h.ofRoles() && ofRoles
	}
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return is(s.Key, s.Op, s.ChangesRole()) }) ||
		slices.ContainsFunc(p.Refused, func(r Refusal) bool { return (!r.Quiet || h.removes()) && is(r.Key, r.Op, r.OfRoles()) }) ||
		h.removes() && slices.ContainsFunc(p.Kept, func(t Target) bool { return t.Key == k }) ||
		h == Replace && slices.ContainsFunc(p.Stays, func(r Refusal) bool { return r.Key == k }) // it may make room when nothing uses it
}

// isOf reports whether a step with the operation can have the hazard.
func (h Hazard) isOf(op diff.Op) bool {
	switch {
	case h.removes():
		return op == diff.Remove
	case h == MovesData: // an object takes the place of one whose data is gone
		return op == diff.Create
	}
	return true
}

// ofRoles reports whether the hazard is about the managers together. Whoever agrees names the Cluster, and the steps are
// on nodes.
func (h Hazard) ofRoles() bool { return h == EvenManagers || h == SingleManager || h == ManyManagers }

// comesByItself reports whether a revision may lead to steps with the hazard that its plan does not have yet.
func (h Hazard) comesByItself() bool {
	switch h {
	case Removals, Restarts, Replace, DropsSettings, MovesData, TakeoverSecret, OtherSource:
		return false
	}
	return true
}

// removes reports whether an agreement to the hazard lets objects be removed.
func (h Hazard) removes() bool { return h == Removals || h == OtherSource }

// about returns the objects of a plan that an agreement to a hazard is about if it names none. Those that are removed
// only if they are named are not among them, whatever else keeps them for now. Those that go when nothing refers to them
// any more are: the revision may itself end that. They may then make room for others, so an agreement to replace is about
// them as well.
func (p *Plan) about(h Hazard) []v1.Key {
	goes := h.removes()
	var out []v1.Key
	for _, s := range p.Steps {
		if !goes || s.removal() && !slices.Contains(p.named, Target{s.Key, s.Instance}) {
			out = append(out, s.Key)
		}
	}
	for _, r := range p.Refused {
		if !r.Quiet && (!goes || r.Op == diff.Remove && !slices.Contains(p.named, Target{r.Key, r.Instance})) {
			out = append(out, r.Key)
		}
	}
	for _, r := range p.Stays {
		if h == Replace || goes && !slices.Contains(p.named, Target{r.Key, r.Instance}) {
			out = append(out, r.Key)
		}
	}
	slices.SortFunc(out, v1.Key.Compare)
	return slices.Compact(out)
}

// needNames notes the removals that an agreement has to name. It comes before any guard, because another guard may
// refuse such a removal first, and end before the agreement does.
func (p *Plan) needNames(f Facts, policy Policy) {
	policy.Consents = nil
	for _, s := range p.Steps {
		if len(pruned(s, f, policy)) > 0 {
			p.named = append(p.named, Target{s.Key, s.Instance})
		}
	}
}

// Trailer is the key of the commit trailer that gives consent.
const Trailer = "Consent"

// Consented is one agreement to a hazard, for the named objects or, if there are none, for all.
type Consented struct {
	Hazard  Hazard
	Objects []v1.Key
	// By is who agreed, and How is where: in a commit, or with a command. They are for the record, and change no
	// decision. An agreement that an older release has remembered has neither.
	By  string `json:",omitempty"`
	How string `json:",omitempty"`
	// Until is when the agreement ends. If it is zero, the agreement lasts until it is used up.
	Until time.Time `json:",omitzero"`
	// Wants are what manifests asked of Objects when the agreement first counted: see Asked. An agreement that an older
	// release has remembered has none until it counts again.
	Wants map[v1.Key]string `json:",omitempty"`
	// Begun are those of Objects that a plan has had something to do about.
	Begun []v1.Key `json:",omitempty"`
}

// Asked returns a digest of what manifests ask of an object. It is "" if they ask for nothing. known is false if nobody
// can tell, because a problem holds the object. The digest is then Something if there is a manifest.
type Asked func(v1.Key) (digest string, known bool)

// Something is in the place of the digest of a manifest that has a problem.
const Something = "something"

// Ended reports whether the agreement has ended at a time, even if it is not used up.
func (c Consented) Ended(now time.Time) bool { return !c.Until.IsZero() && !now.Before(c.Until) }

// Consents are the agreements in force.
type Consents []Consented

// Lasting returns the agreements that have not ended at a time.
func (cs Consents) Lasting(now time.Time) Consents {
	return slices.DeleteFunc(slices.Clone(cs), func(c Consented) bool { return c.Ended(now) })
}

// Covers reports whether somebody agreed to the hazard for the object.
func (cs Consents) Covers(h Hazard, k v1.Key) bool {
	return slices.ContainsFunc(cs, func(c Consented) bool {
		return c.Hazard == h && (len(c.Objects) == 0 || slices.Contains(c.Objects, k))
	})
}

// Names reports whether somebody agreed to the hazard for this object by name. An agreement for all objects does not
// count.
func (cs Consents) Names(h Hazard, k v1.Key) bool {
	return slices.ContainsFunc(cs, func(c Consented) bool { return c.Hazard == h && slices.Contains(c.Objects, k) })
}

// Said returns the agreements with who gave them, and where.
func (cs Consents) Said(by, how string) Consents {
	out := slices.Clone(cs)
	for i := range out {
		out[i].By, out[i].How = by, how
	}
	return out
}

// To returns the agreements that cover one of the hazards for the object.
func (cs Consents) To(hazards []Hazard, k v1.Key) Consents {
	var out Consents
	for _, c := range cs {
		if slices.Contains(hazards, c.Hazard) && (Consents{c}).Covers(c.Hazard, k) {
			out = append(out, c)
		}
	}
	return out
}

// Agreed reports whether somebody agreed to the hazard for all objects.
func (cs Consents) Agreed(h Hazard) bool { return cs.Covers(h, v1.Key{}) }

// ParseConsent reads the value of a Consent trailer, such as "removals Service/a Service/b, replace". Hazards are
// separated by commas. Each is followed by the objects that it is limited to, if there are any. It fails if a hazard
// is missing or unknown, if an object is not KIND/NAME, or if an agreement to promote-unproven names no node.
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
		if c.Hazard == PromoteUnproven && len(c.Objects) == 0 {
			return nil, fmt.Errorf("consent to %s: name each node by its id, as docker node ls shows it: %s Node/ID", PromoteUnproven, PromoteUnproven)
		}
		out = append(out, c)
	}
	return out, nil
}

// Needs returns a refusal unless somebody consented to the hazard. The reason ends with the line that gives consent.
func (s Step) Needs(h Hazard, p Policy, format string, args ...any) []Refusal {
	return s.unless(h, p, Consent, format, args...)
}

// Awaits is like Needs, if the hazard may also pass by itself. So the step waits for that, and consent ends the wait.
func (s Step) Awaits(h Hazard, p Policy, format string, args ...any) []Refusal {
	return s.unless(h, p, Later, format, args...)
}

func (s Step) unless(h Hazard, p Policy, class Class, format string, args ...any) []Refusal {
	if p.Consents.Covers(h, s.Key) {
		return nil
	}
	r := s.Refusal(class, format, args...)
	r.Hazard = h
	r.Why += p.Agree(h)
	return []Refusal{r}
}

// Unsaid stands for the reason in a command that is printed for people to give. The operator cannot know it.
const Unsaid = "TEXT"

// Approving returns the command that agrees to something in a revision: to a hazard, or to a hazard and its objects.
func Approving(revision, to string) string {
	return fmt.Sprintf("swarm-operator approve %s --revision %.10s --reason %s", to, revision, Unsaid)
}

// Agree returns the line that gives consent, for these objects or for all. It is empty if only a command can, which
// commands then adds.
func (p Policy) Agree(h Hazard, objects ...v1.Key) string {
	if h.ByCommand() || p.CommandsOnly || p.Files {
		return ""
	}
	text := fmt.Sprintf("; to agree, add to a commit message: %s: %s", Trailer, h)
	for _, k := range objects {
		text += " " + k.String()
	}
	return text
}
