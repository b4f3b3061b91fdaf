package revisions

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
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
	run.Past = r.Past(t.Context(), run.Memory, run.InForce)
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
	m := state.Memory{InForce: state.Revision{Hash: "1"}, Origin: state.Origin{Place: "/srv"}}
	p := New(Options{}).Past(t.Context(), m, git.Commit{Hash: "1"})
	if p.Commits != nil || p.Older || p.OlderErr != nil || p.TakenErr != nil || p.Taken.Rewrote != nil || p.Origin != nil || p.First != nil {
		t.Errorf("git says %+v", p)
	}
	m.Origin = state.Origin{} // it is not asked by who only looks, either
	if p := New(Options{Observe: true}).Past(t.Context(), m, git.Commit{Hash: "1"}); p.First != nil {
		t.Errorf("git says %+v", p)
	}
}

// What git says of where a revision begins, for a source that began in different ways.
func TestWhereARevisionBeginsIsAsked(t *testing.T) {
	repo, first, second, third := histories(t)
	other, err := harness.NewRepo(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	unrelated, err := other.Commit("unrelated")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	opened := func(location string) *git.Source {
		s, err := git.Open(t.Context(), location, git.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	began := func(hash string) state.Origin { return state.Origin{Roots: []string{hash}} }
	cut := func(hash string) state.Origin { return state.Origin{Roots: []string{hash}, Cut: true} }
	gone := strings.Repeat("1", 40)
	for _, c := range []struct {
		name     string
		location string
		next     string // "" for the newest
		inForce  string
		origin   state.Origin
		observe  bool
		met      string   // the commit that was met
		begins   []string // where it begins, if it met none
		first    []string // what is to be remembered
	}{
		{name: "first used", location: repo.Dir, next: third, first: []string{first}},
		{name: "first used by who only looks", location: repo.Dir, next: third, observe: true},
		{name: "a memory of before", location: repo.Dir, next: second, inForce: second, first: []string{first}},
		{name: "a memory of before, and a new commit", location: repo.Dir, next: second, inForce: first, first: []string{first}},
		{name: "the next commit", location: repo.Dir, next: second, inForce: first, origin: began(first)},
		{name: "an earlier commit", location: repo.Dir, next: first, inForce: second, origin: began(first)},
		{name: "a rewritten history", location: repo.Dir, next: third, inForce: second, origin: began(first), met: first},
		{name: "the revision in force is gone", location: repo.Dir, next: third, inForce: gone, origin: began(first), met: first},
		{name: "nothing is in force", location: repo.Dir, next: third, origin: began(first), met: first},
		{name: "another repository", location: other.Dir, next: unrelated, inForce: third, origin: began(first), begins: []string{unrelated}, first: []string{unrelated}},
		{name: "another repository, for who only looks", location: other.Dir, next: unrelated, inForce: third, origin: began(first), observe: true, begins: []string{unrelated}, first: []string{unrelated}},
		{name: "another repository, and nothing is in force", location: other.Dir, next: unrelated, origin: began(first), begins: []string{unrelated}, first: []string{unrelated}},
		{name: "a shallow clone was first, and all is there now", location: repo.Dir, next: third, inForce: second, origin: cut(first), met: first, first: []string{first}},
		{name: "a shallow clone was first, and the next commit", location: repo.Dir, next: second, inForce: first, origin: cut(first), first: []string{first}},
		{name: "a directory became a repository", location: repo.Dir, next: third, inForce: "files-1", origin: state.Origin{Place: repo.Dir}, begins: []string{first}, first: []string{first}},
		{name: "a directory", location: dir, inForce: "files-1", origin: state.Origin{Place: dir}, begins: []string{}, first: []string{}},
		{name: "a repository became a directory", location: dir, inForce: third, origin: began(first), begins: []string{}, first: []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(Options{Git: opened(c.location), Observe: c.observe})
			next := git.Commit{Hash: c.next}
			if c.next == "" {
				if next, err = r.Git.Head(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			m := state.Memory{InForce: state.Revision{Hash: c.inForce}, Origin: c.origin}
			for range 2 { // the second answer is that of before
				p := r.Past(t.Context(), m, next)
				switch {
				case p.OriginErr != nil || (p.Origin != nil) != (c.met != "" || c.begins != nil):
					t.Fatalf("git says %+v, %v", p.Origin, p.OriginErr)
				case p.Origin != nil && (p.Origin.Met != c.met || !slices.Equal(p.Origin.Roots, c.begins)):
					t.Errorf("it meets %q and begins with %q, want %q and %q", p.Origin.Met, p.Origin.Roots, c.met, c.begins)
				case (p.First != nil) != (c.first != nil) || p.First != nil && !slices.Equal(p.First.Roots, c.first):
					t.Errorf("to be remembered is %+v, want %q", p.First, c.first)
				}
			}
		})
	}
}

// A repository that cannot be read does not tell, until it can.
func TestWhereADamagedRevisionBeginsIsAskedAgain(t *testing.T) {
	repo, first, second, third := histories(t)
	root := filepath.Join(repo.Dir, ".git", "objects", first[:2], first[2:])
	whole, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	source, err := git.Open(t.Context(), repo.Dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	r := New(Options{Git: source})
	another := state.Memory{InForce: state.Revision{Hash: second}, Origin: state.Origin{Roots: []string{strings.Repeat("1", 40)}}}
	if p := r.Past(t.Context(), another, git.Commit{Hash: third}); p.OriginErr == nil || p.First != nil {
		t.Errorf("git says %+v, %v", p.Origin, p.OriginErr)
	}
	if p := r.Past(t.Context(), state.Memory{}, git.Commit{Hash: third}); p.First != nil || p.OriginErr != nil {
		t.Errorf("to be remembered is %+v, %v", p.First, p.OriginErr)
	}
	if err := os.WriteFile(root, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if p := r.Past(t.Context(), another, git.Commit{Hash: third}); p.OriginErr != nil || p.Origin == nil || !slices.Equal(p.Origin.Roots, []string{first}) {
		t.Errorf("when it is mended, git says %+v, %v", p.Origin, p.OriginErr)
	}
}
