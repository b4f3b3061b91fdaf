// Package examples holds what users copy. Its test loads, validates and plans every example.
package examples

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/test/docs"
)

func TestEveryExampleIsPlanned(t *testing.T) {
	dirs, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	planned := 0
	for _, d := range dirs {
		if d.IsDir() {
			planned++
			t.Run(d.Name(), func(t *testing.T) { planAll(t, os.DirFS(d.Name())) })
		}
	}
	if planned < 5 {
		t.Fatalf("%d examples found", planned)
	}
}

func planAll(t *testing.T, files fs.FS) {
	t.Helper()
	p, err := docs.Plan(files)
	if err != nil {
		t.Fatal(err)
	}
	if text := p.Text(nil); strings.Contains(text, "demo-only-not-a-real-key") {
		t.Error("the plan shows a secret")
	}
}
