package examples

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/docs"
)

// TestClustersBecomeWhatTheySay plans the examples of whole clusters against made-up nodes, and does what is planned to them,
// until nothing is planned any more.
func TestClustersBecomeWhatTheySay(t *testing.T) {
	for dir, c := range map[string]struct {
		nodes []string // "may NAME" has the candidates' label, which a hand gave it; "manager NAME" is one to begin with, "drained NAME" has joined so
		want  []string // "NAME ROLE LABELS", of those that the example is about
	}{
		"cluster-3": {
			nodes: []string{"may manager manager-1", "may worker-1", "may worker-2", "manager-9"},
			want:  []string{"manager-1 manager db=yes manager=yes", "worker-1 manager manager=yes", "worker-2 manager manager=yes", "manager-9 worker"},
		},
		"cluster-5": {
			nodes: []string{"may manager manager-1", "may manager-2", "may manager-3", "manager-9", "drained worker-1", "worker-2"},
			want: []string{
				"manager-1 manager manager=yes tier=manager zone=a", "manager-2 manager manager=yes tier=manager zone=b", "manager-3 manager manager=yes tier=manager zone=c",
				"manager-9 worker tier=manager", // it only calls itself so
				"worker-1 worker data=yes tier=app zone=a", "worker-2 worker tier=app zone=b",
			},
		},
		"cluster-30": {
			nodes: thirty(),
			want: []string{
				"app-a-1 worker tier=app zone=a", "app-c-5 worker tier=app zone=c", "db-b-1 worker tier=db zone=b", "edge-c-2 worker tier=edge zone=c",
				"mgr-a-1 manager manager=yes tier=manager zone=a", "mgr-a-2 manager manager=yes tier=manager zone=a",
				"mgr-b-1 manager manager=yes tier=manager zone=b", "mgr-b-2 manager manager=yes tier=manager zone=b",
				"mgr-c-1 manager manager=yes tier=manager zone=c", "mgr-c-2 worker manager=yes tier=manager zone=c", // the spare
			},
		},
	} {
		t.Run(dir, func(t *testing.T) {
			s := newSwarm(c.nodes)
			entries, err := docs.Load(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			s.converge(t, entries)
			is := map[string]bool{}
			for _, n := range s.nodes {
				is[describe(n)] = true
				if n.Spec.Availability != swarm.NodeAvailabilityActive {
					t.Errorf("%s is %s", n.Description.Hostname, n.Spec.Availability)
				}
			}
			for _, w := range c.want {
				if !is[w] {
					t.Errorf("want %s; there are %q", w, slices.Sorted(maps.Keys(is)))
				}
			}
		})
	}
}

// thirty has its three managers in two zones to begin with.
func thirty() (out []string) {
	for kind, n := range map[string]int{"mgr": 2, "edge": 2, "db": 1, "app": 5} {
		for _, zone := range []string{"a", "b", "c"} {
			for i := range n {
				name := fmt.Sprintf("%s-%s-%d", kind, zone, i+1)
				switch name {
				case "mgr-a-1", "mgr-a-2", "mgr-b-1":
					name = "may manager " + name
				case "mgr-b-2", "mgr-c-1", "mgr-c-2":
					name = "may " + name
				case "app-c-5":
					name = "drained " + name
				}
				out = append(out, name)
			}
		}
	}
	return out
}

func describe(n *swarm.Node) string {
	out := []string{n.Description.Hostname, string(n.Spec.Role)}
	for _, k := range slices.Sorted(maps.Keys(n.Spec.Labels)) {
		if !strings.HasPrefix(k, v1.LabelPrefix) {
			out = append(out, k+"="+n.Spec.Labels[k])
		}
	}
	return strings.Join(out, " ")
}

// madeUp is a swarm of nodes that all are ready.
type madeUp struct {
	nodes      []*swarm.Node
	now        time.Time
	remembered kinds.Remembered
}

func newSwarm(names []string) *madeUp {
	s := &madeUp{now: time.Unix(1, 0), remembered: kinds.Remembered{Emptied: map[string]bool{}, Left: map[string]bool{}}}
	for i, name := range names {
		name, may := strings.CutPrefix(name, "may ")
		name, manager := strings.CutPrefix(name, "manager ")
		name, drained := strings.CutPrefix(name, "drained ")
		n := &swarm.Node{
			ID:          fmt.Sprintf("n%02d", i),
			Spec:        swarm.NodeSpec{Role: swarm.NodeRoleWorker, Availability: swarm.NodeAvailabilityActive, Annotations: swarm.Annotations{Labels: map[string]string{}}},
			Description: swarm.NodeDescription{Hostname: name},
			Status:      swarm.NodeStatus{State: swarm.NodeStateReady},
		}
		if may {
			n.Spec.Labels["manager"] = "yes"
		}
		if drained {
			n.Spec.Availability = swarm.NodeAvailabilityDrain
		}
		if manager {
			promote(n)
		}
		s.nodes = append(s.nodes, n)
	}
	return s
}

func promote(n *swarm.Node) {
	n.Spec.Role, n.ManagerStatus = swarm.NodeRoleManager, &swarm.ManagerStatus{Reachability: swarm.ReachabilityReachable}
}

func (s *madeUp) converge(t *testing.T, entries []kinds.Entry) {
	t.Helper()
	for round := range 20 {
		p := s.plan(t, entries)
		for _, r := range p.Refused {
			// Whom a label makes a candidate is none before it is written.
			if r.Class != plan.Later && (round > 0 || !r.OfRoles()) {
				t.Errorf("round %d: %s is refused by %s: %s", round, r.Key, r.Guard, r.Why)
			}
		}
		more := slices.ContainsFunc(p.Refused, func(r plan.Refusal) bool { return r.Key.Kind == v1.KindNode || r.OfRoles() })
		for _, step := range p.Steps {
			if step.Key.Kind == v1.KindNode {
				s.do(t, step)
				more = true
			}
		}
		if !more { // services are made by nobody here
			return
		}
		s.now = s.now.Add(time.Minute)
	}
	t.Fatalf("there is always something left to do:\n%s", s.plan(t, entries).Text(nil))
}

func (s *madeUp) plan(t *testing.T, entries []kinds.Entry) plan.Plan {
	t.Helper()
	var lives []*kinds.Live
	for _, n := range s.nodes {
		raw := *n
		lives = append(lives, &kinds.Live{Kind: v1.KindNode, ID: n.ID, Name: n.ID, Called: n.Description.Hostname, Labels: n.Spec.Labels, Raw: &raw})
	}
	ix := kinds.NewIndex(map[string][]*kinds.Live{v1.KindNode: lives}, func(*kinds.Live) []kinds.Ref { return nil })
	src := kinds.Source{Name: "examples", Contents: digests.Salted{Salt: []byte("key")}}
	wants := kinds.Expand(all.Kinds(), entries, ix, src, nil)
	for _, n := range wants.Notices {
		t.Error(n)
	}
	haves := kinds.Haves(all.Kinds(), ix, src, wants.States, nil)
	facts := plan.Facts{APIVersion: "1.56", Now: s.now}
	changes := diff.Compare(haves, wants.States, all.Rules)
	surveyed := s.survey(t, ix, wants, haves, changes, entries)
	facts.Own = surveyed.Own
	return plan.Build(changes, facts, plan.Policy{Source: src.Name, Budgets: plan.DefaultBudgets()}, all.Part(), surveyed.Part)
}

func (s *madeUp) survey(t *testing.T, ix *kinds.Index, wants kinds.Wants, haves []*diff.State, changes []diff.Change, entries []kinds.Entry) kinds.Surveyed {
	t.Helper()
	in := kinds.Survey{
		Index: ix, Expanded: wants.Expanded, Compared: kinds.Compared{States: map[string]*diff.State{}}, Own: s.nodes[0].ID, Now: s.now, Remembered: s.remembered,
		Service: func(string) *v1.Service { return nil }, Held: func(v1.Key, *kinds.Live) bool { return false },
	}
	for _, e := range entries {
		if c, is := e.Object.(*v1.Cluster); is {
			in.Managers = c.Spec.Managers
		}
	}
	for _, h := range haves {
		in.States[h.Meta.ID] = h
	}
	for _, c := range changes {
		if c.Key.Kind == v1.KindNode && c.Op == diff.Update {
			in.Changes = append(in.Changes, c)
		}
	}
	for _, k := range all.Kinds() {
		if k.Survey != nil {
			surveyed := k.Survey.Survey(in, nil) // nothing runs here: it asks for no tasks
			s.remembered = surveyed.Remembered
			return surveyed
		}
	}
	t.Fatal("no kind surveys nodes")
	return kinds.Surveyed{}
}

// do writes what the step says into the node.
func (s *madeUp) do(t *testing.T, step plan.Step) {
	t.Helper()
	n := s.nodes[slices.IndexFunc(s.nodes, func(n *swarm.Node) bool { return n.ID == step.Instance })]
	for _, f := range step.Fields {
		value := f.Want.Reveal()
		label, isLabel := strings.CutPrefix(f.Path, "spec.labels.")
		switch {
		case isLabel:
			n.Spec.Labels[label] = value
		case f.Path == "spec.availability":
			n.Spec.Availability = swarm.NodeAvailability(value)
		case f.Path == "spec.role" && value == v1.RoleManager:
			promote(n)
		default:
			t.Errorf("%s: %s is to be %q", step.Key, f.Path, value)
		}
	}
	if step.Origin == plan.OriginDiffers {
		n.Spec.Labels = kinds.Labels(n.Spec.Labels, kinds.Source{Name: "examples"}.Owner(step.Key), diff.NewApplied(step.Change.Want.Leaves).String())
	}
}
