package revisions

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// history is how many commits are searched for consents.
const history = 1000

// Past asks how a new revision relates to the one in force, and to the source that the memory is of. Of a revision that is
// in force already, it asks at most where the source begins.
func (r *Reader) Past(ctx context.Context, m state.Memory, revision git.Commit) decide.Past {
	p := r.related(ctx, m.InForce.Hash, revision)
	if p.AsksOrigin(m, revision.Hash) {
		o, err := r.begins(ctx, &r.origin, revision.Hash, m.Known()...)
		if p.Origin, p.OriginErr = &o, err; err == nil && o.Met == "" {
			p.First = &o
		}
	}
	// An instance that writes nothing need not know. If the answer is an error, a later run asks again.
	if p.First == nil && !r.Observe && (!m.Origin.Known() || m.Origin.Cut) {
		if o, err := r.begins(ctx, &r.first, revision.Hash); err == nil {
			p.First = &o
		}
	}
	return p
}

// beginning is an answer of git: where the history of a commit begins, or that it meets a commit that is known. The answer
// stays the same.
type beginning struct {
	hash, known string
	git.Origin
}

// begins asks where the history of a commit begins, unless that was the last question.
func (r *Reader) begins(ctx context.Context, last *beginning, hash string, known ...string) (git.Origin, error) {
	asked := strings.Join(known, " ")
	if last.hash == hash && last.known == asked {
		return last.Origin, nil
	}
	o, err := r.Git.Origin(ctx, hash, func(hash string) bool { return slices.Contains(known, hash) })
	if err == nil {
		*last = beginning{hash, asked, o}
	}
	return o, err
}

// related asks how a new revision relates to old, the one in force. It asks nothing if it is in force already.
func (r *Reader) related(ctx context.Context, old string, revision git.Commit) decide.Past {
	next := revision.Hash
	if old == next {
		return decide.Past{}
	}
	var p decide.Past
	var err error
	// The revision in force is gone, or the source is a folder without history.
	if p.Commits, err = r.Git.Log(ctx, old, next, history); err != nil {
		p.Commits = []git.Commit{revision}
	}
	if old == "" {
		return p
	}
	p.Older, p.OlderErr = r.Git.IsAncestor(ctx, next, old)
	// Folders have no history, and an older revision takes everything back.
	if len(old) != 40 || len(next) != 40 || p.Older && p.OlderErr == nil {
		return p
	}
	if r.compared.Old != old || r.compared.Next != next {
		found, err := r.compare(ctx, old, next)
		if err != nil {
			p.TakenErr = err
			return p
		}
		r.compared = found
	}
	p.Taken = r.compared
	return p
}

// compare compares the histories of two revisions. It fails if the repository could not be read; a later try may
// succeed.
func (r *Reader) compare(ctx context.Context, old, next string) (decide.Compared, error) {
	out := decide.Compared{Old: old, Next: next}
	newest, count, err := r.Git.TakenBack(ctx, old, next, state.MostSubjects)
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
