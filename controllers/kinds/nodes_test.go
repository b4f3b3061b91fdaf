package kinds_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"
	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
)

// liveNode returns a node as the engine gives it, where its name is its id.
func liveNode(id, hostname string, version uint64, down bool, availability string, labels ...string) *kinds.Live {
	n := &swarm.Node{ID: id, Meta: swarm.Meta{Version: swarm.Version{Index: version}}, Description: swarm.NodeDescription{Hostname: hostname}}
	n.Spec.Role, n.Spec.Availability, n.Status.State = swarm.NodeRoleWorker, swarm.NodeAvailability(availability), swarm.NodeStateReady
	if down {
		n.Status.State = swarm.NodeStateDown
	}
	n.Spec.Labels = map[string]string{}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, ":")
		n.Spec.Labels[k] = v
	}
	return &kinds.Live{Kind: v1.KindNode, ID: id, Name: id, Called: hostname, Version: version, Labels: n.Spec.Labels, Raw: n}
}

const oursOf = v1.LabelOwner + ":src/Node/"

func node(name string, spec v1.NodeSpec) *v1.Node {
	return &v1.Node{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNode, Metadata: v1.Metadata{Name: name}}, Spec: spec}
}

func nodeSet(name string, spec v1.NodeTemplate, hosts ...string) *v1.NodeSet {
	return &v1.NodeSet{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindNodeSet, Metadata: v1.Metadata{Name: name}}, Spec: v1.NodeSetSpec{Selector: v1.NodeSelector{Hostnames: hosts}, Template: spec}}
}

// remembering compares run after run, each time with what earlier runs left and without it.
type remembering struct {
	memo kinds.Memo
	seen diff.Seen
}

// nodeChanges returns the changes in brief, with the other facts that a run decides by.
func nodeChanges(changes []diff.Change) []string {
	out := brief(changes)
	for i, c := range changes {
		for _, f := range c.Fields {
			out[i] += fmt.Sprintf(" %t %t %t", f.Git, f.Hand, f.Intent)
		}
		if w := c.Want; w != nil {
			out[i] += fmt.Sprintf(" blocked=%s awaited=%t unmatched=%t exact=%s from %d digest %s", w.Blocked, w.Awaited, w.Unmatched, w.Exact, w.From.Line, w.Digest())
			if c.Have != nil {
				n := w.Value.(*v1.Node)
				out[i] += fmt.Sprintf(" value %v %s", n.Spec.Labels, n.Spec.Availability)
			}
		}
	}
	return out
}

func (r *remembering) run(manifests []v1.Object, lives []*kinds.Live) (with, without []string) {
	ix := index(lives...)
	var entries []kinds.Entry
	for i, o := range manifests {
		entries = append(entries, kinds.Entry{Object: o, From: diff.From{File: "n.yaml", Line: i + 1}})
	}
	changes := func(m *kinds.Memo, s *diff.Seen) []string {
		wants := kinds.Expand(all.Kinds(), entries, ix, source, m)
		got := nodeChanges(s.Compare(kinds.Haves(all.Kinds(), ix, source, wants.States, m), wants.States, all.Rules))
		return append(got, wants.Notices...)
	}
	with = changes(&r.memo, &r.seen)
	r.memo.Release(&r.seen)
	return with, changes(nil, &diff.Seen{})
}

func TestAManifestIsAboutTheNodeOfItsHostname(t *testing.T) {
	zone := func(z string) v1.NodeSpec { return v1.NodeSpec{Labels: map[string]string{"zone": z}} }
	for _, c := range []struct {
		name      string
		manifests []v1.Object
		lives     []*kinds.Live
		want      string
	}{
		{"another's node is none of ours", []v1.Object{node("a", zone("x"))}, []*kinds.Live{liveNode("1", "a", 1, false, "active", "zone:x", oursOf+"a"), liveNode("2", "b", 1, false, "active", oursOf+"b")}, ""},
		{"no manifest, and our label", nil, []*kinds.Live{liveNode("1", "a", 1, false, "active", oursOf+"a")}, ""},
		{"not ours, and equal", []v1.Object{node("a", zone("x"))}, []*kinds.Live{liveNode("1", "a", 1, false, "active", "zone:x")}, "  Node/a [1]"},
		{"not ours, and different", []v1.Object{node("a", zone("x"))}, []*kinds.Live{liveNode("1", "a", 1, false, "active")}, "~ Node/a [1] spec.labels.zone: (none) → x"},
		{"nobody of the name", []v1.Object{node("a", zone("x"))}, nil, "+ Node/a [] spec.labels.zone: (none) → x"},
		{"an id is no hostname", []v1.Object{node("1", zone("x"))}, []*kinds.Live{liveNode("1", "a", 1, false, "active")}, "+ Node/1 [] spec.labels.zone: (none) → x"},
		{"the owner's label was copied from another", []v1.Object{node("a", zone("x"))}, []*kinds.Live{liveNode("1", "a", 1, false, "active", "zone:x", oursOf+"b")}, "  Node/a [1]"},
		{"another source's", []v1.Object{node("a", zone("x"))}, []*kinds.Live{liveNode("1", "a", 1, false, "active", v1.LabelOwner+":other/Node/a")}, "~ Node/a [1] of source other spec.labels.zone: (none) → x"},
		{"what is the operator's own to know is no difference", []v1.Object{node("a", v1.NodeSpec{Role: v1.RoleManager, ID: "1", Presence: v1.Present, LabelMode: v1.LabelsMerge, Engine: &v1.EngineEndpoint{Host: "ssh://a"}})}, []*kinds.Live{liveNode("1", "a", 1, false, "drain", "theirs:1", oursOf+"a")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, strings.Join(brief(compare(index(c.lives...), source, c.manifests...)), "\n")); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// A memo gives the same result for nodes as no memo, also when a host joins again or the sets that it is in change.
func TestMemoChangesNoResultForNodes(t *testing.T) {
	zone := map[string]string{"zone": "x"}
	a, set := node("a", v1.NodeSpec{Labels: zone}), nodeSet("s", v1.NodeTemplate{Labels: zone}, "a", "b")
	other := nodeSet("t", v1.NodeTemplate{Labels: map[string]string{"zone": "y"}}, "b")
	exact := nodeSet("s", v1.NodeTemplate{Labels: zone, LabelMode: v1.LabelsExact}, "a", "b")
	one, two := liveNode("1", "a", 1, false, "active", "zone:x", "theirs:1", oursOf+"a"), liveNode("2", "a", 1, false, "active")
	gone := liveNode("1", "a", 2, true, "active", "zone:x", "theirs:1", oursOf+"a")
	written := liveNode("2", "a", 2, false, "active", "zone:x", oursOf+"a")
	b := liveNode("3", "b", 1, false, "active", "zone:x", oursOf+"b")
	var r remembering
	for i, step := range []struct {
		manifests []v1.Object
		lives     []*kinds.Live
	}{
		{[]v1.Object{a}, nil},
		{[]v1.Object{a}, []*kinds.Live{one}},
		{[]v1.Object{a}, []*kinds.Live{one}},
		{[]v1.Object{a}, []*kinds.Live{one, two}},
		{[]v1.Object{a}, []*kinds.Live{gone, two}},
		{[]v1.Object{a}, []*kinds.Live{gone, written}},
		{[]v1.Object{a}, []*kinds.Live{gone, written}},
		{[]v1.Object{a}, []*kinds.Live{written}},
		{[]v1.Object{a}, []*kinds.Live{gone}},
		{[]v1.Object{set}, []*kinds.Live{one, b}},
		{[]v1.Object{set}, []*kinds.Live{one, b}},
		{[]v1.Object{exact}, []*kinds.Live{one, b}},
		{[]v1.Object{set}, []*kinds.Live{one, b}},
		{[]v1.Object{set, other}, []*kinds.Live{one, b}},
		{[]v1.Object{set, other}, []*kinds.Live{one, b}},
		{[]v1.Object{a, set, other}, []*kinds.Live{one}},
		{[]v1.Object{set}, []*kinds.Live{one, b}},
		{nil, []*kinds.Live{one, b}},
		{[]v1.Object{set}, []*kinds.Live{b}},
	} {
		if with, without := r.run(step.manifests, step.lives); cmp.Diff(without, with) != "" {
			t.Errorf("run %d (-without +with):\n%s", i, cmp.Diff(without, with))
		}
	}
}

// The same holds for any sequence of changes.
func TestMemoChangesNoResultForAnyNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		var r remembering
		lives, manifests := map[string]*kinds.Live{}, map[string]v1.Object{}
		version := uint64(0)
		var log []string
		for range rapid.IntRange(1, 8).Draw(t, "runs") {
			version++
			switch id, host := pick("id", "1", "2", "3"), pick("host", "a", "b"); pick("what", "live", "live", "gone", "node", "set", "unstated", "nothing") {
			case "live":
				l := liveNode(id, host, version, pick("state", "up", "up", "down") == "down", pick("availability", "active", "drain"), "zone:"+pick("zone", "x", "y"))
				if pick("whose", "ours", "theirs") == "ours" {
					l.Labels[v1.LabelOwner] = "src/Node/" + host
					l.Labels[v1.LabelApplied] = diff.NewApplied([]diff.Leaf{{Path: "spec.labels.zone", Text: "x", Stated: true}}).String()
				}
				if pick("more", "", "theirs") != "" {
					l.Labels["theirs"] = "1"
				}
				lives[id] = l
			case "gone":
				delete(lives, id)
			case "node":
				manifests[host] = node(host, v1.NodeSpec{ID: pick("pin", "", "", id), Availability: pick("stated", "", "active"), LabelMode: pick("mode", "", v1.LabelsExact), Labels: map[string]string{"zone": pick("zone", "x", "y")}})
			case "set":
				name := pick("set", "s", "t")
				manifests[name] = nodeSet(name, v1.NodeTemplate{Labels: map[string]string{pick("label", "zone", "disk"): pick("zone", "x", "y")}, LabelMode: pick("mode", "", v1.LabelsExact)}, pick("hosts", "*", "a", "b"))
			case "unstated":
				delete(manifests, pick("name", "a", "b", "s", "t"))
			}
			var ls []*kinds.Live
			for _, id := range []string{"1", "2", "3"} {
				if l := lives[id]; l != nil {
					ls = append(ls, l)
				}
			}
			var ms []v1.Object
			for _, name := range []string{"a", "b", "s", "t"} {
				if m := manifests[name]; m != nil {
					ms = append(ms, m)
				}
			}
			with, without := r.run(ms, ls)
			log = append(log, strings.Join(slices.Concat([]string{"run"}, without), "\n  "))
			if d := cmp.Diff(without, with); d != "" {
				t.Fatalf("%s\n(-without +with):\n%s", strings.Join(log, "\n"), d)
			}
		}
	})
}
