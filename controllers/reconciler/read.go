package reconciler

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// loaded is a revision that was read.
type loaded struct {
	// entries are the manifests that no problem holds.
	entries []kinds.Entry
	// stays says which setting of a policy keeps an object that problems hold: see decide.Revision.
	stays    map[v1.Key]string
	commit   git.Commit
	name     string
	defaults v1.Defaults
	problems []v1.Problem
	// held are the objects that problems hold, with the reason.
	held    map[v1.Key]string
	notices []v1.Problem
	err     error
}

// good reports whether the revision can be used, even if problems hold some of its objects.
func (l *loaded) good() bool { return l.err == nil && len(l.refusing()) == 0 }

// refusing returns the problems that refuse the revision as a whole.
func (l *loaded) refusing() []v1.Problem { return v1.Refusing(l.problems) }

// readHead reads the newest revision. A commit that is the last one used is not read again. If reading fails, err of
// the result is set.
func (r *Reconciler) readHead(ctx context.Context) *loaded {
	commit, err := r.Source.Head(ctx)
	if err != nil {
		return &loaded{err: fmt.Errorf("reading the source %s: %w", r.Source, err)}
	}
	return r.load(commit)
}

func (r *Reconciler) load(commit git.Commit) *loaded {
	if r.last != nil && r.last.commit.Hash == commit.Hash && commit.Hash != "" {
		return r.last
	}
	set, problems := r.loader.Load(commit.Tree, r.Path)
	l := &loaded{commit: commit, name: set.Name, defaults: set.Defaults, problems: problems, held: set.Held, notices: set.Notices}
	l.stays = map[v1.Key]string{}
	if r.OnProblem == Revision {
		for i := range l.problems {
			l.problems[i].Holds = false
		}
	}
	for _, e := range set.Entries {
		if key := e.Key(); l.held[key] != "" {
			if why := decide.KeptBy(e.Object.Meta().Policy); why != "" {
				l.stays[key] = why
			}
			continue
		}
		l.entries = append(l.entries, kinds.Entry{Object: e.Object, From: diff.From{File: e.File, Line: e.Line}})
	}
	return l
}

// sourceName returns the name of the source. The command line comes first, then what the source itself says, then
// what it said last. If the source cannot be read, it is the source whose memory has a revision in force of this
// repository. Otherwise it is DefaultName.
func (r *Reconciler) sourceName(head *loaded, configs []*swarm.Config) string {
	switch {
	case r.Name != "":
		return r.Name
	case head.name != "":
		return head.name
	case r.last != nil && r.last.name != "":
		return r.last.name
	}
	if !head.good() { // the name may be in what cannot be read
		for _, name := range state.Sources(configs) {
			found, err := state.NewStore(name, r.Engine).Find(configs)
			if err != nil {
				continue
			}
			if _, err := r.Source.At(context.Background(), found.Memory.InForce.Hash); err == nil {
				return name
			}
		}
	}
	return DefaultName
}

// choose returns the revision to go by: the newest one, or the one in force if the newest has a problem. It returns
// nil if there is none.
func (r *Reconciler) choose(ctx context.Context, head *loaded, run *Run) *loaded {
	if head.good() {
		if r.last != nil && r.last.commit.Hash != head.commit.Hash {
			r.previous = r.last
		}
		r.last = head
		return head
	}
	if !r.Fallback {
		return nil
	}
	hash := run.Found.Memory.InForce.Hash
	if r.last != nil && (hash == "" || hash == r.last.commit.Hash || r.Observe) {
		return r.last
	}
	if hash == "" {
		return nil
	}
	commit, err := r.Source.At(ctx, hash)
	if err != nil {
		if !errors.Is(err, git.ErrGone) {
			r.Log.Error(err, "reading the revision in force", "revision", hash)
		}
		return r.last
	}
	old := r.load(commit)
	if !old.good() { // an older release accepted what this one refuses
		run.Notices = append(run.Notices, fmt.Sprintf("the revision in force, %s, has problems for this release", commit.Short()))
		return nil
	}
	r.last = old
	return old
}
