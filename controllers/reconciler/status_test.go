package reconciler

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/report"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
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
	if s.Source != revisions.DefaultName || s.Applied == "" || s.Applied != s.Revision || s.Lease == nil || len(s.Drift)+len(s.Rollouts) > 0 {
		t.Errorf("in sync, the status is %+v", s)
	}
	h := &hands{T: t, c: r.engine}
	h.change("web")
	if _, err := state.AddHold(t.Context(), r.engine, "Service/web", "a dump runs", "ada", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := state.AddHold(t.Context(), r.engine, "Service/other", "not ours", "ada", time.Time{}); err != nil {
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
	if err := r.engine.ServiceRemove(t.Context(), h.service("web").ID); err != nil {
		t.Fatal(err)
	}
	if got := objects(look()); got != "Config/conf Synced Healthy, Service/web OutOfSync Missing" {
		t.Errorf("after a removal by hand, the objects are %s", got)
	}
}

func TestTheStatusOfASwarmAlone(t *testing.T) {
	r := steady(t, fewer)
	for _, name := range []string{"", revisions.DefaultName} {
		all, err := report.StatusOf(t.Context(), r.engine, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 1 {
			t.Fatalf("there are %d sources: %+v", len(all), all)
		}
		if got := objects(all[0]); got != "Config/conf Unknown Healthy, Service/web Unknown Healthy 0/0" || all[0].Source != revisions.DefaultName || all[0].Applied == "" {
			t.Errorf("it is %s of %+v", got, all[0])
		}
	}
	other, err := report.StatusOf(t.Context(), r.engine, "other", nil)
	if err != nil || len(other) != 1 || len(other[0].Objects) != 0 || other[0].Applied != "" {
		t.Errorf("of a source that has nothing it is %+v, %v", other, err)
	}
	if _, err := r.engine.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: "by-hand", Labels: map[string]string{v1.LabelHold: "all"}}, Data: []byte("a move"),
	}}); err != nil {
		t.Fatal(err)
	}
	if other, err = report.StatusOf(t.Context(), r.engine, "other", nil); err != nil || len(other[0].Holds) != 1 {
		t.Errorf("a hold on all concerns every source: %+v, %v", other, err)
	}
}

// A memory that cannot be read hides nothing else.
func TestTheStatusOfAMemoryOfANewerRelease(t *testing.T) {
	r := steady(t, fewer)
	if _, err := r.engine.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
		Annotations: swarm.Annotations{Name: "swarm-operator.newer.1", Labels: map[string]string{v1.LabelState: "newer"}}, Data: []byte(`{"format": 99}`),
	}}); err != nil {
		t.Fatal(err)
	}
	all, err := report.StatusOf(t.Context(), r.engine, "", nil)
	if err != nil || len(all) != 2 {
		t.Fatalf("it is %+v, %v", all, err)
	}
	if len(all[0].Objects) != 2 || len(all[1].Notices) != 1 || !strings.Contains(all[1].Notices[0], "newer release") {
		t.Errorf("it is %+v", all)
	}
}
