package node

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/rogpeppe/go-internal/txtar"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/golden"
)

// scene is a swarm that is surveyed again and again. It is read from the lines of TestExpand and from
//
//	managers COUNT [labels=k:v] [ids=ID,ID] [hosts=a*] [spread=zone] [stable=1s] [replace=1h]; the nodes 1 to 9 are candidates if nothing says who is
//	proven ID HOSTNAME [engine=k:v] [os=linux] [arch=x86_64]: the node is on record, as it was then
//	joined ID HOSTNAME | agreed ID: the operator joined it, which had that hostname, or somebody agreed that it may be a manager
//	joining HOSTNAME: an operator was about to make its engine join
//	placing LABEL: guardrails make services ask for it
//	doubts: what is shown has the nodes that are not proven, and the record
//	own ID | hold HOSTNAME | rotating | left ID | fails [WHAT]
//	service NAME [replicas=2] [mode=global] [needs=CONSTRAINT]
//	task SERVICE SLOT ID-OF-NODE STATE [volume=NAME] [driver=d] [desired=shutdown] [mount=bind] [error=TEXT]; the id may be -
//	applied ID PATH=TEXT: what was last applied to a node
//	survey: it is surveyed now
//	later 5m
//	- ID: the node is gone; any further live line with the same ID is what the node is then
type scene struct {
	t        *testing.T
	served   served
	lives    map[string]*kinds.Live
	entries  map[v1.Key]kinds.Entry
	services map[string]*v1.Service
	in       kinds.Survey
	holds    map[string]bool
	rotating bool
	doubts   bool
	plans    bool // what is shown has the plan
	out      strings.Builder
}

func TestSurvey(t *testing.T) { given(t, "testdata/survey.txtar", "surveyed", play) }

// given compares what comes of each given part of a file with what the file says.
func given(t *testing.T, file, comes string, of func(*testing.T, string) string) {
	t.Helper()
	cases, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := &txtar.Archive{Comment: cases.Comment}
	for _, f := range cases.Files {
		if name, isGiven := strings.CutSuffix(f.Name, ": given"); isGiven {
			got.Files = append(got.Files, f, txtar.File{Name: name + ": " + comes, Data: []byte(of(t, string(f.Data)))})
		}
	}
	golden.Equal(t, file, string(txtar.Format(got)))
}

func play(t *testing.T, text string) string {
	s := sceneOf(t)
	for line := range strings.Lines(text) {
		s.line(strings.Fields(line))
	}
	if !strings.Contains(text, "survey") {
		s.survey()
	}
	return s.out.String()
}

func (s *scene) line(w []string) {
	switch w[0] {
	case "survey":
		s.survey()
	case "later":
		d, err := time.ParseDuration(w[1])
		if err != nil {
			s.t.Fatal(err)
		}
		s.in.Now = s.in.Now.Add(d)
	case "-":
		delete(s.lives, w[1])
	case "own":
		s.in.Own = w[1]
	case "hold":
		s.holds[w[1]] = true
	case "left":
		s.in.Remembered = s.in.Remembered.Clone()
		s.in.Remembered.Left[w[1]] = true
	case "rotating":
		s.rotating = true
	case "proven":
		l := liveOf(w)
		s.in.Proven[l.ID] = kinds.Proof{Name: l.Called, Says: claims(l), By: "the scene"}
	case "joined":
		s.in.Remembered = s.in.Remembered.Clone()
		s.in.Remembered.Joined[w[1]] = w[2]
	case "joining":
		s.in.Joining = maps.Clone(s.in.Joining)
		if s.in.Joining == nil {
			s.in.Joining = map[string]bool{}
		}
		s.in.Joining[w[1]] = true
	case "agreed":
		s.in.Agreed = func(id string) bool { return id == w[1] }
	case "placing":
		s.in.Placing = append(s.in.Placing, w[1])
	case "doubts":
		s.doubts = true
	case "fails":
		s.served.fails = map[string]int{cmp.Or(strings.Join(w[1:], " "), "tasks"): 400}
	case "managers":
		s.in.Managers = managersFrom(w)
	case "service":
		s.service(w)
	case "task":
		s.task(w)
	case "no-tasks":
		s.served.tasks = nil
	case "applied":
		path, text, _ := strings.Cut(w[2], "=")
		raw(s.lives[w[1]]).Spec.Labels[v1.LabelOwner] = "s/Node/" + s.lives[w[1]].Called
		raw(s.lives[w[1]]).Spec.Labels[v1.LabelApplied] = diff.NewApplied([]diff.Leaf{{Path: path, Text: text, Stated: true}}).String()
	case "live":
		s.lives[w[1]] = liveOf(w)
	default:
		entries, _ := parse(strings.Join(w, " "))
		s.entries[entries[0].Object.Key()] = entries[0]
	}
}

func managersFrom(w []string) *v1.Managers {
	m := &v1.Managers{Candidates: &v1.Candidates{IDs: strings.Split("123456789", "")}}
	_, _ = fmt.Sscan(w[1], &m.Count)
	duration := func(text string) *v1.Duration {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		return (*v1.Duration)(&d)
	}
	for _, a := range w[2:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "labels":
			m.Candidates.Labels, m.Candidates.IDs = labelsOf(value), nil
		case "ids":
			m.Candidates.IDs = strings.Split(value, ",")
		case "hosts":
			m.Candidates.Hostnames = []string{value}
		case "nobody":
			m.Candidates = nil
		case "spread":
			m.SpreadBy = value
		case "stable":
			m.StableFor = duration(value)
		case "replace":
			m.ReplaceAfter = duration(value)
		default:
			panic(a)
		}
	}
	return m
}

func (s *scene) service(w []string) {
	svc := &v1.Service{Header: header(v1.KindService, w[1]), Spec: v1.ServiceSpec{Mode: v1.ModeReplicated}}
	for _, a := range w[2:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "replicas":
			n := uint64(0)
			_, _ = fmt.Sscan(value, &n)
			svc.Spec.Replicas = &n
		case "mode":
			svc.Spec.Mode = value
		case "needs":
			svc.Spec.Placement = &v1.Placement{Constraints: []string{value}}
		default:
			panic(a)
		}
	}
	s.services["id-"+w[1]] = svc
}

func (s *scene) task(w []string) {
	task := swarm.Task{ID: fmt.Sprintf("t%d", len(s.served.tasks)), ServiceID: "id-" + w[1], NodeID: w[3], DesiredState: swarm.TaskStateRunning, Status: swarm.TaskStatus{State: swarm.TaskState(w[4])}}
	_, _ = fmt.Sscan(w[2], &task.Slot)
	if task.NodeID == "-" {
		task.NodeID = ""
	}
	task.Spec.ContainerSpec = &swarm.ContainerSpec{}
	m := mount.Mount{Type: mount.TypeVolume}
	for _, a := range w[5:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "volume":
			m.Source = value
		case "driver":
			m.VolumeOptions = &mount.VolumeOptions{DriverConfig: &mount.Driver{Name: value}}
		case "error":
			task.Status.Err = value
		case "mount":
			m.Type = mount.Type(value)
		case "desired":
			task.DesiredState = swarm.TaskState(value)
		default:
			panic(a)
		}
	}
	if m.Source != "" {
		task.Spec.ContainerSpec.Mounts = []mount.Mount{m}
	}
	s.served.tasks = append(s.served.tasks, task)
}

// given returns what a survey goes by.
func (s *scene) given() kinds.Survey {
	lists := map[string][]*kinds.Live{
		v1.KindNode: slices.Collect(maps.Values(s.lives)),
		v1.KindCluster: {{Kind: v1.KindCluster, ID: "c", Name: v1.ClusterName, Raw: &swarm.ClusterInfo{
			RootRotationInProgress: s.rotating, TLSInfo: swarm.TLSInfo{TrustRoot: "old", CertIssuerSubject: []byte("swarm-ca"), CertIssuerPublicKey: []byte("new")},
		}}},
	}
	for id := range s.services {
		lists[v1.KindService] = append(lists[v1.KindService], &kinds.Live{Kind: v1.KindService, ID: id, Name: id})
	}
	in := s.in
	in.Index = kinds.NewIndex(lists, func(*kinds.Live) []kinds.Ref { return nil })
	in.Expanded, _ = expand(slices.Collect(maps.Values(s.entries)), lists[v1.KindNode])
	for _, e := range in.Expanded {
		l := s.lives[e.Instance]
		if l == nil {
			continue
		}
		want := wantOf(e.Object.(*v1.Node))
		want.Key.Name, want.Instance = l.Called, l.ID
		want.Value.(*v1.Node).Metadata.Name = l.Called
		have := haveOf(raw(l).Spec)
		_, have.Meta = kinds.Source{Name: "s"}.Identify(l)
		have.Instance = l.ID
		if fields := diff.DifferingFields(have, want, rules); len(fields) > 0 {
			in.Changes = append(in.Changes, diff.Change{Op: diff.Update, Key: want.Key, Instance: l.ID, Fields: fields, Have: have, Want: want})
		}
	}
	return in
}

// survey does what a run does.
func (s *scene) survey() {
	in := s.given()
	c, _ := s.served.client(s.t)
	s.served.asked = nil
	remembered := in.Remembered.Clone()
	var answers []kinds.TaskAnswer
	for need := asks(in, nil); need.Any(); need = asks(in, answers) {
		tasks, err := listTasks(s.t.Context(), c, need)
		if answers = append(answers, kinds.TaskAnswer{TaskNeed: need, Tasks: tasks, Err: err}); len(answers) > 2 {
			s.t.Fatalf("it asks again and again: %+v", need)
		}
	}
	got, known, err := survey(in, answers)
	if d := gocmp.Diff(remembered, in.Remembered.Clone(), everything); d != "" {
		s.t.Errorf("a survey has changed what it was given:\n%s", d)
	}
	s.in.Remembered = known
	for _, call := range s.served.asked {
		if text, err := url.QueryUnescape(call); err == nil {
			call = text
		}
		fmt.Fprintf(&s.out, "asks %s\n", call)
	}
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), ":")
		fmt.Fprintf(&s.out, "error: %s\n", text)
		return
	}
	s.show(got)
	if s.plans {
		p := plan.Build(in.Changes, plan.Facts{Now: in.Now}, plan.Policy{Source: "s", Budgets: plan.DefaultBudgets()}, got.Part())
		s.out.WriteString(p.Text(nil))
	}
}

func flags(named map[string]bool) string {
	out := ""
	for _, k := range slices.Sorted(maps.Keys(named)) {
		if named[k] {
			out += " " + k
		}
	}
	return out
}

func (s *scene) show(w Swarm) {
	b := &s.out
	for _, n := range w.Nodes {
		if n.Have == nil || n.Have.Instance != n.ID {
			s.t.Errorf("node %s has the state of %v", n.ID, n.Have)
		}
		fmt.Fprintf(b, "node %s %s:%s", n.ID, n.Name, flags(map[string]bool{
			"manager": n.Manager, "voter": n.Voter, "reachable": n.Reachable, "leader": n.Leader, "ready": n.Ready, "active": n.Active, "held": n.Held, "own": n.Own, "candidate": n.Candidate, "unproven": n.Unproven,
			"pinned as manager": n.Pin == PinnedManager, "pinned as worker": n.Pin == PinnedWorker,
		}))
		if n.Zone != "" {
			fmt.Fprintf(b, " in %s", n.Zone)
		}
		if n.Away != 0 {
			fmt.Fprintf(b, " away %s", n.Away)
		}
		b.WriteByte('\n')
	}
	if m := w.Managers; m != nil {
		fmt.Fprintf(b, "managers %d, stable for %s of %s, replaced after %s\n", m.Count, w.Stable, m.StableFor, m.ReplaceAfter)
	}
	for _, l := range w.Leaving {
		fmt.Fprintf(b, "leaving %s %s:%s", l.ID, l.Key, flags(map[string]bool{"absent": l.Absent, "active": l.Active, "member": l.Member, "held": l.Held, "reach": l.Reach, "left": l.Left, "replaced": l.Replaced, "down": l.Down}))
		if l.Down {
			fmt.Fprintf(b, " for %s", l.DownFor)
		}
		if l.After > 0 {
			fmt.Fprintf(b, " of %s", l.After)
		}
		if l.Tasks > 0 {
			fmt.Fprintf(b, " tasks %d", l.Tasks)
		}
		b.WriteByte('\n')
	}
	for _, e := range w.Emptying {
		fmt.Fprintf(b, "emptying %s %s: %d\n", e.ID, e.Key, e.Tasks)
	}
	for _, text := range w.Running.lines() {
		fmt.Fprintf(b, "%s\n", text)
	}
	if w.Down > 0 {
		fmt.Fprintf(b, "down %d\n", w.Down)
	}
	for _, id := range slices.Sorted(maps.Keys(w.Doubts)) {
		if s.doubts {
			fmt.Fprintf(b, "%s: %s\n", id, w.Doubts[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.Record)) {
		if s.doubts {
			fmt.Fprintf(b, "record %s %s: %s\n", id, w.Record[id].Name, w.Record[id].By)
		}
	}
	for _, name := range w.Joined {
		fmt.Fprintf(b, "%s has joined\n", name)
		delete(s.in.Joining, name)
	}
	if s.doubts && w.Record == nil {
		b.WriteString("the record stays\n")
	}
	if w.Record != nil {
		s.in.Proven = w.Record
	}
	if w.Rotating {
		b.WriteString("rotating: " + w.Progress() + "\n")
	}
}

// everything compares what is remembered, however deep.
var everything = gocmp.Exporter(func(reflect.Type) bool { return true })

// firstSurvey is when a scene begins.
var firstSurvey = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sceneOf returns the scene of the lines, before any survey.
func sceneOf(t *testing.T, lines ...string) *scene {
	t.Helper()
	s := &scene{t: t, lives: map[string]*kinds.Live{}, entries: map[v1.Key]kinds.Entry{}, services: map[string]*v1.Service{}, holds: map[string]bool{}}
	s.in.Now, s.in.Proven = firstSurvey, map[string]kinds.Proof{}
	s.in.Held = func(k v1.Key, _ *kinds.Live) bool { return s.holds[k.Name] }
	s.in.Service = func(id string) *v1.Service { return s.services[id] }
	for _, line := range lines {
		s.line(strings.Fields(line))
	}
	return s
}

// A survey asks for the tasks that matter and that no answer has. Which other tasks matter follows from the tasks on
// the nodes.
func TestWhatASurveyAsksFor(t *testing.T) {
	drained := []string{"live 1 a manager leader", "live 2 b", "service web", "Node b availability=drain"}
	on := func(state string) []kinds.Task {
		return []kinds.Task{{ID: "t", Service: "id-web", Node: "2", Slot: 1, State: state, Desired: "running"}}
	}
	nodes, services := kinds.TaskNeed{Nodes: []string{"2"}}, kinds.TaskNeed{Services: []string{"id-web"}}
	for name, c := range map[string]struct {
		lines   []string
		answers []kinds.TaskAnswer
		want    kinds.TaskNeed
	}{
		"nothing is going to change":        {lines: []string{"live 1 a manager leader", "live 2 b"}},
		"a drain":                           {lines: drained, want: nodes},
		"nodes in the order of their ids":   {lines: []string{"live 3 a", "live 2 b", "NodeSet all availability=drain"}, want: kinds.TaskNeed{Nodes: []string{"2", "3"}}},
		"a task that may go elsewhere":      {lines: drained, answers: []kinds.TaskAnswer{{TaskNeed: nodes, Tasks: on("running")}}, want: services},
		"a task that has ended":             {lines: drained, answers: []kinds.TaskAnswer{{TaskNeed: nodes, Tasks: on("complete")}}},
		"no task":                           {lines: drained, answers: []kinds.TaskAnswer{{TaskNeed: nodes}}},
		"nobody knows":                      {lines: drained, answers: []kinds.TaskAnswer{{TaskNeed: nodes, Err: errors.New("gone away")}}},
		"an answer about another node":      {lines: drained, answers: []kinds.TaskAnswer{{TaskNeed: kinds.TaskNeed{Nodes: []string{"1"}}}}, want: nodes},
		"an answer about nodes and more":    {lines: drained, answers: []kinds.TaskAnswer{{TaskNeed: kinds.TaskNeed{Nodes: []string{"2"}, Services: []string{"x"}}}}, want: nodes},
		"everything is answered":            {lines: drained, answers: []kinds.TaskAnswer{{TaskNeed: nodes, Tasks: on("running")}, {TaskNeed: services, Tasks: on("running")}}},
		"nobody knows what else runs there": {lines: drained, answers: []kinds.TaskAnswer{{TaskNeed: nodes, Tasks: on("running")}, {TaskNeed: services, Err: errors.New("gone away")}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := asks(sceneOf(t, c.lines...).given(), c.answers); !got.Equal(c.want) {
				t.Errorf("it asks for %+v, want %+v", got, c.want)
			}
		})
	}
}

// While tasks that matter are not known, nothing is known of the nodes, and no step on a node is allowed. How long
// things have been as they are is known all the same.
func TestAnUnansweredSurveyIsUnsafe(t *testing.T) {
	s := sceneOf(t, "live 1 a manager leader", "live 2 b down", "live 3 c", "service web", "Node c availability=drain", "managers 1")
	nodes := kinds.TaskNeed{Nodes: []string{"3"}}
	task := kinds.Task{ID: "t", Service: "id-web", Node: "3", State: "running", Desired: "running"}
	for name, c := range map[string]struct {
		answers []kinds.TaskAnswer
		why     string
	}{
		"nobody asked":                  {nil, "nobody asked"},
		"nobody knows":                  {[]kinds.TaskAnswer{{TaskNeed: nodes, Err: errors.New("gone away")}}, "gone away"},
		"nobody asked about services":   {[]kinds.TaskAnswer{{TaskNeed: nodes, Tasks: []kinds.Task{task}}}, "nobody asked"},
		"another question was answered": {[]kinds.TaskAnswer{{TaskNeed: kinds.TaskNeed{Nodes: []string{"2"}}}}, "nobody asked"},
	} {
		t.Run(name, func(t *testing.T) {
			in := s.given()
			got := look(in, c.answers)
			if got.Nodes != nil || got.Own != "" || got.Again != 0 || len(got.Notices) > 0 {
				t.Errorf("something is known of the nodes: %+v", got)
			}
			p := plan.Build(in.Changes, plan.Facts{Now: in.Now}, plan.Policy{Source: "s", Budgets: plan.DefaultBudgets()}, got.Part)
			if len(p.Steps) > 0 || len(p.Refused) != 1 || !strings.Contains(p.Refused[0].Why, c.why) {
				t.Errorf("the plan is\n%s", p.Text(nil))
			}
			if at := got.Remembered.Since.Of("down 2", "", in.Now.Add(time.Hour)); !at.Equal(in.Now) {
				t.Errorf("the node is down since %s", at)
			}
			if got.Remembered.Roles != (kinds.Roles{}) || len(got.Remembered.Managers) > 0 {
				t.Errorf("the managers are known to be as wanted: %+v", got.Remembered)
			}
		})
	}
}

// A role that was changed by hand is only announced for a while. A role that git changes is not, and neither is what
// follows from a change that the operator made.
func TestARoleChangedByHandIsAnnounced(t *testing.T) {
	asWanted := []string{"live 1 a manager leader", "live 2 b manager", "live 3 c manager", "managers 3 stable=1s"}
	demoted := append(slices.Clone(asWanted), "live 2 b")
	promote := plan.Step{Instance: "2", Origin: plan.OriginPromotes, Does: RoleChange{Promote: true, Node: Node{ID: "2", Ready: true}}}
	for name, c := range map[string]struct {
		first, then []string
		between     func(kinds.Remembered) kinds.Remembered
		after       time.Duration
		announced   bool
	}{
		"by hand":                        {first: asWanted, then: demoted, after: time.Minute, announced: true},
		"at once":                        {first: asWanted, then: demoted},
		"by git":                         {first: asWanted, then: append(slices.Clone(asWanted), "managers 1 stable=1s"), after: time.Minute},
		"by git and by hand":             {first: asWanted, then: append(slices.Clone(demoted), "managers 3 stable=2s"), after: time.Minute},
		"it was never as it was wanted":  {first: demoted, then: demoted, after: time.Minute},
		"nothing is said of managers":    {first: asWanted[:3], then: demoted, after: time.Minute},
		"the operator changed something": {first: asWanted, then: demoted, after: time.Minute, between: func(r kinds.Remembered) kinds.Remembered { return did(r, promote) }},
		"another process":                {first: asWanted, then: demoted, after: time.Minute, between: func(kinds.Remembered) kinds.Remembered { return kinds.Remembered{} }},
	} {
		t.Run(name, func(t *testing.T) {
			in := sceneOf(t, c.first...).given()
			in.RepairAfter = c.after
			known := look(in, nil).Remembered
			if c.between != nil {
				known = c.between(known)
			}
			in = sceneOf(t, c.then...).given()
			in.RepairAfter, in.Remembered = c.after, known
			for _, wait := range []time.Duration{0, 30 * time.Second, 90 * time.Second} {
				in.Now = in.Now.Add(wait)
				got := look(in, nil)
				in.Remembered = got.Remembered
				p := plan.Build(nil, plan.Facts{Now: in.Now}, plan.Policy{Source: "s", RepairAfter: c.after, Budgets: plan.DefaultBudgets()}, got.Part)
				announced := strings.Contains(p.Text(nil), "changed by hand")
				if want := c.announced && wait < time.Minute && wait > 0; announced != want { // at first the managers have to be stable
					t.Errorf("after %s it is announced: %t\n%s", wait, announced, p.Text(nil))
				}
			}
		})
	}
}

// After a step, did returns what no list of nodes tells. The value from before the step does not change.
func TestWhatIsRememberedOfAStep(t *testing.T) {
	before := kinds.Remembered{Left: map[string]bool{"9": true}, Orphans: map[string]bool{"8": true}, Roles: kinds.Roles{Wanted: "3", Settled: true, Since: time.Unix(1, 0)}}
	role := func(n Node, promote bool) plan.Step {
		return RoleChange{Node: n, Promote: promote}.step()
	}
	for name, c := range map[string]struct {
		step    plan.Step
		orphans map[string]bool
		left    map[string]bool
		settled bool
	}{
		"labels":              {step: plan.Step{Instance: "1", Op: diff.Update}, orphans: before.Orphans, left: before.Left, settled: true},
		"a service":           {step: plan.Step{Instance: "web", Op: diff.Create}, orphans: before.Orphans, left: before.Left, settled: true},
		"promoted":            {step: role(Node{ID: "1", Ready: true}, true), orphans: map[string]bool{"8": true, "1": false}, left: before.Left},
		"demoted":             {step: role(Node{ID: "1", Manager: true, Ready: true}, false), orphans: map[string]bool{"8": true, "1": false}, left: before.Left},
		"demoted while down":  {step: role(Node{ID: "1", Manager: true}, false), orphans: map[string]bool{"8": true, "1": true}, left: before.Left},
		"promoted, an orphan": {step: role(Node{ID: "8"}, true), orphans: map[string]bool{"8": false}, left: before.Left},
		"asked to leave":      {step: Leaving{ID: "1"}.step(diff.Update, ""), orphans: before.Orphans, left: map[string]bool{"9": true, "1": true}, settled: true},
	} {
		t.Run(name, func(t *testing.T) {
			was := before.Clone()
			got := did(before, c.step)
			if !maps.Equal(got.Orphans, c.orphans) || !maps.Equal(got.Left, c.left) || got.Roles.Settled != c.settled || got.Roles.Since.IsZero() == c.settled || got.Roles.Wanted != "3" {
				t.Errorf("remembered is %+v", got)
			}
			if d := gocmp.Diff(was, before.Clone(), everything); d != "" {
				t.Errorf("what was known has changed:\n%s", d)
			}
		})
	}
}

// lines lists what runs, what is ready and what is coming.
func (r *Running) lines() []string {
	if r == nil {
		return nil
	}
	var out []string
	for what, of := range map[string]map[string][]Placed{"runs on": r.onNode, "ready": r.ready, "coming": r.coming} {
		for key, tasks := range of {
			names := make([]string, 0, len(tasks))
			for _, t := range tasks {
				names = append(names, t.Name)
			}
			out = append(out, fmt.Sprintf("%s %s: %s", what, key, strings.Join(names, ", ")))
		}
	}
	slices.Sort(out)
	return out
}
