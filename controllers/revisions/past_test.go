package revisions

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/manifests/git"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// histories makes a repository with two revisions, of which the second follows the first. A third takes the second
// back.
func histories(t *testing.T) (repo *harness.Repo, first, second, third string) {
	t.Helper()
	repo, err := harness.NewRepo(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	commit := func(message string) string {
		hash, commitErr := "", repo.Write(map[string]string{"a.yaml": message})
		if commitErr == nil {
			hash, commitErr = repo.Commit(message)
		}
		if commitErr != nil {
			t.Fatal(commitErr)
		}
		return hash
	}
	first, second = commit("first"), commit("second")
	if err := repo.Reset(first); err != nil {
		t.Fatal(err)
	}
	return repo, first, second, commit("third")
}

// from returns a run of the revision next while old is in force.
func from(old, next string) *decide.Decision {
	run := &decide.Decision{}
	run.Memory.InForce.Hash = old
	run.InForce.Hash = next
	return run
}

// rewrites asks git, and returns what a run makes of the answer.
func rewrites(t *testing.T, r *Reader, d *decide.Decider, run *decide.Decision) (*state.Rewrite, string) {
	t.Helper()
	run.Past = r.Past(t.Context(), run.Memory.InForce.Hash, run.InForce)
	return d.Rewrote(run, false)
}

// While a repository cannot be read, a revision waits for consent as if it took commits back, if consent is asked for
// at all. Each run looks again.
func TestWhatIsNotKnownOfAHistoryWaitsForConsent(t *testing.T) {
	repo, first, second, third := histories(t)
	object := filepath.Join(repo.Dir, ".git", "objects", second[:2], second[2:])
	whole, err := os.ReadFile(object)
	if err != nil {
		t.Fatal(err)
	}
	damage := func(data []byte) {
		t.Helper()
		if err := os.Remove(object); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(object, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage([]byte("no object"))
	source, err := git.Open(t.Context(), repo.Dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	for _, asks := range []bool{false, true} {
		r, d := New(Options{Git: source}), decide.New(decide.Policy{AskRewritten: asks})
		run := from(second, third)
		var rewrote *state.Rewrite
		rewrote, run.Facts.Rewritten = rewrites(t, r, d, run)
		if rewrote != nil || d.AsksRewritten(run, nil) != asks {
			t.Errorf("asks %t: takes back %+v, %q", asks, rewrote, run.Facts.Rewritten)
		}
		for _, part := range []string{"it is not known whether", third[:10], second[:10], "approve"} {
			if strings.Contains(run.Facts.Rewritten, part) != asks {
				t.Errorf("asks %t: the text is %q", asks, run.Facts.Rewritten)
			}
		}
		run = from(first, third)
		if rewrote, text := rewrites(t, r, d, run); rewrote != nil || text != "" {
			t.Errorf("asks %t: of what can be read: %+v, %q", asks, rewrote, text)
		}
	}

	r, d := New(Options{Git: source}), decide.New(decide.Policy{AskRewritten: true})
	run := from(second, third)
	if _, text := rewrites(t, r, d, run); text == "" {
		t.Error("nothing is asked while it cannot be read")
	}
	damage(whole)
	rewrote, text := rewrites(t, r, d, run)
	if rewrote == nil || rewrote.Commits != 1 || !strings.Contains(text, `takes 1 commit back: "second"`) {
		t.Errorf("when it is mended: %+v, %q", rewrote, text)
	}
}

// A question that no history will ever answer holds nothing up, because a directory has no history.
func TestWhatAHistoryNeverSaysHoldsNothing(t *testing.T) {
	dir := t.TempDir()
	source, err := git.Open(t.Context(), dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	r, d := New(Options{Git: source}), decide.New(decide.Policy{AskRewritten: true})
	old, next := strings.Repeat("1", 40), strings.Repeat("2", 40)
	for range 2 {
		run := from(old, next)
		rewrote, text := rewrites(t, r, d, run)
		if rewrote != nil || text != "" || len(run.Notices) != 1 || !strings.Contains(run.Notices[0], "nobody is asked") {
			t.Errorf("takes back %+v, %q, notices %q", rewrote, text, run.Notices)
		}
	}
	if !errors.Is(r.compared.Unsaid, git.ErrNoHistory) {
		t.Errorf("it is not on record why: %v", r.compared.Unsaid)
	}
}

// The source is nil, so a question to it ends the test.
func TestARevisionInForceAsksGitForNothing(t *testing.T) {
	p := New(Options{}).Past(t.Context(), "1", git.Commit{Hash: "1"})
	if p.Commits != nil || p.Older || p.OlderErr != nil || p.TakenErr != nil || p.Taken.Rewrote != nil {
		t.Errorf("git says %+v", p)
	}
}
