package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/harness"
)

// beside is an apply of one service, through a proxy, and the lease of another instance.
type beside struct {
	*harness.Proxy
	other *state.Lease
	dir   string
}

func applyBeside(t *testing.T) beside {
	t.Helper()
	t.Setenv(paceVariable, "10")
	c := newCommandLine(t)
	p, err := harness.NewProxy(c.host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	b := beside{Proxy: p, dir: t.TempDir()}
	b.other = state.NewLease(state.LeaseOptions{Engine: c.engine, Instance: "another", Eager: true, Log: logr.Discard(), Pace: 10})
	for name, text := range map[string]string{
		".swarm-operator.yaml": "name: shop\n",
		"web.yaml":             "apiVersion: swarm-operator.io/v1\nkind: Service\nmetadata: {name: web}\nspec: {image: web:1, replicas: 0}\n",
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// one has a function see one call at a time.
func (b beside) one(see func(harness.Call) error) {
	var mu sync.Mutex
	b.Before(func(c harness.Call) error {
		mu.Lock()
		defer mu.Unlock()
		return see(c)
	})
}

// run applies, and returns the exit code and what was printed.
func (b beside) run(t *testing.T) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := run(t.Context(), []string{"apply", "--source", b.dir, "--host", b.Host()}, &out, &out)
	return code, out.String()
}

// Apply gives up after several tries in a row that failed, also if another instance acts between them. To wait for that
// instance is no success.
func TestApplyCountsTriesThatFailWhileAnotherInstanceActsInBetween(t *testing.T) {
	b := applyBeside(t)
	failed, turns := 0, 0
	acts, next := false, false // whether the other instance acts, and whether it is to do so from the next look on
	b.one(func(c harness.Call) error {
		switch {
		case c.Path == "/services/create" && failed < 2*tries:
			failed++
			next = true
			return &harness.Answer{Status: http.StatusServiceUnavailable, Message: "not now"}
		case c.Path != "/services":
			return nil
		case acts: // apply has waited, and looks again
			acts = false
			return b.other.Release(t.Context(), true)
		case next:
			next = false
			taken, err := b.other.Take(t.Context(), "another", nil)
			if acts = taken.Epoch > 0; acts {
				turns++
			}
			return err
		}
		return nil
	})
	code, said := b.run(t)
	if code != exitError || !strings.Contains(said, "giving up after 5 runs in a row that failed") || !strings.Contains(said, "another/") {
		t.Errorf("exit %d\n%s", code, said)
	}
	if failed != tries || turns != tries-1 {
		t.Errorf("%d tries failed, and the other instance acted %d times", failed, turns)
	}
}

// If another instance has acted since the plan was made, apply keeps the lease until the next plan. Otherwise an instance
// that is busy could make one plan after the other useless.
func TestApplyKeepsTheLeaseAfterAPlanThatAnotherInstanceMadeStale(t *testing.T) {
	b := applyBeside(t)
	turns := 0
	looked := false
	b.one(func(c harness.Call) error {
		switch {
		case c.Path == "/services":
			looked = true
		case looked && c.Lease() && c.Write(): // apply is about to take the lease
			looked = false
			// It is refused while apply has the lease.
			if taken, err := b.other.Take(t.Context(), "another", nil); err == nil && taken.Epoch != 0 {
				turns++
				return b.other.Release(t.Context(), false)
			}
		}
		return nil
	})
	if code, said := b.run(t); code != 0 {
		t.Errorf("exit %d\n%s", code, said)
	}
	if turns == 0 {
		t.Error("the other instance never acted")
	}
}

// A plan that others made stale counts as a failure only if nothing of it was done, and if nobody kept apply waiting before.
func TestWhichStalePlansCountAsFailures(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel() // so that apply does not rest
	for name, test := range map[string]struct {
		behind bool
		done   int
		stale  error
		fails  bool
	}{
		"nothing was done":                          {fails: true},
		"some steps were done":                      {done: 1},
		"another instance acted before":             {behind: true},
		"it did, and the engine refused a step too": {behind: true, stale: errChanging, fails: true},
	} {
		a := &applying{stale: test.stale, bounded: bounded{errors: tries - 1}}
		if err := a.outdated(over, test.behind, test.done); (err != nil) != test.fails {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Secrets that stay because nobody knows which volumes have them are counted, and old versions are not among them.
func TestSecretsThatStayUnseenAreCounted(t *testing.T) {
	change := func(name string, old bool) diff.Change {
		key := v1.Key{Kind: v1.KindSecret, Name: name}
		return diff.Change{Op: diff.Remove, Key: key, Instance: name, Have: &diff.State{Key: key, Instance: name, Meta: diff.Meta{Mine: true, OldVersion: old}}}
	}
	for want, changes := range map[string][]diff.Change{
		"a secret whose manifest is gone stays":   {change("a", false), change("b", true)},
		"2 secrets whose manifests are gone stay": {change("a", false), change("b", true), change("c", false)},
	} {
		p := plan.Build(changes, plan.Facts{Shares: true, Owned: 100, Unseen: "denied"}, plan.Policy{Source: "src", Budgets: plan.DefaultBudgets()})
		if got := unsureText(p); !strings.HasPrefix(got, want) {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}
