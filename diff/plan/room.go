package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Claim is what a change needs and another object has. The swarm has only one of it.
type Claim struct {
	Key      v1.Key
	Instance string
	Claim    diff.Claim
	// Holder is the object that has it.
	Holder         v1.Key
	HolderInstance string
	// Mine is true if the source owns the holder.
	Mine bool
	// Stays is true if the holder's manifest asks for it as well.
	Stays bool
	// Former is true if the holder has given it up. A rollback of the holder would take it back.
	Former bool
	// Rollout is the last update of a holder that has given it up and that is not among Facts.Rollouts: no manifest of
	// the source asks for it.
	Rollout Rollout
}

const guardRoom = "room"

// needed says what the change lacks and which object has it.
func (c Claim) needed() string {
	if c.Claim.What == "name" {
		return fmt.Sprintf("the swarm takes upper and lower case in names for the same, and %s has this name", c.holder())
	}
	return fmt.Sprintf("it needs %s, which %s has", c.Claim, c.holder())
}

// gap says what there is not between the removal of the holder and the time at which the taker has what it needs. A
// taker that exists goes on meanwhile as it was.
func (c Claim) gap(taker Step) string {
	if taker.Op == diff.Create {
		return fmt.Sprintf("there is neither until %s runs", taker.Key)
	}
	return fmt.Sprintf("nothing has %s until %s has it", c.Claim, taker.Key)
}

func (c Claim) holder() string { return v1.Key{Kind: c.Holder.Kind, Name: c.HolderInstance}.String() }

const guardBroken = "broken"

// broken reports objects that nothing can use and that no step is about, because their manifests ignore what differs. A
// change in git would mend them, or something that somebody does elsewhere.
func (p *Plan) broken(f Facts) {
	for _, k := range slices.SortedFunc(maps.Keys(f.Broken), v1.Key.Compare) {
		if p.step(k, k.Name) == nil {
			p.Refused = append(p.Refused, Refusal{Op: diff.Update, Key: k, Instance: k.Name, Guard: guardBroken, Class: Never, Why: mended(f.Broken[k])})
		}
	}
}

// unusable leaves an object that nothing can use as it is, unless the source has made it and git now asks for something
// else. Making the same once more would end in the same way.
//
// What others made stays, although the source may have adopted it: the swarm does not tell the settings of such an object,
// so the new one would lack them.
func unusable(s Step, f Facts, p Policy) []Refusal {
	why := f.Broken[s.Key]
	if why == "" || s.Op == diff.Remove || s.Op == diff.Create {
		return nil
	}
	for _, c := range f.Claims {
		if c.Key == s.Key && c.Instance == s.Instance && !c.Former {
			why += "; " + c.needed()
		}
	}
	meta := s.Change.Have.Meta
	users, byHand := meta.UsedBy, fmt.Sprintf("remove it by hand: docker %s rm %s; or remove what is in its way, and the swarm goes on by itself", strings.ToLower(s.Key.Kind), s.Instance)
	switch {
	case !s.made():
		return []Refusal{s.Refusal(Never, "%s; source %s did not make it, so the operator leaves it; %s", why, p.Source, byHand)}
	case meta.Applied.Zero():
		return []Refusal{s.Refusal(Never, "%s; nothing says what git asked for when it was made, so the operator leaves it; %s", why, byHand)}
	case !meta.Applied.Asks(s.Change.Want.Leaves):
		return []Refusal{s.Refusal(Never, "%s", mended(why))}
	case len(users) > 0: // their tasks wait for it
		return []Refusal{s.Refusal(Never, "%s; the engine does not remove it while %s refers to it, so the operator cannot make it again; make an object of another name and switch to it, or remove what refers to this one", why, join(users))}
	}
	return nil
}

// made reports whether the source made the live object of a step.
func (s Step) made() bool {
	m := s.Change.Have.Meta
	return m.Mine && m.Title == diff.TitleMade
}

// useless reports whether a step removes an object that the source made and that nothing can use. Nothing that runs needs
// it, so nobody is asked and nothing comes first. The engine refuses to remove it if somebody uses it after all.
func (s Step) useless() bool {
	return s.removal() && s.Change.Have.Meta.Unusable && s.made()
}

// mended returns the reason, and what would make an object of the source usable.
func mended(why string) string {
	return why + "; mend it in git, and the operator makes it again; or remove what is in its way, and the swarm goes on by itself"
}

// making returns the step that makes or changes an object, or nil.
func (p *Plan) making(key v1.Key, instance string) *Step {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Key == key && s.Instance == instance && s.Op != diff.Remove })
	if i < 0 {
		return nil
	}
	return &p.Steps[i]
}

// step returns any step about an object, or nil.
func (p *Plan) step(key v1.Key, instance string) *Step {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Key == key && s.Instance == instance })
	if i < 0 {
		return nil
	}
	return &p.Steps[i]
}

// noRoom and roomLater refuse a step that needs what another object has. They let it wait for that, or say why it
// will never have it.
//
// A port is free when its giver's roll-out is over, not when the giver's new spec is written. If a giver is rolled
// back to a port that was given away, it never runs again. SwarmKit's updater puts the old spec back without asking
// for the port. If no manifest of the source asks for the giver, no change in git ends its roll-out. If that is paused or
// takes long, the port is taken with an agreement.
//
// They are two guards, because a refusal for good must come before anything waits for the step, and a refusal for
// later after that.
func noRoom(plan Plan, f Facts, p Policy) []Refusal {
	held, _ := split(unfree(plan, f, p), func(r Refusal) bool { return r.Class != Later })
	return held
}

func roomLater(plan Plan, f Facts, p Policy) []Refusal {
	_, later := split(unfree(plan, f, p), func(r Refusal) bool { return r.Class != Later })
	return later
}

// unfree refuses each step that needs what another object still has. It also refuses a step that makes room if no step
// takes what becomes free.
func unfree(plan Plan, f Facts, p Policy) []Refusal {
	var out []Refusal
	for _, c := range f.Claims {
		s := plan.making(c.Key, c.Instance)
		if s == nil {
			continue
		}
		giver := plan.step(c.Holder, c.HolderInstance)
		switch {
		case c.Former:
			out = append(out, plan.formerly(*s, c, f, p)...)
		case giver == nil, giver.Op == diff.Update && plan.partly(c.Holder, c.HolderInstance): // what would free it may be left out
			out = append(out, plan.freed(*s, c, p)...)
		case giver.MakesRoom():
			// the giver goes first
		case giver.removal():
			out = append(out, plan.gapOf(*s, *giver, plan.removedUsers(*giver), c, p)...)
		case c.Stays:
			out = append(out, s.Refusal(Never, "%s, and its manifest asks for it, too; state another one in one of the two manifests", c.needed()))
		case plan.waitsFor(f, c.Holder, c.Key):
			out = append(out, plan.ring(f, p, *giver, c)...)
		default:
			out = append(out, s.Refusal(Later, "%s until its own change has rolled out", c.needed()))
		}
	}
	for i := range plan.Steps {
		s := &plan.Steps[i]
		if s.MakesRoom() && !takesFrom(plan, f, s.Key) {
			out = append(out, plan.noTaker(*s, f))
		}
	}
	return out
}

// formerly refuses a step that needs what another object has given up and may need again.
func (p *Plan) formerly(s Step, c Claim, f Facts, policy Policy) []Refusal {
	r, known := f.Rollouts[c.Holder]
	if !known {
		r = c.Rollout
	}
	mends := known || c.Mine && f.Problems[c.Holder].Why != "" // a change of its manifest may end that
	switch {
	case p.goes(c.Holder) && !r.Running():
		return nil // whatever became of its roll-out, nobody rolls it back
	case !mends && (r.State == "paused" || r.Running() && Overdue(r.Began, f.Now, 0)):
		return s.Needs(Replace, policy, "%s gives up %s, and its roll-out does not end; if it is rolled back once this object has that, it may never run again", c.holder(), c.Claim)
	case r.Running():
		return []Refusal{s.Refusal(Later, "%s gives up %s, and its roll-out is not over", c.holder(), c.Claim)}
	case r.State == "paused":
		return []Refusal{s.Refusal(Never, "%s gives up %s, but its roll-out has failed, and a rollback would need that again; mend that object in git", c.holder(), c.Claim)}
	}
	return nil
}

// gapOf asks before the removal of an object, and of what uses it and goes as well, makes room for a step. With an agreement
// they go first, and for a moment neither the object nor the one that takes over exists. Who agrees to that for the object
// or the one that takes over has not agreed that a service ends before its time, so that has to be agreed to as well.
func (p *Plan) gapOf(s, giver Step, users []Step, c Claim, policy Policy) (out []Refusal) {
	if !policy.Consents.Covers(Replace, s.Key) && !policy.Consents.Covers(Replace, giver.Key) {
		out = s.Needs(Replace, policy, "%s; the operator would remove that object first, and %s", c.needed(), c.gap(s))
		out = append(out, giver.Needs(Replace, policy, "%s takes %s, which this object has; the operator would remove this object first, and %s", s.Key, c.Claim, c.gap(s))...)
	}
	for _, user := range users {
		out = append(out, user.Needs(Replace, policy, "%s takes %s, which %s has, and this object uses that; the operator would remove this object first", s.Key, c.Claim, giver.Key)...)
	}
	return out
}

// freed refuses a step that needs what no step of the plan gives up. The removal of the object that has it may only wait
// for removals of the plan: the swarm keeps a volume on its nodes, for example, until no task uses it. Other removals come
// after the step, so these would never come: they go first, if somebody agrees.
func (p *Plan) freed(s Step, c Claim, policy Policy) []Refusal {
	w := p.freeingOf(Target{c.Holder, c.HolderInstance})
	r := p.refusedRoom(s, c, w)
	if r.Class != Later || len(w.first) == 0 {
		return []Refusal{r}
	}
	giver := Step{Op: diff.Remove, Key: c.Holder, Instance: c.HolderInstance} // not in the plan, so nothing is asked of it
	if asks := p.gapOf(s, giver, w.first, c, policy); len(asks) > 0 {
		return asks
	}
	for _, first := range w.first {
		r.of.first = append(r.of.first, Target{first.Key, first.Instance})
	}
	return []Refusal{r}
}

// refusedRoom refuses a step that needs what no step of the plan gives up, and says why none does.
func (p *Plan) refusedRoom(s Step, c Claim, w freeing) Refusal {
	for _, r := range p.Refused {
		if r.Key != c.Holder || r.Instance != c.HolderInstance || c.Stays || len(r.of.rest) == 0 && p.step(c.Holder, c.HolderInstance) != nil {
			continue
		}
		if r.leaves() && r.Class == Later && w.stays {
			return s.Refusal(Never, "%s, and that object stays while something refers to it; state another one here", c.needed())
		}
		if r.leaves() && w.by != nil && w.by.Class > r.Class {
			return s.Refusal(w.by.Class, "%s; that object goes only after %s, whose removal is refused: %s", c.needed(), w.by.Key, w.by.Why)
		}
		return s.Refusal(r.Class, "%s; the change that would free it is refused: %s", c.needed(), r.Why) // consent would have to be to the change of the holder
	}
	if slices.Contains(p.Kept, Target{c.Holder, c.HolderInstance}) {
		if w.by != nil && !w.stays {
			return s.Refusal(w.by.Class, "%s; that object goes only after %s, whose removal is refused: %s", c.needed(), w.by.Key, w.by.Why)
		}
		return s.Refusal(Never, "%s, and that object stays while something refers to it; state another one here", c.needed())
	}
	if !c.Mine && c.Claim.What == "name" {
		return s.Refusal(Never, "%s; give this manifest that name, or a new one", c.needed())
	}
	return s.Refusal(Never, "%s, and keeps it; state another one here, or change that object", c.needed())
}

// leaves reports whether a refusal is of the removal of an object that no manifest asks for any more.
func (r Refusal) leaves() bool { return r.Op == diff.Remove && r.Origin() == OriginDiffers }

// freeing is what comes before the removal of an object that is refused.
type freeing struct {
	// first are the removals of the plan that come before it.
	first []Step
	// by is the refusal to remove what uses the object, directly or through others. Of several it is one that takes the
	// most to end.
	by *Refusal
	// stays is true if something uses the object that nobody removes.
	stays bool
}

// freeingOf returns what comes before the removal of an object that is refused, if there is anything.
func (p *Plan) freeingOf(t Target) (w freeing) {
	seen := map[v1.Key]bool{}
	var visit func(users []v1.Key)
	visit = func(users []v1.Key) {
		for _, user := range users {
			if seen[user] {
				continue
			}
			seen[user] = true
			if i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Key == user && s.removal() }); i >= 0 {
				w.first = append(w.first, p.Steps[i])
				visit(p.Steps[i].Change.Have.Meta.UsedBy)
				continue
			}
			refused := slices.Concat(p.Refused, p.Stays)
			i := slices.IndexFunc(refused, func(r Refusal) bool { return r.Key == user && r.leaves() })
			if i < 0 {
				w.stays = true
				continue
			}
			if by := refused[i]; !by.is(kept) && (w.by == nil || by.Class > w.by.Class) {
				w.by = &by
			}
			visit(refused[i].of.users)
		}
	}
	for _, r := range slices.Concat(p.Refused, p.Stays) {
		if r.Key == t.Key && r.Instance == t.Instance && r.leaves() {
			visit(r.of.users)
		}
	}
	return w
}

// noTaker refuses to make room for a change that is refused itself or that is no longer planned.
func (p *Plan) noTaker(s Step, f Facts) Refusal {
	for _, c := range f.Claims {
		if c.Holder != s.Key || c.Former {
			continue
		}
		for _, r := range p.Refused {
			if r.Key == c.Key && r.Instance == c.Instance {
				return s.Refusal(r.Class, "it would be removed to make room for %s, which is refused: %s", c.Key, r.Why)
			}
		}
	}
	return s.Refusal(Never, "its removal would make room for a change that git no longer has; bring that change back in git")
}

// goes reports whether an object is to be removed, now or when what comes first is done.
func (p *Plan) goes(k v1.Key) bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Key == k && s.removal() }) ||
		slices.ContainsFunc(p.Refused, func(r Refusal) bool { return r.Key == k && r.Op == diff.Remove && r.Class == Later })
}

// takesFrom reports whether a step of the plan takes what an object has.
func takesFrom(plan Plan, f Facts, holder v1.Key) bool {
	return slices.ContainsFunc(f.Claims, func(c Claim) bool {
		return c.Holder == holder && !c.Former && plan.making(c.Key, c.Instance) != nil
	})
}

// waitsFor reports whether the change of one object comes only after that of another. That is so if it needs what the
// other one has, or depends on it, directly or through others that change.
func (p *Plan) waitsFor(f Facts, key, other v1.Key) bool {
	seen := map[v1.Key]bool{}
	var reaches func(from v1.Key) bool
	reaches = func(from v1.Key) bool {
		for _, next := range p.before(f, from) {
			if next == other {
				return true
			}
			if !seen[next] {
				seen[next] = true
				if reaches(next) {
					return true
				}
			}
		}
		return false
	}
	return reaches(key)
}

// before returns the objects whose own changes come before that of an object.
func (p *Plan) before(f Facts, key v1.Key) []v1.Key {
	out := p.givers(f, key)
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Key != key || s.Op == diff.Remove || s.Change.Want == nil {
			continue
		}
		for _, k := range s.Change.Want.DependsOn {
			if k != f.Self && p.making(k, k.Name) != nil { // the operator's own step comes last, so nothing waits for it
				out = append(out, k)
			}
		}
	}
	return out
}

// givers returns the objects that change and have what the change of an object needs.
func (p *Plan) givers(f Facts, key v1.Key) []v1.Key {
	var out []v1.Key
	for _, c := range f.Claims {
		if c.Key == key && !c.Former && !c.Stays && p.making(c.Key, c.Instance) != nil && p.making(c.Holder, c.HolderInstance) != nil {
			out = append(out, c.Holder)
		}
	}
	return out
}

// ring refuses the change of an object that has what another one needs, if the other one changes first. This happens,
// for example, when two services swap their ports. Only the removal of an object that has what another one needs ends
// it.
//
// Consent to that was looked at before, so it is missing. If this object cannot be removed, consent is asked for
// another one of those that wait for each other. A refusal of that one then holds this one as well.
func (p *Plan) ring(f Facts, policy Policy, giver Step, c Claim) []Refusal {
	why := fmt.Sprintf("it has %s, which %s needs, and it changes only after that object", c.Claim, c.Key)
	switch {
	case giver.canMakeRoom():
		r := giver.Refusal(Consent, "%s; they wait for each other until the operator removes one of them and makes it again%s", why, policy.Agree(Replace, giver.Key))
		r.Hazard, r.ends = Replace, byObject
		return []Refusal{r}
	case p.otherMakesRoom(f, giver.Key):
		return nil
	case giver.Change.Want.Policy.Protect:
		return []Refusal{giver.Refusal(Never, "%s; policy.protect keeps it from being removed to make room; remove that line, or state another one here", why)}
	}
	return []Refusal{giver.Refusal(Never, "%s, and the operator cannot remove it to make room; state another one here", why)}
}

// otherMakesRoom reports whether another object's removal ends the ring that an object is in.
func (p *Plan) otherMakesRoom(f Facts, key v1.Key) bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool {
		return s.Key != key && s.canMakeRoom() && p.inRing(f, s.Key) && p.waitsFor(f, s.Key, key) && p.waitsFor(f, key, s.Key)
	})
}

// inRing reports whether an object has what another one needs, although the other one changes first. Its removal
// would end that.
func (p *Plan) inRing(f Facts, key v1.Key) bool {
	return slices.ContainsFunc(f.Claims, func(c Claim) bool {
		return c.Holder == key && slices.Contains(p.givers(f, c.Key), key) && p.waitsFor(f, key, c.Key)
	})
}

// makeRoom turns the change of one object of each cycle into its removal, if somebody agreed to that. The object is
// made again when the others have what they need.
func (p *Plan) makeRoom(f Facts, policy Policy) {
	if len(f.Claims) == 0 {
		return
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if !s.canMakeRoom() || !policy.Consents.Covers(Replace, s.Key) || !p.inRing(f, s.Key) {
			continue
		}
		var of []string
		for _, c := range f.Claims {
			if c.Holder == s.Key && !c.Former {
				of = append(of, fmt.Sprintf("%s needs %s", c.Key, c.Claim))
			}
		}
		slices.Sort(of)
		s.Op, s.Effect, s.Fields, s.Origin = diff.Remove, diff.Recreate, nil, OriginMakesRoom
		s.Cause = "removed to make room, and made again after that: " + strings.Join(slices.Compact(of), ", ")
	}
}

// canMakeRoom reports whether the step's object may be removed and made again. A network that is in use may not: the
// engine keeps it.
func (s Step) canMakeRoom() bool {
	if s.Change.Want == nil || s.Change.Have == nil || s.Change.Want.Policy.Protect {
		return false
	}
	return s.Op == diff.Update || s.Op == diff.Replace && len(s.Change.Have.Meta.UsedBy) == 0
}

// goesFirst reports whether a removal makes room for a step of the plan. Somebody has agreed to that. What uses such an
// object, directly or through others, and is to be removed as well goes before it: the engine removes no object that is in
// use. That is so as well if the removal of the object itself comes later: see freed.
func (s Step) goesFirst(plan Plan, f Facts) bool {
	return s.MakesRoom() || s.removal() && plan.frees(s) || s.removal() && len(f.Claims) > 0 && slices.ContainsFunc(plan.usedByRemoved(s), func(o Step) bool { return takesFrom(plan, f, o.Key) })
}

// frees reports whether a change that waits for room waits for the step.
func (p *Plan) frees(s Step) bool {
	return slices.ContainsFunc(p.Refused, func(r Refusal) bool { return slices.Contains(r.of.first, Target{s.Key, s.Instance}) })
}

// usedByRemoved returns the step, and the removals of what its object uses, directly or through others.
func (p *Plan) usedByRemoved(s Step) []Step {
	return p.reach(s, func(from, to Step) bool { return to.usedBy(from.Key) })
}

// removedUsers returns the removals of what uses the object of a step, directly or through others. A service uses a volume,
// for example, and that a secret.
func (p *Plan) removedUsers(of Step) []Step {
	return p.reach(of, func(from, to Step) bool { return from.usedBy(to.Key) })[1:]
}

// reach returns a step, and the removals that next leads to from it.
func (p *Plan) reach(s Step, next func(from, to Step) bool) []Step {
	out := []Step{s}
	for i := 0; i < len(out); i++ {
		for _, to := range p.Steps {
			known := func(o Step) bool { return o.Key == to.Key && o.Instance == to.Instance }
			if to.removal() && next(out[i], to) && !slices.ContainsFunc(out, known) {
				out = append(out, to)
			}
		}
	}
	return out
}

// usedBy reports whether an object uses the one of the step.
func (s Step) usedBy(k v1.Key) bool { return slices.Contains(s.Change.Have.Meta.UsedBy, k) }
