package sinks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// kept is how many former secrets stay beside a file. The newest is FILE.1.
const kept = 5

// Keep saves what a file holds now beside it. A manager that was down while the unlock key changed needs the former
// key. A program that gets secrets keeps them itself.
func Keep(s v1.Sink) error {
	path := ""
	switch {
	case s.File != nil:
		path = s.File.Path
	case s.Age != nil:
		path = s.Age.File
	}
	if path == "" {
		return nil
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for n := kept; n > 1; n-- {
		if err := os.Rename(old(path, n-1), old(path, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return named(s, fmt.Errorf("keeping what it had: %w", err))
		}
	}
	if err := os.Link(path, old(path, 1)); err != nil {
		return named(s, fmt.Errorf("keeping what it had: %w", err))
	}
	return nil
}

func old(path string, n int) string { return fmt.Sprintf("%s.%d", path, n) }
