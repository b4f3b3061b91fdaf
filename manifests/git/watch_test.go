package git_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// awaitHead waits for wake-ups until the head meets want. With a poll of one hour only events can wake it.
func awaitHead(t *testing.T, s *git.Source, woken <-chan struct{}, want func(git.Commit, error) bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		select {
		case <-deadline:
			t.Fatal("nothing woke us")
		case <-woken:
			if want(s.Head(context.Background())) {
				return
			}
		}
	}
}

func hash(want string) func(git.Commit, error) bool {
	return func(c git.Commit, err error) bool { return err == nil && c.Hash == want }
}

var eventsOnly = git.Options{PollInterval: time.Hour}

func TestWatch(t *testing.T) {
	for name, c := range map[string]struct {
		location func(t *testing.T, r *repo) string
		change   func(t *testing.T, r *repo, location string) (head string)
	}{
		"commit": {checkout, func(_ *testing.T, r *repo, _ string) string { return r.commit("a", "2", "second") }},
		"amend": {checkout, func(_ *testing.T, r *repo, _ string) string {
			r.git("commit", "-q", "--amend", "-m", "x")
			return r.head()
		}},
		"reset": {checkout, func(_ *testing.T, r *repo, _ string) string {
			r.git("reset", "-q", "--hard", "HEAD~1")
			return r.head()
		}},
		"switch": {checkout, func(_ *testing.T, r *repo, _ string) string {
			r.git("checkout", "-q", "old")
			return r.head()
		}},
		"detach": {checkout, func(_ *testing.T, r *repo, _ string) string {
			r.git("checkout", "-q", "HEAD~1")
			return r.head()
		}},
		"a packed ref": {packedRefs, func(_ *testing.T, r *repo, _ string) string { return r.commit("a", "2", "second") }},
		"commit, then gc": {checkout, func(_ *testing.T, r *repo, _ string) string {
			h := r.commit("a", "2", "second")
			r.git("gc", "-q")
			r.git("pack-refs", "--all")
			return h
		}},
		"a branch in dirs": {checkout, func(_ *testing.T, r *repo, _ string) string {
			r.git("checkout", "-q", "-b", "deep/er/branch")
			return r.commit("a", "2", "second")
		}},
		"linked worktree": {func(t *testing.T, r *repo) string {
			dir := filepath.Join(t.TempDir(), "linked")
			r.git("worktree", "add", "-q", "-b", "linked", dir)
			return dir
		}, func(t *testing.T, _ *repo, dir string) string {
			return (&repo{t: t, dir: dir}).commit("a", "2", "second")
		}},
		"linked worktree, from outside": {func(t *testing.T, r *repo) string {
			dir := filepath.Join(t.TempDir(), "linked")
			r.git("worktree", "add", "-q", "-b", "linked", dir)
			return dir
		}, func(_ *testing.T, r *repo, _ string) string {
			r.git("update-ref", "refs/heads/linked", "HEAD~1")
			return r.git("rev-parse", "linked")
		}},
		"push into a bare repository": {func(t *testing.T, r *repo) string {
			dir := filepath.Join(t.TempDir(), "bare.git")
			r.git("clone", "-q", "--bare", r.dir, dir)
			return dir
		}, func(_ *testing.T, r *repo, dir string) string {
			h := r.commit("a", "2", "second")
			r.git("push", "-q", dir, "main")
			return h
		}},
		"another repository at its place": {checkout, func(t *testing.T, r *repo, _ string) string {
			if err := os.Rename(r.dir, r.dir+".old"); err != nil {
				t.Fatal(err)
			}
			other := newRepo(t)
			h := other.commit("a", "other", "other")
			if err := os.Rename(other.dir, r.dir); err != nil {
				t.Fatal(err)
			}
			return h
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.commit("a", "0", "zeroth")
			r.git("branch", "old")
			r.commit("a", "1", "first")
			location := c.location(t, r)
			s := open(t, location, eventsOnly)
			head(t, s)
			woken := s.Watch(t.Context())
			awaitHead(t, s, woken, hash(c.change(t, r, location)))
		})
	}
}

func checkout(_ *testing.T, r *repo) string { return r.dir }

func packedRefs(_ *testing.T, r *repo) string {
	r.git("gc", "-q")
	r.git("pack-refs", "--all")
	return r.dir
}

// One change follows another, with the source in several states in between.
func TestWatchSeesEachOfManyChanges(t *testing.T) {
	r := newRepo(t)
	s := open(t, r.dir, git.Options{PollInterval: 100 * time.Millisecond})
	if _, err := s.Head(t.Context()); !errors.Is(err, git.ErrNoCommit) {
		t.Fatal(err)
	}
	woken := s.Watch(t.Context())
	awaitHead(t, s, woken, hash(r.commit("a", "1", "first")))
	awaitHead(t, s, woken, hash(r.commit("a", "2", "second")))
	r.git("gc", "-q")
	awaitHead(t, s, woken, hash(r.commit("a", "3", "third")))
	if err := os.Rename(r.dir, r.dir+".gone"); err != nil {
		t.Fatal(err)
	}
	awaitHead(t, s, woken, func(_ git.Commit, err error) bool { return errors.Is(err, git.ErrNotFound) })
	if err := os.Rename(r.dir+".gone", r.dir); err != nil {
		t.Fatal(err)
	}
	awaitHead(t, s, woken, hash(r.head()))
	awaitHead(t, s, woken, hash(r.commit("a", "4", "fourth")))
	removeAll(t, filepath.Dir(r.dir)) // and the directory above it
	awaitHead(t, s, woken, func(_ git.Commit, err error) bool { return errors.Is(err, git.ErrNotFound) })
	if err := os.MkdirAll(filepath.Dir(r.dir), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, &r.clock, filepath.Dir(r.dir), "init", "-q", r.dir)
	awaitHead(t, s, woken, hash(r.commit("a", "5", "fifth")))
}

// git-sync and other tools switch a link from one checkout to the next.
func TestWatchALink(t *testing.T) {
	one, two := newRepo(t), newRepo(t)
	one.commit("a", "1", "first")
	want := two.commit("a", "2", "second")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(one.dir, link); err != nil {
		t.Fatal(err)
	}
	s := open(t, link, git.Options{PollInterval: 20 * time.Millisecond})
	head(t, s)
	woken := s.Watch(t.Context())
	if err := errors.Join(os.Symlink(two.dir, link+".new"), os.Rename(link+".new", link)); err != nil {
		t.Fatal(err)
	}
	awaitHead(t, s, woken, hash(want))
	awaitHead(t, s, woken, hash(two.commit("a", "3", "third")))
}

func TestWatchAPlainDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	write(t, filepath.Join(dir, "a.yaml"), "one")
	s := open(t, dir, eventsOnly)
	head(t, s)
	woken := s.Watch(t.Context())
	content := func(name, want string) func(git.Commit, error) bool {
		return func(c git.Commit, err error) bool {
			if err != nil {
				return false
			}
			data, err := os.ReadFile(filepath.Join(dir, name))
			return err == nil && string(data) == want && c.Hash != ""
		}
	}
	write(t, filepath.Join(dir, "a.yaml"), "two")
	awaitHead(t, s, woken, content("a.yaml", "two"))
	write(t, filepath.Join(dir, "new/dir/b.yaml"), "b")
	awaitHead(t, s, woken, content("new/dir/b.yaml", "b"))
	write(t, filepath.Join(dir, "new/dir/b.yaml"), "c")
	awaitHead(t, s, woken, content("new/dir/b.yaml", "c"))
	removeAll(t, dir)
	awaitHead(t, s, woken, func(_ git.Commit, err error) bool { return errors.Is(err, git.ErrNotFound) })
	write(t, filepath.Join(dir, "a.yaml"), "three")
	awaitHead(t, s, woken, content("a.yaml", "three"))
}

// A change that changes no state wakes nobody, because a run costs calls to the engine.
func TestWatchIsQuiet(t *testing.T) {
	r := newRepo(t)
	r.commit("a", "1", "first")
	s := open(t, r.dir, git.Options{PollInterval: 10 * time.Millisecond})
	looks := git.Looks(s)
	head(t, s)
	woken := s.Watch(t.Context())
	quiet := func(after string) {
		t.Helper()
		// A look that finds a change wakes the reader before the next look begins. One look may have begun before the change.
		began := looks.Load()
		eventually(t, "the watcher to look again", func() bool { return looks.Load() >= began+3 })
		if len(woken) != 0 {
			t.Errorf("woken after %s", after)
		}
	}
	quiet("nothing")
	r.write("a", "2")
	for _, args := range [][]string{
		{"add", "-A"}, {"status"}, {"branch", "other"}, {"tag", "v1"}, {"stash", "-q"}, {"pack-refs", "--all"}, {"gc", "-q"},
	} {
		r.git(args...)
		quiet("git " + args[0])
	}
	want := r.commit("a", "3", "second")
	eventually(t, "a wake-up", func() bool { return len(woken) == 1 })
	if got := head(t, s).Hash; got != want {
		t.Errorf("at %s, and the commit is %s", got, want)
	}
	// Until the reader asks for the head, each look wakes it. Nobody is woken for a head that was asked for.
	began := looks.Load()
	eventually(t, "the look during which the head was read to end", func() bool { return looks.Load() >= began+2 })
	<-woken
	quiet("a commit that was read")
}

// A watcher that has not looked before is woken at once. A reader that sleeps blocks nobody. The channel closes at
// the end.
func TestWatchStartsAndEnds(t *testing.T) {
	r := newRepo(t)
	r.commit("a", "1", "first")
	s := open(t, r.dir, eventsOnly)
	ctx, cancel := context.WithCancel(t.Context())
	woken, second := s.Watch(ctx), s.Watch(ctx)
	<-woken
	for i := range 5 {
		r.commit("a", string(rune('a'+i)), "more")
	}
	<-woken
	cancel()
	for range woken { // until it is closed
	}
	for range second {
	}
}

// Without file events, as on a network file system, watching is only slower.
func TestWatchWithoutEvents(t *testing.T) {
	r := newRepo(t)
	r.commit("a", "1", "first")
	s := open(t, r.dir, git.Options{PollInterval: 5 * time.Millisecond})
	git.WithoutEvents(s)
	head(t, s)
	woken := s.Watch(t.Context())
	awaitHead(t, s, woken, hash(r.commit("a", "2", "second")))
}

// The test renames the ref into place, as git does, so that no reader sees half of it.
func TestWatchWakesSoonAfterAChange(t *testing.T) {
	r := newRepo(t)
	r.commit("a", "1", "first")
	r.commit("a", "2", "second")
	s := open(t, r.dir, eventsOnly)
	head(t, s)
	woken := s.Watch(t.Context())
	first, second := r.git("rev-parse", "HEAD~1"), r.head()
	ref := filepath.Join(r.dir, ".git/refs/heads/main")
	best, soon := time.Hour, 10*time.Millisecond
	for i := 0; i < 1000 && best > soon; i++ { // on a busy machine many take longer, and not all
		want := []string{first, second}[i%2]
		write(t, ref+".lock", want+"\n")
		start := time.Now()
		if err := os.Rename(ref+".lock", ref); err != nil {
			t.Fatal(err)
		}
		awaitHead(t, s, woken, hash(want))
		best = min(best, time.Since(start))
	}
	t.Logf("from the ref to the commit in %s", best)
	if best > soon {
		t.Errorf("from the ref to the commit it takes at least %s", best)
	}
}
