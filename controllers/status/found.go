package status

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Found is what a run found, as far as a report needs it. Of an object in good order it keeps only the name.
type Found struct {
	// Source is the name of the source, which owns the objects.
	Source string `json:"source"`
	// Revision is the newest revision seen.
	Revision string `json:"revision"`
	// Applied is the revision in force.
	Applied string `json:"inForce"`
	// Problems are those of the newest revision. A revision that is refused because of them is not in force.
	Problems []v1.Problem `json:"problems,omitempty"`
	// Notices are remarks for people. They change nothing.
	Notices []string `json:"notices,omitempty"`

	// Ran reports whether there was a run at all. Usable reports whether it had a revision to go by.
	Ran    bool `json:"-"`
	Usable bool `json:"-"`
	// Remembered is the revision in force according to the source's memory. It counts if no revision is usable.
	Remembered string `json:"-"`
	// History are the revisions that were in force, the newest first.
	History []Revision `json:"-"`
	Details `json:"-"`
}

// Details are what a run knows of the objects, one by one.
type Details struct {
	Wants   []Wanted
	Changes []diff.Change
	Plan    plan.Plan
	// Missing are external objects that do not exist. Held are the objects held by a problem in their manifest.
	Missing []v1.Key
	Held    map[v1.Key]plan.Problem
	// DriftSince is when changes by hand were first seen.
	DriftSince map[v1.Key]time.Time
	// Failed are the wants on record as failed: those in force, or all of them if no revision is usable.
	Failed []plan.Failure
	// Hidden is since when a write has hidden how an object's roll-out goes on.
	Hidden map[v1.Key]time.Time
	// Away are the nodes that are not ready, with what each of them is.
	Away map[v1.Key]string
}

// Wanted is an object that the source states.
type Wanted struct {
	Key v1.Key
	// Instance is its name in the swarm.
	Instance  string
	Suspended bool
}

// Now is the state of the swarm when somebody asks for the status. The zero value means that the swarm could not be
// read.
type Now struct {
	Sights map[v1.Key]Sight
	Lease  *Lease
	// Holds are those of all sources. It is nil if they are not known.
	Holds []plan.Hold
	// There are the objects in the swarm. It is used if no run says which objects there should be.
	There []v1.Key
	Known bool
	At    time.Time
}

// Sight is an object that exists, with what its tasks tell.
type Sight struct {
	Look
	// Rollout is what the engine says about the last update. It is zero if there was none.
	Rollout plan.Rollout
	Created time.Time
}

// Status combines the published report with the state of the swarm now.
func (r *Report) Status(now Now) Status {
	out := Status{
		Head:       Head{Sequence: r.Sequence, Source: r.Source, Location: r.Location, Mode: r.Mode, Revision: r.Revision, Applied: cmp.Or(r.Applied, r.Remembered), At: now.At},
		Conditions: r.Conditions, Problems: r.Problems, Notices: Notices(r.Notices), Limits: Limits{Lease: cmp.Or(now.Lease, r.Lease), Paused: r.Paused},
		Drift: Changes(r.Changes, r.DriftSince), Refused: Refusals(r.Plan.Refused), Deliveries: DeliveriesOf(r.Plan.Deliveries), Failed: Failures(r.Failed), Objects: []Object{},
	}
	out.History = Outcomes(r.History, out.Applied)
	holds := r.Holds
	if now.Holds != nil {
		holds = now.Holds
	}
	v := r.view(now)
	out.Holds = Concerning(holds, r.Source, slices.Values(v.keys), now.At)
	for _, key := range v.keys {
		o := v.object(key)
		if h := plan.HoldOn(out.Holds, r.Source, key, now.At); h != nil {
			o.SyncWhy = "on hold: " + v1.Scrub(h.Text())
		}
		out.Objects = append(out.Objects, o)
		if rollout, is := v.rollout(key, o); is {
			out.Rollouts = append(out.Rollouts, rollout)
		}
	}
	return out
}

// view answers what is known about one object at a time.
type view struct {
	*Found
	Now
	keys    []v1.Key
	change  map[v1.Key]diff.Change
	why     map[v1.Key]string
	failure map[v1.Key]plan.Failure
	absent  map[v1.Key]bool
}

func (s *Found) view(now Now) *view {
	v := &view{
		Found: s, Now: now, change: map[v1.Key]diff.Change{}, why: map[v1.Key]string{}, failure: map[v1.Key]plan.Failure{}, absent: map[v1.Key]bool{},
	}
	keys := map[v1.Key]bool{}
	for _, w := range s.Wants {
		keys[w.Key] = true
		if w.Suspended {
			v.why[w.Key] = "policy.suspend is set"
		}
	}
	for _, key := range now.There {
		keys[key] = true
	}
	for _, key := range s.Missing {
		keys[key], v.absent[key] = true, true
		v.why[key] = "external: it must exist, and does not"
	}
	for _, c := range s.Changes {
		if c.Op == diff.Remove && (c.Have.Meta.OldVersion || keys[c.Key]) {
			continue // the object itself stays
		}
		keys[c.Key], v.change[c.Key] = true, c
	}
	note := func(key v1.Key, instance string, op diff.Op, why string) {
		c := v.change[key]
		if c.Op == op && (op != diff.Remove || c.Instance == instance) { // another version of it may go, or stay
			v.why[key] = v1.Scrub(why)
		}
	}
	for _, step := range s.Plan.Steps {
		note(step.Key, step.Instance, step.Op, strings.Join(append([]string{step.Cause}, step.Notes...), "; "))
	}
	for _, r := range s.Plan.Refused {
		note(r.Key, r.Instance, r.Op, r.Why)
	}
	for _, k := range s.Plan.Kept {
		note(k.Key, k.Instance, diff.Remove, "its manifest was removed; it stays while something refers to it")
	}
	for key, p := range s.Held {
		keys[key], v.why[key] = true, p.Why
	}
	for _, f := range s.Failed {
		v.failure[f.Key] = f
	}
	v.keys = slices.SortedFunc(maps.Keys(keys), v1.Key.Compare)
	return v
}

// Concerning returns the holds in force that cover a source, all sources, or one of the keys.
func Concerning(holds []plan.Hold, source string, keys iter.Seq[v1.Key], now time.Time) []plan.Hold {
	var out []plan.Hold
	for _, h := range holds {
		found := h.Covers(source, v1.Key{}, now) // the source itself, or all
		if strings.Contains(h.Target, "/") && !h.Over(now) {
			for k := range keys {
				if found = h.Covers(source, k, now); found {
					break
				}
			}
		}
		if found {
			out = append(out, h)
		}
	}
	return out
}

func (v *view) object(key v1.Key) Object {
	o := Object{Object: key, Sync: Synced, SyncWhy: v.why[key]}
	c, differs := v.change[key]
	switch {
	case !v.Usable:
		o.Sync = Unknown
	case v.absent[key], v.Held[key].Why != "", differs && c.Op != diff.Same && !v.quiet(key, c.Op):
		o.Sync = OutOfSync
	}
	o.Health, o.HealthWhy, o.Replicas = v.condition(key, o.Sync == OutOfSync)
	return o
}

// quiet reports whether a change of an object that stays is left as it is and counts as no difference. Nothing else that
// is refused about the object may count either, such as the removal of a node.
func (v *view) quiet(key v1.Key, op diff.Op) bool {
	return op == diff.Update &&
		slices.ContainsFunc(v.Plan.Refused, func(r plan.Refusal) bool { return r.Key == key && r.Op == op }) &&
		!slices.ContainsFunc(v.Plan.Refused, func(r plan.Refusal) bool { return r.Key == key && !r.Quiet }) &&
		!slices.ContainsFunc(v.Plan.Steps, func(s plan.Step) bool { return s.Key == key })
}

// condition returns the health of an object, the reason for it, and the number of its tasks. An object without a health
// of its own is healthy if it exists.
func (v *view) condition(key v1.Key, differs bool) (health, why string, replicas *Replicas) {
	one, seen := v.Sights[key]
	failure, failed := v.failure[key]
	switch {
	case !v.Known:
		return Unknown, "", nil
	case !seen && (v.absent[key] || v.unmade(key) || v.change[key].Op == diff.Create):
		return Missing, "", nil
	case !seen && HasHealth(key): // it went away after the run
		return Missing, "", nil
	case !seen && v.Away[key] != "":
		return Degraded, v.Away[key], nil
	case !seen:
		return Healthy, "", nil
	}
	e := Evidence{Look: one.Look, Hidden: v.Hidden[key], Now: v.At}
	if v.Usable {
		e.Failure = failure.Why
	}
	if one.RolledBack && (v.undone(one, failure, failed) || v.Usable && differs) {
		e.Undone = cmp.Or(failure.Why, "rolled back")
	}
	verdict := e.Verdict()
	return verdict.Health(), v1.Scrub(verdict.Why), &Replicas{Running: one.Running, Wanted: one.Wanted, Old: one.Old}
}

// undone reports whether the last update, which was rolled back, is the one on record as failed.
func (v *view) undone(one Sight, f plan.Failure, failed bool) bool {
	return failed && (v.Usable || f.Began.Equal(one.Rollout.Began))
}

// unmade reports whether an object does not exist because a problem of its manifest holds it.
func (v *view) unmade(key v1.Key) bool {
	p, held := v.Held[key]
	return held && !p.Present
}

// HasHealth reports whether objects of this kind have a health of their own, beyond existing.
func HasHealth(key v1.Key) bool { return key.Kind == v1.KindService }

// rollout returns the object's last update if it is still under way or did not succeed.
func (v *view) rollout(key v1.Key, o Object) (Rollout, bool) {
	one, seen := v.Sights[key]
	if !seen || o.Health == Healthy {
		return Rollout{}, false
	}
	r := one.Rollout
	out := Rollout{Object: key, State: r.State, Since: r.Began, Replicas: *o.Replicas, Why: o.HealthWhy}
	if r.State == "" || r.State == "completed" {
		out.State, out.Since = "starting", r.Began
		if r.State == "" {
			out.Since = one.Created
		}
		return out, o.Health == Progressing // an object that has failed is no longer starting
	}
	return out, true
}
