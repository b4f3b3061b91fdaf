package reconciler

import (
	"context"
	"errors"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// A run thinks in three parts that make no calls: what is wanted (expand), what differs (compare), and what is done about it
// (decide). Whatever the swarm's lists do not say is asked here, between the parts, and handed to them as values.

// past is what git says of the revision that a run goes by, and of the one that was in force before it. The zero value says
// that they are the same revision.
type past struct {
	// commits are those since the revision in force. If git cannot say that, it is the newest alone.
	commits []git.Commit
	// older reports whether the revision is an ancestor of the one in force; olderErr is why that is not known.
	older    bool
	olderErr error
	// taken is what the revision takes back of the one in force; takenErr is why that is not known.
	taken    compared
	takenErr error
}

// history is how many commits are searched for consents.
const history = 1000

// askGit asks what a new revision is to the one in force. For one that is in force already it asks nothing.
func (r *Reconciler) askGit(ctx context.Context, run *Run) past {
	old, next := run.memory.InForce.Hash, run.InForce.Hash
	if old == next {
		return past{}
	}
	var p past
	var err error
	if p.commits, err = r.Source.Log(ctx, old, next, history); err != nil { // the revision in force is gone, or files are read as they are
		p.commits = []git.Commit{run.InForce}
	}
	if old == "" {
		return p
	}
	p.older, p.olderErr = r.Source.IsAncestor(ctx, next, old)
	if len(old) != 40 || len(next) != 40 || p.older && p.olderErr == nil { // files have no history, and an older revision takes all back
		return p
	}
	if r.compared.old != old || r.compared.next != next {
		found, err := r.compareHistories(ctx, old, next)
		if err != nil {
			p.takenErr = err
			return p
		}
		r.compared = found
	}
	p.taken = r.compared
	return p
}

// compareHistories compares the histories of two revisions. It fails if the repository could not be read, which may end.
func (r *Reconciler) compareHistories(ctx context.Context, old, next string) (compared, error) {
	out := compared{old: old, next: next}
	newest, count, err := r.Source.TakenBack(ctx, old, next, state.MostSubjects)
	switch {
	case ctx.Err() != nil: // whatever was found may come of that
		return compared{}, ctx.Err()
	case errors.Is(err, git.ErrGone):
		out.rewrote = &state.Rewrite{From: old}
	case errors.Is(err, git.ErrShallow), errors.Is(err, git.ErrNoHistory):
		out.unsaid = err
	case err != nil:
		return compared{}, err
	case count > 0:
		out.rewrote = &state.Rewrite{From: old, Commits: count}
		for _, c := range newest {
			out.rewrote.Subjects = append(out.rewrote.Subjects, state.Subject(c.Message))
		}
	}
	return out, nil
}

// askBefore reads what the revision in force asked for, before the one that the run goes by. That is needed only in the first
// run of a new revision, and only where the swarm has lost an object or its labels.
func (r *Reconciler) askBefore(ctx context.Context, run *Run, haves []diff.State) wantsBefore {
	if run.InForce.Hash == run.memory.InForce.Hash {
		return before(run.Wants.States, nil)
	}
	gone := missing(run, r.removed)
	wanted := slices.ContainsFunc(run.Wants.States, func(w diff.State) bool { return isGone(run, &w, gone) })
	if !wanted && !slices.ContainsFunc(haves, func(h diff.State) bool { return h.Meta.Lost }) {
		return before(nil, nil)
	}
	return before(r.inForce(ctx, run))
}

// inForce reads the revision in force again: what it asks for, and what of it problems hold.
func (r *Reconciler) inForce(ctx context.Context, run *Run) ([]diff.State, map[v1.Key]string) {
	hash := run.memory.InForce.Hash
	old := r.previous
	if hash == "" {
		return nil, nil
	}
	if old == nil || old.commit.Hash != hash {
		commit, err := r.Source.At(ctx, hash)
		if err != nil {
			if !errors.Is(err, git.ErrGone) && !errors.Is(err, git.ErrNoHistory) {
				r.Log.Error(err, "reading the revision in force", "revision", hash)
			}
			return nil, nil
		}
		old = r.load(commit)
	}
	if !old.good() {
		return nil, nil
	}
	r.previous = old
	return kinds.Expand(r.kinds, old.entries, run.Index, sourceOf(run), nil).States, old.held
}

// answers are what was asked of the engine for what differs.
type answers struct {
	// rollouts are those of needs.traces, with what the tasks that failed tell of them.
	rollouts map[v1.Key]plan.Rollout
	// healths are those of needs.lives by kind and live name; unread is why they are not known.
	healths map[string]map[string]kinds.Health
	unread  map[string]error
	// surveyed is what was found of the nodes.
	surveyed kinds.Surveyed
	// rotating is what the Cluster states and has on record of rotations, with the root that files have.
	rotating kinds.Rotating
}

// askEngine asks what the needs name, with one call a kind for healths, and one for each roll-out that left no trace.
func (r *Reconciler) askEngine(ctx context.Context, run *Run, haves []diff.State, f plan.Facts, n needs) answers {
	a := answers{rollouts: map[v1.Key]plan.Rollout{}, healths: map[string]map[string]kinds.Health{}, unread: map[string]error{}}
	for _, t := range n.traces {
		a.rollouts[t.want.Key] = t.kind.Trace(ctx, r.Engine, t.live, run.Index, t.want, t.rollout)
	}
	for _, k := range r.kinds {
		lives := n.lives[k.Name]
		if len(lives) == 0 {
			continue
		}
		var err error
		if a.healths[k.Name], err = k.Health(ctx, r.Engine, lives, f.Now); err != nil {
			a.unread[k.Name] = err
		}
	}
	a.surveyed = r.nodes(ctx, run, haves, f)
	a.rotating = r.rotations(run, haves, a.surveyed.Nodes, f.Now)
	return a
}
