package kinds_test

import (
	"slices"
	"testing"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Anybody who can write to the API can put the source's labels on an object. That makes nobody remove it: not as an object
// without a manifest, not as an old version, and not beside one that the source made. Nor does it make anybody remove the
// object that the source made.
func TestWhatOnlyCarriesOurLabelsIsNotRemoved(t *testing.T) {
	forged := func(kind, name, owner string, minutes int) *kinds.Live {
		l := live(kind, name, map[string]string{v1.LabelOwner: owner, v1.LabelMade: "a nonce of another time"}, minutes, "forged")
		l.ID = "forged-" + name
		switch raw := l.Raw.(type) {
		case *swarm.Service:
			raw.ID = l.ID
		case nil:
			l.Raw = &network.Summary{Network: network.Network{ID: l.ID, Name: name, Driver: "overlay", Scope: "swarm", Labels: l.Labels}}
		}
		return l
	}
	real := func(kind, name string) *kinds.Live {
		if kind == v1.KindConfig || kind == v1.KindSecret {
			return version(v1.Key{Kind: kind, Name: name}, 0, "one")
		}
		return live(kind, name, map[string]string{v1.LabelOwner: "src/" + kind + "/" + name}, 0, "")
	}
	for _, kind := range []string{v1.KindService, v1.KindNetwork, v1.KindConfig, v1.KindSecret} {
		versions := kind == v1.KindConfig || kind == v1.KindSecret
		owner := "src/" + kind + "/c"
		for _, c := range []struct {
			name   string
			forged *kinds.Live
			made   bool      // the source has made one of that name
			want   v1.Object // nil means that the manifest is gone
			goes   bool      // what the source made is removed
		}{
			{"alone, without a manifest", forged(kind, "c", owner, 0), false, nil, false},
			{"newer than ours, without a manifest", forged(kind, "c-0123456789", owner, 9), true, nil, true},
			{"older than ours, without a manifest", forged(kind, "c-0123456789", owner, -9), true, nil, true},
			{"newer than ours, with its manifest", forged(kind, "c-0123456789", owner, 9), true, content(kind, "c", "one", v1.Policy{}), false},
			{"older than ours, with its manifest", forged(kind, "c-0123456789", owner, -9), true, content(kind, "c", "one", v1.Policy{}), false},
			{"beside a new version", forged(kind, "c-0123456789", owner, 9), true, content(kind, "c", "two", v1.Policy{}), true},
		} {
			if !versions && (c.want != nil || c.made) {
				continue // a name of another object proves nothing, and nobody has two of one name
			}
			t.Run(kind+" "+c.name, func(t *testing.T) {
				lives, src := []*kinds.Live{c.forged}, source
				src.Nonce, src.Made = "now", map[string]v1.Key{}
				ours := real(kind, "c")
				if c.made {
					lives, src.Made[ours.ID] = append(lives, ours), v1.Key{Kind: kind, Name: "c"}
				}
				var wants []v1.Object
				if c.want != nil {
					wants = append(wants, c.want)
				}
				for _, order := range [][]*kinds.Live{lives, {lives[len(lives)-1], lives[0]}} {
					if len(lives) == 1 {
						order = lives
					}
					p := plan.Build(compare(index(order...), src, wants...), plan.Facts{Owned: 10, OwnedServices: 5, Shares: true}, plan.Policy{Source: "src", Budgets: plan.DefaultBudgets()}, all.Part())
					removes := func(id string) bool {
						return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Op == diff.Remove && s.Change.Have.Meta.ID == id })
					}
					if removes(c.forged.ID) {
						t.Errorf("the forged one is removed:\n%s", p.Text(nil))
					}
					if removes(ours.ID) != c.goes {
						t.Errorf("the one that the source made is removed: %t, want %t:\n%s", !c.goes, c.goes, p.Text(nil))
					}
					if !slices.ContainsFunc(p.Refused, func(r plan.Refusal) bool { return r.Op == diff.Remove && r.Class == plan.Never }) && !slices.ContainsFunc(p.Kept, func(k plan.Target) bool { return k.Key == v1.Key{Kind: kind, Name: "c"} }) {
						t.Errorf("nobody says that it stays:\n%s", p.Text(nil))
					}
				}
			})
		}
	}
}
