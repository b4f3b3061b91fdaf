package reconciler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

const fewer = `apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: web}
spec: {image: "app:1", replicas: 0, environment: {DB_PASSWORD: canary-4711}}
---
apiVersion: swarm-operator.io/v1
kind: Config
metadata: {name: conf}
spec: {data: one}
`

// objects renders what is said of each object, without messages.
func objects(s status.Status) string {
	var out []string
	for _, o := range s.Objects {
		replicas := ""
		if o.Replicas != nil {
			replicas = fmt.Sprintf(" %d/%d", o.Replicas.Running, o.Replicas.Wanted)
		}
		out = append(out, fmt.Sprintf("%s %s %s%s", o.Object, o.Sync, o.Health, replicas))
	}
	return strings.Join(out, ", ")
}

func (h *hands) service(name string) *engine.Listed {
	h.Helper()
	all, err := h.c.ServiceList(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s *engine.Listed) bool { return s.Spec.Name == name })
	if i < 0 {
		h.Fatalf("there is no service %s", name)
	}
	return all[i]
}

// change writes another value into a variable that looks secret.
func (h *hands) change(name string) {
	h.Helper()
	s := h.service(name)
	spec := s.Spec
	c := *spec.TaskTemplate.ContainerSpec
	c.Env = []string{"DB_PASSWORD=canary-by-hand"}
	spec.TaskTemplate.ContainerSpec = &c
	if _, err := h.c.ServiceUpdate(h.Context(), s.ID, engine.ServiceUpdate{Version: s.Version, Spec: spec}); err != nil {
		h.Fatal(err)
	}
}

func TestTheStatusOfARun(t *testing.T) {
	r := steady(t, fewer)
	look := func() status.Status {
		t.Helper()
		run, err := r.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Status(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf("%+v", s); strings.Contains(text, "canary") {
			t.Errorf("it shows a secret: %s", text)
		}
		return s
	}
	s := look()
	if got := objects(s); got != "Config/conf Synced Healthy, Service/web Synced Healthy 0/0" {
		t.Errorf("in sync, the objects are %s", got)
	}
	if s.Source != DefaultName || s.Applied == "" || s.Applied != s.Revision || s.Lease == nil || len(s.Drift)+len(s.Rollouts) > 0 {
		t.Errorf("in sync, the status is %+v", s)
	}
	h := &hands{T: t, c: r.Engine}
	h.change("web")
	if _, err := state.AddHold(t.Context(), r.Engine, "Service/web", "a dump runs", "ada", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := state.AddHold(t.Context(), r.Engine, "Service/other", "not ours", "ada", time.Time{}); err != nil {
		t.Fatal(err)
	}
	s = look()
	if got := objects(s); got != "Config/conf Synced Healthy, Service/web OutOfSync Healthy 0/0" {
		t.Errorf("after a change by hand, the objects are %s", got)
	}
	if len(s.Drift) != 1 || s.Drift[0].By != "hand" || s.Drift[0].Since.IsZero() || s.Drift[0].Fields[0].Path != "spec.environment.DB_PASSWORD" {
		t.Errorf("the drift is %+v", s.Drift)
	}
	if len(s.Holds) != 1 || !strings.Contains(s.Objects[1].SyncWhy, "on hold: a dump runs (ada)") {
		t.Errorf("the holds are %+v, the object says %q", s.Holds, s.Objects[1].SyncWhy)
	}
	if err := r.Engine.ServiceRemove(t.Context(), h.service("web").ID); err != nil {
		t.Fatal(err)
	}
	if got := objects(look()); got != "Config/conf Synced Healthy, Service/web OutOfSync Missing" {
		t.Errorf("after a removal by hand, the objects are %s", got)
	}
}

func TestTheStatusOfASwarmAlone(t *testing.T) {
	r := steady(t, fewer)
	for _, name := range []string{"", DefaultName} {
		all, err := StatusOf(t.Context(), r.Engine, name)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 1 {
			t.Fatalf("there are %d sources: %+v", len(all), all)
		}
		if got := objects(all[0]); got != "Config/conf Unknown Healthy, Service/web Unknown Healthy 0/0" || all[0].Source != DefaultName || all[0].Applied == "" {
			t.Errorf("it is %s of %+v", got, all[0])
		}
	}
	other, err := StatusOf(t.Context(), r.Engine, "other")
	if err != nil || len(other) != 1 || len(other[0].Objects) != 0 || other[0].Applied != "" {
		t.Errorf("of a source that has nothing it is %+v, %v", other, err)
	}
	if _, err := r.Engine.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: "by-hand", Labels: map[string]string{v1.LabelHold: "all"}}, Data: []byte("a move"),
	}}); err != nil {
		t.Fatal(err)
	}
	if other, err = StatusOf(t.Context(), r.Engine, "other"); err != nil || len(other[0].Holds) != 1 {
		t.Errorf("a hold on all concerns every source: %+v, %v", other, err)
	}
}

// A memory that cannot be read hides nothing else.
func TestTheStatusOfAMemoryOfANewerRelease(t *testing.T) {
	r := steady(t, fewer)
	if _, err := r.Engine.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: "swarm-operator.newer.1", Labels: map[string]string{v1.LabelState: "newer"}}, Data: []byte(`{"format": 99}`),
	}}); err != nil {
		t.Fatal(err)
	}
	all, err := StatusOf(t.Context(), r.Engine, "")
	if err != nil || len(all) != 2 {
		t.Fatalf("it is %+v, %v", all, err)
	}
	if len(all[0].Objects) != 2 || len(all[1].Notices) != 1 || !strings.Contains(all[1].Notices[0], "newer release") {
		t.Errorf("it is %+v", all)
	}
}

// Asking while runs are under way is safe, and asking often costs the engine little.
func TestTheStatusOfALoopThatWorks(t *testing.T) {
	r := steady(t, fewer)
	var lists atomic.Int64
	c, err := engine.Open(engine.Options{Host: r.Engine.Host(), Observe: func(c engine.Call) {
		if c.Route == "/tasks" {
			lists.Add(1)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	r.Engine, r.observer = c, observe.New(c, r.kinds)
	metrics := status.NewMetrics("v0", func() int { return 0 })
	l := &Loop{Reconciler: r, Metrics: metrics, Board: status.NewBoard("here", "enforce", metrics, logr.Discard(), time.Now)}
	if s := l.StatusNow(t.Context()); s.Location != "here" || s.Objects == nil || len(s.Objects) > 0 {
		t.Errorf("before the first run it is %+v", s)
	}
	l.showing.until = time.Time{}
	begin := time.Now()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			last := uint64(0)
			for range 20 {
				s := l.StatusNow(t.Context())
				ran := slices.ContainsFunc(s.Conditions, func(c status.Condition) bool { return c.Type == status.InSync })
				if s.Sequence < last || ran != (s.Sequence > 0) || ran != (s.Applied != "") {
					t.Errorf("after report %d it is %+v", last, s)
				}
				last = s.Sequence
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for i := range uint64(5) {
		if _, err := l.Reconcile(t.Context(), ""); err != nil {
			t.Error(err)
		}
		if got := l.Board.Report().Sequence; got != i+1 {
			t.Errorf("after run %d, %d reports were published", i+1, got)
		}
		l.NoticeAll()
	}
	all.Wait()
	if most := 1 + int64(time.Since(begin)/lookEvery); lists.Load() > most {
		t.Errorf("tasks were listed %d times, more than %d", lists.Load(), most)
	}
	l.showing.until = time.Time{}
	s := l.StatusNow(t.Context())
	if got := objects(s); got != "Config/conf Synced Healthy, Service/web Synced Healthy 0/0" || s.Mode != "enforce" {
		t.Errorf("it is %s of %+v", got, s)
	}

	// A run that fails also publishes one report. Without an engine the status says what is known.
	_ = c.Close()
	dead, err := engine.Open(engine.Options{Host: "unix://" + t.TempDir() + "/none.sock"})
	if err != nil {
		t.Fatal(err)
	}
	r.Engine, r.observer, l.showing.until = dead, observe.New(dead, r.kinds), time.Time{}
	before := l.Board.Report().Sequence
	if _, err := l.Reconcile(t.Context(), ""); err == nil || l.Board.Report().Sequence != before+1 {
		t.Errorf("a run without an engine: %v, and %d reports", err, l.Board.Report().Sequence-before)
	}
	s = l.StatusNow(t.Context())
	if got := objects(s); got != "Config/conf Synced Unknown, Service/web Synced Unknown" || len(s.Notices) != 1 {
		t.Errorf("without an engine it is %s, with the notices %q", got, s.Notices)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	l.showing.until = time.Time{}
	l.StatusNow(gone)
	if !l.showing.until.IsZero() {
		t.Error("what somebody who went away did not learn is shown to others")
	}
}
