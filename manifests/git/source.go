// Package git is the door to git: it reads the commits of a checkout, a bare repository or a remote, and the files of
// a plain directory, as values of type Commit.
//
// It only reads. It runs no git, no hook and no filter, honours nothing of a repository's configuration that would run
// or rewrite anything, follows no link, and never repeats a URL's credentials.
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

// Errors that callers tell apart.
var (
	// ErrGone: a commit is not, or no longer, in the repository.
	ErrGone = errors.New("the commit is not in the repository")
	// ErrNoCommit: a branch without any commit.
	ErrNoCommit = errors.New("there is no commit yet")
	// ErrNotFound: there is nothing at the location.
	ErrNotFound = errors.New("there is no such directory")
	// ErrNoHistory: a plain directory was asked for what only commits have.
	ErrNoHistory = errors.New("a plain directory has no history")
	// ErrShallow: the answer lies in history that a shallow clone does not have.
	ErrShallow = errors.New("the history is cut off (a shallow clone)")
)

// Options say how a source is read.
type Options struct {
	// Worktree reads the files as they are, even in a checkout.
	Worktree bool
	// Path is the directory of the manifests within the source, for Dirty. Default the source itself.
	Path string
	// Ref is a branch, a tag or a full name such as refs/heads/main. Default HEAD.
	Ref string
	// PollInterval is how often a remote is asked, and how often a directory is looked at where no file events come.
	// Default 30s for remotes and 2s for directories.
	PollInterval time.Duration
	// SSHKey is a file with a private key for ssh remotes. Default the agent's keys.
	SSHKey string
	// TempDir is where a remote's clone is kept while the Source is open. Default the system's.
	TempDir string
}

// Commit is one state of a source.
type Commit struct {
	// Hash is the commit's; for a plain directory files- and a digest of what is in it.
	Hash string
	// When it was committed.
	When    time.Time
	Author  string
	Message string
	// Tree is the commit's files. It implements fs.ReadDirFS, fs.StatFS and fs.ReadLinkFS and is nil in what Log returns.
	Tree fs.FS
}

// Lines returns the values of the lines Key: value of the commit's message, and those below a squash's list of commits.
func (c Commit) Lines(key string) (values, below []string) { return Lines(c.Message, key) }

// Short is the hash as people write it.
func (c Commit) Short() string {
	if len(c.Hash) == 40 {
		return c.Hash[:10]
	}
	return c.Hash
}

// backend is one way to have commits.
type backend interface {
	// head returns the current commit, and the state that it belongs to.
	head(ctx context.Context) (Commit, string, error)
	at(ctx context.Context, hash string) (Commit, error)
	log(ctx context.Context, from, to string, limit int) ([]Commit, error)
	isAncestor(ctx context.Context, older, newer string) (bool, error)
	dirty(ctx context.Context) ([]string, error)
	// state describes the current state in a word: errors too.
	state(ctx context.Context) string
	// watched lists the directories whose events may mean another state, and says which events do.
	watched() ([]string, func(path string) bool)
	// pause is the time to the next look where no event comes; blind says that none can.
	pause(poll time.Duration, blind bool) time.Duration
	// quiet is how long no event must have come before the state is worth looking at.
	quiet() time.Duration
	close() error
}

// Source is an open source. Its methods may be called from several goroutines.
type Source struct {
	backend
	name   string
	notice string
	poll   time.Duration
	seen   atomic.Pointer[string] // the state when Head was asked last
	// newWatcher gives file events, or an error where the system has none left.
	newWatcher func() (*fsnotify.Watcher, error)
}

// Open opens a directory or a URL. A directory needs no commit yet, but it must be there.
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

// At returns the commit of a full hash. The error is ErrGone where it is not in the repository.
func (s *Source) At(ctx context.Context, hash string) (Commit, error) { return s.at(ctx, hash) }

// Log returns at most limit commits that are reachable from to and not from from, the newest first and without Tree.
// Without from it is to alone.
func (s *Source) Log(ctx context.Context, from, to string, limit int) ([]Commit, error) {
	return s.log(ctx, from, to, limit)
}

// IsAncestor says whether older is newer itself or one of its ancestors. The error is ErrGone where one of them is not
// in the repository, ErrShallow where a shallow clone cannot tell, and ErrNoHistory for two states of a plain directory.
func (s *Source) IsAncestor(ctx context.Context, older, newer string) (bool, error) {
	return s.isAncestor(ctx, older, newer)
}

// Dirty lists at most 20 files below Options.Path that differ from HEAD or are not in it, and hence are not read. Only
// a checkout has such files. A last element … says that there are more.
func (s *Source) Dirty(ctx context.Context) ([]string, error) { return s.dirty(ctx) }

// Close releases files and directories. Trees of commits must not be used after it.
func (s *Source) Close() error { return s.close() }

func errNotFound(location string) error {
	return fmt.Errorf("opening %s: %w", redactURL(location), ErrNotFound)
}
