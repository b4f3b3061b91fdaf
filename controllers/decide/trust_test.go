package decide

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// trusting is a source that says something of nodes, run by run.
type trusting struct {
	t         *testing.T
	d         *Decider
	lives     []*kinds.Live
	manifests []v1.Object
	memory    state.Memory
}

func newTrusting(t *testing.T, manifests ...v1.Object) *trusting {
	return &trusting{
		t: t, d: New(Policy{Budgets: plan.DefaultBudgets()}), manifests: manifests,
		memory: state.Memory{Source: "src", InForce: state.Revision{Hash: "1"}, History: []state.Entry{{Hash: "1"}}},
	}
}

// runs decides, and keeps what is to be remembered if the run may write it.
func (s *trusting) runs(change ...func(*Decision)) *Decision {
	s.t.Helper()
	lists := map[string][]*kinds.Live{v1.KindNode: s.lives}
	run := about(kinds.NewIndex(lists, func(*kinds.Live) []kinds.Ref { return nil }), s.memory)
	run.InForce.Hash, run.At, run.Found.Sequence = "1", noon, 1
	for _, o := range s.manifests {
		run.Entries = append(run.Entries, kinds.Entry{Object: o})
	}
	for _, c := range change {
		c(run)
	}
	s.d.Expand(run)
	s.d.Compare(run, Before{})
	n := s.d.Needs(run)
	var a Answers
	for need := n; need.More(); need = need.Then(a) {
		a.Tasks = append(a.Tasks, kinds.TaskAnswer{TaskNeed: need.Tasks})
	}
	s.d.Learn(run, n, a)
	s.d.Decide(run)
	if !run.Frozen {
		s.memory = run.Memory
	}
	return run
}

// onRecord returns who is on record, and why.
func (s *trusting) onRecord() string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(s.memory.Proven)) {
		out = append(out, fmt.Sprintf("%s is %s: %s", id, s.memory.Proven[id].Name, s.memory.Proven[id].By))
	}
	return strings.Join(out, "\n")
}

// asksFor returns the ids of the nodes that wait for consent to be promoted, or to get a label.
func asksFor(run *Decision) string {
	var out []string
	for _, r := range run.Plan.Refused {
		if r.Hazard == plan.PromoteUnproven {
			out = append(out, r.Instance)
		}
	}
	return strings.Join(out, " ")
}

// pinned returns a manifest that pins a node as a manager.
func pinned(host string) v1.Object {
	return &v1.Node{Header: headed(v1.KindNode, host), Spec: v1.NodeSpec{Role: v1.RoleManager}}
}

func promote(ids ...string) plan.Consents {
	c := plan.Consented{Hazard: plan.PromoteUnproven}
	for _, id := range ids {
		c.Objects = append(c.Objects, v1.Key{Kind: v1.KindNode, Name: id})
	}
	return plan.Consents{c}
}

// An agreement puts the node on record as it is, and is used up with that.
func TestConsentToPromoteIsOnRecordAndUsedUp(t *testing.T) {
	for name, c := range map[string]struct {
		approved, line plan.Consents // by approve, and by the command line of this process
		record         string
		waits          string
		left           plan.Consents
	}{
		"nobody agreed":           {record: "1 is a: it was a manager", waits: "2"},
		"approve":                 {approved: promote("2"), record: "1 is a: it was a manager\n2 is b: consent to promote-unproven"},
		"the command line":        {line: promote("2"), record: "1 is a: it was a manager\n2 is b: consent to promote-unproven"},
		"approve of another id":   {approved: promote("9"), record: "1 is a: it was a manager", waits: "2", left: promote("9")},
		"approve of both":         {approved: promote("9", "2"), record: "1 is a: it was a manager\n2 is b: consent to promote-unproven", left: promote("9")},
		"approve of the hostname": {approved: promote("b"), record: "1 is a: it was a manager", waits: "2", left: promote("b")},
		"another hazard": {
			approved: plan.Consents{{Hazard: plan.ForceNodeRemoval, Objects: promote("2")[0].Objects}}, record: "1 is a: it was a manager", waits: "2",
			left: plan.Consents{{Hazard: plan.ForceNodeRemoval, Objects: promote("2")[0].Objects, Wants: map[v1.Key]string{{Kind: v1.KindNode, Name: "2"}: ""}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTrusting(t, pinned("a"), pinned("b"))
			s.lives = []*kinds.Live{manager("1", "a"), worker("2", "b", v1.Active)}
			s.d.Consents = c.line
			if c.approved != nil {
				s.memory.Approvals = []state.Approval{{Revision: "1", Consents: c.approved}}
			}
			run := s.runs()
			if got := asksFor(run); got != c.waits || s.onRecord() != c.record {
				t.Errorf("%q waits, want %q; on record is\n%s\nwant\n%s", got, c.waits, s.onRecord(), c.record)
			}
			for i := range c.left {
				c.left[i].How = "by command"
			}
			if d := cmp.Diff(c.left, s.memory.Consents); d != "" {
				t.Errorf("consents that are left (-want +got):\n%s", d)
			}
			s.d.Consents = nil
			if again := s.runs(); asksFor(again) != c.waits {
				t.Errorf("in the next run %q waits, want %q", asksFor(again), c.waits)
			}
		})
	}
}

// What somebody agreed to is one machine under one name. An agreement that was used up says nothing of what the machine
// calls itself later, and nothing of another machine that has the name.
func TestConsentToPromoteIsBound(t *testing.T) {
	s := newTrusting(t, pinned("a"), pinned("b"), pinned("c"))
	s.lives = []*kinds.Live{manager("1", "a"), worker("2", "b", v1.Active)}
	s.memory.Approvals = []state.Approval{{Revision: "1", Consents: promote("2")}}
	if run := s.runs(); asksFor(run) != "" {
		t.Fatalf("%q waits", asksFor(run))
	}
	s.lives = []*kinds.Live{manager("1", "a"), worker("2", "c", v1.Active), worker("3", "b", v1.Active)}
	if run := s.runs(); asksFor(run) != "3 2" { // in the order of the hostnames
		t.Errorf("%q waits", asksFor(run))
	}
	s.lives = []*kinds.Live{manager("1", "a"), worker("2", "b", v1.Active)}
	if run := s.runs(); asksFor(run) != "" {
		t.Errorf("it calls itself b again, and %q waits", asksFor(run))
	}
}

// A node whose engine the operator joined is on record with the next write, and stays so when the process ends. If the
// process ends before that, and no manifest states its engine, nobody knows the node.
func TestAJoinedNodeIsOnRecord(t *testing.T) {
	for name, c := range map[string]struct {
		killed bool
		called string
		want   string
	}{
		"as it should be":             {called: "b"},
		"killed before it is written": {called: "b", killed: true, want: "2"},
		"it called itself something":  {called: "c", want: "2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTrusting(t, pinned("a"), pinned("b"), pinned("c"))
			s.lives = []*kinds.Live{manager("1", "a")}
			s.runs()
			s.d.Joined("2", v1.Key{Kind: v1.KindNode, Name: "b"})
			if s.lives = append(s.lives, worker("2", c.called, v1.Active)); c.killed {
				s.d = New(s.d.Policy)
			}
			if run := s.runs(); asksFor(run) != c.want {
				t.Errorf("%q waits, want %q", asksFor(run), c.want)
			}
			s.d = New(s.d.Policy) // and another process goes on
			if run := s.runs(); asksFor(run) != c.want {
				t.Errorf("after a start %q waits, want %q", asksFor(run), c.want)
			}
		})
	}
}

// Nodes that are managers are known, even if the memory was lost, or is of a release that put nobody on record. Others
// are not.
func TestWithoutARecordManagersAreKnown(t *testing.T) {
	var old state.Memory
	if err := json.Unmarshal([]byte(`{"format": 3, "source": "src", "inForce": {"hash": "1"}}`), &old); err != nil {
		t.Fatal(err)
	}
	for name, memory := range map[string]state.Memory{"lost": {Source: "src"}, "of an older release": old} {
		t.Run(name, func(t *testing.T) {
			s := newTrusting(t, pinned("a"), pinned("b"), pinned("c"))
			s.memory = memory
			s.lives = []*kinds.Live{manager("1", "a"), manager("2", "b"), worker("3", "c", v1.Active)}
			if run := s.runs(); asksFor(run) != "3" || s.onRecord() != "1 is a: it was a manager\n2 is b: it was a manager" {
				t.Errorf("%q waits, and on record is\n%s", asksFor(run), s.onRecord())
			}
			s.lives[1] = worker("2", "b", v1.Active) // a hand demotes it
			if run := s.runs(); asksFor(run) != "3" {
				t.Errorf("%q waits", asksFor(run))
			}
		})
	}
}

// A run that may not write its memory puts nobody on record.
func TestAFrozenRunPutsNobodyOnRecord(t *testing.T) {
	s := newTrusting(t, pinned("a"))
	s.lives = []*kinds.Live{manager("1", "a")}
	s.memory.ReleasedAll = true
	if run := s.runs(); !run.Frozen || len(run.Memory.Proven) > 0 {
		t.Errorf("frozen %t, and on record is %v", run.Frozen, run.Memory.Proven)
	}
}

// The record is written when somebody is added to it, and only if manifests say something of managers.
func TestTheRecordIsWrittenWhenItGrows(t *testing.T) {
	labels := &v1.Node{Header: headed(v1.KindNode, "b"), Spec: v1.NodeSpec{Labels: map[string]string{"zone": "a"}}}
	candidates := clusterOf(v1.ClusterSpec{Managers: &v1.Managers{Count: 1, Candidates: &v1.Candidates{Labels: map[string]string{"manager": "yes"}}}})
	for name, c := range map[string]struct {
		manifests []v1.Object
		joined    bool
		want      string
	}{
		"nothing is said of managers":       {manifests: []v1.Object{labels}},
		"nothing, and an engine was joined": {manifests: []v1.Object{labels}, joined: true, want: "1 is a: it was a manager\n2 is b: the operator joined its engine"},
		"a pin":                             {manifests: []v1.Object{pinned("a")}, want: "1 is a: it was a manager"},
		"a number":                          {manifests: []v1.Object{candidates}, want: "1 is a: it was a manager"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTrusting(t, c.manifests...)
			s.lives = []*kinds.Live{manager("1", "a"), worker("2", "b", v1.Active)}
			if c.joined {
				s.d.Joined("2", v1.Key{Kind: v1.KindNode, Name: "b"})
			}
			s.runs()
			if s.onRecord() != c.want {
				t.Fatalf("on record is\n%s\nwant\n%s", s.onRecord(), c.want)
			}
			before := s.memory.Proven
			s.runs()
			if !same(before, s.memory.Proven) {
				t.Error("the record was made again, and nothing has changed")
			}
			s.lives = s.lives[:1]
			if s.runs(); !same(before, s.memory.Proven) {
				t.Error("a node that has gone is a reason to write")
			}
		})
	}
}

// What a node says of itself is part of what is on record: another label of its engine is another machine.
func TestTheRecordHasWhatANodeSaid(t *testing.T) {
	set := &v1.NodeSet{Header: headed(v1.KindNodeSet, "managers")}
	set.Spec.Selector.EngineLabels, set.Spec.Template.Role = map[string]string{"tier": "mgr"}, v1.RoleManager
	says := func(tier string) *kinds.Live {
		l := worker("2", "b", v1.Active)
		l.Raw.(*swarm.Node).Description.Engine.Labels = map[string]string{"tier": tier}
		return l
	}
	s := newTrusting(t, set, pinned("a"))
	s.lives = []*kinds.Live{manager("1", "a"), says("app")}
	s.d.Joined("2", v1.Key{Kind: v1.KindNode, Name: "b"})
	if run := s.runs(); asksFor(run) != "" || s.memory.Proven["2"].Name != "b" {
		t.Fatalf("%q waits, and on record is\n%s", asksFor(run), s.onRecord())
	}
	s.lives[1] = says("mgr")
	if run := s.runs(); asksFor(run) != "2" {
		t.Errorf("%q waits", asksFor(run))
	}
	s.memory.Approvals = []state.Approval{{Revision: "1", Consents: promote("2")}}
	if run := s.runs(); asksFor(run) != "" {
		t.Errorf("somebody agreed, and %q waits", asksFor(run))
	}
}

// A label that guardrails make services ask for goes to proven nodes alone, whatever its value.
func TestLabelsThatPlaceServicesNeedAProof(t *testing.T) {
	set := &v1.NodeSet{Header: headed(v1.KindNodeSet, "of-a")}
	set.Spec.Template.Labels = map[string]string{"team": "a"}
	for name, c := range map[string]struct {
		placing []string
		want    string
	}{"no guardrails": {}, "another label": {placing: []string{"zone"}}, "this label": {placing: []string{"zone", "team"}, want: "2"}} {
		s := newTrusting(t, set)
		s.d.Placing = c.placing
		s.lives = []*kinds.Live{manager("1", "a"), worker("2", "b", v1.Active)}
		run := s.runs()
		if asksFor(run) != c.want {
			t.Errorf("%s: %q waits, want %q", name, asksFor(run), c.want)
		}
		if manager := slices.ContainsFunc(run.Plan.Steps, func(s plan.Step) bool { return s.Instance == "1" }); !manager {
			t.Errorf("%s: the manager does not get the label", name)
		}
	}
}

// at returns a manifest that pins a node as a manager and says where its engine is.
func at(host string) v1.Object {
	n := pinned(host).(*v1.Node)
	n.Spec.Engine = &v1.EngineEndpoint{Host: "ssh://ops@" + host}
	return n
}

// recognises returns the ids of the nodes whose engines are asked who they are.
func recognises(run *Decision) string {
	var out []string
	for _, s := range run.Plan.Steps {
		if s.Recognises() {
			out = append(out, s.Instance)
		}
	}
	return strings.Join(out, " ")
}

// That an engine is about to join is on record before it is reached. Whoever comes next asks that engine, and goes by
// nothing else.
func TestAJoinIsOnRecordBeforeItBegins(t *testing.T) {
	next := func(s *trusting) { s.d = New(s.d.Policy) }
	begun := func(t *testing.T) *trusting {
		s := newTrusting(t, pinned("a"), at("b"))
		s.lives = []*kinds.Live{manager("1", "a")}
		run := s.runs()
		if joins := slices.IndexFunc(run.Plan.Steps, kinds.Joins); joins < 0 || fmt.Sprint(s.memory.Joining) != "[Node/b]" {
			t.Fatalf("on record is %v, and the plan is\n%s", s.memory.Joining, run.Plan.Text(nil))
		}
		return s
	}
	for name, c := range map[string]struct {
		then    func(*trusting)
		asks    string
		waits   string
		joining string
	}{
		"the process goes on": {
			then: func(s *trusting) {
				s.d.Joined("2", v1.Key{Kind: v1.KindNode, Name: "b"})
				s.lives = append(s.lives, worker("2", "b", v1.Active))
			},
			joining: "[]",
		},
		"another one comes": {
			then:  func(s *trusting) { next(s); s.lives = append(s.lives, worker("2", "b", v1.Active)) },
			asks:  "2",
			waits: "2", joining: "[Node/b]",
		},
		"another one comes, and the engine has answered": {
			then: func(s *trusting) {
				next(s)
				s.lives = append(s.lives, worker("2", "b", v1.Active))
				s.runs()
				s.d.Joined("2", v1.Key{Kind: v1.KindNode, Name: "b"})
			},
			joining: "[]",
		},
		"nothing joined":       {then: next, joining: "[Node/b]"},
		"another name came":    {then: func(s *trusting) { next(s); s.lives = append(s.lives, worker("2", "c", v1.Active)) }, joining: "[Node/b]"},
		"the manifest is gone": {then: func(s *trusting) { next(s); s.manifests = s.manifests[:1] }, joining: "[]"},
		"the engine is not stated any more": {
			then: func(s *trusting) {
				next(s)
				s.manifests[1] = pinned("b")
				s.lives = append(s.lives, worker("2", "b", v1.Active))
			},
			waits: "2", joining: "[]",
		},
		"somebody agreed": {
			then: func(s *trusting) {
				next(s)
				s.lives = append(s.lives, worker("2", "b", v1.Active))
				s.memory.Approvals = []state.Approval{{Revision: "1", Consents: promote("2")}}
			},
			joining: "[]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := begun(t)
			c.then(s)
			run := s.runs()
			if recognises(run) != c.asks || asksFor(run) != c.waits || fmt.Sprint(s.memory.Joining) != c.joining {
				t.Errorf("asked are the engines of %q, want %q; %q waits, want %q; on record is %v, want %s", recognises(run), c.asks, asksFor(run), c.waits, s.memory.Joining, c.joining)
			}
			if _, is := s.memory.Proven["2"]; is == (c.waits != "" || len(s.lives) < 2 || s.lives[1].Called != "b") {
				t.Errorf("on record is\n%s", s.onRecord())
			}
		})
	}
}

// A memory that an older release wrote has no joins on record.
func TestAMemoryWithoutJoinsOnRecord(t *testing.T) {
	s := newTrusting(t, pinned("a"), at("b"))
	s.lives = []*kinds.Live{manager("1", "a"), worker("2", "b", v1.Active)}
	if run := s.runs(); recognises(run) != "" || asksFor(run) != "2" || s.memory.Joining != nil {
		t.Errorf("asked are the engines of %q; %q waits; on record is %v", recognises(run), asksFor(run), s.memory.Joining)
	}
}
