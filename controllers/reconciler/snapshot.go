package reconciler

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// snapshot is what a run found, as far as the status needs it. Nothing of it changes after the run, so that it can be read
// while the next one is under way; of what is in order it keeps no more than the names.
type snapshot struct {
	source             string
	attempted, inForce string
	usable             bool
	problems           []v1.Problem
	notices            []string
	wants              []wanted
	changes            []diff.Change
	plan               plan.Plan
	missing            []v1.Key // external objects
	held               map[v1.Key]plan.Problem
	driftSince         map[v1.Key]time.Time
	failed             []plan.Failure
	history            []state.Entry
	holds              []plan.Hold
	paused             string
	hidden             map[v1.Key]time.Time // see following.hide
	away               map[v1.Key]string    // nodes that are not ready, and what they are
}

type wanted struct {
	key       v1.Key
	instance  string
	suspended bool
}

// snapshotOf is for who does the run: it looks at wants, which work out on demand what was not kept of them. before, where
// there is one, lends what is the same; hidden is since when writes hide how roll-outs go on.
func snapshotOf(run *Run, before *snapshot, hidden map[v1.Key]time.Time) *snapshot {
	s := &snapshot{
		source: run.Source, attempted: run.Attempted.Hash, inForce: run.memory.InForce.Hash, usable: run.Usable(), problems: run.Problems,
		notices: run.Notices, history: run.memory.History,
	}
	if !s.usable {
		return s
	}
	s.inForce = run.InForce.Hash
	s.changes, s.plan, s.driftSince, s.holds, s.paused = run.Changes, run.Plan, run.Facts.DriftSince, run.Facts.Holds, run.Facts.Paused
	s.held = run.problems
	s.wants = wantsOf(run.Wants.States, before)
	for _, n := range run.Facts.Swarm.Seen {
		if n.State != "ready" {
			if s.away == nil {
				s.away = map[v1.Key]string{}
			}
			s.away[v1.Key{Kind: v1.KindNode, Name: n.Name}] = "the node is " + n.State
		}
	}
	for key, missing := range run.Wants.Missing {
		if missing {
			s.missing = append(s.missing, key)
		}
	}
	s.failed, s.hidden = run.failures(), hidden
	return s
}

// wantsOf names what is wanted. From run to run that is mostly the same.
func wantsOf(states []diff.State, before *snapshot) []wanted {
	same := before != nil && len(before.wants) == len(states)
	for i := 0; same && i < len(states); i++ {
		same = before.wants[i] == wantedOf(&states[i])
	}
	if same {
		return before.wants
	}
	out := make([]wanted, len(states))
	for i := range states {
		out[i] = wantedOf(&states[i])
	}
	return out
}

func wantedOf(s *diff.State) wanted { return wanted{s.Key, s.Instance, s.Policy.Suspend} }

// status brings together what a run found and how things are. The zero live: the swarm could not be looked at.
func (s *snapshot) status(now live) status.Status {
	out := status.Status{
		Source: s.source, Revision: s.attempted, Applied: s.inForce, Problems: s.problems, Notices: status.Notices(s.notices), Lease: now.lease, Paused: v1.Scrub(s.paused),
		Drift: status.Changes(s.changes, s.driftSince), Refused: status.Refusals(s.plan.Refused), Failed: status.Failures(s.failed),
		Objects: []status.Object{},
	}
	for _, e := range slices.Backward(s.history) {
		out.History = append(out.History, status.Revision{Hash: e.Hash, When: e.When, Since: e.Since, Outcome: e.Outcome, Why: e.Why, At: e.At})
	}
	holds := s.holds
	if now.holds != nil {
		holds = now.holds
	}
	v := s.view(now)
	out.Holds = concerning(holds, s.source, slices.Values(v.keys), now.at)
	for _, key := range v.keys {
		o := v.object(key)
		if i := slices.IndexFunc(out.Holds, func(h plan.Hold) bool { return h.Covers(s.source, key, now.at) }); i >= 0 {
			o.SyncWhy = "on hold: " + v1.Scrub(out.Holds[i].Text())
		}
		out.Objects = append(out.Objects, o)
		if rollout, is := v.rollout(key, o); is {
			out.Rollouts = append(out.Rollouts, rollout)
		}
	}
	return out
}

// looked are the objects whose health is of interest: those that are wanted, and those that are there without a manifest.
func (s *snapshot) looked() []wanted {
	out := s.wants
	for _, c := range s.changes {
		if c.Op == diff.Remove && hasHealth(c.Key) {
			out = append(slices.Clip(out), wanted{key: c.Key, instance: c.Instance})
		}
	}
	for key, p := range s.held {
		if p.Present && hasHealth(key) {
			out = append(slices.Clip(out), wanted{key: key, instance: p.Instance})
		}
	}
	return out
}

// view finds what is known of one object.
type view struct {
	*snapshot
	live
	keys    []v1.Key
	change  map[v1.Key]diff.Change
	why     map[v1.Key]string
	failure map[v1.Key]plan.Failure
	absent  map[v1.Key]bool
}

func (s *snapshot) view(now live) *view {
	v := &view{
		snapshot: s, live: now, change: map[v1.Key]diff.Change{}, why: map[v1.Key]string{}, failure: map[v1.Key]plan.Failure{}, absent: map[v1.Key]bool{},
	}
	keys := map[v1.Key]bool{}
	for _, w := range s.wants {
		keys[w.key] = true
		if w.suspended {
			v.why[w.key] = "policy.suspend is set"
		}
	}
	for _, key := range now.found {
		keys[key] = true
	}
	for _, key := range s.missing {
		keys[key], v.absent[key] = true, true
		v.why[key] = "external: it must exist, and does not"
	}
	for _, c := range s.changes {
		if c.Op == diff.Remove && (c.Have.Meta.OldVersion || keys[c.Key]) {
			continue // the object itself stays
		}
		keys[c.Key], v.change[c.Key] = true, c
	}
	note := func(key v1.Key, op diff.Op, why string) {
		if v.change[key].Op == op {
			v.why[key] = v1.Scrub(why)
		}
	}
	for _, step := range s.plan.Steps {
		note(step.Key, step.Op, strings.Join(append([]string{step.Cause}, step.Notes...), "; "))
	}
	for _, r := range s.plan.Refused {
		note(r.Key, r.Op, r.Why)
	}
	for _, key := range s.plan.Kept {
		note(key, diff.Remove, "its manifest was removed; it stays while something refers to it")
	}
	for key, p := range s.held {
		keys[key], v.why[key] = true, p.Why
	}
	for _, f := range s.failed {
		v.failure[f.Key] = f
	}
	v.keys = slices.SortedFunc(maps.Keys(keys), v1.Key.Compare)
	return v
}

// concerning picks the holds that are in force on anything that a source has.
func concerning(holds []plan.Hold, source string, keys iter.Seq[v1.Key], now time.Time) []plan.Hold {
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

func (v *view) object(key v1.Key) status.Object {
	o := status.Object{Object: key, Sync: status.Synced, SyncWhy: v.why[key]}
	c, differs := v.change[key]
	switch {
	case !v.usable:
		o.Sync = status.Unknown
	case v.absent[key], v.held[key].Why != "", differs && c.Op != diff.Same:
		o.Sync = status.OutOfSync
	}
	o.Health, o.HealthWhy, o.Replicas = v.condition(key, o.Sync == status.OutOfSync)
	return o
}

// condition says how an object does. Of what has no health of its own it is enough that it is there.
func (v *view) condition(key v1.Key, differs bool) (health, why string, replicas *status.Replicas) {
	one, seen := v.health[key]
	failure, failed := v.failure[key]
	switch {
	case !v.known:
		return status.Unknown, "", nil
	case !seen && (v.absent[key] || v.unmade(key) || v.change[key].Op == diff.Create):
		return status.Missing, "", nil
	case !seen && hasHealth(key): // it went after the run
		return status.Missing, "", nil
	case !seen && v.away[key] != "":
		return status.Degraded, v.away[key], nil
	case !seen:
		return status.Healthy, "", nil
	}
	e := status.Evidence{Look: status.Look(one.Health), Hidden: v.hidden[key], Now: v.at}
	if v.usable {
		e.Failure = failure.Why
	}
	if one.RolledBack && (v.undone(one, failure, failed) || v.usable && differs) {
		e.Undone = cmp.Or(failure.Why, "rolled back")
	}
	verdict := e.Verdict()
	return verdict.Health(), v1.Scrub(verdict.Why), &status.Replicas{Running: one.Running, Wanted: one.Wanted, Old: one.Old}
}

// undone says whether the last update, which was rolled back, is the one that is on record as failed.
func (v *view) undone(one sight, f plan.Failure, failed bool) bool {
	return failed && (v.usable || f.Began.Equal(one.observed().Began))
}

func (s sight) observed() plan.Rollout {
	if s.kind.Observe == nil {
		return plan.Rollout{}
	}
	return s.kind.Observe(s.live, nil, nil)
}

// unmade says whether an object is not there because a problem of its manifest holds it.
func (v *view) unmade(key v1.Key) bool {
	p, held := v.held[key]
	return held && !p.Present
}

func hasHealth(key v1.Key) bool { return key.Kind == v1.KindService }

// rollout says how the last update of an object goes, where it is not over or did not go through.
func (v *view) rollout(key v1.Key, o status.Object) (status.Rollout, bool) {
	one, seen := v.health[key]
	if !seen || o.Health == status.Healthy {
		return status.Rollout{}, false
	}
	r := one.observed()
	out := status.Rollout{Object: key, State: r.State, Since: r.Began, Replicas: *o.Replicas, Why: o.HealthWhy}
	if r.State == "" || r.State == "completed" {
		out.State, out.Since = "starting", r.Began
		if r.State == "" {
			out.Since = one.live.Created
		}
		return out, o.Health == status.Progressing // what fails for good is on its way nowhere
	}
	return out, true
}
