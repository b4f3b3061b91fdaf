package reconciler

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// Standby says that there is something to do and that somebody else acts, or goes first.
type Standby struct {
	Holder string
	// Again is when to ask again.
	Again time.Duration
}

func (s *Standby) Error() string {
	return fmt.Sprintf("%s acts, or goes first: this instance waits for the lease", s.Holder)
}

// take asks for the lease. others: what the plan was made from is outdated, because somebody else acted since.
func (r *Reconciler) take(ctx context.Context, run *Run) (epoch uint64, others bool, err error) {
	taken, err := r.Lease.Take(ctx, run.Source, run.moved)
	switch {
	case err != nil:
		return 0, false, err
	case taken.Epoch == 0 && taken.Others:
		r.world = nil
		return 0, true, nil
	case taken.Epoch == 0:
		return 0, false, &Standby{Holder: taken.Holder, Again: max(taken.Again, 10*time.Millisecond)}
	case taken.Others:
		r.world = nil
	}
	return taken.Epoch, taken.Others, nil
}

// Release gives the lease back, so that others may act. leave: this process will not act any more.
func (r *Reconciler) Release(ctx context.Context, leave bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := r.Lease.Release(ctx, leave); err != nil {
		r.Log.Error(err, "the lease could not be given back")
	}
}

// held makes the question that is asked before each write. The first is asked already: it takes as long as the lease.
func (r *Reconciler) held(ctx context.Context, run *Run) func(context.Context, v1.Key) error {
	watch := state.NewWatch(r.Engine, run.Source, r.Now)
	if len(run.Plan.Steps) > 0 {
		watch.Ahead(ctx)
	}
	return func(ctx context.Context, key v1.Key) error {
		err := watch.Check(ctx, key)
		if errors.Is(err, state.ErrOnHold) {
			return fmt.Errorf("%w: %w", apply.ErrNotNow, err)
		}
		return err
	}
}

// newest is the newest memory that this process has seen.
type newest struct {
	sequence uint64
	resumed  time.Time
}

// whyPaused says why nothing is done until somebody has looked: what is found is not what the memory of this source can be
// about. "": it is.
func (r *Reconciler) whyPaused(run *Run, labelled bool) string {
	m, about := run.found.Memory, run.About
	switch {
	case run.found.Sequence == 0 && labelled:
		return fmt.Sprintf("objects carry the labels of source %s, and what it remembers is gone", run.Source)
	case run.found.Sequence < r.newest.sequence && m.Resumed.Equal(r.newest.resumed):
		return fmt.Sprintf("what source %s remembers is older than what was seen before (%d after %d): was the swarm restored from a backup?", run.Source, run.found.Sequence, r.newest.sequence)
	case m.Managers >= 3 && about.Managers == 1:
		return fmt.Sprintf("the swarm had %s and has 1: was it made anew with --force-new-cluster?", v1.Count(m.Managers, "manager"))
	case m.Nodes > about.Nodes && (m.Nodes-about.Nodes)*3 >= m.Nodes:
		return fmt.Sprintf("the swarm had %s and has %d: a third or more is gone", v1.Count(m.Nodes, "node"), about.Nodes)
	}
	if run.found.Sequence > 0 {
		r.newest = newest{run.found.Sequence, m.Resumed}
	}
	return ""
}

// holds are those in force that are about anything of the source.
func (r *Reconciler) holds(run *Run) []plan.Hold {
	var out []plan.Hold
	for _, h := range state.Holds(r.world.configs) {
		if h.Over(r.Now()) {
			continue
		}
		target, _, object := strings.Cut(h.Target, "/")
		if key, err := v1.ParseKey(h.Target); object && err == nil {
			i := slices.IndexFunc(r.kinds, func(k kinds.Kind) bool { return strings.EqualFold(k.Name, target) })
			if i < 0 {
				run.Notices = append(run.Notices, fmt.Sprintf("the hold %s is on %s, and %s is no kind", h.Name, h.Target, key.Kind))
			}
		}
		out = append(out, h.Hold)
	}
	return out
}

// rewinds says whether the revision is older than the one in force. A history that was rewritten is no rewind. Where the
// one in force is not in this repository, a checkout that was not updated looks the same as a rewritten one: then one
// that was in force before, or is older by its date, counts as older. Dates are of whole seconds, and a checkout may lag by
// less: of two of the same second the one that is not in force is the older one, if it is about the same objects.
func rewinds(run *Run, p past, shares bool) bool {
	old, next := run.memory.InForce, run.InForce
	if old.Hash == "" || old.Hash == next.Hash {
		return false
	}
	switch err := p.olderErr; {
	case err == nil:
		return p.older
	case errors.Is(err, git.ErrGone):
		before := slices.ContainsFunc(run.memory.History, func(e state.Entry) bool { return e.Hash == next.Hash })
		return before || next.When.Before(old.When) || shares && next.When.Equal(old.When)
	case !errors.Is(err, git.ErrNoHistory):
		run.Notices = append(run.Notices, fmt.Sprintf("whether %s is older than the revision in force is not known: %v", next.Short(), err))
	}
	return false
}

// census notes how many nodes there are, and before the plan takes some away, how many there will be: who takes over after
// that must not wonder where they are. That fewer are there by themselves is written with something else, or never.
func (r *Reconciler) census(run *Run) {
	if !run.full { // the numbers are as old as the last one that was
		return
	}
	m, nodes, managers, ours := &run.memory, run.About.Nodes, run.About.Managers, false
	for _, s := range run.Plan.Steps {
		switch {
		case s.Op == diff.Remove && s.Key.Kind == v1.KindNode:
			nodes, ours = nodes-1, true
		case s.Demotes():
			managers, ours = managers-1, true
		}
	}
	if nodes > m.Nodes || managers > m.Managers || ours || run.store.Differs(run.found, *m) {
		m.Nodes, m.Managers = nodes, managers
	}
}

// stillReleased keeps the record of what was released for as long as there is a manifest, or a label that says it is ours.
func stillReleased(run *Run, haves []diff.State) []v1.Key {
	return slices.DeleteFunc(slices.Clone(run.memory.Released), func(k v1.Key) bool {
		return run.wants[k] == nil && !run.holds(k) && !slices.ContainsFunc(haves, func(h diff.State) bool { return h.Key == k && h.Meta.Mine })
	})
}

// keys are those of all that the revision is about: what it wants, and what it would remove.
func (r *Run) keys() iter.Seq[v1.Key] {
	return func(yield func(v1.Key) bool) {
		for k := range r.wants {
			if !yield(k) {
				return
			}
		}
		for _, c := range r.Changes {
			if !yield(c.Key) {
				return
			}
		}
		for k := range r.problems {
			if !yield(k) {
				return
			}
		}
	}
}
