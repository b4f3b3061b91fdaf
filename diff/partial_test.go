package diff

import (
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// partialRules are the rules of an object of which a manifest states only some leaves.
var partialRules = func() Rules {
	r := maps.Clone(rules)
	r["metadata.labels.*"] = Rule{Effect: InPlace, Merges: true, Nobody: NobodysLabel}
	r["spec.image"] = Rule{Effect: InPlace, Stays: true}
	r["spec.user"] = Rule{Effect: Forbidden, Stays: true, Why: "not ours"}
	return r
}()

func TestWhatIsNotStatedStays(t *testing.T) {
	for _, c := range []struct {
		name             string
		have, want, last []string
		fields           string
	}{
		{"nothing is stated", []string{"spec.image=a", "metadata.labels.x=1"}, nil, nil, ""},
		{"nothing is stated any more, of a value", []string{"spec.image=a"}, nil, []string{"spec.image=a"}, ""},
		{"nothing is stated any more, of a value that a hand changed", []string{"spec.image=b"}, nil, []string{"spec.image=a"}, ""},
		{"a key that is stated no more goes", []string{"metadata.labels.x=1", "metadata.labels.y=1"}, nil, []string{"metadata.labels.x=1"}, "metadata.labels.x: 1 → (none) (git, in place)"},
		{"also where a hand changed it", []string{"metadata.labels.x=2"}, nil, []string{"metadata.labels.x=1"}, "metadata.labels.x: 2 → (none) (git, hand, in place)"},
		{"it is gone already", nil, nil, []string{"metadata.labels.x=1"}, ""},
		{"others' keys stay", []string{"metadata.labels.x=1"}, []string{"metadata.labels.y=1"}, []string{"metadata.labels.y=1"}, "metadata.labels.y: (none) → 1 (hand, in place)"},
		{"a key of others that is stated now", []string{"metadata.labels.x=1"}, []string{"metadata.labels.x=2"}, nil, "metadata.labels.x: 1 → 2 (git, in place)"},
		{"a value", []string{"spec.image=a"}, []string{"spec.image=b"}, []string{"spec.image=a"}, "spec.image: a → b (git, in place)"},
		{"a value, by hand", []string{"spec.image=c"}, []string{"spec.image=b"}, []string{"spec.image=b"}, "spec.image: c → b (hand, in place)"},
		{"a default is not stated", []string{"spec.image=c"}, []string{"!spec.image=b"}, nil, ""},
		{"the operator's own labels", []string{"metadata.labels.swarm-operator.io/owner=s"}, nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, w := live("a", c.have...), wanted("a", c.want...)
			if c.last != nil {
				h = h.after(c.last...)
			}
			if got := brief(DifferingFields(&h, &w, partialRules)); got != c.fields {
				t.Errorf("got\n%s\nwant\n%s", got, c.fields)
			}
		})
	}
}

func TestWhyAFieldCannotBeWritten(t *testing.T) {
	h, w := live("a", "spec.user=x", "spec.image=a"), wanted("a", "spec.user=y", "spec.image=b")
	for _, f := range DifferingFields(&h, &w, partialRules) {
		if (f.Why == "not ours") != (f.Path == "spec.user") {
			t.Errorf("%s: %q", f.Path, f.Why)
		}
	}
}

// A field that a manifest is silent about, and never stated, is no difference.
func TestSilenceIsNoDifference(t *testing.T) {
	paths := []string{"spec.image", "spec.user", "metadata.labels.x", "metadata.labels.y"}
	rapid.Check(t, func(t *rapid.T) {
		pick := func(name string) (out []string) {
			for _, p := range paths {
				if v := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, name+" "+p); v != "" {
					out = append(out, p+"="+v)
				}
			}
			return out
		}
		h, w, last := live("a", pick("have")...), wanted("a", pick("want")...), pick("last")
		h = h.after(last...)
		for _, f := range DifferingFields(&h, &w, partialRules) {
			_, stated := w.Leaf(f.Path)
			if !stated && (!h.Meta.Applied.Has(f.Path) || !strings.HasPrefix(f.Path, "metadata.labels.")) {
				t.Fatalf("%s differs", f.Path)
			}
		}
	})
}
