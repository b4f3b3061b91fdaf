package reconciler

import (
	"context"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// A run thinks in three parts that make no calls: what is wanted (expand), what differs (compare), and what is done
// about it (decide). Facts that the swarm's lists lack are asked for here, between the parts, and handed to them as
// values.

// askBefore returns what the revision in force asked for, if that is needed. Otherwise it returns the zero value.
func (r *Reconciler) askBefore(ctx context.Context, run *Run) decide.Before {
	if !r.decider.AsksBefore(&run.Decision) {
		return decide.Before{}
	}
	old := r.revisions.InForce(ctx, run.Memory.InForce.Hash)
	if old == nil {
		return decide.Before{}
	}
	return r.decider.AskedBy(&run.Decision, old.Entries, old.Held)
}

// askEngine answers the needs. It makes one call per kind for healths, one for each roll-out that left no record, and
// one each time that tasks are needed.
func (r *Reconciler) askEngine(ctx context.Context, run *Run, n decide.Needs) decide.Answers {
	a := decide.Answers{Rollouts: map[v1.Key]plan.Rollout{}, Healths: map[string]map[string]kinds.Health{}, Unread: map[string]error{}, Files: map[string]kinds.File{}}
	for _, t := range n.Traces {
		a.Rollouts[t.Want.Key] = t.Kind.Trace(ctx, r.engine, t.Live, run.Index, t.Want, t.Rollout)
	}
	for _, k := range r.kinds {
		lives := n.Lives[k.Name]
		if len(lives) == 0 {
			continue
		}
		var err error
		if a.Healths[k.Name], err = k.Health(ctx, r.engine, lives, run.At); err != nil {
			a.Unread[k.Name] = err
		}
	}
	for ; n.More(); n = n.Then(a) {
		r.askMore(ctx, n, &a)
	}
	return a
}

// askMore adds the tasks and files that are needed to the answers.
func (r *Reconciler) askMore(ctx context.Context, n decide.Needs, a *decide.Answers) {
	for _, k := range r.kinds {
		if k.Survey != nil && n.Tasks.Any() {
			tasks, err := k.Survey.Tasks(ctx, r.engine, n.Tasks)
			a.Tasks = append(a.Tasks, kinds.TaskAnswer{TaskNeed: n.Tasks, Tasks: tasks, Err: err})
		}
		if k.Rotate != nil {
			for _, name := range n.Files {
				a.Files[name] = k.Rotate.File(r.named, name)
			}
		}
	}
}
