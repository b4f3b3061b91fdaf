package sinks

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/files"
)

// kept is how many former secrets stay beside a file. The newest is FILE.1.
const kept = 5

func keep(s config.Sink) error {
	path := s.Path()
	if path == "" {
		return nil
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := foreign(path); err != nil {
		return err
	}
	for n := kept; n > 1; n-- {
		if err := os.Rename(old(path, n-1), old(path, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keeping what it had: %w", bare(err))
		}
	}
	if err := os.Link(path, old(path, 1)); err != nil {
		return fmt.Errorf("keeping what it had: %w", bare(err))
	}
	return nil
}

// bare leaves the paths out of an error.
func bare(err error) error {
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

func old(path string, n int) string { return fmt.Sprintf("%s.%d", path, n) }

// The operator replaces only files that it wrote. What it wrote is on record beside the file, as digests: a token or key
// cannot be guessed from its digest, because it is random. A file that somebody changed since is theirs.

// record returns where the digests of what the operator wrote to a path are.
func record(path string) string {
	sum := sha256.Sum256([]byte(filepath.Base(path))) // the path's own name may have the greatest length already
	return filepath.Join(filepath.Dir(path), ".swarm-operator-wrote-"+hex.EncodeToString(sum[:8]))
}

// largest is the greatest size of a file that the operator looks at, in bytes. Tokens and keys have a hundred.
const largest = 1 << 20

// foreign returns an error if something is at a path that the operator did not write.
func foreign(path string) error {
	if err := files.Replaceable(path); err != nil {
		return err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	data, err := files.Read(path, largest)
	if err != nil {
		return err
	}
	written, err := files.Read(record(path), largest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading which files the operator wrote: %w", err)
	}
	if !slices.Contains(strings.Fields(string(written)), sum(data)) {
		return errors.New("there is a file that the operator did not write, or that somebody changed since; move it away, or give the sink another path")
	}
	return nil
}

// replace writes the file of a sink, and replaces only one that the operator wrote. The record has the digests of the old
// and the new content before the file changes, so that a kill in between does not make the operator's own file foreign.
func replace(s config.Sink, data []byte, secret v1.Content) error {
	path := s.Path()
	if err := cmp.Or(lasting(s), foreign(path)); err != nil {
		return err
	}
	lines := []string{sum(data)}
	if before, err := files.Read(path, largest); err == nil {
		lines = append(lines, sum(before))
	}
	lines = append(lines, holding+sum(secret.Reveal()))
	if err := files.Write(record(path), []byte(strings.Join(lines, "\n")+"\n")); err != nil {
		return err
	}
	return files.Write(path, data)
}

// holding begins the line of a record that says which secret the file has, whatever the file looks like.
const holding = "secret:"

// holds returns an error if a file does not have the secret, by its record.
func holds(path string, secret v1.Content) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return errors.New("its file is gone")
	}
	if err := foreign(path); err != nil {
		return err
	}
	written, err := files.Read(record(path), largest)
	if err != nil {
		return err
	}
	lines := strings.Fields(string(written))
	data, err := files.Read(path, largest)
	if err != nil {
		return err
	}
	if !slices.Contains(lines, holding+sum(secret.Reveal())) || lines[0] != sum(data) {
		return errors.New("its file has another token or key")
	}
	return nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
