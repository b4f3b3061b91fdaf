package kinds_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/manifests"
)

func TestWhoseAnObjectIs(t *testing.T) {
	applied := diff.NewApplied([]diff.Leaf{{Path: "spec.image", Text: "bb:1", Stated: true}})
	tests := []struct {
		name    string
		kind    string
		live    string
		labels  map[string]string
		record  *v1.Key // of an adoption
		key     string
		mine    bool
		adopted bool
		owner   string
		applied diff.Applied
	}{
		{name: "nobody's", kind: "Service", live: "web", key: "Service/web"},
		{name: "ours", kind: "Service", live: "web", labels: map[string]string{v1.LabelOwner: "src/Service/web", v1.LabelApplied: applied.String()}, key: "Service/web", mine: true, applied: applied},
		{name: "another source's", kind: "Service", live: "web", labels: map[string]string{v1.LabelOwner: "other/Service/web"}, key: "Service/web", owner: "source other"},
		{name: "a label copied to another name", kind: "Service", live: "copy", labels: map[string]string{v1.LabelOwner: "src/Service/web"}, key: "Service/copy"},
		{name: "another source's label, copied", kind: "Service", live: "copy", labels: map[string]string{v1.LabelOwner: "other/Service/web"}, key: "Service/copy"},
		{name: "a label copied to another kind", kind: "Config", live: "web", labels: map[string]string{v1.LabelOwner: "src/Service/web"}, key: "Config/web"},
		{name: "a copy of a service, named like a version", kind: "Service", live: "web-0123456789", labels: map[string]string{v1.LabelOwner: "src/Service/web"}, key: "Service/web-0123456789"},
		{name: "a version of a config", kind: "Config", live: "c-0123456789", labels: map[string]string{v1.LabelOwner: "src/Config/c"}, key: "Config/c", mine: true},
		{name: "a version of a secret", kind: "Secret", live: "c-0123456789", labels: map[string]string{v1.LabelOwner: "src/Secret/c"}, key: "Secret/c", mine: true},
		{name: "too short for a version", kind: "Config", live: "c-012345678", labels: map[string]string{v1.LabelOwner: "src/Config/c"}, key: "Config/c-012345678"},
		{name: "not hexadecimal", kind: "Config", live: "c-012345678x", labels: map[string]string{v1.LabelOwner: "src/Config/c"}, key: "Config/c-012345678x"},
		{name: "a version of another name", kind: "Config", live: "cc-0123456789", labels: map[string]string{v1.LabelOwner: "src/Config/c"}, key: "Config/cc-0123456789"},
		{name: "an empty label", kind: "Service", live: "web", labels: map[string]string{v1.LabelOwner: ""}, key: "Service/web"},
		{name: "a label of nonsense", kind: "Service", live: "web", labels: map[string]string{v1.LabelOwner: "src"}, key: "Service/web"},
		{name: "a label without a source", kind: "Service", live: "web", labels: map[string]string{v1.LabelOwner: "/Service/web"}, key: "Service/web"},
		{name: "adopted", kind: "Service", live: "web", record: &v1.Key{Kind: "Service", Name: "web"}, key: "Service/web", mine: true, adopted: true, applied: applied},
		{name: "adopted under another key", kind: "Config", live: "theirs", record: &v1.Key{Kind: "Config", Name: "c"}, key: "Config/c", mine: true, adopted: true, applied: applied},
		{name: "a record of another kind", kind: "Service", live: "web", record: &v1.Key{Kind: "Config", Name: "web"}, key: "Service/web"},
		{
			name: "adopted and written since", kind: "Service", live: "web", record: &v1.Key{Kind: "Service", Name: "web"}, labels: map[string]string{v1.LabelOwner: "src/Service/web", v1.LabelApplied: "v1:"},
			key: "Service/web", mine: true, adopted: true, applied: diff.ParseApplied("v1:"),
		},
		{
			name: "adopted and labelled by another source since", kind: "Service", live: "web", record: &v1.Key{Kind: "Service", Name: "web"}, labels: map[string]string{v1.LabelOwner: "other/Service/web"},
			key: "Service/web", owner: "source other",
		},
		{
			name: "adopted, with a copied label", kind: "Service", live: "web", record: &v1.Key{Kind: "Service", Name: "web"}, labels: map[string]string{v1.LabelOwner: "other/Service/copied"},
			key: "Service/web", mine: true, adopted: true, applied: applied,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := live(test.kind, test.live, test.labels, 0, "")
			src := kinds.Source{Name: "src"}
			if test.record != nil {
				src.Adopted = map[string]kinds.Record{l.ID: {Key: *test.record, Applied: applied}}
			}
			key, meta := src.Identify(l)
			if key.String() != test.key || meta.Mine != test.mine || (meta.Title == diff.TitleAdopted) != test.adopted || meta.Owner != test.owner || meta.Applied.String() != test.applied.String() {
				t.Errorf("got %s, %+v", key, meta)
			}
			if meta.ID != l.ID || meta.Version != l.Version || !meta.Created.Equal(l.Created) {
				t.Errorf("what is known of it got lost: %+v", meta)
			}
		})
	}
}

// An object that the source made stays its own if somebody takes its labels off. A copy of it does not become the
// source's.
func TestWhoseAnObjectIsByRecord(t *testing.T) {
	web := v1.Key{Kind: "Service", Name: "web"}
	label := func(source, nonce string) map[string]string {
		return map[string]string{v1.LabelOwner: source + "/Service/web", v1.LabelMade: nonce, v1.LabelApplied: "v1:"}
	}
	for _, test := range []struct {
		name, kind, live string
		labels           map[string]string
		made             *v1.Key
		adopted          *kinds.Record
		nonce, other     string
		want             string
	}{
		{name: "made, and on record", labels: label("src", "old"), made: &web, nonce: "new", want: "Service/web mine"},
		{name: "made under the last nonce, and not on record yet", labels: label("src", "new"), nonce: "new", want: "Service/web mine"},
		{name: "made by a release that kept no record", labels: label("src", ""), want: "Service/web mine"},
		{name: "made by nobody that is on record", labels: label("src", "old"), nonce: "new", want: "Service/web mine copied"},
		{name: "made by a release that kept no record, and copied", labels: label("src", ""), nonce: "new", want: "Service/web mine copied"},
		{name: "made, and its labels are gone", made: &web, nonce: "new", want: "Service/web mine lost"},
		{name: "made, and the owner label alone is gone", labels: map[string]string{v1.LabelApplied: "v1:"}, made: &web, nonce: "new", want: "Service/web mine lost"},
		{name: "made, and its owner label is nonsense", labels: map[string]string{v1.LabelOwner: "x"}, made: &web, nonce: "new", want: "Service/web mine lost"},
		{name: "made, and its labels are those of a stack", labels: map[string]string{"com.docker.stack.namespace": "s"}, made: &web, nonce: "new", want: "Service/web mine lost"},
		{name: "made, and another source labelled it since", labels: label("other", "x"), made: &web, nonce: "new", want: "Service/web of source other"},
		{name: "a version that was made, without labels", kind: "Config", live: "c-0123456789", made: &v1.Key{Kind: "Config", Name: "c"}, nonce: "new", want: "Config/c mine lost"},
		{name: "a record of another kind", made: &v1.Key{Kind: "Config", Name: "web"}, nonce: "new", want: "Service/web"},
		{name: "made by another source, without labels", other: "shop", nonce: "new", want: "Service/web of source shop"},
		{name: "adopted, and never written", adopted: &kinds.Record{Key: web}, nonce: "new", want: "Service/web mine adopted"},
		{name: "adopted and written", labels: label("src", ""), adopted: &kinds.Record{Key: web, Written: true}, nonce: "new", want: "Service/web mine adopted"},
		{name: "taken over, and not yet written", adopted: &kinds.Record{Key: web, Taken: true}, nonce: "new", want: "Service/web mine taken"},
		{name: "taken over and written", labels: label("src", ""), adopted: &kinds.Record{Key: web, Taken: true}, nonce: "new", want: "Service/web mine taken"},
		{name: "taken over, and its labels are gone", adopted: &kinds.Record{Key: web, Taken: true, Written: true}, nonce: "new", want: "Service/web mine taken lost"},
		{name: "taken over, and another source labelled it since", labels: label("other", ""), adopted: &kinds.Record{Key: web, Taken: true, Written: true}, nonce: "new", want: "Service/web of source other"},
		{name: "adopted and written, and its labels are gone", adopted: &kinds.Record{Key: web, Written: true}, nonce: "new", want: "Service/web mine adopted lost"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.kind == "" {
				test.kind, test.live = "Service", "web"
			}
			l := live(test.kind, test.live, test.labels, 0, "")
			src := kinds.Source{Name: "src", Nonce: test.nonce}
			if test.made != nil {
				src.Made = map[string]v1.Key{l.ID: *test.made}
			}
			if test.adopted != nil {
				src.Adopted = map[string]kinds.Record{l.ID: *test.adopted}
			}
			if test.other != "" {
				src.Others = map[string]string{l.ID: test.other}
			}
			key, meta := src.Identify(l)
			got := key.String()
			for _, word := range []struct {
				is   bool
				text string
			}{{meta.Mine, "mine"}, {meta.Title == diff.TitleAdopted, "adopted"}, {meta.Title == diff.TitleTaken, "taken"}, {meta.Lost, "lost"}, {meta.Title == diff.TitleCopied, "copied"}, {meta.Owner != "", "of " + meta.Owner}} {
				if word.is {
					got += " " + word.text
				}
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// If nobody has to make an object, a source owns what it states of it, and nothing once its manifest is gone.
func TestAnObjectThatNobodyStatesAnyMoreIsFree(t *testing.T) {
	node := func(name string) v1.Key { return v1.Key{Kind: v1.KindNode, Name: name} }
	stated := func(keys ...v1.Key) map[v1.Key]bool {
		out := map[v1.Key]bool{}
		for _, k := range keys {
			out[k] = true
		}
		return out
	}
	for _, test := range []struct {
		name, owner string
		kind        string
		partial     map[string]map[v1.Key]bool
		others      string // the source that adopted it
		adopted     bool
		want        string
	}{
		{name: "another source states it", owner: "other/Node/a", partial: map[string]map[v1.Key]bool{"other": stated(node("a"), node("b"))}, want: "source other"},
		{name: "another source states it no more", owner: "other/Node/a", partial: map[string]map[v1.Key]bool{"other": stated(node("b"))}, want: "nobody"},
		{name: "another source states nothing any more", owner: "other/Node/a", partial: map[string]map[v1.Key]bool{"other": {}}, want: "nobody"},
		{name: "nobody knows what the other source states", owner: "other/Node/a", partial: map[string]map[v1.Key]bool{"third": {}}, want: "source other"},
		{name: "the other source's memory is gone", owner: "other/Node/a", want: "source other"},
		{name: "stated no more, and adopted by a third", owner: "other/Node/a", partial: map[string]map[v1.Key]bool{"other": {}}, others: "third", want: "source third"},
		{name: "stated no more, and adopted by us since", owner: "other/Node/a", partial: map[string]map[v1.Key]bool{"other": {}}, adopted: true, want: "mine"},
		{name: "stated again, after we adopted it", owner: "other/Node/a", partial: map[string]map[v1.Key]bool{"other": stated(node("a"))}, adopted: true, want: "source other"},
		{name: "ours", owner: "src/Node/a", want: "mine"},
		{name: "ours before, and adopted by another since", owner: "src/Node/a", others: "other", want: "source other"},
		{name: "the swarm itself", kind: v1.KindCluster, owner: "other/Cluster/a", partial: map[string]map[v1.Key]bool{"other": {}}, want: "nobody"},
		{name: "a service stays with who made it", kind: v1.KindService, owner: "other/Service/a", partial: map[string]map[v1.Key]bool{"other": {}}, want: "source other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.kind == "" {
				test.kind = v1.KindNode
			}
			l := &kinds.Live{Kind: test.kind, ID: "1", Name: "1", Called: "a", Labels: map[string]string{v1.LabelOwner: test.owner}}
			src := kinds.Source{Name: "src", Nonce: "n", Partial: test.partial}
			if test.others != "" {
				src.Others = map[string]string{"1": test.others}
			}
			if test.adopted {
				src.Adopted = map[string]kinds.Record{"1": {Key: node("a")}}
			}
			_, meta := src.Identify(l)
			got := "nobody"
			if meta.Owner != "" {
				got = meta.Owner
			} else if meta.Mine {
				got = "mine"
			}
			if got != test.want {
				t.Errorf("it belongs to %s, want %s", got, test.want)
			}
		})
	}
}

func TestOnlyWhatIsOursOrAskedForIsCompared(t *testing.T) {
	mine := map[string]string{v1.LabelOwner: "src/Service/gone"}
	node := live(v1.KindService, "node", map[string]string{v1.LabelOwner: "src/Service/node"}, 0, "")
	node.Local = true
	ix := index(live(v1.KindService, "theirs", nil, 0, ""), live(v1.KindService, "gone", mine, 0, ""), live(v1.KindService, "copy", mine, 0, ""), live(v1.KindService, "web", nil, 0, ""), node)
	if d := cmp.Diff([]string{"- Service/gone [gone]", "  Service/web [web]"}, brief(compare(ix, source, service("web")))); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}

func TestOverlayLabels(t *testing.T) {
	fields := func(paths ...string) []diff.Field {
		var out []diff.Field
		for _, p := range paths {
			out = append(out, diff.Field{Path: p})
		}
		return out
	}
	own := map[string]string{v1.LabelOwner: "owner", v1.LabelApplied: "applied"}
	with := func(more map[string]string) map[string]string {
		for k, v := range own {
			more[k] = v
		}
		return more
	}
	tests := []struct {
		name       string
		live, want map[string]string
		fields     []diff.Field
		result     map[string]string
	}{
		{"nothing differs", map[string]string{"a": "1"}, map[string]string{"a": "1"}, nil, with(map[string]string{"a": "1"})},
		{"changed", map[string]string{"a": "1"}, map[string]string{"a": "2"}, fields("metadata.labels.a"), with(map[string]string{"a": "2"})},
		{"changed and ignored", map[string]string{"a": "1"}, map[string]string{"a": "2"}, nil, with(map[string]string{"a": "1"})},
		{"added", nil, map[string]string{"a.b/c": "2"}, fields(`metadata.labels["a.b/c"]`), with(map[string]string{"a.b/c": "2"})},
		{"removed", map[string]string{"a": "1", "b": "2"}, nil, fields("metadata.labels.a"), with(map[string]string{"b": "2"})},
		{"nobody's stays", map[string]string{"com.docker.stack.namespace": "s"}, nil, nil, with(map[string]string{"com.docker.stack.namespace": "s"})},
		{"our own are renewed", map[string]string{v1.LabelOwner: "old", v1.LabelApplied: "old"}, nil, nil, with(map[string]string{})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := len(test.live)
			if d := cmp.Diff(test.result, kinds.OverlayLabels("metadata.labels", test.live, test.want, test.fields, "owner", "applied")); d != "" {
				t.Errorf("labels (-want +got):\n%s", d)
			}
			if len(test.live) != before {
				t.Error("what was read was changed")
			}
		})
	}
	if d := cmp.Diff(with(map[string]string{"a": "1"}), kinds.Labels(map[string]string{"a": "1"}, "owner", "applied")); d != "" {
		t.Errorf("labels of a new object (-want +got):\n%s", d)
	}
}

func TestIndex(t *testing.T) {
	networks := []*kinds.Live{{Kind: "Network", ID: "1", Name: "n"}, {Kind: "Network", ID: "2", Name: "n", Local: true}}
	services := []*kinds.Live{{Kind: "Service", ID: "1", Name: "b"}, {Kind: "Service", ID: "2", Name: "a"}}
	ix := kinds.NewIndex(map[string][]*kinds.Live{"Network": networks, "Service": services}, func(l *kinds.Live) []kinds.Ref {
		if l.Kind == "Service" {
			return []kinds.Ref{{Kind: "Network", ID: "1"}, {Kind: "Network", ID: "1"}}
		}
		return nil
	})
	if l := ix.ByName("Network", "n"); l == nil || l.ID != "1" {
		t.Errorf("the first of one name counts, got %+v", l)
	}
	if ix.ByID("Network", "2") == nil || ix.ByID("Network", "3") != nil || ix.ByName("Service", "n") != nil {
		t.Error("ids and names of kinds got mixed")
	}
	if d := cmp.Diff([]v1.Key{{Kind: "Service", Name: "a"}, {Kind: "Service", Name: "b"}}, ix.Users("Network", "1")); d != "" {
		t.Errorf("users (-want +got):\n%s", d)
	}
	if got := ix.NameOf("Network", "1") + " " + ix.NameOf("Network", "gone"); got != "n gone" {
		t.Errorf("names: %s", got)
	}
}

// Rules are total for every kind.
func TestRulesAreTotal(t *testing.T) {
	for _, k := range all.Kinds() {
		types := map[string]bool{"spec.data": k.Versions != nil}
		for _, typ := range k.Shape.Types() {
			types[typ] = true
		}
		for typ, is := range types {
			if _, ok := k.Rules[typ]; ok != is {
				t.Errorf("%s: %s has a rule: %t", k.Name, typ, ok)
			}
		}
		for typ := range k.Rules {
			if !types[typ] {
				t.Errorf("%s: the rule of %s is of no leaf", k.Name, typ)
			}
		}
		i := slices.IndexFunc(all.Manifests(), func(m manifests.Kind) bool { return m.Name == k.Name })
		if i < 0 || all.Manifests()[i].New() == nil || all.Manifests()[i].Expand != nil {
			t.Errorf("%s has no manifest of its own", k.Name)
		}
	}
}

// A memo that is kept from run to run gives the same result as no memo, also when a spec changes or a name becomes
// known.
func TestMemoChangesNoResult(t *testing.T) {
	memo, seen := &kinds.Memo{}, &diff.Seen{}
	web := service("web", "c")
	run := func(src kinds.Source, manifests []v1.Object, lives ...*kinds.Live) ([]string, []string) {
		ix := index(lives...)
		var entries []kinds.Entry
		for _, o := range manifests {
			entries = append(entries, kinds.Entry{Object: o})
		}
		changes := func(m *kinds.Memo, s *diff.Seen) []string {
			wants := kinds.Expand(all.Kinds(), entries, ix, src, m)
			return brief(s.Compare(kinds.Haves(all.Kinds(), ix, src, wants.States, m), wants.States, all.Rules))
		}
		with := changes(memo, seen)
		memo.Release(seen)
		return with, changes(nil, &diff.Seen{})
	}
	ours := live(v1.KindService, "web", map[string]string{v1.LabelOwner: "src/Service/web"}, 0, "")
	written := live(v1.KindService, "web", map[string]string{v1.LabelOwner: "src/Service/web", "a": "1"}, 0, "")
	written.Version = 2
	// The network was made between two lists: the services were listed after that, the networks before.
	attached := live(v1.KindService, "web", written.Labels, 0, "")
	attached.Version = 3
	attached.Raw.(*swarm.Service).Spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "id-front"}}
	front := &kinds.Live{Kind: v1.KindNetwork, ID: "id-front", Name: "front", Local: true}
	joined := web.Copy().(*v1.Service)
	joined.Spec.Networks = []v1.NetworkAttachment{{Name: "front"}}
	stated := web.Copy().(*v1.Service)
	stated.Spec.Hostname = "h"
	// Another source takes this one over, and writes nothing to it for that.
	free := live(v1.KindService, "web", nil, 0, "")
	taken := source
	taken.Others = map[string]string{"id-web": "a"}
	for i, step := range []struct {
		src       kinds.Source
		manifests []v1.Object
		lives     []*kinds.Live
	}{
		{source, []v1.Object{web, content("Config", "c", "one", v1.Policy{})}, []*kinds.Live{ours}},
		{source, []v1.Object{web, content("Config", "c", "one", v1.Policy{})}, []*kinds.Live{ours, one}},
		{source, []v1.Object{web, content("Config", "c", "two", v1.Policy{})}, []*kinds.Live{ours, one}},
		{source, []v1.Object{web, content("Config", "c", "two", v1.Policy{})}, []*kinds.Live{written, one, two}},
		{source, []v1.Object{stated, content("Config", "c", "two", v1.Policy{})}, []*kinds.Live{written, one, two}},
		{source, []v1.Object{stated}, []*kinds.Live{written, one, two}},
		{source, []v1.Object{joined}, []*kinds.Live{attached}},
		{source, []v1.Object{joined}, []*kinds.Live{attached, front}},
		{kinds.Source{Name: "other"}, []v1.Object{stated}, []*kinds.Live{written}},
		{source, nil, []*kinds.Live{written}},
		{source, []v1.Object{stated}, []*kinds.Live{free}},
		{taken, []v1.Object{stated}, []*kinds.Live{free}},
		{source, []v1.Object{stated}, []*kinds.Live{free}},
	} {
		if got, want := run(step.src, step.manifests, step.lives...); cmp.Diff(want, got) != "" {
			t.Errorf("run %d (-without +with):\n%s", i, cmp.Diff(want, got))
		}
	}
}

func TestWhichStackAnObjectIsIn(t *testing.T) {
	for kind, want := range map[string]string{v1.KindService: "shop", v1.KindNetwork: "shop", v1.KindConfig: "", v1.KindSecret: "", v1.KindNode: ""} {
		_, meta := kinds.Source{Name: "src"}.Identify(&kinds.Live{Kind: kind, Name: "x", ID: "1", Labels: map[string]string{"com.docker.stack.namespace": "shop"}})
		if meta.Stack != want {
			t.Errorf("a %s is in the stack %q, want %q", kind, meta.Stack, want)
		}
	}
}

// The engine changes neither networks nor the labels of volumes. Such an object keeps the label of a source that gave it up,
// so that the records say whose it is. Until there are records, the label does.
func TestALabelThatNeverChangesGivesWayToRecords(t *testing.T) {
	for _, test := range []struct {
		name    string
		kind    string // "" means both kinds
		label   string // the source that the label names
		made    bool
		adopted bool
		others  map[string]string
		want    string
	}{
		{name: "another source has just made it", label: "a", want: "source a"},
		{name: "another source made it", label: "a", others: map[string]string{"1": "a"}, want: "source a"},
		{name: "another source gave it up", label: "a", others: map[string]string{"1": ""}, want: "nobody"},
		{name: "another source gave up a service, and its label is still there", kind: v1.KindService, label: "a", others: map[string]string{"1": ""}, want: "source a"},
		{name: "taken over from another source", label: "a", adopted: true, others: map[string]string{"1": ""}, want: "mine"},
		{name: "taken over, and the other source has forgotten it", label: "a", adopted: true, want: "mine"},
		{name: "taken over, and the other source took it back", label: "a", adopted: true, others: map[string]string{"1": "a"}, want: "source a"},
		{name: "a service that was adopted, and labelled by another source since", kind: v1.KindService, label: "a", adopted: true, want: "source a"},
		{name: "a third source has it", label: "a", others: map[string]string{"1": "c"}, want: "source c"},
		{name: "made", label: "src", made: true, want: "mine"},
		{name: "made, given up, and taken over by another source", label: "src", others: map[string]string{"1": "b"}, want: "source b"},
		{name: "made, and another source gave it up", label: "src", made: true, others: map[string]string{"1": ""}, want: "mine"},
		{name: "made, and another source claims it", label: "src", made: true, others: map[string]string{"1": "b"}, want: "mine"},
	} {
		of := []string{test.kind}
		if test.kind == "" {
			of = []string{v1.KindVolume, v1.KindNetwork}
		}
		for _, kind := range of {
			key := v1.Key{Kind: kind, Name: "data"}
			src := kinds.Source{Name: "src", Nonce: "new", Others: test.others}
			if test.made {
				src.Made = map[string]v1.Key{"1": key}
			}
			if test.adopted {
				src.Adopted = map[string]kinds.Record{"1": {Key: key}}
			}
			l := &kinds.Live{Kind: kind, ID: "1", Name: "data", Labels: map[string]string{v1.LabelOwner: test.label + "/" + kind + "/data", v1.LabelMade: "old"}}
			at, meta := src.Identify(l)
			got := meta.Owner
			switch {
			case meta.Mine:
				got = "mine"
			case got == "":
				got = "nobody"
			}
			if got != test.want || at != key || meta.Lost && test.label != "src" && test.adopted {
				t.Errorf("%s: %s belongs to %s, want %s: %+v", test.name, at, got, test.want, meta)
			}
		}
	}
}
