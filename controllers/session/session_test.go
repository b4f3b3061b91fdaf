package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/small"
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
	// poison is the function of the kind Service that panics, or "".
	poison atomic.Value
}

// kinds returns all kinds. Functions of the kind Service panic if they are poisoned, with a text that nobody may see.
func (w *works) kinds() kinds.Set {
	set := all.Kinds()
	taste := func(k kinds.Kind, function string) {
		if k.Name == "Service" && w.poison.Load() == function {
			panic("canary")
		}
	}
	for i := range set {
		k := set[i]
		set[i].List = func(ctx context.Context, c *engine.Client) ([]*kinds.Live, error) {
			taste(k, "List")
			return k.List(ctx, c)
		}
		set[i].Normalise = func(l *kinds.Live, ix *kinds.Index) v1.Object {
			taste(k, "Normalise")
			return k.Normalise(l, ix)
		}
		set[i].Do = func(ctx context.Context, env kinds.Env, s plan.Step) (kinds.Result, error) {
			taste(k, "Do")
			return k.Do(ctx, env, s)
		}
	}
	return set
}

func working(t *testing.T) *works {
	t.Helper()
	w := &works{}
	source := small.Source(t, map[string]string{"all.yaml": two})
	w.sandbox = small.Swarm(t)
	c := small.Engine(t, w.sandbox, func(c engine.Call) {
		if c.Route == "/tasks" {
			w.lists.Add(1)
		}
	})
	now := func() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }
	metrics := status.NewMetrics("v0", func() int { return 0 })
	w.Session = New(reconciler.New(reconciler.Options{
		Engine: c, Log: logr.Discard(), Now: now, Kinds: w.kinds(),
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

// synced is what objects returns once the session has made everything.
const synced = "Config/conf Synced Healthy, Service/web Synced Healthy"

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
	if got := objects(s); got != synced || s.Mode != "enforce" || s.Applied == "" {
		t.Errorf("it is %s of %+v", got, s)
	}
}

// questions is how often each caller of asked asks.
const questions = 20

// asked has eight callers ask for the status again and again, and checks their answers. It does not wait for them: the
// channel is closed after the last answer. Each caller calls before ahead of each question.
func (w *works) asked(t *testing.T, before func()) <-chan struct{} {
	t.Helper()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			last := uint64(0)
			for range questions {
				before()
				s := w.StatusNow(t.Context())
				ran := slices.ContainsFunc(s.Conditions, func(c status.Condition) bool { return c.Type == status.InSync })
				if s.Sequence < last || !ran || s.Applied == "" || objects(s) != synced {
					t.Errorf("after report %d it is %+v", last, s)
				}
				last = s.Sequence
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		all.Wait()
	}()
	return done
}

// Asking is safe while runs are under way, also if each question looks at the engine.
func TestAskingWhileRunsAreUnderWayIsSafe(t *testing.T) {
	w := working(t)
	w.run(t)
	w.lists.Store(0)
	asked := w.asked(t, w.later)
	for runs := 1; ; runs++ {
		if _, err := w.Reconcile(t.Context(), ""); err != nil {
			t.Error(err)
		}
		if runs%2 == 0 { // short and whole runs by turns
			w.NoticeAll()
		}
		select {
		case <-asked:
			// The engine is asked at least once for each question of one caller. The other callers may get what was seen.
			if looks := w.lists.Load(); looks < questions {
				t.Errorf("beside %d runs, tasks were listed %d times, want at least %d", runs, looks, questions)
			}
			return
		default:
		}
	}
}

// Asking often costs the engine little, and each run publishes one report meanwhile.
func TestAskingOftenCostsTheEngineLittle(t *testing.T) {
	w := working(t)
	w.run(t)
	w.lists.Store(0)
	begin, first := time.Now(), w.conditions.Report().Sequence
	asked := w.asked(t, func() {})
	for i := range uint64(5) {
		if _, err := w.Reconcile(t.Context(), ""); err != nil {
			t.Error(err)
		}
		if got := w.conditions.Report().Sequence; got != first+i+1 {
			t.Errorf("after run %d, %d reports were published", i+1, got-first)
		}
		w.NoticeAll()
	}
	<-asked
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

// A panic costs one run, wherever it happens: while the swarm is read, beside the run, or while a live object is brought
// into normal form, on another core. The status says so until a run ends without one, and the next run starts afresh.
func TestAPanicCostsOneRun(t *testing.T) {
	for _, function := range []string{"List", "Normalise"} {
		t.Run(function, func(t *testing.T) {
			w := working(t)
			w.poison.Store(function)
			var fault *rescue.Panic
			for range 5 { // there is nothing to bring into normal form before the first run has made it
				err := rescue.Do(func() error {
					_, err := w.Reconcile(t.Context(), "")
					return err
				})
				if fault, _ = errors.AsType[*rescue.Panic](err); fault != nil {
					break
				}
			}
			if fault == nil || !strings.Contains(fault.Stack, "works).kinds") {
				t.Fatalf("the panic came out as %v", fault)
			}
			if is, failed := w.conditions.Report().Is(status.StepFailed); !failed || is.Reason != "Panicked" {
				t.Errorf("StepFailed is %+v", is)
			}
			w.poison.Store("")
			w.run(t)
			w.later()
			if got := objects(w.StatusNow(t.Context())); got != "Config/conf Synced Healthy, Service/web Synced Healthy" {
				t.Errorf("after the panic it is %s", got)
			}
			if is, failed := w.conditions.Report().Is(status.StepFailed); failed {
				t.Errorf("StepFailed is still %+v", is)
			}
		})
	}
}

// A panic in a step is the error of that step. It shows no value.
func TestAPanicInAStepIsTheStepsError(t *testing.T) {
	w := working(t)
	w.poison.Store("Do")
	_, err := w.Reconcile(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "create of Service/web: a fault in swarm-operator (string)") || strings.Contains(err.Error(), "canary") {
		t.Errorf("the run says %v", err)
	}
	w.poison.Store("")
	w.later()
	w.run(t)
	if is, failed := w.conditions.Report().Is(status.StepFailed); failed {
		t.Errorf("StepFailed is still %+v", is)
	}
}

// A run that is told to stop has found out nothing, so no condition changes.
func TestAStopIsNoFault(t *testing.T) {
	w := working(t)
	w.run(t)
	before := w.conditions.Report().Conditions
	stopped, stop := context.WithCancel(t.Context())
	stop()
	w.NoticeAll()
	if _, err := w.Reconcile(stopped, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("the run says %v", err)
	}
	if after := w.conditions.Report().Conditions; !slices.Equal(before, after) {
		t.Errorf("the conditions were\n%+v\nand are\n%+v", before, after)
	}
}

// An engine that can be read and takes no writes is not ready, for as long as that is so. Otherwise each run would
// report two changes, and nobody would look for another manager.
func TestAnEngineThatTakesNoWritesIsNotReady(t *testing.T) {
	w := working(t)
	mend := w.sandbox.Inject(sandbox.Fault{Method: "POST", Status: 403, Message: "read only"})
	var since time.Time
	for i := range 3 {
		if _, err := w.Reconcile(t.Context(), ""); err == nil {
			t.Fatal("a run could write")
		}
		is, ready := w.conditions.Report().Is(status.EngineReady)
		if ready || i > 0 && !is.Since.Equal(since) {
			t.Errorf("after run %d EngineReady is %+v, and was not true since %s", i, is, since)
		}
		since = is.Since
		w.later()
		w.NoticeAll()
	}
	mend()
	w.run(t)
	if is, ready := w.conditions.Report().Is(status.EngineReady); !ready {
		t.Errorf("EngineReady is still %+v", is)
	}
}

// An instance that waits for the lease leaves what there is to write to the one that holds it. That its own engine took no
// write before is then no reason not to be ready.
func TestAnInstanceThatWaitsForTheLeaseIsReady(t *testing.T) {
	w := working(t)
	mend := w.sandbox.Inject(sandbox.Fault{Method: "POST", Status: 403, Message: "read only"})
	if _, err := w.Reconcile(t.Context(), ""); err == nil {
		t.Fatal("a run could write")
	}
	if is, ready := w.conditions.Report().Is(status.EngineReady); ready {
		t.Fatalf("EngineReady is %+v", is)
	}
	mend()
	c, err := engine.Open(engine.Options{Host: w.sandbox.Host("manager-1")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	other := state.NewLease(state.LeaseOptions{Engine: c, Instance: "another", Log: logr.Discard()})
	other.Saw(nil) // nobody has ever acted on this swarm
	if taken, err := other.Take(t.Context(), "another", nil); err != nil || taken.Epoch == 0 {
		t.Fatalf("the other instance gets %+v, %v", taken, err)
	}
	defer func() { _ = other.Release(t.Context(), true) }()
	w.later()
	w.NoticeAll()
	if _, err := w.Reconcile(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if is, waits := w.conditions.Report().Is(status.Standby); !waits {
		t.Errorf("Standby is %+v", is)
	}
	if is, ready := w.conditions.Report().Is(status.EngineReady); !ready {
		t.Errorf("EngineReady is %+v", is)
	}
}
