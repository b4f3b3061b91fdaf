package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-git/go-billy/v5/osfs"
	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/storage"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

const (
	listTimeout  = 30 * time.Second
	fetchTimeout = 10 * time.Minute
	maxFresh     = 2 * time.Second // an answer that is younger is used again
	maxPause     = 10 * time.Minute
	followed     = "refs/heads/followed" // the remote's ref in the clone
)

// remote reads the commits of a remote from a bare clone in a temporary directory, which only this process uses.
type remote struct {
	url  string
	o    Options
	poll time.Duration
	*repository

	turn   chan struct{} // held by the goroutine that fetches; it guards the fields below
	tip    plumbing.Hash
	asked  time.Time
	failed atomic.Int32 // number of fetches that failed in a row
}

func openRemote(ctx context.Context, location string, o Options) (*Source, error) {
	if err := noRef(location); err != nil {
		return nil, err
	}
	if dir, ok := localPath(location); ok {
		return Open(ctx, dir, o)
	}
	if err := supportedURL(location); err != nil {
		return nil, err
	}
	r := &remote{url: location, o: o, poll: cmp.Or(o.PollInterval, 30*time.Second), turn: make(chan struct{}, 1)}
	if err := r.clone(); err != nil {
		return nil, err
	}
	if err := r.fetch(ctx); err != nil {
		_ = r.close()
		return nil, err
	}
	return &Source{name: location, backend: r, poll: r.poll, newWatcher: fsnotify.NewWatcher}, nil
}

func supportedURL(location string) error {
	scheme, _, ok := strings.Cut(location, "://")
	if !ok { // git@host:path
		return nil
	}
	if _, err := url.Parse(location); err != nil { // the error's text may quote the password
		return fmt.Errorf("opening %s: it is malformed; a password's special characters are written as %%2F and so on", redactURL(location))
	}
	switch strings.ToLower(scheme) {
	case "https", "http", "ssh":
		return nil
	}
	return fmt.Errorf("opening %s: %s is not supported; use https, ssh or a directory", redactURL(location), strings.ToLower(scheme))
}

// clone makes an empty repository.
func (r *remote) clone() error {
	dir, err := os.MkdirTemp("", "swarm-operator-source-")
	if err != nil {
		return fmt.Errorf("making a directory for the clone of %s: %w", redactURL(r.url), err)
	}
	s := openStorage(osfs.New(dir))
	err = errors.Join(s.Init(), s.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, followed)), s.Close())
	if err == nil {
		r.repository, err = openRepository(dir, Options{})
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return fmt.Errorf("making the clone of %s: %w", redactURL(r.url), err)
	}
	r.name = redactURL(r.url)
	return nil
}

// fetch brings the clone up to date, unless that was done a moment ago.
func (r *remote) fetch(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return r.explain(ctx, ctx.Err())
	}
	if r.failed.Load() == 0 && time.Since(r.asked) < min(maxFresh, r.poll) {
		return nil
	}
	err := r.update(ctx)
	if r.asked = time.Now(); err != nil {
		r.failed.Add(1)
		return r.explain(ctx, err)
	}
	r.failed.Store(0)
	return nil
}

func (r *remote) update(ctx context.Context) error {
	ref, tip, err := r.ask(ctx)
	if err != nil || tip == r.tip {
		return err
	}
	auth, err := r.auth()
	if err != nil {
		return err
	}
	_, err = bounded(ctx, fetchTimeout, func(ctx context.Context) (struct{}, error) {
		s := openStorage(osfs.New(r.place))
		defer func() { _ = s.Close() }()
		return struct{}{}, r.origin(checked{s, maxPack}).FetchContext(ctx, &gogit.FetchOptions{
			RefSpecs: []config.RefSpec{config.RefSpec("+" + ref + ":" + followed)}, Tags: gogit.NoTags, Force: true, Auth: auth,
		})
	})
	if err != nil && !errors.Is(err, gogit.NoErrAlreadyUpToDate) {
		return err
	}
	r.tip = tip
	return nil
}

// bounded abandons a call that does not return in time, because go-git's ssh client waits for ever for a server's
// first word.
func bounded[T any](ctx context.Context, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	done := make(chan answer, 1)
	go rescue.Clean(func() {
		defer cancel()
		value, err := call(ctx)
		done <- answer{value, err}
	})()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		select {
		case a := <-done: // both happened at once
			return a.value, a.err
		default:
			return *new(T), ctx.Err()
		}
	}
}

// ask returns the full name and the value of the ref to follow.
func (r *remote) ask(ctx context.Context) (name string, tip plumbing.Hash, err error) {
	auth, err := r.auth()
	if err != nil {
		return "", tip, err
	}
	list, err := bounded(ctx, listTimeout, func(ctx context.Context) ([]*plumbing.Reference, error) {
		return r.origin(nil).ListContext(ctx, &gogit.ListOptions{Auth: auth})
	})
	if err != nil {
		return "", tip, err
	}
	byName := make(map[string]*plumbing.Reference, len(list))
	for _, ref := range list {
		byName[ref.Name().String()] = ref
	}
	candidates := []string{r.o.Ref, "refs/heads/" + r.o.Ref, "refs/tags/" + r.o.Ref}
	if r.o.Ref == "" {
		candidates = []string{"HEAD"}
	}
	for _, name := range candidates {
		ref := byName[name]
		if ref != nil && ref.Type() == plumbing.SymbolicReference {
			ref = byName[ref.Target().String()]
		}
		if ref != nil {
			return ref.Name().String(), ref.Hash(), nil
		}
	}
	if r.o.Ref == "" {
		return "", tip, ErrNoCommit
	}
	return "", tip, fmt.Errorf("there is no branch or tag %s", r.o.Ref)
}

// origin defines the remote in memory only, so that its credentials get into no file.
func (r *remote) origin(s storage.Storer) *gogit.Remote {
	return gogit.NewRemote(s, &config.RemoteConfig{Name: "origin", URLs: []string{r.url}})
}

// auth returns the configured key for ssh. Without one, go-git asks the agent; for https it uses the URL's
// credentials.
func (r *remote) auth() (transport.AuthMethod, error) {
	if r.o.SSHKey == "" || strings.HasPrefix(r.url, "http") {
		return nil, nil
	}
	endpoint, err := transport.NewEndpoint(r.url)
	if err != nil {
		return nil, err
	}
	user := endpoint.User
	if user == "" {
		user = ssh.DefaultUsername
	}
	keys, err := ssh.NewPublicKeysFromFile(user, r.o.SSHKey, endpoint.Password)
	if err != nil {
		return nil, fmt.Errorf("reading the ssh key %s: %w", r.o.SSHKey, bare(err))
	}
	return keys, nil
}

// explain makes an error from one that may quote the URL. Only errors that callers tell apart stay in its chain.
func (r *remote) explain(ctx context.Context, err error) error {
	shown := redactURL(r.url)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("fetching %s: %w", shown, ctx.Err())
	case errors.Is(err, ErrNoCommit), errors.Is(err, transport.ErrEmptyRemoteRepository):
		return fmt.Errorf("fetching %s: %w", shown, ErrNoCommit)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("fetching %s: the remote did not answer in time", shown)
	}
	return fmt.Errorf("fetching %s: %s", shown, redactError(err, r.url))
}

func (r *remote) head(ctx context.Context) (Commit, string, error) {
	if err := r.fetch(ctx); err != nil {
		return Commit{}, err.Error(), err
	}
	return r.repository.head(ctx)
}

func (r *remote) state(ctx context.Context) string {
	if err := r.fetch(ctx); err != nil {
		return err.Error()
	}
	return r.repository.state(ctx)
}

func (r *remote) dirty(context.Context, string, func(string) bool) ([]string, error) { return nil, nil }

func (r *remote) watched() ([]string, func(path string) bool) {
	return nil, func(string) bool { return false }
}

// pause spreads the requests of instances out. It waits longer and longer for a remote that does not answer.
func (r *remote) pause(poll time.Duration, _ bool) time.Duration {
	for range min(r.failed.Load(), 10) {
		poll = min(2*poll, max(poll, maxPause))
	}
	return poll*9/10 + rand.N(poll/5+1)
}

func (r *remote) close() error {
	return errors.Join(r.repository.close(), os.RemoveAll(r.place))
}
