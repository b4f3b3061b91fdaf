package state

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

var web, db, api = v1.Key{Kind: v1.KindService, Name: "web"}, v1.Key{Kind: v1.KindService, Name: "db"}, v1.Key{Kind: v1.KindService, Name: "api"}

func owning() Memory {
	return Memory{
		Made:     map[string]v1.Key{"3": api},
		Adopted:  map[string]Adopted{"1": {Key: web}, "2": {Key: db, Taken: true}},
		Failed:   []plan.Failure{{Key: web}, {Key: db}},
		Keep:     map[v1.Key]string{web: "policy.protect: true", db: "policy.prune: false", api: ""},
		Released: []v1.Key{web},
	}
}

// Whoever gives something up may want it back, as it was: made, adopted or taken over, and kept by what its manifest said.
// Only what let it go does not count any more.
func TestWhatIsGivenUpCanBeTakenBack(t *testing.T) {
	kept := map[v1.Key]string{web: "policy.protect: true", db: "policy.prune: false"}
	for name, test := range map[string]struct {
		give     []v1.Key
		want     Memory
		made     map[string]v1.Key
		adopted  map[string]Adopted
		takeBack v1.Key
		took     bool
	}{
		"two": {
			[]v1.Key{web, db},
			Memory{Released: []v1.Key{db, web}, Keep: owning().Keep},
			map[string]v1.Key{"3": api},
			nil, db, true,
		},
		"one": {
			[]v1.Key{api},
			Memory{Released: []v1.Key{api, web}, Failed: []plan.Failure{{Key: web}, {Key: db}}, Keep: kept},
			nil,
			map[string]Adopted{"2": {Key: db, Taken: true}},
			db, false,
		},
		"all": {
			nil,
			Memory{ReleasedAll: true, Keep: kept},
			nil, nil, web, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, before := owning(), owning()
			was := m
			m.GiveUp(test.give)
			test.want.Made, test.want.Adopted = before.Made, before.Adopted
			if d := cmp.Diff(test.want, m, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("what is remembered (-want +got):\n%s", d)
			}
			made, adopted := m.Managed()
			if d := cmp.Diff(test.made, made) + cmp.Diff(test.adopted, adopted); d != "" {
				t.Errorf("what is managed (-want +got):\n%s", d)
			}
			for _, id := range slices.Concat(slices.Collect(maps.Keys(m.Made)), slices.Collect(maps.Keys(m.Adopted))) {
				_, isMade := made[id]
				_, isAdopted := adopted[id]
				if given := slices.Contains(m.GivenUp(), id); given == (isMade || isAdopted) {
					t.Errorf("%s is given up: %t, and managed as well or neither", id, given)
				}
			}
			if took := m.TakeBack(test.takeBack); took != test.took {
				t.Errorf("%s is taken back: %v", test.takeBack, took)
			}
			again := m
			if !again.TakeAllBack() || again.TakeAllBack() || again.ReleasedAll {
				t.Errorf("not all was taken back, or twice: %+v", again)
			}
			made, adopted = again.Managed()
			if d := cmp.Diff(before.Made, made) + cmp.Diff(before.Adopted, adopted); d != "" {
				t.Errorf("what is managed in the end (-want +got):\n%s", d)
			}
			if d := cmp.Diff(before, was); d != "" {
				t.Errorf("what was given has changed:\n%s", d)
			}
		})
	}
}

// Whoever gives something up has changed their mind about it. What was agreed to before does not happen when it is taken back.
func TestWhatIsGivenUpIsAgreedToNoMore(t *testing.T) {
	agreements := func(texts ...string) (all plan.Consents) {
		for _, text := range texts {
			cs, err := plan.ParseConsent(text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, cs...)
		}
		return all
	}
	had := func() Memory {
		return Memory{
			Consents: agreements("removals Service/web Service/db", "replace Service/api", "many-managers"),
			Approvals: []Approval{
				{Revision: "one", Consents: agreements("removals Service/web", "replace Service/web Service/api"), By: "ann"},
				{Revision: "two", Consents: agreements("moves-data Service/db"), By: "bob"},
			},
		}
	}
	for name, test := range map[string]struct {
		give      []v1.Key
		consents  plan.Consents
		approvals []Approval
	}{
		"none that was agreed to": {[]v1.Key{{Kind: v1.KindNetwork, Name: "web"}}, had().Consents, had().Approvals},
		"one": {
			[]v1.Key{web},
			agreements("removals Service/db", "replace Service/api", "many-managers"),
			[]Approval{{Revision: "one", Consents: agreements("replace Service/api"), By: "ann"}, had().Approvals[1]},
		},
		"two":                  {[]v1.Key{web, db}, agreements("replace Service/api", "many-managers"), []Approval{{Revision: "one", Consents: agreements("replace Service/api"), By: "ann"}}},
		"those that are named": {[]v1.Key{web, db, api}, agreements("many-managers"), nil},
		"all":                  {nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := had()
			was := m
			m.GiveUp(test.give)
			if d := cmp.Diff(test.consents, m.Consents) + cmp.Diff(test.approvals, m.Approvals); d != "" {
				t.Errorf("agreed to is still (-want +got):\n%s", d)
			}
			if d := cmp.Diff(had(), was); d != "" {
				t.Errorf("what was given has changed:\n%s", d)
			}
		})
	}
}

func TestObjectGivenUpTwiceIsNotedOnce(t *testing.T) {
	m := owning()
	m.GiveUp([]v1.Key{web})
	m.GiveUp([]v1.Key{web})
	if len(m.Released) != 1 {
		t.Errorf("given up are %v", m.Released)
	}
	m.GiveUp(nil)
	m.GiveUp([]v1.Key{db})
	if len(m.Released) > 0 || !m.ReleasedAll || !m.GaveUp(api) {
		t.Errorf("given up are %v, and all is %v", m.Released, m.ReleasedAll)
	}
}

func TestForgetRecords(t *testing.T) {
	for name, test := range map[string]struct {
		gone func(id string, k v1.Key) bool
		want int
	}{
		"none":   {func(string, v1.Key) bool { return false }, 3},
		"by id":  {func(id string, _ v1.Key) bool { return id == "2" }, 2},
		"by key": {func(_ string, k v1.Key) bool { return k != web }, 1},
		"all":    {func(string, v1.Key) bool { return true }, 0},
	} {
		m, before := owning(), owning()
		was := m
		m.ForgetRecords(test.gone)
		if len(m.Made)+len(m.Adopted) != test.want {
			t.Errorf("%s: got %v and %v", name, m.Made, m.Adopted)
		}
		if d := cmp.Diff(before, was); d != "" {
			t.Errorf("%s: what was given has changed:\n%s", name, d)
		}
	}
}
