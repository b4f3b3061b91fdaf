package diff

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAttribution(t *testing.T) {
	digest := "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	tests := []struct {
		name     string
		applied  []string // nil means that nothing is remembered
		have     []string
		want     []string
		distrust bool
		fields   string
	}{
		{
			name: "git changed the want", applied: []string{"spec.image=bb:1"}, have: []string{"spec.image=bb:1"}, want: []string{"spec.image=bb:2"},
			fields: "spec.image: bb:1 → bb:2 (git, restarts tasks)",
		},
		{
			name: "a hand changed the live value", applied: []string{"spec.image=bb:1"}, have: []string{"spec.image=bb:3"}, want: []string{"spec.image=bb:1"},
			fields: "spec.image: bb:3 → bb:1 (hand, restarts tasks)",
		},
		{
			name: "both", applied: []string{"spec.image=bb:1"}, have: []string{"spec.image=bb:3"}, want: []string{"spec.image=bb:2"},
			fields: "spec.image: bb:3 → bb:2 (git, hand, restarts tasks)",
		},
		{name: "both to the same", applied: []string{"spec.image=bb:1"}, have: []string{"spec.image=bb:2"}, want: []string{"spec.image=bb:2"}},
		{
			name: "a client's digest is no hand", applied: []string{"spec.image=bb:1"}, have: []string{"spec.image=bb:1" + digest}, want: []string{"spec.image=bb:2"},
			fields: "spec.image: bb:1" + digest + " → bb:2 (git, restarts tasks)",
		},
		{
			name: "another tag with a digest is", applied: []string{"spec.image=bb:1"}, have: []string{"spec.image=bb:3" + digest}, want: []string{"spec.image=bb:1"},
			fields: "spec.image: bb:3" + digest + " → bb:1 (hand, restarts tasks)",
		},
		{
			name: "git states a leaf", applied: []string{}, have: []string{"spec.hostname=x"}, want: []string{"spec.hostname=y"},
			fields: "spec.hostname: x → y (git, restarts tasks)",
		},
		{
			name: "git no longer states a leaf", applied: []string{"metadata.labels.x=1"}, have: []string{"metadata.labels.x=1"}, want: []string{},
			fields: "metadata.labels.x: 1 → (none) (git, in place)",
		},
		{
			name: "git no longer states a leaf that a hand changed", applied: []string{"metadata.labels.x=1"}, have: []string{"metadata.labels.x=2"}, want: []string{},
			fields: "metadata.labels.x: 2 → (none) (git, hand, in place)",
		},
		{
			name: "a hand added what git never stated", applied: []string{"spec.image=bb:1"}, have: []string{"spec.image=bb:1", "metadata.labels.x=1"}, want: []string{"spec.image=bb:1"},
			fields: "metadata.labels.x: 1 → (none) (hand, in place)",
		},
		{
			name: "a hand changed a default", applied: []string{"spec.image=bb:1"}, have: []string{"spec.image=bb:1", "spec.stopGracePeriod=1m"}, want: []string{"spec.image=bb:1", "!spec.stopGracePeriod=10s"},
			fields: "spec.stopGracePeriod: 1m → 10s (hand, restarts tasks)",
		},
		{
			name: "a hand removed it", applied: []string{"spec.environment.A=1"}, have: []string{}, want: []string{"spec.environment.A=1"},
			fields: "spec.environment.A: (none) → 1 (hand, restarts tasks)",
		},
		{
			name: "a hand removed it and git changed it", applied: []string{"spec.environment.A=1"}, have: []string{}, want: []string{"spec.environment.A=2"},
			fields: "spec.environment.A: (none) → 2 (git, hand, restarts tasks)",
		},
		{
			name: "a stated leaf that is a default now", applied: []string{"spec.stopGracePeriod=10s"}, have: []string{"spec.stopGracePeriod=1m"}, want: []string{"!spec.stopGracePeriod=10s"},
			fields: "spec.stopGracePeriod: 1m → 10s (git, hand, restarts tasks)",
		},
		{
			name: "nothing is remembered", have: []string{"spec.image=bb:3"}, want: []string{"spec.image=bb:1"},
			fields: "spec.image: bb:3 → bb:1 (git, restarts tasks)",
		},
		{
			name: "what is remembered is not believed", applied: []string{"spec.image=bb:1"}, have: []string{"spec.image=bb:3"}, want: []string{"spec.image=bb:1"}, distrust: true,
			fields: "spec.image: bb:3 → bb:1 (git, restarts tasks)",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			have, want := live("a", test.have...), wanted("a", test.want...)
			if test.applied != nil {
				// This is how it is read back from the label.
				have.Meta.Applied = ParseApplied(NewApplied(leaves(test.applied...)).String())
			}
			have.Meta.Distrust = test.distrust
			if d := cmp.Diff(test.fields, brief(DifferingFields(&have, &want, rules))); d != "" {
				t.Errorf("fields (-want +got):\n%s", d)
			}
		})
	}
}

func TestACollisionIsStillSomebodysDoing(t *testing.T) {
	l := Leaf{Path: "spec.hostname", Type: "spec.hostname", Text: "x"}
	a := NewApplied(leaves("spec.hostname=x"))
	have := State{Meta: Meta{Applied: a}}
	if git, hand := attribute(&l, &l, ptr(Leaf{Path: l.Path, Text: "x", Stated: true}), &have, &State{}, Rule{}); !git || hand {
		t.Errorf("got git %t, hand %t", git, hand)
	}
}

func TestAppliedRemembersStatedLeavesOnly(t *testing.T) {
	a := NewApplied(leaves("spec.image=bb:1", "!spec.mode=replicated"))
	if !a.Has("spec.image") || !a.is("spec.image", "bb:1") || a.is("spec.image", "bb:2") || a.Has("spec.mode") {
		t.Errorf("got %s", a)
	}
}

func TestAppliedLabel(t *testing.T) {
	none := NewApplied(nil)
	if none.Zero() || ParseApplied(none.String()).Zero() {
		t.Error("nothing stated is not the same as nothing remembered")
	}
	full := NewApplied(leaves("spec.image=bb:1", "spec.hostname=h", "spec.environment.A=1"))
	if got := ParseApplied(full.String()); got.String() != full.String() || len(got.leaves) != 3 {
		t.Errorf("%s became %s", full, got)
	}
	if got, want := full.String(), NewApplied(leaves("spec.environment.A=1", "spec.hostname=h", "spec.image=bb:1")).String(); got != want {
		t.Errorf("the order shows: %s, %s", got, want)
	}
	// The format is written on swarms, so it must not change.
	if got, want := NewApplied(leaves("spec.image=bb:1")).String(), "v1:C5bIPazi-kg"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestGarbageRemembersNothing(t *testing.T) {
	good := NewApplied(leaves("spec.image=bb:1")).String()
	for _, label := range []string{"", "v1", "v2:" + good[3:], good + "A", good[:len(good)-1], "v1:!!!!", "v1:AAAA", "v1:" + strings.Repeat("A", 9), " " + good, "V1:" + good[3:]} {
		if got := ParseApplied(label); !got.Zero() {
			t.Errorf("%q gives %s", label, got)
		}
	}
}

func FuzzParseApplied(f *testing.F) {
	for _, seed := range []string{"", "v1:", "v1:C5bIPdeBjoc", "v1:C5bIPdeBjodC5bIPdeBjoc", "v2:", "v1:====", NewApplied(leaves("spec.image=bb:1", "spec.user=u")).String()} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, label string) {
		a := ParseApplied(label)
		if a.Zero() {
			return
		}
		if again := ParseApplied(a.String()); again.String() != a.String() || len(again.leaves) != len(a.leaves) {
			t.Errorf("%q: %s became %s", label, a, again)
		}
	})
}

func TestDigestOfAWant(t *testing.T) {
	base := wanted("a", "spec.image=bb:1", "!spec.mode=replicated")
	same := map[string]State{
		"a default of another release": wanted("a", "spec.image=bb:1", "!spec.mode=global", "!spec.user=x"),
		"policy and place":             {Instance: "a", Leaves: base.Leaves, From: From{File: "x", Line: 3}, Note: "n"},
	}
	for name, s := range same {
		if s.Digest() != base.Digest() {
			t.Errorf("%s shows in the digest", name)
		}
	}
	other := map[string]State{
		"another value":       wanted("a", "spec.image=bb:2", "!spec.mode=replicated"),
		"another path":        wanted("a", "spec.hostname=bb:1", "!spec.mode=replicated"),
		"a default, stated":   wanted("a", "spec.image=bb:1", "spec.mode=replicated"),
		"another live name":   wanted("b", "spec.image=bb:1", "!spec.mode=replicated"),
		"the border moved":    wanted("a", "spec.imageb=b:1"),
		"a leaf less":         wanted("a", "!spec.mode=replicated"),
		"value and path swap": wanted("a", "bb:1=spec.image"),
	}
	for name, s := range other {
		if s.Digest() == base.Digest() {
			t.Errorf("%s does not show in the digest", name)
		}
	}
}

func TestLeavesThatWereAppliedAgain(t *testing.T) {
	a := NewApplied(leaves("spec.image=bb:1", "spec.hostname=h", "spec.user=u"))
	again := a.Again(leaves("spec.image=bb:2", "!spec.user=v", "spec.tty=true"))
	if want := NewApplied(leaves("spec.image=bb:2", "spec.hostname=h", "spec.tty=true")); !again.Equal(want) || !again.is("spec.hostname", "h") {
		t.Errorf("it is %s, want %s", again, want)
	}
	if want := NewApplied(leaves("spec.image=bb:1", "spec.hostname=h", "spec.user=u")); !a.Equal(want) || !a.Again(nil).Equal(want) {
		t.Error("it has changed")
	}
}

// Leaves that were not written are remembered as they were before: stated with another text, or not at all.
func TestLeavesThatWereLeftOut(t *testing.T) {
	leaf := func(path, text string) Leaf { return Leaf{Path: path, Text: text, Stated: true} }
	was := NewApplied([]Leaf{leaf("a", "1"), leaf("b", "1"), leaf("c", "1")})
	got := NewApplied([]Leaf{leaf("a", "2"), leaf("b", "2"), leaf("d", "2")}).Keeping(was, []string{"b", "c", "d", "e"})
	if want := NewApplied([]Leaf{leaf("a", "2"), leaf("b", "1"), leaf("c", "1")}); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if again := ParseApplied(NewApplied(nil).Keeping(Applied{}, []string{"a"}).String()); again.Zero() {
		t.Error("nothing is remembered of a write")
	}
}
