// Package examples holds what users copy. Its test loads, validates and plans every example, and the manifests of the docs.
package examples

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
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

// TestManifestsOfTheDocsArePlanned keeps what people paste from the README true.
func TestManifestsOfTheDocsArePlanned(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, file := range []string{"../README.md", "../docs/guide.md"} {
		text, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		found := blocks.FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Fatalf("%s has no manifest", file)
		}
		for _, m := range found {
			planAll(t, fstest.MapFS{
				"manifest.yaml": {Data: []byte(m[1])}, "nginx.conf": {Data: []byte("events {}\n")},
				// what the excerpt refers to and does not show
				"rest.yaml": {Data: []byte("apiVersion: " + v1.APIVersion + "\nkind: Service\nmetadata: {name: api}\nspec: {image: example/api:1}\n")},
			})
		}
	}
}

func load(t *testing.T, files fs.FS) (entries []kinds.Entry) {
	t.Helper()
	set, problems := reconciler.NewLoader().Load(files, ".")
	for _, p := range problems {
		t.Error(p)
	}
	for _, e := range set.Entries {
		entries = append(entries, kinds.Entry{Object: e.Object, From: diff.From{File: e.File, Line: e.Line}})
	}
	return entries
}

func planAll(t *testing.T, files fs.FS) {
	t.Helper()
	entries := load(t, files)
	ix := kinds.NewIndex(nil, func(*kinds.Live) []kinds.Ref { return nil })
	wants := kinds.Expand(all.Kinds(), entries, ix, kinds.Source{Name: "examples", HashKey: []byte("key")}, nil)
	changes := diff.Compare(nil, wants.States, all.Rules)
	// What others make is taken to be there: an empty swarm has none of it.
	p := plan.Build(changes, plan.Facts{APIVersion: "1.56"}, plan.Policy{Source: "examples", Budgets: plan.DefaultBudgets()}, all.Guards()...)
	if len(p.Steps) == 0 {
		t.Fatal("nothing is planned")
	}
	for _, r := range p.Refused {
		if r.Class != plan.Later {
			t.Errorf("%s is refused by %s: %s", r.Key, r.Guard, r.Why)
		}
	}
	if text := p.Text(nil); strings.Contains(text, "demo-only-not-a-real-key") {
		t.Error("the plan shows a secret")
	}
}
