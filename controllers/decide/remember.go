package decide

import (
	"fmt"
	"maps"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// remember works out what the memory should hold after this run. It writes nothing to the swarm.
//
// An instance that may not act must not write memory either. It goes by an older revision, or by a swarm that is not
// the one it was. The other instances would only overwrite what it writes.
func (d *Decider) remember(run *Decision) {
	m := &run.Memory
	given := run.Given
	run.Outdated, run.asks = run.Facts.Rewind && !given.Agreed(plan.Rewind), d.AsksRewritten(run, given)
	run.Foreign = run.Facts.OtherSource != "" && !given.Agreed(plan.OtherSource)
	if run.Frozen = run.Outdated || run.asks || run.Foreign || run.Facts.Paused != "" || run.Facts.ReleasedAll; run.Frozen {
		return
	}
	m.Superseded = superseded(run)
	if run.InForce.Hash != m.InForce.Hash {
		next := state.Revision{Hash: run.InForce.Hash, When: run.InForce.When}
		next.Leads(behind(run), m.InForce)
		m.InForce = next
		m.Owned = run.Facts.Owned
		m.Begin(m.InForce, run.Facts.Now)
		m.Took(run.rewrote)
		d.supersede(run)
	}
	m.Begun = begun(run)
	switch going := leaving(run); {
	case len(m.Begun)+len(m.Superseded.Begun) == 0:
		m.Leaving = nil
	// Objects that have gone since are forgotten with the next revision, because forgetting them is no reason to write.
	case run.InForce.Hash == run.Found.Memory.InForce.Hash:
		m.Leaving = state.Union(m.Leaving, going)
	default:
		m.Leaving = going
	}
	// Approvals of the revision in force are among the consents now. Those that have ended count no more.
	m.Approvals = slices.DeleteFunc(slices.Clone(m.Approvals), func(a state.Approval) bool {
		return state.SameRevision(run.InForce.Hash, a.Revision) || a.Ended(run.At)
	})
	if given.Agreed(plan.Rewind) {
		m.AgreeToRewrite()
	}
	// The next rewind needs a consent of its own.
	whole := run.Incomplete() == nil
	m.Consents = slices.DeleteFunc(slices.Clone(run.consents), func(c plan.Consented) bool {
		return c.Hazard == plan.Rewind
	}).Bound(run.Plan, whole).Left(run.Plan, whole, run.askedOf).Unmade(run.exists)
	run.proven()
	m.Joining, m.Making = joining(run), d.making(run)
	if run.Plan.InSync() {
		m.Consents = m.Consents.InUse(run.Plan) // the others are used up
	}
	m.Failed = madeAgain(failures(stillFailed(run), append(d.rolledBackBefore(run), run.Failures...), run.Wanted, run.Facts), run.Plan.Steps)
	m.Adopted, m.Partial = d.adopted(run), partial(run)
	m.Keep = kept(run)
	release(run)
	d.noteDelivered(run)
	m.Refused = refused(run)
	d.verdicts(run)
	d.census(run)
	record(run, d.removed)
	m.Applied = d.applied(run)
	pin(run)
}

// exists reports whether the run has found an object of that name.
func (r *Decision) exists(k v1.Key) bool { return r.Index.ByName(k.Kind, k.Name) != nil }

// behind returns the commits that lead to the revision since the one in force, the newest first.
func behind(run *Decision) []string {
	var out []string
	for _, c := range run.Past.Commits {
		if c.Hash != run.InForce.Hash && c.Hash != "" {
			out = append(out, c.Hash)
		}
	}
	return out
}

// begun returns the services that the revision in force has changed or is about to change, if objects are to be
// removed. The removals wait until these services work, even if another instance takes over. If nothing is to be
// removed, the record of the same revision stays as it is. Nothing reads it then, and a write only to forget it is
// one too many.
func begun(run *Decision) []v1.Key {
	same := run.InForce.Hash == run.Found.Memory.InForce.Hash
	switch {
	case len(leaving(run)) > 0:
	case same:
		return run.Memory.Begun
	default:
		return nil
	}
	out := map[v1.Key]bool{}
	if same {
		for _, k := range run.Memory.Begun {
			out[k] = run.Wanted[k] != nil || run.IsHeld(k)
		}
	}
	for _, s := range run.Plan.Steps {
		if s.Key.Kind == v1.KindService && s.Begins() {
			out[s.Key] = true
		}
	}
	maps.DeleteFunc(out, func(_ v1.Key, is bool) bool { return !is })
	return slices.SortedFunc(maps.Keys(out), v1.Key.Compare)
}

// superseded returns the removals that earlier revisions have left undone, and the changed services that these
// removals wait for.
func superseded(run *Decision) state.Unended {
	going := map[v1.Key]bool{}
	for _, c := range run.Changes {
		if c.Op == diff.Remove && !c.Have.Meta.OldVersion {
			going[c.Key] = true
		}
	}
	return run.Memory.Before(run.InForce.Hash).Keep(
		func(k v1.Key) bool { return going[k] },
		func(k v1.Key) bool { return (run.Wanted[k] != nil || run.IsHeld(k)) && !run.Facts.Settled[k] },
	)
}

// leaving returns the objects that no manifest asks for any more and that go once the steps before them are done.
// Objects that stay for good are not among them: their last manifest keeps them, or something refers to them.
func leaving(run *Decision) []v1.Key {
	stays := map[plan.Target]bool{}
	for _, r := range run.Plan.Refused {
		at := plan.Target{Key: r.Key, Instance: r.Instance}
		stays[at] = stays[at] || r.Op == diff.Remove && r.Quiet && r.Class != plan.Later
	}
	for _, k := range run.Plan.Kept {
		stays[k] = true
	}
	var out []v1.Key
	for _, c := range run.Changes {
		if c.Op == diff.Remove && !c.Have.Meta.OldVersion && !stays[plan.Target{Key: c.Key, Instance: c.Instance}] {
			out = append(out, c.Key)
		}
	}
	slices.SortFunc(out, v1.Key.Compare)
	return slices.Compact(out)
}

// removes reports whether there are objects that no manifest asks for any more.
func removes(changes []diff.Change) bool {
	return slices.ContainsFunc(changes, func(c diff.Change) bool { return c.Op == diff.Remove && !c.Have.Meta.OldVersion })
}

// refused returns the newest revision as it was first seen, if it has problems. It returns nil if it has none.
func refused(run *Decision) *state.Entry {
	switch old := run.Memory.Refused; {
	case len(run.Problems) == 0 || run.Attempted.Hash == "":
		return nil
	case old != nil && old.Hash == run.Attempted.Hash:
		return old
	}
	return &state.Entry{
		Hash: run.Attempted.Hash, When: run.Attempted.When, Outcome: state.Refused, At: run.Facts.Now.UTC(),
		Why: v1.Scrub(fmt.Sprintf("%s, the first: %s", v1.Count(len(run.Problems), "problem"), run.Problems[0])),
	}
}

// newFailures returns what has failed since the last run. Call it before the plan is made, because guards count
// failures.
func newFailures(run *Decision) []plan.Failure {
	inSync := map[v1.Key]*diff.State{}
	note := func(key v1.Key) {
		if w := run.Wanted[key]; w != nil {
			inSync[key] = w
		}
	}
	for key := range run.Facts.Rollouts { // other objects have no roll-out that could have failed
		note(key)
	}
	for key := range run.Facts.Failing {
		note(key)
	}
	for _, c := range run.Changes {
		if c.Op != diff.Same {
			delete(inSync, c.Key)
		}
	}
	return run.blamed(plan.NewFailures(run.Changes, inSync, run.Facts))
}

// stillFailed returns the failures on record without those whose want works by now: what failed was tried again by
// somebody's write, that update is completed, and nothing differs.
func stillFailed(run *Decision) []plan.Failure {
	f := run.Facts
	return slices.DeleteFunc(slices.Clone(run.Memory.Failed), func(failed plan.Failure) bool {
		r := f.Rollouts[failed.Key]
		return f.Settled[failed.Key] && r.State == "completed" && !failed.Began.IsZero() && !r.Began.Equal(failed.Began) &&
			!slices.ContainsFunc(run.Changes, func(c diff.Change) bool { return c.Key == failed.Key && c.Op != diff.Same })
	})
}

// failures adds the new failures and drops those that are over. A failure of tasks alone is over when the object is
// ready. Every failure is over when no manifest asks for the object any more. It is also over when the want has
// changed and the roll-out that failed is no longer the last one. Until then the record tells an old failure from one
// of the new want.
func failures(old, added []plan.Failure, wants map[v1.Key]*diff.State, f plan.Facts) []plan.Failure {
	byKey := map[v1.Key]plan.Failure{}
	for _, failed := range old {
		w := wants[failed.Key]
		switch {
		case w == nil && f.Problems[failed.Key].Why != "": // nobody knows what is wanted now
			byKey[failed.Key] = failed
		case w == nil, f.Settled[failed.Key] && failed.Began.IsZero():
		case w.Digest() == failed.Digest, !failed.Began.IsZero() && f.Rollouts[failed.Key].Began.Equal(failed.Began):
			byKey[failed.Key] = failed
		}
	}
	for _, failed := range added {
		byKey[failed.Key] = failed
	}
	var out []plan.Failure
	for _, failed := range byKey {
		out = append(out, failed)
	}
	slices.SortFunc(out, func(a, b plan.Failure) int { return a.Key.Compare(b.Key) })
	return out
}

// madeAgain drops the failures of objects that the plan makes, or makes again: the new object is not the one that
// failed.
func madeAgain(failed []plan.Failure, steps []plan.Step) []plan.Failure {
	return slices.DeleteFunc(failed, func(f plan.Failure) bool {
		return slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Key == f.Key && (s.Op == diff.Create || s.Op == diff.Replace) })
	})
}

// rolledBackBefore returns, for objects that are about to be taken over, the roll-backs that are not the source's. They
// are on record before the first write, because after it the object counts as the source's. If the operator is killed in
// between, the next one would otherwise take such a roll-back for the failure of a want that nobody has tried.
func (d *Decider) rolledBackBefore(run *Decision) []plan.Failure {
	var out []plan.Failure
	note := func(want *diff.State, id string) {
		k, _ := d.kind(want.Key.Kind)
		live := run.Index.ByID(want.Key.Kind, id)
		if k.Observe == nil || live == nil {
			return
		}
		if f, is := k.Observe(live, run.Index, want).Before(want.Key); is {
			out = append(out, f)
		}
	}
	for _, s := range run.Plan.Steps {
		if takesOver(s) {
			note(s.Change.Want, s.Change.Have.Meta.ID)
		}
	}
	for _, a := range run.Plan.Adopted {
		note(a.Want, a.ID)
	}
	return out
}

// takesOver reports whether a step writes on an object that others made, which is the source's from then on.
func takesOver(s plan.Step) bool {
	have, want := s.Change.Have, s.Change.Want
	return s.Op == diff.Update && want != nil && !want.Partial && !have.Meta.Mine
}

// adopted returns the record of adopted objects. It is the same map as before if nothing has changed.
func (d *Decider) adopted(run *Decision) map[string]state.Adopted {
	more := map[string]state.Adopted{}
	// The record comes before the write. If the engine rolls the write back, nothing on the object tells whose it is.
	for _, s := range run.Plan.Steps {
		if takesOver(s) {
			more[s.Change.Have.Meta.ID] = state.Adopted{Key: s.Key, Taken: true, Content: d.contentOf(run, s.Change.Want)}
		}
	}
	for _, a := range run.Plan.Adopted {
		more[a.ID] = state.Adopted{Key: a.Key, Applied: diff.NewApplied(a.Want.Leaves).String(), Content: d.contentOf(run, a.Want)}
	}
	over := func(id string, a state.Adopted) bool {
		if run.Index.ByID(a.Key.Kind, id) != nil {
			return d.isPartial(a.Key.Kind) && run.Wanted[a.Key] == nil && !run.IsHeld(a.Key)
		}
		return !run.gone(a.Key) && !run.IsHeld(a.Key)
	}
	return state.With(state.Without(run.Memory.Adopted, over), more)
}

// contentOf returns the content label of what is wanted, or "" if it has no content, or the engine shows it.
func (d *Decider) contentOf(run *Decision, want *diff.State) string {
	k, _ := d.kind(want.Key.Kind)
	c, has := want.Value.(v1.ContentHolder)
	if !has {
		return ""
	}
	return kinds.ContentLabel(k.Hidden, d.Contents(run), want.Key, c.Content().Reveal())
}

// partial returns the objects of partial kinds that the manifests state something of. They belong to the source as
// long as there is a manifest, unless they were released.
func partial(run *Decision) []v1.Key {
	var out []v1.Key
	for _, w := range run.Wants.States {
		if w.Partial && !slices.Contains(run.Memory.Released, w.Key) {
			out = append(out, w.Key)
		}
	}
	for _, key := range run.Memory.Partial {
		if run.IsHeld(key) && !slices.Contains(run.Memory.Released, key) {
			out = append(out, key)
		}
	}
	slices.SortFunc(out, v1.Key.Compare)
	return out
}

// kept returns what manifests say about the removal of their objects, for when the manifests are gone. It is nil if
// there is nothing to keep.
func kept(run *Decision) map[v1.Key]string {
	out := map[v1.Key]string{}
	for _, c := range run.Changes {
		// Versions have names of their own, so a lookup by name does not find them. What still exists has a change
		// that removes it.
		if c.Op != diff.Remove || run.Wanted[c.Key] != nil {
			continue
		}
		why, known := run.Memory.Keep[c.Key]
		_, external := run.Wants.Missing[c.Key]
		switch {
		case why != "" || known && !external:
			out[c.Key] = why
		case external && c.Instance == c.Key.Name: // a version has another name, so it is not what the manifest names
			out[c.Key] = statedExternal
		}
	}
	for key, why := range run.Memory.Keep {
		if run.IsHeld(key) {
			out[key] = why
		}
	}
	run.tighten(out)
	for _, w := range run.Wants.States {
		if p := &w.Policy; p.Protect || p.Prune != nil {
			// The reason is "" if the manifest states prune: true. Then an adopted object may go as well.
			out[w.Key] = KeptBy(*p)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// tighten adds what the manifests of held objects say of the removal: those that problems hold, and those of kinds whose
// objects could not be listed. If such a manifest does not say any more that the object may go, then it may not. What kept
// the object before goes on keeping it.
func (r *Decision) tighten(keep map[v1.Key]string) {
	says := map[v1.Key]string{}
	maps.Copy(says, r.Stays)
	for _, e := range r.Entries {
		if why, stays := StaysBy(e.Object); stays && r.Unlisted[e.Object.Key().Kind] != nil {
			says[e.Object.Key()] = why
		}
	}
	for key, why := range says {
		if why == statedExternal && r.Held[key].Instance != key.Name { // a version has another name
			why = ""
		}
		switch weak := why == "" || why == statedExternal; {
		case weak && keep[key] != "":
		case why == "":
			delete(keep, key)
		default:
			keep[key] = why
		}
	}
}

// statedExternal is what keeps an object whose last manifest said that it is somebody else's.
const statedExternal = "spec.external: true"

// StaysBy returns what a manifest says that keeps the object when the manifest is gone, or "" if nothing does. stays is
// false if the manifest says that the object may go. An object of which it says neither goes only if the object's kind, and
// how the source came to have it, allow that.
func StaysBy(o v1.Object) (why string, stays bool) {
	p := o.Meta().Policy
	if why = KeptBy(p); why == "" && o.External() {
		why = statedExternal
	}
	return why, why != "" || p.Prune == nil
}

// KeptBy returns the setting of a manifest's policy that keeps the object when the manifest is gone, or "" if none
// does.
func KeptBy(p v1.Policy) string {
	switch {
	case p.Protect:
		return "policy.protect: true"
	case p.Prune != nil && !*p.Prune:
		return "policy.prune: false"
	}
	return ""
}
