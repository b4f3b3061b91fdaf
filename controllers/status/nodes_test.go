package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

// nodes returns a swarm whose nodes are described as "role state availability version". wanted is the wanted number
// of managers.
func nodes(wanted int, texts ...string) Nodes {
	out := Nodes{Wanted: wanted}
	for i, text := range texts {
		w := append(strings.Fields(text), "", "")
		n := Node{Name: fmt.Sprintf("n%d", i+1), Role: w[0], State: w[1], Availability: w[2], Version: w[3]}
		out.Seen = append(out.Seen, n)
		if n.Role == "manager" {
			out.Members++
			if n.State == "ready" {
				out.Reachable++
			}
		}
	}
	out.Tolerance = out.Reachable - (out.Members/2 + 1)
	out.Losses = map[int]string{-1: "there would be no majority", 0: "none may be lost", 1: "1 member may be lost"}[out.Tolerance]
	return out
}

func TestNodesThatAreDownSetConditions(t *testing.T) {
	m, w, down := "manager ready active 29", "worker ready active 29", "manager down active 29"
	for _, c := range []struct {
		name                    string
		swarm                   Nodes
		managers, nodes, versus string
	}{
		{"well", nodes(3, m, m, m, w), "true Reachable 3 of 3 managers can be reached; 1 member may be lost", "true Ready ", "false Same "},
		{"nobody wants a number", nodes(0, m, w), "true Reachable 1 of 1 manager can be reached; none may be lost", "true Ready ", "false Same "},
		{"too few", nodes(3, m, w), "false Count 1 of 1 manager can be reached; none may be lost; 3 are wanted", "true Ready ", "false Same "},
		{"one is away", nodes(3, m, m, down), "false Unreachable 2 of 3 managers can be reached; none may be lost", "false NotReady n3 is down", "false Same "},
		{"no majority", nodes(0, m, down), "false Unreachable 1 of 2 managers can be reached; there would be no majority", "false NotReady n2 is down", "false Same "},
		{"engines differ", nodes(1, m, "worker ready active 20", "worker unknown drain"), "true Reachable 1 of 1 manager can be reached; none may be lost", "false NotReady n3 is unknown", "true Differ 20 on 1, 29 on 1, an unknown version on 1"},
		{"many are away", nodes(1, append([]string{m}, strings.Split(strings.Repeat("worker down active 29,", 12), ",")[:12]...)...), "true Reachable 1 of 1 manager can be reached; none may be lost", "false NotReady n2 is down, n3 is down, n4 is down, n5 is down, n6 is down, n7 is down, n8 is down, n9 is down, n10 is down, n11 is down and 2 more", "false Same "},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBoard("s", "enforce", NewMetrics("v0", func() int { return 0 }), logr.Discard(), func() time.Time { return time.Unix(0, 0) })
			b.Nodes(c.swarm)
			for kind, want := range map[string]string{ManagersReady: c.managers, NodesReady: c.nodes, VersionSkew: c.versus} {
				is, _ := published(b).Is(kind)
				if got := fmt.Sprint(is.Status, " ", is.Reason, " ", is.Message); got != want {
					t.Errorf("%s:\ngot  %s\nwant %s", kind, got, want)
				}
			}
		})
	}
}

// Without a majority nobody can tell how the managers are. What was known last must not be shown as if it were still
// true.
func TestNodesThatNobodyTellsOfAreUnknown(t *testing.T) {
	b := NewBoard("s", "enforce", NewMetrics("v0", func() int { return 0 }), logr.Discard(), func() time.Time { return time.Unix(0, 0) })
	b.NodesUnknown("no quorum")
	for _, kind := range []string{ManagersReady, NodesReady} {
		if _, said := b.Said(kind); said {
			t.Errorf("%s is said although nothing was ever known", kind)
		}
	}
	const m = "manager ready active 29"
	b.Nodes(nodes(3, m, m, m))
	b.NodesUnknown("no quorum")
	for _, kind := range []string{ManagersReady, NodesReady} {
		if is, ok := published(b).Is(kind); ok || is.Reason != Unknown || is.Message != "it is not known: no quorum" {
			t.Errorf("without a quorum it is %+v", is)
		}
	}
	b.Nodes(nodes(3, m, m, m))
	if _, ok := published(b).Is(ManagersReady); !ok {
		t.Error("it stays unknown")
	}
}

func TestTheRootThatIsBeingReplaced(t *testing.T) {
	m := NewMetrics("v0", func() int { return 0 })
	b := NewBoard("s", "enforce", m, logr.Discard(), func() time.Time { return time.Unix(0, 0) })
	is := func(want string, lines ...string) {
		t.Helper()
		c, _ := published(b).Is(CARotating)
		if got := fmt.Sprint(c.Status, " ", c.Reason, " ", c.Message); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		text := gathered(t, m)
		for _, line := range lines {
			if !strings.Contains(text, "swarm_operator_"+line+"\n") {
				t.Errorf("no %s in\n%s", line, text)
			}
		}
	}
	s := nodes(0, "manager ready active 29", "worker down active 29", "worker ready active 29")
	b.Nodes(s)
	is("false NotRotating ", "ca_rotation_in_progress 0", `ca_rotation_nodes{state="done"} 0`, `ca_rotation_nodes{state="waiting"} 0`)
	s.Rotating, s.Progress, s.Seen[1].Behind = true, "2 of 3 nodes have the new root; waiting for: n2 (down)", true
	b.Nodes(s)
	is("true Rotating 2 of 3 nodes have the new root; waiting for: n2 (down)", "ca_rotation_in_progress 1", `ca_rotation_nodes{state="done"} 2`, `ca_rotation_nodes{state="waiting"} 1`)
	s.Rotating, s.Seen[1].Behind = false, false
	b.Nodes(s)
	is("false NotRotating ", `ca_rotation_nodes{state="done"} 0`, `ca_rotation_nodes{state="waiting"} 0`)
	b.Rotations(map[string]time.Time{"worker-token": time.Unix(1000, 0)})
	is("false NotRotating ", `rotation_timestamp_seconds{of="worker-token"} 1000`)
	b.Rotations(nil)
	is("false NotRotating ", `rotation_timestamp_seconds{of="worker-token"} 1000`)
	b.Rotations(map[string]time.Time{"unlock-key": time.Unix(1002, 0)})
	is("false NotRotating ", `rotation_timestamp_seconds{of="unlock-key"} 1002`)
	if text := gathered(t, m); strings.Contains(text, `of="worker-token"`) {
		t.Errorf("what is not on record is there:\n%s", text)
	}
}

// gathered returns the metrics as a scrape would read them.
func gathered(t *testing.T, m *Metrics) string {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		for _, one := range f.GetMetric() {
			var labels []string
			for _, l := range one.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			fmt.Fprintf(&b, "%s %v\n", name, one.GetGauge().GetValue())
		}
	}
	return b.String()
}
