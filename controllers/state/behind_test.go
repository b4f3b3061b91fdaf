package state

import (
	"fmt"
	"slices"
	"testing"
)

// A commit that leads to a revision counts as passed from then on, even if a later revision does not descend from it: it may
// come again.
func TestWhatLedToARevisionHasPassed(t *testing.T) {
	hash := func(n int) string { return fmt.Sprintf("%012d%028d", n, 0) }
	var m Memory
	if m.Passed(hash(1)) {
		t.Error("an empty memory knows a commit")
	}
	leads := func(commits ...string) { m.InForce.Leads(commits, m.InForce) }
	leads(hash(2), hash(1))
	leads(hash(4), hash(3))
	for n := range 5 {
		if m.Passed(hash(n+1)) != (n < 4) {
			t.Errorf("commit %d has passed: %t", n+1, m.Passed(hash(n+1)))
		}
	}
	for what, commits := range map[string][]string{"an older revision": nil, "another history": {hash(5)}, "the commits that were taken back": {hash(4), hash(3)}} {
		leads(commits...)
		for n := range 4 {
			if !m.Passed(hash(n + 1)) {
				t.Errorf("%s: commit %d is forgotten", what, n+1)
			}
		}
	}
	if !m.Passed(hash(5)) || len(m.InForce.Behind) != 5 {
		t.Errorf("on record is %v, want each of 5 commits once", m.InForce.Behind)
	}
	var many []string
	for n := range 2 * mostBehind {
		many = append(many, hash(n))
	}
	if leads(many...); !slices.Equal(m.InForce.Behind, prefixes(many[:mostBehind])) {
		t.Errorf("%d commits are known, want the newest %d", len(m.InForce.Behind), mostBehind)
	}
}

func prefixes(all []string) []string {
	var out []string
	for _, hash := range all {
		out = append(out, hash[:digits])
	}
	return out
}

func TestARevisionThatWasInForceHasPassed(t *testing.T) {
	m := Memory{History: []Entry{{Hash: "one"}}}
	if !m.Passed("one") || m.Passed("two") {
		t.Errorf("passed: one %t, two %t", m.Passed("one"), m.Passed("two"))
	}
}
