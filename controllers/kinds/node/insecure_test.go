package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// A step that uses a node's own engine says where that is. By TCP without TLS it is refused, unless the operator may.
func TestNothingGoesToAnEngineInClear(t *testing.T) {
	const clear, safe = "tcp://10.0.0.4:2375", "ssh://ops@10.0.0.4"
	key := v1.Key{Kind: v1.KindNode, Name: "a"}
	wanted := func(host, tls, presence string) *diff.State {
		n := &v1.Node{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNode, Metadata: v1.Metadata{Name: "a"}}, Spec: v1.NodeSpec{Presence: presence}}
		if host != "" {
			n.Spec.Engine = &v1.EngineEndpoint{Host: host, TLS: tls}
		}
		return &diff.State{Key: key, Value: n, Partial: true}
	}
	live := &diff.State{Key: key, Instance: "id-a", Meta: diff.Meta{ID: "id-a"}}
	for name, c := range map[string]struct {
		host     string
		tls      string
		leaves   bool
		begun    bool
		insecure bool
		refused  string // what the refusal says; "" if there is none
		cause    string // how the cause of the step ends
	}{
		"joins in clear":                  {clear, "", false, false, false, "the join token would go to tcp://10.0.0.4:2375 in clear, because it has no TLS: state spec.engine.tls, ", ""},
		"joins in clear by IPv6":          {"tcp://[fd00::4]:2375", "", false, false, false, "the join token would go to tcp://[fd00::4]:2375 in clear", ""},
		"joins in clear by a name":        {"tcp://node-4", "", false, false, false, "--insecure-engines", ""},
		"joins in clear, and may":         {clear, "", false, false, true, "", "; it joins through " + clear},
		"joins by TLS":                    {clear, "ops", false, false, false, "", "; it joins through " + clear},
		"joins by TLS with files of its":  {clear, "other", false, false, false, "", "; it joins through " + clear},
		"joins by ssh":                    {safe, "", false, false, false, "", "; it joins through " + safe},
		"joins by a socket":               {"unix:///run/engines/a.sock", "", false, false, false, "", "; it joins through unix:///run/engines/a.sock"},
		"leaves in clear":                 {clear, "", true, false, false, "its engine would be asked to leave at tcp://10.0.0.4:2375, which has no TLS: state spec.engine.tls, ", ""},
		"leaves in clear by a name":       {"tcp://node-4:2375", "", true, false, false, "or run docker swarm leave on it", ""},
		"leaves in clear, and may":        {clear, "", true, false, true, "", "it leaves the swarm through " + clear},
		"leaves by TLS":                   {clear, "ops", true, false, false, "", "it leaves the swarm through " + clear},
		"leaves by ssh":                   {safe, "", true, false, false, "", "it leaves the swarm through " + safe},
		"recognised in clear":             {clear, "", false, true, false, "its engine would be asked at tcp://10.0.0.4:2375, which has no TLS, whether it is this node: state spec.engine.tls, ", ""},
		"recognised in clear, and may":    {clear, "", false, true, true, "", "; its engine is asked at " + clear},
		"recognised by ssh":               {safe, "", false, true, false, "", "; its engine is asked at " + safe},
		"a way that nobody knows is none": {"http://10.0.0.4", "", false, false, false, "in clear", ""},
	} {
		t.Run(name, func(t *testing.T) {
			swarm := Swarm{Nodes: []Node{{ID: "id-m", Name: "m", Manager: true, Voter: true, Reachable: true}}}
			var changes []diff.Change
			switch {
			case c.leaves:
				swarm.Leaving = []Leaving{{Key: key, ID: "id-a", Have: live, Want: wanted(c.host, c.tls, v1.Absent), Absent: true, Reach: true}}
			case c.begun:
				swarm.Begun = []Begun{{live, wanted(c.host, c.tls, "").Value.(*v1.Node)}}
			default:
				changes = []diff.Change{{Op: diff.Create, Key: key, Want: wanted(c.host, c.tls, "")}}
			}
			p := plan.Build(changes, plan.Facts{APIVersion: "1.50"}, plan.Policy{Source: "s", Budgets: plan.DefaultBudgets(), Engines: plan.Engines{Insecure: c.insecure, Sockets: []string{"/run/engines/*"}}}, swarm.Part(), plan.Part{Guards: Kind().Guards})
			if c.refused != "" {
				if len(p.Steps) != 0 || len(p.Refused) != 1 || p.Refused[0].Guard != guardInsecureEngine || p.Refused[0].Class != plan.Never || !strings.Contains(p.Refused[0].Why, c.refused) || !p.Held() {
					t.Errorf("the plan is\n%s", p.Text(nil))
				}
				return
			}
			if len(p.Steps) != 1 || len(p.Refused) != 0 || !strings.HasSuffix(p.Steps[0].Cause, c.cause) {
				t.Errorf("the plan is\n%s", p.Text(nil))
			}
		})
	}
}

// A socket is one of the operator's host. Manifests name only those that the operator's side allows, whatever the step, and
// the refusal does not say whether there is one.
func TestNoSocketOfTheOperatorsHostIsUsedUnlessItIsAllowed(t *testing.T) {
	key := v1.Key{Kind: v1.KindNode, Name: "a"}
	exists := filepath.Join(t.TempDir(), "a.sock")
	if err := os.WriteFile(exists, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host    string
		allowed []string
		refused bool
	}{
		{"unix:///var/run/docker.sock", nil, true},
		{"unix://" + exists, nil, true},
		{"unix://" + exists + "x", nil, true},
		{"unix:///run/engines/a.sock", []string{"/run/engine/*", "/run/engines"}, true},
		{"unix:///run/engines/../docker.sock", []string{"/run/engines/*"}, true},
		{"unix://run/engines/a.sock", []string{"*"}, true},
		{"unix:///run/engines/a.sock", []string{"/x", "/run/engines/*"}, false},
		{"unix:///run/engines/a.sock", []string{"/run/engines/?.sock"}, false},
		{"ssh://ops@10.0.0.4", nil, false},
	} {
		want := &diff.State{Key: key, Partial: true, Value: &v1.Node{Spec: v1.NodeSpec{Engine: &v1.EngineEndpoint{Host: c.host}}}}
		for _, s := range []plan.Step{
			{Op: diff.Create, Key: key, Change: diff.Change{Op: diff.Create, Key: key, Want: want}},
			{Op: diff.Update, Key: key, Change: diff.Change{Key: key, Want: want}, Origin: plan.OriginLeaves},
			{Op: diff.Update, Key: key, Change: diff.Change{Key: key, Want: want}, Origin: plan.OriginRecognises},
		} {
			got := socket(s, plan.Facts{}, plan.Policy{Engines: plan.Engines{Sockets: c.allowed}})
			if refused := len(got) == 1 && got[0].Class == plan.Never && got[0].Why == "its engine is at "+c.host+", a socket of the operator's host, which no manifest may use unless --engine-sockets allows it: state it there, or reach the engine by ssh:// or tcp://"; refused != c.refused || len(got) > 0 && !refused {
				t.Errorf("%s, allowed %q: %+v", c.host, c.allowed, got)
			}
		}
	}
}

// What is no endpoint may become a socket of the operator's host: a client trims white space, and has a default for nothing.
func TestNoEngineOfAnotherFormIsUsed(t *testing.T) {
	key := v1.Key{Kind: v1.KindNode, Name: "a"}
	for _, host := range []string{" unix:///x", "\tunix:///x", "", " ", "UNIX:///x", "fd://x", "http://10.0.0.4"} {
		want := &diff.State{Key: key, Partial: true, Value: &v1.Node{Spec: v1.NodeSpec{Engine: &v1.EngineEndpoint{Host: host}}}}
		s := plan.Step{Op: diff.Create, Key: key, Change: diff.Change{Op: diff.Create, Key: key, Want: want}}
		got := socket(s, plan.Facts{}, plan.Policy{Engines: plan.Engines{Insecure: true, Sockets: []string{"*"}}})
		if len(got) != 1 || got[0].Class != plan.Never || !strings.Contains(got[0].Why, "spec.engine.host is not of the form unix://PATH, ") {
			t.Errorf("%q: %+v", host, got)
		}
	}
}

// Steps that use no engine of their own are not concerned, whatever the manifest states.
func TestOnlyJoiningAndLeavingUseANodesEngine(t *testing.T) {
	n := &v1.Node{Spec: v1.NodeSpec{Engine: &v1.EngineEndpoint{Host: "tcp://10.0.0.4:2375"}}}
	want := &diff.State{Value: n}
	node, service := v1.Key{Kind: v1.KindNode, Name: "a"}, v1.Key{Kind: v1.KindService, Name: "a"}
	for name, s := range map[string]plan.Step{
		"labels":              {Op: diff.Update, Key: node, Change: diff.Change{Want: want}},
		"a role":              {Op: diff.Update, Key: node, Change: diff.Change{Want: want}, Origin: plan.OriginPromotes},
		"taken off the list":  {Op: diff.Remove, Key: node, Change: diff.Change{Want: want}, Origin: plan.OriginLeaves},
		"no manifest":         {Op: diff.Update, Key: node, Origin: plan.OriginLeaves},
		"a service":           {Op: diff.Create, Key: service, Change: diff.Change{Want: &diff.State{Value: &v1.Service{}}}},
		"a node without one":  {Op: diff.Create, Key: node, Change: diff.Change{Want: &diff.State{Value: &v1.Node{}}}},
		"a want without much": {Op: diff.Create, Key: node, Change: diff.Change{Want: &diff.State{}}},
	} {
		if refused := insecure(s, plan.Facts{}, plan.Policy{}); refused != nil {
			t.Errorf("%s: %+v", name, refused)
		}
	}
}
