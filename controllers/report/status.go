package report

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Reporter reads the health of objects and makes the status. It may be used by several goroutines.
type Reporter struct {
	observer *observe.Observer
	kinds    []kinds.Kind
	now      func() time.Time
	learn    Learn
}

// Learn is told of each live object before anybody reads what its tasks say, which may repeat what is in its spec. nil
// means that nobody wants to know.
type Learn func(kinds.Kind, *kinds.Live, *kinds.Index)

// New returns a Reporter that looks through the observer.
func New(o *observe.Observer, every []kinds.Kind, now func() time.Time, learn Learn) *Reporter {
	return &Reporter{observer: o, kinds: every, now: now, learn: learn}
}

// Of returns what a run found, with the health of the objects now. It writes nothing. If the swarm cannot be read, it
// returns what is known, and an error. unread is the error of a source that could not be read, or nil.
func (r *Reporter) Of(ctx context.Context, run *decide.Decision, unread error) (status.Status, error) {
	seen := status.Report{Found: Found(run, status.Found{}, nil), Holds: run.Facts.Holds, Paused: v1.Scrub(run.Facts.Paused)}
	was := run.World.Found.Memory // the old memory counts until the run is applied
	seen.Applied, seen.Remembered, seen.History = was.InForce.Hash, was.InForce.Hash, Revisions(was.History)
	now, err := r.survey(ctx, &seen.Found)
	if unread != nil {
		seen.Conditions = append(seen.Conditions, status.Condition{Type: status.SourceReady, Reason: status.SourceUnavailable, Message: v1.Scrub(unread.Error())})
	}
	now.At = r.now()
	return seen.Status(now), err
}

// StatusOf returns what the swarm itself tells, without any source of manifests. It does so for the source of that
// name, or for each source that is remembered if name is "".
func StatusOf(ctx context.Context, c *engine.Client, name string, learn Learn) ([]status.Status, error) {
	every := all.Kinds()
	r := New(observe.New(c, every), every, time.Now, learn)
	w, err := r.observer.Look(ctx, nil, observe.Everything)
	if err != nil {
		return nil, err
	}
	sources := state.Sources(w.Configs)
	if name != "" {
		sources = []string{name}
	}
	var out []status.Status
	for _, source := range sources {
		seen := status.Report{Found: status.Found{Source: source}}
		now, err := r.owned(ctx, w, &seen.Found)
		if err != nil {
			return nil, err
		}
		now.At = r.now()
		out = append(out, seen.Status(now))
	}
	return out, nil
}

// survey looks at the swarm once, for what a run wanted. It changes nothing that a run uses, and may be called beside
// one.
func (r *Reporter) survey(ctx context.Context, f *status.Found) (status.Now, error) {
	if !f.Usable {
		w, err := r.observer.Look(ctx, nil, observe.Everything)
		if err != nil {
			return status.Now{}, err
		}
		return r.owned(ctx, w, f)
	}
	sights, err := r.observer.SightsOf(ctx, r.now(), ofInterest(f))
	if err != nil {
		return status.Now{}, err
	}
	lease, err := r.observer.Marked(ctx, v1.LabelLease)
	if err != nil {
		return status.Now{}, err
	}
	holds, err := r.observer.Marked(ctx, v1.LabelHold)
	if err != nil {
		return status.Now{}, err
	}
	return r.living(sights, append(lease, holds...)), nil
}

// living puts together what was seen.
func (r *Reporter) living(sights []observe.Sight, configs []*swarm.Config) status.Now {
	now := status.Now{Sights: map[v1.Key]status.Sight{}, Holds: []plan.Hold{}, Known: true, At: r.now()}
	for _, one := range sights {
		now.Sights[one.Key()] = status.Sight{Look: status.Look(one.Health), Rollout: one.Rollout(), Created: one.Live.Created}
	}
	v, _ := state.ViewLease(configs)
	lease := leaseOf(v)
	now.Lease = &lease
	for _, h := range state.Holds(configs) {
		now.Holds = append(now.Holds, h.Hold)
	}
	return now
}

func leaseOf(v state.View) status.Lease {
	return status.Lease{State: v.State, Holder: v.Holder, Source: v.Source, Epoch: v.Epoch, Renewed: v.Renewed}
}

// owned looks at what a source has, and fills in what is remembered of it.
func (r *Reporter) owned(ctx context.Context, w *observe.World, f *status.Found) (status.Now, error) {
	found, err := state.NewStore(f.Source, nil).Find(w.Configs)
	if err != nil { // the objects that the source has made still carry its labels
		f.Notices = append(slices.Clip(f.Notices), err.Error())
	}
	for _, err := range r.observer.Demand(ctx, w, func(kind string) (states, has bool) { return false, found.Memory.Has(kind) }) {
		f.Notices = append(slices.Clip(f.Notices), v1.Scrub(err.Error()))
	}
	for _, k := range r.kinds {
		for _, l := range w.Index.List(k.Name) {
			if r.learn != nil && !l.Local && !state.Own(l.Labels) {
				r.learn(k, l, w.Index)
			}
		}
	}
	recall(f, found.Memory)
	if v, there := state.ViewLease(w.Configs); there {
		f.Notices = append(slices.Clip(f.Notices), v.Troubles(f.Source).Said(found.Memory.InForce.Hash)...)
	}
	src := decide.SourceOf(f.Source, found.Memory, nil, nil)
	mine, lives := map[v1.Key]bool{}, map[string][]*kinds.Live{}
	for _, k := range r.kinds {
		for _, l := range w.Index.List(k.Name) {
			if key, meta := src.Identify(l); meta.Mine {
				mine[key] = true
				lives[k.Name] = append(lives[k.Name], l)
			}
		}
	}
	sights, err := r.observer.Sights(ctx, r.now(), func(k *kinds.Kind) ([]*kinds.Live, error) { return lives[k.Name], nil })
	if err != nil {
		return status.Now{}, err
	}
	now := r.living(sights, w.Configs)
	now.There = slices.Collect(maps.Keys(mine))
	return now, nil
}

// recall fills in from a memory what no run has said better.
func recall(f *status.Found, m state.Memory) {
	f.Remembered, f.History = m.InForce.Hash, Revisions(m.History)
	switch {
	case f.Revision != "":
	case m.Refused != nil:
		f.Revision = m.Refused.Hash
		f.Notices = append(slices.Clip(f.Notices), "the newest revision was refused: "+m.Refused.Why)
	default:
		f.Revision = m.InForce.Hash
	}
	if e := m.Last(); e != nil && e.Hash == m.InForce.Hash && e.Rewrote != nil && !e.Rewrote.Agreed {
		f.Notices = append(slices.Clip(f.Notices), decide.Took(e))
	}
	f.Failed = slices.DeleteFunc(slices.Clone(m.Failed), func(f plan.Failure) bool { return f.Digest == "" })
}
