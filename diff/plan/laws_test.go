package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

func oneOf[T any](t *rapid.T, label string, items ...T) T {
	return rapid.SampledFrom(items).Draw(t, label)
}

func chance(t *rapid.T, label string, oneIn int) bool {
	return rapid.IntRange(1, oneIn).Draw(t, label) == oneIn
}

var names = func() []v1.Key {
	var out []v1.Key
	for _, kind := range []string{v1.KindConfig, v1.KindNetwork, v1.KindSecret, v1.KindService} {
		for i := range 4 {
			out = append(out, v1.Key{Kind: kind, Name: fmt.Sprint("x", i)})
		}
	}
	return out
}()

func someKeys(t *rapid.T, label string, from []v1.Key, most int) []v1.Key {
	var out []v1.Key
	for range rapid.IntRange(0, most).Draw(t, label) {
		out = append(out, rapid.SampledFrom(from).Draw(t, label))
	}
	return out
}

// anything returns any possible input of a plan, and some impossible ones.
func anything(t *rapid.T) given {
	g := newGiven()
	services := names[12:]
	f := &g.Facts
	for _, k := range names {
		if chance(t, "unchanged", 3) {
			continue
		}
		g.Changes = append(g.Changes, anyChange(t, k))
		if (k.Kind == v1.KindConfig || k.Kind == v1.KindSecret) && chance(t, "old version", 3) {
			old := change([]string{"-", k.String(), "instance=" + k.Name + "-0123456789", "old"})
			old.Have.Meta.UsedBy = someKeys(t, "used by", services, 2)
			g.Changes = append(g.Changes, old)
		}
	}
	f.Owned, f.OwnedServices = rapid.IntRange(0, 50).Draw(t, "owned"), rapid.IntRange(0, 50).Draw(t, "services")
	f.Shares, f.Rewind, f.StateLost = !chance(t, "shares nothing", 5), chance(t, "rewind", 8), chance(t, "state lost", 8)
	if g.Policy.AskRewritten = chance(t, "rewrites need consent", 4); chance(t, "rewritten", 8) {
		f.Rewritten = "the history was rewritten"
	}
	if chance(t, "other source", 12) {
		f.OtherSource = "it may be another one"
	}
	f.APIVersion = oneOf(t, "api", "1.52", "1.44", "1.41", "")
	f.ReleasedAll, f.Self = chance(t, "all released", 20), oneOf(t, "self", v1.Key{}, services[0])
	if chance(t, "volumes are unseen", 8) {
		f.Unseen = "denied"
	}
	if chance(t, "paused", 20) {
		f.Paused = "the memory is gone"
	}
	for _, k := range someKeys(t, "on hold", names, 2) {
		f.Holds = append(f.Holds, Hold{Target: k.String(), Reason: "wait", Until: oneOf(t, "until", time.Time{}, now, now.Add(time.Minute))})
	}
	for _, k := range someKeys(t, "released", names, 2) {
		f.Released[k] = true
	}
	for _, k := range services {
		if chance(t, "rollout", 3) {
			f.Rollouts[k] = Rollout{
				State: oneOf(t, "state", "updating", "paused", "completed", "rollback_started", "rollback_paused", "rollback_completed"),
				Began: now.Add(-time.Duration(rapid.IntRange(0, 2).Draw(t, "began")) * time.Minute), Left: oneOf(t, "left", Unknown, Matches, Differs),
			}
		}
		if chance(t, "failed", 4) {
			f.Failed[k] = Failure{Key: k, Digest: wanted(k, oneOf(t, "failed want", "new", "bad")).Digest(), Began: now.Add(-time.Minute), Revision: oneOf(t, "revision", "r1", "r2")}
		}
		if chance(t, "not ready", 5) {
			f.NotReady[k], f.Failing[k] = "starting", chance(t, "failing", 2)
		}
		if chance(t, "drift", 4) {
			f.DriftSince[k] = now.Add(-time.Minute)
		}
	}
	for _, k := range names {
		if chance(t, "keep", 6) {
			f.Keep[k] = oneOf(t, "kept", "", "policy.protect: true")
		}
		if k.Kind != v1.KindService && chance(t, "external", 10) {
			f.Missing[k] = chance(t, "missing", 2)
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, "claims") {
		by, of := oneOf(t, "claims", services...), oneOf(t, "holder", services...)
		if by != of {
			f.Claims = append(f.Claims, Claim{
				Key: by, Instance: by.Name, Holder: of, HolderInstance: of.Name, Claim: diff.Claim{What: "port", Of: oneOf(t, "port", "1/tcp", "2/tcp")},
				Mine: !chance(t, "foreign", 4), Stays: chance(t, "stays", 5), Former: chance(t, "former", 5),
				Rollout: Rollout{State: oneOf(t, "roll-out of the holder", "", "updating", "paused", "completed"), Began: now.Add(-oneOf(t, "began", time.Minute, Deadline))},
			})
		}
	}
	for _, c := range g.Changes {
		if chance(t, "trouble", 8) {
			s := Step{Op: c.Op, Key: c.Key, Instance: c.Instance}
			f.Troubles[s.Name()] = Trouble{Tries: rapid.IntRange(1, 9).Draw(t, "tries"), Why: "no", Until: oneOf(t, "again", now, now.Add(time.Second))}
		}
	}
	for _, k := range someKeys(t, "begun", services, 2) {
		if f.NotReady[k] != "" {
			f.Begun[k] = f.NotReady[k]
		}
	}
	g.Policy.RepairAfter = oneOf(t, "repair after", 0, 30*time.Second, 2*time.Minute)
	g.Policy.RepairRestartsAfter = oneOf(t, "repair restarts after", 0, 30*time.Second, 2*time.Minute)
	f.Contended = map[v1.Key][]Contention{}
	for _, k := range someKeys(t, "contended", names, 3) {
		path := oneOf(t, "contended path", "", "spec.image", "spec.replicas")
		f.Contended[k] = append(f.Contended[k], Contention{Path: path, Times: 3, Until: now.Add(time.Minute)})
	}
	g.Policy.Budgets = Budgets{Removals: rapid.IntRange(0, 4).Draw(t, "removals"), Restarts: rapid.IntRange(0, 3).Draw(t, "restarts"), Rollouts: rapid.IntRange(1, 3).Draw(t, "rollouts"), FailedRollouts: rapid.IntRange(1, 3).Draw(t, "failed")}
	for _, h := range []Hazard{Removals, Restarts, Replace, TakeoverSecret, Rewind, OtherSource} {
		if chance(t, "consent", 4) {
			g.Policy.Consents = append(g.Policy.Consents, Consented{Hazard: h, Objects: someKeys(t, "to", names, 3)})
		}
	}
	return g
}

func anyChange(t *rapid.T, k v1.Key) diff.Change {
	words := []string{oneOf(t, "op", "+", "~", "~", "-", "±", "="), k.String()}
	switch words[0] {
	case "~", "±":
		path := oneOf(t, "path", "spec.image", "metadata.labels.a", "spec.healthcheck.startInterval", "spec.external")
		if words[0] == "±" {
			path = "spec.mode"
		}
		words = append(words, oneOf(t, "whose", "git", "hand", "both")+"="+path)
		if chance(t, "more", 2) {
			words = append(words, oneOf(t, "whose else", "git", "hand", "ignored", "unwritable")+"=spec.replicas")
		}
	case "+":
		words = append(words, "git=spec.image")
		if chance(t, "removed by hand", 3) {
			words = append(words[:2], "hand=spec.image", oneOf(t, "who made it", "removed", "removed=adopted"))
		}
	}
	for _, flag := range []string{"suspend", "protect", "adopt=takeover", "adopt=never", "enforce=true", "enforce=false", "adopted", "taken", "unknown=New", "want=bad", "newer=spec.oomScoreAdj"} {
		if chance(t, flag, 8) {
			words = append(words, flag)
		}
	}
	if words[0] != "-" && chance(t, "foreign", 4) { // what is not ours and not wanted is no change
		words = append(words, oneOf(t, "whose object", "foreign", "owner=other"))
	}
	switch {
	case k.Kind == v1.KindNetwork && chance(t, "of the routing mesh", 4):
		words = append(words, "mesh")
	case k.Kind == v1.KindService && chance(t, "publishes", 3):
		words = append(words, "publishes="+oneOf(t, "through", "ingress", "host"))
	}
	c := change(words)
	if c.Want != nil {
		c.Want.Uses, c.Want.DependsOn = someKeys(t, "uses", names[:12], 2), someKeys(t, "depends on", names, 1)
	}
	if c.Have != nil {
		c.Have.Meta.UsedBy = someKeys(t, "used by", names[12:], 1)
	}
	return c
}

type place struct {
	op       diff.Op
	key      v1.Key
	instance string
}

func at(op diff.Op, k v1.Key, instance string) place { return place{op, k, instance} }

// Every change is a step, a refusal or an adoption, or it is kept. The same is true of every field that counts.
func nothingVanishes(t *rapid.T) { nothingVanishesOf(t, anything(t)) }

func nothingVanishesOf(t *rapid.T, g given) {
	p := g.build()
	found := map[place]map[string]bool{}
	note := func(op diff.Op, k v1.Key, instance string, fields []diff.Field) {
		if found[at(op, k, instance)] == nil {
			found[at(op, k, instance)] = map[string]bool{}
		}
		for _, f := range fields {
			found[at(op, k, instance)][f.Path] = true
		}
	}
	for _, s := range p.Steps {
		note(s.Op, s.Key, s.Instance, s.Fields)
	}
	for _, r := range p.Refused {
		note(r.Op, r.Key, r.Instance, r.Fields)
	}
	for i := range g.Changes { // an object that is removed to make room is changed when it is made again
		c := &g.Changes[i]
		if s := p.step(c.Key, c.Instance); (c.Op == diff.Update || c.Op == diff.Replace) && (s != nil && s.MakesRoom() || roomRefused(p, *c)) {
			note(c.Op, c.Key, c.Instance, c.Counted())
		}
	}
	for _, a := range p.Adopted {
		note(diff.Same, a.Key, a.Key.Name, nil)
	}
	for _, c := range g.Changes {
		paths, ok := found[at(c.Op, c.Key, c.Instance)]
		switch {
		case ok:
		case c.Op == diff.Same && c.Have.Meta.Mine:
		case c.Op == diff.Remove && slices.Contains(p.Kept, Target{c.Key, c.Instance}):
		default:
			t.Fatalf("%s %s [%s] vanished:\n%s", c.Op, c.Key, c.Instance, render(p))
		}
		for _, f := range c.Counted() {
			if c.Op != diff.Same && !paths[f.Path] {
				t.Fatalf("%s of %s vanished:\n%s", f.Path, c.Key, render(p))
			}
		}
	}
}

// A plan says one thing about an object. What it takes over as it is has no step and no refusal, and is taken over once.
// What differs is done once or left alone: no two steps come from differences of one object, and no field of it, nor
// the object if it is made or removed, has both a step and a refusal, or two refusals. What stays for others has no
// step. An old version of an object is a thing of its own.
func oneAnswer(t *rapid.T) { oneAnswerOf(t, anything(t)) }

func oneAnswerOf(t *rapid.T, g given) {
	p := g.build()
	answers := map[string]string{}
	answer := func(k v1.Key, instance, about, is string) {
		about = fmt.Sprintf("%s of %s [%s]", about, k, instance)
		if was := answers[about]; was != "" {
			t.Fatalf("two things are said of the %s: %s, and %s\n%s", about, was, is, render(p))
		}
		answers[about] = is
	}
	old, taken := map[Target]bool{}, map[v1.Key]bool{}
	for _, c := range g.Changes {
		old[Target{c.Key, c.Instance}] = c.Have != nil && c.Have.Meta.OldVersion
	}
	for _, a := range p.Adopted {
		answer(a.Key, a.ID, "adoption", "it is taken over")
		taken[a.Key] = true
	}
	differs := func(op diff.Op, k v1.Key, instance string, fields []diff.Field, is string) {
		if op != diff.Update && op != diff.Replace {
			fields = []diff.Field{{Path: "object"}}
		}
		for _, f := range fields {
			answer(k, instance, f.Path, is)
		}
	}
	for _, s := range p.Steps {
		if taken[s.Key] && !old[Target{s.Key, s.Instance}] {
			t.Fatalf("it is taken over as it is, and has a step: %s\n%s", s.Key, render(p))
		}
		if slices.Contains(p.Kept, Target{s.Key, s.Instance}) {
			t.Fatalf("it stays, and has a step: %s [%s]\n%s", s.Key, s.Instance, render(p))
		}
		if s.Origin == OriginDiffers {
			answer(s.Key, s.Instance, "step", fmt.Sprintf("%s is done", s.Op))
			differs(s.Op, s.Key, s.Instance, s.Fields, fmt.Sprintf("%s is done", s.Op))
		}
	}
	for _, r := range p.Refused {
		if taken[r.Key] && !old[Target{r.Key, r.Instance}] {
			t.Fatalf("it is taken over, and refused: %s\n%s", r.Key, render(p))
		}
		if r.of.origin == OriginDiffers {
			differs(r.Op, r.Key, r.Instance, r.Fields, fmt.Sprintf("%s is refused by %s", r.Op, r.Guard))
		}
	}
}

// The same inputs in another order give the same bytes.
func shuffled(t *rapid.T) {
	g := anything(t)
	first := render(g.build())
	g.Changes = rapid.Permutation(g.Changes).Draw(t, "order")
	if d := cmp.Diff(first, render(g.build())); d != "" {
		t.Fatalf("the order shows:\n%s", d)
	}
}

// A step comes after the steps before it and after what it needs. Removals come after everything else, except those that
// give a later step what it needs.
func ordered(t *rapid.T) {
	g := anything(t)
	p := g.build()
	gives := func(s Step, later []Step) bool {
		return slices.ContainsFunc(g.Facts.Claims, func(c Claim) bool {
			return c.Holder == s.Key && !c.Former && slices.ContainsFunc(later, func(o Step) bool { return o.Key == c.Key && slices.Contains(o.After, s.ID) })
		})
	}
	for i, s := range p.Steps {
		if s.ID != i+1 {
			t.Fatalf("step %d has number %d", i+1, s.ID)
		}
		after := map[int]bool{}
		for _, id := range s.After {
			if id >= s.ID || id < 1 {
				t.Fatalf("step %d comes after %d:\n%s", s.ID, id, render(p))
			}
			after[id] = true
		}
		for _, o := range p.Steps[:i] {
			switch {
			case s.removal() && !o.removal() && !after[o.ID],
				s.removal() && s.Key.Kind != v1.KindService && o.removal() && o.Key.Kind == v1.KindService && !after[o.ID],
				!s.removal() && !o.removal() && slices.Contains(s.Change.Want.Uses, o.Key) && !after[o.ID],
				!s.removal() && !s.MakesRoom() && publishes(s) && makesMesh(o) && !after[o.ID]:
				t.Fatalf("step %d does not wait for %d:\n%s", s.ID, o.ID, render(p))
			}
		}
		for _, o := range p.Steps[i+1:] {
			if !s.removal() && !o.removal() && s.Key.Kind == v1.KindService && slices.Contains(s.Change.Want.Uses, o.Key) {
				t.Fatalf("step %d uses what %d makes:\n%s", s.ID, o.ID, render(p))
			}
			if s.removal() && !o.removal() && !gives(s, p.Steps[i+1:]) {
				t.Fatalf("step %d is a removal and not last:\n%s", s.ID, render(p))
			}
		}
	}
}

// publishes reports whether the step makes a service that publishes a port through the routing mesh.
func publishes(s Step) bool {
	w, is := s.Change.Want.Value.(*v1.Service)
	return is && w.Spec.Ports[0].Mode == "ingress"
}

// makesMesh reports whether the step makes or changes the network of the routing mesh.
func makesMesh(s Step) bool {
	if s.removal() {
		return false
	}
	w, is := s.Change.Want.Value.(*v1.Network)
	return is && w.Spec.Ingress
}

// An object that is not ours is not touched, unless a manifest takes it over. An object that somebody holds is not
// written.
func careful(t *rapid.T) {
	g := anything(t)
	p := g.build()
	agreed := func(h Hazard, k v1.Key) bool { return g.Policy.Consents.Covers(h, k) }
	for _, s := range p.Steps {
		have, want := s.Change.Have, s.Change.Want
		bad := map[string]bool{
			"somebody else's":                  have != nil && !have.Meta.Mine && (want == nil || want.Policy.Adoption() != v1.AdoptTakeover),
			"another source's":                 have != nil && have.Meta.Owner != "",
			"a secret without consent":         have != nil && !have.Meta.Mine && s.Key.Kind == v1.KindSecret && !agreed(TakeoverSecret, s.Key),
			"suspended":                        want != nil && want.Policy.Suspend,
			"of a swarm that is not itself":    g.Facts.Paused != "",
			"on hold":                          slices.ContainsFunc(g.Facts.Holds, func(h Hold) bool { return h.Target == s.Key.String() && !h.Until.Equal(now) }),
			"unmanaged":                        g.Facts.ReleasedAll || g.Facts.Released[s.Key],
			"the operator's end":               s.Key == g.Facts.Self && (s.removal() || s.Op == diff.Replace),
			"the operator, and not alone":      s.Key == g.Facts.Self && s.Op == diff.Update && len(p.Steps) > 1,
			"another source's, and not agreed": g.Facts.OtherSource != "" && !g.Policy.Consents.Agreed(OtherSource),
			"a rewind without consent":         g.Facts.Rewind && !agreed(Rewind, s.Key),
			"a replacement not agreed to":      s.Op == diff.Replace && (!agreed(Replace, s.Key) || want.Policy.Protect || len(have.Meta.UsedBy) > 0),
			"a write that drops a setting":     have != nil && want != nil && len(have.Meta.Unknown) > 0,
			"a want on record as failed":       s.Op == diff.Update && g.Facts.Failed[s.Key].Digest == want.Digest(),
			"a use of what is missing":         want != nil && slices.ContainsFunc(want.Uses, func(k v1.Key) bool { return g.Facts.Missing[k] }),
			"what an unseen volume may have":   g.Facts.Unseen != "" && s.Key.Kind == v1.KindSecret && (s.Op == diff.Remove || s.Op == diff.Replace),
			"something forbidden":              slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Effect == diff.Forbidden }),
			"something ignored":                slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return f.Ignored }),
			"too new for the engine": slices.ContainsFunc(slices.Concat(s.Fields, s.Change.Fields), func(f diff.Field) bool {
				return f.SinceAPI != "" && LessAPI(g.Facts.APIVersion, f.SinceAPI) && (s.MakesRoom() || slices.ContainsFunc(s.Fields, func(w diff.Field) bool { return w.Path == f.Path }))
			}),
			"what an old engine would drop": have != nil && want != nil && slices.ContainsFunc(s.Change.Newer, func(n diff.Newer) bool {
				return LessAPI(g.Facts.APIVersion, n.SinceAPI) && !slices.ContainsFunc(slices.Concat(s.Fields, s.Change.Fields), func(f diff.Field) bool { return f.Path == n.Path && !f.Ignored })
			}),
			"an update of nothing": s.Op == diff.Update && len(s.Fields) == 0,
			"what an adoption does not cover": s.Change.Removed() && want.Gone.Adopted && (want.Policy.Enforce == nil || !*want.Policy.Enforce) && !slices.ContainsFunc(p.Steps, func(o Step) bool {
				return slices.Contains(o.requires(), s.Key)
			}) && !slices.ContainsFunc(p.Refused, func(r Refusal) bool { return r.Class == Later && slices.Contains(r.of.needs, s.Key) }),
			"contended": slices.ContainsFunc(g.Facts.Contended[s.Key], func(c Contention) bool {
				return c.Path == "" && s.Change.Removed() || slices.ContainsFunc(s.Fields, func(f diff.Field) bool { return s.Op == diff.Update && f.Path == c.Path && !f.Git })
			}),
			"before what it depends on": want != nil && slices.ContainsFunc(p.Steps, func(o Step) bool {
				return !o.removal() && o.Key.Kind == v1.KindService && slices.Contains(want.DependsOn, o.Key) && (o.Key != g.Facts.Self || o.Op != diff.Update)
			}),
		}
		for why, is := range bad {
			if is {
				t.Fatalf("step %d is %s:\n%s", s.ID, why, render(p))
			}
		}
	}
	for _, a := range p.Adopted {
		if a.Want.Policy.Suspend || a.Want.Policy.Adopt == v1.AdoptNever || g.Facts.Released[a.Key] || g.Facts.ReleasedAll || g.Facts.Paused != "" ||
			g.Facts.Rewind && !agreed(Rewind, a.Key) || g.Facts.OtherSource != "" && !g.Policy.Consents.Agreed(OtherSource) {
			t.Fatalf("%s is taken over against its policy", a.Key)
		}
	}
}

// Removals, restarts and roll-outs stay within what may go without consent.
func bounded(t *rapid.T) {
	g := anything(t)
	p := g.build()
	f, budgets := g.Facts, g.Policy.Budgets
	all, free, rolling, unagreed := 0, 0, 0, 0
	going := map[v1.Key]bool{}
	for _, s := range p.Steps {
		going[s.Key] = going[s.Key] || s.removal()
	}
	for _, s := range p.Steps {
		if s.RollsOut() {
			rolling++
			if !g.Policy.Consents.Covers(Restarts, s.Key) {
				unagreed++
			}
		}
		if !s.removal() {
			continue
		}
		if slices.ContainsFunc(s.Change.Have.Meta.UsedBy, func(k v1.Key) bool { return !going[k] }) {
			t.Fatalf("step %d removes what is in use:\n%s", s.ID, render(p))
		}
		if f.StateLost {
			t.Fatalf("step %d removes something, and the memory is lost:\n%s", s.ID, render(p))
		}
		if s.oldVersion() {
			continue
		}
		keep, kept := f.Keep[s.Key]
		if keep != "" || ((s.Change.Have.Meta.Title == diff.TitleAdopted || s.Change.Have.Meta.Title == diff.TitleTaken) && !kept && !g.Policy.Consents.Names(Removals, s.Key)) {
			t.Fatalf("step %d removes what is to be kept:\n%s", s.ID, render(p))
		}
		if !f.Shares && !g.Policy.Consents.Covers(OtherSource, s.Key) {
			t.Fatalf("step %d is another source's:\n%s", s.ID, render(p))
		}
		all++
		if !g.Policy.Consents.Covers(Removals, s.Key) {
			free++
		}
	}
	if budget := max(1, min(budgets.Removals, f.Owned/4)); free > budget || (free > 0 && f.Owned > 0 && all >= f.Owned) {
		t.Fatalf("%d of %d removals without consent, of %d owned; %d may be:\n%s", free, all, f.Owned, budget, render(p))
	}
	if rolling > budgets.Rollouts {
		t.Fatalf("%d roll-outs at once:\n%s", rolling, render(p))
	}
	if unagreed > budgets.Restarts && unagreed*10 > f.OwnedServices {
		t.Fatalf("%d restarts without consent:\n%s", unagreed, render(p))
	}
}

// The classes mean what their names say.
func classed(t *rapid.T) {
	g := anything(t)
	p := g.build()
	steps := len(p.Steps) > 0
	held, waiting, loud := false, false, false
	for _, r := range p.Refused {
		loud = loud || !r.Quiet
		held = held || (!r.Quiet && r.Class != Later)
		waiting = waiting || (!r.Quiet && r.Class == Later && r.Guard != guardContended)
		if r.Why == "" || r.Guard == "" {
			t.Fatalf("a refusal without a reason: %+v", r)
		}
		behind := r.Guard == GuardDependsOn || r.Guard == guardRoom && strings.Contains(r.Why, "is refused: ") // the refusal of the other one names the hazard
		if r.Class == Consent && r.Hazard == "" && !behind {
			t.Fatalf("consent to what? %+v", r)
		}
		agreed := g.Policy.Consents.Covers(r.Hazard, r.Key)
		if strings.Contains(r.Why, "it was adopted") { // an agreement for all objects does not cover it
			agreed = r.Guard == "prune" && g.Policy.Consents.Names(r.Hazard, r.Key)
		}
		if r.Why == g.Facts.OtherSource || strings.HasPrefix(r.Why, g.Facts.OtherSource+"; to agree") { // only one for all objects does
			agreed = agreed && g.Policy.Consents.Agreed(r.Hazard)
		}
		if r.Hazard != "" && (r.Class != Consent || agreed) {
			t.Fatalf("it was agreed to: %+v", r)
		}
	}
	if p.InSync() != (!steps && !loud) || p.Held() != held || p.Waiting() != waiting {
		t.Fatalf("in sync %t, held %t, waiting %t:\n%s", p.InSync(), p.Held(), p.Waiting(), render(p))
	}
	for _, r := range p.Refused { // consent ends the refusal that asks for it
		if r.Guard != guardRoom || r.Hazard == "" {
			continue
		}
		given := g
		given.Policy.Consents = append(slices.Clone(g.Policy.Consents), Consented{Hazard: r.Hazard, Objects: []v1.Key{r.Key}})
		if again := given.build(); slices.ContainsFunc(again.Refused, func(o Refusal) bool { return o.Key == r.Key && o.Guard == guardRoom && o.Class == Consent }) {
			t.Fatalf("consent for %s ends nothing:\n%s\nand with it\n%s", r.Key, render(p), render(again))
		}
	}
	for _, h := range Hazards() {
		g.Policy.Consents = append(g.Policy.Consents, Consented{Hazard: Hazard(h)}, Consented{Hazard: Hazard(h), Objects: names})
	}
	for _, r := range g.build().Refused {
		if r.Class == Consent {
			t.Fatalf("everything was agreed to: %+v", r)
		}
	}
}

// A step that is to come later does come: it waits for something that happens, and nobody has to act.
func laterComes(t *rapid.T) {
	g := anything(t)
	job := g.Changes[:min(2, len(g.Changes))] // a kind's own guard refuses some changes
	p := g.build(Guard{"job", func(p Plan, _ Facts, _ Policy) []Refusal {
		var out []Refusal
		for _, c := range job {
			out = append(out, Refusal{Op: c.Op, Key: c.Key, Instance: c.Instance, Class: Never, Quiet: true, Why: "a job"})
		}
		return out
	}})
	coming, rolling := map[v1.Key]bool{}, slices.ContainsFunc(p.Steps, Step.RollsOut)
	for _, s := range p.Steps {
		coming[s.Key] = true
	}
	for _, r := range g.Facts.Rollouts {
		rolling = rolling || r.Running()
	}
	for _, r := range p.Refused {
		coming[r.Key] = coming[r.Key] || (r.Class == Later && !r.Quiet)
	}
	for _, r := range p.Refused {
		if r.Class != Later || r.Quiet {
			continue
		}
		comes := false
		switch r.Guard {
		case "repair-after", guardContended:
			comes = r.Until.After(now)
		case "rollout-in-flight":
			comes = g.Facts.Rollouts[r.Key].Running()
		case "rollouts-at-once":
			comes = rolling
		case "back-off":
			comes = r.Until.After(now)
		case "room":
			comes = coming[r.Key] && slices.ContainsFunc(g.Facts.Claims, func(c Claim) bool {
				held := slices.ContainsFunc(p.Refused, func(o Refusal) bool { return o.Key == c.Holder && o.Class == Later })
				return c.Key == r.Key && (held || coming[c.Holder] || c.Former && (g.Facts.Rollouts[c.Holder].Running() || c.Rollout.Running())) || c.Holder == r.Key && coming[c.Key]
			})
		case "removals-last":
			for k := range g.Facts.Begun {
				comes = comes || !g.Facts.Failing[k]
			}
			comes = comes || slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Key.Kind == v1.KindService && s.Op != diff.Remove }) || slices.ContainsFunc(p.Refused, func(o Refusal) bool { return o.Class == Later && !o.Quiet && o.Op != diff.Remove })
		case "unseen":
			comes = g.Facts.Unseen != "" // the engine may answer again
		case "self-last":
			for k, is := range coming {
				comes = comes || is && k != r.Key
			}
		case "depends-on":
			for _, c := range g.Changes {
				if c.Key == r.Key && c.Want != nil {
					comes = comes || slices.ContainsFunc(slices.Concat(c.Want.DependsOn, c.Want.Uses), func(k v1.Key) bool {
						return coming[k] || (g.Facts.NotReady[k] != "" && !g.Facts.Failing[k])
					})
				}
			}
		}
		if !comes {
			t.Fatalf("nothing that %s %s waits for comes:\n%s", r.Op, r.Key, render(p))
		}
	}
}

// roomRefused reports whether a change became a removal that makes room, and that removal was refused.
func roomRefused(p Plan, c diff.Change) bool {
	return slices.ContainsFunc(p.Refused, func(r Refusal) bool {
		return r.Op == diff.Remove && r.Key == c.Key && r.Instance == c.Instance && c.Want != nil
	})
}

// If a step needs something, that is free, or the object that has it goes first and somebody agreed to the gap.
func roomIsFree(t *rapid.T) {
	g := anything(t)
	p := g.build()
	agreed := g.Policy.Consents
	for _, c := range g.Facts.Claims {
		taker := p.making(c.Key, c.Instance)
		if taker == nil {
			continue
		}
		if c.Former {
			r, known := g.Facts.Rollouts[c.Holder]
			if r.Running() || r.State == "paused" || !known && c.Rollout.State == "updating" && now.Sub(c.Rollout.Began) < Deadline {
				t.Fatalf("%s takes what %s may need for a rollback:\n%s", c.Key, c.Holder, render(p))
			}
			continue
		}
		giver := p.step(c.Holder, c.HolderInstance)
		if giver == nil || giver.Op != diff.Remove || !slices.Contains(taker.After, giver.ID) {
			t.Fatalf("%s takes what %s has:\n%s", c.Key, c.Holder, render(p))
		}
		if !agreed.Covers(Replace, c.Key) && !agreed.Covers(Replace, c.Holder) {
			t.Fatalf("nobody agreed that %s goes before %s is there:\n%s", c.Holder, c.Key, render(p))
		}
	}
}

// While something of the revision is on its way, nothing is removed except what makes room for it. A service that does not
// exist, and that is left so on purpose, is not on its way, so an agreement to removals suffices.
func removalsWait(t *rapid.T) {
	g := anything(t)
	p := g.build()
	onItsWay, away := maps.Clone(g.Facts.Begun), false
	for _, c := range g.Changes {
		if c.Op == diff.Create && (c.Want.Policy.Suspend || g.Facts.Released[c.Key]) {
			_, begun := onItsWay[c.Key]
			away = away || begun
			delete(onItsWay, c.Key)
		}
	}
	busy := len(onItsWay) > 0 || slices.ContainsFunc(p.Steps, func(s Step) bool {
		return s.Key.Kind == v1.KindService && (s.Op == diff.Create || s.Op == diff.Replace || s.RollsOut()) && (s.Key != g.Facts.Self || s.Op != diff.Update)
	})
	for _, s := range p.Steps {
		if s.removal() && !s.oldVersion() && (busy || away && !g.Policy.Consents.Covers(Removals, s.Key)) && !s.goesFirst(p, g.Facts) {
			t.Fatalf("%s goes too early:\n%s", s.Key, render(p))
		}
	}
}

// Whatever guards say, the rounds end, and if everything is refused, nothing is left to do.
func terminates(t *rapid.T) {
	g := anything(t)
	stubborn := Guard{"stubborn", func(p Plan, _ Facts, _ Policy) []Refusal {
		var out []Refusal
		for _, s := range p.Steps[:min(1, len(p.Steps))] {
			out = append(out, s.Refusal(Never, "no"), s.Refusal(Later, "no again"))
		}
		return append(out, Refusal{Key: v1.Key{Kind: "Service", Name: "nobody"}})
	}}
	if p := g.build(stubborn); len(p.Steps) > 0 {
		t.Fatalf("steps are left:\n%s", render(p))
	}
}

var laws = map[string]func(*rapid.T){
	"nothing vanishes": nothingVanishes, "shuffled": shuffled, "ordered": ordered, "careful": careful, "bounded": bounded, "classed": classed, "later comes": laterComes, "terminates": terminates,
	"one answer": oneAnswer, "room is free": roomIsFree, "removals wait": removalsWait,
}

func TestLaws(t *testing.T) {
	for name, law := range laws {
		t.Run(name, func(t *testing.T) { rapid.Check(t, law) })
	}
}

func FuzzNothingVanishes(f *testing.F) { generate.Fuzz(f, nothingVanishes) }
func FuzzShuffled(f *testing.F)        { generate.Fuzz(f, shuffled) }
func FuzzOrdered(f *testing.F)         { generate.Fuzz(f, ordered) }
func FuzzCareful(f *testing.F)         { generate.Fuzz(f, careful) }
func FuzzBounded(f *testing.F)         { generate.Fuzz(f, bounded) }
func FuzzClassed(f *testing.F)         { generate.Fuzz(f, classed) }
func FuzzLaterComes(f *testing.F)      { generate.Fuzz(f, laterComes) }
func FuzzRoomIsFree(f *testing.F)      { generate.Fuzz(f, roomIsFree) }
func FuzzRemovalsWait(f *testing.F)    { generate.Fuzz(f, removalsWait) }
func FuzzTerminates(f *testing.F)      { generate.Fuzz(f, terminates) }
