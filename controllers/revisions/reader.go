// Package revisions reads revisions of a source of manifests: the newest, the one in force, and how they relate. What
// it returns are values to decide by.
package revisions

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// Options say what is read, and how.
type Options struct {
	Git *git.Source
	// Path is the folder below the root of the source that has the manifests. "." is the root.
	Path string
	// Name is the name of the source. If it is "", the source itself gives the name, or it is DefaultName.
	Name string
	// Fallback is true if runs go on with the revision in force while the newest one has a problem.
	Fallback bool
	// Observe is true if nothing is written. The memory then does not say which revision is in force, and the last
	// usable one is.
	Observe bool
	// OnProblem says what a problem of an object's values holds: Object, which includes what depends on the object,
	// or Whole. "" means Object.
	OnProblem string
	// Guards check the manifests. nil means that nothing does.
	Guards *Guards
	// Loader reads manifests. It does not parse an unchanged file twice. nil means a new one with these Guards.
	Loader *manifests.Loader
	Log    logr.Logger
}

// These are the values of Options.OnProblem.
const (
	Object = "object"
	Whole  = "revision"
)

// DefaultName is the name of a source that has no name.
const DefaultName = "default"

// NewLoader returns a loader that knows all kinds, and checks manifests by guards, which may be nil.
func NewLoader(guards *Guards) *manifests.Loader {
	o := manifests.Options{Kinds: all.Manifests()}
	if guards != nil {
		o.Rules = guards.check
	}
	return manifests.NewLoader(o)
}

// Reader reads revisions. It keeps the last ones, so that they need not be read again. One goroutine may use it at a
// time.
type Reader struct {
	Options
	last     *Revision // last is the last usable revision
	previous *Revision // previous is the one before that
	compared decide.Compared
	// origin says whether the last revision that was asked about meets the source, and first where it begins.
	origin, first beginning
}

// New returns a Reader that has read nothing yet.
func New(o Options) *Reader {
	if o.Loader == nil {
		o.Loader = NewLoader(o.Guards)
	}
	return &Reader{Options: o}
}

// Revision is a revision that was read.
type Revision struct {
	Commit git.Commit
	// Entries are the manifests that no problem holds.
	Entries []kinds.Entry
	// Held are the objects that problems hold, with the reason.
	Held map[v1.Key]string
	// Stays says which objects that problems hold may not go, and what keeps them: see decide.Revision.
	Stays map[v1.Key]string
	// OwnOnly says which guardrail forbids to take an object over from others: see decide.Revision.
	OwnOnly  map[v1.Key]string
	Defaults v1.Defaults
	// Shown are the names whose values in git its reader may see.
	Shown    []string
	Notices  []v1.Problem
	Problems []v1.Problem
	// Err says why nothing could be read.
	Err error

	name string
}

// Good reports whether the revision can be used, even if problems hold some of its objects.
func (r *Revision) Good() bool { return r.Err == nil && len(v1.Refusing(r.Problems)) == 0 }

// Head reads the newest revision. A commit that is the last one used is not read again. If reading fails, Err of the
// result is set.
func (r *Reader) Head(ctx context.Context) *Revision {
	commit, err := r.Git.Head(ctx)
	if err != nil {
		return &Revision{Err: fmt.Errorf("reading the source %s: %w", r.Git, err)}
	}
	defer r.Git.Free() // the loader keeps what it has made of the files
	return r.load(commit)
}

func (r *Reader) load(commit git.Commit) *Revision {
	if r.last != nil && r.last.Commit.Hash == commit.Hash && commit.Hash != "" && !r.Guards.outdated() {
		return r.last
	}
	set, problems := r.Loader.Load(commit.Tree, r.Path)
	read := &Revision{Commit: commit, name: set.Name, Defaults: r.Guards.allowed(set.Defaults), Shown: set.Show, Problems: problems, Held: set.Held, Notices: set.Notices, Stays: map[v1.Key]string{}, OwnOnly: r.Guards.OwnOnly()}
	read.Entries = make([]kinds.Entry, 0, len(set.Entries))
	if r.OnProblem == Whole {
		for i := range read.Problems {
			read.Problems[i].Holds = false
		}
	}
	for _, e := range set.Entries {
		if key := e.Key(); read.Held[key] != "" {
			if why, stays := decide.StaysBy(e.Object); stays {
				read.Stays[key] = why
			}
			continue
		}
		read.Entries = append(read.Entries, kinds.Entry{Object: e.Object, From: diff.From{File: e.File, Line: e.Line}})
	}
	return read
}

// NameOf returns the name of the source, and says where it comes from. The options come first, then what the newest
// revision says, then what one said last. If the source cannot be read, it is the source whose memory has a revision in
// force of this repository. Otherwise it is DefaultName. configs are the operator's own.
func (r *Reader) NameOf(ctx context.Context, head *Revision, configs []*swarm.Config) (name, from string) {
	const file = "name in .swarm-operator.yaml"
	switch {
	case r.Name != "":
		return r.Name, "--name"
	case head.name != "":
		return head.name, file
	case r.last != nil && r.last.name != "":
		return r.last.name, file
	}
	if !head.Good() { // the name may be in what cannot be read
		for _, name := range state.Sources(configs) {
			found, err := state.NewStore(name, nil).Find(configs)
			if err != nil {
				continue
			}
			// The end of ctx must not give the source another name.
			if _, err := r.Git.At(context.WithoutCancel(ctx), found.Memory.InForce.Hash); err == nil {
				return name, "the memory of the swarm: its revision in force is in this repository"
			}
		}
	}
	return DefaultName, "the default: neither --name nor .swarm-operator.yaml has a name"
}

// Choose returns the revision to go by: the newest one, or the one in force if the newest has a problem. It returns
// nil if there is none. inForce is the hash of the revision in force. The notice is for people, or "".
func (r *Reader) Choose(ctx context.Context, head *Revision, inForce string) (use *Revision, notice string) {
	if head.Good() {
		if r.last != nil && r.last.Commit.Hash != head.Commit.Hash {
			r.previous = r.last
		}
		r.last = head
		return head, ""
	}
	if !r.Fallback {
		return nil, ""
	}
	if r.last != nil && (inForce == "" || inForce == r.last.Commit.Hash || r.Observe) {
		return r.last, ""
	}
	if inForce == "" {
		return nil, ""
	}
	commit, err := r.Git.At(ctx, inForce)
	if err != nil {
		r.unread(err, inForce)
		return r.last, ""
	}
	old := r.load(commit)
	if !old.Good() { // an older release accepted what this one refuses
		return nil, fmt.Sprintf("the revision in force, %s, has problems for this release", commit.Short())
	}
	r.last = old
	return old, ""
}

// InForce reads the revision in force again. It returns nil if that cannot be read.
func (r *Reader) InForce(ctx context.Context, hash string) *Revision {
	if hash == "" {
		return nil
	}
	old := r.previous
	if old == nil || old.Commit.Hash != hash {
		commit, err := r.Git.At(ctx, hash)
		if err != nil {
			r.unread(err, hash)
			return nil
		}
		old = r.load(commit)
	}
	if !old.Good() {
		return nil
	}
	r.previous = old
	return old
}

// unread logs that a revision could not be read, unless it can never be read.
func (r *Reader) unread(err error, hash string) {
	if !errors.Is(err, git.ErrGone) && !errors.Is(err, git.ErrNoHistory) {
		r.Log.Error(err, "reading the revision in force", "revision", hash)
	}
}
