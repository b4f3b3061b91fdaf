package decide

import (
	"errors"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

// If a revision must wait for consent when it takes commits back, it also waits while nobody knows whether it does.
// Files have no history, so nobody is asked about them.
func TestWhatARevisionTakesBackMayNotBeKnown(t *testing.T) {
	broken, rewrote := errors.New("broken"), &state.Rewrite{From: "old", Commits: 2}
	for name, c := range map[string]struct {
		past         Past
		rewind, asks bool
		says         string // part of the text
		took         bool
		notices      int
	}{
		"nothing":                               {asks: true},
		"two commits":                           {past: Past{Taken: Compared{Rewrote: rewrote}}, says: rewrote.Text("new"), took: true},
		"two commits, and it asks":              {past: Past{Taken: Compared{Rewrote: rewrote}}, asks: true, says: rewrote.Text("new"), took: true},
		"an older revision":                     {past: Past{Older: true, TakenErr: broken, Taken: Compared{Rewrote: rewrote}}, rewind: true, asks: true},
		"it cannot be read":                     {past: Past{TakenErr: broken}},
		"it cannot be read, and it asks":        {past: Past{TakenErr: broken}, asks: true, says: "mend the repository, or approve the revision"},
		"a history that is cut off":             {past: Past{Taken: Compared{Unsaid: git.ErrShallow}}},
		"a history cut off, and it asks":        {past: Past{Taken: Compared{Unsaid: git.ErrShallow}}, asks: true, says: "git fetch --unshallow"},
		"files":                                 {past: Past{Taken: Compared{Unsaid: git.ErrNoHistory}}},
		"files, and it asks":                    {past: Past{Taken: Compared{Unsaid: git.ErrNoHistory}}, asks: true, notices: 1},
		"the one in force is gone, it asks":     {past: Past{OlderErr: git.ErrGone, Taken: Compared{Rewrote: &state.Rewrite{From: "old"}}}, asks: true, says: (&state.Rewrite{From: "old"}).Text("new"), took: true},
		"it cannot be read, whatever was known": {past: Past{TakenErr: broken, Taken: Compared{Rewrote: rewrote}}, asks: true, says: "it is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			run := from("old", "new")
			run.Past = c.past
			took, text := New(Policy{AskRewritten: c.asks}).Rewrote(run, c.rewind)
			if !strings.Contains(text, c.says) || (text == "") != (c.says == "") || (took != nil) != c.took || len(run.Notices) != c.notices {
				t.Errorf("it takes back %+v and says %q, with the notices %q", took, text, run.Notices)
			}
		})
	}
}

// People are told what a revision takes back while they must agree to it and, if they need not, until they do or another
// revision is in force.
func TestWhatPeopleAreToldOfCommitsTakenBack(t *testing.T) {
	took := func(hash string, agreed bool) []state.Entry {
		return []state.Entry{{Hash: hash, Rewrote: &state.Rewrite{From: "old", Commits: 2, Agreed: agreed}}}
	}
	agrees := plan.Consents{{Hazard: plan.Rewind}}
	for name, c := range map[string]struct {
		asking   bool // the operator must ask
		takes    string
		consents plan.Consents
		frozen   bool
		history  []state.Entry
		reason   string
		says     string
	}{
		"nothing was taken back":      {asking: true},
		"somebody must agree":         {asking: true, takes: "2 commits", frozen: true, reason: "NeedsConsent", says: "2 commits; nothing is written until somebody agrees: swarm-operator approve rewind --revision new --reason TEXT"},
		"somebody agreed":             {asking: true, takes: "2 commits", consents: agrees, history: took("new", true)},
		"somebody agreed to another":  {asking: true, takes: "2 commits", consents: plan.Consents{{Hazard: plan.Removals}}, frozen: true, reason: "NeedsConsent", says: "approve rewind --revision new --reason TEXT"},
		"nobody is asked":             {takes: "2 commits", history: took("new", false), reason: "TookCommitsBack", says: "swarm-operator approve rewind --revision new --reason TEXT"},
		"nobody is asked, and agrees": {takes: "2 commits", history: took("new", true)},
		"it may not act":              {takes: "2 commits", frozen: true, reason: "TakesCommitsBack", says: "2 commits"},
		"another one took them back":  {history: took("old", false)},
	} {
		t.Run(name, func(t *testing.T) {
			run, d := from("old", "new"), New(Policy{AskRewritten: c.asking})
			run.Facts.Rewritten, run.Frozen, run.Memory.History = c.takes, c.frozen, c.history
			run.asks = d.AsksRewritten(run, c.consents)
			reason, text := run.Rewritten()
			if !strings.Contains(text, c.says) || (text == "") != (c.says == "") || text != "" && reason != c.reason {
				t.Errorf("it says %s: %q, want %s: %q", reason, text, c.reason, c.says)
			}
		})
	}
}
