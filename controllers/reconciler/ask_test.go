package reconciler

import (
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// The source is nil, so a question to it ends the test.
func TestARevisionInForceAsksGitForNothing(t *testing.T) {
	r := New(Options{})
	run := from("1", "1")
	if p := r.askGit(t.Context(), run); p.Commits != nil || p.Older || p.OlderErr != nil || p.TakenErr != nil || p.Taken.Rewrote != nil {
		t.Errorf("git says %+v", p)
	}
	run.Wants.States = []diff.State{asks("web", "a")}
	run.Haves = []diff.State{{Meta: diff.Meta{Lost: true}}}
	if before := r.askBefore(t.Context(), run); before.States != nil || before.Withheld != nil {
		t.Errorf("before, this was asked for: %+v", before)
	}
}

// The revision in force is read again only if the swarm has lost an object or its labels.
func TestWhatTheRevisionInForceAskedForIsReadWhereItIsNeeded(t *testing.T) {
	for name, test := range map[string]struct {
		made  map[string]v1.Key
		wants []diff.State
		haves []diff.State
		reads bool
	}{
		"nothing is lost":          {made: map[string]v1.Key{"1": svc("web")}, haves: []diff.State{asks("web", "a")}, wants: []diff.State{asks("web", "a")}},
		"an object is gone":        {made: map[string]v1.Key{"2": svc("other")}, wants: []diff.State{asks("other", "a")}, reads: true},
		"nobody wants what's gone": {made: map[string]v1.Key{"2": svc("other")}, wants: []diff.State{asks("web", "a")}},
		"labels are gone":          {haves: []diff.State{{Key: svc("web"), Meta: diff.Meta{Lost: true}}}, reads: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Options{})
			r.previous = &loaded{commit: git.Commit{Hash: "old"}, held: map[v1.Key]string{svc("held"): "why"}}
			run := from("old", "new")
			run.Index, run.Memory.Made, run.Wants.States, run.Haves = indexOf(there("1", "web")), test.made, test.wants, test.haves
			if held := r.askBefore(t.Context(), run).Withheld[svc("held")] != ""; held != test.reads {
				t.Errorf("it was read: %t", held)
			}
		})
	}
}
