package v1_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	swarmkit "github.com/moby/swarmkit/v2/manager/constraint"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/test/generate"
)

const keysOfNodes = "so no node would meet it; they have node.id node.hostname node.role node.platform.os node.platform.arch node.ip node.labels. engine.labels."

func TestConstraintsThatCannotWorkAreProblems(t *testing.T) {
	const (
		inLabel = ", and the swarm takes no constraint on such a label: only on names of letters from a to z, digits and - _ . alone"
		inKey   = " is not a key: the swarm takes letters from a to z, digits, -, _ and ., at least two of them, and the first a letter or _"
		inValue = `, and the swarm takes letters from a to z, digits, spaces and : - _ . * ( ) ? + [ ] \ ^ $ | / there; give the label another value`
		several = " holds more than one constraint; state each as an element of the list: a node has to meet all of them, and there is no or"
		empty   = ": the swarm has no constraint for an empty value, nor for a label that is missing; compare with a value that the label has on some nodes"
		form    = " is not of the form KEY == VALUE or KEY != VALUE"
	)
	for _, c := range []struct{ text, want string }{ // "" if the constraint is right
		{"node.role==manager", ""},
		{"  node.role  !=  manager ", ""},
		{"node.role == Manager", ""},
		{"NODE.Role == WORKER", ""},
		{"Node.Hostname == h", ""},
		{"node.hostname != web-1.example.org", ""},
		{"node.platform.arch == x86_64", ""},
		{"node.labels.a.b == x y", ""},
		{"node.labels.- == x", ""},
		{"NODE.LABELS.zone == a", ""},
		{"engine.labels._ != a", ""},
		{"node.labels.zone == [a-b]+c*(n|b)/", ""},
		{`node.labels.dir == C:\data`, ""},
		{"node.ip == 10.0.0.0/8", ""},
		{"node.ip != 10.0.0.0/08", ""},
		{"node.ip == 2001:db8::2", ""},
		{"node.labels.\u212a == x", ""}, // SwarmKit takes the Kelvin sign for a k

		{"", `""` + form},
		{"node.role", `"node.role"` + form},
		{"node.role = manager", `"node.role = manager"` + form},
		{"node.labels.zone ~ a", `"node.labels.zone ~ a"` + form},
		{"== x", `"== x"` + form},
		{"node.id ==", `"node.id =="` + form},
		{`node.labels.jobs == ""`, `"node.labels.jobs == \"\""` + empty},
		{"node.labels.jobs != ''", `"node.labels.jobs != ''"` + empty},
		{`node.labels.jobs == "yes"`, `"node.labels.jobs == \"yes\"": the swarm takes no quotes around a value; write yes`},
		{"node.labels.Ünï == v", `"node.labels.Ünï": the name of the label holds 'Ü'` + inLabel},
		{"node.labels.a.b/c == x y", `"node.labels.a.b/c": the name of the label holds '/'` + inLabel},
		{"engine.labels.a b == x", `"engine.labels.a b": the name of the label holds ' '` + inLabel},
		{"n == x", `"n"` + inKey},
		{"1node == x", `"1node"` + inKey},
		{"node role == manager", `"node role"` + inKey},
		{"node.labels.zone == a && node.role == worker", `"node.labels.zone == a && node.role == worker"` + several},
		{"node.role == worker || node.role == manager", `"node.role == worker || node.role == manager"` + several},
		{"node.role==worker,node.labels.zone==a", `"node.role==worker,node.labels.zone==a"` + several},
		{"node.role!=worker,node.labels.zone==a", `"node.role!=worker,node.labels.zone==a"` + several},
		{"node.labels.z == a,b", `"node.labels.z == a,b": the value holds a comma, and the swarm takes one value for each constraint`},
		{"node.role === worker", `"node.role === worker" has more than one operator; the swarm takes one, == or !=, for each constraint`},
		{"node.role == worker != manager", `"node.role == worker != manager" has more than one operator; the swarm takes one, == or !=, for each constraint`},
		{"node.role != worker == manager", `"node.role != worker == manager" has more than one operator; the swarm takes one, == or !=, for each constraint`},
		{"node.labels.zone!=a==b", `"node.labels.zone!=a==b" has more than one operator; the swarm takes one, == or !=, for each constraint`},
		{"node.labels.owner == me@example.org", `"node.labels.owner == me@example.org": the value holds '@'` + inValue},
		{"node.labels.zone==zażółć", `"node.labels.zone==zażółć": the value holds 'ż'` + inValue},
		{"node.labels.price == <5", `"node.labels.price == <5": the value holds '<'` + inValue},
		{"node.labels.x == {{.Node.Hostname}}", `"node.labels.x == {{.Node.Hostname}}": the value holds '{'` + inValue},

		// The swarm accepts these, and no node ever meets them.
		{"node.rol == manager", `"node.rol" is not a key that nodes have, ` + keysOfNodes + "; did you mean node.role?"},
		{"node.labels. == a", `"node.labels." is not a key that nodes have, ` + keysOfNodes},
		{"service.labels.a != b", `"service.labels.a" is not a key that nodes have, ` + keysOfNodes},
		{"node.role == leader", `"leader" is not one of manager, worker`},
		{"node.role != leader", ""}, // every node meets it
		{"node.ip == 10.0.0", `"10.0.0" is not an address such as 10.0.0.7 or a subnet such as 10.0.0.0/8, so no node would meet it`},
		{"node.ip != 10.0.0.0/33", `"10.0.0.0/33" is not an address such as 10.0.0.7 or a subnet such as 10.0.0.0/8, so no node would meet it`},
	} {
		t.Run(c.text, func(t *testing.T) {
			s := &v1.Service{Header: named(v1.KindService, "web"), Spec: v1.ServiceSpec{Image: "bb", Placement: &v1.Placement{Constraints: []string{c.text}}}}
			want := c.want
			if want != "" {
				want = "spec.placement.constraints[0]: " + want
			}
			if d := cmp.Diff(want, problems(s)); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
			parsesLikeSwarmKit(t, c.text)
		})
	}
}

// parsesLikeSwarmKit checks that ParseConstraint accepts a text exactly if SwarmKit does.
func parsesLikeSwarmKit(t interface{ Errorf(string, ...any) }, text string) {
	_, theirs := swarmkit.Parse([]string{text})
	if _, ours := v1.ParseConstraint(text); (ours == nil) != (theirs == nil) {
		t.Errorf("%q: we say %v, SwarmKit says %v", text, ours, theirs)
	}
	if _, normal := swarmkit.Parse([]string{v1.NormalConstraint(text)}); (normal == nil) != (theirs == nil) {
		t.Errorf("%q: SwarmKit says %v, and %v of its normal form %q", text, theirs, normal, v1.NormalConstraint(text))
	}
}

func constraintsParse(t *rapid.T) {
	part := rapid.OneOf(rapid.SampledFrom([]string{"node.role", "node.labels.a", "==", "!=", "=", "&&", ",", " ", "\u00a0", "ż", "K", "\u212a", "ſ", `"`, "'", "/", "@", "a", "1", ".", "-", "\n", "\v"}), rapid.String())
	parsesLikeSwarmKit(t, strings.Join(rapid.SliceOfN(part, 0, 8).Draw(t, "parts"), ""))
}

func TestEveryConstraintIsReadAsTheSwarmReadsIt(t *testing.T) { rapid.Check(t, constraintsParse) }

func FuzzConstraints(f *testing.F) { generate.Fuzz(f, constraintsParse) }

func TestSpreadIsOverALabel(t *testing.T) {
	for spread, right := range map[string]bool{
		"node.labels.rack": true, "engine.labels.dc": true, "Node.Labels.rack": true, "NODE.LABELS.a b": true,
		"node.id": false, "node.labels.": false, "node.labels": false, "engine.labels.": false, "": false, " node.labels.rack": false,
	} {
		s := &v1.Service{Header: named(v1.KindService, "web"), Spec: v1.ServiceSpec{Image: "bb", Placement: &v1.Placement{Preferences: []v1.Preference{{Spread: spread}}}}}
		if got := s.Notices(); (len(got) == 0) != right {
			t.Errorf("%q: %v", spread, got)
		}
		if got := problems(s); got != "" {
			t.Errorf("%q is refused, although the swarm takes it: %s", spread, got)
		}
	}
}
