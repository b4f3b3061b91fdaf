package session

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/manifests/git"
	"github.com/swarm-operator/swarm-operator/sandbox"
)

const two = `apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: web}
spec: {image: "app:1", replicas: 0}
---
apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: conf}
spec: {data: one}
`

// lookEvery is the constant of that name in package report: for people who ask for the status, the engine is asked at
// most once in this time.
const lookEvery = time.Second

// works is a session on a swarm of its own, with a clock that can be moved on.
type works struct {
	*Session
	sandbox *sandbox.Sandbox
	skew    atomic.Int64
	lists   atomic.Int64 // how often tasks were listed
}

func working(t *testing.T) *works {
	t.Helper()
	w := &works{}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(two), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := git.Open(t.Context(), dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	if w.sandbox, err = sandbox.Start(t.Context(), sandbox.Options{Managers: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.sandbox.Close() })
	c, err := engine.Open(engine.Options{Host: w.sandbox.Host("manager-1"), Observe: func(c engine.Call) {
		if c.Route == "/tasks" {
			w.lists.Add(1)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	now := func() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }
	metrics := status.NewMetrics("v0", func() int { return 0 })
	w.Session = New(reconciler.New(reconciler.Options{
		Engine: c, Log: logr.Discard(), Now: now,
		Revisions: revisions.New(revisions.Options{Git: source, Path: ".", Fallback: true, Log: logr.Discard()}),
	}), status.NewBoard("here", "enforce", metrics, logr.Discard(), now), metrics, logr.Discard(), now)
	return w
}

// later moves the clock on, so that the next look asks the engine.
func (w *works) later() { w.skew.Add(int64(2 * lookEvery)) }

// run does runs until one finds nothing left to do.
func (w *works) run(t *testing.T) {
	t.Helper()
	for i := 0; ; i++ {
		again, err := w.Reconcile(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if again.RequeueAfter == 0 || again.RequeueAfter > time.Second {
			return
		}
		if i > 20 {
			t.Fatal("there is always something left to do")
		}
	}
}

// objects renders what is said of each object, without messages.
func objects(s status.Status) string {
	var out []string
	for _, o := range s.Objects {
		out = append(out, fmt.Sprintf("%s %s %s", o.Object, o.Sync, o.Health))
	}
	return strings.Join(out, ", ")
}

// A session makes what git asks for, and then says so.
func TestASessionMakesWhatGitAsksFor(t *testing.T) {
	w := working(t)
	if s := w.StatusNow(t.Context()); s.Location != "here" || s.Objects == nil || len(s.Objects) > 0 {
		t.Errorf("before the first run it is %+v", s)
	}
	w.run(t)
	w.later()
	s := w.StatusNow(t.Context())
	if got := objects(s); got != "Config/conf Synced Healthy, Service/web Synced Healthy" || s.Mode != "enforce" || s.Applied == "" {
		t.Errorf("it is %s of %+v", got, s)
	}
}

// Asking while runs are under way is safe, and asking often costs the engine little.
func TestTheStatusOfASessionThatWorks(t *testing.T) {
	w := working(t)
	w.run(t)
	w.lists.Store(0)
	begin, first := time.Now(), w.conditions.Report().Sequence
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			last := uint64(0)
			for range 20 {
				s := w.StatusNow(t.Context())
				ran := slices.ContainsFunc(s.Conditions, func(c status.Condition) bool { return c.Type == status.InSync })
				if s.Sequence < last || !ran || s.Applied == "" {
					t.Errorf("after report %d it is %+v", last, s)
				}
				last = s.Sequence
			}
		})
	}
	for i := range uint64(5) {
		if _, err := w.Reconcile(t.Context(), ""); err != nil {
			t.Error(err)
		}
		if got := w.conditions.Report().Sequence; got != first+i+1 {
			t.Errorf("after run %d, %d reports were published", i+1, got-first)
		}
		w.NoticeAll()
	}
	all.Wait()
	if most := 1 + int64(time.Since(begin)/lookEvery); w.lists.Load() > most {
		t.Errorf("tasks were listed %d times, more than %d", w.lists.Load(), most)
	}
}

// A run that fails publishes one report too. While the engine cannot be reached, the status shows what is known of the
// objects. If a caller goes away before it gets the status, its error does not appear in the next caller's status.
func TestStatusWithoutAnEngineShowsWhatIsKnown(t *testing.T) {
	w := working(t)
	w.run(t)
	if err := w.sandbox.Close(); err != nil {
		t.Fatal(err)
	}
	before := w.conditions.Report().Sequence
	w.NoticeAll()
	if _, err := w.Reconcile(t.Context(), ""); err == nil || w.conditions.Report().Sequence != before+1 {
		t.Errorf("a run without an engine: %v, and %d reports", err, w.conditions.Report().Sequence-before)
	}
	w.later()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w.StatusNow(gone)
	s := w.StatusNow(t.Context())
	if got := objects(s); got != "Config/conf Synced Unknown, Service/web Synced Unknown" || len(s.Notices) != 1 || strings.Contains(s.Notices[0], context.Canceled.Error()) {
		t.Errorf("without an engine it is %s, with the notices %q", got, s.Notices)
	}
	if is, ready := w.conditions.Report().Is(status.EngineReady); ready || is.Reason != "Unavailable" {
		t.Errorf("EngineReady is %+v", is)
	}
}

// A run that panics leaves a word in the status.
func TestASessionSaysThatARunPanicked(t *testing.T) {
	w := working(t)
	w.run(t)
	w.Reconciler = nil
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it did not panic")
			}
		}()
		_, _ = w.Reconcile(t.Context(), "")
	}()
	if is, failed := w.conditions.Report().Is(status.StepFailed); !failed || is.Reason != "Panicked" {
		t.Errorf("StepFailed is %+v", is)
	}
}
