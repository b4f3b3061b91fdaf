// Package small makes what the tests of one package run on: a swarm of one manager, and a source of a few files. Both
// end with the test.
package small

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/manifests/git"
	"github.com/swarm-operator/swarm-operator/sandbox"
)

// Swarm starts a swarm of one manager.
func Swarm(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	sb, err := sandbox.Start(t.Context(), sandbox.Options{Managers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sb.Close(); err != nil {
			t.Error(err)
		}
	})
	return sb
}

// Engine connects to the manager of a Swarm. It does not look at the docker config of this machine. observe is called
// once per call; nil means that nobody counts them.
func Engine(t testing.TB, sb *sandbox.Sandbox, observe func(engine.Call)) *engine.Client {
	t.Helper()
	c, err := engine.Open(engine.Options{Host: sb.Host("manager-1"), ConfigDir: t.TempDir(), Observe: observe})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Source opens a directory with these files.
func Source(t testing.TB, files map[string]string) *git.Source {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source, err := git.Open(t.Context(), dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return source
}
