package unlock

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// key returns the nth unlock key of a test.
func key(n int) v1.Content {
	raw := bytes.Repeat([]byte{byte(n), byte(n >> 8)}, 16)
	return v1.NewContent([]byte("SWMKEY-1-" + base64.RawStdEncoding.EncodeToString(raw)))
}

func text(n int) string { return string(key(n).Reveal()) }

func day(n int) time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

// show describes a ring for people: which keys, and since which day.
func show(r Ring) string {
	var out []string
	for _, k := range r {
		for n := range 1000 {
			if k.is(key(n)) {
				out = append(out, fmt.Sprintf("%d@%d", n, int(k.Since.Sub(day(0)).Hours()/24)))
				break
			}
		}
	}
	return strings.Join(out, " ")
}

func TestWhatARingKeeps(t *testing.T) {
	for name, c := range map[string]struct {
		seen [][2]int // key, day
		want string
	}{
		"nothing":                         {nil, ""},
		"one, again and again":            {[][2]int{{1, 0}, {1, 1}, {1, 500}}, "1@0"},
		"the newest first":                {[][2]int{{1, 0}, {2, 1}, {3, 2}}, "3@2 2@1 1@0"},
		"one that comes back":             {[][2]int{{1, 0}, {2, 1}, {1, 2}}, "1@2 2@1"},
		"five at all":                     {[][2]int{{1, 0}, {2, 100}, {3, 200}, {4, 300}, {5, 400}}, "5@400 4@300 3@200 2@100 1@0"},
		"more than five, long ago":        {[][2]int{{1, 0}, {2, 100}, {3, 200}, {4, 300}, {5, 400}, {6, 500}}, "6@500 5@400 4@300 3@200 2@100"},
		"more than five, within 90 days":  {[][2]int{{1, 0}, {2, 1}, {3, 2}, {4, 3}, {5, 4}, {6, 5}, {7, 6}}, "7@6 6@5 5@4 4@3 3@2 2@1 1@0"},
		"one that was in use for a year":  {[][2]int{{1, 0}, {2, 365}, {3, 366}, {4, 367}, {5, 368}, {6, 369}}, "6@369 5@368 4@367 3@366 2@365 1@0"},
		"90 days after its successor":     {[][2]int{{1, 0}, {2, 1}, {3, 2}, {4, 3}, {5, 4}, {6, 91}}, "6@91 5@4 4@3 3@2 2@1 1@0"},
		"a day more":                      {[][2]int{{1, 0}, {2, 1}, {3, 2}, {4, 3}, {5, 4}, {6, 92}}, "6@92 5@4 4@3 3@2 2@1"},
		"a clock that was set back":       {[][2]int{{1, 100}, {2, 0}}, "2@100 1@100"},
		"a clock that was far in advance": {[][2]int{{1, 0}, {2, 1}, {3, 9999}, {4, 3}}, "4@9999 3@9999 2@1 1@0"},
	} {
		var r Ring
		for _, s := range c.seen {
			r, _ = r.See(key(s[0]), day(s[1]))
		}
		if got := show(r); got != c.want {
			t.Errorf("%s: the ring is %s, want %s", name, got, c.want)
		}
	}
}

func TestReadingARing(t *testing.T) {
	at := "2026-01-01T12:00:00Z "
	for name, c := range map[string]struct{ file, want, wrong string }{
		"empty":              {"", "", ""},
		"comments":           {"# keys\n\n  # more\n" + at + text(1) + "\n", "1@0", ""},
		"no last newline":    {at + text(1), "1@0", ""},
		"written on Windows": {at + text(1) + "\r\n" + at + text(2) + "\r\n", "1@0 2@0", ""},
		"another zone":       {"2026-01-01T13:00:00+01:00 " + text(1) + "\n", "1@0", ""},
		"twice":              {at + text(1) + "\n" + at + text(2) + "\n" + at + text(1) + "\n", "1@0 2@0", ""},
		"key alone":          {text(1) + "\n", "", "line 1 is not a time and a key"},
		"no time":            {at + text(2) + "\nyesterday " + text(1) + "\n", "", "line 2 does not begin with a time"},
		"turned round":       {text(1) + " " + at + "\n", "", "line 1 does not begin with a time"},
		"half a key":         {at + text(1)[:30] + "\n", "", "line 1: what should be a key is not SWMKEY-1- and 43"},
		"a token":            {at + "SWMTKN-1-abc\n", "", "line 1: what should be a key does not begin with"},
		"more":               {at + text(1) + " laptop\n", "", "line 1 is not a time and a key"},
		"zeros":              {"\x00\x00\x00", "", "line 1 is not"},
	} {
		r, err := Parse(v1.NewContent([]byte(c.file)))
		if c.wrong == "" && (err != nil || show(r) != c.want) || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong) || r != nil) {
			t.Errorf("%s: %s, %v; want %s%s", name, show(r), err, c.want, c.wrong)
		}
		if err != nil && (strings.Contains(err.Error(), text(1)[9:20]) || strings.Contains(err.Error(), "abc")) {
			t.Errorf("%s: the key is shown: %v", name, err)
		}
	}
}

func TestARingIsNotPrinted(t *testing.T) {
	r, _ := Ring{}.See(key(1), day(0))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, what := range []any{r, r[0], &r[0], r[0].Content, r.Format()} {
			got := fmt.Sprintf(verb, what)
			if strings.Contains(got, text(1)[9:]) || strings.Contains(got, fmt.Sprintf("%x", text(1))) || strings.Contains(got, "83 87 77") {
				t.Errorf("%s shows %s", verb, got)
			}
		}
	}
}

// drawn returns a ring as a person may have left it: any keys, each once, with any times.
func drawn(t *rapid.T) Ring {
	var r Ring
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 60), 0, 12, rapid.ID[int]).Draw(t, "keys") {
		r = append(r, Key{key(n), day(rapid.IntRange(-1000, 1000).Draw(t, "day"))})
	}
	if rapid.Bool().Draw(t, "in order") {
		slices.SortStableFunc(r, func(a, b Key) int { return b.Since.Compare(a.Since) })
	}
	return r
}

func same(a, b Ring) bool {
	return slices.EqualFunc(a, b, func(x, y Key) bool { return x.is(y.Content) && x.Since.Equal(y.Since) })
}

func has(r Ring, c v1.Content) bool {
	return slices.ContainsFunc(r, func(k Key) bool { return k.is(c) })
}

func TestLawsOfTheRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawn(t)
		read, err := Parse(r.Format())
		if err != nil || !same(r, read) {
			t.Fatalf("%s is read as %s, %v", show(r), show(read), err)
		}
		for range rapid.IntRange(1, 10).Draw(t, "times") {
			before, k, now := slices.Clone(r), key(rapid.IntRange(0, 60).Draw(t, "key")), day(rapid.IntRange(-1000, 2000).Draw(t, "now")).Add(time.Duration(rapid.IntRange(0, 1e9).Draw(t, "ns")))
			next, changed := r.See(k, now)
			switch {
			case !same(r, before):
				t.Fatal("the ring that was is another one")
			case len(next) == 0 || !next[0].is(k):
				t.Fatalf("the newest is not the first: %s", show(next))
			case changed == same(r, next):
				t.Fatalf("%s → %s, changed: %v", show(r), show(next), changed)
			}
			if again, changed := next.See(k, now.Add(time.Hour)); changed || !same(again, next) {
				t.Fatal("seen twice it changes again")
			}
			lost := 0
			for _, old := range r {
				if !has(next, old.Content) {
					lost++
				} else if lost > 0 && !old.is(k) {
					t.Fatalf("a key was left out and an older one kept: %s → %s", show(r), show(next))
				}
			}
			if lost > 0 && len(next) < keepAtAll {
				t.Fatalf("keys were left out, and %d are left: %s → %s", len(next), show(r), show(next))
			}
			// A ring is always in order, unless a person edited it.
			inOrder := slices.IsSortedFunc(r, func(a, b Key) int { return b.Since.Compare(a.Since) })
			for i := 1; inOrder && i < len(r); i++ { // r[i] was the engine's until r[i-1] replaced it
				if now.Sub(r[i-1].Since) <= keepFor && next[0].Since.Sub(r[i-1].Since) <= keepFor && !has(next, r[i].Content) {
					t.Fatalf("%s was needed within 90 days: %s → %s", show(r[i:i+1]), show(r), show(next))
				}
			}
			r = next
			if read, err := Parse(r.Format()); err != nil || !same(r, read) {
				t.Fatalf("%s is read as %s, %v", show(r), show(read), err)
			}
		}
	})
}

// Two helpers may know different keys of the same swarm. With the other's lines added, one ring has both.
func TestRingsAreUnitedByTheirLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawn(t), drawn(t)
		both, err := Parse(v1.NewContent(append(slices.Clone(a.Format().Reveal()), b.Format().Reveal()...)))
		if err != nil || !same(both[:len(a)], a) {
			t.Fatalf("%s and %s: %s, %v", show(a), show(b), show(both), err)
		}
		for _, k := range append(slices.Clone(a), b...) {
			if !has(both, k.Content) {
				t.Fatalf("%s and %s: %s", show(a), show(b), show(both))
			}
		}
	})
}
