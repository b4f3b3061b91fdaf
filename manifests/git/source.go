// Package git is the door to git. It reads the commits of a checkout, a bare repository or a remote, and the files of
// a plain directory, as values of type Commit.
//
// It only reads. It runs no git, no hook and no filter, and follows no link. It ignores any setting of a repository
// that would run or rewrite something. It never repeats a URL's credentials.
package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// These are the errors that callers tell apart.
var (
	// ErrGone says that a commit is not, or no longer, in the repository.
	ErrGone = errors.New("the commit is not in the repository")
	// ErrNoCommit says that a branch has no commit yet.
	ErrNoCommit = errors.New("there is no commit yet")
	// ErrNotFound says that there is nothing at the location.
	ErrNotFound = errors.New("there is no such directory")
	// ErrNoHistory says that a plain directory was asked for something that only commits have.
	ErrNoHistory = errors.New("a plain directory has no history")
	// ErrShallow says that the answer lies in history that a shallow clone does not have.
	ErrShallow = errors.New("the history is cut off (a shallow clone)")
)

// Options say how a source is read.
type Options struct {
	// Worktree reads the files as they are, even in a checkout.
	Worktree bool
	// Ref is a branch, a tag or a full name such as refs/heads/main. Default HEAD.
	Ref string
	// PollInterval is how often a remote is asked, and how often a directory without file events is checked. Default
	// 30s for remotes and 2s for directories.
	PollInterval time.Duration
	// SSHKey is a file with a private key for ssh remotes. Default the agent's keys.
	SSHKey string
}

// Commit is one state of a source.
type Commit struct {
	// Hash is the commit's hash. For a plain directory it is files- and a digest of the directory's content.
	Hash string
	// When is the time of the commit.
	When   time.Time
	Author string
	// Signer is the key that the commit's signature names, such as "ssh SHA256:…". It is "" if the commit is not signed.
	// Nobody has checked the signature, so anybody may have written it.
	Signer  string
	Message string
	// Merged is true in a commit that Log returns if it came with a merge: it is not on the line of first parents of
	// the commit that Log was asked about.
	Merged bool
	// Tree holds the commit's files. It implements fs.ReadDirFS, fs.StatFS and fs.ReadLinkFS. It is nil in commits
	// that Log, Recent and TakenBack return.
	Tree fs.FS
}

// Lines returns the values of the lines Key: value in the commit's message, and separately those below a squash's
// list of commits.
func (c Commit) Lines(key string) (values, below []string) { return Lines(c.Message, key) }

// Short returns the hash as people write it.
func (c Commit) Short() string {
	if len(c.Hash) == 40 {
		return c.Hash[:10]
	}
	return c.Hash
}

// backend is one kind of place that commits come from.
type backend interface {
	// head returns the current commit, and the state that it belongs to.
	head(ctx context.Context) (Commit, string, error)
	at(ctx context.Context, hash string) (Commit, error)
	log(ctx context.Context, from, to string, limit int) ([]Commit, error)
	isAncestor(ctx context.Context, older, newer string) (bool, error)
	// begins does the work of Origin.
	begins(ctx context.Context, hash string, known func(hash string) bool) (Origin, error)
	dirty(ctx context.Context, dir string, reads func(name string) bool) ([]string, error)
	// state describes the current state in one word, even if it is an error.
	state(ctx context.Context) string
	// watched returns the directories whose events may mean a new state, and a function that tells which events do.
	watched() ([]string, func(path string) bool)
	// pause returns the time until the next look if no event comes. blind says that no event can come.
	pause(poll time.Duration, blind bool) time.Duration
	// quiet returns how long no event must have come before the state is worth a look.
	quiet() time.Duration
	close() error
}

// Source is an open source. Several goroutines may call its methods.
type Source struct {
	backend
	name   string
	notice string
	poll   time.Duration
	seen   atomic.Pointer[string] // the state at the last call of Head
	// newWatcher returns a source of file events, or an error if the system has none left.
	newWatcher func() (*fsnotify.Watcher, error)
}

// Open opens a directory or a URL. A directory needs no commit yet, but it must exist.
func Open(ctx context.Context, location string, o Options) (*Source, error) {
	if isURL(location) {
		return openRemote(ctx, location, o)
	}
	s := &Source{name: location, poll: cmp.Or(o.PollInterval, 2*time.Second), newWatcher: fsnotify.NewWatcher}
	d, err := find(location)
	if err != nil {
		if i := strings.IndexAny(location, "#?"); i > 0 && errors.Is(err, ErrNotFound) {
			if _, err := find(location[:i]); err == nil {
				return nil, errRef(location[:i], location[i])
			}
		}
		return nil, err
	}
	if d.git == "" || o.Worktree {
		s.notice = d.notice(o)
		s.backend, err = openFiles(location)
	} else {
		s.backend, err = openRepository(location, o)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// String returns the location, without credentials.
func (s *Source) String() string { return redactURL(s.name) }

// Notice returns a line that the user should see once, or "".
func (s *Source) Notice() string { return s.notice }

// Head returns the current commit.
func (s *Source) Head(ctx context.Context) (Commit, error) {
	c, state, err := s.head(ctx)
	s.seen.Store(&state)
	return c, err
}

func (s *Source) lastSeen() string {
	if state := s.seen.Load(); state != nil {
		return *state
	}
	return ""
}

// At returns the commit with a full hash. The error is ErrGone if the commit is not in the repository.
func (s *Source) At(ctx context.Context, hash string) (Commit, error) { return s.at(ctx, hash) }

// Log returns at most limit commits that are reachable from the commit to and not from the commit from. They are
// sorted newest first and have no Tree. Those that came with a merge are marked as Merged. If from is "", it returns
// only the commit to.
func (s *Source) Log(ctx context.Context, from, to string, limit int) ([]Commit, error) {
	return s.log(ctx, from, to, limit)
}

// IsAncestor reports whether older is newer itself or one of its ancestors. The error is ErrGone if one of them is
// not in the repository, ErrShallow if a shallow clone cannot tell, and ErrNoHistory for two states of a plain
// directory.
func (s *Source) IsAncestor(ctx context.Context, older, newer string) (bool, error) {
	return s.isAncestor(ctx, older, newer)
}

// Dirty returns at most 20 files below a directory of the source that differ from HEAD or are not in it, so the operator
// does not read them. reads reports whether the operator would read a file that is not in HEAD, by the last element of
// its path. Only a checkout has such files. If there are more, the last element is …
func (s *Source) Dirty(ctx context.Context, dir string, reads func(name string) bool) ([]string, error) {
	return s.dirty(ctx, dir, reads)
}

// Free gives up the objects of git that are still in memory. What is asked for later is read again.
func (s *Source) Free() {
	if r, ok := s.backend.(interface{ free() }); ok {
		r.free()
	}
}

// Close releases files and directories. Callers must not use trees of commits afterwards.
func (s *Source) Close() error { return s.close() }

func errNotFound(location string) error {
	return fmt.Errorf("opening %s: %w", redactURL(location), ErrNotFound)
}
