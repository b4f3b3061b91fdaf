package node

import (
	"fmt"
	"strings"
	"testing"

	swarmapi "github.com/moby/swarmkit/v2/api"
	swarmkit "github.com/moby/swarmkit/v2/manager/constraint"
	"pgregory.net/rapid"

	"github.com/swarm-operator/swarm-operator/test/generate"
)

// swarmNode returns the node that SwarmKit would have of the machine. If bare is true, parts that say nothing are
// left out.
func swarmNode(m Machine, bare bool) *swarmapi.Node {
	n := &swarmapi.Node{ID: m.ID, Status: swarmapi.NodeStatus{Addr: m.Addr}}
	if strings.EqualFold(m.Role, "manager") {
		n.Role = swarmapi.NodeRoleManager
	}
	n.Spec.Annotations.Labels = m.Labels
	platform := &swarmapi.Platform{OS: m.OS, Architecture: m.Architecture}
	engine := &swarmapi.EngineDescription{Labels: m.EngineLabels}
	if bare && m.OS == "" && m.Architecture == "" {
		platform = nil
	}
	if bare && m.EngineLabels == nil {
		engine = nil
	}
	if !bare || m.Hostname != "" || platform != nil || engine != nil {
		n.Description = &swarmapi.NodeDescription{Hostname: m.Hostname, Platform: platform, Engine: engine}
	}
	return n
}

// swarmKitMeets does the same as the constraint enforcer: it drops Parse's error.
func swarmKitMeets(m Machine, bare bool, constraints []string) bool {
	parsed, _ := swarmkit.Parse(constraints)
	return swarmkit.NodeMatches(parsed, swarmNode(m, bare))
}

var (
	machine = Machine{
		ID: "2ivku8v2gvtg4", Hostname: "Alpha", Addr: "10.1.2.3", Role: "manager", OS: "linux", Architecture: "x86_64",
		Labels: map[string]string{"zone": "a", "Zone": "B", "empty": "", "com.example.disk": "SSD", "k": "v"}, EngineLabels: map[string]string{"storage": "zfs", "Storage": "Ext4"},
	}
	nothing = Machine{Role: "worker"}
)

func addressed(addr string) Machine { return Machine{ID: "x", Role: "worker", Addr: addr} }

func TestMeets(t *testing.T) {
	tests := []struct {
		machine     Machine
		constraints string // separated by commas
		want        bool
	}{
		// Case matters in the names of labels only, not in other keys or in values.
		{machine, "node.id==2ivku8v2gvtg4", true},
		{machine, "node.id == 2IVKU8V2GVTG4 ", true},
		{machine, "NODE.ID!=2ivku8v2gvtg4", false},
		{machine, "node.id!=2ivku8v2gvtg", true},
		{machine, "node.hostname==alpha", true},
		{machine, "Node.Hostname!=ALPHA", false},
		{machine, "node.hostname==alph", false},
		{machine, "node.role==manager", true},
		{machine, "node.role==MANAGER", true},
		{machine, "node.role!=worker", true},
		{machine, "node.role==worker", false},
		{machine, "node.role==man*", false},
		{machine, "node.platform.os==Linux", true},
		{machine, "node.platform.os!=windows", true},
		{machine, "node.platform.arch==x86_64", true},
		{machine, "node.platform.arch==amd64", false}, // the constraint knows no other names of an architecture
		{machine, "node.labels.zone==A", true},
		{machine, "NODE.LABELS.zone==a", true},
		{machine, "node.labels.Zone==b", true},
		{machine, "node.labels.ZONE==a", false},
		{machine, "node.labels.ZONE!=a", true},
		{machine, "node.labels.zone!=a", false},
		{machine, "node.labels.com.example.disk==ssd", true},
		{machine, "node.labels.empty==a", false},
		{machine, "node.labels.empty!=a", true},
		{machine, "engine.labels.storage==ZFS", true},
		{machine, "Engine.Labels.Storage==ext4", true},
		{machine, "engine.labels.storage!=zfs", false},
		{machine, "engine.labels.zone==a", false}, // the label is the node's, not the engine's
		{machine, "node.labels.storage!=zfs", true},
		// Case is folded beyond ASCII, as EqualFold and (?i) do: ſ for s, the Kelvin sign for k.
		{machine, "node.hoſtname==alpha", true},
		{machine, "node.labels.k==v", true},
		{machine, "node.labels.\u212a==v", false},
		{machine, "node.labelſ.zone==a", false}, // ſ has two bytes, so what is cut off is no prefix
		{machine, "engine.labels.storage==zf\u017f", true},
		// All constraints must hold.
		{machine, "node.labels.zone==a,node.role==manager", true},
		{machine, "node.labels.zone==a,node.role==worker", false},
		{machine, "node.role==worker,node.labels.zone==a", false},
		{machine, "", true},
		// The node does not tell these.
		{nothing, "node.id==a", false},
		{nothing, "node.id!=a", true},
		{nothing, "node.hostname==a", false},
		{nothing, "node.hostname!=a", true},
		{nothing, "node.platform.os==linux", false},
		{nothing, "node.platform.os!=linux", true},
		{nothing, "node.platform.arch==x86_64", false},
		{nothing, "node.platform.arch!=x86_64", true},
		{nothing, "node.labels.zone==a", false},
		{nothing, "node.labels.zone!=a", true},
		{nothing, "engine.labels.storage==zfs", false},
		{nothing, "engine.labels.storage!=zfs", true},
		{nothing, "node.ip==10.1.2.3", false},
		{nothing, "node.ip!=10.1.2.3", true},
		{nothing, "node.ip==0.0.0.0/0", false},
		{nothing, "node.ip!=0.0.0.0/0", true},
		{nothing, "node.role==worker", true},
		// No node has these keys, so no node meets the constraints, whatever the operator.
		{machine, "node.name==alpha", false},
		{machine, "node.name!=alpha", false},
		{machine, "node.labels==a", false},
		{machine, "node.labels.!=a", false},
		{machine, "engine.labels.!=a", false},
		{machine, "node.labelszone!=a", false},
		{machine, "service.labels.a!=b", false},
		{machine, "node.ip.x!=10.1.2.3", false},
		// A constraint that cannot be read is dropped, and all others with it.
		{machine, "node.role", true},
		{machine, "node.role=worker", true},
		{machine, "node.role==", true},
		{machine, "==worker", true},
		{machine, "!=worker", true},
		{machine, "node.role===worker", true},
		{machine, "node.role!==worker", true},
		{machine, "node.role!=worker==manager", true},
		{machine, "node.role==worker!=manager", true},
		{machine, "node.role!=manager!=worker", true},
		{machine, "node.role!=manager==worker", true},
		{machine, "1node==worker", true},
		{machine, "n==worker", true},
		{machine, "node role==worker", true},
		{machine, "node.labels.zone==a@b", true},
		{machine, "node.labels.zone==ä", true},
		{machine, "node.labels.zone<b", true},
		{machine, "node.labels.zone==b,node.role", true},
		{machine, "node.role,node.labels.zone==b", true},
		{machine, "node.name==alpha,node.role", true},
		// These are about addresses.
		{addressed("10.1.2.3"), "node.ip==10.1.2.3", true},
		{addressed("10.1.2.3"), "NODE.IP!=10.1.2.3", false},
		{addressed("10.1.2.3"), "node.ip==10.1.2.4", false},
		{addressed("10.1.2.3"), "node.ip!=10.1.2.4", true},
		{addressed("10.1.2.3"), "node.ip==::ffff:10.1.2.3", true},
		{addressed("::ffff:10.1.2.3"), "node.ip==10.1.2.3", true},
		{addressed("2001:db8::2"), "node.ip==2001:DB8:0::2", true},
		{addressed("2001:db8::2"), "node.ip!=2001:db8::2", false},
		{addressed("10.1.2.3"), "node.ip==010.1.2.3", false}, // it is no address, so no node meets it
		{addressed("10.1.2.3"), "node.ip!=010.1.2.3", false},
		{addressed("10.1.2.3"), "node.ip!=10.1.2", false},
		{addressed("10.1.2.3"), "node.ip!=alpha", false},
		{addressed("alpha"), "node.ip==10.1.2.3", false},
		{addressed("alpha"), "node.ip!=10.1.2.3", true},
		{addressed("10.1.2.3:2377"), "node.ip==10.1.2.3", false},
		{addressed("fe80::1%eth0"), "node.ip==fe80::1", false},
		{addressed("fe80::1%eth0"), "node.ip!=fe80::1", true},
		{addressed("fe80::1%eth0"), "node.ip==fe80::/10", false},
		{addressed("::ffff:10.1.2.3%eth0"), "node.ip==10.1.2.3", false},
		{addressed("fe80::1"), "node.ip==fe80::1%eth0", true}, // no value may have %, so it cannot be read
		{addressed("fe80::2"), "node.ip==fe80::1%eth0", true},
		// These are about subnets.
		{addressed("10.1.2.3"), "node.ip==10.1.2.0/24", true},
		{addressed("10.1.2.3"), "node.ip==10.1.2.77/24", true},
		{addressed("10.1.2.3"), "node.ip!=10.1.2.0/24", false},
		{addressed("10.1.2.3"), "node.ip==10.1.3.0/24", false},
		{addressed("10.1.2.3"), "node.ip!=10.1.3.0/24", true},
		{addressed("10.1.2.3"), "node.ip==10.1.2.3/32", true},
		{addressed("10.1.2.3"), "node.ip==0.0.0.0/0", true},
		{addressed("10.1.2.3"), "node.ip==10.0.0.0/08", true}, // package net accepts the zero, net/netip would not
		{addressed("10.1.2.3"), "node.ip==10.0.0.0/0000000000008", true},
		{addressed("10.1.2.3"), "node.ip!=10.0.0.0/33", false},
		{addressed("10.1.2.3"), "node.ip!=10.0.0.0/256", false},
		{addressed("10.1.2.3"), "node.ip!=10.0.0.0/99999999999999999999", false},
		{addressed("10.1.2.3"), "node.ip!=10.0.0.0/", false},
		{addressed("10.1.2.3"), "node.ip!=10.0.0.0/+8", false},
		{addressed("10.1.2.3"), "node.ip!=10.0.0.0/-8", false},
		{addressed("10.1.2.3"), "node.ip!=10.0.0.0/8/8", false},
		{addressed("10.1.2.3"), "node.ip!=/8", false},
		{addressed("2001:db8::2"), "node.ip==2001:db8::/32", true},
		{addressed("2001:db8::2"), "node.ip!=2001:db8::/129", false},
		{addressed("2001:db8::2"), "node.ip==::/0", true},
		{addressed("10.1.2.3"), "node.ip==::/0", false},
		{addressed("2001:db8::2"), "node.ip==0.0.0.0/0", false},
		{addressed("::ffff:10.1.2.3"), "node.ip==10.0.0.0/8", true},
		{addressed("10.1.2.3"), "node.ip==::ffff:10.0.0.0/104", true},
		{addressed("11.1.2.3"), "node.ip==::ffff:10.0.0.0/104", false},
		{addressed("10.200.2.3"), "node.ip==::ffff:10.0.0.0/104", true},
		{addressed("10.200.2.3"), "node.ip==::ffff:10.0.0.0/105", false},
		{addressed("11.1.2.3"), "node.ip==::ffff:10.0.0.0/96", true},
		{addressed("10.1.2.3"), "node.ip==::ffff:10.0.0.0/95", false}, // the mask cuts into the part that makes it IPv4
		{addressed("::fffe:0:1"), "node.ip==::ffff:10.0.0.0/95", true},
		{addressed("10.1.2.3"), "node.ip==::ffff:10.0.0.0/80", false},
	}
	for _, test := range tests {
		t.Run(test.machine.Addr+" "+test.constraints, func(t *testing.T) {
			var constraints []string
			if test.constraints != "" {
				constraints = strings.Split(test.constraints, ",")
			}
			if got := test.machine.Meets(constraints); got != test.want {
				t.Errorf("Meets: %t, want %t", got, test.want)
			}
			for _, bare := range []bool{false, true} {
				if got := swarmKitMeets(test.machine, bare, constraints); got != test.want {
					t.Errorf("SwarmKit (bare: %t): %t, want %t", bare, got, test.want)
				}
			}
		})
	}
}

func anyLabels(t *rapid.T, label string) map[string]string {
	if chance(t, label+" nil", 4) {
		return nil
	}
	out := map[string]string{}
	for range rapid.IntRange(0, 3).Draw(t, label) {
		out[oneOf(t, "label", "zone", "Zone", "a.b", "k", "_x-")] = oneOf(t, "value", "", "a", "A", "b", "s")
	}
	return out
}

// anyAddr draws from few bits, so that addresses and subnets often meet.
func anyAddr(t *rapid.T) string {
	b := func(label string) int { return oneOf(t, label, 0, 1, 2, 127, 128, 255) }
	switch oneOf(t, "form", 4, 4, 6, 46, 95, 0) {
	case 4:
		return fmt.Sprintf("%d.%d.%d.%d", oneOf(t, "b0", 10, 11), b("b1"), b("b2"), b("b3"))
	case 6:
		return fmt.Sprintf("2001:db%x::%x", b("h"), b("l"))
	case 46:
		return fmt.Sprintf("::ffff:10.%d.%d.1", b("b1"), b("b2"))
	case 95:
		return fmt.Sprintf("::%s:%x:1", oneOf(t, "h", "ffff", "fffe", "7fff", "0"), b("l"))
	}
	return oneOf(t, "odd", "", "alpha", "10.1", "010.0.0.1", "fe80::1%eth0", "::ffff:10.0.0.1%1", "0.0.0.0", "::", " 10.0.0.1", "10.0.0.1/8")
}

func anyMachine(t *rapid.T) Machine {
	return Machine{
		ID: oneOf(t, "id", "", "n1", "N1", "n2"), Hostname: oneOf(t, "hostname", "", "alpha", "Alpha", "b"), Addr: anyAddr(t),
		Role: oneOf(t, "role", "manager", "worker"), OS: oneOf(t, "os", "", "linux", "windows"), Architecture: oneOf(t, "arch", "", "x86_64", "aarch64"),
		Labels: anyLabels(t, "labels"), EngineLabels: anyLabels(t, "engine labels"),
	}
}

func anyConstraint(t *rapid.T) string {
	if chance(t, "garbage", 30) {
		return rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z_.=! ſK]{0,12}(==|!=|=|!==)?[a-z0-9 %*=!/]{0,6}`)).Draw(t, "constraint")
	}
	key := oneOf(t, "key", "node.id", "node.hostname", "node.ip", "node.ip", "node.ip", "node.role", "node.platform.os", "node.platform.arch",
		"node.labels.zone", "node.labels.Zone", "node.labels.a.b", "node.labels.k", "node.labels._x-", "engine.labels.zone", "engine.labels.k",
		"node.hoſtname", "node.labelſ.zone", "engine.labelſ.k", "node.labels.", "engine.labels.", "node.labels", "node.name")
	switch {
	case chance(t, "upper", 5):
		key = strings.ToUpper(key)
	case chance(t, "upper prefix", 5):
		key = strings.NewReplacer("node.", "Node.", "engine.labels", "Engine.LABELS", "labels.", "LABELS.").Replace(key)
	}
	value := oneOf(t, "value", "a", "A", "b", "s", "ſ", "n1", "alpha", "ALPHA", "manager", "Worker", "linux", "x86_64", "a b", "a*")
	if strings.EqualFold(key, "node.ip") {
		value = anyAddr(t)
		if chance(t, "subnet", 2) {
			value += "/" + oneOf(t, "zeros", "", "", "", "0", "+") + fmt.Sprint(oneOf(t, "bits", 0, 1, 7, 8, 9, 16, 17, 24, 31, 32, 33, 64, 80, 81, 95, 96, 97, 104, 112, 127, 128, 129, 300))
		}
	}
	space := oneOf(t, "space", "", "", " ", "\t", "\u00a0")
	return space + key + space + oneOf(t, "operator", "==", "==", "!=") + space + value + space
}

func someConstraints(t *rapid.T) []string {
	return rapid.SliceOfN(rapid.Custom(anyConstraint), 0, 3).Draw(t, "constraints")
}

// Meets gives the same answer as SwarmKit, for every machine and every constraint.
func meetsLikeSwarmKit(t *rapid.T) {
	m, constraints := anyMachine(t), someConstraints(t)
	for _, bare := range []bool{false, true} {
		if got, want := m.Meets(constraints), swarmKitMeets(m, bare, constraints); got != want {
			t.Fatalf("%+v meets %q: %t, SwarmKit (bare: %t) says %t", m, constraints, got, bare, want)
		}
	}
}

func TestMeetsAgreesWithSwarmKit(t *testing.T) { rapid.Check(t, meetsLikeSwarmKit) }

func FuzzMeetsLikeSwarmKit(f *testing.F) { generate.Fuzz(f, meetsLikeSwarmKit) }

// FuzzMeets checks the same with texts that no generator made.
func FuzzMeets(f *testing.F) {
	for _, seed := range []string{"node.ip==10.0.0.0/08", "node.labels.zone!=a", "a!=b==c", "node.labelſ.zone==a", "node.ip!=::ffff:1.2.3.4/95"} {
		f.Add(seed, "10.1.2.3", "zone")
	}
	f.Fuzz(func(t *testing.T, text, addr, label string) {
		m := machine
		m.Addr, m.Labels = addr, map[string]string{label: "a"}
		if got, want := m.Meets([]string{text}), swarmKitMeets(m, false, []string{text}); got != want {
			t.Errorf("%q: %t, SwarmKit says %t", text, got, want)
		}
	})
}

func oneOf[T any](t *rapid.T, label string, items ...T) T {
	return rapid.SampledFrom(items).Draw(t, label)
}

func chance(t *rapid.T, label string, oneIn int) bool {
	return rapid.IntRange(1, oneIn).Draw(t, label) == oneIn
}
