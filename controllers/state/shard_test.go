package state_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// many is how many records of about a kilobyte make a memory that is written in shards. One config could still hold
// them: copying a megabyte takes the race detector seconds.
const many = 300

// large returns a memory with n adopted objects, whose records take about a kilobyte each.
func large(t *testing.T, n int) state.Memory {
	t.Helper()
	m, err := state.New("shop")
	if err != nil {
		t.Fatal(err)
	}
	m.Adopted = map[string]state.Adopted{}
	for i := range n {
		m.Adopted[fmt.Sprintf("%025d", i)] = state.Adopted{
			Key: v1.Key{Kind: v1.KindService, Name: fmt.Sprintf("service-%d", i)}, Applied: "v1:" + strings.Repeat(fmt.Sprintf("%08d", i), 120),
		}
	}
	return m
}

func save(t *testing.T, s *state.Store, found state.Found, m state.Memory) state.Found {
	t.Helper()
	saved, err := s.Save(t.Context(), found, m)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

// names returns the names of all configs.
func names(t *testing.T, c *engine.Client) []string {
	t.Helper()
	var out []string
	for _, n := range configs(t, c) {
		out = append(out, n.Spec.Name)
	}
	slices.Sort(out)
	return out
}

func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(n string) bool { return slices.Contains(b, n) })
}

func removeConfig(t *testing.T, c *engine.Client, name string) {
	t.Helper()
	if _, err := c.ConfigRemove(t.Context(), name, client.ConfigRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestALargeMemory(t *testing.T) {
	c := open(t)
	s := state.NewStore("shop", c)
	m := large(t, 1000) // more than one config holds
	s.Tidy(t.Context(), save(t, s, state.Found{}, m))
	found := find(t, s, c)
	if !reflect.DeepEqual(found.Memory, m) {
		t.Fatalf("of %d adopted objects %d are found, or they are others", len(m.Adopted), len(found.Memory.Adopted))
	}
	if s.Differs(found, found.Memory) {
		t.Error("what was found differs from itself")
	}
	before := names(t, c)

	// Adopting or changing one object writes one shard and the memory.
	changed := found.Memory
	changed.Adopted = maps.Clone(m.Adopted)
	changed.Adopted["another"] = state.Adopted{Key: web, Applied: "v1:AAAA"}
	saved := save(t, s, found, changed)
	if made := without(names(t, c), before); len(made) != 2 {
		t.Errorf("for one object these were written: %v", made)
	}
	s.Tidy(t.Context(), saved)
	if all := names(t, c); len(all) != len(before) {
		t.Errorf("after tidying there are %d configs, before %d: %v", len(all), len(before), all)
	}
	if got := find(t, s, c); !reflect.DeepEqual(got.Memory, changed) {
		t.Error("what was changed is not found")
	}

	// A lost shard loses only what was in it.
	shard := slices.IndexFunc(names(t, c), func(n string) bool { return strings.HasPrefix(n, "swarm-operator-shard.") })
	removeConfig(t, c, names(t, c)[shard])
	found = find(t, s, c)
	if n := len(found.Memory.Adopted); n < 800 || n > 990 || !reflect.DeepEqual(found.Memory.Salt, m.Salt) {
		t.Errorf("with one of the shards lost %d of 1001 objects are known", n)
	}
	for id, a := range found.Memory.Adopted {
		if !reflect.DeepEqual(changed.Adopted[id], a) {
			t.Fatalf("%s is %+v", id, a)
		}
	}
	if !s.Differs(found, found.Memory) {
		t.Error("the memory names a shard that is lost, and would not be written again")
	}

	// A memory that has become small needs no shards.
	found.Memory.Adopted = map[string]state.Adopted{"another": changed.Adopted["another"]}
	s.Tidy(t.Context(), save(t, s, found, found.Memory))
	if all := names(t, c); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
}

// Made objects are on record like adopted ones, in shards of their own. An older release knows nothing about them.
func TestALargeMemoryOfWhatWasMade(t *testing.T) {
	c := open(t)
	s := state.NewStore("shop", c)
	m := large(t, many)
	m.Made, m.Nonce = map[string]v1.Key{}, state.NewNonce()
	for i := range 1500 {
		m.Made[fmt.Sprintf("made%021d", i)] = v1.Key{Kind: v1.KindService, Name: fmt.Sprintf("service-%d", i)}
	}
	s.Tidy(t.Context(), save(t, s, state.Found{}, m))
	found := find(t, s, c)
	if !reflect.DeepEqual(found.Memory, m) {
		t.Fatalf("of %d objects %d are found, and of %d adopted ones %d, or they are others", len(m.Made), len(found.Memory.Made), len(m.Adopted), len(found.Memory.Adopted))
	}
	before := names(t, c)
	changed := found.Memory
	changed.Made = maps.Clone(m.Made)
	changed.Made["another"] = web
	saved := save(t, s, found, changed)
	if made := without(names(t, c), before); len(made) != 2 {
		t.Errorf("for one object these were written: %v", made)
	}
	s.Tidy(t.Context(), saved)
	if got := find(t, s, c); !reflect.DeepEqual(got.Memory, changed) || len(names(t, c)) != len(before) {
		t.Error("what was changed is not found, or something is left behind")
	}
}

// A run asks whether its memory differs, mostly with the records that were found. These are not encoded again, however
// many they are.
func TestRecordsThatAreTheSameMapsAreNotEncoded(t *testing.T) {
	m := large(t, many)
	found, err := state.FoundAs(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	equal := m
	equal.Adopted = maps.Clone(m.Adopted)
	asks := func(m state.Memory) float64 {
		return testing.AllocsPerRun(3, func() {
			if state.Differs("shop", found, m) {
				t.Error("equal records differ")
			}
		})
	}
	if same, cloned := asks(m), asks(equal); same > 100 || cloned < 2*many {
		t.Errorf("with the same map it allocates %.0f times, with an equal one %.0f times", same, cloned)
	}
	equal.Adopted["another"] = state.Adopted{Key: web}
	if !state.Differs("shop", found, equal) {
		t.Error("one more record is no difference")
	}
}

// Settings and specs of removed objects have shards of their own.
func TestALargeMemoryOfWhatWasRemoved(t *testing.T) {
	c := open(t)
	s := state.NewStore("shop", c)
	m := large(t, many)
	m.Unstated, m.Removed = map[string]state.Settings{}, map[string]state.Frozen{}
	for i := range 1000 {
		m.Unstated[fmt.Sprintf("%025d", i)] = state.Settings{Key: web, Paths: []string{"spec.dns", "spec.mounts[/data].volume.driver"}}
	}
	for i := range 5 {
		m.Removed[fmt.Sprintf("%025d", i)] = state.Frozen{Key: web, Instance: "web", Spec: []byte(`{"spec":"` + strings.Repeat("x", 200<<10) + `"}`)}
	}
	s.Tidy(t.Context(), save(t, s, state.Found{}, m))
	found := find(t, s, c)
	if !reflect.DeepEqual(found.Memory, m) {
		t.Fatalf("of %d and %d objects %d and %d are found, or they are others", len(m.Unstated), len(m.Removed), len(found.Memory.Unstated), len(found.Memory.Removed))
	}
	if s.Differs(found, found.Memory) {
		t.Error("what was found differs from itself")
	}
	found.Memory.Removed = nil
	s.Tidy(t.Context(), save(t, s, found, found.Memory))
	if got := find(t, s, c); got.Memory.Removed != nil || !reflect.DeepEqual(got.Memory.Unstated, m.Unstated) {
		t.Error("specs are left behind, or settings went with them")
	}
}

// A process that was killed between writing the shards and the memory leaves shards that no memory names. The next
// one writes the same shards.
func TestShardsOfAKilledProcessAreUsedAgain(t *testing.T) {
	c := open(t)
	s := state.NewStore("shop", c)
	m := large(t, many)
	saved := save(t, s, state.Found{}, m)
	removeConfig(t, c, "swarm-operator.shop.1")
	orphans := len(names(t, c))
	if orphans != 16 {
		t.Fatalf("there are %d shards", orphans)
	}
	_ = saved
	// For a memory without shards they are leftovers; a memory with shards uses them again.
	small := m
	small.Adopted = nil
	save(t, s, state.Found{}, small)
	found := find(t, s, c)
	s.Tidy(t.Context(), save(t, s, found, m))
	got := find(t, s, c)
	if !reflect.DeepEqual(got.Memory, m) {
		t.Errorf("tidying took shards that are in use: %d of %d objects are left", len(got.Memory.Adopted), len(m.Adopted))
	}
	if all := names(t, c); len(all) != 17 {
		t.Errorf("there are %d configs: %v", len(all), all)
	}
}

func TestShardsOfAnotherSourceAreNotTouched(t *testing.T) {
	c := open(t)
	shop, other := state.NewStore("shop", c), state.NewStore("other", c)
	m := large(t, many)
	shop.Tidy(t.Context(), save(t, shop, state.Found{}, m))
	m2 := m
	m2.Source = "other"
	saved := save(t, other, state.Found{}, m2)
	m2.Adopted = nil
	other.Tidy(t.Context(), save(t, other, saved, m2))
	if got := find(t, shop, c); !reflect.DeepEqual(got.Memory, m) {
		t.Error("the memory of source shop has changed")
	}
	if got := state.Sources(configs(t, c)); !slices.Equal(got, []string{"other", "shop"}) {
		t.Errorf("the sources are %v", got)
	}
}

func TestAShardThatCannotBeRead(t *testing.T) {
	c := open(t)
	s := state.NewStore("shop", c)
	save(t, s, state.Found{}, large(t, many))
	all := configs(t, c)
	i := slices.IndexFunc(all, func(c *swarm.Config) bool { return strings.HasPrefix(c.Spec.Name, "swarm-operator-shard.") })
	all[i].Spec.Data = []byte("{")
	found, err := s.Find(all)
	if err != nil || len(found.Damaged) != 1 || found.Damaged[0].Name != all[i].Spec.Name || len(found.Memory.Adopted) < many*3/4 {
		t.Errorf("damaged %v of %d objects, %v", found.Damaged, len(found.Memory.Adopted), err)
	}
}

// A memory that cannot be read back, or of which a part fits no config, is not written at all. The memory before it stays.
func TestAMemoryThatIsTooLargeLeavesTheOneBeforeIt(t *testing.T) {
	c := open(t)
	s := state.NewStore("shop", c)
	m := large(t, many)
	save(t, s, state.Found{}, m)
	found, before := find(t, s, c), names(t, c)

	compresses := m
	compresses.Adopted = maps.Clone(m.Adopted)
	compresses.Adopted["another"] = state.Adopted{Key: web, Applied: "v1:AAAA"} // one more shard to write
	compresses.Refused = &state.Entry{Hash: "abc", Why: strings.Repeat("x", 16<<20)}
	shard := m
	shard.Adopted = maps.Clone(m.Adopted)
	shard.Adopted["another"] = state.Adopted{Key: web, Applied: "v1:" + strings.Repeat("A", v1.MaxConfigSize)}
	for name, test := range map[string]struct {
		m    state.Memory
		want string
	}{
		"compresses well": {compresses, "are read back at most. Nothing was written. Change fewer objects with one commit"},
		"a large record":  {shard, "one of its parts has 1"},
	} {
		_, err := s.Save(t.Context(), found, test.m)
		if err == nil || !strings.Contains(err.Error(), "writing the state of source shop: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v", name, err)
		}
		if after := names(t, c); !slices.Equal(after, before) {
			t.Errorf("%s: %v became %v", name, before, after)
		}
		if got := find(t, s, c); got.Sequence != found.Sequence || !reflect.DeepEqual(got.Memory, m) || len(got.Damaged) > 0 {
			t.Errorf("%s: another memory is found: %d, %v", name, got.Sequence, got.Damaged)
		}
	}
}
