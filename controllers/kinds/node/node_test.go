package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/leaves"
)

func TestEveryLeafOfTheManifestHasARule(t *testing.T) {
	for _, c := range []struct {
		shape diff.Shape
		rules diff.Rules
	}{{shape, rules}, {setShape, setRules}} {
		types := c.shape.Types()
		for _, typ := range types {
			switch r, ok := c.rules[typ]; {
			case !ok:
				t.Errorf("%s has no rule", typ)
			case !r.Stays && !r.Merges && !r.Unseen:
				t.Errorf("%s is written while the manifest is silent about it", typ)
			case r.Effect != diff.InPlace:
				t.Errorf("%s: nothing of a node restarts or recreates anything", typ)
			case r.Intent && !r.Stays:
				t.Errorf("%s: what a hand means has to stay", typ)
			}
		}
		for typ := range c.rules {
			if !slices.Contains(types, typ) {
				t.Errorf("the rule for %s is for no leaf", typ)
			}
		}
	}
}

// engineLeaves says of each leaf of the engine's spec which leaf of ours carries it.
var engineLeaves = map[string]string{
	"Annotations.Name":   "never: it is not the hostname, nobody sets it, and it stays",
	"Annotations.Labels": "spec.labels.*",
	"Role":               "spec.role",
	"Availability":       "spec.availability",
}

func TestEveryLeafOfTheEngineIsDecidedOn(t *testing.T) {
	leaves.Decided[swarm.NodeSpec](t, v1.KindNode, engineLeaves, rules)
}

func TestANodeInTheWordsOfAManifest(t *testing.T) {
	n := &swarm.Node{ID: "1", Description: swarm.NodeDescription{Hostname: "a"}, Spec: swarm.NodeSpec{
		Annotations: swarm.Annotations{Name: "n", Labels: map[string]string{"zone": "a", "com.docker.x": "y"}}, Role: "manager", Availability: "drain",
	}}
	var got []string
	for _, l := range shape.Flatten(read(n)) {
		got = append(got, l.Path+"="+l.Text)
	}
	want := []string{"spec.availability=drain", `spec.labels["com.docker.x"]=y`, "spec.labels.zone=a", "spec.role=manager"}
	slices.Sort(want)
	slices.Sort(got)
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// wantOf returns what a manifest asks for, in the form in which a run compares it.
func wantOf(n *v1.Node) *diff.State {
	policy := n.Policy
	n.Header = header(v1.KindNode, "a")
	n.Policy = policy
	stated := shape.Flatten(n)
	w := &diff.State{Key: n.Key(), Instance: "1", Leaves: diff.MarkStated(stated, stated), Value: n, Partial: true, Policy: n.Policy}
	if n.Spec.LabelMode == v1.LabelsExact {
		w.Exact = "spec.labelMode"
	}
	return w
}

func haveOf(spec swarm.NodeSpec) *diff.State {
	n := &swarm.Node{ID: "1", Spec: spec, Description: swarm.NodeDescription{Hostname: "a"}}
	l := live(n, nil)
	key, meta := kinds.Source{Name: "s"}.Identify(l)
	return &diff.State{Key: key, Instance: "1", Leaves: shape.Flatten(read(n)), Meta: meta, Value: l}
}

func spec(role, availability string, labels ...string) swarm.NodeSpec {
	s := swarm.NodeSpec{Role: swarm.NodeRole(role), Availability: swarm.NodeAvailability(availability)}
	s.Name = "kept"
	s.Labels = labelsOf(labels...)
	return s
}

func labelsOf(labels ...string) map[string]string {
	out := map[string]string{}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, ":")
		out[k] = v
	}
	return out
}

func says(s swarm.NodeSpec) string {
	var labels []string
	for k, v := range s.Labels {
		if k == v1.LabelApplied {
			v = "…"
		}
		labels = append(labels, k+":"+v)
	}
	slices.Sort(labels)
	return fmt.Sprintf("%s %s %s [%s]", s.Name, s.Role, s.Availability, strings.Join(labels, " "))
}

const owned = " " + v1.LabelApplied + ":… " + v1.LabelOwner + ":s/Node/a"

// Only the fields that differ are written, and then nothing differs any more.
func TestOverlay(t *testing.T) {
	for _, c := range []struct {
		name string
		live swarm.NodeSpec
		want v1.NodeSpec
		then string
	}{
		{"a label", spec("worker", "active", "theirs:1"), v1.NodeSpec{Labels: labelsOf("zone:a")}, "kept worker active [" + "swarm-operator.io/applied:… swarm-operator.io/owner:s/Node/a theirs:1 zone:a]"},
		{"another value", spec("manager", "pause", "zone:b"), v1.NodeSpec{Labels: labelsOf("zone:a")}, "kept manager pause [swarm-operator.io/applied:… swarm-operator.io/owner:s/Node/a zone:a]"},
		{"exact", spec("worker", "active", "theirs:1", "com.docker.x:y"), v1.NodeSpec{Labels: labelsOf("zone:a"), LabelMode: v1.LabelsExact}, "kept worker active [com.docker.x:y swarm-operator.io/applied:… swarm-operator.io/owner:s/Node/a zone:a]"},
		{"exactly none", spec("worker", "active", "theirs:1"), v1.NodeSpec{LabelMode: v1.LabelsExact}, "kept worker active [swarm-operator.io/applied:… swarm-operator.io/owner:s/Node/a]"},
		{"drained", spec("worker", "active", "theirs:1"), v1.NodeSpec{Availability: v1.Drain}, "kept worker drain [swarm-operator.io/applied:… swarm-operator.io/owner:s/Node/a theirs:1]"},
		{"labelled and activated in one write", spec("worker", "drain"), v1.NodeSpec{Availability: v1.Active, Labels: labelsOf("zone:a")}, "kept worker active [swarm-operator.io/applied:… swarm-operator.io/owner:s/Node/a zone:a]"},
		{"a role is not of the manifest's writes", spec("worker", "active"), v1.NodeSpec{Role: v1.RoleManager, Labels: labelsOf("zone:a")}, "kept worker active [swarm-operator.io/applied:… swarm-operator.io/owner:s/Node/a zone:a]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, _ := json.Marshal(c.live)
			want := wantOf(&v1.Node{Spec: c.want})
			fields := diff.DifferingFields(haveOf(c.live), want, rules)
			s := plan.Step{Op: diff.Update, Key: want.Key, Fields: fields, Change: diff.Change{Want: want}}
			got := Spec(c.live, s, "s")
			if d := gocmp.Diff(c.then, says(got)); d != "" {
				t.Errorf("the spec (-want +got):\n%s", d)
			}
			if after, _ := json.Marshal(c.live); string(before) != string(after) {
				t.Error("the live spec was changed")
			}
			if again := diff.DifferingFields(haveOf(got), want, rules); len(again) > 0 {
				t.Errorf("after it was written still differs: %v", again)
			}
		})
	}
}

// A label that git does not state any more is removed, and a label that others set beside it stays.
func TestLabelIsRemovedWithItsLineInGit(t *testing.T) {
	first := wantOf(&v1.Node{Spec: v1.NodeSpec{Labels: labelsOf("zone:a", "disk:ssd")}})
	write := func(live swarm.NodeSpec, want *diff.State) swarm.NodeSpec {
		fields := diff.DifferingFields(haveOf(live), want, rules)
		return Spec(live, plan.Step{Key: want.Key, Fields: fields, Change: diff.Change{Want: want}}, "s")
	}
	live := write(spec("worker", "active", "theirs:1"), first)
	live = write(live, wantOf(&v1.Node{Spec: v1.NodeSpec{Labels: labelsOf("zone:a")}}))
	if got := says(live); got != "kept worker active ["+strings.TrimSpace(owned)+" theirs:1 zone:a]" {
		t.Errorf("it is %s", got)
	}
	if live = write(live, wantOf(&v1.Node{Spec: v1.NodeSpec{LabelMode: v1.LabelsExact}})); says(live) != "kept worker active ["+strings.TrimSpace(owned)+"]" {
		t.Errorf("exact, it is %s", says(live))
	}
}

// A change of the role writes nothing but the role, with or without a manifest.
func TestChangeOfARoleWritesOnlyTheRole(t *testing.T) {
	field := diff.Field{Path: "spec.role", Have: diff.NewValue("worker"), Want: diff.NewValue("manager")}
	for name, want := range map[string]*diff.State{
		"no manifest": nil,
		"a manifest":  wantOf(&v1.Node{Spec: v1.NodeSpec{Role: v1.RoleManager, Labels: labelsOf("zone:b"), Availability: v1.Drain}}),
	} {
		s := plan.Step{Op: diff.Update, Fields: []diff.Field{field}, Change: diff.Change{Want: want}, Origin: plan.OriginPromotes, Does: RoleChange{Promote: true}}
		got := Spec(spec("worker", "active", "zone:a"), s, "s")
		if says(got) != "kept manager active [zone:a]" {
			t.Errorf("%s: it is %s", name, says(got))
		}
	}
}

// served is an engine that answers what it is told to, and records what it was asked.
type served struct {
	asked []string
	nodes []*swarm.NodeSpec // specs that were written to it
	state swarm.LocalNodeState
	id    string // the id of its node
	name  string // its hostname
	tasks []swarm.Task
	fails map[string]int
	stays bool // it says that it has left, and stays
}

func (s *served) client(t *testing.T) (*engine.Client, string) {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.44")
		if r.URL.Path == "/_ping" {
			return
		}
		_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.RequestURI(), "/"), "/")
		s.asked = append(s.asked, r.Method+" "+path)
		for what, code := range s.fails {
			if strings.Contains(path, what) {
				w.WriteHeader(code)
				_, _ = w.Write([]byte(`{"message":"no"}`))
				return
			}
		}
		switch {
		case path == "info":
			_ = json.NewEncoder(w).Encode(map[string]any{"Name": s.name, "Swarm": map[string]any{"LocalNodeState": s.state, "NodeID": s.id}})
		case path == "swarm/leave" && !s.stays:
			s.state, s.id = swarm.LocalNodeStateInactive, ""
		case strings.HasPrefix(path, "tasks"):
			_ = json.NewEncoder(w).Encode(s.tasks)
		case strings.HasSuffix(r.URL.Path, "/update"):
			var spec swarm.NodeSpec
			_ = json.NewDecoder(r.Body).Decode(&spec)
			s.nodes = append(s.nodes, &spec)
		}
	}))
	t.Cleanup(srv.Close)
	host := "tcp://" + srv.Listener.Addr().String()
	c, err := engine.Open(engine.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, host
}

func step(op diff.Op, n *swarm.Node, want *diff.State, fields ...diff.Field) plan.Step {
	key := v1.Key{Kind: v1.KindNode, Name: "a"}
	return plan.Step{Op: op, Key: key, Instance: n.ID, Fields: fields, Change: diff.Change{Op: op, Key: key, Have: &diff.State{Value: live(n, nil)}, Want: want}}
}

func demoting(n *swarm.Node) plan.Step {
	s := step(diff.Update, n, nil, diff.Field{Path: "spec.role", Want: diff.NewValue("worker")})
	s.Origin, s.Does = plan.OriginDemotes, RoleChange{}
	return s
}

func leaving(n *swarm.Node, want *diff.State) plan.Step {
	s := step(diff.Update, n, want, diff.Field{Path: "spec.presence", Want: diff.NewValue("absent")})
	s.Origin = plan.OriginLeaves
	return s
}

func recognising(n *swarm.Node, host string) plan.Step {
	want := wantOf(&v1.Node{Spec: v1.NodeSpec{Engine: &v1.EngineEndpoint{Host: host}}})
	s := step(diff.Update, n, want)
	s.Origin = plan.OriginRecognises
	return s
}

func TestDo(t *testing.T) {
	bare := &diff.State{Key: v1.Key{Kind: v1.KindNode, Name: "a"}}
	up := &swarm.Node{ID: "n1", Meta: swarm.Meta{Version: swarm.Version{Index: 7}}, Spec: spec("manager", "active", "zone:a"), Status: swarm.NodeStatus{State: swarm.NodeStateReady}}
	gone := *up
	gone.Status.State = swarm.NodeStateDown
	for _, c := range []struct {
		name  string
		step  func(host string) plan.Step
		state swarm.LocalNodeState
		id    string
		// called is the hostname of the engine. Default: that of the manifest.
		called string
		fails  map[string]int
		stays  bool
		asked  []string
		err    string
	}{
		{name: "a role", step: func(string) plan.Step { return demoting(up) }, asked: []string{"POST nodes/n1/update?version=7"}},
		{name: "a stale one", step: func(string) plan.Step { return demoting(up) }, fails: map[string]int{"update": 400}, asked: []string{"POST nodes/n1/update?version=7"}, err: "updating Node/a"},
		{name: "removed, down", step: func(string) plan.Step { return step(diff.Remove, &gone, bare) }, asked: []string{"DELETE nodes/n1"}},
		{name: "removed, up", step: func(string) plan.Step { return step(diff.Remove, up, bare) }, asked: []string{"DELETE nodes/n1?force=1"}},
		{name: "removed already, which a fresh read shows", step: func(string) plan.Step { return step(diff.Remove, &gone, bare) }, fails: map[string]int{"nodes": 404}, asked: []string{"DELETE nodes/n1"}, err: "removing Node/a"},
		{name: "not removed", step: func(string) plan.Step { return step(diff.Remove, &gone, bare) }, fails: map[string]int{"nodes": 400}, asked: []string{"DELETE nodes/n1"}, err: "removing Node/a"},
		{name: "made of nothing", step: func(string) plan.Step { return step(diff.Create, up, absentAt("")) }, err: "states no engine"},
		{
			name: "another's engine", state: swarm.LocalNodeStateActive, id: "n2", asked: []string{"GET info"}, err: "is node n2, and not n1",
			step: func(host string) plan.Step { return leaving(up, absentAt(host)) },
		},
		{
			name: "leaves", state: swarm.LocalNodeStateActive, asked: []string{"GET info", "POST swarm/leave", "GET info"},
			step: func(host string) plan.Step { return leaving(up, absentAt(host)) },
		},
		{
			name: "says that it has left, and stays", state: swarm.LocalNodeStateActive, stays: true, asked: []string{"GET info", "POST swarm/leave", "GET info"},
			err:  "asking Node/a to leave: its engine says that it has left, and nothing has changed: it is still node n1 (active)",
			step: func(host string) plan.Step { return leaving(up, absentAt(host)) },
		},
		{
			name: "has left", state: swarm.LocalNodeStateInactive, asked: []string{"GET info"},
			step: func(host string) plan.Step { return leaving(up, absentAt(host)) },
		},
		{
			name: "cannot be asked", fails: map[string]int{"info": 400}, asked: []string{"GET info"}, err: "asking Node/a to leave",
			step: func(host string) plan.Step { return leaving(up, absentAt(host)) },
		},
		{
			name: "will not leave", state: swarm.LocalNodeStateActive, fails: map[string]int{"leave": 400}, asked: []string{"GET info", "POST swarm/leave"}, err: "asking Node/a to leave",
			step: func(host string) plan.Step { return leaving(up, absentAt(host)) },
		},
		{
			name: "recognised", state: swarm.LocalNodeStateActive, asked: []string{"GET info"},
			step: func(host string) plan.Step { return recognising(up, host) },
		},
		{
			name: "another node of the name", state: swarm.LocalNodeStateActive, id: "n2", asked: []string{"GET info"}, err: "the engine at spec.engine.host is node n2; another machine calls itself a: take it out of the swarm, docker node rm --force n1, or state spec.id: n1",
			step: func(host string) plan.Step { return recognising(up, host) },
		},
		{
			name: "in no swarm, and another machine has the name", state: swarm.LocalNodeStateInactive, asked: []string{"GET info"}, err: "is in no swarm; another machine calls itself a",
			step: func(host string) plan.Step { return recognising(up, host) },
		},
		{
			name: "still joining", state: swarm.LocalNodeStatePending, asked: []string{"GET info"}, err: "its engine says pending of its swarm",
			step: func(host string) plan.Step { return recognising(up, host) },
		},
		{
			name: "an engine of another name", state: swarm.LocalNodeStateActive, called: "b", asked: []string{"GET info"}, err: "the engine at spec.engine.host calls itself b",
			step: func(host string) plan.Step { return recognising(up, host) },
		},
		{
			name: "not recognised", fails: map[string]int{"info": 400}, asked: []string{"GET info"}, err: "asking the engine of Node/a whether it is node n1",
			step: func(host string) plan.Step { return recognising(up, host) },
		},
		{name: "nowhere to ask", step: func(string) plan.Step { return leaving(up, absentAt("")) }, err: "states no engine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &served{state: c.state, id: c.id, fails: c.fails, stays: c.stays, name: cmp.Or(c.called, "a")}
			if s.id == "" {
				s.id = "n1"
			}
			client, host := s.client(t)
			r, err := do(context.Background(), kinds.Env{Engine: client, Source: "s"}, c.step(host))
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("it says %v", err)
			}
			if err == nil && r.ID != "n1" {
				t.Errorf("it was %q", r.ID)
			}
			if d := gocmp.Diff(c.asked, s.asked); d != "" {
				t.Errorf("it asked (-want +got):\n%s", d)
			}
			for _, n := range s.nodes {
				if says(*n) != "kept worker active [zone:a]" {
					t.Errorf("it wrote %s", says(*n))
				}
			}
		})
	}
}

func absentAt(host string) *diff.State {
	n := &v1.Node{Spec: v1.NodeSpec{Presence: v1.Absent}}
	if host != "" {
		n.Spec.Engine = &v1.EngineEndpoint{Host: host}
	}
	return wantOf(n)
}

// To give a node up takes our labels off it and changes nothing else. If it has none, no call is made.
func TestRelease(t *testing.T) {
	for _, c := range []struct {
		name    string
		live    *kinds.Live
		fails   map[string]int
		done    bool
		why     string
		err     bool
		written string
	}{
		{name: "ours", live: live(&swarm.Node{ID: "n1", Spec: spec("worker", "drain", "zone:a", v1.LabelOwner+":s/Node/a", v1.LabelApplied+":v1:")}, nil), done: true, written: "kept worker drain [zone:a]"},
		{name: "not ours", live: live(&swarm.Node{ID: "n1", Spec: spec("worker", "drain", "zone:a")}, nil)},
		{name: "with what we do not know", live: live(&swarm.Node{ID: "n1", Spec: spec("worker", "drain", v1.LabelOwner+":s/Node/a")}, []string{"Spec.Taints"}), why: "Spec.Taints"},
		{name: "stale", live: live(&swarm.Node{ID: "n1", Spec: spec("worker", "drain", v1.LabelOwner+":s/Node/a")}, nil), fails: map[string]int{"update": 400}, err: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &served{fails: c.fails}
			client, _ := s.client(t)
			done, why, err := release(context.Background(), client, c.live)
			if done != c.done || (why != "") != (c.why != "") || !strings.Contains(why, c.why) || (err != nil) != c.err {
				t.Errorf("%t, %q, %v", done, why, err)
			}
			written := ""
			for _, n := range s.nodes {
				written += says(*n)
			}
			if written != c.written {
				t.Errorf("it wrote %q", written)
			}
		})
	}
}
