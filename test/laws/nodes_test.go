package laws

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/test/generate"
	"github.com/swarm-operator/swarm-operator/test/model"
)

// onNodes is what the engine, the disk and people say beside the lists.
type onNodes struct {
	tasks []kinds.Task
	// unread says why nobody can list tasks. It is nil if somebody can.
	unread error
	holds  []state.Hold
	// proven has the hostname that each node had when it was a manager, or when the operator joined it. labelled are
	// nodes of which a hand wrote labels.
	proven   map[string]string
	labelled map[string]bool
}

// roots are two roots of a CA with their keys, in PEM.
var roots = sync.OnceValue(func() (out [2]struct{ cert, key string }) {
	for i := range out {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: model.Noon.Add(-time.Hour), NotAfter: model.Noon.AddDate(20, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			panic(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			panic(err)
		}
		out[i].cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
		out[i].key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	}
	return out
})

// joins makes the nodes and the cluster object.
func (s *deciding) joins(t *rapid.T) {
	s.onNodes = &onNodes{proven: map[string]string{}, labelled: map[string]bool{}}
	s.Found(roots()[0].cert)
	managers := rapid.SampledFrom([]int{1, 2, 3, 3}).Draw(t, "managers")
	for i, host := range generate.Hosts[:rapid.IntRange(3, len(generate.Hosts)).Draw(t, "hosts")] {
		id := s.Join(host)
		if rapid.IntRange(0, 2).Draw(t, "a candidate's label by hand") > 0 {
			s.ChangeNode(id, func(n *swarm.Node) { maps.Copy(n.Spec.Labels, generate.Candidates) })
			s.onNodes.labelled[id] = true
		}
		if i < managers {
			s.ChangeNode(id, func(n *swarm.Node) {
				n.Spec.Role, n.ManagerStatus = swarm.NodeRoleManager, &swarm.ManagerStatus{Reachability: swarm.ReachabilityReachable, Leader: i == 0}
			})
		}
	}
	s.writesFiles(t)
}

// writesFiles puts a root on the disk, in whatever form.
func (s *deciding) writesFiles(t *rapid.T) {
	files := map[string]string{}
	both := roots()
	switch rapid.SampledFrom([]string{"first", "second", "second", "mixed", "nothing", "no key", "nonsense"}).Draw(t, "files") {
	case "first":
		files[generate.CertFile], files[generate.KeyFile] = both[0].cert, both[0].key
	case "second":
		files[generate.CertFile], files[generate.KeyFile] = both[1].cert, both[1].key
	case "mixed":
		files[generate.CertFile], files[generate.KeyFile] = both[1].cert, both[0].key
	case "no key":
		files[generate.CertFile] = both[1].cert
	case "nonsense":
		files[generate.CertFile], files[generate.KeyFile] = "x", "y"
	}
	s.Files = files
}

// about returns what the engine says of the swarm, and the holds.
func (s *deciding) about() (kinds.About, []state.Hold) {
	out := kinds.About{API: "1.52", Nodes: 3, Managers: 3}
	if s.onNodes == nil {
		return out, nil
	}
	out.Nodes, out.Managers = 0, 0
	for _, n := range s.Nodes() {
		out.Nodes++
		if n.ManagerStatus != nil {
			out.Managers++
			if out.NodeID == "" {
				out.NodeID = n.ID
			}
		}
	}
	return out, s.onNodes.holds
}

// answers adds what is asked about tasks and files. It returns the questions, which are part of what was decided.
func (s *deciding) answers(n decide.Needs, a *decide.Answers) (asked []string) {
	a.Files = map[string]kinds.File{}
	for ; n.More(); n = n.Then(*a) {
		asked = append(asked, fmt.Sprintf("asked for %+v and %q", n.Tasks, n.Files))
		if n.Tasks.Any() {
			answer := kinds.TaskAnswer{TaskNeed: n.Tasks, Err: s.onNodes.unread}
			for _, task := range s.onNodes.tasks {
				if answer.Err == nil && (slices.Contains(n.Tasks.Nodes, task.Node) || slices.Contains(n.Tasks.Services, task.Service)) {
					answer.Tasks = append(answer.Tasks, task)
				}
			}
			a.Tasks = append(a.Tasks, answer)
		}
		for _, path := range n.Files {
			text, is := s.Files[path]
			a.Files[path] = kinds.File{Content: v1.NewContent([]byte(text))}
			if !is {
				a.Files[path] = kinds.File{Err: errors.New("no such file")}
			}
		}
	}
	return asked
}

// livesOnNodes has something happen to nodes between two runs.
func (s *deciding) livesOnNodes(t *rapid.T) {
	if s.onNodes == nil {
		return
	}
	often := func(what string, of int) bool { return rapid.IntRange(1, of).Draw(t, what) == 1 }
	quiet := often("quiet", 2)
	for _, n := range s.Nodes() {
		switch {
		case quiet:
			if back := *n; recovers(&back) {
				s.ChangeNode(n.ID, func(n *swarm.Node) { recovers(n) })
			}
		case often("something", 2):
			before := maps.Clone(n.Spec.Labels)
			s.ChangeNode(n.ID, func(n *swarm.Node) {
				happens(t, n, often)
				s.onNodes.labelled[n.ID] = s.onNodes.labelled[n.ID] || !maps.Equal(n.Spec.Labels, before)
			})
		}
		if often("it calls itself something else", 6) {
			s.ChangeNode(n.ID, func(n *swarm.Node) {
				n.Description.Hostname = rapid.SampledFrom(generate.Hosts).Draw(t, "another hostname")
			})
		}
		if s.Rotates() && often("renewed", 2) {
			s.Renewed(n.ID)
		}
	}
	if nodes := s.Nodes(); len(nodes) > 3 && often("gone", 10) {
		gone := rapid.SampledFrom(nodes).Draw(t, "who")
		delete(s.Objects, v1.Key{Kind: v1.KindNode, Name: gone.ID})
	}
	if often("joins", 6) {
		s.Join(rapid.SampledFrom(generate.Hosts).Draw(t, "host"))
	}
	if often("files", 4) {
		s.writesFiles(t)
	}
	if often("a setting by hand", 8) {
		s.ChangeCluster(func(c *swarm.ClusterInfo) {
			most := int64(rapid.IntRange(1, 3).Draw(t, "history"))
			c.Spec.Orchestration.TaskHistoryRetentionLimit = &most
		})
	}
	s.onNodes.holds = nil
	if often("hold", 8) {
		target := rapid.SampledFrom([]string{"Cluster/default", "Node/b", "src"}).Draw(t, "on")
		s.onNodes.holds = []state.Hold{{Hold: plan.Hold{Target: target, Reason: "we look"}, Name: "h"}}
	}
	s.onNodes.unread = nil
	if often("unread", 5) {
		s.onNodes.unread = errors.New("gone away")
	}
	s.places(t)
}

// recovers ends what keeps a node from being as its spec says. It reports whether anything did.
func recovers(n *swarm.Node) bool {
	manager, m := n.Spec.Role == swarm.NodeRoleManager, n.ManagerStatus
	if n.Status.State == swarm.NodeStateReady && manager == (m != nil) && (m == nil || m.Reachability == swarm.ReachabilityReachable) {
		return false
	}
	n.Status.State, n.ManagerStatus = swarm.NodeStateReady, nil
	if manager {
		n.ManagerStatus = &swarm.ManagerStatus{Reachability: swarm.ReachabilityReachable}
	}
	return true
}

// happens changes a node as its engine, its machine or a hand would.
func happens(t *rapid.T, n *swarm.Node, often func(string, int) bool) {
	manager := n.Spec.Role == swarm.NodeRoleManager
	if manager != (n.ManagerStatus != nil) && !often("the role takes its time", 4) {
		n.ManagerStatus = nil
		if manager {
			n.ManagerStatus = &swarm.ManagerStatus{Reachability: swarm.ReachabilityReachable}
		}
	}
	n.Status.State = swarm.NodeStateReady
	if often("down", 4) {
		n.Status.State = swarm.NodeStateDown
	}
	if n.ManagerStatus != nil {
		n.ManagerStatus.Reachability = swarm.ReachabilityReachable
		if n.Status.State == swarm.NodeStateDown || often("unreachable", 8) {
			n.ManagerStatus.Reachability = swarm.ReachabilityUnreachable
		}
	}
	switch rapid.SampledFrom(append(make([]string, 8), "role", "availability", "label", "ours")).Draw(t, "by hand") {
	case "role":
		n.Spec.Role = map[bool]swarm.NodeRole{true: swarm.NodeRoleWorker, false: swarm.NodeRoleManager}[manager]
	case "availability":
		n.Spec.Availability = swarm.NodeAvailability(rapid.SampledFrom([]string{v1.Active, v1.Drain, v1.Pause}).Draw(t, "availability by hand"))
	case "label":
		n.Spec.Labels["zone"] = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone by hand")
	case "ours":
		maps.DeleteFunc(n.Spec.Labels, func(k, _ string) bool { return strings.HasPrefix(k, v1.LabelPrefix) })
	}
}

// places has tasks of services run somewhere.
func (s *deciding) places(t *rapid.T) {
	s.onNodes.tasks = nil
	nodes := s.Nodes()
	for _, key := range slices.SortedFunc(maps.Keys(s.Objects), v1.Key.Compare) {
		if key.Kind != v1.KindService {
			continue
		}
		for slot := range rapid.IntRange(0, 2).Draw(t, "tasks") {
			task := kinds.Task{
				ID: fmt.Sprintf("%s.%d", key.Name, slot), Service: s.Objects[key].ID, Slot: slot + 1, Desired: "running",
				State: rapid.SampledFrom([]string{"running", "running", "pending", "failed"}).Draw(t, "state"),
			}
			if len(nodes) > 0 && task.State != "pending" {
				task.Node = rapid.SampledFrom(nodes).Draw(t, "place").ID
			}
			s.onNodes.tasks = append(s.onNodes.tasks, task)
		}
	}
}

// unknownIsUnsafe checks that a run does nothing to a node while tasks that it asked for are not known.
func (s *deciding) unknownIsUnsafe(t *rapid.T, run *decide.Decision) {
	if s.onNodes == nil || s.onNodes.unread == nil || run.Surveyed.Nodes != nil {
		return
	}
	for _, step := range run.Plan.Steps {
		if step.Key.Kind == v1.KindNode || step.Rotates() {
			t.Fatalf("tasks are not known, and the plan has the step %s:\n%s", step.Name(), run.Plan.Text(nil))
		}
	}
}

// Manifests that are made for the laws are those that a source may have.
func TestManifestsOfNodesAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, o := range generate.VaryNodes(t, generate.Nodes(t)) {
			if problems := o.Validate(); len(problems) > 0 {
				t.Fatalf("%s: %s", o.Key(), problems[0])
			}
		}
	})
}

// The lives that the laws hold over come to everything that is decided about nodes and about the Cluster.
func TestLivesOfNodesComeToEverything(t *testing.T) {
	saw, lived, runs := map[string]int{}, 0, 0
	life := func(t *rapid.T) {
		s := newDeciding(t)
		s.onlyNodes = lived%4 > 0 // services have tasks
		d := decide.New(s.policy(t))
		lived++
		s.runs(t, func() {
			runs++
			run := s.decides(d, s.observed())
			d.Keep()
			s.unknownIsUnsafe(t, run)
			for _, what := range came(run) {
				saw[what]++
			}
			s.acts(t, run, d)
		})
	}
	generate.Each(t, 250, life)
	for _, what := range []string{
		"labels", "drain", "active", "promote", "demote", "join", "leave", "remove", "a setting", "records", "rotate worker-token", "rotate manager-token", "rotate ca", "rotate signed-ca",
		"roles refused", "announced", "rotating", "unknown", "tasks asked", "services asked", "a file asked", "both files asked", "emptied",
	} {
		if saw[what] == 0 {
			t.Errorf("none of %d lives with %d runs came to %q: %v", lived, runs, what, saw)
		}
	}
}

// came says in brief what a decision came to.
func came(run *decide.Decision) (out []string) {
	add := func(is bool, what string) {
		if is {
			out = append(out, what)
		}
	}
	for _, s := range run.Plan.Steps {
		writes := func(path, text string) bool {
			return slices.ContainsFunc(s.Fields, func(f diff.Field) bool {
				return strings.HasPrefix(f.Path, path) && (text == "" || f.Want.Reveal() == text)
			})
		}
		switch ours := s.Key.Kind == v1.KindNode; {
		case s.Rotates():
			add(true, "rotate "+string(kinds.RenewalOf(s).Makes))
		case s.Key.Kind == v1.KindCluster:
			add(kinds.RenewalOf(s) != nil, "records")
			add(kinds.RenewalOf(s) == nil, "a setting")
		case ours:
			add(s.Op == diff.Create, "join")
			add(s.Op == diff.Remove, "remove")
			add(s.Leaves(), "leave")
			add(s.Recognises(), "recognise")
			add(s.Demotes(), "demote")
			add(s.ChangesRole() && !s.Demotes(), "promote")
			add(writes("spec.labels", ""), "labels")
			add(writes("spec.availability", v1.Drain), "drain")
			add(writes("spec.availability", v1.Active), "active")
		}
	}
	for _, r := range run.Plan.Refused {
		add(r.OfRoles(), "roles refused")
		add(strings.Contains(r.Why, "changed by hand; the operator puts that right"), "announced")
		add(strings.Contains(r.Why, "does not know what runs on this node"), "unknown")
	}
	asked := strings.Join(run.Notices, "\n")
	add(run.Surveyed.Nodes != nil && run.Surveyed.Nodes.Rotating, "rotating")
	add(strings.Contains(asked, "asked for {Nodes:[n"), "tasks asked")
	add(strings.Contains(asked, "Services:[Service"), "services asked")
	add(strings.Contains(asked, generate.CertFile), "a file asked")
	add(strings.Contains(asked, generate.KeyFile), "both files asked")
	add(len(run.Surveyed.Remembered.Emptied) > 0, "emptied")
	return out
}

// trusts notes which nodes are proven when a run looks at them.
func (s *deciding) trusts() {
	if s.onNodes == nil {
		return
	}
	for _, n := range s.Nodes() {
		if n.Spec.Role == swarm.NodeRoleManager || n.ManagerStatus != nil {
			s.onNodes.proven[n.ID] = n.Description.Hostname
		}
	}
}

// trustsTheProven checks that a plan makes no node a manager, and gives none a label that candidates depend on, that is
// only known by what it says of itself.
func (s *deciding) trustsTheProven(t *rapid.T, run *decide.Decision) (doubted int) {
	if s.onNodes == nil {
		return 0
	}
	var candidates map[string]string
	for _, e := range s.entries {
		if c, is := e.Object.(*v1.Cluster); is && c.Spec.Managers != nil {
			candidates = c.Spec.Managers.Candidates.Labels
		}
	}
	for _, step := range run.Plan.Steps {
		if step.Key.Kind != v1.KindNode || step.Op != diff.Update || s.agreed {
			continue
		}
		hostname, is := s.onNodes.proven[step.Instance]
		is = is && hostname == step.Change.Have.Value.(*kinds.Live).Called
		gives := slices.ContainsFunc(step.Fields, func(f diff.Field) bool {
			label, isLabel := strings.CutPrefix(f.Path, "spec.labels.")
			return isLabel && f.Want.Set() && candidates[label] == f.Want.Reveal() && candidates != nil
		})
		if promotes := step.ChangesRole() && !step.Demotes(); promotes && !is && !s.onNodes.labelled[step.Instance] || gives && !is {
			t.Fatalf("node %s is not proven:\n%s", step.Instance, run.Plan.Text(nil))
		}
	}
	for _, r := range run.Plan.Refused {
		if r.Hazard == plan.PromoteUnproven {
			doubted++
		}
	}
	return doubted
}

// No life makes a node a manager only because of what it says of itself.
func TestNodesThatLieGetNothing(t *testing.T) {
	doubted, promoted := 0, 0
	generate.Each(t, 400, func(t *rapid.T) {
		s := newDeciding(t)
		s.onlyNodes = true
		d := decide.New(s.policy(t))
		s.runs(t, func() {
			s.trusts()
			run := s.decides(d, s.observed())
			d.Keep()
			doubted += s.trustsTheProven(t, run)
			promoted += len(slices.DeleteFunc(slices.Clone(run.Plan.Steps), func(s plan.Step) bool { return !s.ChangesRole() || s.Demotes() }))
			s.acts(t, run, d)
			if rapid.IntRange(1, 8).Draw(t, "the operator starts again") == 1 {
				d = decide.New(d.Policy)
			}
			if rapid.IntRange(1, 20).Draw(t, "the memory is lost") == 1 {
				s.found = state.Found{Memory: state.Memory{Source: "src", Salt: []byte("key")}}
			}
		})
	})
	if doubted == 0 || promoted == 0 {
		t.Errorf("%d nodes were doubted, and %d promoted: the lives come to too little", doubted, promoted)
	}
}
