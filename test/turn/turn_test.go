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

func TestEachSampleAndEachHeavyTestHasOneTurn(t *testing.T) {
	samples, heavies := map[int]int{}, map[int]int{}
	for now := range Turns {
		sample, light := Sample(now)
		heavy, is := Heavy(now)
		if light == is {
			t.Errorf("turn %d has both or neither", now)
		}
		if light {
			samples[sample]++
		} else {
			heavies[heavy]++
		}
	}
	for n := range Samples {
		if samples[n] != 1 {
			t.Errorf("sample %d has %d turns", n, samples[n])
		}
	}
	for n := range Heavies {
		if heavies[n] != 1 {
			t.Errorf("heavy test %d has %d turns", n, heavies[n])
		}
	}
	if len(samples) != Samples || len(heavies) != Heavies {
		t.Errorf("samples %v, heavy tests %v", samples, heavies)
	}
}
