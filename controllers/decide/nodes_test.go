package decide

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/node"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var theCluster = v1.Key{Kind: v1.KindCluster, Name: v1.ClusterName}

func headed(kind, name string) v1.Header {
	return v1.Header{APIVersion: v1.APIVersion, Kind: kind, Metadata: v1.Metadata{Name: name}}
}

// drained returns a manifest that drains a node.
func drained(host string) v1.Object {
	return &v1.Node{Header: headed(v1.KindNode, host), Spec: v1.NodeSpec{Availability: v1.Drain}}
}

// clusterOf returns a manifest of the Cluster.
func clusterOf(spec v1.ClusterSpec) *v1.Cluster {
	return &v1.Cluster{Header: headed(v1.KindCluster, v1.ClusterName), Spec: spec}
}

// signedBy returns a manifest that names an authority.
func signedBy(name string) v1.Object {
	return clusterOf(v1.ClusterSpec{CA: &v1.CA{Signing: name}})
}

// worker returns a live node.
func worker(id, host, availability string) *kinds.Live {
	n := &swarm.Node{ID: id, Description: swarm.NodeDescription{Hostname: host}, Status: swarm.NodeStatus{State: swarm.NodeStateReady}}
	n.Spec.Role, n.Spec.Availability, n.Spec.Labels = swarm.NodeRoleWorker, swarm.NodeAvailability(availability), map[string]string{}
	return &kinds.Live{Kind: v1.KindNode, ID: id, Name: id, Called: host, Version: 1, Labels: n.Spec.Labels, Raw: n}
}

// manager returns a live node that is a manager.
func manager(id, host string) *kinds.Live {
	l := worker(id, host, v1.Active)
	n := l.Raw.(*swarm.Node)
	n.Spec.Role, n.ManagerStatus = swarm.NodeRoleManager, &swarm.ManagerStatus{Reachability: swarm.ReachabilityReachable, Leader: id == "1"}
	return l
}

func liveCluster(labels map[string]string) *kinds.Live {
	c := &swarm.ClusterInfo{ID: "c"}
	c.Spec.Labels = labels
	return &kinds.Live{Kind: v1.KindCluster, ID: "c", Name: v1.ClusterName, Version: 1, Labels: labels, Raw: c}
}

// newRoot returns a certificate of a CA, in PEM.
func newRoot(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: noon, NotAfter: noon.AddDate(20, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
}

// replicated returns a live service in the engine's form.
func replicated(id, name string) *kinds.Live {
	s := &swarm.Service{ID: id}
	s.Spec.Name, s.Spec.TaskTemplate.ContainerSpec, s.Spec.Mode.Replicated = name, &swarm.ContainerSpec{Image: "bb:1"}, &swarm.ReplicatedService{}
	return &kinds.Live{Kind: v1.KindService, ID: id, Name: name, Version: 1, Raw: s}
}

// onNodes is a swarm and what manifests say of it.
type onNodes struct {
	lives     []*kinds.Live
	manifests []v1.Object
	own       string
	holds     []state.Hold
}

// asks does what a run does until it asks the engine.
func (s onNodes) asks(d *Decider) (*Decision, Needs) {
	lists := map[string][]*kinds.Live{}
	for _, l := range s.lives {
		lists[l.Kind] = append(lists[l.Kind], l)
	}
	run := about(kinds.NewIndex(lists, func(*kinds.Live) []kinds.Ref { return nil }), state.Memory{Source: "src", InForce: state.Revision{Hash: "1"}})
	run.InForce.Hash, run.At, run.Found.Sequence, run.World.Holds, run.About.NodeID = "1", noon, 1, s.holds, s.own
	for _, o := range s.manifests {
		run.Entries = append(run.Entries, kinds.Entry{Object: o})
	}
	d.Expand(run)
	d.Compare(run, Before{})
	return run, d.Needs(run)
}

// What a run asks at first depends on what differs of nodes, and on what the Cluster names. What it asks after that
// depends on the answers.
func TestNeedsOfTasksAndFiles(t *testing.T) {
	nodes, services := kinds.TaskNeed{Nodes: []string{"2"}}, kinds.TaskNeed{Services: []string{"s"}}
	lives := []*kinds.Live{manager("1", "a"), worker("2", "b", v1.Active), liveCluster(nil), replicated("s", "web")}
	running := kinds.Task{ID: "t", Service: "s", Node: "2", Slot: 1, State: "running", Desired: "running"}
	for name, c := range map[string]struct {
		manifests   []v1.Object
		tasks, then kinds.TaskNeed
		files       []string
		answers     Answers
		thenFiles   []string
	}{
		"nothing":                   {},
		"nothing differs":           {manifests: []v1.Object{clusterOf(v1.ClusterSpec{}), &v1.Node{Header: headed(v1.KindNode, "b"), Spec: v1.NodeSpec{Availability: v1.Active}}}},
		"a drain, and nothing runs": {manifests: []v1.Object{drained("b")}, tasks: nodes, answers: Answers{Tasks: []kinds.TaskAnswer{{TaskNeed: nodes}}}},
		"a drain of what runs":      {manifests: []v1.Object{drained("b")}, tasks: nodes, answers: Answers{Tasks: []kinds.TaskAnswer{{TaskNeed: nodes, Tasks: []kinds.Task{running}}}}, then: services},
		"a drain, and no answer":    {manifests: []v1.Object{drained("b")}, tasks: nodes},
		"files that are not there":  {manifests: []v1.Object{signedBy("own")}, files: []string{"own.certFile"}, answers: Answers{Files: map[string]kinds.File{"own.certFile": {Err: errors.New("gone")}}}},
		"files, and no answer":      {manifests: []v1.Object{signedBy("own")}, files: []string{"own.certFile"}},
		"a root that is not ours": {
			manifests: []v1.Object{signedBy("own")}, files: []string{"own.certFile"}, thenFiles: []string{"own.keyFile"},
			answers: Answers{Files: map[string]kinds.File{"own.certFile": {Content: v1.NewContent(newRoot(t))}}},
		},
		"both": {
			manifests: []v1.Object{signedBy("own"), drained("b")}, tasks: nodes, files: []string{"own.certFile"}, then: services,
			answers: Answers{Tasks: []kinds.TaskAnswer{{TaskNeed: nodes, Tasks: []kinds.Task{running}}}, Files: map[string]kinds.File{"own.certFile": {}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, n := onNodes{lives: lives, manifests: c.manifests}.asks(New(Policy{}))
			if !n.Tasks.Equal(c.tasks) || !slices.Equal(n.Files, c.files) || n.More() != (c.tasks.Any() || len(c.files) > 0) {
				t.Errorf("it asks for %+v and %q, want %+v and %q", n.Tasks, n.Files, c.tasks, c.files)
			}
			then := n.Then(c.answers)
			if !then.Tasks.Equal(c.then) || !slices.Equal(then.Files, c.thenFiles) {
				t.Errorf("then it asks for %+v and %q, want %+v and %q", then.Tasks, then.Files, c.then, c.thenFiles)
			}
			if last := then.Then(c.answers); last.More() {
				t.Errorf("nobody answers, and it asks again: %+v and %q", last.Tasks, last.Files)
			}
		})
	}
}

// While tasks that matter are not known, the plan does nothing to nodes, and says why.
func TestUnknownTasksHoldNodes(t *testing.T) {
	nodes, services := kinds.TaskNeed{Nodes: []string{"2"}}, kinds.TaskNeed{Services: []string{"s"}}
	running := []kinds.Task{{ID: "t", Service: "s", Node: "2", Slot: 1, State: "running", Desired: "running"}}
	s := onNodes{lives: []*kinds.Live{manager("1", "a"), worker("2", "b", v1.Active), replicated("s", "web")}, manifests: []v1.Object{drained("b")}, own: "1"}
	for name, c := range map[string]struct {
		answers []kinds.TaskAnswer
		why     string
	}{
		"nobody asked":                  {nil, "nobody asked"},
		"nobody knows":                  {[]kinds.TaskAnswer{{TaskNeed: nodes, Err: errors.New("gone away")}}, "gone away"},
		"nobody knows what else runs":   {[]kinds.TaskAnswer{{TaskNeed: nodes, Tasks: running}, {TaskNeed: services, Err: errors.New("gone away")}}, "gone away"},
		"nobody asked what else runs":   {[]kinds.TaskAnswer{{TaskNeed: nodes, Tasks: running}}, "nobody asked"},
		"it is known that nothing does": {[]kinds.TaskAnswer{{TaskNeed: nodes}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := New(Policy{Budgets: plan.DefaultBudgets()})
			run, n := s.asks(d)
			d.Learn(run, n, Answers{Tasks: c.answers})
			d.Decide(run)
			drains := slices.ContainsFunc(run.Plan.Steps, func(s plan.Step) bool { return s.Instance == "2" })
			if known := c.why == ""; drains != known || (run.Surveyed.Nodes != nil) != known || (run.Facts.Own == "1") != known {
				t.Errorf("drains: %t, nodes %+v, own %q\n%s", drains, run.Surveyed.Nodes, run.Facts.Own, run.Plan.Text(nil))
			}
			if !strings.Contains(run.Plan.Text(nil), c.why) {
				t.Errorf("the plan is\n%s\nwant %q", run.Plan.Text(nil), c.why)
			}
			// An error is reported, so that the tasks are read again with a back-off.
			if failed := c.why == "gone away"; (run.Unread != nil) != failed {
				t.Errorf("unread is %v", run.Unread)
			}
		})
	}
}

// A survey's notices are passed on, the plan knows the node of its own engine, and the next survey is given what this
// one remembers. Rotations know how the nodes are.
func TestASurveyBecomesFacts(t *testing.T) {
	n := newNeeding()
	nodes, knew := &kinds.Nodes{Members: 3}, kinds.Remembered{Left: map[string]bool{"1": true}}
	var given kinds.Survey
	var about kinds.Rotate
	n.d.surveyed = kinds.Remembered{Left: map[string]bool{"before": true}}
	n.d.kinds = append(n.d.kinds, kinds.Kind{
		Model: kinds.Model{Name: v1.KindService}, // of which there are live objects
		Survey: &kinds.Surveyor{
			Asks: func(kinds.Survey, []kinds.TaskAnswer) kinds.TaskNeed { return kinds.TaskNeed{} },
			Survey: func(in kinds.Survey, _ []kinds.TaskAnswer) kinds.Surveyed {
				given = in
				return kinds.Surveyed{Notices: []string{"stuck"}, Own: "1", Nodes: nodes, Remembered: knew}
			},
		},
		Rotate: &kinds.Rotator{
			Asks: func(kinds.Rotate, map[string]kinds.File) []string { return nil },
			Rotate: func(in kinds.Rotate, _ map[string]kinds.File) kinds.Rotating {
				about = in
				return kinds.Rotating{Again: time.Hour}
			},
		},
	})
	n.d.Learn(n.run, n.d.asks(n.run), Answers{})
	if !slices.Contains(n.run.Notices, "stuck") || n.run.Facts.Own != "1" || n.run.Surveyed.Nodes != nodes || n.run.Rotating.Again != time.Hour {
		t.Errorf("own is %q, notices %q, surveyed %+v, rotating %+v", n.run.Facts.Own, n.run.Notices, n.run.Surveyed, n.run.Rotating)
	}
	if !given.Remembered.Left["before"] || !n.d.surveyed.Left["1"] || n.d.surveyed.Left["before"] {
		t.Errorf("it was given %+v, and now knows %+v", given.Remembered, n.d.surveyed)
	}
	if about.Nodes != nodes || about.Live == nil || about.Want == nil {
		t.Errorf("rotations are decided by %+v", about)
	}
	if len(given.States) != 3 {
		t.Errorf("it was given %d states", len(given.States))
	}
}

// No kind has a survey or rotations, so nothing is asked and nothing is known.
func TestWithoutASurveyNothingIsKnown(t *testing.T) {
	n := newNeeding()
	needs := n.d.asks(n.run)
	n.d.Learn(n.run, needs, Answers{})
	if needs.More() || n.run.Surveyed.Nodes != nil || n.run.Rotating.Last != nil {
		t.Errorf("needs %+v, surveyed %+v, rotating %+v", needs, n.run.Surveyed, n.run.Rotating)
	}
}

// A run that thinks twice (see Progress.Again) knows the same afterwards as a run that thinks once.
func TestASurveyIsThoughtTwice(t *testing.T) {
	s := onNodes{
		lives:     []*kinds.Live{manager("1", "a"), manager("2", "b"), manager("3", "c"), worker("4", "d", v1.Drain), worker("5", "e", v1.Drain)},
		manifests: []v1.Object{drained("d"), drained("e"), clusterOf(v1.ClusterSpec{Managers: &v1.Managers{Count: 3}})},
	}
	d := New(Policy{RepairAfter: time.Minute, Budgets: plan.DefaultBudgets()})
	think := func() {
		run, n := s.asks(d)
		d.Learn(run, n, Answers{Tasks: []kinds.TaskAnswer{{TaskNeed: n.Tasks, Tasks: []kinds.Task{{ID: "t", Node: "4", State: "running", Desired: "running"}}}}})
		d.Decide(run)
	}
	before, nothing := d.Clone(), d.Copy()
	think()
	once := d.Copy()
	if d := cmp.Diff(nothing, before.Copy(), wholeProgress); d != "" {
		t.Errorf("a clone has changed:\n%s", d)
	}
	d.Again(before)
	think()
	if d := cmp.Diff(once, d.Copy(), wholeProgress); d != "" {
		t.Errorf("it knows something else:\n%s", d)
	}
	if !once.surveyed.Emptied["5"] || once.surveyed.Emptied["4"] || !once.surveyed.Roles.Settled || len(once.surveyed.Managers) != 3 {
		t.Errorf("it knows %+v", once.surveyed)
	}
	d.Did(plan.Step{Instance: "1", Origin: plan.OriginDemotes, Does: node.RoleChange{Node: node.Node{ID: "1", Manager: true}}}, noon)
	if !d.surveyed.Orphans["1"] || d.surveyed.Roles.Settled || once.surveyed.Orphans["1"] {
		t.Errorf("after a step it knows %+v, and before %+v", d.surveyed, once.surveyed)
	}
}

func TestWhyNoRoleMayChange(t *testing.T) {
	hold := func(target string, until time.Time) plan.Hold {
		return plan.Hold{Target: target, Reason: "we look", Until: until}
	}
	suspended := map[v1.Key]*diff.State{theCluster: {Key: theCluster, Policy: v1.Policy{Suspend: true}}}
	for name, c := range map[string]struct {
		holds []plan.Hold
		wants map[v1.Key]*diff.State
		want  string
	}{
		"nothing":                  {},
		"a hold on the Cluster":    {holds: []plan.Hold{hold("Cluster/default", time.Time{})}, want: "on hold: "},
		"a hold on the source":     {holds: []plan.Hold{hold("src", time.Time{})}, want: "on hold: "},
		"a hold on another source": {holds: []plan.Hold{hold("other", time.Time{})}},
		"a hold on a node":         {holds: []plan.Hold{hold("Node/a", time.Time{})}},
		"a hold that is over":      {holds: []plan.Hold{hold("Cluster/default", noon)}},
		"suspended":                {wants: suspended, want: "policy.suspend of the Cluster is set"},
		"suspended and on hold":    {holds: []plan.Hold{hold("Cluster/default", time.Time{})}, wants: suspended, want: "on hold: "},
		"another is suspended":     {wants: map[v1.Key]*diff.State{svc("a"): {Policy: v1.Policy{Suspend: true}}}},
		"it is not suspended":      {wants: map[v1.Key]*diff.State{theCluster: {Key: theCluster}}},
	} {
		t.Run(name, func(t *testing.T) {
			run := about(nil, state.Memory{})
			run.Facts.Holds, run.Facts.Now, run.Wanted = c.holds, noon, c.wants
			if got := stopped(run); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("it says %q, want %q", got, c.want)
			}
		})
	}
}

func TestManagersThatManifestsAskFor(t *testing.T) {
	three := &v1.Managers{Count: 3}
	for name, c := range map[string]struct {
		manifests []v1.Object
		want      *v1.Managers
	}{
		"no manifest":           {},
		"no Cluster":            {manifests: []v1.Object{drained("a")}},
		"nothing about them":    {manifests: []v1.Object{clusterOf(v1.ClusterSpec{})}},
		"a Cluster":             {manifests: []v1.Object{clusterOf(v1.ClusterSpec{Managers: three})}, want: three},
		"a Cluster among nodes": {manifests: []v1.Object{drained("a"), clusterOf(v1.ClusterSpec{Managers: three}), drained("b")}, want: three},
	} {
		t.Run(name, func(t *testing.T) {
			var entries []kinds.Entry
			for _, o := range c.manifests {
				entries = append(entries, kinds.Entry{Object: o})
			}
			if got := managersOf(entries); got != c.want {
				t.Errorf("wanted are %+v", got)
			}
		})
	}
}

// Nothing is done to a node that somebody holds, has released, or that another source has.
func TestNodesThatAreLeftAlone(t *testing.T) {
	key := v1.Key{Kind: v1.KindNode, Name: "b"}
	for name, c := range map[string]struct {
		given func(*Decision)
		held  bool
	}{
		"nobody":                {given: func(*Decision) {}},
		"a hold":                {given: func(r *Decision) { r.Facts.Holds = []plan.Hold{{Target: "Node/b"}} }, held: true},
		"a hold on the source":  {given: func(r *Decision) { r.Facts.Holds = []plan.Hold{{Target: "src"}} }, held: true},
		"a hold on another":     {given: func(r *Decision) { r.Facts.Holds = []plan.Hold{{Target: "Node/a"}} }},
		"it was released":       {given: func(r *Decision) { r.Facts.Released = map[v1.Key]bool{key: true} }, held: true},
		"another was released":  {given: func(r *Decision) { r.Facts.Released = map[v1.Key]bool{svc("b"): true} }},
		"all are released":      {given: func(r *Decision) { r.Facts.ReleasedAll = true }, held: true},
		"another source has it": {given: func(r *Decision) { r.Others = map[string]string{"2": "other"} }, held: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := worker("2", "b", v1.Active)
			d := New(Policy{})
			run, _ := onNodes{lives: []*kinds.Live{l}}.asks(d)
			c.given(run)
			if got := d.survey(run, v1.KindNode).Held(key, l); got != c.held {
				t.Errorf("it is left alone: %t", got)
			}
		})
	}
}

// A survey is given the nodes that manifests are about, what differs of them, and services in the words of manifests.
func TestWhatASurveyGoesBy(t *testing.T) {
	d := New(Policy{RepairAfter: time.Hour})
	three := &v1.Managers{Count: 3}
	run, _ := onNodes{
		lives: []*kinds.Live{manager("1", "a"), worker("2", "b", v1.Active), worker("3", "c", v1.Drain), replicated("s", "web"), liveCluster(nil)}, own: "1",
		manifests: []v1.Object{drained("b"), drained("c"), clusterOf(v1.ClusterSpec{Managers: three})},
	}.asks(d)
	run.Changes = append(run.Changes, diff.Change{Op: diff.Create, Key: v1.Key{Kind: v1.KindNode, Name: "z"}})
	in := d.survey(run, v1.KindNode)
	if len(in.Changes) != 1 || in.Changes[0].Instance != "2" || len(in.States) != 2 || in.States["2"] == nil || in.States["3"] == nil {
		t.Errorf("changes %+v, states %v", in.Changes, in.States)
	}
	if in.Managers != three || in.Own != "1" || !in.Now.Equal(noon) || in.RepairAfter != time.Hour || len(in.Expanded) != 2 || in.Index != run.Index {
		t.Errorf("it goes by %+v", in)
	}
	if web := in.Service("s"); web == nil || web.Metadata.Name != "web" || in.Service("x") != nil || in.Service("2") != nil {
		t.Errorf("the service is %+v", web)
	}
}

// Records count even if no manifest is about the Cluster. What is stated counts only with the two states to write it
// by.
func TestRotationsOfARun(t *testing.T) {
	live := &kinds.Live{Kind: v1.KindCluster, ID: "c", Name: v1.ClusterName, Labels: map[string]string{v1.LabelRotatedWorker: "epoch=1 at=2026-03-01T12:00:00Z"}, Raw: &swarm.ClusterInfo{}}
	epoch := uint64(2)
	manifest := &v1.Cluster{Spec: v1.ClusterSpec{JoinTokens: &v1.JoinTokens{Worker: &v1.JoinToken{Rotation: &v1.Rotation{Epoch: &epoch}}}}}
	of := func(lives ...*kinds.Live) *kinds.Index {
		return kinds.NewIndex(map[string][]*kinds.Live{v1.KindCluster: lives}, func(*kinds.Live) []kinds.Ref { return nil })
	}
	haves := []*diff.State{{Key: theCluster, Instance: "default", Meta: diff.Meta{ID: "c", Mine: true}, Value: live}}
	wants := map[v1.Key]*diff.State{theCluster: {Key: theCluster, Value: manifest}}
	for _, c := range []struct {
		name                   string
		lives                  []*kinds.Live
		haves                  []*diff.State
		wants                  map[v1.Key]*diff.State
		nodes                  *kinds.Nodes
		records, stated, steps int
	}{
		{name: "nothing is known"},
		{name: "no manifest", lives: []*kinds.Live{live}, records: 1},
		{name: "a manifest of another source", lives: []*kinds.Live{live}, haves: haves, records: 1},
		{name: "a manifest", lives: []*kinds.Live{live}, haves: haves, wants: wants, records: 1, stated: 1}, // nothing is known of nodes, so what is due waits
		{name: "a manifest, and nodes are known", lives: []*kinds.Live{live}, haves: haves, wants: wants, nodes: &kinds.Nodes{}, records: 1, steps: 1},
		{name: "a manifest, and no live object", haves: haves, wants: wants},
	} {
		run := &Decision{}
		run.At, run.Index, run.Haves, run.Wanted = time.Unix(0, 0), of(c.lives...), c.haves, c.wants
		got := New(Policy{}).rotating(run).rotate(c.nodes, nil)
		p := plan.Build(nil, plan.Facts{}, plan.Policy{}, got.Part)
		if len(got.Last) != c.records || len(p.Refused) != c.stated || len(p.Steps) != c.steps {
			t.Errorf("%s: %+v\n%s", c.name, got, p.Text(nil))
		}
	}
}

// While the Cluster is as its manifest says, a run keeps neither of them whole. What is due by epoch is due all the same.
func TestARotationIsDueWhereNothingDiffers(t *testing.T) {
	epoch := uint64(2)
	s := onNodes{
		lives: []*kinds.Live{manager("1", "a"), liveCluster(map[string]string{v1.LabelRotatedWorker: "epoch=1 at=2026-03-01T12:00:00Z"})}, own: "1",
		manifests: []v1.Object{clusterOf(v1.ClusterSpec{JoinTokens: &v1.JoinTokens{Worker: &v1.JoinToken{Rotation: &v1.Rotation{Epoch: &epoch}}}})},
	}
	d := New(Policy{})
	for look := range 3 {
		_, n := s.asks(d)
		d.Keep()
		p := plan.Build(nil, plan.Facts{}, plan.Policy{}, n.rotating.rotate(&kinds.Nodes{}, nil).Part)
		if len(p.Steps) != 1 || kinds.RenewalOf(p.Steps[0]).Makes != kinds.WorkerToken {
			t.Errorf("look %d: the plan is\n%s", look, p.Text(nil))
		}
	}
}
