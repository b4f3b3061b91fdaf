package diff

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// unseenRules are the rules of an object of which some types, or all, are the operator's own.
func unseenRules(shape Shape, unseen func(typ string) bool) Rules {
	r := Rules{}
	for _, typ := range shape.Types() {
		r[typ] = Rule{Effect: InPlace, Unseen: unseen(typ)}
	}
	return r
}

func TestWhatIsUnseenIsNoDifference(t *testing.T) {
	rules := Rules{"spec.image": {Effect: RestartsTasks}, "spec.user": {Effect: Forbidden, Unseen: true, SinceAPI: "1.44"}}
	for _, c := range []struct {
		name             string
		have, want, last []string
		fields           string
	}{
		{"stated", nil, []string{"spec.user=x"}, nil, ""},
		{"stated and applied", nil, []string{"spec.user=x"}, []string{"spec.user=x"}, ""},
		{"another one than was applied", nil, []string{"spec.user=y"}, []string{"spec.user=x"}, ""},
		{"stated no more", nil, nil, []string{"spec.user=x"}, ""},
		{"a default", nil, []string{"!spec.user=x"}, nil, ""},
		{"the live object has it after all", []string{"spec.user=x"}, []string{"spec.user=y"}, nil, ""},
		{"only the live object has it", []string{"spec.user=x"}, nil, []string{"spec.user=x"}, ""},
		{"beside a difference", []string{"spec.image=a"}, []string{"spec.image=b", "spec.user=y"}, nil, "spec.image: a → b (git, restarts tasks)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, w := live("a", c.have...), wanted("a", c.want...)
			if c.last != nil {
				h = h.after(c.last...)
			}
			if got := brief(DifferingFields(&h, &w, rules)); got != c.fields {
				t.Errorf("got\n%s\nwant\n%s", got, c.fields)
			}
			if changes := Compare([]*State{&h}, []*State{&w}, func(string) Rules { return rules }); (len(changes) > 0) != (c.fields != "") {
				t.Errorf("changes are %v", rendered(changes))
			}
		})
	}
	w := wanted("a", "spec.image=a", "spec.user=x")
	if got := brief(Compare(nil, []*State{&w}, func(string) Rules { return rules })[0].Fields); got != "spec.image: (none) → a (git, in place)" {
		t.Errorf("a new object gets %s", got)
	}
}

var clusterShape = NewShape(&v1.Cluster{})

// clusterOf draws a cluster with a few values of each form: pointers, maps, lists, lists with keys.
func clusterOf(t *rapid.T, label string) *v1.Cluster {
	few := func(name string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b"}), 0, 2, rapid.ID[string]).Draw(t, label+" "+name)
	}
	some := func(name string) (out map[string]string) {
		for _, k := range few(name) {
			if out == nil {
				out = map[string]string{}
			}
			out[k] = rapid.SampledFrom([]string{"", "1"}).Draw(t, label+" "+name+" "+k)
		}
		return out
	}
	is := func(name string) bool { return rapid.Bool().Draw(t, label+" "+name) }
	c := &v1.Cluster{}
	c.Metadata.Labels = some("labels")
	if is("history") {
		c.Spec.TaskHistoryLimit = ptr(rapid.Int64Range(0, 1).Draw(t, label+" limit"))
	}
	if is("managers") {
		c.Spec.Managers = &v1.Managers{Count: rapid.IntRange(0, 2).Draw(t, label+" count")}
		if is("candidates") {
			c.Spec.Managers.Candidates = &v1.Candidates{Labels: some("candidates"), IDs: few("ids"), Hostnames: few("hostnames")}
		}
	}
	if is("CA") {
		c.Spec.CA = &v1.CA{}
		for _, url := range few("CAs") {
			c.Spec.CA.ExternalCAs = append(c.Spec.CA.ExternalCAs, v1.ExternalCA{URL: url, Options: some("options of " + url)})
		}
	}
	c.Default()
	return c
}

// Alike reports that two objects are alike only if their leaves are, whichever of them are unseen.
func TestAlikeIsEqualWhateverIsUnseen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SampledFrom([]string{"none", "all", "managers", "some"}).Draw(t, "unseen")
		rules := unseenRules(clusterShape, func(typ string) bool {
			switch all {
			case "managers":
				return managersOnly(typ)
			case "some":
				return rapid.Bool().Draw(t, typ)
			}
			return all == "all"
		})
		have, want := clusterOf(t, "have"), clusterOf(t, "want")
		if rapid.Bool().Draw(t, "differ only in managers") {
			managers := want.Spec.Managers
			want = have.Copy().(*v1.Cluster)
			want.Spec.Managers = managers
		}
		state := func(c *v1.Cluster) *State {
			leaves := clusterShape.Flatten(c)
			return &State{Leaves: MarkStated(leaves, slices.Clone(leaves))}
		}
		h := state(have)
		if rapid.Bool().Draw(t, "applied") {
			h.Meta.Applied = NewApplied(h.Leaves)
		}
		alike := Alike(Normal{Shape: clusterShape, Object: have}, Normal{Shape: clusterShape, Object: want}, rules, h.Meta.Applied)
		if fields := DifferingFields(h, state(want), rules); alike && len(fields) > 0 {
			t.Fatalf("alike, and differ:\n%s", brief(fields))
		}
		if all == "all" && !alike {
			t.Fatal("nothing can differ, and they are not alike")
		}
	})
}

func managersOnly(typ string) bool { return Ignored(typ, []string{"spec.managers"}) }

// Alike stays a short cut if an object states what is unseen.
func TestWhatIsUnseenIsAlike(t *testing.T) {
	alike := func(have, want *v1.Cluster, unseen func(string) bool) bool {
		return Alike(Normal{Shape: clusterShape, Object: have}, Normal{Shape: clusterShape, Object: want}, unseenRules(clusterShape, unseen), Applied{})
	}
	want := &v1.Cluster{Spec: v1.ClusterSpec{Managers: &v1.Managers{
		Count: 3, Candidates: &v1.Candidates{Labels: map[string]string{"a": "b"}, Hostnames: []string{"*"}}, StableFor: ptr(v1.Duration(1)),
	}}}
	for _, managers := range []*v1.Managers{nil, {}, {Count: 5, Candidates: &v1.Candidates{Hostnames: []string{"m"}}}} {
		if !alike(&v1.Cluster{Spec: v1.ClusterSpec{Managers: managers}}, want, managersOnly) {
			t.Errorf("%+v: not alike", managers)
		}
	}
	if alike(&v1.Cluster{}, want, func(typ string) bool { return managersOnly(typ) && typ != "spec.managers.stableFor" }) {
		t.Error("one that is seen does not count")
	}
}
