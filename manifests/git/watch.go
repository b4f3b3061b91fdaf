package git

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// maxWatched bounds the directories that are watched: the kernel's watches are few and shared by all processes.
const maxWatched = 4096

// Watch returns a channel that receives something whenever the source's state is another one than Head returned last,
// errors included, until ctx ends and it is closed. It never blocks on a reader: what was not taken yet says enough.
func (s *Source) Watch(ctx context.Context) <-chan struct{} {
	w := &watcher{source: s, out: make(chan struct{}, 1), watched: map[string]os.FileInfo{}}
	// Watching begins before Watch returns: nothing that is changed after it goes unseen.
	w.events, _ = s.newWatcher() // nil: no instances left; polling does without
	w.follow()
	go w.run(ctx)
	return w.out
}

// watcher wakes up by file events, and looks now and then by itself: where no events come (another machine's writes to
// a network file system, no watches left, a directory that was replaced), it is only slower.
type watcher struct {
	source   *Source
	out      chan struct{}
	events   *fsnotify.Watcher
	watched  map[string]os.FileInfo
	relevant func(path string) bool
	blind    bool // not all directories are watched
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

// wait returns when the state is worth a look, or false when the context has ended.
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
		case _, ok := <-lost: // the queue was full: events are missing
			return ok
		case <-poll.C:
			return true
		}
	}
}

// eventPause looks seldom where events come.
func eventPause(poll time.Duration, blind bool) time.Duration {
	if blind {
		return poll
	}
	return 5 * poll
}

// settle waits until no event has come for a while: an editor or a copy writes files in several steps.
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

// look compares the state with what Head returned last.
func (w *watcher) look(ctx context.Context) {
	if state := w.source.state(ctx); ctx.Err() != nil || state == w.source.lastSeen() {
		return
	}
	select {
	case w.out <- struct{}{}:
	default:
	}
}

// follow watches the directories that matter now and no others. A directory made before its parent was watched came
// with no event, so it looks again until it has seen all.
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

// forget ends the watches of directories that do not matter any more, or are not the ones that were watched.
func (w *watcher) forget(dirs []string) {
	wanted, alive := set(dirs), set(w.events.WatchList())
	for dir, was := range w.watched {
		now, err := os.Stat(dir)
		if err != nil || !os.SameFile(was, now) || !wanted[dir] || !alive[filepath.Clean(dir)] {
			_ = w.events.Remove(dir) // it may be gone already
			delete(w.watched, dir)
		}
	}
}

// add watches directories and says whether there was a new one.
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
