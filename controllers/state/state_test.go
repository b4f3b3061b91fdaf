package state_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/diff/plan"
	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/small"
)

// open starts a swarm of one manager.
func open(t *testing.T) *engine.Client {
	t.Helper()
	_, c := openSandbox(t)
	return c
}

func openSandbox(t *testing.T) (*sandbox.Sandbox, *engine.Client) {
	t.Helper()
	sb := small.Swarm(t)
	return sb, small.Engine(t, sb, nil)
}

func configs(t *testing.T, c *engine.Client) []*swarm.Config {
	t.Helper()
	list, err := c.ConfigList(context.Background(), client.ConfigListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []*swarm.Config
	for i := range list.Items {
		out = append(out, &list.Items[i])
	}
	return out
}

func find(t *testing.T, s *state.Store, c *engine.Client) state.Found {
	t.Helper()
	found, err := s.Find(configs(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestWhatIsSavedIsFound(t *testing.T) {
	c := open(t)
	s := state.NewStore("shop", c)
	if found := find(t, s, c); found.Sequence != 0 {
		t.Fatalf("something was found in an empty swarm: %+v", found)
	}
	m, err := state.New("shop")
	if err != nil {
		t.Fatal(err)
	}
	web := v1.Key{Kind: v1.KindService, Name: "web"}
	m.InForce = state.Revision{Hash: "abc", When: time.Unix(100, 0).UTC()}
	m.Owned = 7
	m.Adopted = map[string]state.Adopted{"id1": {Key: web, Applied: "v1:AAAA"}}
	m.Failed = []plan.Failure{{Key: web, Digest: "d", Why: "paused", Began: time.Unix(50, 0).UTC(), Revision: "abc"}}
	m.Keep = map[v1.Key]string{web: "policy.protect: true"}
	m.Consents = plan.Consents{{Hazard: plan.Removals, Objects: []v1.Key{web}}}
	if _, err := s.Save(t.Context(), state.Found{}, m); err != nil {
		t.Fatal(err)
	}
	found := find(t, s, c)
	if !reflect.DeepEqual(found.Memory, m) {
		t.Errorf("found %+v, saved %+v", found.Memory, m)
	}
	// Another source sees none of it.
	if other := find(t, state.NewStore("other", c), c); other.Sequence != 0 {
		t.Errorf("source other finds the memory of source shop")
	}
	// Saving the same again writes nothing.
	again, err := s.Save(t.Context(), found, m)
	if err != nil || again.Sequence != found.Sequence {
		t.Errorf("saving the same: sequence %d → %d, %v", found.Sequence, again.Sequence, err)
	}
	// A change replaces the object and leaves one.
	m.Owned = 8
	next, err := s.Save(t.Context(), found, m)
	if err != nil {
		t.Fatal(err)
	}
	if all := configs(t, c); len(all) != 2 {
		t.Errorf("what was replaced went before it was time: %v", all)
	}
	s.Tidy(t.Context(), s.Tidy(t.Context(), next)) // a repetition is no error
	if all := configs(t, c); len(all) != 1 || all[0].Spec.Name != "swarm-operator.shop.2" || !state.Own(all[0].Spec.Labels) {
		t.Errorf("left behind: %v", all)
	}
}

func TestSecondOfTwoWritersGetsAConflict(t *testing.T) {
	c := open(t)
	a, b := state.NewStore("shop", c), state.NewStore("shop", c)
	m, err := state.New("shop")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Save(t.Context(), state.Found{}, m); err != nil {
		t.Fatal(err)
	}
	seenByA, seenByB := find(t, a, c), find(t, b, c)
	m.Owned = 1
	if _, err := a.Save(t.Context(), seenByA, m); err != nil {
		t.Fatal(err)
	}
	m.Owned = 2
	if _, err := b.Save(t.Context(), seenByB, m); !errors.Is(err, state.ErrConflict) {
		t.Errorf("the second writer got %v, want ErrConflict", err)
	}
	if found := find(t, b, c); found.Memory.Owned != 1 {
		t.Errorf("the second writer won: %+v", found.Memory)
	}
}

func TestNewestMemoryCountsAndOlderOnesAreRemoved(t *testing.T) {
	c := open(t)
	s := state.NewStore("shop", c)
	for name, owned := range map[string]string{"swarm-operator.shop.9": "9", "swarm-operator.shop.10": "10", "swarm-operator.shop.x": "99"} {
		if _, err := c.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{
			Annotations: swarm.Annotations{Name: name, Labels: map[string]string{v1.LabelState: "shop"}},
			Data:        []byte(`{"format":1,"source":"shop","owned":` + owned + "}"),
		}}); err != nil {
			t.Fatal(err)
		}
	}
	found := find(t, s, c)
	if found.Sequence != 10 || found.Memory.Owned != 10 {
		t.Fatalf("found %d with %+v, want the one of sequence 10", found.Sequence, found.Memory)
	}
	found.Memory.Owned = 11
	next, err := s.Save(t.Context(), found, found.Memory)
	if err != nil {
		t.Fatal(err)
	}
	s.Tidy(t.Context(), next)
	for _, left := range configs(t, c) {
		if left.Spec.Name == "swarm-operator.shop.9" || left.Spec.Name == "swarm-operator.shop.10" {
			t.Errorf("%s is left behind", left.Spec.Name)
		}
	}
}

func TestANewerFormatIsNotRead(t *testing.T) {
	for name, data := range map[string]string{"newer": `{"format":99}`, "the next newer": `{"format":4}`} {
		t.Run(name, func(t *testing.T) {
			s := state.NewStore("shop", nil)
			_, err := s.Find([]*swarm.Config{{ID: "x", Spec: swarm.ConfigSpec{
				Annotations: swarm.Annotations{Name: "swarm-operator.shop.1", Labels: map[string]string{v1.LabelState: "shop"}}, Data: []byte(data),
			}}})
			if !errors.Is(err, state.ErrNewer) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestParseName(t *testing.T) {
	for name, want := range map[string]struct {
		source   string
		sequence uint64
		ok       bool
	}{
		"swarm-operator.default.1":      {"default", 1, true},
		"swarm-operator.a.b.12":         {"a.b", 12, true},
		"swarm-operator.a.x":            {},
		"swarm-operator.7":              {},
		"swarm-operator.a.-1":           {},
		"conf":                          {},
		"my-swarm-operator.a.1":         {},
		"swarm-operator.a.1-3f0c1a2b4d": {},
	} {
		source, sequence, ok := state.ParseName(name)
		if ok != want.ok || ok && (source != want.source || sequence != want.sequence) {
			t.Errorf("%s is read as %q, %d, %t", name, source, sequence, ok)
		}
	}
}
