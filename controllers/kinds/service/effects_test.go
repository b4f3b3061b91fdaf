package service

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/test/golden"
)

// The golden file says what a difference in each type of leaf costs. It also says whether some live values count as
// nobody's while nothing is stated, and which API version first knows the leaf. It is reviewed line by line.
func TestRules(t *testing.T) {
	var b strings.Builder
	for _, typ := range slices.Sorted(maps.Keys(rules)) {
		r := rules[typ]
		fmt.Fprintf(&b, "%-46s %s", typ, r.Effect)
		for _, note := range []struct {
			is   bool
			text string
		}{{r.Allocated, "allocated"}, {r.Nobody != nil, "some are nobody's"}, {r.Equal != nil, "compared in its own way"}, {r.SinceAPI != "", "since " + r.SinceAPI}, {len(r.SinceOf) > 0, fmt.Sprint("since ", r.SinceOf)}} {
			if note.is {
				b.WriteString(", " + note.text)
			}
		}
		b.WriteByte('\n')
	}
	golden.Equal(t, "testdata/rules.golden", b.String())
}

// The effect of each field is SwarmKit's: if only that field is written, SwarmKit replaces tasks exactly if its rule
// says so.
func TestEachEffect(t *testing.T) {
	live, want := everything(), wantOf(otherwise())
	live = returned(t, live)
	have := haveOf(live)
	for _, f := range diff.DifferingFields(have, want, rules) {
		t.Run(f.Path, func(t *testing.T) { costs(t, live, overlaid(t, have, want, []diff.Field{f}), []diff.Field{f}) })
	}
}
