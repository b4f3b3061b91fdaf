package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	swarmapi "github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/orchestrator/constraintenforcer"
	"github.com/moby/swarmkit/v2/manager/state/store"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

// ended returns the tasks that the fields end when they are written to a host, as SERVICE/ID.
func ended(h Host, fields []diff.Field, tasks []Placed) []string {
	var out []string
	for _, l := range NewRunning(map[string]Host{h.ID: h}, tasks).losses(h.ID, fields, nil) {
		for _, t := range l.tasks {
			out = append(out, t.Service+"/"+t.ID)
		}
	}
	return out
}

func writes(path, text string) diff.Field {
	f := diff.Field{Path: path}
	if text != "" {
		f.Want = diff.NewValue(text)
	}
	return f
}

// A step ends exactly what SwarmKit lets run before it and not after it, whatever the order of the tasks. A step that
// writes nothing ends nothing.
func endsLikeSwarmKit(t *rapid.T) {
	was := Host{Machine: anyMachine(t), Availability: oneOf(t, "availability", v1.Active, v1.Pause, v1.Drain)}
	is := was
	is.Labels = maps.Clone(was.Labels)
	var fields []diff.Field
	if chance(t, "role", 2) {
		is.Role = oneOf(t, "new role", v1.RoleManager, v1.RoleWorker)
		fields = append(fields, writes("spec.role", is.Role))
	}
	if chance(t, "availability", 2) {
		is.Availability = oneOf(t, "new availability", v1.Active, v1.Pause, v1.Drain)
		fields = append(fields, writes("spec.availability", is.Availability))
	}
	for range rapid.IntRange(0, 2).Draw(t, "labels") {
		label, value := oneOf(t, "label", "zone", "Zone", "a.b", "k", "_x-"), oneOf(t, "value", "", "a", "b")
		if is.Labels == nil {
			is.Labels = map[string]string{}
		}
		if is.Labels[label] = value; value == "" {
			delete(is.Labels, label)
		}
		fields = append(fields, writes(v1.PathKey("spec.labels", label), value))
	}
	runs := func(h Host, p Placed) bool {
		return h.Availability == v1.Pause || h.Availability == v1.Active && swarmKitMeets(h.Machine, false, p.Constraints)
	}
	var tasks []Placed
	var want []string
	for i := range rapid.IntRange(0, 6).Draw(t, "tasks") {
		p := Placed{ID: fmt.Sprint("t", i), Node: was.ID, Service: oneOf(t, "service", "a", "b"), Constraints: someConstraints(t)}
		tasks = append(tasks, p)
		if runs(was, p) && !runs(is, p) {
			want = append(want, p.Service+"/"+p.ID)
		}
	}
	got := ended(was, fields, rapid.Permutation(tasks).Draw(t, "order"))
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%v on %+v ends (-want +got):\n%s", fields, was, d)
	}
	if none := ended(was, nil, tasks); len(none) > 0 {
		t.Fatalf("nothing is written, and that ends %v", none)
	}
}

func TestStepsEndWhatSwarmKitEnds(t *testing.T) { rapid.Check(t, endsLikeSwarmKit) }

func FuzzEndsLikeSwarmKit(f *testing.F) { generate.Fuzz(f, endsLikeSwarmKit) }

func TestEndedTasksOfEachStep(t *testing.T) {
	was := Host{Machine: Machine{ID: "n", Role: "manager", Labels: map[string]string{"zone": "a", "disk": "ssd"}}, Availability: v1.Active}
	var tasks []Placed
	for _, p := range []struct {
		id, service string
		constraints []string
	}{
		{"t9", "web", []string{"node.labels.zone==a"}},
		{"t1", "web", []string{"node.labels.zone==a"}},
		{"t2", "db", []string{"node.labels.disk==ssd", "node.role==manager"}},
		{"t3", "anywhere", nil},
		{"t4", "elsewhere", []string{"node.labels.zone==b"}}, // it already ends as the node is
		{"t5", "not-b", []string{"node.labels.zone!=b"}},
		{"t6", "unreadable", []string{"node.labels.zone==a", "zone"}},
		{"t7", "managers", []string{"node.role==manager"}},
		{"t8", "unknown", []string{"node.zone==a"}},
	} {
		tasks = append(tasks, Placed{ID: p.id, Service: p.service, Node: "n", Constraints: p.constraints})
	}
	paused := was
	paused.Availability, paused.Labels = v1.Pause, map[string]string{"disk": "ssd"}
	for _, test := range []struct {
		name   string
		was    Host
		fields []diff.Field
		want   string
	}{
		{"as it was", was, nil, ""},
		{"other case", was, []diff.Field{writes("spec.labels.zone", "A"), writes("spec.labels.disk", "SSD")}, ""},
		{"one more", was, []diff.Field{writes("spec.labels.more", "x")}, ""},
		{"other zone", was, []diff.Field{writes("spec.labels.zone", "b")}, "not-b/t5 web/t1 web/t9"},
		{"no zone", was, []diff.Field{writes("spec.labels.zone", "")}, "web/t1 web/t9"},
		{"no labels", was, []diff.Field{writes("spec.labels.zone", ""), writes("spec.labels.disk", "")}, "db/t2 web/t1 web/t9"},
		{"demoted", was, []diff.Field{writes("spec.role", "worker")}, "db/t2 managers/t7"},
		{"both", was, []diff.Field{writes("spec.role", "worker"), writes("spec.labels.zone", "")}, "db/t2 managers/t7 web/t1 web/t9"},
		{"paused with it", was, []diff.Field{writes("spec.availability", "pause"), writes("spec.labels.zone", "b")}, ""},
		{"paused, demoted", paused, []diff.Field{writes("spec.role", "worker")}, ""},
		{"paused, active again", paused, []diff.Field{writes("spec.availability", "active")}, "elsewhere/t4 unknown/t8 web/t1 web/t9"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(test.want, strings.Join(ended(test.was, test.fields, tasks), " ")); d != "" {
				t.Errorf("ended (-want +got):\n%s", d)
			}
			if d := cmp.Diff(strings.Fields(test.want), enforced(t, test.was, test.was.after(test.fields), tasks), cmp.Transformer("set", sorted)); d != "" {
				t.Errorf("the constraint enforcer rejects (-ours +its):\n%s", d)
			}
		})
	}
}

func sorted(in []string) string { return strings.Join(slices.Sorted(slices.Values(in)), " ") }

// enforced returns the tasks that SwarmKit's own enforcer rejects when the node changes, of those that it leaves
// alone before. The tasks carry no constraints, so it must take the constraints of their services. The last task, on
// another node, is always rejected, which shows that the enforcer has looked.
func enforced(t *testing.T, was, is Host, tasks []Placed) []string {
	t.Helper()
	run := func(h Host) map[string]bool {
		s := store.NewMemoryStore(nil)
		defer s.Close()
		node := swarmNode(h.Machine, false)
		node.Spec.Availability = swarmapi.NodeSpec_Availability(swarmapi.NodeSpec_Availability_value[strings.ToUpper(h.Availability)])
		last := Placed{ID: "last", Service: "last", Node: "z", Constraints: []string{"node.id!=z"}}
		if err := s.Update(func(tx store.Tx) error {
			for _, n := range []*swarmapi.Node{node, {ID: last.Node}} {
				if err := store.CreateNode(tx, n); err != nil {
					return err
				}
			}
			for _, p := range append(slices.Clone(tasks), last) {
				if store.GetService(tx, p.Service) == nil {
					service := &swarmapi.Service{ID: p.Service}
					service.Spec.Annotations.Name, service.Spec.Task.Placement = p.Service, &swarmapi.Placement{Constraints: p.Constraints}
					if err := store.CreateService(tx, service); err != nil {
						return err
					}
				}
				task := &swarmapi.Task{ID: p.ID, ServiceID: p.Service, NodeID: p.Node, DesiredState: swarmapi.TaskStateRunning, Status: swarmapi.TaskStatus{State: swarmapi.TaskStateRunning}}
				if err := store.CreateTask(tx, task); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		enforcer := constraintenforcer.New(s)
		go enforcer.Run()
		defer enforcer.Stop()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		for {
			rejected := map[string]bool{}
			s.View(func(tx store.ReadTx) {
				all, err := store.FindTasks(tx, store.All)
				if err != nil {
					t.Error(err)
				}
				for _, task := range all {
					if task.Status.State == swarmapi.TaskStateRejected {
						rejected[task.ServiceID+"/"+task.ID] = true
					}
				}
			})
			if rejected["last/last"] { // the enforcer looks at nodes in the order of their ids, each in one batch
				return rejected
			}
			select {
			case <-ctx.Done():
				t.Fatal("the enforcer has not looked")
			case <-time.After(time.Millisecond):
			}
		}
	}
	before, after := run(was), run(is)
	var out []string
	for name := range after {
		if !before[name] {
			out = append(out, name)
		}
	}
	return out
}
