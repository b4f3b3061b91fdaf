package state_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/state"
)

// memoryConfig returns a config that has the label of a memory of source shop.
func memoryConfig(name, data string) *swarm.Config {
	return &swarm.Config{ID: "id-" + name, Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name, Labels: map[string]string{v1.LabelState: "shop"}}, Data: []byte(data)}}
}

// compressed returns a text as a large memory is written.
func compressed(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const good = `{"format":3,"source":"shop","hashKey":"AAAA","inForce":{"hash":"abc"},"owned":2,"adopted":{"id":{"key":"Service/web","applied":"v1:A"}}}`

// A config that cannot be read does not stop the source: the newest memory that can be read counts, and the damage has
// a name.
func TestTheNewestMemoryThatCanBeReadCounts(t *testing.T) {
	older, newer := memoryConfig("swarm-operator.shop.3", good), func(data string) *swarm.Config { return memoryConfig("swarm-operator.shop.7", data) }
	of := func(n int) string { return fmt.Sprintf("swarm-operator.shop.%d", n) }
	for _, c := range []struct {
		name     string
		configs  []*swarm.Config
		sequence uint64
		damaged  map[string]string // name → part of why
	}{
		{"nothing is wrong", []*swarm.Config{older, newer(good)}, 7, nil},
		{"cut off", []*swarm.Config{older, newer(good[:60])}, 3, map[string]string{of(7): "unexpected end of JSON input"}},
		{"empty", []*swarm.Config{older, newer("")}, 3, map[string]string{of(7): "unexpected end of JSON input"}},
		{"somebody's text", []*swarm.Config{older, newer("server { listen 80; }")}, 3, map[string]string{of(7): "invalid character"}},
		{"somebody's JSON", []*swarm.Config{older, newer(`{"listen": 80}`)}, 3, map[string]string{of(7): "it is no memory of an operator"}},
		{"a list", []*swarm.Config{older, newer(`[]`)}, 3, map[string]string{of(7): "cannot unmarshal array"}},
		{"fields of other types", []*swarm.Config{older, newer(`{"format":3,"source":"shop","made":[]}`)}, 3, map[string]string{of(7): "cannot unmarshal array"}},
		{"the memory of another source", []*swarm.Config{older, newer(strings.ReplaceAll(good, "shop", "other"))}, 3, map[string]string{of(7): `it is a memory of source "other"`}},
		{"enormous", []*swarm.Config{older, newer(good + strings.Repeat(" ", v1.MaxConfigSize))}, 3, map[string]string{of(7): "a memory has"}},
		{"compressed, and cut off", []*swarm.Config{older, newer("\x1f\x8b\x08")}, 3, map[string]string{of(7): "decompressing it: unexpected EOF"}},
		{"compressed, and no memory", []*swarm.Config{older, newer(compressed(t, "server { listen 80; }"))}, 3, map[string]string{of(7): "invalid character"}},
		{"compressed, and enormous", []*swarm.Config{older, newer(compressed(t, good+strings.Repeat(" ", 16<<20)))}, 3, map[string]string{of(7): "when it is decompressed"}},
		{"compressed", []*swarm.Config{older, newer(compressed(t, good))}, 7, nil},
		{"deep", []*swarm.Config{older, newer(strings.Repeat(`{"a":`, 100_000))}, 3, map[string]string{of(7): "exceeded max depth"}},
		{"a number that none has reached", []*swarm.Config{older, memoryConfig("swarm-operator.shop.18446744073709551615", good)}, 3, map[string]string{"swarm-operator.shop.18446744073709551615": "no operator has written so many"}},
		{"two that are newer", []*swarm.Config{memoryConfig(of(9), "x"), older, newer("y")}, 3, map[string]string{of(7): "invalid", of(9): "invalid"}},
		{"one that is older", []*swarm.Config{memoryConfig(of(2), "x"), older}, 3, nil},
		{"none that can be read", []*swarm.Config{newer("x")}, 0, map[string]string{of(7): "invalid"}},
		{"a second name of the same number", []*swarm.Config{older, memoryConfig("swarm-operator.shop.03", strings.ReplaceAll(good, "abc", "forged")), memoryConfig("swarm-operator.shop.+4", "x")}, 3, nil},
		{"another source's name", []*swarm.Config{older, memoryConfig("swarm-operator.other.8", good)}, 3, nil},
		{"no memory's name", []*swarm.Config{older, memoryConfig("nginx.conf", "x"), memoryConfig("swarm-operator.shop.0", "x")}, 3, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, configs := range [][]*swarm.Config{c.configs, reversed(c.configs)} {
				found, err := state.NewStore("shop", nil).Find(configs)
				if err != nil {
					t.Fatal(err)
				}
				if found.Sequence != c.sequence || c.sequence > 0 && (found.Memory.InForce.Hash != "abc" || found.Memory.Adopted["id"].Key != web) {
					t.Errorf("found %d: %+v", found.Sequence, found.Memory)
				}
				damaged := map[string]string{}
				for _, d := range found.Damaged {
					damaged[d.Name] = d.Why
				}
				if !slices.Equal(slices.Sorted(maps.Keys(damaged)), slices.Sorted(maps.Keys(c.damaged))) {
					t.Errorf("damaged: %v", damaged)
				}
				text := found.Damage("shop")
				for name, why := range c.damaged {
					if !strings.Contains(damaged[name], why) || !strings.Contains(text, name+" (") || !strings.Contains(text, "docker config rm") {
						t.Errorf("%s: %s\n%s", name, damaged[name], text)
					}
				}
				if len(c.damaged) == 0 && text != "" {
					t.Errorf("damage: %s", text)
				}
			}
		})
	}
}

// A newer release's memory is not damage. It still has a name, in case it is none.
func TestANewerMemoryNamesItsConfig(t *testing.T) {
	_, err := state.NewStore("shop", nil).Find([]*swarm.Config{memoryConfig("swarm-operator.shop.3", good), memoryConfig("swarm-operator.shop.7", `{"format":99}`)})
	if !errors.Is(err, state.ErrNewer) || !strings.Contains(err.Error(), "config swarm-operator.shop.7: ") || !strings.Contains(err.Error(), "docker config rm") {
		t.Errorf("it says %v", err)
	}
	if found, err := state.NewStore("shop", nil).Find([]*swarm.Config{memoryConfig("swarm-operator.shop.3", `{"format":99}`), memoryConfig("swarm-operator.shop.7", good)}); err != nil || found.Sequence != 7 {
		t.Errorf("an older one of a newer release: %d, %v", found.Sequence, err)
	}
}

// After damage nothing is written until a person confirms. Then the next memory is newer than what is damaged, which goes.
func TestDamageIsOverWhenAPersonConfirms(t *testing.T) {
	c := open(t)
	s := state.NewStore("shop", c)
	first := save(t, s, state.Found{}, large(t, many))
	for _, damage := range []struct {
		name string
		do   func(found state.Found)
	}{
		{"a newer memory", func(found state.Found) { forge(t, c, fmt.Sprintf("swarm-operator.shop.%d", found.Sequence+3), "x") }},
		{"a number that none has reached", func(state.Found) { forge(t, c, "swarm-operator.shop.18446744073709551615", "x") }},
		{"a shard", func(state.Found) {
			all := names(t, c)
			shard := all[slices.IndexFunc(all, func(n string) bool { return strings.HasPrefix(n, "swarm-operator-shard.") })]
			removeConfig(t, c, shard)
			forge(t, c, shard, `{"forged":{"key":"Service/evil","applied":""}}`)
		}},
	} {
		before := find(t, s, c)
		damage.do(before)
		found := find(t, s, c)
		if found.Damage("shop") == "" || found.Sequence != before.Sequence || found.Memory.Adopted["forged"].Key.Name != "" {
			t.Fatalf("%s: %q at %d after %d", damage.name, found.Damage("shop"), found.Sequence, before.Sequence)
		}
		change := func(_ state.Found, m *state.Memory) error { m.Owned++; return nil }
		if err := s.Edit(t.Context(), change); err == nil || !strings.Contains(err.Error(), "swarm-operator confirm shop") {
			t.Errorf("%s: a change says %v", damage.name, err)
		}
		if err := s.Confirm(t.Context(), change); err != nil {
			t.Fatalf("%s: %v", damage.name, err)
		}
		after := find(t, s, c)
		if after.Damage("shop") != "" || after.Sequence <= before.Sequence || after.Memory.Owned != before.Memory.Owned+1 {
			t.Errorf("%s: afterwards %q at %d", damage.name, after.Damage("shop"), after.Sequence)
		}
	}
	if n := len(find(t, s, c).Memory.Adopted); n < many*3/4 || n >= len(first.Memory.Adopted) {
		t.Errorf("of %d objects %d are on record after one shard was lost", len(first.Memory.Adopted), n)
	}
}

func reversed(configs []*swarm.Config) []*swarm.Config {
	out := slices.Clone(configs)
	slices.Reverse(out)
	return out
}

// forge makes a config with the label of a memory, as anybody can who may write to the API.
func forge(t *testing.T, c *engine.Client, name, data string) {
	t.Helper()
	if _, err := c.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: memoryConfig(name, data).Spec}); err != nil {
		t.Fatal(err)
	}
}

// Whoever can write to the API can write a memory that can be read, and nothing tells it from the operator's own. The
// security model says so.
func TestAForgedMemoryThatCanBeReadCounts(t *testing.T) {
	forged := memoryConfig("swarm-operator.shop.8", strings.ReplaceAll(good, "abc", "forged"))
	found, err := state.NewStore("shop", nil).Find([]*swarm.Config{memoryConfig("swarm-operator.shop.7", good), forged})
	if err != nil || found.Sequence != 8 || found.Memory.InForce.Hash != "forged" || found.Damage("shop") != "" {
		t.Errorf("number %d of %q counts: %v", found.Sequence, found.Memory.InForce.Hash, err)
	}
}
