package git

import (
	"errors"
	"testing"

	"github.com/fsnotify/fsnotify"
)

// WithoutEvents makes the kernel's watches unavailable for a test.
func WithoutEvents(t *testing.T) {
	newWatcher = func() (*fsnotify.Watcher, error) { return nil, errors.New("no instances left") }
	t.Cleanup(func() { newWatcher = fsnotify.NewWatcher })
}
