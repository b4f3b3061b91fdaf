package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// removalsLast makes removals wait for every other step of the revision that comes by itself, and until the services
// that the revision changed work. The services that are to be removed may still be serving. Nothing is removed if a
// roll-out of the revision failed, or while a service that git changes is refused.
func removalsLast(plan Plan, f Facts, p Policy) []Refusal {
	class, why := plan.comesFirst(f)
	before, whyBefore := plan.supersededFirst(f)
	takers, away := plan.onlyForRoom(f)
	var out []Refusal
	for _, s := range plan.Steps {
		if !s.removal() || s.oldVersion() || s.useless() || s.goesFirst(plan, f) {
			continue
		}
		superseded := whyBefore != "" && slices.Contains(f.Superseded.Removals, s.Key)
		switch {
		case len(takers) > 0 && v1.RunsTasks(s.Key.Kind):
			refused := s.gap(takers, f, p)
			if len(refused) == 0 && away != "" {
				refused = s.comesLast(Consent, away, p)
			}
			out = append(out, refused...)
		case superseded && (before == Never || before == Later && class == Consent || why == ""):
			out = append(out, s.comesLast(before, whyBefore, p)...)
		case why != "":
			out = append(out, s.comesLast(class, why, p)...)
		}
	}
	return out
}

// comesLast refuses a removal because of what comes first. It asks if that never comes by somebody's choice.
func (s Step) comesLast(class Class, why string, p Policy) []Refusal {
	const text = "removals come last; %s"
	if class == Consent {
		return s.Needs(Removals, p, text, why)
	}
	return []Refusal{s.Refusal(class, text, why)}
}

// onlyForRoom returns the services that find no place, if removals wait only for these. A service that is to be removed
// may have that place, so neither would come by itself. away names a service that is left alone as well: see unready.
func (p *Plan) onlyForRoom(f Facts) (of []v1.Key, away string) {
	takers := map[v1.Key]bool{}
	others := func(begun map[v1.Key]string) map[v1.Key]string {
		out := maps.Clone(begun)
		maps.DeleteFunc(out, func(k v1.Key, _ string) bool {
			_, placeless := f.Placeless[k]
			if placeless {
				takers[k] = true
			}
			return placeless
		})
		return out
	}
	f.Begun, f.Superseded.NotReady = others(f.Begun), others(f.Superseded.NotReady)
	if len(takers) == 0 {
		return nil, ""
	}
	class, why := p.comesFirst(f)
	classBefore, before := p.supersededFirst(f)
	if why != "" && class != Consent || before != "" && classBefore != Consent {
		return nil, ""
	}
	return slices.SortedFunc(maps.Keys(takers), v1.Key.Compare), cmp.Or(why, before)
}

// gap asks before a service is removed to give its place to one that finds none. If nobody knows whose place it has, the
// agreement has to be to all that find none.
func (s Step) gap(takers []v1.Key, f Facts, p Policy) []Refusal {
	if of, is := f.InTheWay[s.Key]; is {
		if p.Consents.Covers(Replace, of) {
			return nil
		}
		return s.Needs(Replace, p, "%s finds no place, because this service has the port of the nodes that it needs; the operator would remove this service first, and neither runs until %s does", of, of)
	}
	for _, taker := range takers {
		if !p.Consents.Covers(Replace, taker) {
			return s.Needs(Replace, p, "%s finds no place (%s), and this object may have it; if the operator removes this object first, neither runs until %s does; you may also make room in another way", taker, f.Placeless[taker], taker)
		}
	}
	return nil
}

// supersededFirst says what removals of earlier revisions wait for, as comesFirst does for those of this revision.
func (p *Plan) supersededFirst(f Facts) (Class, string) {
	if why := p.failed(f, func(k v1.Key) bool { return slices.Contains(f.Superseded.Changed, k) }); why != "" {
		return Never, why
	}
	return p.unready(f, f.Superseded.NotReady)
}

// comesFirst says what removals wait for, and whether that comes by itself. The text is "" if they wait for nothing.
func (p *Plan) comesFirst(f Facts) (Class, string) {
	if k, held := f.held(); held {
		return Never, fmt.Sprintf("%s is held, and may replace what goes, or still need it (%s)%s", k, f.Problems[k].Why, f.Problems[k].mended())
	}
	class, unready := p.unready(f, f.Begun)
	if class == Never {
		return class, unready
	}
	if why := p.failed(f, func(k v1.Key) bool { return f.Failed[k].Revision == f.Revision && f.Revision != "" }); why != "" {
		return Never, why
	}
	for _, r := range p.Refused {
		if r.holdsRemovals() {
			return Never, fmt.Sprintf("%s is refused (%s): that has to end first", r.Key, r.Why)
		}
	}
	for _, r := range p.Refused {
		if r.waitsBeforeRemovals() {
			return Later, fmt.Sprintf("%s still waits", r.Key)
		}
	}
	for _, s := range p.Steps {
		if v1.RunsTasks(s.Key.Kind) && s.Begins() && !p.own(s, f) {
			return Later, fmt.Sprintf("%s has to roll out first", s.Key)
		}
	}
	return class, unready
}

// failed says which of the services that removals wait for has a present want that failed. It returns "" if there is
// none.
func (p *Plan) failed(f Facts, is func(v1.Key) bool) string {
	for _, r := range p.Refused {
		if r.is(failed) && is(r.Key) {
			return fmt.Sprintf("the roll-out of %s failed (%s): mend it in git, or swarm-operator retry %s", r.Key, f.Failed[r.Key].Why, r.Key)
		}
	}
	return ""
}

// begun returns the services that removals of this revision and of earlier ones wait for.
func (f *Facts) begun() []v1.Key {
	return slices.Concat(slices.SortedFunc(maps.Keys(f.Begun), v1.Key.Compare), slices.SortedFunc(maps.Keys(f.Superseded.NotReady), v1.Key.Compare))
}

// unready says which of the services that removals wait for has failed or, if none has, which is not ready. The text
// is "" if all are ready. A service that somebody removed has failed as well if the operator does not make it again. If
// it is left alone on purpose, that may last for ever, so removals wait for an agreement: what goes may serve in its place.
func (p *Plan) unready(f Facts, begun map[v1.Key]string) (Class, string) {
	var keys []v1.Key
	away := ""
	for _, k := range slices.SortedFunc(maps.Keys(begun), v1.Key.Compare) {
		if r := p.staysAway(k); r != nil {
			away = fmt.Sprintf("%s does not exist and is left alone (%s), so what goes may still serve in its place", k, r.Why)
			continue
		}
		keys = append(keys, k)
	}
	for _, k := range keys {
		if f.Failing[k] {
			return Never, fmt.Sprintf("the roll-out of %s failed (%s): mend it in git, or swarm-operator retry %s", k, begun[k], k)
		}
	}
	for _, k := range keys {
		if r := p.heldBy(Target{k, k.Name}); r != nil && r.Op == diff.Create {
			return Never, fmt.Sprintf("%s is refused (%s): that has to end first", k, r.Why)
		}
	}
	for _, k := range keys {
		return Later, fmt.Sprintf("%s is not ready: %s", k, begun[k])
	}
	return Consent, away
}

// staysAway returns the refusal to make a service again that does not exist, if the manifest or a person leaves it so on
// purpose, and nil otherwise.
func (p *Plan) staysAway(k v1.Key) *Refusal {
	i := slices.IndexFunc(p.Refused, func(r Refusal) bool { return r.Key == k && r.Op == diff.Create && r.is(chosen) })
	if i < 0 {
		return nil
	}
	return &p.Refused[i]
}

// held returns an object that a problem of its manifest holds, or false if there is none. With its manifest mended,
// the object may take over from what the revision removes. Until then it may still need that.
func (f Facts) held() (v1.Key, bool) {
	for _, key := range slices.SortedFunc(maps.Keys(f.Problems), v1.Key.Compare) {
		if !v1.OfNodes(key.Kind) {
			return key, true
		}
	}
	return v1.Key{}, false
}
