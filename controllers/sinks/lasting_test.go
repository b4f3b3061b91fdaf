//go:build linux

package sinks

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/swarm-operator/swarm-operator/api/config"
)

// An unlock key on a tmpfs would be gone when it is needed: after a restart.
func TestAFileThatARestartWouldTake(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "swarm-operator-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "key")
	for _, s := range []config.Sink{{File: path}, {Age: &config.AgeSink{File: path, Recipients: []string{x25519(t).Recipient().String()}}}} {
		says(t, s, proves(t, s), "a restart empties")
		says(t, s, delivers(t, s, secret()), "a restart empties")
		if n := entries(t, dir); n != 0 {
			t.Errorf("%d files are left", n)
		}
	}
	if err := delivers(t, file(path), secret()); err != nil {
		t.Errorf("it is meant: %v", err)
	}
}
