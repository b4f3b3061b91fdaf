package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// What a survey finds out about who is proven, and the plan that comes of it.
func TestProof(t *testing.T) {
	given(t, "testdata/proof.txtar", "surveyed", func(t *testing.T, text string) string {
		s := sceneOf(t)
		s.doubts, s.plans = true, true
		for line := range strings.Lines(text) {
			s.line(strings.Fields(line))
		}
		if !strings.Contains(text, "survey") {
			s.survey()
		}
		return s.out.String()
	})
}

// What a node says of itself is all that it says: its engine's labels with their values, and its platform.
func TestClaims(t *testing.T) {
	of := func(change func(*swarm.NodeDescription)) string {
		l := liveOf(strings.Fields("live 1 a engine=tier:mgr os=linux arch=x86_64"))
		change(&raw(l).Description)
		return claims(l)
	}
	same := of(func(*swarm.NodeDescription) {})
	for name, c := range map[string]struct {
		change func(*swarm.NodeDescription)
		same   bool
	}{
		"the same":               {func(d *swarm.NodeDescription) { d.Engine.Labels = map[string]string{"tier": "mgr"} }, true},
		"another hostname":       {func(d *swarm.NodeDescription) { d.Hostname = "b" }, true},
		"another release":        {func(d *swarm.NodeDescription) { d.Engine.EngineVersion = "99" }, true},
		"another value":          {func(d *swarm.NodeDescription) { d.Engine.Labels["tier"] = "app" }, false},
		"one more label":         {func(d *swarm.NodeDescription) { d.Engine.Labels["disk"] = "ssd" }, false},
		"no label":               {func(d *swarm.NodeDescription) { d.Engine.Labels = nil }, false},
		"a label that is two":    {func(d *swarm.NodeDescription) { d.Engine.Labels = map[string]string{"tier": "mgr\"\n\"x\"=\"y"} }, false},
		"another system":         {func(d *swarm.NodeDescription) { d.Platform.OS = "windows" }, false},
		"another processor":      {func(d *swarm.NodeDescription) { d.Platform.Architecture = "arm64" }, false},
		"parts that change side": {func(d *swarm.NodeDescription) { d.Platform.OS, d.Platform.Architecture = "linux/x86", "_64" }, false},
	} {
		if got := of(c.change); (got == same) != c.same {
			t.Errorf("%s: %s, and %s before", name, got, same)
		}
	}
	two := liveOf(strings.Fields("live 1 a"))
	raw(two).Description.Engine.Labels = map[string]string{"a": "1", "b": "2"}
	for range 20 { // the order of a map does not show
		again := liveOf(strings.Fields("live 1 a"))
		raw(again).Description.Engine.Labels = map[string]string{"b": "2", "a": "1"}
		if claims(again) != claims(two) {
			t.Fatal("the same labels are not the same")
		}
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "less than a minute", 0: "less than a minute", 59 * time.Second: "less than a minute", time.Minute: "1 minute", 59*time.Minute + 59*time.Second: "59 minutes",
		time.Hour: "1 hour", 47*time.Hour + 59*time.Minute: "47 hours", 48 * time.Hour: "2 days", 1000 * time.Hour: "41 days",
	} {
		if got := age(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

// Only a label that lets a node become a manager, or that guardrails make services ask for, needs a proof.
func TestNeeds(t *testing.T) {
	trusting := Trusting{Candidates: map[string]string{"manager": "yes", "empty": ""}, Placing: []string{"team"}}
	for _, c := range []struct {
		label, value string
		want         bool
	}{
		{"manager", "yes", true},
		{"manager", "no", false},
		{"manager", "", false},
		{"Manager", "yes", false},
		{"empty", "", true},
		{"empty", "x", false},
		{"team", "a", true},
		{"team", "", true},
		{"zone", "yes", false},
		{"zone", "", false},
	} {
		if got := trusting.needs(c.label, c.value); got != c.want {
			t.Errorf("%s=%s: %t", c.label, c.value, got)
		}
		if (Trusting{}).needs(c.label, c.value) {
			t.Errorf("%s=%s needs a proof, and nothing depends on it", c.label, c.value)
		}
	}
}

// liar makes a swarm of which some nodes are proven, and manifests that select nodes by what they say.
func liar(t *rapid.T) (lines []string, proven map[string]bool) {
	proven = map[string]bool{"1": true}
	draw := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, what) }
	lines = []string{"live 1 mgr-1 manager leader"}
	for i := 2; i <= rapid.IntRange(2, 6).Draw(t, "nodes"); i++ {
		id, name := fmt.Sprint(i), draw("hostname", "mgr-1", "mgr-2", "mgr-9", "app-1")
		line := fmt.Sprintf("live %s %s engine=tier:%s arch=%s", id, name, draw("tier", "mgr", "app"), draw("arch", "x86_64", "arm64"))
		switch draw("proof", "", "", "record", "old record", "joined", "joined as another", "joining", "agreed", "manager") {
		case "record":
			lines, proven[id] = append(lines, strings.Replace(line, "live", "proven", 1)), true
		case "old record": // it called itself something else then
			lines = append(lines, fmt.Sprintf("proven %s before", id))
		case "joined":
			lines, proven[id] = append(lines, "joined "+id+" "+name), true
		case "joining": // somebody was about to make a machine of this name join, which says nothing of this one
			lines = append(lines, "joining "+name)
		case "joined as another":
			lines = append(lines, "joined "+id+" before")
		case "agreed":
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "agreed") }) {
				lines, proven[id] = append(lines, "agreed "+id), true
			}
		case "manager":
			line, proven[id] = line+" manager", true
		}
		lines = append(lines, line)
	}
	gives := []string{"role=manager", "labels=manager:yes", "labels=team:a", "labels=zone:a", "role=manager labels=manager:yes", "availability=drain"}
	for i := range rapid.IntRange(1, 3).Draw(t, "sets") {
		lines = append(lines, fmt.Sprintf("NodeSet s%d %s %s", i, draw("selects", "hosts=mgr-*", "engine=tier:mgr", "arch=arm64", "role-is=worker", "hosts=*"), draw("gives", gives...)))
	}
	for _, host := range []string{"mgr-2", "mgr-9"} {
		if rapid.Bool().Draw(t, "a manifest of "+host) {
			lines = append(lines, fmt.Sprintf("Node %s %s%s", host, draw("states", gives...), draw("engine", "", " reach")))
		}
	}
	return append(lines, "placing team", fmt.Sprintf("managers %d labels=manager:yes stable=0s", rapid.IntRange(1, 5).Draw(t, "count"))), proven
}

// No plan makes a node a manager, or gives it a label that candidates or guardrails depend on, unless it is proven or
// somebody agreed, whatever it says of itself and whichever manifests select it.
func promotesTheProven(t *rapid.T, scene func(lines ...string) *scene) {
	lines, proven := liar(t)
	s := scene(lines...)
	in := s.given()
	var answers []kinds.TaskAnswer
	for need := asks(in, nil); need.Any(); need = asks(in, answers) {
		answers = append(answers, kinds.TaskAnswer{TaskNeed: need}) // nothing runs
	}
	_, known, _ := survey(in, answers)
	in.Remembered = known
	in.Now = in.Now.Add(time.Hour) // the managers have stood for long enough
	got, _, err := survey(in, answers)
	if err != nil {
		t.Fatal(err)
	}
	all := plan.Consents{{Hazard: plan.EvenManagers}, {Hazard: plan.SingleManager}, {Hazard: plan.PromoteUnproven}}
	p := plan.Build(in.Changes, plan.Facts{Now: in.Now}, plan.Policy{Source: "s", Budgets: plan.DefaultBudgets(), Consents: all}, got.Part())
	for _, step := range p.Steps {
		change, promotes := step.Does.(RoleChange)
		gets := map[string]string{}
		for _, f := range step.Fields {
			if label, is := nodeLabel(f.Path); is && f.Want.Set() {
				gets[label] = f.Want.Reveal()
			}
		}
		if !proven[step.Instance] && (promotes && change.Promote || gets["manager"] == "yes" || gets["team"] != "") {
			t.Fatalf("%s is not proven:\n%s\n%s", step.Instance, strings.Join(lines, "\n"), p.Text(nil))
		}
	}
	for _, r := range p.Refused {
		if r.Hazard == plan.PromoteUnproven && (proven[r.Instance] || r.Class != plan.Consent || !strings.Contains(r.Why, "it is node "+r.Instance+",") || !strings.Contains(r.Why, "'promote-unproven Node/"+r.Instance+"'")) {
			t.Fatalf("a refusal of %s, proven %t: %s", r.Instance, proven[r.Instance], r.Why)
		}
	}
	for id := range got.Record {
		if !proven[id] {
			t.Fatalf("%s comes on record:\n%s", id, strings.Join(lines, "\n"))
		}
	}
}

func TestPlansPromoteTheProven(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		promotesTheProven(r, func(lines ...string) *scene { return sceneOf(t, lines...) })
	})
}

// A step on another kind of object, or one that takes a label away, needs no proof.
func TestLabelsThatNeedNoProof(t *testing.T) {
	trusting := Trusting{Candidates: map[string]string{"manager": "yes"}, Doubts: map[string]string{"2": "nobody knows it", "web": "no node"}}
	gives := plan.TextField("spec.labels.manager", "", "yes")
	takes := diff.Field{Path: "spec.labels.manager", Have: diff.NewValue("yes")}
	step := func(kind, id string, f diff.Field) plan.Step {
		return plan.Step{Op: diff.Update, Key: v1.Key{Kind: kind, Name: id}, Instance: id, Fields: []diff.Field{f}}
	}
	for name, c := range map[string]struct {
		step plan.Step
		held bool
	}{
		"it gets the label":     {step(v1.KindNode, "2", gives), true},
		"it loses the label":    {step(v1.KindNode, "2", takes), false},
		"a service of the name": {step(v1.KindService, "web", gives), false},
		"a node that is proven": {step(v1.KindNode, "1", gives), false},
		"another field":         {step(v1.KindNode, "2", plan.TextField("spec.availability", "active", "drain")), false},
		"another value":         {step(v1.KindNode, "2", plan.TextField("spec.labels.manager", "", "no")), false},
	} {
		refused := trusting.labels(c.step, plan.Facts{}, plan.Policy{})
		if (len(refused) > 0) != c.held {
			t.Errorf("%s: %+v", name, refused)
		}
		for _, r := range refused {
			if r.Class != plan.Consent || r.Hazard != plan.PromoteUnproven || r.Instance != "2" {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// What the operator joined stays known until it is on record.
func TestAJoinedNodeIsKnownUntilItIsOnRecord(t *testing.T) {
	s := sceneOf(t, "live 1 mgr-1 manager leader", "live 2 -", "joined 2 mgr-2", "Node mgr-2 role=manager")
	in := s.given()
	got, known, err := survey(in, nil)
	if _, is := got.Record["2"]; err != nil || is || known.Joined["2"] == "" {
		t.Fatalf("it has not said its hostname yet: %+v, %v, %v", got.Record, known.Joined, err)
	}
	s.line(strings.Fields("live 2 mgr-2"))
	in = s.given()
	in.Remembered = known
	got, known, err = survey(in, nil)
	if err != nil || got.Record["2"].Name != "mgr-2" || known.Joined["2"] == "" {
		t.Fatalf("it is to come on record: %+v, %v, %v", got.Record, known.Joined, err)
	}
	in.Proven, in.Remembered = got.Record, known
	got, known, err = survey(in, nil)
	if err != nil || got.Record != nil || known.Joined["2"] != "" {
		t.Fatalf("it is on record: %+v, %v, %v", got.Record, known.Joined, err)
	}
}
