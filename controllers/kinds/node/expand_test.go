package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/golden"
)

// Each case has nodes and manifests, one in each line, and what becomes of them:
//
//	live ID HOSTNAME [down] [manager] [engine=k:v] [os=linux] [arch=x86_64]
//	Node HOSTNAME [id=ID] [role=] [availability=] [labels=k:v,k:v] [mode=] [after=1h] [absent] [suspend] [enforce=] [ignore=PATH,PATH] [needs=Service/x]
//	NodeSet NAME [ids=1,2] [hosts=a*,b?] [engine=k:v] [os=] [arch=] [role-is=] and what a Node may have
func TestExpand(t *testing.T) {
	const file = "testdata/expand.txtar"
	cases, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := &txtar.Archive{Comment: cases.Comment}
	for _, f := range cases.Files {
		name, isGiven := strings.CutSuffix(f.Name, ": given")
		if !isGiven {
			continue
		}
		entries, lives := parse(string(f.Data))
		before := describe(entries, nil)
		text := describe(expand(entries, lives))
		if describe(entries, nil) != before {
			t.Errorf("%s: the manifests were changed", name)
		}
		slices.Reverse(entries)
		slices.Reverse(lives)
		if again := describe(expand(entries, lives)); again != text {
			t.Errorf("%s: the order shows:\n%s", name, again)
		}
		got.Files = append(got.Files, f, txtar.File{Name: name + ": expanded", Data: []byte(text)})
	}
	golden.Equal(t, file, string(txtar.Format(got)))
}

func parse(text string) (entries []kinds.Entry, lives []*kinds.Live) {
	line := 0
	for s := range strings.Lines(text) {
		line++
		w := strings.Fields(s)
		if len(w) == 0 {
			continue
		}
		from := diff.From{File: "n.yaml", Line: line}
		switch w[0] {
		case "live":
			lives = append(lives, liveOf(w))
		case "Node":
			entries = append(entries, kinds.Entry{Object: nodeOf(w), From: from})
		case "NodeSet":
			entries = append(entries, kinds.Entry{Object: setOf(w), From: from})
		default:
			panic(s)
		}
	}
	return entries, lives
}

func liveOf(w []string) *kinds.Live {
	n := &swarm.Node{ID: w[1], Description: swarm.NodeDescription{Hostname: w[2]}, Spec: swarm.NodeSpec{Role: "worker", Availability: "active"}}
	if w[2] == "-" { // it has not reported its hostname yet
		n.Description.Hostname = ""
	}
	n.Status.State, n.Description.Platform = swarm.NodeStateReady, swarm.Platform{OS: "linux", Architecture: "x86_64"}
	for _, a := range w[3:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "down":
			n.Status.State = swarm.NodeStateDown
		case "unknown":
			n.Status.State = swarm.NodeStateUnknown
		case "manager":
			n.Spec.Role, n.ManagerStatus = "manager", &swarm.ManagerStatus{Reachability: swarm.ReachabilityReachable}
		case "unreachable":
			n.Spec.Role, n.ManagerStatus = "manager", &swarm.ManagerStatus{Reachability: swarm.ReachabilityUnreachable}
		case "leader":
			n.ManagerStatus.Leader = true
		case "demoted":
			n.Spec.Role = "worker"
		case "promoted":
			n.Spec.Role = "manager"
		case "availability":
			n.Spec.Availability = swarm.NodeAvailability(value)
		case "labels":
			n.Spec.Labels = labelsOf(strings.Split(value, ",")...)
		case "issuer":
			n.Description.TLSInfo = swarm.TLSInfo{TrustRoot: "old", CertIssuerSubject: []byte("swarm-ca"), CertIssuerPublicKey: []byte(value)}
		case "engine":
			n.Description.Engine.Labels = labelsOf(value)
		case "addr":
			n.Status.Addr = value
		case "joined": // at such a time before the first survey
			d, err := time.ParseDuration(value)
			if err != nil {
				panic(err)
			}
			n.CreatedAt = firstSurvey.Add(-d)
		case "os":
			n.Description.Platform.OS = value
		case "arch":
			n.Description.Platform.Architecture = value
		default:
			panic(a)
		}
	}
	return live(n, nil)
}

func header(kind, name string) v1.Header {
	return v1.Header{APIVersion: v1.APIVersion, Kind: kind, Metadata: v1.Metadata{Name: name}}
}

func nodeOf(w []string) *v1.Node {
	n := &v1.Node{Header: header(v1.KindNode, w[1])}
	var t v1.NodeTemplate
	for _, a := range w[2:] {
		name, value, _ := strings.Cut(a, "=")
		switch {
		case name == "id":
			n.Spec.ID = value
		case name == "absent":
			n.Spec.Presence = v1.Absent
		case name == "reach":
			n.Spec.Engine = &v1.EngineEndpoint{Host: "tcp://10.0.0.1:2376"}
		case !template(&t, &n.Policy, name, value):
			panic(a)
		}
	}
	s := &n.Spec
	s.Role, s.Availability, s.Labels, s.LabelMode, s.RemoveDownAfter = t.Role, t.Availability, t.Labels, t.LabelMode, t.RemoveDownAfter
	return n
}

func setOf(w []string) *v1.NodeSet {
	s := &v1.NodeSet{Header: header(v1.KindNodeSet, w[1])}
	sel := &s.Spec.Selector
	for _, a := range w[2:] {
		name, value, _ := strings.Cut(a, "=")
		switch {
		case name == "ids":
			sel.IDs = strings.Split(value, ",")
		case name == "hosts":
			sel.Hostnames = strings.Split(value, ",")
		case name == "engine":
			sel.EngineLabels = labelsOf(value)
		case name == "os":
			sel.Platform = &v1.Platform{OS: value}
		case name == "arch":
			sel.Platform = &v1.Platform{Architecture: value}
		case name == "role-is":
			sel.Role = value
		case !template(&s.Spec.Template, &s.Policy, name, value):
			panic(a)
		}
	}
	return s
}

func template(t *v1.NodeTemplate, p *v1.Policy, name, value string) bool {
	switch name {
	case "role":
		t.Role = value
	case "availability":
		t.Availability = value
	case "labels":
		t.Labels = labelsOf(strings.Split(value, ",")...)
	case "mode":
		t.LabelMode = value
	case "after":
		d, err := time.ParseDuration(value)
		if err != nil {
			panic(err)
		}
		t.RemoveDownAfter = (*v1.Duration)(&d)
	case "suspend":
		p.Suspend = true
	case "enforce":
		is := value == "true"
		p.Enforce = &is
	case "ignore":
		p.IgnoreDifferences = strings.Split(value, ",")
	case "needs":
		p.DependsOn = []string{value}
	default:
		return false
	}
	return true
}

// describe says everything that was made of manifests.
func describe(entries []kinds.Entry, notices []string) string {
	var b strings.Builder
	for _, e := range entries {
		n, is := e.Object.(*v1.Node)
		if !is {
			fmt.Fprintf(&b, "%s %+v\n", e.Object.Key(), e.Object)
			continue
		}
		fmt.Fprintf(&b, "%s [%s] line %d:", n.Key(), e.Instance, e.From.Line)
		s, p := n.Spec, n.Policy
		var labels []string
		for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
			labels = append(labels, k+":"+s.Labels[k])
		}
		after, enforce := "", ""
		if s.RemoveDownAfter != nil {
			after = s.RemoveDownAfter.String()
		}
		if p.Enforce != nil {
			enforce = fmt.Sprint(*p.Enforce)
		}
		for _, f := range []struct{ name, value string }{
			{"id", s.ID},
			{"role", s.Role},
			{"availability", s.Availability},
			{"labels", strings.Join(labels, ",")},
			{"mode", s.LabelMode},
			{"presence", s.Presence},
			{"after", after},
			{"suspend", strings.TrimPrefix(fmt.Sprint(p.Suspend), "false")},
			{"enforce", enforce},
			{"ignore", strings.Join(p.IgnoreDifferences, ",")},
			{"needs", strings.Join(p.DependsOn, ",")},
			{"exact by", e.Exact},
		} {
			if f.value != "" {
				fmt.Fprintf(&b, " %s=%s", f.name, f.value)
			}
		}
		b.WriteByte('\n')
		switch {
		case e.Unmatched:
			fmt.Fprintf(&b, "  unmatched: %s\n", e.Blocked)
		case e.Awaited:
			fmt.Fprintf(&b, "  awaited: %s\n", e.Blocked)
		case e.Blocked != "":
			fmt.Fprintf(&b, "  blocked: %s\n", e.Blocked)
		}
	}
	for _, n := range notices {
		fmt.Fprintf(&b, "notice: %s\n", n)
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

// This holds for all manifests and all nodes. Nothing is written to a node that two manifests could mean. Each node
// occurs once. A blocked manifest is about no node.
func TestExpandIsCareful(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		var lines []string
		for i := range rapid.IntRange(0, 6).Draw(t, "lives") {
			lines = append(lines, fmt.Sprintf("live %d %s %s", i, pick("host", "a", "b", "c"), pick("state", "", "down", "manager", "manager down")))
		}
		for _, host := range []string{"a", "b", "d"} {
			if rapid.Bool().Draw(t, "stated") {
				lines = append(lines, fmt.Sprintf("Node %s %s %s", host, pick("id", "", "id=0", "id=1", "id=9"), pick("what", "labels=zone:a", "role=worker", "absent", "availability=drain")))
			}
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "sets") {
			lines = append(lines, fmt.Sprintf("NodeSet s%d hosts=%s %s", i, pick("hosts", "*", "a", "b,c", "zzz"), pick("what", "labels=zone:a", "labels=zone:b", "role=worker", "mode=exact", "availability=active")))
		}
		text := strings.Join(lines, "\n")
		entries, lives := parse(text)
		out, _ := expand(entries, lives)
		hosts, ids := map[string]bool{}, map[string]bool{}
		for _, e := range out {
			n := e.Object.(*v1.Node)
			up := 0
			var is *kinds.Live
			for _, l := range lives {
				if l.Called != n.Metadata.Name {
					continue
				}
				if !down(l) {
					up++
				}
				if l.ID == e.Instance {
					is = l
				}
			}
			bad := map[string]bool{
				"twice":                       hosts[n.Metadata.Name] || e.Instance != "" && ids[e.Instance],
				"of another's name":           e.Instance != "" && is == nil,
				"one of two":                  e.Instance != "" && n.Spec.ID == "" && up > 1,
				"a dead one beside a live":    is != nil && n.Spec.ID == "" && down(is) && up > 0,
				"not the one that is pinned":  e.Instance != "" && n.Spec.ID != "" && e.Instance != n.Spec.ID,
				"blocked and somebody":        (e.Blocked != "") == (e.Instance != ""),
				"unmatched, and is there":     e.Unmatched && (!e.Awaited || n.Gone() || n.Spec.ID == "" && (up > 0 || slices.ContainsFunc(lives, func(l *kinds.Live) bool { return l.Called == n.Metadata.Name }))),
				"awaited for nothing":         e.Awaited && (e.Blocked == "" || n.Spec.ID == "" && up > 0),
				"leaving, and not drained":    n.Gone() && n.Spec.Availability != v1.Drain,
				"exact without being so":      (e.Exact != "") != (n.Spec.LabelMode == v1.LabelsExact),
				"of no manifest that we have": e.From.Line == 0,
			}
			for why, wrong := range bad {
				if wrong {
					t.Fatalf("%s is %s:\n%s\n\n%s", n.Key(), why, text, describe(out, nil))
				}
			}
			hosts[n.Metadata.Name], ids[e.Instance] = true, true
		}
	})
}
