package laws

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/generate"
	"github.com/swarm-operator/swarm-operator/test/model"
)

// enough is how many plans may be needed. One is for what exists, one for each link in a chain of dependencies, and
// one for roll-outs that wait for others. One is for removals, and two are for old versions.
const enough = 8

// world is a swarm with an operator on it. It remembers what the reconciler remembers.
type world struct {
	*model.Swarm
	src       kinds.Source
	revision  int
	manifests []v1.Object
	owned     int
	keep      map[v1.Key]string
	agreed    bool // to everything
	memo      *kinds.Memo
	seen      diff.Seen
}

// byKey makes the digests of secrets. Slow ones would take most of the time.
var byKey = digests.New([]byte("a key"))

func newWorld(agreed bool) *world {
	return &world{Swarm: model.New(), src: kinds.Source{Name: "src", Contents: digests.Salted{Salt: []byte("key"), Digests: byKey}, Adopted: map[string]kinds.Record{}}, keep: map[v1.Key]string{}, agreed: agreed, memo: &kinds.Memo{}}
}

// look is one run up to the plan.
type look struct {
	ix      *kinds.Index
	wants   kinds.Wants
	changes []diff.Change
	plan    plan.Plan
}

func (w *world) commit(manifests []v1.Object) {
	w.manifests = manifests
	w.revision++
	w.owned = -1
}

func (w *world) look() look {
	var entries []kinds.Entry
	for _, o := range w.manifests {
		entries = append(entries, kinds.Entry{Object: o})
	}
	l := look{ix: w.Index()}
	l.wants = kinds.Expand(all.Kinds(), entries, l.ix, w.src, w.memo)
	haves := kinds.Haves(all.Kinds(), l.ix, w.src, l.wants.States, w.memo)
	l.changes = w.seen.Compare(haves, l.wants.States, all.Rules)
	w.memo.Release(&w.seen)
	wanted, owned, services := map[v1.Key]bool{}, map[v1.Key]bool{}, 0
	for _, s := range l.wants.States {
		wanted[s.Key] = true
	}
	f := plan.Facts{Now: model.Noon, APIVersion: "1.52", Missing: l.wants.Missing, Keep: w.keep, Revision: "r"}
	for _, h := range haves {
		if h.Meta.Mine {
			owned[h.Key] = true
			f.Shares = f.Shares || wanted[h.Key]
			if h.Key.Kind == v1.KindService {
				services++
			}
		}
	}
	if w.owned < 0 {
		w.owned = len(owned)
	}
	f.Owned, f.OwnedServices = w.owned, services
	policy := plan.Policy{Source: w.src.Name, Budgets: plan.DefaultBudgets()}
	if w.agreed {
		for _, h := range plan.Hazards() {
			policy.Consents = append(policy.Consents, plan.Consented{Hazard: plan.Hazard(h)})
		}
		for _, h := range haves { // what was adopted is removed only if the consent names it
			policy.Consents = append(policy.Consents, plan.Consented{Hazard: plan.Removals, Objects: []v1.Key{h.Key}})
		}
	}
	l.plan = plan.Build(l.changes, f, policy, all.Part())
	return l
}

// remember does what the reconciler writes before it carries out a plan.
func (w *world) remember(l look) {
	w.src.Adopted = maps.Clone(w.src.Adopted) // nobody changes records that a run was given
	for _, a := range l.plan.Adopted {
		r := kinds.Record{Key: a.Key, Applied: diff.ParseApplied(diff.NewApplied(a.Want.Leaves).String())}
		if c, ok := a.Want.Value.(v1.ContentHolder); ok {
			r.Content = kinds.ContentLabel(a.Key.Kind == v1.KindSecret, w.src.Contents, a.Key, c.Content().Reveal())
		}
		w.src.Adopted[a.ID] = r
	}
	for _, s := range l.wants.States {
		delete(w.keep, s.Key)
		switch p := s.Policy; {
		case p.Protect:
			w.keep[s.Key] = "policy.protect: true"
		case p.Prune != nil && !*p.Prune:
			w.keep[s.Key] = "policy.prune: false"
		case p.Prune != nil:
			w.keep[s.Key] = ""
		}
	}
}

// carryOut does the first n steps of a plan. It leaves out steps that come after one that failed. It returns the
// errors.
func (w *world) carryOut(l look, n int) []error {
	var errs []error
	failed := map[int]bool{}
	for _, s := range l.plan.Steps[:min(n, len(l.plan.Steps))] {
		if slices.ContainsFunc(s.After, func(id int) bool { return failed[id] }) {
			failed[s.ID] = true
			continue
		}
		if err := w.Do(s, l.ix, w.src); err != nil {
			failed[s.ID] = true
			errs = append(errs, err)
		}
	}
	return errs
}

// settle makes plans until nothing is left to do.
func (w *world) settle(t *rapid.T, stop func(steps int) int) look {
	for range enough {
		l := w.look()
		w.remember(l)
		if len(l.plan.Steps) == 0 {
			return l
		}
		theirs := w.Foreign(w.src)
		n := stop(len(l.plan.Steps))
		for _, err := range w.carryOut(l, n) {
			t.Fatalf("the engine refuses a step: %v\n%s\n%s", err, l.plan.Text(nil), w.Listing())
		}
		w.ownership(t, l, theirs)
	}
	l := w.look()
	t.Fatalf("there is no end to it; after %d plans:\n%s\n%s", enough, l.plan.Text(diff.Value.Reveal), w.Listing())
	return l
}

// ownership checks that no object of others has changed, except those that a manifest takes over.
func (w *world) ownership(t *rapid.T, l look, before map[string]string) {
	taken := map[string]bool{}
	for _, s := range l.plan.Steps {
		if s.Change.Have != nil && s.Change.Want != nil && s.Change.Want.Policy.Adoption() == v1.AdoptTakeover {
			taken[v1.Key{Kind: s.Key.Kind, Name: s.Instance}.String()] = true
		}
	}
	maps.DeleteFunc(before, func(name, _ string) bool { return taken[name] })
	after := w.Foreign(kinds.Source{Name: "nobody"})
	for name, was := range before {
		if is := after[name]; is != was {
			t.Fatalf("%s is not ours and was changed:\n%s\n%s\n%s", name, was, is, l.plan.Text(nil))
		}
	}
}

// settled checks what must hold when nothing is left to do: every want is as it should be, or a person is told why
// not.
func (w *world) settled(t *rapid.T, l look) {
	for _, r := range l.plan.Refused {
		if r.Class == plan.Later && !r.Quiet {
			t.Fatalf("%s waits for what does not come: %s", r.Key, r.Why)
		}
		if w.agreed && r.Class == plan.Consent {
			t.Fatalf("%s waits for consent, and everything was agreed to: %s", r.Key, r.Why)
		}
	}
	refused := map[v1.Key]bool{}
	for _, r := range l.plan.Refused {
		refused[r.Key] = true
	}
	for _, s := range l.wants.States {
		if refused[s.Key] {
			continue
		}
		live := l.ix.ByName(s.Key.Kind, s.Instance)
		if live == nil {
			t.Fatalf("%s is wanted, not refused and not there", s.Key)
		}
	}
	for _, c := range l.changes {
		if c.Op != diff.Same && c.Op != diff.Remove && !refused[c.Key] {
			t.Fatalf("%s %s differs and is not refused", c.Op, c.Key)
		}
		if c.Op == diff.Remove && !refused[c.Key] && !slices.Contains(l.plan.Kept, plan.Target{Key: c.Key, Instance: c.Instance}) {
			t.Fatalf("%s was to go and is neither refused nor kept", c.Key)
		}
	}
	writes := w.Writes
	again := w.look()
	if d := cmp.Diff(l.plan.Text(nil), again.plan.Text(nil)); d != "" && len(l.plan.Adopted) == 0 {
		t.Fatalf("a second look sees something else:\n%s", d)
	}
	if w.Writes != writes {
		t.Fatal("looking writes")
	}
}

// others makes objects that somebody else made before. Some equal what the source will ask for, and some do not.
func (w *world) others(t *rapid.T, manifests []v1.Object) {
	maker := newWorld(true)
	maker.Swarm = w.Swarm
	maker.src = kinds.Source{Name: rapid.SampledFrom([]string{"nobody", "nobody", "nobody", "other"}).Draw(t, "whose"), Contents: digests.Salted{Salt: []byte("another key"), Digests: digests.New([]byte("another key"))}, Adopted: map[string]kinds.Record{}}
	maker.commit(manifests)
	maker.settle(t, all1)
	if maker.src.Name != "other" {
		w.byNobody()
	}
}

// byNobody takes the operator's labels off all objects, as if they were made by hand.
func (w *world) byNobody() {
	for key, made := range w.Objects {
		l := *made
		l.Labels = maps.Clone(l.Labels)
		maps.DeleteFunc(l.Labels, func(k, _ string) bool { return strings.HasPrefix(k, v1.LabelPrefix) })
		if s, ok := l.Raw.(*swarm.Service); ok {
			own := *s
			own.Spec.Labels, own.PreviousSpec = l.Labels, nil
			l.Raw = &own
		}
		w.Objects[key] = &l
	}
}

func all1(n int) int { return n }

// byHand changes something behind the operator's back.
func (w *world) byHand(t *rapid.T) {
	keys := slices.DeleteFunc(slices.SortedFunc(maps.Keys(w.Objects), v1.Key.Compare), func(k v1.Key) bool {
		return k.Kind == v1.KindNode || k.Kind == v1.KindCluster // they have lives of their own
	})
	if len(keys) == 0 {
		return
	}
	key := rapid.SampledFrom(keys).Draw(t, "by hand")
	if rapid.IntRange(0, 3).Draw(t, "removed by hand") == 0 {
		if err := w.Remove(key); err != nil && !errors.Is(err, model.ErrInUse) {
			t.Fatal(err)
		}
		return
	}
	s, ok := w.Objects[key].Raw.(*swarm.Service)
	if !ok {
		return
	}
	previous := s.Spec
	next := generate.Service(t, key.Name)
	changed := swarm.Service{Spec: s.Spec, PreviousSpec: &previous}
	spec := *s.Spec.TaskTemplate.ContainerSpec
	spec.Image, spec.Hostname, spec.Args, spec.User = next.Spec.Image, next.Spec.Hostname, next.Spec.Command, next.Spec.User
	changed.Spec.TaskTemplate.ContainerSpec = &spec
	if m := changed.Spec.Mode.Replicated; m != nil && next.Spec.Replicas != nil {
		changed.Spec.Mode = swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: next.Spec.Replicas}}
	}
	if err := w.PutService(&changed); err != nil {
		t.Fatal(err)
	}
}

// Objects may exist, revisions may be committed and people may change things by hand. After a few plans, only what
// needs a person is left.
func converges(t *rapid.T) {
	w := newWorld(rapid.Bool().Draw(t, "agreed to everything"))
	manifests := generate.Source(t)
	if rapid.Bool().Draw(t, "somebody was here") {
		w.others(t, manifests)
	}
	for range rapid.IntRange(1, 4).Draw(t, "commits") {
		manifests = generate.Vary(t, manifests)
		w.commit(manifests)
		w.settled(t, w.settle(t, all1))
		if rapid.Bool().Draw(t, "hands") {
			w.byHand(t)
			w.settled(t, w.settle(t, all1))
		}
	}
}

func TestConverges(t *testing.T) { rapid.Check(t, converges) }
func FuzzConverges(f *testing.F) { generate.Fuzz(f, converges) }

// If the operator is killed after any step of any plan, the next plans lead to the same result.
func prefixSafe(t *rapid.T) {
	before := generate.Source(t)
	after := generate.Vary(t, before)
	run := func(stop func(int) int) *world {
		w := newWorld(true)
		w.commit(before)
		w.settled(t, w.settle(t, all1))
		w.commit(after)
		first := w.look()
		w.remember(first)
		for _, err := range w.carryOut(first, stop(len(first.plan.Steps))) {
			t.Fatalf("the engine refuses a step: %v\n%s", err, first.plan.Text(nil))
		}
		w.settled(t, w.settle(t, all1))
		return w
	}
	whole := run(all1)
	killed := run(func(n int) int { return rapid.IntRange(0, n).Draw(t, "killed after") })
	a, b := whole.normal(), killed.normal()
	for _, w := range []*world{whole, killed} {
		for _, r := range w.look().plan.Refused {
			// The uses of a network include previous specs, which depend on how many updates there were
			if r.Guard == "replace" {
				delete(a, r.Key.String()+" "+r.Instance)
				delete(b, r.Key.String()+" "+r.Instance)
			}
		}
	}
	if d := cmp.Diff(a, b); d != "" {
		t.Fatalf("it ends otherwise than without being killed:\n%s", d)
	}
}

// normal returns the source's part of the swarm in normal form.
func (w *world) normal() map[string]map[string]string {
	out := map[string]map[string]string{}
	ix := w.Index()
	for _, h := range kinds.Haves(all.Kinds(), ix, w.src, w.look().wants.States, nil) {
		if h.Meta.OldVersion {
			continue // how many old versions are kept for a rollback depends on how many updates there were
		}
		leaves := map[string]string{}
		for _, l := range h.Whole().Leaves {
			leaves[l.Path] = l.Text
		}
		out[h.Key.String()+" "+h.Instance] = leaves
	}
	return out
}

func TestPrefixSafe(t *testing.T) { rapid.Check(t, prefixSafe) }
func FuzzPrefixSafe(f *testing.F) { generate.Fuzz(f, prefixSafe) }
