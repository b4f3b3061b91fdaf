package node

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/rogpeppe/go-internal/txtar"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/golden"
)

// scene is a swarm that is surveyed again and again. It is read from the lines of TestExpand and from
//
//	managers COUNT [labels=k:v] [hosts=a*] [spread=zone] [stable=1s] [replace=1h]
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
	s := &scene{t: t, lives: map[string]*kinds.Live{}, entries: map[v1.Key]kinds.Entry{}, services: map[string]*v1.Service{}, holds: map[string]bool{}}
	s.in.Now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s.in.Remembered = &kinds.Remembered{Emptied: map[string]bool{}, Left: map[string]bool{}}
	s.in.Held = func(k v1.Key, _ *kinds.Live) bool { return s.holds[k.Name] }
	s.in.Service = func(id string) *v1.Service { return s.services[id] }
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
		s.in.Remembered.Left[w[1]] = true
	case "rotating":
		s.rotating = true
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
	m := &v1.Managers{Candidates: &v1.Candidates{}}
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
			m.Candidates.Labels = labelsOf(value)
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

// survey does what a run does.
func (s *scene) survey() {
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
	c, _ := s.served.client(s.t)
	s.served.asked = nil
	got, err := survey(context.Background(), c, in)
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
			"manager": n.Manager, "voter": n.Voter, "reachable": n.Reachable, "leader": n.Leader, "ready": n.Ready, "active": n.Active, "held": n.Held, "own": n.Own, "candidate": n.Candidate,
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
	for _, text := range w.Running.Strings() {
		fmt.Fprintf(b, "%s\n", text)
	}
	if w.Down > 0 {
		fmt.Fprintf(b, "down %d\n", w.Down)
	}
	if w.Rotating {
		b.WriteString("rotating: " + w.Progress() + "\n")
	}
}
