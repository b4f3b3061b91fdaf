package turn

import "testing"

func TestTurnsFollowEachOther(t *testing.T) {
	seen := map[int]bool{}
	for n := range Turns {
		seen[of(n)] = true
		if of(n) != of(n+Turns) || of(n) != of(n-Turns) {
			t.Errorf("%d and %d, %d are different turns", n, n+Turns, n-Turns)
		}
	}
	if len(seen) != Turns {
		t.Errorf("saw %v, want all of %d", seen, Turns)
	}
}
