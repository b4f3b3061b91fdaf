package reconciler

import (
	"context"
	"errors"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// A run thinks in three parts that make no calls: what is wanted (expand), what differs (compare), and what is done
// about it (decide). Facts that the swarm's lists lack are asked for here, between the parts, and handed to them as
// values.

// history is how many commits are searched for consents.
const history = 1000

// askGit asks how a new revision relates to the one in force. It asks nothing if the revision is already in force.
func (r *Reconciler) askGit(ctx context.Context, run *Run) decide.Past {
	old, next := run.Memory.InForce.Hash, run.InForce.Hash
	if old == next {
		return decide.Past{}
	}
	var p decide.Past
	var err error
	// The revision in force is gone, or the source is a folder without history.
	if p.Commits, err = r.Source.Log(ctx, old, next, history); err != nil {
		p.Commits = []git.Commit{run.InForce}
	}
	if old == "" {
		return p
	}
	p.Older, p.OlderErr = r.Source.IsAncestor(ctx, next, old)
	// Folders have no history, and an older revision takes everything back.
	if len(old) != 40 || len(next) != 40 || p.Older && p.OlderErr == nil {
		return p
	}
	if r.compared.Old != old || r.compared.Next != next {
		found, err := r.compareHistories(ctx, old, next)
		if err != nil {
			p.TakenErr = err
			return p
		}
		r.compared = found
	}
	p.Taken = r.compared
	return p
}

// compareHistories compares the histories of two revisions. It fails if the repository could not be read; a later try
// may succeed.
func (r *Reconciler) compareHistories(ctx context.Context, old, next string) (decide.Compared, error) {
	out := decide.Compared{Old: old, Next: next}
	newest, count, err := r.Source.TakenBack(ctx, old, next, state.MostSubjects)
	switch {
	case ctx.Err() != nil: // the answer may come from the end of ctx
		return decide.Compared{}, ctx.Err()
	case errors.Is(err, git.ErrGone):
		out.Rewrote = &state.Rewrite{From: old}
	case errors.Is(err, git.ErrShallow), errors.Is(err, git.ErrNoHistory):
		out.Unsaid = err
	case err != nil:
		return decide.Compared{}, err
	case count > 0:
		out.Rewrote = &state.Rewrite{From: old, Commits: count}
		for _, c := range newest {
			out.Rewrote.Subjects = append(out.Rewrote.Subjects, state.Subject(c.Message))
		}
	}
	return out, nil
}

// askBefore returns what the revision in force asked for, if that is needed. Otherwise it returns the zero value.
func (r *Reconciler) askBefore(ctx context.Context, run *Run) decide.Before {
	if !r.decider.AsksBefore(&run.Decision) {
		return decide.Before{}
	}
	return r.inForce(ctx, run)
}

// inForce reads the revision in force again, and returns what it asks for and what problems hold. It returns the zero
// value if that cannot be read.
func (r *Reconciler) inForce(ctx context.Context, run *Run) decide.Before {
	hash := run.Memory.InForce.Hash
	old := r.previous
	if hash == "" {
		return decide.Before{}
	}
	if old == nil || old.commit.Hash != hash {
		commit, err := r.Source.At(ctx, hash)
		if err != nil {
			if !errors.Is(err, git.ErrGone) && !errors.Is(err, git.ErrNoHistory) {
				r.Log.Error(err, "reading the revision in force", "revision", hash)
			}
			return decide.Before{}
		}
		old = r.load(commit)
	}
	if !old.good() {
		return decide.Before{}
	}
	r.previous = old
	return decide.Before{States: kinds.Expand(r.kinds, old.entries, run.Index, run.Ours(), nil).States, Withheld: old.held}
}

// askEngine answers the needs. It makes one call per kind for healths, and one for each roll-out that left no record.
func (r *Reconciler) askEngine(ctx context.Context, run *Run, n decide.Needs) decide.Answers {
	a := decide.Answers{Rollouts: map[v1.Key]plan.Rollout{}, Healths: map[string]map[string]kinds.Health{}, Unread: map[string]error{}}
	for _, t := range n.Traces {
		a.Rollouts[t.Want.Key] = t.Kind.Trace(ctx, r.Engine, t.Live, run.Index, t.Want, t.Rollout)
	}
	for _, k := range r.kinds {
		lives := n.Lives[k.Name]
		if len(lives) == 0 {
			continue
		}
		var err error
		if a.Healths[k.Name], err = k.Health(ctx, r.Engine, lives, run.At); err != nil {
			a.Unread[k.Name] = err
		}
	}
	a.Surveyed = r.nodes(ctx, run)
	a.Rotating = r.rotations(run, a.Surveyed.Nodes)
	return a
}
