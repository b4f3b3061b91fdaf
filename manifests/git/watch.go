package git

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/swarm-operator/swarm-operator/controllers/rescue"
)

// maxWatched bounds the number of watched directories, because the kernel's watches are few and all processes share
// them.
const maxWatched = 4096

// Watch returns a channel that receives a value whenever the source's state differs from the one at the last call of
// Head. Errors count as states. The channel is closed when ctx ends. Watch never blocks on a slow reader: one value
// that waits is enough.
func (s *Source) Watch(ctx context.Context) <-chan struct{} {
	w := &watcher{source: s, out: make(chan struct{}, 1), watched: map[string]os.FileInfo{}}
	// Watching begins before Watch returns, so that no later change goes unseen.
	w.events, _ = s.newWatcher() // nil if the system has no watcher left; polling works without one
	w.follow()
	go rescue.Clean(func() { w.run(ctx) })()
	return w.out
}

// watcher reacts to file events, and also looks from time to time. Events may be missing: another machine writes to a
// network file system, no watches are left, or a directory was replaced. The watcher is then only slower.
type watcher struct {
	source   *Source
	out      chan struct{}
	events   *fsnotify.Watcher
	watched  map[string]os.FileInfo
	relevant func(path string) bool
	blind    bool // true if not all directories are watched
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.out)
	if w.events != nil {
		defer func() { _ = w.events.Close() }()
	}
	for w.look(ctx); w.wait(ctx); w.look(ctx) {
		w.follow()
	}
}

// wait returns true when the state is worth a look, or false when the context has ended.
func (w *watcher) wait(ctx context.Context) bool {
	var events chan fsnotify.Event
	var lost chan error
	if w.events != nil {
		events, lost = w.events.Events, w.events.Errors
	}
	poll := time.NewTimer(w.source.pause(w.source.poll, w.events == nil || w.blind))
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case e := <-events:
			if w.relevant(e.Name) {
				w.settle(ctx, events)
				return ctx.Err() == nil
			}
		case _, ok := <-lost: // the queue was full, so events are missing
			return ok
		case <-poll.C:
			return true
		}
	}
}

// eventPause returns a longer pause if events come.
func eventPause(poll time.Duration, blind bool) time.Duration {
	if blind {
		return poll
	}
	return 5 * poll
}

// settle waits until no event has come for a while, because an editor or a copy writes files in several steps.
func (w *watcher) settle(ctx context.Context, events chan fsnotify.Event) {
	quiet := w.source.quiet()
	if quiet == 0 {
		return
	}
	for end := time.After(20 * quiet); ; {
		select {
		case <-events:
			continue
		case <-time.After(quiet):
		case <-end:
		case <-ctx.Done():
		}
		return
	}
}

// look compares the state with the one at the last call of Head, and wakes the reader if they differ.
func (w *watcher) look(ctx context.Context) {
	if state := w.source.state(ctx); ctx.Err() != nil || state == w.source.lastSeen() {
		return
	}
	select {
	case w.out <- struct{}{}:
	default:
	}
}

// follow watches the directories that matter now, and no others. A directory made before its parent was watched
// caused no event. So follow repeats until it has seen all.
func (w *watcher) follow() {
	for range 10 {
		var dirs []string
		dirs, w.relevant = w.source.watched()
		w.blind = len(dirs) > maxWatched
		if w.events == nil {
			return
		}
		dirs = dirs[:min(len(dirs), maxWatched)]
		w.forget(dirs)
		if !w.add(dirs) {
			return
		}
	}
}

// forget ends the watches of directories that no longer matter, or that were replaced.
func (w *watcher) forget(dirs []string) {
	wanted, alive := set(dirs), set(w.events.WatchList())
	for dir, was := range w.watched {
		now, err := os.Stat(dir)
		if err != nil || !os.SameFile(was, now) || !wanted[dir] || !alive[filepath.Clean(dir)] {
			_ = w.events.Remove(dir) // it may have gone already
			delete(w.watched, dir)
		}
	}
}

// add watches directories and reports whether one of them was new.
func (w *watcher) add(dirs []string) (news bool) {
	for _, dir := range dirs {
		if w.watched[dir] != nil {
			continue
		}
		info, err := os.Stat(dir)
		if err == nil {
			err = w.events.Add(dir)
		}
		if err != nil {
			w.blind = true
			continue
		}
		w.watched[dir] = info
		news = true
	}
	return news
}

func set(names []string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, name := range names {
		out[name] = true
	}
	return out
}
