package state

import (
	"fmt"
	"slices"
	"testing"
)

// A commit that leads to a revision leads to all revisions that descend from it. A revision that does not descend from
// the one before it starts again with its own commits.
func TestRevisionPassesTheCommitsThatItDescendsFrom(t *testing.T) {
	hash := func(n int) string { return fmt.Sprintf("%012d%028d", n, 0) }
	var m Memory
	if m.Passed(hash(1)) {
		t.Error("an empty memory knows a commit")
	}
	leads := func(commits []string, follows bool) { m.InForce.Leads(commits, m.InForce, follows) }
	leads([]string{hash(2), hash(1)}, false)
	leads([]string{hash(4), hash(3)}, true)
	for n := range 5 {
		if m.Passed(hash(n+1)) != (n < 4) {
			t.Errorf("commit %d leads to it: %t", n+1, m.Passed(hash(n+1)))
		}
	}
	leads([]string{hash(5)}, false)
	if m.Passed(hash(4)) || !m.Passed(hash(5)) {
		t.Errorf("another history leads to it: %v", m.InForce.Behind)
	}
	leads(nil, true)
	if !m.Passed(hash(5)) {
		t.Error("a commit on top of it forgets what leads to it")
	}
	var many []string
	for n := range 2 * mostBehind {
		many = append(many, hash(n))
	}
	if leads(many, true); !slices.Equal(m.InForce.Behind, prefixes(many[:mostBehind])) {
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
