package git

import (
	"errors"

	"github.com/fsnotify/fsnotify"
)

// WithoutEvents makes the kernel's watches unavailable to a source.
func WithoutEvents(s *Source) {
	s.newWatcher = func() (*fsnotify.Watcher, error) { return nil, errors.New("no instances left") }
}

// Forget makes the source ask a remote again, however recently it did.
func Forget(s *Source) {
	r := s.backend.(*remote)
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	r.asked = r.asked.Add(-maxFresh)
}

// These are exported for tests of how locations are read and shown.
var (
	RedactURL = redactURL
	IsURL     = isURL
)
