package reconciler

import (
	"testing"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests/git"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// from returns a run of the revision next while old is in force.
func from(old, next string) *Run {
	run := &Run{}
	run.Memory.InForce.Hash = old
	run.InForce.Hash = next
	return run
}

// The revision in force is read again only in the first run of a new one, and only if the swarm has lost an object or its
// labels. Later, nothing that is wanted is held any more.
func TestWhatTheRevisionInForceAskedForIsReadWhereItIsNeeded(t *testing.T) {
	repo, err := harness.NewRepo(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Write(map[string]string{"a.yaml": "apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: {name: held}\nspec: {image: app, replicas: three}\n"}); err != nil {
		t.Fatal(err)
	}
	old, err := repo.Commit("held")
	if err != nil {
		t.Fatal(err)
	}
	source, err := git.Open(t.Context(), repo.Dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	lost := []*diff.State{{Key: svc("web"), Meta: diff.Meta{Lost: true}}}
	for name, test := range map[string]struct {
		made    map[string]v1.Key
		wants   []*diff.State
		haves   []*diff.State
		inForce bool
		reads   bool
	}{
		"nothing is lost":                 {made: map[string]v1.Key{"1": svc("web")}, haves: []*diff.State{asks("web", "a")}, wants: []*diff.State{asks("web", "a")}},
		"an object is gone":               {made: map[string]v1.Key{"2": svc("other")}, wants: []*diff.State{asks("other", "a")}, reads: true},
		"nobody wants what's gone":        {made: map[string]v1.Key{"2": svc("other")}, wants: []*diff.State{asks("web", "a")}},
		"labels are gone":                 {haves: lost, reads: true},
		"labels are gone, in a later run": {haves: lost, inForce: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Options{Revisions: revisions.New(revisions.Options{Git: source, Path: ".", Log: logr.Discard()})})
			next := "new"
			if test.inForce {
				next = old
			}
			run := from(old, next)
			run.Index, run.Memory.Made, run.Wants.States, run.Haves = indexOf(there("1", "web")), test.made, test.wants, test.haves
			before := r.askBefore(t.Context(), run)
			if held := before.Withheld[svc("held")] != ""; held != test.reads || before.Withheld[svc("web")] != "" {
				t.Errorf("it was read: %t, held are %v", held, before.Withheld)
			}
		})
	}
}
