package decide

import (
	"fmt"
	"maps"
	"slices"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Ours returns the source with its memory, in the form that kinds need.
func (r *Decision) Ours() kinds.Source {
	if r.ours == nil {
		r.ours = &ours{}
	}
	src := r.ours.source(r.Source, r.Memory, r.Others, r.Partial)
	src.Contents.Digests = r.digests
	return src
}

// Contents returns what makes and compares the digests of a run.
func (d *Decider) Contents(run *Decision) digests.Salted {
	return digests.Salted{Salt: run.Memory.Salt, Digests: d.Digests}
}

// SourceOf returns a source with what its memory says. others and partial say what other sources have: see World.
func SourceOf(name string, m state.Memory, others map[string]string, partial map[string]map[v1.Key]bool) kinds.Source {
	return new(ours).source(name, m, others, partial)
}

// givenUp returns the records of objects that the source gave up, or nil if there are none.
func givenUp(m state.Memory) map[string]kinds.GivenUp {
	var out map[string]kinds.GivenUp
	for _, id := range m.GivenUp() {
		if out == nil {
			out = map[string]kinds.GivenUp{}
		}
		if a, adopted := m.Adopted[id]; adopted {
			out[id] = kinds.GivenUp{Key: a.Key, Content: a.Content}
		} else {
			out[id] = kinds.GivenUp{Key: m.Made[id], Made: true}
		}
	}
	return out
}

// facts returns what guards need to know, as far as lists, git and the memory tell it.
func (d *Decider) facts(run *Decision) plan.Facts {
	m := run.Memory
	f := plan.Facts{
		Now: run.At, APIVersion: run.About.API, Rollouts: map[v1.Key]plan.Rollout{}, Failed: map[v1.Key]plan.Failure{},
		NotReady: map[v1.Key]string{}, Failing: map[v1.Key]bool{}, Settled: map[v1.Key]bool{}, DriftSince: map[v1.Key]time.Time{}, Keep: m.Keep, Missing: run.Wants.Missing,
		Unseen: run.unseen(), Owned: m.Owned, Revision: run.InForce.Hash, Self: d.Self, Holds: d.holds(run), GivenUp: plan.GivenUp{Released: map[v1.Key]bool{}, ReleasedAll: m.ReleasedAll},
		Problems: run.Held, Troubles: run.Troubles, Begun: map[v1.Key]string{}, Placeless: map[v1.Key]string{}, Superseded: plan.Superseded{NotReady: map[v1.Key]string{}},
		Broken: kinds.Broken(d.kinds, run.Wants.States, run.Index), Claims: kinds.Claims(d.kinds, run.Changes, run.Wanted, run.Index, run.Ours()),
	}
	for _, k := range m.Released {
		f.Released[k] = true
	}
	run.Awaited = kinds.Awaited(d.kinds, run.Wants.States, run.Index)
	for _, key := range slices.SortedFunc(maps.Keys(run.Awaited), v1.Key.Compare) {
		f.NotReady[key] = run.Awaited[key]
		run.Notices = append(run.Notices, key.String()+": "+run.Awaited[key])
	}
	for _, failed := range m.Failed {
		f.Failed[failed.Key] = failed
	}
	fresh, owned, labelled := run.InForce.Hash != m.InForce.Hash, map[v1.Key]bool{}, false
	kind, partial := "", false
	for _, h := range run.Haves {
		if !h.Meta.Mine {
			continue
		}
		if h.Key.Kind != kind {
			kind, partial = h.Key.Kind, d.isPartial(h.Key.Kind)
		}
		labelled = labelled || h.Meta.Title != diff.TitleAdopted
		// Any repository may state something of a partial object, so owning it does not tell two repositories apart.
		if partial && run.Wanted[h.Key] != nil {
			continue
		}
		f.Shares = f.Shares || run.Wanted[h.Key] != nil || run.IsHeld(h.Key)
		switch {
		case h.Key.Kind == v1.KindService: // the swarm has one of a name
			f.OwnedServices++
		case fresh:
			owned[h.Key] = true
		}
	}
	if fresh {
		f.Owned = f.OwnedServices + len(owned)
	}
	f.StateLost = m.InForce.Hash == "" && labelled
	f.Paused = d.whyPaused(run, labelled)
	if m.ReleasedAll {
		run.Notices = append(run.Notices, fmt.Sprintf("source %s is unmanaged as a whole: nothing of it is managed until swarm-operator resume %s", run.Source, run.Source))
	}
	if f.OtherSource, run.stranger = d.otherSource(run); !run.stranger { // histories that have nothing in common have no order either
		f.Rewind = rewinds(run, f.Shares)
		run.rewrote, f.Rewritten = d.Rewrote(run, f.Rewind)
	}
	d.driftSince(run, &f)
	f.Contended = d.rounds.look(run.Changes, f.Now)
	return f
}

// rollouts notes the last update of each service in the facts. It returns the updates that the swarm rolled back or
// paused, and whose failure is not on record yet. Their failed tasks may tell what went wrong. The operator asks about
// each failure once, because then the failure is on record.
func (d *Decider) rollouts(run *Decision, f *plan.Facts) []Trace {
	var out []Trace
	for n := range d.kinds {
		k := &d.kinds[n]
		if k.Observe == nil {
			continue
		}
		for _, h := range run.Haves {
			if !h.Meta.Updated || h.Key.Kind != k.Name || !h.Meta.Mine {
				continue
			}
			w := run.Wanted[h.Key]
			if w == nil {
				continue
			}
			live := h.Value.(*kinds.Live)
			rollout := k.Observe(live, run.Index, w)
			if h.Meta.Distrust && !f.Failed[h.Key].Began.Equal(rollout.Began) && !d.forgave(h.Key, rollout) {
				out = append(out, Trace{k, live, w, rollout})
			}
			if rollout.State != "" {
				f.Rollouts[h.Key] = rollout
			}
		}
	}
	return out
}

// driftKey tells apart two changes by hand to the same object: one that changed it, and one that removed it.
type driftKey struct {
	v1.Key
	op diff.Op
}

// driftSince notes when each change by hand was first seen, and forgets those that are gone.
func (d *Decider) driftSince(run *Decision, f *plan.Facts) {
	seen := map[driftKey]bool{}
	for _, c := range run.Changes {
		if _, hand := c.Doing(); !hand || c.Op != diff.Update && c.Op != diff.Create {
			continue
		}
		key := driftKey{c.Key, c.Op}
		seen[key] = true
		if _, known := d.drift[key]; !known {
			d.drift[key] = f.Now
		}
		f.DriftSince[c.Key] = d.drift[key]
	}
	for key := range d.drift {
		if !seen[key] {
			delete(d.drift, key)
		}
	}
}
